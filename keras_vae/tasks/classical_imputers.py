"""The classical ways to fill missing values, with scikit-learn's interface (row A6).

    filled = Neighbours(neighbours=100).fit(x_train).transform(x_with_nan)       # the Thesis's K-NN

`imputation` has the VAE behind the same interface, and says what all of them share.
"""

import numpy as np
from sklearn import impute
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_vae import checks
from keras_vae.tasks import common


class Imputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Base class of all imputers: validates and standardises the data, keeps what is known.

    A subclass defines `_learn` and `_filled`, which receive rows `(n, values)` as float64 with NaN
    where a value is missing, standardised if they are a table.
    """

    standardises = True

    def fit(self, x, y=None):
        """Learn from an array `(n, ...)` with NaN where a value is missing; y is ignored.

        A column without any value stays, and is filled with 0.

        Raises:
            ValueError, TypeError: x does not hold numbers, or holds infinity. The imputer keeps its
                previous state.
        """
        before = vars(self).copy()
        try:
            self._fit(x)
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _fit(self, x):
        given = self.get_params(deep=False).items()
        common.check_arguments({name: value for name, value in given if value is not None})
        x = self._validated(x, fitting=True)
        self.shape_ = x.shape[1:]
        rows = x.reshape(len(x), -1).astype("float64")
        known = ~np.isnan(rows)
        counts = known.sum(axis=0)
        self.low_, self.high_ = np.fmin.reduce(rows), np.fmax.reduce(rows)  # of the known values
        self.low_[counts == 0] = self.high_[counts == 0] = 0.0
        self.center_, self.scale_ = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
        if x.ndim == 2 and self.standardises:
            sums = np.maximum(counts, 1)
            self.center_ = np.where(known, rows, 0).sum(axis=0) / sums
            deviation = np.where(known, rows - self.center_, 0)
            scale = np.sqrt((deviation**2).sum(axis=0) / sums)
            varies = scale > 1e-9 * np.maximum(abs(self.center_), 1e-300)
            self.scale_ = np.where(varies, scale, 1.0)
        self.indicator_ = None
        if getattr(self, "add_indicator", False):
            self.indicator_ = impute.MissingIndicator(error_on_new=False).fit(rows)
        rows -= self.center_
        rows /= self.scale_
        self._learn(rows)

    def transform(self, x):
        """Fill what is missing: an array with the shape and the known values of x.

        The filled values lie between the least and the greatest known value of their column in the
        data of `fit`. A row without any known value gets what the way expects of a row of which
        nothing is known. With `add_indicator` columns of 0 and 1 stand behind those of a table.

        Raises:
            ValueError, TypeError: x does not match the data that `fit` received.
            sklearn.exceptions.NotFittedError: the imputer is not fitted.
        """
        filled = self._completed(x, self._filled)
        if self.indicator_ is not None:
            marks = self.indicator_.transform(self._validated(x))
            return np.concatenate([filled, marks.astype(filled.dtype)], axis=1)
        return filled

    def _completed(self, x, fill):
        """x with what is missing from `fill(rows)`: `(n, values)`, or several, `(k, n, values)`."""
        check_is_fitted(self)
        x = self._validated(x)
        common.check_fitted_to(self, x)
        rows = x.reshape(len(x), -1)
        missing = np.isnan(rows)
        some = missing.any(axis=1)
        if not some.any():
            some[0] = True  # for the number of fillings
        standard = (rows[some].astype("float64") - self.center_) / self.scale_
        values = np.clip(fill(standard) * self.scale_ + self.center_, self.low_, self.high_)
        filled = np.broadcast_to(rows, (*values.shape[:-2], *rows.shape)).copy()
        filled[..., some, :] = np.where(missing[some], values, rows[some])
        return filled.reshape(*filled.shape[:-2], *x.shape)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of a table, and of the indicators behind them."""
        check_is_fitted(self)
        names = super().get_feature_names_out(input_features)
        if self.indicator_ is None:
            return names
        return np.concatenate([names, self.indicator_.get_feature_names_out(names)])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _validated(self, x, fitting=False):
        x = validate_data(
            self,
            x,
            reset=fitting,
            dtype=["float64", "float32"],
            allow_nd=True,
            ensure_all_finite="allow-nan",
            ensure_min_samples=1,
        )
        if getattr(self, "add_indicator", False) and x.ndim != 2:
            raise ValueError(f"add_indicator is for tables, (n, features); x has shape {x.shape}.")
        return x

    def _learn(self, x):
        raise NotImplementedError

    def _filled(self, x):
        raise NotImplementedError


# Classical imputers ------------------------------------------------------------------------


class ColumnMeans(Imputer):
    """Fills with the mean of each column, or of each pixel: what any other way has to beat.

    Args:
        add_indicator: bool. As in `VAEImputer`. Defaults to `False`.
    """

    def __init__(self, add_indicator=False):
        self.add_indicator = add_indicator

    def _learn(self, x):
        self.means_ = _column_means(x)

    def _filled(self, x):
        return np.broadcast_to(self.means_, x.shape)


class Neighbours(Imputer):
    """K nearest neighbours with weights softmax(-distance), as in the Thesis (row A6).

    The distance is Euclidean over the values that both rows know, in units of a complete row: its
    square is multiplied by (all values) / (common values). A neighbour that lacks the value itself
    counts for nothing; where all of them do, the mean of the column is used.

    Args:
        neighbours: int. K. (The Thesis: 1, 3, 10, 100.) Defaults to `10`.
        add_indicator: bool. As in `VAEImputer`. Defaults to `False`.
    """

    _AT_ONCE = 2**24  # distances in memory

    def __init__(self, neighbours=10, add_indicator=False):
        self.neighbours = neighbours
        self.add_indicator = add_indicator

    def _learn(self, x):
        self.means_ = _column_means(x)
        known = ~np.isnan(x)
        self.complete_ = bool(known.all())
        self.known_ = None if self.complete_ else known.astype("float32")
        self.examples_ = x.astype("float32")
        self.examples_[~known] = 0

    def _filled(self, x):
        step = max(1, self._AT_ONCE // len(self.examples_))
        parts = [self._of_part(x[i : i + step]) for i in range(0, len(x), step)]
        return np.concatenate(parts)

    def _of_part(self, x):
        count = min(self.neighbours, len(self.examples_))
        distances = self._distances(x)
        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        distances = np.sqrt(np.maximum(np.take_along_axis(distances, nearest, axis=1), 0))
        with np.errstate(invalid="ignore"):  # rows without a common value
            weights = np.exp(distances.min(axis=1, keepdims=True) - distances)
        weights = np.where(np.isfinite(distances), weights, 0.0)
        filled = np.empty(x.shape)
        for row, (indices, w) in enumerate(zip(nearest, weights, strict=True)):
            examples = self.examples_[indices]
            of_known = w.sum() if self.complete_ else w @ self.known_[indices]
            total = np.broadcast_to(of_known, examples.shape[1:])
            mean = (w @ examples) / np.where(total > 0, total, 1)
            filled[row] = np.where(total > 0, mean, self.means_)
        return filled

    def _distances(self, x):
        """Squared distances to all examples, `(n, examples)`; infinite without a common value."""
        known = (~np.isnan(x)).astype("float32")
        x = np.where(known, x, 0).astype("float32")
        distances = (-2 * x) @ self.examples_.T
        if self.complete_:
            distances += np.square(x).sum(axis=1, keepdims=True)
            distances += known @ np.square(self.examples_).T
            common_values = known.sum(axis=1, keepdims=True)
        else:
            distances += np.square(x) @ self.known_.T
            distances += known @ np.square(self.examples_).T
            common_values = known @ self.known_.T
        with np.errstate(divide="ignore", invalid="ignore"):
            distances *= x.shape[1] / common_values
        return np.where(common_values > 0, distances, np.inf)


class ProbabilisticPCA(Imputer):
    """Probabilistic principal components, learned from incomplete data by EM (Tipping 1999).

        x = W z + mean + noise,   z ~ N(0, I),   noise ~ N(0, variance I)

    It is the VAE with one linear layer and the exact posterior. What is missing is filled with its
    expected value given the known values of the row.

    Args:
        components: int. Size of z. Defaults to `None`: the one of 1, 2, 3, 5, 8, 13, ... with the
            least squared error on a twentieth of the known values.
        iterations: int. Steps of EM at most. Defaults to `100`.
        seed: int. Fixes the values that choose the components. Defaults to `0`.
        add_indicator: bool. As in `VAEImputer`. Defaults to `False`.
    """

    def __init__(self, components=None, iterations=100, seed=0, add_indicator=False):
        self.components = components
        self.iterations = iterations
        self.seed = seed
        self.add_indicator = add_indicator

    def _learn(self, x):
        checks.count(self.iterations, "iterations")
        if self.components is None:
            self.components_ = self._best_components(x)
        else:
            self.components_ = min(checks.count(self.components, "components"), x.shape[1])
        self.parameters_ = self._em(x, self.components_, self.iterations)

    def _best_components(self, x):
        known = ~np.isnan(x)
        held = known & (np.random.default_rng(self.seed).random(x.shape) < 0.05)
        rest, errors, size, after = np.where(held, np.nan, x), {}, 1, 2
        while size < min(x.shape) and held.any():
            found = self._expected(rest, *self._em(rest, size, min(30, self.iterations)))
            errors[size] = np.mean((found - x)[held] ** 2)
            if size > 2 * min(errors, key=errors.get):
                break
            size, after = after, size + after
        return min(errors, key=errors.get) if errors else 1

    @staticmethod
    def _em(x, components, iterations):
        """(W, mean, variance): W of shape (columns, components)."""
        known = ~np.isnan(x)
        of_known, x = known.astype("float64"), np.where(known, x, 0)
        mean = x.sum(axis=0) / np.maximum(of_known.sum(axis=0), 1)
        centred = np.where(known, x - mean, 0)
        if known.all():  # in closed form
            values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
            values, vectors = values[::-1], vectors[:, ::-1]
            variance = max(values[components:].mean() if components < len(values) else 0, 1e-6)
            scale = np.sqrt(np.maximum(values[:components] - variance, 0))
            return vectors[:, :components] * scale, mean, variance
        _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
        singular = np.pad(singular, (0, max(0, components - len(singular))))[:components]
        vectors = np.pad(vectors, ((0, max(0, components - len(vectors))), (0, 0)))[:components]
        w, variance = vectors.T * singular / np.sqrt(len(x)) + 1e-3, 0.5
        for _ in range(iterations):
            z, covariance = _latents(of_known * (x - mean), of_known, w, variance)
            # E[z z^T] with a constant 1 beside z, whose coefficient is the mean
            ones = np.ones((len(z), 1))
            z = np.concatenate([z, ones], axis=1)
            moments = z[:, :, None] * z[:, None]
            moments[:, :-1, :-1] += covariance
            of_columns = of_known.T @ moments.reshape(len(z), -1)
            of_columns = of_columns.reshape(-1, *moments.shape[1:])
            with_x = x.T @ z
            ridge = 1e-6 * np.eye(components + 1)
            both = np.linalg.solve(of_columns + ridge, with_x[..., None])[..., 0]
            w, mean, before = both[:, :-1], both[:, -1], variance
            squares = np.sum(x**2) - 2 * np.sum(both * with_x)
            squares += np.einsum("dk,dkl,dl->", both, of_columns, both)
            variance = max(squares / max(of_known.sum(), 1), 1e-6)
            if abs(variance - before) < 1e-4 * before:
                break
        return w, mean, variance

    @staticmethod
    def _expected(x, w, mean, variance):
        known = ~np.isnan(x)
        of_known = known.astype("float64")
        z, _ = _latents(np.where(known, x - mean, 0), of_known, w, variance)
        return z @ w.T + mean

    def _filled(self, x):
        step = max(1, 2**26 // self.parameters_[0].shape[1] ** 2 // 8)
        parts = [x[i : i + step] for i in range(0, len(x), step)]
        return np.concatenate([self._expected(part, *self.parameters_) for part in parts])


class Wrapped(Imputer):
    """Any imputer of scikit-learn, for images and for standardised columns.

    Args:
        imputer: transformer, such as `KNNImputer()` or `IterativeImputer()`.
    """

    def __init__(self, imputer):
        self.imputer = imputer

    def _learn(self, x):
        empty = np.isnan(x).all(axis=0)
        self.imputer_, self.kept_ = clone(self.imputer), ~empty
        self.imputer_.fit(x[:, self.kept_])

    def _filled(self, x):
        filled = np.zeros(x.shape)
        filled[:, self.kept_] = self.imputer_.transform(x[:, self.kept_])
        return filled


def _column_means(x):
    known = ~np.isnan(x)
    return np.where(known, x, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _latents(centred, of_known, w, variance):
    """Means `(n, k)` and covariances `(n, k, k)` of p(z | x_known) of x = W z + noise."""
    size = w.shape[1]
    outer = (w[:, :, None] * w[:, None]).reshape(-1, size * size)
    precision = (of_known @ outer / variance).reshape(-1, size, size) + np.eye(size)
    covariance = np.linalg.inv(precision)
    return np.einsum("nkl,nl->nk", covariance, centred @ w / variance), covariance
