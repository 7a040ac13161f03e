"""Anomaly detection: detectors that learn from normal examples (rows A5, A18).

    detector = VAEAnomalyDetector().fit(x_normal)
    detector.score_samples(x)                   # higher = more normal
    detector.predict(x)                         # 1 normal, -1 anomalous

`VAEAnomalyDetector` and the classical detectors have scikit-learn's interface for outlier
detectors. Images `(n, height, width[, channels])` must be in [0, 1]. Tables `(n, features)` may
hold any numbers and are standardised. For a model that is already trained, `anomaly_scores` has the
same scores as functions.
"""

import numpy as np
from sklearn import decomposition, preprocessing
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_vae import networks
from keras_vae.models.conditional_vae import ConditionalVAE
from keras_vae.models.vae import VAE
from keras_vae.tasks import anomaly_scores as scores
from keras_vae.tasks import common
from keras_vae.tasks.noise import checked_clean

__all__ = [
    "CLASS_SCORES",
    "LOWEST_SCORE",
    "SCORES",
    "Neighbours",
    "PCAResidual",
    "VAEAnomalyDetector",
]

# Each function takes a fitted detector and validated data. It returns one score for each row.
SCORES = {
    "squared_error": lambda d, x: scores.squared_error(d.model_, x),
    "relative_error": lambda d, x: scores.relative_error(d.model_, x),
    "reconstruction_probability": lambda d, x: scores.reconstruction_probability(
        d.model_, x, d.num_samples, d.seed
    ),
    "elbo": lambda d, x: scores.elbo(d.model_, x, d.num_samples, d.seed),
    "log_likelihood": lambda d, x: scores.log_likelihood(d.model_, x, d.num_samples, d.seed),
    "kl": lambda d, x: scores.kl(d.model_, x),
    "corrected_elbo": lambda d, x: scores.corrected_elbo(d.model_, x, d.num_samples, d.seed),
    "latent_distance": lambda d, x: scores.latent_distance(d.model_, x, d.latents_, d.neighbours),
    "latent_mixture": lambda d, x: scores.latent_mixture(d.model_, x, d.mixture_),
    "distance_and_error": lambda d, x: scores.distance_and_error(
        d.model_, x, d.latents_, d.neighbours
    ),
    "both_distances": lambda d, x: scores.both_distances(
        d.model_, x, d.latents_, d.examples_, d.neighbours
    ),
}
CLASS_SCORES = {  # for detectors that were fitted with labels
    "class_bound": lambda d, x: _class_bounds(d, x)[:, -1],
    "class_ratio": lambda d, x: np.diff(_class_bounds(d, x)[:, -2:], axis=1)[:, 0],
    "class_distance": lambda d, x: scores.class_distance(
        d.model_, x, d.examples_, d.labels_, d.neighbours
    ),
    "max_logit": lambda d, x: scores.max_logit(d.model_, x, d.classifier_),
}
LOWEST_SCORE = float(np.finfo("float32").min)
_FARTHEST = 1e6  # standard deviations; a value beyond is a fill value or a defect


def _class_bounds(d, x):
    bounds = scores.class_bounds(d.model_, x, len(d.classes_), d.num_samples, d.seed)
    return np.sort(bounds, axis=1)


# Detectors ---------------------------------------------------------------------------------


class Detector(OutlierMixin, BaseEstimator):
    """Base class of all detectors: validates the input and sets the threshold.

    A subclass defines `_learn` and `_score`, which receive validated float32 arrays.
    """

    def fit(self, x, y=None):
        """Learn from an array `(n, ...)` of at least 2 normal examples; y is ignored.

        `offset_` becomes the score that the share `contamination` of the examples falls below. From
        5,000 examples on, it is estimated from a subset of at least 2,500.

        Raises:
            ValueError, TypeError: x does not hold finite numbers, or holds images with values
                outside [0, 1]. The detector keeps its previous state.
        """
        return self._fitted_to(x)

    def _fitted_to(self, x, *known):
        before = vars(self).copy()
        try:
            x = self._validated(x, fitting=True)
            self._learn(x, *known)
            some = self._score(x[:: max(1, len(x) // 2500)])
            if not np.isfinite(some).all():
                raise ValueError("The training diverged: x has scores that are NaN or infinite.")
            self.offset_ = float(np.percentile(some, 100 * self.contamination))
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def score_samples(self, x):
        """How normal each row is, a float64 array `(n,)`: higher is more normal.

        A row of a table gets `LOWEST_SCORE` if one of its values is more than a million standard
        deviations from the mean (such as 1e20, the fill value of masked arrays), or if its score
        is not finite.

        Raises:
            ValueError, TypeError: x does not match the data that `fit` received.
            sklearn.exceptions.NotFittedError: the detector is not fitted.
        """
        check_is_fitted(self)
        x = self._validated(x)
        rows = scores.flatten(x)
        plausible = (np.abs(rows) <= _FARTHEST).all(axis=1)
        rows = np.where(plausible[:, np.newaxis], rows, 0)  # a model would overflow
        found = self._score(rows.reshape(x.shape)).astype("float64")
        return np.where(plausible & np.isfinite(found), found, LOWEST_SCORE)

    def decision_function(self, x):
        """`score_samples(x) - offset_`: negative for anomalies."""
        return self.score_samples(x) - self.offset_

    def predict(self, x):
        """1 for normal rows, -1 for anomalies: an int array `(n,)`."""
        return np.where(self.decision_function(x) >= 0, 1, -1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _validated(self, x, fitting=False):
        if fitting:
            common.check_arguments(self.get_params(deep=False))
        types, least = ["float64", "float32"], 2 if fitting else 1
        x = validate_data(
            self, x, reset=fitting, dtype=types, allow_nd=True, ensure_min_samples=least
        )
        with np.errstate(over="ignore", invalid="ignore"):
            if fitting:
                self.shape_ = x.shape[1:]
                self.scaler_ = preprocessing.StandardScaler().fit(x) if x.ndim == 2 else None
            common.check_fitted_to(self, x)
            if self.scaler_ is None:
                return checked_clean(x).astype("float32", copy=False)
            if not np.isfinite(self.scaler_.scale_).all():
                raise ValueError(
                    f"x has values up to {np.abs(x).max():g}, which are too large to be "
                    "standardised; remove or replace them."
                )
            return self.scaler_.transform(x).astype("float32", copy=False)

    def _learn(self, x):
        raise NotImplementedError

    def _score(self, x):
        raise NotImplementedError


class VAEAnomalyDetector(Detector):
    """Trains a dense VAE on normal examples and judges others by a score of the VAE.

    Args:
        criterion: str, one of `SCORES`. Defaults to `"auto"`, which is `"distance_and_error"` for
            images and `"elbo"` for tables, where the magnitude of x matters. If images of many
            kinds are normal, `"both_distances"` finds more anomalies, but stores the training set.
            For `fit` with labels, one of `CLASS_SCORES`; `"auto"` is then `"class_distance"` for
            images and `"class_bound"` for tables.
        latent_dim: int. Size of z. Defaults to `32`.
        hidden: tuple of int. Sizes of the hidden layers. Defaults to `(400, 400)`.
        epochs: int. Number of training epochs. Defaults to `30`. (The results for MNIST took 8
            epochs for the 54,000 images of nine digits, and 40 for the 6,000 of one digit.)
        batch_size: int. Batch size of the training. Defaults to `128`.
        neighbours: int. Number of nearest examples to average distances over. Defaults to `5`.
        num_samples: int. Draws of z for each row, for scores that draw z. Defaults to `16`.
        contamination: float in (0, 0.5]. Share of the training set that is classified as
            anomalous. It sets the threshold and does not change the scores. Defaults to `0.1`.
        seed: int. Fixes the training and the draws of z. Defaults to `0`.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> detector = VAEAnomalyDetector(latent_dim=1, hidden=(8,), epochs=3).fit(x)
    >>> detector.predict([[0.0, 0.0, 0.0], [9.0, -9.0, 9.0]])
    array([ 1, -1])
    """

    def __init__(
        self,
        criterion="auto",
        latent_dim=32,
        hidden=(400, 400),
        epochs=30,
        batch_size=128,
        neighbours=5,
        num_samples=16,
        contamination=0.1,
        seed=0,
    ):
        self.criterion = criterion
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.neighbours = neighbours
        self.num_samples = num_samples
        self.contamination = contamination
        self.seed = seed

    def fit(self, x, y=None, labels=None):
        """Learn from an array `(n, ...)` of at least 2 normal examples; y is ignored.

        Args:
            labels: array `(n,)` with the kind of each normal example, at least two kinds. With
                labels, `fit` trains a ConditionalVAE (for `"max_logit"`, a VAE and a classifier of
                its latents). Defaults to `None`.

        Raises:
            ValueError, TypeError: x does not hold finite numbers, or holds images with values
                outside [0, 1]; or the labels do not match x. The detector keeps its previous state.
        """
        known, possible = (None, None), SCORES
        if labels is not None:
            known, possible = np.unique(labels, return_inverse=True), CLASS_SCORES
            kinds, rows = len(known[0]), np.shape(x)[:1]
            if np.shape(labels) != rows or kinds < 2:
                raise ValueError(
                    f"labels have shape {np.shape(labels)} and {kinds} kinds; expected shape "
                    f"{rows}, one label for each example, and at least 2 kinds."
                )
        if self.criterion not in ("auto", *possible):
            raise ValueError(
                f"criterion is {self.criterion!r}; expected 'auto' or, "
                f"{'without' if labels is None else 'with'} labels, one of {', '.join(possible)}."
            )
        return self._fitted_to(x, *known)

    def _learn(self, x, classes, labels):
        self.classes_, self.labels_, is_table = classes, labels, self.scaler_ is not None
        self.latents_ = self.examples_ = self.mixture_ = self.classifier_ = None
        if is_table and self.criterion == "corrected_elbo":
            raise ValueError("criterion is 'corrected_elbo', which is for images; x is a table.")
        for_images, for_tables = "distance_and_error", "elbo"
        if labels is not None:
            for_images, for_tables = "class_distance", "class_bound"
        automatic = for_tables if is_table else for_images
        self.criterion_ = automatic if self.criterion == "auto" else self.criterion
        conditional = labels is not None and self.criterion_ != "max_logit"
        likelihood = "gaussian" if is_table else "bernoulli"
        with common.initial_weights_from(self.seed):
            sizes = {
                "hidden": self.hidden,
                "condition": len(classes) if conditional else None,
            }
            pair = networks.dense(x.shape[1:], self.latent_dim, likelihood=likelihood, **sizes)
            make = ConditionalVAE if conditional else VAE
            self.model_ = make(*pair, likelihood=likelihood, seed=self.seed)
        common.compile_with_cosine_decay(self.model_, 2e-3, len(x), self.epochs, self.batch_size)
        condition = labels if conditional else None
        self.model_.fit(x, condition, batch_size=self.batch_size, epochs=self.epochs, verbose=0)
        if not conditional:
            self.latents_ = self.model_.encode(x)
        if self.criterion_ in ("both_distances", "class_distance"):
            self.examples_ = x
        if self.criterion_ == "latent_mixture":
            self.mixture_ = scores.fitted_mixture(self.latents_, self.seed)
        if self.criterion_ == "max_logit":
            self.classifier_ = scores.fitted_classifier(self.latents_, labels, seed=self.seed)

    def _score(self, x):
        return (SCORES | CLASS_SCORES)[self.criterion_](self, x)


# Classical detectors -----------------------------------------------------------------------


class Neighbours(Detector):
    """Minus the mean distance to the nearest normal examples (Angiulli and Pizzuti 2002).

    An example at the same place as x is left out, so that no example is its own neighbour.

    Args:
        neighbours: int. Number of nearest examples to average over. Defaults to `5`.
        cosine: bool. Compare only directions, so that the strength of a stroke does not matter.
            Defaults to `False`: Euclidean distance.
        contamination: as in `VAEAnomalyDetector`.
    """

    def __init__(self, neighbours=5, cosine=False, contamination=0.1):
        self.neighbours = neighbours
        self.cosine = cosine
        self.contamination = contamination

    def _learn(self, x):
        self.examples_ = self._rows(x)

    def _score(self, x):
        return -scores.mean_distance(self._rows(x), self.examples_, self.neighbours)

    def _rows(self, x):
        return scores.directions(x) if self.cosine else scores.flatten(x)


class PCAResidual(Detector):
    """Minus the squared distance to the subspace of the first principal components (Jackson 1979).

    Args:
        variance: float in (0, 1). Share of the variance of the normal examples that lies within the
            subspace. Defaults to `0.7`.
        contamination: as in `VAEAnomalyDetector`.
    """

    def __init__(self, variance=0.7, contamination=0.1):
        self.variance = variance
        self.contamination = contamination

    def _learn(self, x):
        with np.errstate(invalid="ignore"):  # constant examples have no variance
            pca = decomposition.PCA(self.variance, svd_solver="covariance_eigh")
            self.pca_ = pca.fit(scores.flatten(x))

    def _score(self, x):
        rows = scores.flatten(x)
        return -scores.squares(rows - self.pca_.inverse_transform(self.pca_.transform(rows)))
