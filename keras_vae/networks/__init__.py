"""Builders of encoders and decoders: `dense` for vectors and images, `conv` for images,
`conv1d` for signals.

Each returns `(encoder, decoder)`, two plain `keras.Model`s that mirror each other:

    encoder: x -> z_mean, z_log_var       q(z|x) = N(z_mean, exp(z_log_var))
    decoder: z -> what the likelihood needs, e.g. logits of a Bernoulli

With `condition=` both read a second input, for a `ConditionalVAE`. With `missing=` the encoder
reads missing values; `ReadValues` is the layer that does so. One call builds any network of the
lecture (rows F5, A9). Models also accept any other pair of networks. `discriminator` is the third
network of a `FactorVAE`.
"""

from keras_vae.networks.conv import conv, conv1d
from keras_vae.networks.dense import dense
from keras_vae.networks.discriminator import discriminator
from keras_vae.networks.missing import ReadValues
from keras_vae.networks.partly_linear import partly_linear

__all__ = ["ReadValues", "conv", "conv1d", "dense", "discriminator", "partly_linear"]
