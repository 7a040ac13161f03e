"""The distributions of a VAE, made from tensors at each call, in float32 and nats.

    log_prob(x)             log p(x) of each example: summed over all axes but the first
    kl_divergence(q, p)     KL(q || p) = E_q[log q(z) - log p(z)], of each latent

Nothing here owns a weight. The layers in `likelihoods` and `priors` do, and return distributions.
"""

import copy
import math

import keras
import tensorflow as tf
from keras import ops

from keras_vae import noise


class Distribution:
    """Base class. A subclass defines `mean`, `log_density` and `sample`.

    The first axis of its tensors is the batch; its size is 1 if a prior is the same for all rows.
    """

    mean = None  # None if a mean is not a valid value of x, as for tokens

    @property
    def mode(self):
        """The value with the highest density, in the shape of `mean`."""
        raise NotImplementedError(f"{type(self).__name__} defines no mode.")

    @property
    def point(self):
        """One value for the whole distribution: the mean, or the mode if there is no mean."""
        return self.mode if self.mean is None else self.mean

    def log_density(self, x):
        """log p of each value of x, not summed; same shape as x."""
        raise NotImplementedError(f"{type(self).__name__} defines no log_density.")

    def log_prob(self, x, mask=None):
        """Log-probability of each example, in nats.

        Args:
            x: tensor. Shape `(batch, ...)`, the same as that of the distribution.
            mask: boolean tensor of the same shape, True where a value is known. Unknown values may
                be NaN; they add nothing and pass no gradient. Defaults to `None`, all known.

        Returns:
            float32 tensor of shape `(batch,)`.

        Raises:
            ValueError: x would broadcast against the distribution (KERAS3 13.3).
        """
        x = ops.cast(x, "float32")
        self._check_shape(x)
        return sum_over_values(self._known_density(x, mask))

    def _known_density(self, x, mask):
        if mask is None:
            return self.log_density(x)
        # Fill before the arithmetic: a NaN that is masked afterwards leaves a NaN gradient (16.4).
        values = self.log_density(ops.where(mask, x, 0.0))
        return ops.where(mask, values, 0.0)

    def sample(self, seed, shape=None):
        """One draw for each row.

        Args:
            seed: int, `keras.random.SeedGenerator`, an integer tensor of shape (2,), or a stream of
                noise from `Sampling.stream`.
            shape: tuple. Shape of the draw, for a distribution that broadcasts (a prior that is the
                same for all rows). Defaults to the shape of `mean`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no sample.")

    def sample_and_log_prob(self, seed, shape=None):
        """(z, log p(z)): a draw and its log-density, of shapes `(batch, ...)` and `(batch,)`.

        A distribution that knows the density only of its own draws, such as a flow, overrides this.
        """
        z = self.sample(seed, shape)
        return z, self.log_prob(z)

    def map(self, function):
        """The same distribution with `function` applied to its tensors.

        Scalars, arrays and variables stay as they are: they are the same for all rows.
        """

        def mapped(value):
            if isinstance(value, Distribution):
                return value.map(function)
            return function(value) if isinstance(value, tf.Tensor) and value.shape.rank else value

        other = copy.copy(self)
        vars(other).update({name: mapped(value) for name, value in vars(self).items()})
        return other

    def _check_shape(self, x):
        own, given = self.mean.shape, x.shape
        fits = len(own) == len(given) and all(
            None in (m, n) or m == n for m, n in zip(own[1:], given[1:], strict=True)
        )
        if len(own) > 0 and not fits:
            raise ValueError(
                f"x has shape {tuple(given)}, but the distribution is over {tuple(own)}; "
                "they must agree in all axes but the first."
            )


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


# Divergences -------------------------------------------------------------------------------

_KL = {}


def register_kl(q_class, p_class):
    """Decorator for a function (q, p) that gives KL(q || p) of each latent in closed form.

    Subclasses use it too, unless they register their own.
    """

    def register(function):
        _KL[q_class, p_class] = function
        return function

    return register


def closed_form_kl(q, p):
    """The function (q, p) registered for two distributions; None if there is none."""
    pairs = ((a, b) for a in type(q).__mro__ for b in type(p).__mro__)
    return next((_KL[pair] for pair in pairs if pair in _KL), None)


def kl_divergence(q, p, z=None):
    """KL(q || p) in nats, not yet summed over the latents.

    Pairs of `register_kl` have a closed form. Others are estimated from one sample, log q(z) -
    log p(z): unbiased, but a single value can be negative.

    Args:
        q: Distribution over latents of shape `(batch, ...)`.
        p: Distribution that broadcasts with q.
        z: tensor. A draw from q, needed if there is no closed form. Defaults to `None`.

    Returns:
        float32 tensor: `(batch, ...)` as q in closed form, else `(batch, 1)`.

    Raises:
        ValueError: no closed form, and no z.
    """
    if function := closed_form_kl(q, p):
        return function(q, p)
    if z is None:
        raise ValueError(
            f"KL({type(q).__name__} || {type(p).__name__}) has no closed form here; "
            "pass z, a draw from q, for the one-sample estimate."
        )
    return ops.expand_dims(q.log_prob(z) - p.log_prob(z), axis=-1)


@register_kl(Normal, Normal)
def _kl_of_normals(q, p):
    """Kingma and Welling 2014, appendix B, for p = N(0, I):

    KL = 1/2 [(m_q - m_p)^2 / s_p^2 + s_q^2 / s_p^2 - 1 - log(s_q^2 / s_p^2)]
    """
    log_ratio = q.log_var - p.log_var
    distance = ops.square(q.mean - p.mean) * ops.exp(-p.log_var)
    return 0.5 * (distance + ops.expm1(log_ratio) - log_ratio)


# Shared functions --------------------------------------------------------------------------


def sum_over_values(values):
    """Sum over all axes but the first: (batch, ...) -> (batch,)."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


@keras.saving.register_keras_serializable(package="keras_vae")
def soft_bound(x, limit=20.0):
    """limit * tanh(x / limit): in (-limit, limit), and close to x for |x| < limit / 2.

    As the activation of a log-variance it keeps exp(log_var) finite (KERAS3 14.3). Unlike a hard
    clip it keeps a gradient beyond the limit, up to |x| of about 8 * limit in float32.
    """
    return limit * ops.tanh(x / limit)
