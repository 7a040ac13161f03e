"""Files saved by this and earlier versions load, give the same outputs, and continue to train.

model = keras.models.load_model("tests/saved/VAE-0.1.0.keras")
"""

import json

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import datasets, load_pretrained
from tests.saved import make

FILES = sorted(make.FOLDER.glob("*.keras"))
PRETRAINED = sorted(make.FOLDER.glob("pretrained-*.json"))


def check_same_outputs(model, path, x, y):
    """Equal to 1e-5; the bound, whose noise may differ between versions, within its error."""
    expected = json.loads(path.read_text())
    found = make.outputs(model, x, y)
    assert set(found) == set(expected)
    errors = np.hypot(*(f.pop("elbo_standard_error", [0.0]) for f in (expected, found)))
    if "elbo" in expected:
        difference = np.subtract(found.pop("elbo"), expected.pop("elbo"))
        assert np.all(np.abs(difference) <= 3 * errors)
        assert not np.all(np.abs(difference + 20 * errors) <= 3 * errors)  # counterexample
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "path",
    [pytest.param(f, marks=pytest.mark.slow if "beta" in f.stem else ()) for f in FILES],
    ids=lambda path: path.stem,
)
def test_a_file_of_any_version_gives_the_same_outputs_and_trains(path, digits):
    model = keras.models.load_model(path)
    _, (x, y) = datasets.load_digits(limit=3)
    reads = model.signature.reads_condition
    check_same_outputs(model, path.with_suffix(".json"), x, y if reads else None)
    data = digits if reads else digits[:1]
    before = model.evaluate(*data, verbose=0, return_dict=True)["loss"]
    model.fit(*data, epochs=5, verbose=0)
    assert model.evaluate(*data, verbose=0, return_dict=True)["loss"] < before
    assert model.epochs_seen == 8


@pytest.mark.parametrize("path", PRETRAINED, ids=lambda path: path.stem)
def test_a_pretrained_model_gives_its_published_outputs(path):
    try:
        model = load_pretrained(path.stem.removeprefix("pretrained-").rsplit("-", 1)[0])
    except ValueError as error:  # the oldest supported Keras cannot read the file
        pytest.skip(str(error))
    shape = model.signature.x_shape
    x = np.random.default_rng(0).random((3, *shape)).astype("float32")
    if shape == (8, 8, 1):
        _, (x, _) = datasets.load_digits(limit=3)
    y = np.arange(3) if model.signature.reads_condition else None
    check_same_outputs(model, path, x, y)


def test_every_entry_has_a_file_of_this_version():
    names = {path.stem for path in FILES}
    assert {f"{name}-{keras_vae.__version__}" for name in make.models()} <= names
    assert all(path.stat().st_size < 200_000 for path in FILES)
    assert len(PRETRAINED) == 4
