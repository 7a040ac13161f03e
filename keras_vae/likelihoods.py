"""Layers that turn a decoder's output into p(x|z): Bernoulli and Gaussian (lecture row F4).

A likelihood defines the reconstruction loss -log p(x|z), and so the weight of the KL term and the
blur of the images. It says which shape the decoder must give and which data it accepts. It owns the
weights of the noise, if there are any.
"""

import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_vae import checks, distributions
from keras_vae.distributions import soft_bound


class Likelihood(checks.Fixed, keras.layers.Layer):
    """Base class of likelihoods: one parameter for each value of x, and no weights.

    The arguments of its constructor are fixed: compiled functions treat them as constants.
    """

    integers = False  # whether x holds integers, such as tokens, that must not become floats

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def parameter_shape(self, x_shape):
        """Shape of the decoder's output for data of shape `x_shape`; both without the batch."""
        return tuple(x_shape)

    def check(self, target, name="x"):
        """Raise a ValueError if the array `target` lies outside the support; NaN is ignored.

        Models that accept missing values mask NaN; all others refuse it before this check.
        """

    def distribution(self, outputs):
        """p(x|z), a Distribution, from the decoder's outputs, `(batch, *parameter_shape)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no distribution.")


@keras.saving.register_keras_serializable(package="keras_vae")
class Bernoulli(Likelihood):
    """p(x|z) = Bernoulli(x; sigmoid(logits)) for x in [0, 1]; -log p is the binary cross-entropy.

    The decoder gives logits: its last layer has no activation.
    """

    def check(self, target, name="x"):
        low, high = np.nanmin(target, initial=1), np.nanmax(target, initial=0)
        if low < 0 or high > 1:
            extreme = f"up to {high}" if high > 1 else f"down to {low}"
            advice = 'Rescale it, or use likelihood="gaussian" in networks and model.'
            if low >= 0 and 16 < high <= 255:
                advice = "Divide by 255."
            raise ValueError(
                f"{name} has values {extreme}; a Bernoulli likelihood needs values in [0, 1]. "
                f"{advice}"
            )

    def distribution(self, outputs):
        return distributions.Bernoulli(outputs)


@keras.saving.register_keras_serializable(package="keras_vae")
class Gaussian(Likelihood):
    """p(x|z) = N(x; mean(z), variance) for real x.

    With a fixed variance, -log p is the squared error divided by 2 * variance, up to a constant:
    the variance weighs the reconstruction against the KL term. A learned variance converges to the
    mean squared error (Rybkin 2021, sigma-VAE).

    Args:
        variance: `"learned"`, one scalar weight for all values; a float > 0, fixed; or
            `"decoder"`, one for each value: the decoder gives `(..., 2c)` instead of `(..., c)`,
            all means, then all log-variances. Defaults to `"learned"`.

    Raises:
        ValueError: the variance is not one of these.
    """

    def __init__(self, variance="learned", **kwargs):
        super().__init__(**kwargs)
        if variance not in ("learned", "decoder"):
            try:
                variance = checks.number(variance, "variance", above=True)
            except ValueError as error:
                raise ValueError(
                    f"variance is {variance!r}; expected 'learned', 'decoder' or a number above 0."
                ) from error
        self.variance = variance
        if variance == "learned":
            self.log_variance = self.add_weight(shape=(), initializer="zeros", name="log_variance")

    def check(self, target, name="x"):
        """Warn if a column, or a channel, is far from unit scale."""
        some = target[:: -(-len(target) // 1000)].reshape(-1, target.shape[-1])
        some = some[:, ~np.isnan(some).all(axis=0)].astype("float64")
        scales = np.nanstd(some, axis=0)
        scales = scales[scales > 0]
        if scales.size and not 0.01 <= scales.min() <= scales.max() <= 30:
            warnings.warn(
                f"{name} has standard deviations from {scales.min():.2g} to {scales.max():.2g}; a "
                "Gaussian likelihood trains well near 1. Standardise each column: (x - mean) / "
                "std, with mean and std of the training data.",
                stacklevel=2,
            )

    def parameter_shape(self, x_shape):
        *rest, channels = x_shape
        return (*rest, 2 * channels if self.variance == "decoder" else channels)

    def distribution(self, outputs):
        if self.variance == "decoder":
            mean, log_var = ops.split(ops.cast(outputs, "float32"), 2, axis=-1)
            return distributions.Normal(mean, soft_bound(log_var))
        if self.variance == "learned":
            return distributions.Normal(outputs, self.log_variance)
        return distributions.Normal(outputs, math.log(self.variance))

    def get_config(self):
        return {**super().get_config(), "variance": self.variance}


_NAMES = {"bernoulli": Bernoulli, "gaussian": Gaussian}


def get(identifier):
    """A likelihood from its name (`"bernoulli"`, `"gaussian"`); a layer is returned unchanged.

    Raises:
        ValueError: the name is unknown.
    """
    if isinstance(identifier, Likelihood):
        return identifier
    if isinstance(identifier, str) and identifier in _NAMES:
        return _NAMES[identifier]()
    raise ValueError(
        f"likelihood is {identifier!r}; expected one of {sorted(_NAMES)} or a "
        "keras_vae.likelihoods layer, such as Gaussian(variance=0.1)."
    )
