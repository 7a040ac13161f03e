"""Models by the names that people search for.

vae = zoo.conv_vae((28, 28, 1), latent_dim=16, filters=(32, 64))
"""

import inspect
import re

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import zoo

ARGUMENTS = {"input_shape": (8, 8, 1), "latent_dim": 3, "condition": 10}


def make(name, **arguments):
    function = getattr(zoo, name)
    needed = {
        key: ARGUMENTS[key] for key in ARGUMENTS if key in inspect.signature(function).parameters
    }
    return function(**needed, **arguments)


def without_names(config):
    """A config without the counters that Keras appends to the names of layers."""
    return re.sub(r"'name': '[a-z_]+?(_\d+)?'", "", str(config))


@pytest.mark.parametrize("name", zoo.__all__)
def test_what_the_docstring_says_by_parts_makes_the_same_model(name):
    text = " ".join(getattr(zoo, name).__doc__.split())
    expression = re.search(r"By parts: `(.*)` Paper: \w.* \d{4} Tutorial: \d\d_", text)[1]
    by_parts = eval(expression, {**vars(keras_vae), **ARGUMENTS})
    model = make(name)
    assert without_names(model.get_config()) == without_names(by_parts.get_config())
    assert without_names(make(name, seed=3).get_config()) != without_names(model.get_config())


@pytest.mark.parametrize("name", zoo.__all__)
def test_arguments_reach_networks_and_model(name):
    model = make(name, likelihood="gaussian", seed=3, batch_norm=True)
    kinds = {type(layer).__name__ for layer in model.encoder.layers}
    assert "BatchNormalization" in kinds
    assert type(model.likelihood_layer).__name__ == "Gaussian"
    assert model.seed == 3


def test_one_line_and_a_fit(digits):
    x, y = digits
    keras.utils.set_random_seed(0)
    vae = zoo.conditional_vae((8, 8, 1), latent_dim=2, condition=10, components=3, hidden=(16,))
    vae.compile("adam")
    vae.fit(x, y, verbose=0)
    assert np.isfinite(vae.generate(10, condition=np.arange(10))).all()
