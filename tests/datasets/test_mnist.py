"""The loaders read the published files, and say what to do if they are missing."""

import gzip
import os
import pathlib

import keras
import numpy as np
import pytest

from keras_vae import datasets

HOME = pathlib.Path(os.environ.get("KERAS_HOME", ""))


def real(name):
    file = HOME / "datasets" / name / "train-images-idx3-ubyte.gz"
    return pytest.mark.skipif(not file.exists(), reason=f"no files in $KERAS_HOME/datasets/{name}")


@real("mnist")
def test_real_mnist_is_complete():
    (x_train, y_train), (x_test, y_test) = datasets.load_mnist()
    assert x_train.shape == (60_000, 28, 28, 1)
    assert x_test.shape == (10_000, 28, 28, 1)
    assert (x_train.dtype, y_train.dtype) == ("float32", "int64")
    assert (x_train.min(), x_train.max()) == (0, 1)
    assert np.mean(x_train) == pytest.approx(0.1307, abs=1e-4)
    np.testing.assert_array_equal(y_train[:5], [5, 0, 4, 1, 9])
    assert np.bincount(y_test).min() == 892


@real("fashion-mnist")
def test_real_fashion_mnist_is_complete():
    (x_train, y_train), (x_test, y_test) = datasets.load_fashion_mnist()
    assert x_train.shape == (60_000, 28, 28, 1)
    assert (x_train.dtype, y_train.dtype) == ("float32", "int64")
    assert (x_test.min(), x_test.max()) == (0, 1)
    assert np.mean(x_train) == pytest.approx(0.2860, abs=1e-4)
    np.testing.assert_array_equal(np.bincount(y_train), [6000] * 10)
    np.testing.assert_array_equal(np.bincount(y_test), [1000] * 10)


@real("mnist")
def test_limit_keeps_the_classes_in_proportion():
    (x, y), (x_test, _) = datasets.load_mnist(limit=1000)
    assert len(x) == len(x_test) == 1000
    _, (_, whole) = datasets.load_mnist()
    np.testing.assert_allclose(np.bincount(y) / 1000, np.bincount(whole) / 1e4, atol=0.01)


def test_the_error_names_a_damaged_file(tmp_path, monkeypatch):
    folder = tmp_path / "datasets" / "mnist"
    folder.mkdir(parents=True)
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(b"\0\0\x08\x03 not the published content")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for damage in (lambda content: content, lambda content: content[:-9]):  # also truncated
        path = folder / "train-images-idx3-ubyte.gz"
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz is damaged.*Remove it"):
            datasets.load_mnist()


LOADERS = [
    (datasets.load_mnist, keras.datasets.mnist),
    (datasets.load_fashion_mnist, keras.datasets.fashion_mnist),
]


@pytest.mark.parametrize(("load", "keras_module"), LOADERS)
def test_missing_files_without_a_network_are_reported(load, keras_module, tmp_path, monkeypatch):
    def no_network():
        raise Exception("URL fetch failure")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras_module, "load_data", no_network)
    sentence = r"downloaded .*\(URL fetch failure\).* train-images-idx3-ubyte.gz.*load_characters"
    with pytest.raises(OSError, match=sentence) as caught:
        load()
    assert caught.value.__suppress_context__  # no chain of tracebacks


@pytest.mark.parametrize(("load", "keras_module"), LOADERS)
def test_missing_files_are_downloaded_by_keras(load, keras_module, tmp_path, monkeypatch):
    images, labels = np.full((20, 28, 28), 255, "uint8"), np.arange(20, dtype="uint8") % 10
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras_module, "load_data", lambda: ((images, labels), (images, labels)))
    (x, y), _ = load(limit=10)
    assert x.shape == (10, 28, 28, 1)
    assert x.max() == 1
    np.testing.assert_array_equal(np.sort(y), np.arange(10))
