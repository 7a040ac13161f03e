"""Noise models p(noisy | clean): they add noise, and give its density and moments for denoising.

    noise = Gaussian(0.5)
    noisy = noise(x_test, seed=1)                                      # an array
    data = batching.batches(x_train, 128, seed=1).map(noise.pairs(1))  # (noisy, clean) pairs

The noise of each value is independent. Images must be in [0, 1]. Level 0 means no noise.
"""

import math

import numpy as np
import tensorflow as tf
from keras import ops
from scipy import stats

from keras_vae import checks
from keras_vae.distributions import Normal

# Variance of the decoder's own error. It keeps the density finite where the noise vanishes, at
# level 0 or for black pixels under speckle noise.
_LEAST_VARIANCE = 0.05**2


class Noise:
    """Base class of all noise models.

    A subclass defines `draw`, `log_density` and `moments`, or those of them that are used. The
    attributes that its constructor sets must be hashable (numbers, tuples), because they are part
    of the key under which compiled functions are cached.

    Args:
        level: float. Strength of the noise; 0 means none.

    Raises:
        ValueError: the level is out of range.
    """

    most = math.inf  # largest valid level

    def __init__(self, level):
        self.level = checks.number(level, "level", most=self.most)

    def __repr__(self):
        return f"{type(self).__name__}({self.level:g})"

    def __call__(self, x, seed=None):
        """Add noise to x: a float32 array with the shape of x.

        Args:
            x: array `(n, ...)` in [0, 1].
            seed: int. Fixes the noise. Defaults to `None`: different noise at each call.

        Raises:
            ValueError, TypeError: x does not hold finite numbers in [0, 1].
        """
        x = checked_clean(x).astype("float32", copy=False)
        return self.draw(tf.constant(x), _generator(seed)).numpy()

    def pairs(self, seed=None):
        """A function for `tf.data.Dataset.map` from x to (noisy, x); each epoch gets new noise.

        Args:
            seed: int. Fixes the noise of all epochs. Defaults to `None`: different noise in each
                process.
        """
        generator = _generator(seed)
        return lambda x: (self.draw(tf.cast(x, "float32"), generator), x)

    def draw(self, x, generator):
        """Add noise, drawn from a `tf.random.Generator`, to the tensor x."""
        raise NotImplementedError

    def log_density(self, noisy, p):
        """log p(noisy | z) of each value, in nats, where p = p(x|z) describes the clean value.

        Gaussian noise is exact for a normal p(x|z). For a Bernoulli p(x|z), Gaussian noise and
        speckle take its mean as the clean grey value. Salt and pepper and masking compare p(x|z)
        with a probability and therefore need a p(x|z) without units, such as a Bernoulli.

        Args:
            noisy: tensor `(batch, ...)`.
            p: Distribution of the same shape, as the decoder gives it.
        """
        raise NotImplementedError

    def moments(self, x):
        """Mean and variance of each noisy value, given the array x of clean values."""
        raise NotImplementedError


class Gaussian(Noise):
    """x + level * N(0, 1); with `clip`, the result is clipped to [0, 1], as in a camera.

    Args:
        level: float. Standard deviation of the noise.
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
        # A clipped value stands for all values beyond the limit.
        deviation = ops.sqrt(variance)
        below = _log_normal_cdf(-p.mean / deviation)
        above = _log_normal_cdf((p.mean - 1.0) / deviation)
        return ops.where(noisy <= 0, below, ops.where(noisy >= 1, above, inside))

    def moments(self, x):
        x = np.asarray(x, "float64")
        if not self.clip or not self.level:
            return x, np.full_like(x, self.level**2)
        # Moments of a normal variable x + level * e that is clipped outside of low <= e <= high.
        low, high = -x / self.level, (1 - x) / self.level
        below, above = stats.norm.cdf(low), stats.norm.sf(high)
        within = 1 - below - above
        first = stats.norm.pdf(low) - stats.norm.pdf(high)  # E[e; low <= e <= high]
        second = within + low * stats.norm.pdf(low) - high * stats.norm.pdf(high)
        mean = above + x * within + self.level * first
        square = above + x**2 * within + 2 * x * self.level * first + self.level**2 * second
        return mean, square - mean**2


class SaltAndPepper(Noise):
    """Replaces a share `level` of the values by 0 or 1 with equal probability."""

    most = 1.0

    def draw(self, x, generator):
        uniform = generator.uniform(tf.shape(x))
        speck = tf.cast(generator.uniform(tf.shape(x)) < 0.5, x.dtype)
        return tf.where(uniform < self.level, speck, x)

    def log_density(self, noisy, p):
        # A value is either unchanged, with density p, or a speck, which is exactly 0 or 1.
        is_speck = ops.logical_or(noisy <= 0, noisy >= 1)
        return _log_of_either(self.level, is_speck, 0.5, noisy, p)

    def moments(self, x):
        x = np.asarray(x, "float64")
        mean = (1 - self.level) * x + self.level / 2
        return mean, (1 - self.level) * x**2 + self.level / 2 - mean**2


class Masking(Noise):
    """Replaces a share `level` of the values by 0 (Vincent 2008)."""

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
    """x * (1 + level * N(0, 1)): black pixels stay black."""

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
    x = checks.array(x)
    checks.finite(x, "x")
    if x.min() < 0 or x.max() > 1:
        extreme = f"up to {x.max()}" if x.max() > 1 else f"down to {x.min()}"
        raise ValueError(f"x has values {extreme}; expected images in [0, 1]. Rescale it.")
    return x


def _variance_of(p):
    """The variance of p(x|z) if it is normal; else 0."""
    return ops.exp(p.log_var) if isinstance(p, Normal) else 0.0


def _generator(seed):
    seed = checks.seed(seed)
    if seed is None:
        return tf.random.Generator.from_non_deterministic_state()
    return tf.random.Generator.from_seed(seed)


def _log_of_either(level, may_be_noise, density, noisy, p):
    """log[(1 - level) p(noisy|z) + level * density], the second term only where it may be noise."""
    kept = p.log_density(noisy) + math.log(max(1 - level, 1e-12))
    either = ops.logaddexp(kept, math.log(max(level * density, 1e-12)))
    return ops.where(may_be_noise, either, kept)


def _log_normal_cdf(t):
    """log Phi(t), also for t far below 0, where Phi(t) underflows in float32."""
    far = ops.minimum(t, -8.0)
    asymptotic = -0.5 * (far**2 + math.log(2 * math.pi)) - ops.log(-far) + ops.log1p(-1 / far**2)
    return ops.where(
        t < -8, asymptotic, ops.log(0.5 * tf.math.erfc(-ops.maximum(t, -8.0) / 2**0.5))
    )
