"""One battery for every model: those of `models.__all__`, and one that a user wrote.

A new model is one line in CASES: how to make it, and whether the labels are its condition.
"""

import inspect
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, Autoencoder, ConditionalVAE, callbacks, models, networks, priors
from tests.callbacks.models import UsersVAE
from tests.callbacks.test_graphs import check_is_tidy
from tests.conftest import weights_of

EPOCHS = 12
ROOT = pathlib.Path(__file__).parents[1]


def dense(**arguments):
    return networks.dense((8, 8, 1), 2, hidden=(16,), dropout=0.1, **arguments)


def conditional():
    prior = priors.Mixture(2, components=2, condition=10)
    return ConditionalVAE(*dense(condition=10), prior=prior, seed=1)


CASES = {  # name -> (how to make it, whether it reads the labels as its condition)
    "VAE": (lambda: VAE(*dense(), beta=0.5, seed=1), False),
    "Autoencoder": (lambda: Autoencoder(*dense(variational=False), seed=1), False),
    "ConditionalVAE": (conditional, True),
    "a user's": (lambda: UsersVAE(*dense(), seed=1), False),
}


def make(name, policy="float32", **compile_arguments):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        model = CASES[name][0]()
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile("adam", **compile_arguments)
    return model


def reading(name, condition):
    """The keyword of a verb of a model that reads a condition; nothing for another."""
    return {"condition": condition} if CASES[name][1] else {}


@pytest.fixture(scope="module")
def examples(digits):
    """The data of `fit`, by name of the model."""
    x, y = digits
    return {name: (x, y) if reads else (x,) for name, (_, reads) in CASES.items()}


@pytest.fixture(scope="module")
def trained(examples):
    """Each model and its history, trained once for the tests that only look."""
    found = {}
    for name in CASES:
        model = make(name, steps_per_execution=8)
        arguments = {"epochs": EPOCHS, "verbose": 0, "validation_data": examples[name]}
        found[name] = model, model.fit(*examples[name], **arguments).history
    return found


every_model = pytest.mark.parametrize("name", CASES)


def test_every_model_has_a_case():
    assert set(models.__all__) <= set(CASES)


@every_model
def test_it_trains_improves_and_evaluates(trained, examples, name):
    model, history = trained[name]
    assert set(history) == {f"{of}{key}" for key in model.loss_names for of in ("", "val_")}
    assert np.isfinite(list(history.values())).all()
    for key in ("loss", "val_loss"):
        assert history[key][-1] < history[key][0] - 1
    losses = model.evaluate(*examples[name], verbose=0, return_dict=True)
    assert losses == model.evaluate(*examples[name], verbose=0, return_dict=True)
    for key in model.loss_names:
        assert losses[key] == pytest.approx(history[f"val_{key}"][-1], rel=1e-5)


@every_model
def test_it_predicts_and_generates_or_says_why_not(trained, digits, name):
    (model, _), (x, y) = trained[name], digits
    reconstructions = model.predict(x, verbose=0, **reading(name, y))
    assert reconstructions.shape == x.shape
    assert np.mean((reconstructions - x) ** 2) < np.mean((x.mean() - x) ** 2)
    z = model.encode(x, **reading(name, y))
    decoded = model.decode(z, **reading(name, y))
    np.testing.assert_allclose(decoded, reconstructions, atol=1e-5)
    if "elbo" in model.loss_names:
        images = model.generate(130, seed=1, **reading(name, 3))
        assert images.shape == (130, 8, 8, 1)
        assert len(np.unique(images, axis=0)) == 130
        np.testing.assert_array_equal(images[:4], model.generate(4, seed=1, **reading(name, 3)))
    else:
        with pytest.raises(TypeError, match="to draw from"):
            model.generate(3)


@every_model
def test_the_kl_term_has_a_gradient_by_default(trained, examples, name):
    """A well-known detector's VAE has none."""
    model, _ = trained[name]
    if "kl_loss" not in model.loss_names:
        pytest.skip("it has no KL term")
    data = [array[:32] for array in examples[name]]
    with tf.GradientTape() as tape:
        terms = model.objective(*data, training=True)
        kl_term = tf.reduce_mean(terms["loss"] - terms["reconstruction_loss"])
    gradients = tape.gradient(kl_term, model.encoder.trainable_variables)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@every_model
def test_verbs_are_deterministic_and_independent_of_the_batch_size(trained, digits, name):
    (model, _), (x, y) = trained[name], digits
    verbs = {"encode": {}}
    if "elbo" in model.loss_names:
        verbs |= {"elbo": {"seed": 1}, "log_likelihood": {"seed": 1, "num_samples": 3}}
    for verb, arguments in verbs.items():
        whole = getattr(model, verb)(x, **reading(name, y), **arguments)
        again = getattr(model, verb)(x, **reading(name, y), **arguments)
        np.testing.assert_array_equal(whole, again)
        parts = getattr(model, verb)(x, batch_size=128, **reading(name, y), **arguments)
        np.testing.assert_allclose(whole, parts, rtol=1e-5, atol=1e-5)
        first = getattr(model, verb)(x[:7], **reading(name, y[:7]), **arguments)
        np.testing.assert_allclose(whole[:7], first, rtol=1e-5, atol=1e-5)
        if "seed" in arguments:
            other = getattr(model, verb)(x, **reading(name, y), **{**arguments, "seed": 2})
            assert not np.allclose(whole, other)


@every_model
def test_it_saves_loads_and_trains_on_exactly(examples, tmp_path, name):
    model = make(name)
    model.fit(*examples[name], epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, again):
        each.fit(*examples[name], epochs=1, verbose=0)
    np.testing.assert_array_equal(weights_of(model), weights_of(again))


TRAIN_ON = """
import sys, keras, numpy as np
from keras_vae import datasets
from tests.conftest import weights_of
from tests.test_models import CASES
(x, y), _ = datasets.load_digits(limit=300)
for i, (name, (_, reads)) in enumerate(CASES.items()):
    model = keras.models.load_model(f"{sys.argv[1]}/{i}.keras")
    model.fit(x, y if reads else None, epochs=1, verbose=0)
    np.save(f"{sys.argv[1]}/{i}.npy", weights_of(model))
"""


@pytest.mark.slow
def test_a_fresh_process_loads_every_model_and_trains_on_exactly(examples, tmp_path):
    expected = []
    for i, name in enumerate(CASES):
        model = make(name)
        model.fit(*examples[name], epochs=1, verbose=0)
        model.save(tmp_path / f"{i}.keras")
        model.fit(*examples[name], epochs=1, verbose=0)
        expected.append(weights_of(model))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", TRAIN_ON, tmp_path], env=environment, check=True)
    for i, weights in enumerate(expected):
        np.testing.assert_array_equal(np.load(tmp_path / f"{i}.npy"), weights)


SETTINGS = {
    "XLA": {"jit_compile": True},
    "float16": {"policy": "mixed_float16"},
    "bfloat16": {"policy": "mixed_bfloat16"},
}


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
@every_model
def test_it_trains_compiled_and_in_half_precision(trained, examples, name, setting):
    model = make(name, **SETTINGS[setting])
    history = model.fit(*examples[name], epochs=EPOCHS, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    assert history["loss"][-1] == pytest.approx(trained[name][1]["loss"][-1], rel=0.02)


@every_model
def test_config_holds_every_argument(name):
    model = make(name)
    arguments = set()
    for cls in type(model).__mro__[: type(model).__mro__.index(models.base.BaseModel)]:
        signature = inspect.signature(cls.__init__).parameters.values()
        arguments |= {p.name for p in signature if p.kind == p.POSITIONAL_OR_KEYWORD}
    config = model.get_config()
    assert {"encoder", "decoder", "likelihood", "seed"} <= arguments - {"self"} <= set(config)
    assert type(model).from_config(model.get_config()).get_config() == config


@every_model
def test_its_graph_is_tidy(name):
    model = make(name)
    graph = callbacks.tidy_graph(model)
    check_is_tidy(graph, model.parts)
    check_is_tidy(
        callbacks.tidy_graph(model, "inference"), model.parts[: model.parts.index("loss")]
    )
