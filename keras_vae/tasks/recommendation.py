"""Recommendation: which rating a user would give, and which items to show next (row A8).

    ratings = datasets.load_movielens().matrix()                 # SciPy CSR, (users, items)
    recommender = VAERecommender().fit(ratings)                  # of what was chosen
    recommender.recommend(users, n=10)                           # items, the best first
    recommender = VAERecommender("gaussian").fit(ratings)        # of ratings
    recommender.predict(users, items)                            # one for each pair

The classical recommenders have the same interface.
"""

import math

import keras
import numpy as np

from keras_vae import callbacks, checks, likelihoods, networks, optimizers
from keras_vae.models.vae import VAE
from keras_vae.tasks import common
from keras_vae.tasks.classical_recommenders import (
    EASE,
    Biases,
    ItemNeighbours,
    MatrixFactorisation,
    Popularity,
    Recommender,
    fitted_biases,
    residuals,
)

__all__ = [
    "EASE",
    "Biases",
    "ItemNeighbours",
    "MatrixFactorisation",
    "Popularity",
    "VAERecommender",
]


class VAERecommender(Recommender):
    """A VAE of the rows of the matrix of ratings.

    `"multinomial"`: a row holds the items that a user has chosen, and p(x|z) is a multinomial over
    all items (Liang 2018). The encoder reads a part of them, scaled to length 1; beta rises from 0
    to a maximum below 1. Its predictions are probabilities: for rankings.

    `"gaussian"`: a row holds the ratings of an item by all users, as what `Biases` leave of them,
    with NaN where there is none. The bound is that of the known ratings; the encoder reads a part
    of them, and the mask. The decoder is linear, and the L2 penalty of its weights is a prior: a
    matrix factorisation whose factors of an item are inferred by a network (Sedhain 2015).

    Args:
        likelihood: `"multinomial"` or `"gaussian"`. Defaults to `"multinomial"`.
        latent_dim: int. Size of z. Defaults to `None`: 100, or 20 for ratings.
        hidden: tuple of int. Hidden layers of the encoder, and of the decoder for choices. Defaults
            to `None`: (), which suits a hundred thousand ratings, or (200,) for ratings.
        epochs: int. Defaults to `None`: 125, or 200 for ratings.
        batch_size: int. Rows in a step. Defaults to `None`: 100, or 2,048 for ratings.
        hide: float in [0, 1). Share of the known values that the encoder does not see. Defaults to
            `None`: 0.5, or 0.7 for ratings.
        beta: float. Weight of the KL term at the end. Defaults to `None`: 0.5, or 1 for ratings.
        penalty: float. Of choices, the L2 penalty of all weights. Of ratings the precision of a
            normal prior of the decoder's weights. Defaults to `None`: 0.001, or 80 for ratings.
        variance: float. Of a rating, given z. Defaults to `0.8`.
        seed: int. Fixes the training. Defaults to `0`.

    Example:

    >>> from scipy import sparse
    >>> ratings = sparse.random(50, 20, 0.3, "csr", random_state=0)
    >>> VAERecommender(latent_dim=4, hidden=(8,), epochs=3).fit(ratings).recommend([0, 1], 5).shape
    (2, 5)
    """

    def __init__(
        self,
        likelihood="multinomial",
        latent_dim=None,
        hidden=None,
        epochs=None,
        batch_size=None,
        hide=None,
        beta=None,
        penalty=None,
        variance=0.8,
        seed=0,
    ):
        self.likelihood = likelihood
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.hide = hide
        self.beta = beta
        self.penalty = penalty
        self.variance = variance
        self.seed = seed

    @property
    def rates(self):
        return self.likelihood == "gaussian"

    def _learn(self, ratings):
        if self.likelihood not in _DEFAULTS:
            raise ValueError(
                f"likelihood is {self.likelihood!r}; expected 'multinomial' or 'gaussian'."
            )
        settings = {
            name: value if getattr(self, name, None) is None else getattr(self, name)
            for name, value in _DEFAULTS[self.likelihood].items()
        }
        common.check_arguments(settings)
        for name in ("hide", "beta", "penalty"):
            checks.number(settings[name], name, most=1.0 if name == "hide" else math.inf)
        if self.rates:
            self.bias_ = fitted_biases(ratings, 5.0)
            rows = residuals(ratings, *self.bias_).T.tocsr()  # an item in each
        else:
            rows = self.chosen_
        hide = settings["hide"] if self.rates else 0.0  # of choices by a layer
        data = _Rows(rows, settings["batch_size"], hide, self.rates, self.seed)
        with common.initial_weights_from(self.seed):
            build = self._for_ratings if self.rates else self._for_choices
            self.model_ = build(rows.shape, settings)
        epochs, rate = settings["epochs"], settings["learning_rate"]
        if self.rates:
            common.compile_with_cosine_decay(self.model_, rate, len(data), epochs, 1)
        else:
            self.model_.compile(optimizers.Adam(rate))
        warmup = callbacks.KLWarmup(max(1, 4 * epochs // 5), end=settings["beta"])
        self.model_.fit(
            data,
            epochs=epochs,
            callbacks=[] if self.rates else [warmup],
            shuffle=False,
            verbose=0,
        )
        if self.rates:  # z of each item, from all of its ratings
            places = np.arange(rows.shape[0])
            parts = [places[i : i + 512] for i in range(0, len(places), 512)]
            self.latents_ = np.concatenate([self.model_.encode(data.dense(p)[0]) for p in parts])

    def _for_ratings(self, shape, settings):
        items, users = shape
        decay = keras.regularizers.L2(settings["penalty"] / (2 * items))
        light = keras.regularizers.L2(3.0 / (2 * items))
        x = keras.Input((users,))
        h = networks.ReadValues("mask")(x)
        h = ScaleByCount()(h)
        for size in settings["hidden"]:
            h = keras.layers.Dense(size, activation="tanh", kernel_regularizer=light)(h)
        encoder = keras.Model(x, _heads(h, settings["latent_dim"]))
        z = keras.Input((settings["latent_dim"],))
        start = keras.initializers.RandomNormal(stddev=0.1)
        decoder = keras.Model(
            z, keras.layers.Dense(users, kernel_initializer=start, kernel_regularizer=decay)(z)
        )
        likelihood = likelihoods.Gaussian(variance=self.variance)
        return VAE(encoder, decoder, likelihood, beta=settings["beta"], seed=self.seed)

    def _for_choices(self, shape, settings):
        _, items = shape
        decay = keras.regularizers.L2(settings["penalty"])
        x, z = keras.Input((items,)), keras.Input((settings["latent_dim"],))
        h = keras.layers.UnitNormalization()(x)  # before the dropout, as Liang does
        h = keras.layers.Dropout(settings["hide"], seed=self.seed)(h)
        for size in settings["hidden"]:
            h = keras.layers.Dense(size, activation="tanh", kernel_regularizer=decay)(h)
        encoder = keras.Model(x, _heads(h, settings["latent_dim"], decay))
        h = z
        for size in reversed(settings["hidden"]):
            h = keras.layers.Dense(size, activation="tanh", kernel_regularizer=decay)(h)
        decoder = keras.Model(z, keras.layers.Dense(items, kernel_regularizer=decay)(h))
        return VAE(encoder, decoder, likelihoods.Multinomial(), beta=0.0, seed=self.seed)

    def _scores(self, users):
        if not self.rates:
            return self.model_.reconstruct(self.chosen_[users].toarray())
        mean, of_users, of_items = self.bias_
        kernel, offset = (weight.numpy() for weight in self.model_.decoder.weights)
        rest = self.latents_ @ kernel[:, users] + offset[users]  # the linear decoder, some columns
        return mean + of_users[users, None] + of_items + rest.T


_DEFAULTS = {
    "multinomial": {
        "latent_dim": 100,
        "hidden": (),
        "epochs": 125,
        "batch_size": 100,
        "hide": 0.5,
        "beta": 0.5,
        "penalty": 1e-3,
        "learning_rate": 2e-3,
    },
    "gaussian": {
        "latent_dim": 20,
        "hidden": (200,),
        "epochs": 200,
        "batch_size": 2048,
        "hide": 0.7,
        "beta": 1.0,
        "penalty": 80.0,
        "learning_rate": 3e-3,
    },
}


def _heads(h, latent_dim, decay=None):
    names = ("z_mean", "z_log_var")
    return [keras.layers.Dense(latent_dim, kernel_regularizer=decay, name=n)(h) for n in names]


@keras.saving.register_keras_serializable(package="keras_vae")
class ScaleByCount(keras.layers.Layer):
    """Divides [x, mask] by the root of the number of known values, and of `damping` more.

    So the sums of a first layer do not grow with the number of ratings that a row has.

    Args:
        damping: float. Defaults to `10.0`.
    """

    def __init__(self, damping=10.0, **kwargs):
        super().__init__(**kwargs)
        self.damping = damping

    def call(self, x):
        known = keras.ops.split(x, 2, axis=-1)[1]
        count = keras.ops.sum(known, axis=-1, keepdims=True)
        return 5.0 * x / keras.ops.sqrt(count + self.damping)

    def get_config(self):
        return {**super().get_config(), "damping": self.damping}


class _Rows(keras.utils.PyDataset):
    """Batches of dense rows of a sparse matrix, (what the encoder sees, all that is known)."""

    def __init__(self, matrix, batch_size, hide, with_nan, seed):
        super().__init__()
        self.matrix, self.batch_size, self.hide = matrix, min(batch_size, matrix.shape[0]), hide
        self.with_nan, self.seed, self.epoch = with_nan, seed, 0

    def __len__(self):
        return -(-self.matrix.shape[0] // self.batch_size)

    def on_epoch_end(self):
        self.epoch += 1

    def dense(self, rows):
        """The rows as float32; unknown values are NaN, or 0 where rows hold choices."""
        part = self.matrix[rows]
        values = np.full(part.shape, np.nan if self.with_nan else 0.0, "float32")
        places = np.repeat(np.arange(len(rows)), np.diff(part.indptr)), part.indices
        values[places] = part.data
        return values, places

    def __getitem__(self, index):
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.matrix.shape[0])
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        known, places = self.dense(rows)
        rng = np.random.default_rng((self.seed, self.epoch, index))
        hidden = rng.random(len(places[0])) < self.hide
        seen = known.copy()
        seen[tuple(axis[hidden] for axis in places)] = np.nan if self.with_nan else 0.0
        return seen, known
