"""Noise, p(noisy | clean): how to add it, and what is known of it when it is to be removed.

    noise = Gaussian(0.5)
    noisy = noise(x_test, seed=1)                                      # an array
    data = batching.batches(x_train, 128, seed=1).map(noise.pairs(1))  # (noisy, clean), anew

Every value gets noise of its own. Images are in [0, 1]; level 0 changes nothing.
"""

import math
import numbers

import numpy as np
import tensorflow as tf
from keras import ops
from scipy import stats

from keras_vae import batching
from keras_vae.distributions import Normal
from keras_vae.models import checks

# A decoder's mean is never the clean image to the last bit: what its error adds, as a variance, to
# a noise that vanishes (at level 0, or of black under speckle).
_LEAST_VARIANCE = 0.05**2


class Noise:
    """Base of the noises, each with a `level`.

    One of your own defines `draw`, `log_density` and `moments`, as far as they are used; what its
    constructor keeps is hashable (numbers, tuples), since compiled functions are found by it.

    Args:
        level: float. How much of it; 0 is none.

    Raises:
        ValueError: the level is out of its range.
    """

    most = math.inf  # the largest level that means anything

    def __init__(self, level):
        number = isinstance(level, numbers.Real) and not isinstance(level, bool)
        if not number or not 0 <= level <= self.most or level == math.inf:
            at_most = "" if self.most == math.inf else f" and at most {self.most:g}"
            raise ValueError(f"level is {level!r}; expected a number of at least 0{at_most}.")
        self.level = float(level)

    def __repr__(self):
        return f"{type(self).__name__}({self.level:g})"

    def __call__(self, x, seed=None):
        """x with noise, a float32 array of the shape of x.

        Args:
            x: array `(n, ...)` in [0, 1].
            seed: int. Fixes the noise. Defaults to `None`, other noise at each call.

        Raises:
            ValueError, TypeError: x is no array of finite numbers in [0, 1].
        """
        x = checked_clean(x).astype("float32", copy=False)
        return self.draw(tf.constant(x), _generator(seed)).numpy()

    def pairs(self, seed=None):
        """A map for `tf.data`: x to (noisy, x), with fresh noise in every epoch.

        Args:
            seed: int. Fixes the noise of all epochs. Defaults to `None`, another in every process.
        """
        generator = _generator(seed)
        return lambda x: (self.draw(tf.cast(x, "float32"), generator), x)

    def draw(self, x, generator):
        """The tensor x with noise from a `tf.random.Generator`."""
        raise NotImplementedError

    def log_density(self, noisy, p):
        """log p(noisy | z) of each value, in nats, the clean one being described by p = p(x|z).

        Exact for noise added to a normal p(x|z); of a Bernoulli, Gaussian noise and speckle take
        the mean for the clean, grey value. Salt and pepper and masking weigh p(x|z) itself against
        the share of specks, which presumes a density that has no units: a Bernoulli's.

        Args:
            noisy: tensor `(batch, ...)`.
            p: Distribution of the same shape, a decoder's.
        """
        raise NotImplementedError

    def moments(self, x):
        """Mean and variance of each noisy value where the clean ones are the array x."""
        raise NotImplementedError


class Gaussian(Noise):
    """x + level * N(0, 1); with `clip`, cut off at 0 and 1 as a camera does.

    Args:
        level: float. The standard deviation.
        clip: bool. Defaults to `False`.
    """

    def __init__(self, level, clip=False):
        super().__init__(level)
        self.clip = clip

    def __repr__(self):
        return f"Gaussian({self.level:g}{', clip=True' if self.clip else ''})"

    def draw(self, x, generator):
        noisy = x + self.level * generator.normal(tf.shape(x))
        return tf.clip_by_value(noisy, 0.0, 1.0) if self.clip else noisy

    def log_density(self, noisy, p):
        variance = _variance_of(p) + max(self.level**2, _LEAST_VARIANCE)
        inside = Normal(p.mean, ops.log(variance)).log_density(noisy)
        if not self.clip:
            return inside
        # What was cut off lay anywhere beyond the edge.
        deviation = ops.sqrt(variance)
        below = _log_normal_cdf(-p.mean / deviation)
        above = _log_normal_cdf((p.mean - 1.0) / deviation)
        return ops.where(noisy <= 0, below, ops.where(noisy >= 1, above, inside))

    def moments(self, x):
        x = np.asarray(x, "float64")
        if not self.clip or not self.level:
            return x, np.full_like(x, self.level**2)
        # Of a normal variable cut off at both ends: x + level * e, e in [low, high].
        low, high = -x / self.level, (1 - x) / self.level
        below, above = stats.norm.cdf(low), stats.norm.sf(high)
        within = 1 - below - above
        first = stats.norm.pdf(low) - stats.norm.pdf(high)  # of e, where it is within
        second = within + low * stats.norm.pdf(low) - high * stats.norm.pdf(high)
        mean = above + x * within + self.level * first
        square = above + x**2 * within + 2 * x * self.level * first + self.level**2 * second
        return mean, square - mean**2


class SaltAndPepper(Noise):
    """Black or white, one as likely as the other, in the place of a share `level` of the values."""

    most = 1.0

    def draw(self, x, generator):
        uniform = generator.uniform(tf.shape(x))
        speck = tf.cast(generator.uniform(tf.shape(x)) < 0.5, x.dtype)
        return tf.where(uniform < self.level, speck, x)

    def log_density(self, noisy, p):
        # Left alone, and then as p says; or a speck, which is never grey.
        is_speck = ops.logical_or(noisy <= 0, noisy >= 1)
        return _log_of_either(self.level, is_speck, 0.5, noisy, p)

    def moments(self, x):
        x = np.asarray(x, "float64")
        mean = (1 - self.level) * x + self.level / 2
        return mean, (1 - self.level) * x**2 + self.level / 2 - mean**2


class Masking(Noise):
    """0 in the place of a share `level` of the values (Vincent 2008)."""

    most = 1.0

    def draw(self, x, generator):
        return tf.where(generator.uniform(tf.shape(x)) < self.level, 0.0, x)

    def log_density(self, noisy, p):
        return _log_of_either(self.level, noisy == 0, 1.0, noisy, p)

    def moments(self, x):
        x = np.asarray(x, "float64")
        mean = (1 - self.level) * x
        return mean, (1 - self.level) * x**2 - mean**2


class Speckle(Noise):
    """x * (1 + level * N(0, 1)): black stays black."""

    def draw(self, x, generator):
        return x * (1.0 + self.level * generator.normal(tf.shape(x)))

    def log_density(self, noisy, p):
        variance = _variance_of(p) + ops.maximum((self.level * p.mean) ** 2, _LEAST_VARIANCE)
        return Normal(p.mean, ops.log(variance)).log_density(noisy)

    def moments(self, x):
        x = np.asarray(x, "float64")
        return x, (self.level * x) ** 2


def checked_clean(x):
    """x as an array of finite numbers in [0, 1]."""
    x = batching.to_array(x)
    checks.check_finite(x, "x")
    if x.min() < 0 or x.max() > 1:
        extreme = f"up to {x.max()}" if x.max() > 1 else f"down to {x.min()}"
        raise ValueError(f"x has values {extreme}; expected images in [0, 1]. Rescale it.")
    return x


def _variance_of(p):
    """What p(x|z) itself varies around its mean, where it is normal."""
    return ops.exp(p.log_var) if isinstance(p, Normal) else 0.0


def _generator(seed):
    seed = checks.checked_seed(seed)
    if seed is None:
        return tf.random.Generator.from_non_deterministic_state()
    return tf.random.Generator.from_seed(seed)


def _log_of_either(level, may_be_noise, density, noisy, p):
    """log[(1 - level) p(noisy|z) + level * density], the latter only where it may be noise."""
    kept = p.log_density(noisy) + math.log(max(1 - level, 1e-12))
    either = ops.logaddexp(kept, math.log(max(level * density, 1e-12)))
    return ops.where(may_be_noise, either, kept)


def _log_normal_cdf(t):
    """log Phi(t), also far below 0, where Phi itself is too small for float32."""
    far = ops.minimum(t, -8.0)
    asymptotic = -0.5 * (far**2 + math.log(2 * math.pi)) - ops.log(-far) + ops.log1p(-1 / far**2)
    return ops.where(
        t < -8, asymptotic, ops.log(0.5 * tf.math.erfc(-ops.maximum(t, -8.0) / 2**0.5))
    )
