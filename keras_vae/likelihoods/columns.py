"""A likelihood of tables with columns of different kinds (Nazabal 2020, HI-VAE)."""

import math
import numbers

import keras
import numpy as np
from keras import ops

from keras_vae import checks, distributions
from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.continuous import Gaussian, LogNormal
from keras_vae.likelihoods.discrete import Bernoulli, Categorical, Poisson

KINDS = {"real": Gaussian, "positive": LogNormal, "count": Poisson, "binary": Bernoulli}


@keras.saving.register_keras_serializable(package="keras_vae")
class Columns(Likelihood):
    """A likelihood made of others, one for each group of columns of a table.

    Args:
        parts: list of pairs `(likelihood, columns)`; columns is a list of ints. Together they name
            each column from 0 on once.

    x has shape `(batch, columns)` and holds categories as whole numbers from 0. `Columns.fitted`
    makes one from data. An encoder of `networks.dense` with this likelihood reads each column in
    its own way: standardised, as a logarithm, or as a one among zeros.

    Raises:
        ValueError: a column is named twice or not at all.

    Example:

    >>> x = np.array([[0.5, 3, 0], [1.5, 0, 2], [2.0, 7, 1]])
    >>> table = Columns.fitted(x, ["real", "count", 3])
    >>> table.parameter_shape((3,))  # a mean, a rate and three logits
    (5,)
    """

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        restore = keras.saving.deserialize_keras_object
        parts = [
            (restore(part) if isinstance(part, dict) else part, [int(j) for j in np.ravel(columns)])
            for part, columns in parts
        ]
        named = [j for _, columns in parts for j in columns]
        if not parts or sorted(named) != list(range(len(named))):
            raise ValueError(
                f"The parts name the columns {sorted(named)}; expected each from 0 on once."
            )
        for part, _ in parts:
            if not isinstance(part, Likelihood):
                raise TypeError(f"A part is {part!r}; expected a keras_vae.likelihoods layer.")
        self.layers = [part for part, _ in parts]  # tracked, for their weights
        self.places = [columns for _, columns in parts]

    @classmethod
    def fitted(cls, x, kinds, **learned):
        """A likelihood for the table x, with columns of one kind as one part.

        Args:
            x: array `(n, columns)`, with NaN where a value is missing: its means and standard
                deviations become the units of the columns.
            kinds: list with one for each column: `"real"`, `"positive"`, `"count"`, `"binary"`, or
                an int, the number of categories.
            learned: `initial` and `least` of the variances of real and positive columns, as of
                `Gaussian`.

        Raises:
            ValueError: a kind is unknown, or a column holds values that are not of its kind.
        """
        x, kinds = checks.array(x), list(kinds)
        if x.ndim != 2 or len(kinds) != x.shape[1]:
            raise ValueError(f"x has shape {x.shape} and there are {len(kinds)} kinds of columns.")
        parts = []
        for kind in dict.fromkeys(kinds):
            places = [j for j, each in enumerate(kinds) if each == kind]
            if isinstance(kind, numbers.Integral):
                part = Categorical(int(kind))
            elif kind not in KINDS:
                raise ValueError(
                    f"kinds has {kind!r}; expected one of {sorted(KINDS)} or an int, the number "
                    "of categories."
                )
            elif kind == "binary":
                part = Bernoulli()
            else:
                part = KINDS[kind].fitted(x[:, places], **({} if kind == "count" else learned))
            parts.append((part, places))
        return cls(parts)

    def parameter_shape(self, x_shape):
        columns = sum(map(len, self.places))
        if tuple(x_shape) != (columns,):
            raise ValueError(
                f"x has shape {tuple(x_shape)}; this likelihood has {columns} columns."
            )
        return (sum(self._widths()),)

    def _shapes(self):
        parts = zip(self.layers, self.places, strict=True)
        return [part.parameter_shape((len(place),)) for part, place in parts]

    def _widths(self):
        return [math.prod(shape) for shape in self._shapes()]

    def check(self, target, name="x"):
        for part, place in zip(self.layers, self.places, strict=True):
            columns = f"{name}, column{'s' * (len(place) > 1)} {', '.join(map(str, place))},"
            part.check(target[:, place], columns)

    def distribution(self, outputs):
        ends = np.cumsum(self._widths())[:-1].tolist()
        blocks = zip(self.layers, self._shapes(), ops.split(outputs, ends, axis=-1), strict=True)
        parts = [
            part.distribution(ops.reshape(block, (-1, *shape))) for part, shape, block in blocks
        ]
        return distributions.Columns(parts, self.places)

    def normal_view(self, x):
        parts = zip(self.layers, self.places, self._widths(), strict=True)
        views = [
            [
                ops.reshape(each, (-1, width))
                for each in part.normal_view(ops.take(x, place, axis=1))
            ]
            for part, place, width in parts
        ]
        return tuple(ops.concatenate(each, axis=1) for each in zip(*views, strict=True))

    def features(self, x):
        parts = zip(self.layers, self.places, strict=True)
        found = [part.features(ops.take(x, place, axis=1)) for part, place in parts]
        return ops.concatenate(found, axis=1)

    def get_config(self):
        parts = zip(self.layers, self.places, strict=True)
        saved = [[keras.saving.serialize_keras_object(part), place] for part, place in parts]
        return {**super().get_config(), "parts": saved}
