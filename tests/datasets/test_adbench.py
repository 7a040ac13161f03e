"""`x, y = datasets.load_adbench("cardio")`: a table, and which rows are anomalies."""

import os
import pathlib

import numpy as np
import pytest

from keras_vae import datasets
from keras_vae.datasets import adbench

FILES = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets" / "adbench"
real = pytest.mark.skipif(not FILES.exists(), reason="no files in $KERAS_HOME/datasets/adbench")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two tables, one of whole numbers; both have names that are not published."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    folder = tmp_path / "datasets" / "adbench"
    folder.mkdir(parents=True)
    x = np.arange(12).reshape(4, 3)
    np.savez(folder / "98_toy.npz", X=x / 2, y=np.array([0, 0, 1, 1]))
    np.savez(folder / "99_toy-2.npz", X=x.astype("uint8"), y=np.array([1, 0, 0, 0], "int32"))
    return folder


def test_a_table_is_found_by_its_name_and_keeps_its_values(folder):
    x, y = datasets.load_adbench("toy")
    assert (x.dtype, y.dtype) == ("float32", "int64")
    np.testing.assert_array_equal(x, np.arange(12).reshape(4, 3) / 2)
    np.testing.assert_array_equal(y, [0, 0, 1, 1])
    x, y = datasets.load_adbench("toy-2")
    assert (x.dtype, y.dtype) == ("float32", "int64")
    np.testing.assert_array_equal(x[-1], [9, 10, 11])


@pytest.mark.parametrize("name", ["Toy", "98_toy", "*", ""])
def test_an_unknown_name_is_refused_with_those_on_disk(name, folder):
    with pytest.raises(ValueError, match=r"expected one of \['toy', 'toy-2'\], or put more"):
        datasets.load_adbench(name)


def test_a_missing_folder_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    sentence = r"datasets/adbench lacks tables: download cardio's from https://github.com/Minqi824"
    with pytest.raises(OSError, match=sentence):
        datasets.load_adbench("cardio")


def test_a_file_that_is_damaged_or_no_table_is_refused(folder):
    (folder / "98_toy.npz").rename(folder / "6_cardio.npz")  # its checksum is another
    with pytest.raises(ValueError, match=r"6_cardio.npz is damaged: its content is not the publ"):
        datasets.load_adbench("cardio")
    path = folder / "99_toy-2.npz"
    contents = [path.read_bytes()[:-30], b"no archive"]
    for arrays in (
        {"X": np.zeros((4, 3))},
        {"X": np.zeros((4, 3)), "y": np.zeros(3)},
        {"X": np.zeros((4, 3)), "y": np.full(4, 2)},
        {"X": np.array([[None]]), "y": np.zeros(1)},  # a pickle, which could run code
    ):
        np.savez(path, **arrays)
        contents.append(path.read_bytes())
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"toy-2.npz is damaged: expected a table X") as caught:
            datasets.load_adbench("toy-2")
        assert caught.value.__suppress_context__


@real
@pytest.mark.parametrize(
    ("name", "shape", "anomalies"),
    [
        ("annthyroid", (7200, 6), 534),
        ("campaign", (41188, 62), 4640),
        ("cardio", (1831, 21), 176),
        ("fault", (1941, 27), 673),
        ("http", (567498, 3), 2211),
        ("Ionosphere", (351, 32), 126),
        ("mammography", (11183, 6), 260),
        ("pendigits", (6870, 16), 156),
        ("Pima", (768, 8), 268),
        ("satellite", (6435, 36), 2036),
        ("satimage-2", (5803, 36), 71),
        ("shuttle", (49097, 9), 3511),
        ("thyroid", (3772, 6), 93),
        ("vowels", (1456, 12), 50),
        ("WDBC", (367, 30), 10),
    ],
)
def test_real_tables_are_complete(name, shape, anomalies):
    x, y = datasets.load_adbench(name)
    assert x.shape == shape
    assert y.sum() == anomalies
    assert (x.dtype, y.dtype) == ("float32", "int64")
    assert np.isfinite(x).all()
    assert x.std(axis=0).min() > 0
    assert len(adbench._MD5) == 15
