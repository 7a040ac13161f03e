"""`(x, y), _ = datasets.load_emnist()`: 36 digits and capital letters."""

import gzip
import os
import pathlib

import numpy as np
import pytest

from keras_vae import datasets
from keras_vae.datasets.emnist import CHARACTERS

FILES = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets" / "emnist"
real = pytest.mark.skipif(not FILES.exists(), reason="no files in $KERAS_HOME/datasets/emnist")


def idx(array):
    """An array of bytes as an IDX file."""
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype("uint8").tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two images of each of the 47 classes: a white line on the left, as long as the label says."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    folder = tmp_path / "datasets" / "emnist"
    folder.mkdir(parents=True)
    labels = np.repeat(np.arange(47), 2)
    images = np.zeros((94, 28, 28), "uint8")
    for image, label in zip(images, labels, strict=True):
        image[0, : label % 28] = 255  # transposed: in the file the line is at the top
    for part in ("train", "test"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            with gzip.open(folder / f"emnist-balanced-{part}-{kind}-ubyte.gz", "wb") as file:
                file.write(idx(array))
    return folder


def test_images_are_upright_and_labels_are_positions_in_classes(folder):
    (x, y), (x_test, y_test) = datasets.load_emnist()
    assert x.shape == x_test.shape == (72, 28, 28, 1)
    assert (x.dtype, y.dtype, x.max()) == ("float32", "int64", 1)
    np.testing.assert_array_equal(np.unique(y_test), np.arange(36))
    np.testing.assert_array_equal(x[:, :, 0, 0].sum(axis=1), y % 28)
    assert x[:, :, 1:].max() == 0

    (x, y), _ = datasets.load_emnist(classes="tA0")
    np.testing.assert_array_equal(x[:, :, 0, 0].sum(axis=1), np.array([46, 10, 0])[y] % 28)
    (x, y), _ = datasets.load_emnist(classes=CHARACTERS, limit=47)
    assert len(np.unique(y)) == 47


@pytest.mark.parametrize("classes", ["", "AA", "0c"])
def test_invalid_classes_are_refused(classes, folder):
    with pytest.raises(ValueError, match="expected distinct characters from '0123"):
        datasets.load_emnist(classes=classes)


def test_a_truncated_or_missing_file_is_refused(folder):
    path = folder / "emnist-balanced-test-images-idx3-ubyte.gz"
    whole = gzip.decompress(path.read_bytes())
    for content in (gzip.compress(whole[:-9]), path.read_bytes()[:-9], b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged"):
            datasets.load_emnist()
    path.unlink()
    sentence = rf"emnist lacks {path.name}: download https://\S+gzip.zip .*load_characters"
    with pytest.raises(OSError, match=sentence) as caught:
        datasets.load_emnist()
    assert caught.value.__context__ is None


@real
def test_real_characters_are_complete_and_upright():
    (x, y), (x_test, y_test) = datasets.load_emnist()
    for images, labels in ((x, y), (x_test, y_test)):
        assert images.shape == (len(labels), 28, 28, 1)
        assert len(np.unique(np.bincount(labels))) == 1
    upper, lower = (
        x[y == CHARACTERS.find("T")][:, half].mean() for half in (np.s_[:14], np.s_[14:])
    )
    assert upper > 1.3 * lower  # the bar of a T is at the top
