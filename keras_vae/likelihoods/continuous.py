"""Likelihoods of real and of positive values."""

import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_vae import checks, distributions
from keras_vae.distributions import soft_bound
from keras_vae.likelihoods.base import Scaled


@keras.saving.register_keras_serializable(package="keras_vae")
class Gaussian(Scaled):
    """p(x|z) = N(x; mean(z), variance) for real x.

    With a fixed variance, -log p is the squared error divided by 2 * variance, up to a constant:
    the variance weighs the reconstruction against the KL term. A learned variance converges to the
    mean squared error (Rybkin 2021, sigma-VAE).

    Args:
        variance: `"learned"`, one scalar weight for all values, or one for each column where
            location or scale are lists; a float > 0, fixed; or `"decoder"`, one for each value:
            the decoder gives `(..., 2c)` instead of `(..., c)`, all means, then all log-variances.
            It is in standard units. Defaults to `"learned"`.
        location, scale: float, or a list with one for each column. The unit of x: the decoder gives
            (mean - location) / scale. `Gaussian.fitted(x)` takes them from data. Default to `0.0`
            and `1.0`.
        initial: float above 0. Where a learned variance begins. Its logarithm moves by about the
            learning rate in a step, so a start near the truth saves thousands of steps: for images
            in [0, 1] take 0.01. Defaults to `1.0`.
        least: float, at least 0. Below it no learned standard deviation falls, as that of a column
            would that z tells exactly. With it the weight is w of least + softplus(w), which
            learns small deviations faster than a log-variance. Defaults to `0.0`.

    Raises:
        ValueError: the variance is not one of these, or a scale is not above 0.
    """

    def __init__(
        self, variance="learned", location=0.0, scale=1.0, initial=1.0, least=0.0, **kwargs
    ):
        super().__init__(location, scale, **kwargs)
        self.initial = checks.number(initial, "initial", above=True)
        self.least = checks.number(least, "least", most=math.sqrt(self.initial) - 1e-6)
        if variance not in ("learned", "decoder"):
            try:
                variance = checks.number(variance, "variance", above=True)
            except ValueError as error:
                raise ValueError(
                    f"variance is {variance!r}; expected 'learned', 'decoder' or a number above 0."
                ) from error
        self.variance = variance
        if variance == "learned":
            shape = np.broadcast_shapes(self.location.shape, self.scale.shape)
            start = math.log(self.initial)
            if self.least:
                start = math.log(math.expm1(math.sqrt(self.initial) - self.least))
            start = keras.initializers.Constant(start)
            self.log_variance = self.add_weight(shape, start, name="log_variance")

    def check(self, target, name="x"):
        """Warn if a column, or a channel, is far from unit scale."""
        self.check_support(target, name)
        some = target[:: -(-len(target) // 1000)].reshape(-1, target.shape[-1])
        some = np.asarray(self.features(some.astype("float64")))
        some = some[:, ~np.isnan(some).all(axis=0)]
        scales = np.nanstd(some, axis=0)
        scales = scales[scales > 0]
        if scales.size and not 0.01 <= scales.min() <= scales.max() <= 30:
            warnings.warn(
                f"{name} has standard deviations from {scales.min():.2g} to {scales.max():.2g}; a "
                f"{type(self).__name__} likelihood trains well near 1. Standardise each column: "
                "(x - mean) / std, with mean and std of the training data.",
                stacklevel=2,
            )

    def parameter_shape(self, x_shape):
        *rest, channels = x_shape
        return (*rest, 2 * channels if self.variance == "decoder" else channels)

    def distribution(self, outputs):
        return distributions.Normal(*self._mean_and_log_var(outputs))

    def normal_view(self, x):
        if self.variance == "decoder":
            raise ValueError("A Gaussian whose variance the decoder gives has no normal_view.")
        learned = self.variance == "learned"
        log_var = self._log_variance() if learned else math.log(self.variance)
        value = self.features(ops.cast(x, "float32"))
        return value, ops.exp(log_var) + ops.zeros_like(value)

    def _log_variance(self):
        """Of the learned variance, in standard units."""
        if not self.least:
            return ops.convert_to_tensor(self.log_variance)
        return 2 * ops.log(self.least + ops.softplus(self.log_variance))

    def _mean_and_log_var(self, outputs):
        """Of u(x), in its own unit."""
        mean = ops.cast(outputs, "float32")
        if self.variance == "decoder":
            mean, log_var = ops.split(mean, 2, axis=-1)
            log_var = soft_bound(log_var)
        else:
            learned = self.variance == "learned"
            log_var = self._log_variance() if learned else math.log(self.variance)
        return self.location + self.scale * mean, log_var + 2 * np.log(self.scale)

    def get_config(self):
        learned = {"initial": self.initial, "least": self.least}
        return {**super().get_config(), "variance": self.variance, **learned}


@keras.saving.register_keras_serializable(package="keras_vae")
class LogNormal(Gaussian):
    """log x ~ N(mean(z), variance), for positive x such as prices, durations and incomes.

    Args, Raises: as of `Gaussian`, all for log x.
    """

    @staticmethod
    def unit(x):
        return np.log(x) if isinstance(x, np.ndarray) else ops.log(x)

    def check_support(self, target, name):
        lowest = np.nanmin(target, initial=np.inf)
        if lowest <= 0:
            raise ValueError(
                f"{name} has values down to {lowest}; a LogNormal likelihood needs values above 0."
            )

    def distribution(self, outputs):
        outputs = soft_bound(ops.cast(outputs, "float32"))  # exp(mean) stays finite
        return distributions.LogNormal(*self._mean_and_log_var(outputs))
