"""Imputation: transformers that fill missing values, NaN, in tables and images (rows A6, A7).

    filled = VAEImputer().fit_transform(x_with_nan)
    draws = VAEImputer().fit(x_with_nan).draw(x_with_nan, 20)                 # multiple imputation
    filled = Neighbours(neighbours=100).fit(x_train).transform(x_with_nan)    # the Thesis's K-NN

Each imputer has the interface of scikit-learn's: `fit` takes data in which values may be missing,
`transform` fills what is missing. Known values come back untouched. Tables `(n, features)` may hold
any numbers and are standardised by the known values of each column; images
`(n, height, width[, channels])` are taken as they are. For a model that is already trained,
`filling` has the ways to fill as functions. For many images these are the better choice, with a
VAE of your own (docs/results.md).
"""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import batching, checks, likelihoods, networks, optimizers
from keras_vae.models.partly_linear_vae import PartlyLinearVAE
from keras_vae.tasks import common, filling
from keras_vae.tasks import masks as patterns
from keras_vae.tasks.classical_imputers import (
    ColumnMeans,
    Imputer,
    Neighbours,
    ProbabilisticPCA,
    Wrapped,
)

__all__ = ["ColumnMeans", "Neighbours", "ProbabilisticPCA", "VAEImputer", "Wrapped"]

METHODS = {
    "importance": lambda imputer, model, x, **draws: filling.importance_weighted(
        model, x, num_samples=imputer.num_samples, seed=imputer.seed, **draws
    ),
    "one_pass": lambda imputer, model, x, **draws: filling.one_pass(
        model, x, seed=imputer.seed, **draws
    ),
    "gradient": lambda imputer, model, x, **draws: filling.gradient(
        model, x, seed=imputer.seed, **draws
    ),
    "loop": lambda imputer, model, x, **draws: filling.pseudo_gibbs(
        model, x, seed=imputer.seed, **draws
    ),
}


class VAEImputer(Imputer):
    """Fills with a VAE that learns from the incomplete data themselves.

    The model is a `PartlyLinearVAE`, trained on the importance-weighted bound of the known values
    (MIWAE). From some rows the encoder sees a part of the known values only, so that it learns to
    do with less. The filled values are the mean of p(x_missing | x_known), averaged over a few
    models of different seeds.

    Args:
        kinds: list with the kind of each column of a table, as in `likelihoods.Columns.fitted`:
            `"real"`, `"positive"`, `"count"`, `"binary"`, or an int, the number of categories. A
            category is filled by a category. Defaults to `None`: all are real.
        latent_dim: int. Size of z. Defaults to `None`: 0.9 for each column, at most one for 30
            rows and at most 64.
        hidden: tuple of int. Sizes of the hidden layers. Defaults to `(128, 128)`.
        steps: int. Steps of training. Defaults to `1500`.
        models: int. How many models are averaged. Defaults to `2`.
        masks: array of masks `(m, ...)`, of which training hides one from each example: patterns
            that are to be filled, where `fit` takes data that are more complete. Defaults to
            `None`: values of some rows, at random.
        method: `"importance"`, `"one_pass"`, `"gradient"` or `"loop"`, as in `filling`. Defaults to
            `"importance"`.
        num_samples: int. Samples of the importance weighting. Defaults to `1000`.
        add_indicator: bool. Append a column of 0 and 1 for each column of a table that has missing
            values in `fit`: 1 where the value is missing. Defaults to `False`.
        seed: int. Fixes the training and the draws. Defaults to `0`.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(50, 1)) * np.ones(3)
    >>> x[0, 1] = np.nan
    >>> imputer = VAEImputer(latent_dim=1, hidden=(8,), steps=20, num_samples=10).fit(x)
    >>> imputer.transform(x).shape
    (50, 3)
    """

    def __init__(
        self,
        kinds=None,
        latent_dim=None,
        hidden=(128, 128),
        steps=1500,
        models=2,
        masks=None,
        method="importance",
        num_samples=1000,
        add_indicator=False,
        seed=0,
    ):
        self.kinds = kinds
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.steps = steps
        self.models = models
        self.masks = masks
        self.method = method
        self.num_samples = num_samples
        self.add_indicator = add_indicator
        self.seed = seed

    @property
    def standardises(self):
        return self.kinds is None

    def _learn(self, x):
        checks.count(self.models, "models")
        checks.count(self.steps, "steps")
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}; expected one of {sorted(METHODS)}.")
        x = x.astype("float32")
        rows, columns = x.shape
        latent_dim = self.latent_dim or max(1, min(round(0.9 * columns), round(rows / 30), 64))
        self.models_ = [
            self._trained(x, min(latent_dim, columns), checks.seed(self.seed) + i)
            for i in range(self.models)
        ]

    def _likelihood(self, x):
        if self.kinds is not None:
            return likelihoods.Columns.fitted(x, self.kinds, **_VARIANCE)
        scaled = likelihoods.Gaussian.fitted(x, **_VARIANCE)
        if len(self.shape_) == 1:
            return scaled
        known = x[~np.isnan(x)]  # of images: the mean of each pixel, one scale for all of them
        scale = max(float(known.std()), 1e-3) if known.size else 1.0
        return likelihoods.Gaussian(location=scaled.location.tolist(), scale=scale, **_VARIANCE)

    def _trained(self, x, latent_dim, seed):
        rows, columns = x.shape
        likelihood = self._likelihood(x)
        sizes = {"hidden": self.hidden, "likelihood": likelihood, "penalty": 0.05 / rows}
        with common.initial_weights_from(seed):
            parts = networks.partly_linear(columns, latent_dim, **sizes)
            model = PartlyLinearVAE(*parts, num_samples=3, likelihood=likelihood, seed=seed)
        batch_size = min(rows, max(64, min(rows // 8, 256)))
        steps = self.steps
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - steps // 20, warmup_target=3e-3, warmup_steps=steps // 20
        )
        model.compile(
            optimizers.Adam(rate, beta_2=0.99, global_clipnorm=2.0 * columns),
            steps_per_execution=50,
        )
        data = batching.batches(x, batch_size, seed)
        if self.masks is not None:
            bank = np.reshape(self.masks, (len(self.masks), -1))
            data = data.map(patterns.holes(bank, seed))
        else:
            data = data.map(_some_hidden(min(0.5, 90 / rows), seed))
        # One epoch of all steps: short epochs would cost more than their steps
        model.fit(data.repeat(), steps_per_epoch=steps, verbose=0)
        return model

    def _filled(self, x):
        x = x.astype("float32")
        found = [METHODS[self.method](self, model, x) for model in self.models_]
        mean = np.mean(found, axis=0, dtype="float64")
        if self.kinds is not None:  # a mean of categories is none
            categories = [not isinstance(kind, str) for kind in self.kinds]
            mean[:, categories] = found[0][:, categories]
        return mean

    def draw(self, x, num_draws=20):
        """Fillings drawn from p(x_missing | x_known): an array `(num_draws, n, ...)`.

        The models draw by turns. Args, Raises: as of `transform`.
        """
        num_draws = checks.count(num_draws, "num_draws")

        def filled(x):
            parts = []
            for place, model in enumerate(self.models_):
                number = len(range(place, num_draws, len(self.models_)))
                if number:
                    x = x.astype("float32")
                    parts.append(METHODS[self.method](self, model, x, num_draws=number))
            return np.concatenate(parts)

        return self._completed(x, filled)


_VARIANCE = {"initial": 0.25, "least": 0.03}  # of a column given z, in standard units


def _some_hidden(share, seed):
    """A map for `tf.data`: of a share of the rows the encoder sees 40 to 100 % of the values."""
    generator = tf.random.Generator.from_seed(seed)

    def apply(x):
        chosen, rate = tf.unstack(generator.uniform((2, tf.shape(x)[0], 1)))
        rate = 0.6 * rate * tf.cast(chosen < share, "float32")
        return tf.where(generator.uniform(tf.shape(x)) < rate, np.float32(np.nan), x), x

    return apply
