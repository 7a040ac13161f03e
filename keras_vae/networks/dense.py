"""Fully connected networks, for vectors and small images (lecture row F5)."""

import math

import keras

from keras_vae import checks, likelihoods
from keras_vae.networks import parts
from keras_vae.networks.missing import read


def dense(
    input_shape,
    latent_dim,
    hidden=(128,),
    activation="relu",
    dropout=0.0,
    batch_norm=False,
    likelihood="bernoulli",
    variational=True,
    condition=None,
    embedding=None,
    missing=None,
):
    """A fully connected encoder and a mirrored decoder.

    The network of the Thesis is `dense((28, 28, 1), latent_dim=64, hidden=(400,))`.

    Args:
        input_shape: int or tuple of ints. Shape of one example: `64`, `(64,)`, `(28, 28, 1)`.
        latent_dim: int. Size of z, at least 1.
        hidden: tuple of ints. Sizes of the encoder's hidden layers; the decoder has them in
            reverse. Defaults to `(128,)`.
        activation: str or callable, for the hidden layers. Defaults to `"relu"`.
        dropout: float in [0, 1), or a pair of floats for (encoder, decoder). Defaults to `0.0`.
        batch_norm: bool. Normalise after each hidden layer, before the activation. Defaults to
            `False`.
        likelihood: str or Likelihood, the same as the model's; it sets the decoder's output shape.
            Defaults to `"bernoulli"`.
        variational: bool. `False` gives the encoder of an `Autoencoder`: one output. Defaults to
            `True`.
        condition: what both networks read beside x or z: an int, the number of classes, for
            integer labels; or the shape of a vector or an image. Defaults to `None`, nothing.
        embedding: int. Size of a learned vector for each label. Defaults to `None`: one-hot
            vectors.
        missing: how the encoder reads missing values, NaN: `"zeros"`, as 0; `"mask"`, as 0 and with
            the mask beside x. Defaults to `None`: there are none.

    Returns:
        Tuple `(encoder, decoder)` of `keras.Model`s.

    Raises:
        ValueError: a size, rate or condition is out of range.

    Example:

    >>> encoder, decoder = dense((8, 8, 1), latent_dim=2)
    >>> [tuple(output.shape) for output in encoder.outputs], decoder.output_shape
    ([(None, 2), (None, 2)], (None, 8, 8, 1))
    """
    input_shape = parts.checked_shape(input_shape)
    hidden = checks.sizes(hidden, "hidden")
    dropout = parts.pair_of_rates(dropout)
    latent_dim = checks.count(latent_dim, "latent_dim")
    output_shape = likelihoods.get(likelihood).parameter_shape(input_shape)

    def block(h, units, rate, name):
        h = keras.layers.Dense(units, use_bias=not batch_norm, name=name)(h)
        return parts.finish(h, activation, rate, batch_norm, name)

    x = keras.Input(input_shape, name="x")
    c, features = parts.read_condition(condition, embedding)
    h = parts.join(parts.flatten("flatten")(read(x, missing, likelihood)), features)
    for i, units in enumerate(hidden, start=1):
        h = block(h, units, dropout[0], f"hidden_{i}")
    encoder = parts.model(x, c, parts.latents(h, latent_dim, variational), "encoder")

    z = keras.Input((latent_dim,), name="z")
    c, features = parts.read_condition(condition, embedding)
    h = parts.join(z, features)
    for i, units in enumerate(reversed(hidden), start=1):
        h = block(h, units, dropout[1], f"hidden_{i}")
    h = keras.layers.Dense(math.prod(output_shape), name="output")(h)
    decoder = parts.model(z, c, keras.layers.Reshape(output_shape, name="reshape")(h), "decoder")
    return encoder, decoder
