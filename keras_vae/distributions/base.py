"""What every distribution has: `log_prob`, `mean`, `mode` and `sample`."""

import copy

import keras
import tensorflow as tf
from keras import ops


class Distribution:
    """Base class. A subclass defines `mean`, `log_density` and `sample`.

    The first axis of its tensors is the batch; its size is 1 if a prior is the same for all rows.
    """

    mean = None  # None if a mean is not a valid value of x, as for categories
    _fill = 0.0  # a value within the support, which stands where none is known

    @property
    def mode(self):
        """The value with the highest density, in the shape of `mean`."""
        raise NotImplementedError(f"{type(self).__name__} defines no mode.")

    @property
    def point(self):
        """One value for the whole distribution: the mean, or the mode if there is no mean."""
        return self.mode if self.mean is None else self.mean

    # Of a mixture of several draws of z, the mean is the mean of the means. Of categories it is the
    # probabilities that are averaged, and the value is chosen afterwards.

    @property
    def expectation(self):
        """What is averaged over draws of z, `(batch, ...)`; `decide` turns it into a value of x."""
        return self.mean

    def decide(self, expectation):
        """The `point` of a mixture of distributions of this kind, from the mean `expectation`."""
        return expectation

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
        values = self.log_density(ops.where(mask, x, self._fill))
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
            if isinstance(value, tuple):
                return tuple(map(mapped, value))
            return function(value) if isinstance(value, tf.Tensor) and value.shape.rank else value

        other = copy.copy(self)
        vars(other).update({name: mapped(value) for name, value in vars(self).items()})
        return other

    @property
    def _shape(self):
        return self.mean.shape

    def _check_shape(self, x):
        own, given = self._shape, x.shape
        fits = len(own) == len(given) and all(
            None in (m, n) or m == n for m, n in zip(own[1:], given[1:], strict=True)
        )
        if len(own) > 0 and not fits:
            raise ValueError(
                f"x has shape {tuple(given)}, but the distribution is over {tuple(own)}; "
                "they must agree in all axes but the first."
            )


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
