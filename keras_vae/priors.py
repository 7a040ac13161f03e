"""Layers that give p(z), what the latents look like before any data are seen."""

import keras

from keras_vae.distributions import Normal


class Prior(keras.layers.Layer):
    """Base of the priors: `distribution` gives p(z), or p(z|c)."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def distribution(self, condition=None):
        """p(z) as a Distribution that broadcasts with latents of shape `(batch, latent_dim)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no distribution.")


@keras.saving.register_keras_serializable(package="keras_vae")
class StandardNormal(Prior):
    """p(z) = N(0, I), with no weights: the prior of Kingma and Welling (2014)."""

    def distribution(self, condition=None):
        return Normal(mean=0.0, log_var=0.0)


_NAMES = {"standard_normal": StandardNormal}


def get(identifier):
    """A prior from its name (`"standard_normal"`), or the layer itself.

    Raises:
        ValueError: the name is unknown.
    """
    if isinstance(identifier, Prior):
        return identifier
    if isinstance(identifier, str) and identifier in _NAMES:
        return _NAMES[identifier]()
    raise ValueError(
        f"prior is {identifier!r}; expected one of {sorted(_NAMES)} or a keras_vae.priors layer."
    )
