"""Models under the names that people search for.

vae = zoo.conv_vae((28, 28, 1), latent_dim=16, filters=(32, 64))
"""

import inspect
import pathlib
import re

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import zoo

ROOT = pathlib.Path(__file__).parents[1]
ARGUMENTS = {"input_shape": (8, 8, 1), "latent_dim": 3, "condition": 10, "num_examples": 300}


def make(name, **arguments):
    function = zoo.ENTRIES[name].make
    needed = {
        key: ARGUMENTS[key] for key in ARGUMENTS if key in inspect.signature(function).parameters
    }
    return function(**needed, **arguments)


def without_names(config):
    """A config without the names of layers, to which Keras appends counters."""
    return re.sub(r"'name': '[a-z_]+?(_\d+)?'", "", str(config))


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_the_code_by_parts_in_a_docstring_makes_the_same_model(name):
    text = " ".join(getattr(zoo, name).__doc__.split())
    expression = re.search("By parts: `(.*)`", text)[1]
    by_parts = eval(expression, {**vars(keras_vae), **ARGUMENTS})
    model = make(name)
    assert without_names(model.get_config()) == without_names(by_parts.get_config())
    assert without_names(make(name, seed=3).get_config()) != without_names(model.get_config())


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_an_entry_names_its_model_paper_and_tutorial(name):
    entry = zoo.ENTRIES[name]
    assert type(make(name)) is entry.model
    assert entry.model.__name__ in zoo.__all__
    assert re.fullmatch(r"\w.* \d{4}", entry.paper)
    assert (ROOT / "tutorials" / f"{entry.tutorial}.py").exists()


def test_every_class_has_an_entry_and_is_a_top_level_name():
    assert {entry.model.__name__ for entry in zoo.ENTRIES.values()} == set(zoo.__all__)
    for name in zoo.__all__:
        assert getattr(keras_vae, name) is getattr(zoo, name)
        assert name in keras_vae.__all__


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_arguments_reach_networks_and_model(name):
    model = make(name, likelihood="gaussian", seed=3, hidden=(13,))
    assert any(getattr(layer, "units", None) == 13 for layer in model.encoder.layers)
    assert type(model.likelihood_layer).__name__ == "Gaussian"
    assert model.seed == 3


def test_a_model_from_one_line_trains(digits):
    x, y = digits
    keras.utils.set_random_seed(0)
    vae = zoo.conditional_vae((8, 8, 1), latent_dim=2, condition=10, components=3, hidden=(16,))
    vae.compile("adam")
    vae.fit(x, y, verbose=0)
    assert np.isfinite(vae.generate(10, condition=np.arange(10))).all()
