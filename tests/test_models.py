"""One battery for every model: those of the registry, one that a user wrote, and the kinds to come.

A new model is its entry in `zoo.py`: the battery makes it from there.
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

from keras_vae import callbacks, networks, optimizers, zoo
from keras_vae.models.base import BaseModel
from tests import kinds
from tests.callbacks.models import UsersVAE
from tests.callbacks.test_graphs import check_inference_is_tidy, check_is_tidy
from tests.conftest import weights_of

EPOCHS = 6
OF_THE_BATCH = ("beta_tc_vae", "factor_vae", "info_vae")  # terms that compare a batch's examples
ROOT = pathlib.Path(__file__).parents[1]


def of_entry(entry):
    """(how to make the model of an entry, (x, y) of the digits to the data of `fit`)."""

    def make():
        return entry.make((8, 8, 1), 2, seed=1, **entry.example)

    return make, lambda x, y: (x, y) if "condition" in entry.example else (x,)


CASES = {name: of_entry(entry) for name, entry in zoo.ENTRIES.items()}
CASES["a user's"] = (
    lambda: UsersVAE(*networks.dense((8, 8, 1), 2, hidden=(16,)), seed=1),
    lambda x, y: (x,),
)
CASES |= kinds.KINDS


def make(name, policy="float32", **compile_arguments):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        model = CASES[name][0]()
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(optimizers.Adam(3e-3), **compile_arguments)
    return model


def reading(data, rows=None):
    """The keyword of a verb of a model that reads a condition; nothing for another."""
    return {"condition": data[1][:rows]} if len(data) > 1 else {}


@pytest.fixture(scope="module")
def examples(digits):
    """The data of `fit`, by name of the model."""
    return {name: data(*digits) for name, (_, data) in CASES.items()}


@pytest.fixture(scope="module")
def trained(examples):
    """Each model and its history, trained once for the tests that only look."""
    found = {}

    def train(name):
        if name not in found:
            model = make(name, steps_per_execution=8)
            arguments = {"epochs": EPOCHS, "verbose": 0, "validation_data": examples[name]}
            found[name] = model, model.fit(*examples[name], **arguments).history
        return found[name]

    return train


every_model = pytest.mark.parametrize(
    "name",
    [  # a beta_vae is a dense_vae with another beta
        pytest.param(name, marks=pytest.mark.slow if name == "beta_vae" else ()) for name in CASES
    ],
)


@every_model
def test_it_trains_improves_and_evaluates(trained, examples, name):
    model, history = trained(name)
    assert set(history) == {f"{of}{key}" for key in model.loss_names for of in ("", "val_")}
    assert np.isfinite(list(history.values())).all()
    for key in ("loss", "val_loss"):
        assert history[key][-1] < history[key][0] - 0.5
    losses = model.evaluate(*examples[name], verbose=0, return_dict=True)
    assert losses == model.evaluate(*examples[name], verbose=0, return_dict=True)
    other = model.evaluate(*examples[name], batch_size=77, verbose=0, return_dict=True)
    for key in model.loss_names:
        assert losses[key] == pytest.approx(history[f"val_{key}"][-1], rel=1e-5)
        if name in OF_THE_BATCH and key not in ("reconstruction_loss", "kl_loss", "elbo"):
            continue
        assert losses[key] == pytest.approx(other[key], rel=1e-5, abs=1e-6)


@every_model
def test_it_reconstructs_decodes_and_generates_or_says_why_not(trained, examples, name):
    (model, _), data = trained(name), examples[name]
    x, shape = data[0], data[0].shape
    reconstructions = model.predict(x, verbose=0, **reading(data))
    assert reconstructions.shape == shape
    np.testing.assert_allclose(model.reconstruct(x, **reading(data)), reconstructions, atol=1e-5)
    z = model.encode(x, **reading(data))
    assert z.shape == (300, *model.signature.latent_shape)
    known = {}
    if len(data) > 1:  # labels that are unknown are inferred from x, where there is one
        known["condition"] = np.array(model.infer_condition(x, data[1]))
    decoded = model.decode(z, **known)
    assert decoded.shape == shape
    if len(model.signature.latent_shapes) == 1 or not model.has_prior:
        np.testing.assert_allclose(decoded, reconstructions, atol=1e-5)
    if not model.has_prior:
        with pytest.raises(TypeError, match="to draw from"):
            model.generate(3)
        return
    three = {"condition": 3} if len(data) > 1 else {}
    for sample in (False, True):
        drawn = model.generate(130, seed=1, sample=sample, **three)
        assert drawn.shape == (130, *shape[1:])
        first = model.generate(4, seed=1, sample=sample, **three)
        np.testing.assert_allclose(drawn[:4], first, atol=1e-5)
        if name != "tokens":  # some runs are drawn twice
            assert len(np.unique(drawn, axis=0)) == 130


@every_model
def test_the_kl_term_has_a_gradient_by_default(trained, examples, name):
    """A well-known detector's VAE has none."""
    model, _ = trained(name)
    if "kl_loss" not in model.loss_names:
        pytest.skip("it has no KL term")
    data = [array[:32] for array in examples[name]]
    with tf.GradientTape() as tape:
        terms = model.objective(*data, training=True)
        kl_term = tf.reduce_mean(terms["loss"] - terms["reconstruction_loss"])
    kernels = [v for v in model.encoder.trainable_variables if v.name == "kernel"]
    gradients = tape.gradient(kl_term, kernels)  # a VampPrior moves with the bias of the means
    assert all(np.abs(tf.convert_to_tensor(gradient)).max() > 0 for gradient in gradients)


def verbs_of(model):
    verbs = {"encode": {}}
    if model.has_posterior:
        verbs["encode "] = {"sample": True, "seed": 1}
    if model.has_densities:
        verbs |= {"elbo": {"seed": 1}, "log_likelihood": {"seed": 1, "num_samples": 3}}
    return [(verb.strip(), arguments) for verb, arguments in verbs.items()]


@every_model
def test_verbs_are_functions_of_the_row_its_place_and_the_seed(trained, examples, name):
    """Whatever the batch, however often a model draws in one pass."""
    (model, _), data = trained(name), examples[name]
    x, before = data[0], [variable.numpy() for variable in model.variables]
    for verb, arguments in verbs_of(model):
        call = getattr(model, verb)
        whole = call(x, **reading(data), **arguments)
        np.testing.assert_array_equal(whole, call(x, **reading(data), **arguments))
        for part in (
            call(x, batch_size=77, **reading(data), **arguments),
            np.concatenate([call(x[:100], **reading(data, 100), **arguments), whole[100:]]),
        ):
            np.testing.assert_allclose(whole, part, rtol=1e-5, atol=1e-5)
        if "seed" in arguments:
            other = call(x, **reading(data), **{**arguments, "seed": 2})
            assert not np.allclose(whole, other)
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, new)  # no verb changes a state


@every_model
def test_it_saves_loads_and_trains_on_exactly(examples, tmp_path, name):
    model = make(name)
    model.fit(*examples[name], epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, again):
        each.fit(*examples[name], epochs=1, verbose=0)
    np.testing.assert_array_equal(weights_of(model), weights_of(again))


def drawn_codes(model, data):
    drawing = {"seed": 3, "sample": True} if model.has_posterior else {}
    return model.encode(data[0], **drawing, **reading(data))


TRAIN_ON = """
import sys, keras, numpy as np
from keras_vae import datasets
from tests.conftest import weights_of
from tests.test_models import CASES, drawn_codes
digits, _ = datasets.load_digits(limit=300)
for i, (name, (_, data)) in enumerate(CASES.items()):
    model = keras.models.load_model(f"{sys.argv[1]}/{i}.keras")
    model.fit(*data(*digits), epochs=1, verbose=0)
    np.save(f"{sys.argv[1]}/{i}.npy", weights_of(model))
    np.save(f"{sys.argv[1]}/z{i}.npy", drawn_codes(model, data(*digits)))
"""


@pytest.mark.slow
def test_a_fresh_process_loads_every_model_and_goes_on_exactly(examples, tmp_path):
    """Its noise too: a stream is known by its place in the model, not by what was made before."""
    expected = []
    for i, name in enumerate(CASES):
        model, data = make(name), examples[name]
        model.fit(*data, epochs=1, verbose=0)
        model.save(tmp_path / f"{i}.keras")
        model.fit(*data, epochs=1, verbose=0)
        expected.append((weights_of(model), drawn_codes(model, data)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", TRAIN_ON, tmp_path], env=environment, check=True)
    for i, (weights, z) in enumerate(expected):
        np.testing.assert_array_equal(np.load(tmp_path / f"{i}.npy"), weights)
        np.testing.assert_allclose(np.load(tmp_path / f"z{i}.npy"), z, atol=1e-6)


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
    assert history["loss"][-1] == pytest.approx(trained(name)[1]["loss"][-1], rel=0.02)
    if setting == "XLA":
        place = 1 if name in OF_THE_BATCH else 0  # reconstruction_loss, or loss
        sizes = (300, 77)
        losses = [model.evaluate(*examples[name], batch_size=n, verbose=0)[place] for n in sizes]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@every_model
def test_config_holds_every_argument(name):
    model = make(name)
    arguments = set()
    for cls in type(model).__mro__[: type(model).__mro__.index(BaseModel) + 1]:
        signature = inspect.signature(cls.__init__).parameters.values()
        arguments |= {p.name for p in signature if p.kind == p.POSITIONAL_OR_KEYWORD}
        arguments |= {p.name for p in signature if p.kind == p.KEYWORD_ONLY}
    config = model.get_config()
    assert {"encoder", "decoder", "likelihood", "seed"} <= arguments - {"self"} <= set(config)
    assert type(model).from_config(model.get_config()).get_config() == config


@every_model
def test_its_graphs_are_tidy(examples, name):
    model = make(name)
    check_is_tidy(callbacks.tidy_graph(model, "training", *examples[name]), model.parts)
    check_inference_is_tidy(callbacks.tidy_graph(model, "inference", *examples[name]), model)


def test_a_kind_is_small():
    """What a kind cannot say in 45 lines is missing from the contract."""
    classes = [each for _, each in inspect.getmembers(kinds, inspect.isclass)]
    own = [each for each in classes if each.__module__ == kinds.__name__]
    assert len(own) >= 9
    for each in own:
        assert len(inspect.getsource(each).splitlines()) <= 45, each
