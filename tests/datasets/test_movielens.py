"""`train, test = datasets.load_movielens("u1")`: ratings of films by users."""

import os
import pathlib
import zipfile

import numpy as np
import pytest

from keras_vae import datasets
from keras_vae.datasets import movielens

FILE = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets" / "ml-100k.zip"
real = pytest.mark.skipif(not FILE.exists(), reason="no ml-100k.zip in $KERAS_HOME/datasets")

TABLE = "943\t1682\t5\t881250949\n1\t2\t1\t874965758\n3\t2\t4\t878887116\n"
TITLES = ["Toy Story (1995)", "Misérables, Les (1995)"]


def pack(path, **changed):
    """An archive as published, with three ratings and a list of films."""
    films = [*TITLES, *(f"Film {number}" for number in range(3, 1683))]
    rows = (f"{i}|{title}|01-Jan-1995||http://|0|1\n" for i, title in enumerate(films, 1))
    files = {"u_data": TABLE, "u_item": "".join(rows).encode("latin-1"), **changed}
    for split in movielens.SPLITS:
        files |= {f"{split}_base": TABLE[:37], f"{split}_test": TABLE[37:]}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"ml-100k/{name.replace('_', '.')}", content)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = tmp_path / "datasets" / "ml-100k.zip"
    path.parent.mkdir()
    pack(path)
    return path


def test_users_and_films_count_from_zero(path):
    ratings = datasets.load_movielens()
    np.testing.assert_array_equal(ratings.users, [942, 0, 2])
    np.testing.assert_array_equal(ratings.items, [1681, 1, 1])
    np.testing.assert_array_equal(ratings.ratings, [5, 1, 4])
    np.testing.assert_array_equal(ratings.times, [881250949, 874965758, 878887116])
    assert [column.dtype for column in ratings] == ["int64", "int64", "float32", "int64"]


@pytest.mark.parametrize("split", movielens.SPLITS)
def test_a_split_returns_the_part_to_train_and_the_part_to_test(split, path):
    train, test = datasets.load_movielens(split)
    np.testing.assert_array_equal(train.users, [942, 0])
    np.testing.assert_array_equal(test.users, [2])


def test_the_matrix_has_a_row_for_each_user_and_an_entry_for_each_rating(path):
    matrix = datasets.load_movielens().matrix()
    assert (matrix.shape, matrix.nnz, matrix.dtype) == ((943, 1682), 3, "float32")
    assert (matrix[942, 1681], matrix[0, 1], matrix[2, 1], matrix[0, 0]) == (5, 1, 4, 0)


def test_titles_stand_in_the_order_of_the_films(path):
    titles = datasets.load_movielens_titles()
    assert len(titles) == 1682
    assert titles[:2] == TITLES
    assert titles[1681] == "Film 1682"


@pytest.mark.parametrize("split", ["u6", "", 1])
def test_an_unknown_split_is_refused(split, path):
    with pytest.raises(ValueError, match=r"expected one of \('u1', .*'ub'\), or None"):
        datasets.load_movielens(split)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("1\t2\t3\n", "expected four whole numbers a line in u.data"),
        ("1\t2\tgood\t4\n", "expected four whole numbers a line"),
        ("0\t2\t3\t4\n", "expected numbers from 1 to 943 in u.data"),
        ("1\t1683\t3\t4\n", "expected numbers from 1 to 1682"),
        ("1\t2\t6\t4\n", "expected numbers from 1 to 5"),
    ],
)
def test_a_damaged_table_is_refused(content, sentence, path):
    pack(path, u_data=content)
    with pytest.raises(ValueError, match=f"ml-100k.zip is damaged: {sentence}"):
        datasets.load_movielens()


def test_a_damaged_or_missing_archive_is_reported(path):
    pack(path, u_item="1|Toy Story (1995)|\n3|Four Rooms (1995)|\n")
    with pytest.raises(ValueError, match=r"expected 1682 films in u.item"):
        datasets.load_movielens_titles()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ml-100k/README", "")
    with pytest.raises(ValueError, match=r"expected ml-100k/u.data in it"):
        datasets.load_movielens()
    path.unlink()
    sentence = r"datasets/ml-100k.zip is missing: download .*grouplens.org/datasets/movielens/100k"
    for load in (datasets.load_movielens, datasets.load_movielens_titles):
        with pytest.raises(OSError, match=sentence):
            load()


@real
def test_the_real_ratings_are_complete():
    ratings = datasets.load_movielens()
    assert len(ratings.users) == 100_000
    assert ratings.ratings.mean() == pytest.approx(3.52986, abs=1e-5)
    matrix = ratings.matrix()
    assert matrix.nnz == 100_000
    assert matrix.getnnz(axis=1).min() == 20
    assert matrix.getnnz(axis=0).min() == 1
    titles = datasets.load_movielens_titles()
    assert titles[matrix.getnnz(axis=0).argmax()] == "Star Wars (1977)"
    assert "Misérables, Les (1995)" in titles


@real
def test_each_real_split_holds_every_rating_once():
    whole = datasets.load_movielens().matrix().toarray()
    tested = {}
    for split in movielens.SPLITS:
        train, test = datasets.load_movielens(split)
        assert len(test.users) == (9430 if split in ("ua", "ub") else 20_000)
        np.testing.assert_array_equal((train.matrix() + test.matrix()).toarray(), whole)
        tested[split] = test.matrix() > 0
    for group in (("u1", "u2", "u3", "u4", "u5"), ("ua", "ub")):
        times = sum(tested[split].astype(int) for split in group)
        assert times.max() == 1  # the test parts are disjoint
    np.testing.assert_array_equal(tested["ua"].getnnz(axis=1), 10)
