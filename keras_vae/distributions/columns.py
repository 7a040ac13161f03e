"""A distribution over the columns of a table, made of one for each group of columns."""

import numpy as np
from keras import ops

from keras_vae import noise
from keras_vae.distributions.base import Distribution


class Columns(Distribution):
    """Independent groups of columns, each with a distribution of its own kind.

    Args:
        parts: sequence of Distributions, over `(batch, columns of the group)`.
        places: sequence of sequences of ints: where the columns of each part stand in x. Together
            they name each column once.
    """

    def __init__(self, parts, places):
        self.parts = tuple(parts)
        self._places = [np.array(place, "int32") for place in places]
        self._order = np.argsort(np.concatenate(self._places)).astype("int32")

    def _split(self, x):
        return [None if x is None else ops.take(x, place, axis=1) for place in self._places]

    def _joined(self, values):
        return ops.take(ops.concatenate(list(values), axis=1), self._order, axis=1)

    @property
    def _shape(self):
        return (None, len(self._order))

    @property
    def mean(self):
        means = [part.mean for part in self.parts]
        return None if any(mean is None for mean in means) else self._joined(means)

    @property
    def mode(self):
        return self._joined(part.mode for part in self.parts)

    @property
    def point(self):
        """The mean of each column, or its mode if it holds categories."""
        return self._joined(part.point for part in self.parts)

    @property
    def expectation(self):
        """The means, and of categories the probabilities, side by side: `(batch, k)`."""
        flat = [ops.reshape(each, (-1, width)) for each, width in self._expectations()]
        return ops.concatenate(flat, axis=1)

    def decide(self, expectation):
        values, start = [], 0
        for part, (own, width) in zip(self.parts, self._expectations(), strict=True):
            flat = expectation[:, start : start + width]
            values.append(part.decide(ops.reshape(flat, (-1, *own.shape[1:]))))
            start += width
        return self._joined(values)

    def _expectations(self):
        found = [part.expectation for part in self.parts]
        return [(each, int(np.prod(each.shape[1:]))) for each in found]

    def log_density(self, x):
        parts = zip(self.parts, self._split(ops.cast(x, "float32")), strict=True)
        return self._joined(part.log_density(of_part) for part, of_part in parts)

    def log_prob(self, x, mask=None):
        x = ops.cast(x, "float32")
        self._check_shape(x)
        parts = zip(self.parts, self._split(x), self._split(mask), strict=True)
        return sum(part.log_prob(of_part, known) for part, of_part, known in parts)

    def _known_density(self, x, mask):
        parts = zip(self.parts, self._split(x), self._split(mask), strict=True)
        return self._joined(part._known_density(of_part, known) for part, of_part, known in parts)

    def sample(self, seed, shape=None):
        stream = noise.stream(seed)  # one for all parts, which draw one after the other
        return self._joined(part.sample(stream) for part in self.parts)
