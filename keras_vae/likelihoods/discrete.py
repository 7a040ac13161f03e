"""Likelihoods of binary values, categories and counts."""

import keras
import numpy as np
from keras import ops

from keras_vae import checks, distributions
from keras_vae.distributions import soft_bound
from keras_vae.likelihoods.base import Likelihood, Scaled


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

    def normal_view(self, x):
        # around a logit of 0, where the slope of log p is x - 1/2 and its curvature 1/4
        value = 4 * ops.cast(x, "float32") - 2
        return value, 4.0 + ops.zeros_like(value)


@keras.saving.register_keras_serializable(package="keras_vae")
class Categorical(Likelihood):
    """p(x|z) = softmax(logits)[x] for categories and tokens, whole numbers from 0.

    Args:
        classes: int, at least 2. The decoder gives `(..., classes)` for x of shape `(...)`.

    Raises:
        ValueError: classes is not such a number.
    """

    integers = True

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = checks.count(classes, "classes", least=2)

    def parameter_shape(self, x_shape):
        return (*x_shape, self.classes)

    def check(self, target, name="x"):
        _check_whole(target, name, "a Categorical", self.classes)

    def distribution(self, outputs):
        return distributions.Categorical(outputs)

    def normal_view(self, x):
        one_hot = ops.reshape(self.features(x), (-1, *self.parameter_shape(x.shape[1:])))
        value = 4 * one_hot - 4 / self.classes
        return value, 4.0 + ops.zeros_like(value)

    def features(self, x):
        """A one for the class and zeros beside it: the classes of each column side by side."""
        code = ops.expand_dims(ops.cast(x, "float32"), -1)
        one_hot = ops.cast(code == ops.arange(self.classes, dtype="float32"), "float32")
        one_hot = ops.where(ops.isnan(code), np.float32(np.nan), one_hot)
        return ops.reshape(one_hot, (-1, *x.shape[1:-1], x.shape[-1] * self.classes))

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable(package="keras_vae")
class Poisson(Scaled):
    """p(x|z) = Poisson(x; rate(z)) for counts, whole numbers from 0.

    Args:
        location, scale: float, or a list with one for each column: the decoder gives
            (log rate - location) / scale. `Poisson.fitted(x)` takes them from log(1 + x). Default
            to `0.0` and `1.0`.
    """

    @staticmethod
    def unit(x):
        return np.log1p(x) if isinstance(x, np.ndarray) else ops.log1p(x)

    def check(self, target, name="x"):
        _check_whole(target, name, "a Poisson")

    check_support = check

    def distribution(self, outputs):
        outputs = soft_bound(ops.cast(outputs, "float32"))
        return distributions.Poisson(self.location + self.scale * outputs)

    def normal_view(self, x):
        count = ops.cast(x, "float32") + 0.5  # the variance of the logarithm of a count is 1 / rate
        return (ops.log(count) - self.location) / self.scale, 1 / (count * self.scale**2)


@keras.saving.register_keras_serializable(package="keras_vae")
class Multinomial(Likelihood):
    """Which items are chosen: p(x|z) of a row of counts, given how many there are (Liang 2018).

    The decoder gives a logit for each item. The means, as `predict` gives them, are probabilities.
    """

    def check(self, target, name="x"):
        _check_whole(target, name, "a Multinomial")

    def distribution(self, outputs):
        return distributions.Multinomial(outputs)


def _check_whole(target, name, likelihood, below=None):
    known = target[~np.isnan(target)] if target.dtype.kind == "f" else target
    least, most = known.min(initial=0), known.max(initial=0)
    whole = known.dtype.kind != "f" or np.array_equal(known, np.floor(known))
    if whole and least >= 0 and (below is None or most < below):
        return
    found = f"values from {least} to {most}" if whole else "values that are not whole"
    upper = "" if below is None else f" to {below - 1}"
    raise ValueError(
        f"{name} has {found}; {likelihood} likelihood needs whole numbers from 0{upper}."
    )
