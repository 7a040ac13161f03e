"""The first layer of an encoder that reads missing values, or columns of different kinds."""

import types

import keras
from keras import ops

from keras_vae import likelihoods

WAYS = (None, "zeros", "mask")


@keras.saving.register_keras_serializable(package="keras_vae")
class ReadValues(keras.layers.Layer):
    """Turns x, with NaN where a value is missing, into what the layers after it can read.

    A model whose encoder has such a layer accepts missing values.

    Args:
        missing: `"zeros"`, 0 in place of what is missing (HI-VAE, Nazabal 2020); `"mask"`, and
            beside it, along the last axis, the mask: 1 where a value is known (Collier 2020); or
            `None`, no value is missing. Defaults to `"mask"`.
        likelihood: Likelihood whose `features` are read in place of x: standardised columns,
            categories as a one among zeros. A 0 is then the mean. Defaults to `None`, x itself.
        limit: float. Values beyond are read as the limit, so that one far from all others does not
            upset the network. Defaults to `None`: there is none.

    Raises:
        ValueError: missing is not one of these.
    """

    def __init__(self, missing="mask", likelihood=None, limit=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # half precision would round x
        if missing not in WAYS:
            raise ValueError(f"missing is {missing!r}; expected one of {WAYS}.")
        self.missing, self.limit = missing, limit
        # In an object that Keras does not search: the model owns the likelihood and its weights.
        given = None if likelihood is None else likelihoods.get(likelihood)
        self._of = types.SimpleNamespace(likelihood=given)

    @property
    def accepts_missing(self):
        return self.missing is not None

    def call(self, x):
        read = x if self._of.likelihood is None else self._of.likelihood.features(x)
        if self.limit is not None:
            read = ops.clip(read, -self.limit, self.limit)
        if self.missing is None:
            return read
        read = ops.where(ops.isnan(read), ops.zeros_like(read), read)
        if self.missing == "zeros":
            return read
        known = ops.cast(ops.logical_not(ops.isnan(x)), read.dtype)
        return ops.concatenate([read, known], axis=-1)

    def get_config(self):
        saved = None
        if self._of.likelihood is not None:
            saved = keras.saving.serialize_keras_object(self._of.likelihood)
        settings = {"missing": self.missing, "likelihood": saved, "limit": self.limit}
        return {**super().get_config(), **settings}

    @classmethod
    def from_config(cls, config):
        saved = config.pop("likelihood")
        restored = None if saved is None else keras.saving.deserialize_keras_object(saved)
        return cls(likelihood=restored, **config)


def read(x, missing, likelihood, limit=None):
    """x as an encoder of this likelihood reads it: through `ReadValues`, where that is needed."""
    likelihood = likelihoods.get(likelihood)
    plain = type(likelihood).features is likelihoods.Likelihood.features
    plain = plain or (isinstance(likelihood, likelihoods.Scaled) and likelihood.is_standard)
    if missing is None and plain and limit is None:
        return x
    return ReadValues(missing, None if plain else likelihood, limit, name="read")(x)
