"""Layers that turn a decoder's output into p(x|z) (lecture row F4).

A likelihood defines the reconstruction loss -log p(x|z), and so the weight of the KL term and the
blur of the images. It says which shape the decoder must give and which data it accepts. It owns the
weights of the noise, if there are any.
"""

from keras_vae.likelihoods.base import Likelihood, Scaled
from keras_vae.likelihoods.columns import Columns
from keras_vae.likelihoods.continuous import Gaussian, LogNormal
from keras_vae.likelihoods.discrete import Bernoulli, Categorical, Multinomial, Poisson

__all__ = [
    "Bernoulli",
    "Categorical",
    "Columns",
    "Gaussian",
    "Likelihood",
    "LogNormal",
    "Multinomial",
    "Poisson",
    "Scaled",
    "get",
]

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
