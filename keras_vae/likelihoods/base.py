"""What every likelihood has: the shape of its parameters, its support, its distribution."""

import keras
import numpy as np

from keras_vae import checks


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

    def features(self, x):
        """What an encoder reads of x, a tensor `(batch, ...)`: x itself. NaN stays NaN."""
        return x

    def normal_view(self, x):
        """x as a normal observation of the decoder's first outputs: a pair (value, variance).

        p(x|z) as a function of the outputs is close to N(value; outputs, variance). It is exact
        for a Gaussian. Both are tensors of the shape of the outputs, NaN where x is.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no normal_view.")


class Scaled(Likelihood):
    """Base class of likelihoods of data in a unit of their own.

    The networks work in standard units, (u(x) - location) / scale, where u is `unit`.

    Args:
        location, scale: float, or a list with one for each column. Default to `0.0` and `1.0`.
    """

    def __init__(self, location=0.0, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.location, self.scale = np.float32(location), np.float32(scale)
        if np.ndim(location) > 1 or np.ndim(scale) > 1 or not np.all(self.scale > 0):
            raise ValueError(
                f"location is {location!r} and scale {scale!r}; expected numbers or one for each "
                "column, and scales above 0."
            )

    @property
    def is_standard(self):
        """Whether the unit of x is the standard one."""
        plain = type(self).unit is Scaled.unit
        return plain and not np.any(self.location) and bool(np.all(self.scale == 1))

    @staticmethod
    def unit(x):
        """The u(x), a tensor or an array, that is standardised."""
        return x

    def features(self, x):
        return (self.unit(x) - self.location) / self.scale

    @classmethod
    def fitted(cls, x, **arguments):
        """A likelihood with the mean and the standard deviation of each column of u(x).

        Args:
            x: array `(n, columns)`, with NaN where a value is missing.
            arguments: of the constructor.
        """
        cls(**arguments).check_support(np.asarray(x, "float32"), "x")
        values = np.asarray(cls.unit(np.asarray(x, "float64")))
        known = ~np.isnan(values)
        counts = np.maximum(known.sum(axis=0), 1)
        location = np.where(known, values, 0).sum(axis=0) / counts
        squares = np.where(known, (values - location) ** 2, 0).sum(axis=0) / counts
        scale = np.sqrt(squares)
        scale = np.where(scale > 1e-7 * np.maximum(np.abs(location), 1e-30), scale, 1.0)
        return cls(location=location.tolist(), scale=scale.tolist(), **arguments)

    def check_support(self, target, name):
        """As `check`, without the warnings."""

    def get_config(self):
        scaled = {"location": self.location.tolist(), "scale": self.scale.tolist()}
        return {**super().get_config(), **scaled}
