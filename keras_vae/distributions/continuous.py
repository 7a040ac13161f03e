"""Distributions of real and of positive values."""

import math

import tensorflow as tf
from keras import ops

from keras_vae import noise
from keras_vae.distributions.base import Distribution


class Normal(Distribution):
    """Independent normal variables, N(mean, exp(log_var)).

    Args:
        mean: tensor. Shape `(batch, ...)`, or a scalar that broadcasts.
        log_var: tensor. Logarithm of the variance; a shape that broadcasts with `mean`.

    Example:

    >>> float(Normal(0.0, 0.0).log_prob([[0.0]])[0])  # -log(2 pi) / 2
    -0.9189385175704956
    """

    def __init__(self, mean, log_var):
        self.mean = ops.cast(mean, "float32")
        self.log_var = ops.cast(log_var, "float32")

    @property
    def mode(self):
        return self.mean

    def log_density(self, x):
        # log N(x; m, s^2) = -1/2 [log 2 pi + log s^2 + (x - m)^2 / s^2]
        squared = ops.square(x - self.mean) * ops.exp(-self.log_var)
        return -0.5 * (math.log(2 * math.pi) + self.log_var + squared)

    def sample(self, seed, shape=None):
        shape = ops.shape(self.mean) if shape is None else shape
        return self.mean + ops.exp(0.5 * self.log_var) * noise.stream(seed).normal(shape)


class MultivariateNormal(Distribution):
    """A normal distribution over vectors whose entries depend on each other: N(mean, (L L^T)^-1).

    Args:
        mean: tensor. Shape `(batch, dim)`.
        precision_cholesky: tensor. L, lower triangular with a positive diagonal, of the inverse of
            the covariance; shape `(batch, dim, dim)`.
    """

    def __init__(self, mean, precision_cholesky):
        self.mean = ops.cast(mean, "float32")
        self.precision_cholesky = ops.cast(precision_cholesky, "float32")

    @property
    def mode(self):
        return self.mean

    def log_prob(self, x, mask=None):
        if mask is not None:
            raise ValueError("A MultivariateNormal has no density of a part of its values here.")
        x = ops.cast(x, "float32")
        self._check_shape(x)
        # e = L^T (x - m);  log p = -1/2 [dim log 2 pi + |e|^2] + sum_j log L_jj
        e = tf.linalg.matvec(self.precision_cholesky, x - self.mean, transpose_a=True)
        diagonal = tf.linalg.diag_part(self.precision_cholesky)
        squared = ops.sum(math.log(2 * math.pi) + ops.square(e), axis=-1)
        return ops.sum(ops.log(diagonal), axis=-1) - 0.5 * squared

    def sample(self, seed, shape=None):
        shape = ops.shape(self.mean) if shape is None else shape
        e = noise.stream(seed).normal(shape)[..., None]
        return (
            self.mean + tf.linalg.triangular_solve(self.precision_cholesky, e, adjoint=True)[..., 0]
        )


class LogNormal(Distribution):
    """Independent positive values whose logarithm is normal: log x ~ N(mean, exp(log_var)).

    Args:
        mean, log_var: tensors, of log x, as of a `Normal`.
    """

    _fill = 1.0

    def __init__(self, mean, log_var):
        self.log = Normal(mean, log_var)

    @property
    def mean(self):
        half_variance = 0.5 * ops.exp(self.log.log_var)
        return ops.exp(ops.minimum(self.log.mean + half_variance, 80.0))  # finite in float32

    @property
    def mode(self):
        return ops.exp(self.log.mean - ops.exp(self.log.log_var))

    def log_density(self, x):
        # By the change of variables log x: p(x) = N(log x; m, s^2) / x
        log_x = ops.log(x)
        return self.log.log_density(log_x) - log_x

    def sample(self, seed, shape=None):
        return ops.exp(self.log.sample(seed, shape))


class NormalMixture(Distribution):
    """A mixture of normals over vectors: p(z) = sum_k w_k N(z; mean_k, exp(log_var_k)).

    Args:
        logits: tensor. Shape `(batch, components)`, batch 1 if the same for all rows;
            w = softmax(logits).
        means: tensor. Shape `(batch, components, dim)`.
        log_vars: tensor. Logarithms of the variances; same shape.
    """

    def __init__(self, logits, means, log_vars):
        self.log_weights = ops.log_softmax(ops.cast(logits, "float32"))
        self.components = Normal(means, log_vars)

    @property
    def mean(self):
        return ops.sum(ops.exp(self.log_weights)[..., None] * self.components.mean, axis=1)

    def log_prob(self, x, mask=None):
        x = ops.cast(x, "float32")
        self._check_shape(x)
        mask = None if mask is None else ops.expand_dims(mask, 1)
        # log sum_k exp(log w_k + log N(x; m_k, s_k^2))
        densities = self.components._known_density(ops.expand_dims(x, 1), mask)
        return ops.logsumexp(self.log_weights + ops.sum(densities, axis=-1), axis=-1)

    def sample(self, seed, shape=None):
        rows, dim = ops.shape(self.mean) if shape is None else shape
        stream = noise.stream(seed)
        # Inverse transform sampling: a uniform value chooses the component.
        ends = ops.cumsum(ops.exp(self.log_weights), axis=-1)[..., :-1]
        chosen = ops.sum(ops.cast(stream.uniform((rows, 1)) > ends, "int32"), axis=-1)

        def select(values):  # (batch, components, dim) -> (rows, dim)
            values = ops.broadcast_to(values, (rows, *values.shape[1:]))
            return tf.gather(values, chosen, batch_dims=1)

        drawn = Normal(select(self.components.mean), select(self.components.log_var))
        return drawn.sample(stream, (rows, dim))
