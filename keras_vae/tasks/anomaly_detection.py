"""Anomaly detection: how normal x is, by a model that has seen normal examples (rows A5, A18).

    detector = VAEAnomalyDetector().fit(x_normal)
    detector.score_samples(x)                   # higher = more normal
    detector.predict(x)                         # 1 normal, -1 anomalous

`VAEAnomalyDetector` and the classical detectors below have scikit-learn's outlier interface.
Images `(n, height, width[, channels])` are in [0, 1]; tables `(n, features)` may hold any numbers
and are standardised. Of a model that is trained already, the same scores are plain functions:
`anomaly_scores`.
"""

import numpy as np
from sklearn import decomposition, ensemble, preprocessing, svm
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_vae import networks
from keras_vae.models import VAE, ConditionalVAE
from keras_vae.tasks import anomaly_scores as scores
from keras_vae.tasks import common
from keras_vae.tasks.noise import checked_clean

__all__ = [
    "CLASS_SCORES",
    "SCORES",
    "IsolationForest",
    "Neighbours",
    "OneClassSVM",
    "PCAResidual",
    "VAEAnomalyDetector",
]

SCORES = {
    "squared_error": lambda d, x: scores.squared_error(d.model_, x),
    "relative_error": lambda d, x: scores.relative_error(d.model_, x),
    "reconstruction_probability": lambda d, x: scores.reconstruction_probability(
        d.model_, x, d.num_samples, d.seed
    ),
    "elbo": lambda d, x: scores.elbo(d.model_, x, d.num_samples, d.seed),
    "log_likelihood": lambda d, x: d.model_.log_likelihood(x, d.num_samples, d.seed),
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
CLASS_SCORES = {  # of a detector that was fitted with labels
    "class_bound": lambda d, x: _class_bounds(d, x)[:, -1],
    "class_ratio": lambda d, x: np.diff(_class_bounds(d, x)[:, -2:], axis=1)[:, 0],
    "class_distance": lambda d, x: scores.class_distance(
        d.model_, x, d.examples_, d.labels_, d.neighbours
    ),
    "max_logit": lambda d, x: scores.max_logit(d.model_, x, d.classifier_),
}


def _class_bounds(d, x):
    bounds = scores.class_bounds(d.model_, x, len(d.classes_), d.num_samples, d.seed)
    return np.sort(bounds, axis=1)


# Detectors ---------------------------------------------------------------------------------


class Detector(OutlierMixin, BaseEstimator):
    """Base of the detectors: it checks x, and sets the threshold."""

    def fit(self, x, y=None):
        """Learn what is normal, from an array `(n, ...)` of at least 2 examples; y is not read.

        `offset_` becomes the score below which the share `contamination` of them lies. Of 5,000
        examples or more it is estimated from some, 2,500 at least.

        Raises:
            ValueError, TypeError: x holds no numbers, NaN, infinity, or is an image beyond [0, 1].
                What was fitted before stays as it was.
        """
        return self._fitted_to(x)

    def _fitted_to(self, x, *known):
        before = vars(self).copy()
        try:
            x = self._received(x, fitting=True)
            self._learn(x, *known)
            some = x[:: max(1, len(x) // 2500)]
            self.offset_ = float(np.percentile(self._score(some), 100 * self.contamination))
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def score_samples(self, x):
        """How normal each row is, `(n,)`: higher is more normal.

        Raises:
            ValueError, TypeError: x is not what `fit` was given.
            sklearn.exceptions.NotFittedError: nothing was learned yet.
        """
        check_is_fitted(self)
        return self._score(self._received(x)).astype("float64")

    def decision_function(self, x):
        """`score_samples(x) - offset_`: negative for anomalies."""
        return self.score_samples(x) - self.offset_

    def predict(self, x):
        """1 for what is normal, -1 for anomalies: an int array `(n,)`."""
        return np.where(self.decision_function(x) < 0, -1, 1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _received(self, x, fitting=False):
        if fitting:
            common.check_arguments(self.get_params(deep=False))
        types, least = ["float64", "float32"], 2 if fitting else 1
        x = validate_data(
            self, x, reset=fitting, dtype=types, allow_nd=True, ensure_min_samples=least
        )
        if fitting:
            self.shape_ = x.shape[1:]
            self.scaler_ = preprocessing.StandardScaler().fit(x) if x.ndim == 2 else None
        common.check_fitted_to(self, x)
        x = checked_clean(x) if self.scaler_ is None else self.scaler_.transform(x)
        return x.astype("float32", copy=False)

    def _learn(self, x):
        raise NotImplementedError

    def _score(self, x):
        raise NotImplementedError


class VAEAnomalyDetector(Detector):
    """A dense VAE that is trained on normal examples when it is fitted, and a score of it.

    Args:
        criterion: str, one of `SCORES`. Defaults to `"auto"`: `"distance_and_error"` of images,
            `"elbo"` of tables, where the size of x matters. Where images of many kinds are normal,
            `"both_distances"` finds more; it keeps the training set. With labels one of
            `CLASS_SCORES`: `"class_distance"` of images, `"class_bound"` of tables.
        latent_dim: int. Defaults to `32`.
        hidden: tuple of int. Sizes of the layers. Defaults to `(400, 400)`.
        epochs, batch_size: int. Of the training. Default to `30` and `128`. (8 epochs of MNIST's
            54,000 images of nine digits, and 40 of the 6,000 of one, are what its table has.)
        neighbours: int. How many of the nearest latents, or data, count. Defaults to `5`.
        num_samples: int. Draws of z for each row, of the scores that draw. Defaults to `16`.
        contamination: float in (0, 0.5]. Share of the training set that is called anomalous; it
            moves the threshold and no score. Defaults to `0.1`.
        seed: int. Fixes the training and the draws. Defaults to `0`.

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
        """Learn what is normal, from an array `(n, ...)` of at least 2 examples; y is not read.

        Args:
            labels: array `(n,)` of what kinds the normal examples are, at least two. With them a
                ConditionalVAE is trained (for `"max_logit"`, a VAE and a classifier of its
                latents). Defaults to `None`.

        Raises:
            ValueError, TypeError: x holds no numbers, NaN, infinity, or is an image beyond [0, 1];
                or the labels do not fit. What was fitted before stays as it was.
        """
        known, possible = (None, None), SCORES
        if labels is not None:
            known, possible = np.unique(labels, return_inverse=True), CLASS_SCORES
            kinds, rows = len(known[0]), np.shape(x)[:1]
            if np.shape(labels) != rows or kinds < 2:
                raise ValueError(
                    f"labels have shape {np.shape(labels)} and {kinds} kinds; expected {rows}, "
                    "one for each example, of at least 2 kinds."
                )
        if self.criterion not in ("auto", *possible):
            raise ValueError(
                f"criterion is {self.criterion!r}; expected 'auto' or, "
                f"{'without' if labels is None else 'with'} labels, one of {', '.join(possible)}."
            )
        return self._fitted_to(x, *known)

    def _learn(self, x, classes, labels):
        self.classes_, self.labels_, standardised = classes, labels, self.scaler_ is not None
        self.latents_ = self.examples_ = self.mixture_ = self.classifier_ = None
        if standardised and self.criterion == "corrected_elbo":
            raise ValueError("criterion is 'corrected_elbo', which is for images; x is a table.")
        of_images, of_tables = "distance_and_error", "elbo"
        if labels is not None:
            of_images, of_tables = "class_distance", "class_bound"
        automatic = of_tables if standardised else of_images
        self.criterion_ = automatic if self.criterion == "auto" else self.criterion
        conditional = labels is not None and self.criterion_ != "max_logit"
        likelihood = "gaussian" if standardised else "bernoulli"
        with common.initial_weights_from(self.seed):
            sizes = {
                "hidden": self.hidden,
                "condition": len(classes) if conditional else None,
            }
            pair = networks.dense(x.shape[1:], self.latent_dim, likelihood=likelihood, **sizes)
            make = ConditionalVAE if conditional else VAE
            self.model_ = make(*pair, likelihood=likelihood, seed=self.seed)
        common.compile_falling(self.model_, 2e-3, len(x), self.epochs, self.batch_size)
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

    An example that lies on x is left out, so that none is a neighbour of its own.

    Args:
        neighbours: int. How many. Defaults to `5`.
        cosine: bool. Compare directions, so that the strength of a stroke does not count. Defaults
            to `False`: Euclidean.
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
        return scores.directions(x) if self.cosine else x.reshape(len(x), -1)


class PCAResidual(Detector):
    """Minus the squared distance to the plane of the first principal components (Jackson 1979).

    Args:
        variance: float in (0, 1). The share of the normal examples' variance that the plane holds.
            Defaults to `0.7`.
        contamination: as in `VAEAnomalyDetector`.
    """

    def __init__(self, variance=0.7, contamination=0.1):
        self.variance = variance
        self.contamination = contamination

    def _learn(self, x):
        with np.errstate(invalid="ignore"):  # constant examples have no variance to hold
            pca = decomposition.PCA(self.variance, svd_solver="covariance_eigh")
            self.pca_ = pca.fit(x.reshape(len(x), -1))

    def _score(self, x):
        rows = x.reshape(len(x), -1)
        return -scores.squares(rows - self.pca_.inverse_transform(self.pca_.transform(rows)))


class IsolationForest(Detector):
    """scikit-learn's forest: what few random cuts set apart is anomalous (Liu 2008).

    Args:
        contamination: as in `VAEAnomalyDetector`.
        seed: int. Defaults to `0`.
    """

    def __init__(self, contamination=0.1, seed=0):
        self.contamination = contamination
        self.seed = seed

    def _learn(self, x):
        self.forest_ = ensemble.IsolationForest(random_state=self.seed).fit(x.reshape(len(x), -1))

    def _score(self, x):
        return self.forest_.score_samples(x.reshape(len(x), -1))


class OneClassSVM(Detector):
    """scikit-learn's one-class machine with a Gaussian kernel (Schoelkopf 2001).

    Args:
        max_samples: int. It is fitted to at most so many examples: its cost is their square.
            Defaults to `5000`.
        contamination: as in `VAEAnomalyDetector`.
        seed: int. Of the choice among more. Defaults to `0`.
    """

    def __init__(self, max_samples=5000, contamination=0.1, seed=0):
        self.max_samples = max_samples
        self.contamination = contamination
        self.seed = seed

    def _learn(self, x):
        rows = x.reshape(len(x), -1)
        if len(rows) > self.max_samples:
            rows = np.random.default_rng(self.seed).permutation(rows)[: self.max_samples]
        self.machine_ = svm.OneClassSVM(nu=0.1).fit(rows)  # at most a tenth left outside

    def _score(self, x):
        return self.machine_.score_samples(x.reshape(len(x), -1))
