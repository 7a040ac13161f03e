"""The classical recommenders, and what all recommenders share (row A8).

    recommender = MatrixFactorisation().fit(ratings)             # SciPy CSR, (users, items)
    recommender.predict(users, items)                            # ratings, one for each pair
    recommender.recommend(users, n=10)                           # items, the best first

A stored value of the matrix is a known rating, and every other one is unknown, not 0. No matrix is
made dense as a whole.

`Biases` and `MatrixFactorisation` predict ratings. `Popularity` and `EASE` read which items a user
has chosen, whatever the rating, and predict scores, which have no unit. `ItemNeighbours` does both.
`recommendation` has the VAE behind the same interface.
"""

import warnings

import numpy as np
from scipy import linalg, sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from keras_vae import checks
from keras_vae.tasks import common

_USERS = 512  # whose scores of all items are in memory at a time


class Recommender(BaseEstimator):
    """Base class of all recommenders: validates the input, sorts and removes seen items.

    A subclass defines `_learn(ratings)` and `_scores(users)`, `(users, items)`; one that predicts
    ratings sets `rates = True`.
    """

    rates = False

    def fit(self, ratings, y=None):
        """Learn from a SciPy sparse matrix `(users, items)`, whose stored values are known ratings.

        Raises:
            ValueError, TypeError: it is no sparse matrix of finite numbers with a stored value.
        """
        given = self.get_params(deep=False).items()
        common.check_arguments({name: value for name, value in given if value is not None})
        self.ratings_ = ratings = _checked(ratings)
        self.chosen_ = chosen_of(ratings)
        self.low_, self.high_ = float(ratings.data.min()), float(ratings.data.max())
        self._learn(ratings)
        return self

    def predict(self, users, items):
        """The rating, or the score, of each pair (users[i], items[i]): float64, `(n,)`.

        A rating lies between the least and the greatest one of `fit`. A user without a rating gets
        what the way expects of a user of whom nothing is known, an item without one what it expects
        of such an item, and a warning says how many there are.

        Raises:
            ValueError: a user or an item is out of range, or there are not equally many.
            sklearn.exceptions.NotFittedError: the recommender is not fitted.
        """
        check_is_fitted(self)
        users, items = self._indices(users, 0), self._indices(items, 1)
        checks.lengths(users=users, items=items)
        counts = np.diff(self.ratings_.indptr), np.diff(self.ratings_.tocsc().indptr)
        unknown = [int(np.sum(c[i] == 0)) for c, i in zip(counts, (users, items), strict=True)]
        if any(unknown):
            warnings.warn(
                f"Of {len(users)} pairs {unknown[0]} have a user and {unknown[1]} an item without "
                "a rating in fit; they get what is expected of such a one.",
                stacklevel=2,
            )
        found = np.empty(len(users))
        different, place = np.unique(users, return_inverse=True)
        for start in range(0, len(different), _USERS):
            inside = (start <= place) & (place < start + _USERS)
            scores = self._scores(different[start : start + _USERS])
            found[inside] = scores[place[inside] - start, items[inside]]
        return np.clip(found, self.low_, self.high_) if self.rates else found

    def recommend(self, users, n=10, seen=False):
        """The n items with the highest score for each user, the best first: `(len(users), n)`.

        Args:
            users: array of ints.
            n: int. Defaults to `10`.
            seen: bool. Whether items that the user has rated may be among them. Defaults to
                `False`. A user with too few others gets -1 in place of what is lacking.
        """
        check_is_fitted(self)
        users, n = self._indices(users, 0), checks.count(n, "n")
        if n > self.ratings_.shape[1]:
            raise ValueError(f"n is {n}; there are {self.ratings_.shape[1]} items.")
        best = []
        for start in range(0, len(users), _USERS):
            some = users[start : start + _USERS]
            scores = np.array(self._scores(some), "float64")
            if not seen:
                scores[self.chosen_[some].toarray() > 0] = -np.inf
            found = np.argsort(-scores, axis=1, kind="stable")[:, :n]
            left = np.take_along_axis(scores, found, axis=1) > -np.inf
            best.append(np.where(left, found, -1))
        return np.concatenate(best)

    def _indices(self, given, axis):
        name, most = ("users", "items")[axis], self.ratings_.shape[axis]
        found = np.atleast_1d(np.asarray(given))
        if found.dtype.kind not in "iu" or found.ndim != 1:
            raise ValueError(f"{name} is {given!r}; expected an array of ints, (n,).")
        if found.size == 0 or found.min() < 0 or found.max() >= most:
            raise ValueError(f"{name} is empty, or has numbers that are not from 0 to {most - 1}.")
        return found

    def _learn(self, ratings):
        raise NotImplementedError

    def _scores(self, users):
        raise NotImplementedError


# Classical recommenders --------------------------------------------------------------------


class Popularity(Recommender):
    """The number of ratings of each item: the same order for all users."""

    def _learn(self, ratings):
        self.counts_ = np.bincount(ratings.indices, minlength=ratings.shape[1]).astype("float64")

    def _scores(self, users):
        return np.broadcast_to(self.counts_, (len(users), len(self.counts_)))


class Biases(Recommender):
    """The mean rating, and what each user and each item adds to it (Koren 2009, equation 3).

        rating = mean + b_user + b_item

    Each b is a mean over its ratings and `damping` zeros, so that few ratings move it little.

    Args:
        damping: float, at least 0. Defaults to `5.0`.
    """

    rates = True

    def __init__(self, damping=5.0):
        self.damping = damping

    def _learn(self, ratings):
        damping = checks.number(self.damping, "damping")
        self.mean_, self.users_, self.items_ = fitted_biases(ratings, damping)

    def _scores(self, users):
        return self.mean_ + self.users_[users, None] + self.items_


class ItemNeighbours(Recommender):
    """Items are alike if the same users rate them alike (Sarwar 2001).

    Of ratings, the distance to `Biases` is averaged over the most similar items that the user has
    rated; as scores, the similarities themselves are added up.

    Args:
        neighbours: int. How many similar items count. Defaults to `40`.
        shrinkage: float. A similarity of n common users is multiplied by n / (n + shrinkage).
            Defaults to `20.0`.
        explicit: bool. Predict ratings; with `False`, scores of choices. Defaults to `True`.
    """

    def __init__(self, neighbours=40, shrinkage=20.0, explicit=True):
        self.neighbours = neighbours
        self.shrinkage = shrinkage
        self.explicit = explicit

    @property
    def rates(self):
        return self.explicit

    def _learn(self, ratings):
        shrinkage = checks.number(self.shrinkage, "shrinkage")
        self.bias_ = fitted_biases(ratings, 5.0)
        chosen = self.chosen_
        self.rest_ = residuals(ratings, *self.bias_) if self.explicit else chosen
        common_users = (chosen.T @ chosen).toarray()
        products = (self.rest_.T @ self.rest_).toarray()
        squares = self.rest_.multiply(self.rest_).T @ chosen  # over the common users
        squares = squares.toarray() if self.explicit else np.diag(products)[:, None] + 0 * products
        norms = np.sqrt(np.maximum(squares * squares.T, 1e-12))
        alike = products / norms * common_users / (common_users + shrinkage)
        np.fill_diagonal(alike, 0)
        least = np.partition(alike, -min(self.neighbours, len(alike)), axis=1)
        least = least[:, [-min(self.neighbours, len(alike))]]
        self.alike_ = np.where(alike >= np.maximum(least, 1e-9), alike, 0).astype("float32")

    def _scores(self, users):
        sums = self.rest_[users] @ self.alike_.T
        if not self.explicit:
            return sums
        mean, of_users, of_items = self.bias_
        weights = self.chosen_[users] @ self.alike_.T
        return (
            mean
            + of_users[users, None]
            + of_items
            + sums / (weights + 1.0)  # one neighbour of no difference more
        )


class MatrixFactorisation(Recommender):
    """Biases, and a product of factors of the user and the item, by alternating least squares.

        rating = mean + b_user + b_item + <p_user, q_item>        (Koren 2009; Zhou 2008)

    Args:
        factors: int. Size of p and q. Defaults to `10`.
        regularisation: float. Weight of |p|^2 and |q|^2. Defaults to `12.0`.
        iterations: int. Defaults to `12`.
        damping: float. As in `Biases`. Defaults to `5.0`.
        seed: int. Fixes the start. Defaults to `0`.
    """

    rates = True

    def __init__(self, factors=10, regularisation=12.0, iterations=12, damping=5.0, seed=0):
        self.factors = factors
        self.regularisation = regularisation
        self.iterations = iterations
        self.damping = damping
        self.seed = seed

    def _learn(self, ratings):
        factors = checks.count(self.factors, "factors")
        ridge = checks.number(self.regularisation, "regularisation", above=True) * np.eye(factors)
        self.bias_ = fitted_biases(ratings, checks.number(self.damping, "damping"))
        rest = residuals(ratings, *self.bias_)
        rng = np.random.default_rng(self.seed)
        users, items = (0.1 * rng.normal(size=(size, factors)) for size in ratings.shape)
        for _ in range(checks.count(self.iterations, "iterations")):
            users = _least_squares(rest, items, ridge)
            items = _least_squares(rest.T.tocsr(), users, ridge)
        self.users_, self.items_ = users, items

    def _scores(self, users):
        mean, of_users, of_items = self.bias_
        return mean + of_users[users, None] + of_items + self.users_[users] @ self.items_.T


class EASE(Recommender):
    """The linear autoencoder without a diagonal, in closed form (Steck 2019).

        scores = x B,   B = I - P / diag(P),   P = (X^T X + regularisation I)^-1

    Args:
        regularisation: float. Defaults to `300.0`.
    """

    def __init__(self, regularisation=300.0):
        self.regularisation = regularisation

    def _learn(self, ratings):
        ridge = checks.number(self.regularisation, "regularisation", above=True)
        chosen = self.chosen_
        gram = (chosen.T @ chosen).toarray() + ridge * np.eye(ratings.shape[1])
        inverse = linalg.inv(gram)
        self.weights_ = -inverse / np.diag(inverse)
        np.fill_diagonal(self.weights_, 0)

    def _scores(self, users):
        return self.chosen_[users] @ self.weights_


# Parts -------------------------------------------------------------------------------------


def _checked(ratings):
    if not sparse.issparse(ratings):
        raise TypeError(
            f"ratings is a {type(ratings).__name__}; expected a SciPy sparse matrix (users, items) "
            "that stores the known ratings alone: scipy.sparse.csr_matrix((r, (users, items)))."
        )
    ratings = ratings.tocsr().astype("float64")
    if ratings.nnz == 0:
        raise ValueError("ratings has no stored value; expected at least one known rating.")
    checks.finite(ratings.data, "ratings")
    return ratings


def fitted_biases(ratings, damping, iterations=20):
    """(mean, of users, of items), each a damped mean of what the others leave."""
    rows, columns = _places(ratings)
    values, (users, items) = ratings.data, ratings.shape
    mean = values.mean()
    counts = np.bincount(rows, minlength=users), np.bincount(columns, minlength=items)
    of_users, of_items = np.zeros(users), np.zeros(items)
    for _ in range(iterations):
        rest = values - mean - of_users[rows]
        of_items = np.bincount(columns, rest, items) / np.maximum(damping + counts[1], 1e-9)
        rest = values - mean - of_items[columns]
        of_users = np.bincount(rows, rest, users) / np.maximum(damping + counts[0], 1e-9)
    return mean, of_users, of_items


def _places(ratings):
    """Row and column of each stored value, in their order."""
    return np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr)), ratings.indices


def residuals(ratings, mean, of_users, of_items):
    rows, columns = _places(ratings)
    rest = ratings.copy()
    rest.data = ratings.data - mean - of_users[rows] - of_items[columns]
    return rest


def chosen_of(ratings):
    chosen = ratings.copy()
    chosen.data = np.ones_like(chosen.data)
    return chosen


def _least_squares(rest, factors, ridge):
    """For each row the p that fits its stored values best: |rest - factors p|^2 + ridge |p|^2."""
    found = np.zeros((rest.shape[0], factors.shape[1]))
    for row in range(rest.shape[0]):
        inside = slice(rest.indptr[row], rest.indptr[row + 1])
        of_row = factors[rest.indices[inside]]
        found[row] = np.linalg.solve(of_row.T @ of_row + ridge, of_row.T @ rest.data[inside])
    return found
