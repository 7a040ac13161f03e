"""Builders of encoder and decoder: `dense` for vectors and images, `conv` for images.

Each returns `(encoder, decoder)`, two plain `keras.Model`s that mirror each other:

    encoder: x -> z_mean, z_log_var       q(z|x) = N(z_mean, exp(z_log_var))
    decoder: z -> what the likelihood needs, e.g. logits of a Bernoulli

With `condition=` both read a second input, for a `ConditionalVAE`. Every network that the lecture
describes is one call (rows F5, A9). A model takes any other pair too.
"""

from keras_vae.networks.conv import conv
from keras_vae.networks.dense import dense

__all__ = ["conv", "dense"]
