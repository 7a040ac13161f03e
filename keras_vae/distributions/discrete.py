"""Distributions of binary values, categories and counts."""

import tensorflow as tf
from keras import ops

from keras_vae import noise
from keras_vae.distributions.base import Distribution


class Bernoulli(Distribution):
    """Independent values in {0, 1}, given by their logits. Grey values in [0, 1] are allowed.

    For a grey x the density x log p + (1 - x) log(1 - p) is not normalised (Loaiza-Ganem and
    Cunningham 2019): compare its nats only between models of the same data.

    Args:
        logits: tensor. Shape `(batch, ...)`; p = sigmoid(logits).
    """

    def __init__(self, logits):
        self.logits = ops.cast(logits, "float32")

    @property
    def mean(self):
        return ops.sigmoid(self.logits)

    @property
    def mode(self):
        return ops.cast(self.logits > 0, "float32")

    def log_density(self, x):
        # x log p + (1 - x) log(1 - p) = x l - log(1 + e^l), with the right gradient at l = 0 (14.1)
        return x * self.logits - ops.softplus(self.logits)

    def sample(self, seed, shape=None):
        shape = ops.shape(self.logits) if shape is None else shape
        return ops.cast(noise.stream(seed).uniform(shape) < self.mean, "float32")


class Categorical(Distribution):
    """Independent categories, whole numbers from 0, given by the logits of each class.

    A mean of categories is no category: the `point` is the mode.

    Args:
        logits: tensor. Shape `(batch, ..., classes)` for x of shape `(batch, ...)`.
    """

    def __init__(self, logits):
        self.logits = ops.cast(logits, "float32")

    @property
    def _shape(self):
        return self.logits.shape[:-1]

    @property
    def expectation(self):
        """The probabilities of the classes, `(batch, ..., classes)`."""
        return ops.softmax(self.logits)

    def decide(self, expectation):
        return ops.cast(ops.argmax(expectation, axis=-1), "float32")

    @property
    def mode(self):
        return self.decide(self.logits)

    def log_density(self, x):
        chosen = ops.expand_dims(ops.cast(x, "int32"), axis=-1)
        return ops.take_along_axis(ops.log_softmax(self.logits), chosen, axis=-1)[..., 0]

    def sample(self, seed, shape=None):
        shape = ops.shape(self.logits)[:-1] if shape is None else shape
        return _chosen(self.expectation, noise.stream(seed).uniform((*shape, 1)))


class Poisson(Distribution):
    """Independent counts, whole numbers from 0, given by the logarithm of their rate.

    Args:
        log_rate: tensor. Shape `(batch, ...)`; the mean and the variance of x are exp(log_rate).
    """

    def __init__(self, log_rate):
        self.log_rate = ops.cast(log_rate, "float32")

    @property
    def mean(self):
        return ops.exp(self.log_rate)

    @property
    def mode(self):
        return ops.floor(self.mean)

    def log_density(self, x):
        # log rate^x e^-rate / x!
        return x * self.log_rate - self.mean - tf.math.lgamma(x + 1.0)

    def sample(self, seed, shape=None):
        shape = ops.shape(self.log_rate) if shape is None else shape
        rate, uniform = ops.broadcast_to(self.mean, shape), noise.stream(seed).uniform(shape)
        # The smallest x with P(X <= x) > u, by bisection, since P(X <= x) = Q(x + 1, rate).
        low, high = -ops.ones_like(rate), ops.floor(rate + 12 * ops.sqrt(rate) + 20)
        for _ in range(32):
            middle = ops.floor((low + high) / 2)
            enough = tf.math.igammac(middle + 1, rate) > uniform
            enough = ops.logical_and(enough, middle > low)
            low, high = ops.where(enough, low, middle), ops.where(enough, middle, high)
        return high


class Multinomial(Distribution):
    """How often each item is chosen, of a total number of choices: x is a row of counts.

        log p(x) = log n! - sum_j log x_j! + sum_j x_j log p_j,    n = sum_j x_j,  p = softmax

    Each example has the total of its own x; draws and the mean have `total`. Where values are
    unknown, the choice is among the known ones.

    Args:
        logits: tensor. Shape `(batch, items)`.
        total: int. Number of choices in a draw. Defaults to `1`: the mean is the probabilities.
    """

    def __init__(self, logits, total=1):
        self.logits = ops.cast(logits, "float32")
        self.total = total

    @property
    def mean(self):
        return self.total * ops.softmax(self.logits)

    @property
    def mode(self):
        raise NotImplementedError("A Multinomial defines no mode; its mean is in closed form.")

    def log_prob(self, x, mask=None):
        x = ops.cast(x, "float32")
        self._check_shape(x)
        logits = self.logits
        if mask is not None:
            x, logits = ops.where(mask, x, 0.0), ops.where(mask, logits, -1e9)
        ways = tf.math.lgamma(ops.sum(x, axis=-1) + 1.0)
        ways = ways - ops.sum(tf.math.lgamma(x + 1.0), axis=-1)
        return ways + ops.sum(x * ops.log_softmax(logits), axis=-1)

    def sample(self, seed, shape=None):
        rows, items = ops.shape(self.logits) if shape is None else shape
        uniform = noise.stream(seed).uniform((rows, self.total, 1))
        chosen = _chosen(ops.softmax(self.logits)[:, None], uniform)
        return ops.sum(ops.one_hot(ops.cast(chosen, "int32"), items), axis=1)


def _chosen(probabilities, uniform):
    """Inverse transform sampling: the class in whose part of [0, 1) a uniform value lies."""
    ends = ops.cumsum(probabilities, axis=-1)[..., :-1]
    return ops.cast(ops.sum(ops.cast(uniform > ends, "int32"), axis=-1), "float32")
