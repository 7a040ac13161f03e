"""MovieLens 100k: 100,000 ratings, from 1 to 5, of 1,682 films by 943 users.

The loaders read `$KERAS_HOME/datasets/ml-100k.zip` (`~/.keras` if the variable is not set); each
file in the archive has a checksum, which is compared.

Harper and Konstan (2015), "The MovieLens Datasets: History and Context", ACM TiiS 5(4), article 19.
Terms: research use, with that citation; no redistribution and no commercial use without permission
of GroupLens.
"""

import io
from typing import NamedTuple

import numpy as np

from keras_vae.datasets._parts import damaged, folder_of, members_of, missing

USERS, FILMS = 943, 1682
SPLITS = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")

_ORIGIN = "https://grouplens.org/datasets/movielens/100k"


class Ratings(NamedTuple):
    """Ratings, one an entry; `matrix()` puts them into a table of users and films."""

    users: np.ndarray  # int64, from 0
    items: np.ndarray  # int64, from 0: the films
    ratings: np.ndarray  # float32, 1 to 5
    times: np.ndarray  # int64, seconds since 1970

    def matrix(self):
        """`scipy.sparse.csr_matrix` of shape `(943, 1682)`; no entry where there is no rating."""
        from scipy.sparse import csr_matrix

        return csr_matrix((self.ratings, (self.users, self.items)), shape=(USERS, FILMS))


def load_movielens(split=None):
    """The ratings of MovieLens 100k, from `ml-100k.zip`.

    Args:
        split: str. A published split: `"u1"` to `"u5"`, whose test parts are five disjoint fifths,
            or `"ua"` or `"ub"`, with ten test ratings of each user. Defaults to `None`, no split.

    Returns:
        `Ratings(users, items, ratings, times)` of all, or two of them, `(train, test)`, if there is
        a split. Users and items are int64 from 0, ratings float32 from 1 to 5, times int64.

    Raises:
        ValueError: `split` is invalid, or the archive is damaged.
        OSError: the archive is missing.
    """
    if split is None:
        return _ratings("u.data")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {SPLITS}, or None for all.")
    return _ratings(f"{split}.base"), _ratings(f"{split}.test")


def load_movielens_titles():
    """The titles of the 1,682 films of `load_movielens`: a list of str, by item.

    Raises: as in `load_movielens`.
    """
    lines = _content("u.item").decode("latin-1").splitlines()
    rows = [line.split("|") for line in lines if line]
    if [row[0] for row in rows] != [str(number + 1) for number in range(FILMS)]:
        raise damaged(_path(), f"expected {FILMS} films in u.item")
    return [row[1] for row in rows]


def _ratings(name):
    content = _content(name)
    try:
        table = np.loadtxt(io.BytesIO(content), "int64", delimiter="\t", ndmin=2)
        users, items, ratings, times = table.T
    except ValueError:
        raise damaged(_path(), f"expected four whole numbers a line in {name}") from None
    for values, largest in ((users, USERS), (items, FILMS), (ratings, 5)):
        if values.min() < 1 or values.max() > largest:
            raise damaged(_path(), f"expected numbers from 1 to {largest} in {name}")
    return Ratings(users - 1, items - 1, ratings.astype("float32"), times)


def _content(name):
    if not _path().exists():
        raise missing(_path(), f"ml-100k.zip from {_ORIGIN}")
    members = members_of(_path(), rf"\bml-100k/{name.replace('.', '[.]')}$")
    if len(members) != 1:
        raise damaged(_path(), f"expected ml-100k/{name} in it")
    return members[0][1]


def _path():
    return folder_of("ml-100k.zip")
