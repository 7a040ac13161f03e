"""Larochelle's files are parsed, checked, limited by a seeded choice, and downloaded if missing."""

import hashlib
import os
import pathlib

import keras
import numpy as np
import pytest

from keras_vae import datasets
from keras_vae.datasets import binarized_mnist

FOLDER = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets" / "binarized_mnist"
real = pytest.mark.skipif(
    not (FOLDER / "binarized_mnist_train.amat.gz").exists(),
    reason="no files in $KERAS_HOME/datasets/binarized_mnist",
)


@real
def test_the_real_files_are_complete():
    x_train, x_valid, x_test = parts = datasets.load_binarized_mnist()
    assert [len(part) for part in parts] == [50_000, 10_000, 10_000]
    for part in parts:
        assert part.shape[1:] == (28, 28, 1)
        assert part.dtype == "float32"
    np.testing.assert_array_equal(np.unique(x_valid), [0, 1])
    assert x_train.mean() == pytest.approx(0.1307, abs=2e-3)  # as in the grey images
    # The test file is sorted by digit: first 980 zeros, then the ones, which have less ink.
    assert x_test[:980].mean() > 1.5 * x_test[980 : 980 + 1135].mean()


@real
def test_the_images_are_draws_from_grey_images():
    """Its test part is that of MNIST, sorted by label: no pixel is 1 where the grey image is 0."""
    if not (FOLDER.parent / "mnist").exists():
        pytest.skip("no MNIST files beside them")
    _, (grey, labels) = datasets.load_mnist()
    grey = grey[np.argsort(labels, kind="stable")]
    *_, drawn = datasets.load_binarized_mnist()
    assert drawn[grey == 0].max() == 0
    assert drawn[grey == 1].min() == 1


@real
def test_limit_takes_a_seeded_choice_of_all_digits():
    *_, part = datasets.load_binarized_mnist(limit=500, seed=1)
    assert part.shape == (500, 28, 28, 1)
    *_, whole = datasets.load_binarized_mnist()
    assert part.mean() == pytest.approx(whole.mean(), abs=5e-3)  # the first 500 images are zeros
    *_, same = datasets.load_binarized_mnist(limit=500, seed=1)
    *_, other = datasets.load_binarized_mnist(limit=500, seed=2)
    np.testing.assert_array_equal(part, same)
    assert not np.array_equal(part, other)


def amat(images):
    """Rows of zeros and ones in the format of the published files."""
    return "".join(" ".join(map(str, row)) + "\n" for row in images).encode()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Three small files, whose checksums replace the published ones."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 2, (5, 784))
    content = amat(images)
    md5 = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(binarized_mnist, "_MD5", dict.fromkeys(("train", "valid", "test"), md5))
    return images, content, tmp_path / "datasets" / "binarized_mnist"


def test_a_missing_file_is_downloaded_once(small, tmp_path, monkeypatch):
    images, content, folder = small
    (tmp_path / "server").mkdir()
    for part in ("train", "valid", "test"):
        (tmp_path / "server" / f"binarized_mnist_{part}.amat").write_bytes(content)
    monkeypatch.setattr(binarized_mnist, "_ORIGIN", f"file://{tmp_path}/server/")
    for _ in range(2):
        for part in datasets.load_binarized_mnist():
            np.testing.assert_array_equal(part.reshape(5, 784), images)
        assert len(list(folder.iterdir())) == 3
        monkeypatch.setattr(keras.utils, "get_file", None)  # nothing is downloaded the second time


def test_a_damaged_file_and_a_failed_download_are_reported(small, tmp_path, monkeypatch):
    *_, folder = small
    monkeypatch.setattr(binarized_mnist, "_ORIGIN", f"file://{tmp_path}/nowhere/")
    with pytest.raises(OSError, match=r"train.amat could not be downloaded.*put it into"):
        datasets.load_binarized_mnist()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "binarized_mnist_train.amat").write_bytes(b"0 1 0")
    with pytest.raises(ValueError, match=r"train.amat is damaged"):
        datasets.load_binarized_mnist()


@pytest.mark.parametrize("limit", [0, 2.5, -1])
def test_a_bad_limit_is_refused(small, limit):
    _, content, folder = small
    folder.mkdir(parents=True)
    for part in ("train", "valid", "test"):
        (folder / f"binarized_mnist_{part}.amat").write_bytes(content)
    with pytest.raises(ValueError, match=r"limit is .* expected an int"):
        datasets.load_binarized_mnist(limit=limit)
