"""Files that earlier versions have saved, and this one: they load, give the same, and train on.

model = keras.models.load_model("tests/saved/VAE-0.1.0.keras")
"""

import json

import keras
import numpy as np
import pytest

import keras_vae
from tests.saved import make

FILES = sorted(make.FOLDER.glob("*.keras"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_any_version_loads_gives_the_same_and_trains_on(path, digits):
    model = keras.models.load_model(path)
    expected = json.loads(path.with_suffix(".json").read_text())
    outputs = make.outputs(model)
    assert set(outputs) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(outputs[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    data = digits if model.condition else digits[:1]
    before = model.evaluate(*data, verbose=0, return_dict=True)["loss"]
    model.fit(*data, epochs=5, verbose=0)
    assert model.evaluate(*data, verbose=0, return_dict=True)["loss"] < before
    assert model.epochs_seen == 8


def test_there_is_a_file_of_every_model_and_of_this_version():
    names = {path.stem for path in FILES}
    assert {f"{name}-{keras_vae.__version__}" for name in make.models()} <= names
    assert set(keras_vae.models.__all__) <= {name.split("-")[0] for name in names}
    assert all(path.stat().st_size < 200_000 for path in FILES)
