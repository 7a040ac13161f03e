"""Builders of encoder and decoder: `dense` for vectors and images, `conv` for images.

Each returns `(encoder, decoder)`, two plain `keras.Model`s that mirror each other:

    encoder: x -> z_mean, z_log_var       q(z|x) = N(z_mean, exp(z_log_var))
    decoder: z -> what the likelihood needs, e.g. logits of a Bernoulli

Every network that the lecture describes is one call (row F5). A `VAE` takes any other pair too.
"""

import math

import keras
import numpy as np

from keras_vae import likelihoods
from keras_vae.layers import soft_bound


def dense(
    input_shape,
    latent_dim,
    hidden=(128,),
    activation="relu",
    dropout=0.0,
    batch_norm=False,
    likelihood="bernoulli",
    variational=True,
):
    """A fully connected encoder and its mirror.

    The Thesis's network is `dense((28, 28, 1), latent_dim=64, hidden=(400,))`.

    Args:
        input_shape: int or tuple of ints. Shape of one example: `64`, `(64,)`, `(28, 28, 1)`.
        latent_dim: int. Size of z, at least 1.
        hidden: tuple of ints. Sizes of the encoder's hidden layers; the decoder has them in
            reverse. Defaults to `(128,)`.
        activation: str or callable. Of the hidden layers. Defaults to `"relu"`.
        dropout: float, or a pair of floats for (encoder, decoder). Range is [0, 1). Defaults to
            `0.0`.
        batch_norm: bool. Normalise after each hidden layer, before the activation. Defaults to
            `False`.
        likelihood: str or Likelihood, the model's: it says what the decoder gives. Defaults to
            `"bernoulli"`.
        variational: bool. `False` gives the encoder of an `Autoencoder`: one output. Defaults to
            `True`.

    Returns:
        Tuple `(encoder, decoder)` of `keras.Model`s.

    Raises:
        ValueError: a size or rate is out of its range.

    Example:

    >>> encoder, decoder = dense((8, 8, 1), latent_dim=2)
    >>> [tuple(output.shape) for output in encoder.outputs], decoder.output_shape
    ([(None, 2), (None, 2)], (None, 8, 8, 1))
    """
    input_shape, hidden = _as_ints(input_shape), _as_ints(hidden)
    (latent_dim,) = _as_ints(latent_dim)
    output_shape = likelihoods.get(likelihood).parameter_shape(input_shape)
    dropout = _checked(input_shape, latent_dim, hidden, dropout, "hidden")

    def block(h, units, rate, name):
        h = keras.layers.Dense(units, use_bias=not batch_norm, name=name)(h)
        return _finish(h, activation, rate, batch_norm, name)

    x = keras.Input(input_shape, name="x")
    h = keras.layers.Flatten(name="flatten")(x)
    for i, units in enumerate(hidden, start=1):
        h = block(h, units, dropout[0], f"hidden_{i}")
    encoder = keras.Model(x, _latents(h, latent_dim, variational), name="encoder")

    z = h = keras.Input((latent_dim,), name="z")
    for i, units in enumerate(reversed(hidden), start=1):
        h = block(h, units, dropout[1], f"hidden_{i}")
    h = keras.layers.Dense(math.prod(output_shape), name="output")(h)
    decoder = keras.Model(z, keras.layers.Reshape(output_shape, name="reshape")(h), name="decoder")
    return encoder, decoder


def conv(
    input_shape,
    latent_dim,
    filters=(32, 64),
    kernel_size=3,
    hidden=(),
    activation="relu",
    dropout=0.0,
    batch_norm=False,
    likelihood="bernoulli",
    variational=True,
):
    """A convolutional encoder and its mirror, for images of any size.

    Each convolution has stride 2 and halves the image, rounding up; the decoder's transposed
    convolutions double it, and cut off the row and the column that are too many.

    Args:
        input_shape: tuple of three ints, `(height, width, channels)`.
        latent_dim: int. Size of z, at least 1.
        filters: tuple of ints. Of the encoder's convolutions; the decoder has them in reverse.
            Defaults to `(32, 64)`.
        kernel_size: int, at least 2. Defaults to `3`.
        hidden: tuple of ints. Sizes of dense layers between convolutions and latents. Defaults to
            `()`.
        activation, dropout, batch_norm, likelihood, variational: as in `dense`.

    Returns:
        Tuple `(encoder, decoder)` of `keras.Model`s.

    Raises:
        ValueError: input_shape is no image's; a size or rate is out of its range.

    Example:

    >>> encoder, decoder = conv((28, 28, 1), latent_dim=2, filters=(32, 64), batch_norm=True)
    >>> decoder.output_shape
    (None, 28, 28, 1)
    """
    input_shape, filters, hidden = _as_ints(input_shape), _as_ints(filters), _as_ints(hidden)
    (latent_dim,) = _as_ints(latent_dim)
    if len(input_shape) != 3:
        raise ValueError(
            f"input_shape is {input_shape}; conv needs (height, width, channels). "
            "For vectors use networks.dense."
        )
    if not filters:
        raise ValueError("filters is empty; expected the sizes of at least one convolution.")
    if not isinstance(kernel_size, int) or kernel_size < 2:
        raise ValueError(f"kernel_size is {kernel_size!r}; expected an int of at least 2.")
    output_shape = likelihoods.get(likelihood).parameter_shape(input_shape)
    dropout = _checked(input_shape, latent_dim, (*filters, *hidden), dropout, "filters and hidden")
    sizes = [input_shape[:2]]  # of the image before each convolution, and after the last
    for _ in filters:
        sizes.append(tuple(math.ceil(n / 2) for n in sizes[-1]))

    def block(h, layer, rate):
        return _finish(layer(h), activation, rate, batch_norm, layer.name)

    def settings(name):
        return {"strides": 2, "padding": "same", "use_bias": not batch_norm, "name": name}

    def dense_block(h, units, rate, name):
        return block(h, keras.layers.Dense(units, use_bias=not batch_norm, name=name), rate)

    x = h = keras.Input(input_shape, name="x")
    for i, channels in enumerate(filters, start=1):
        layer = keras.layers.Conv2D(channels, kernel_size, **settings(f"conv_{i}"))
        h = block(h, layer, dropout[0])
    h = keras.layers.Flatten(name="flatten")(h)
    for i, units in enumerate(hidden, start=1):
        h = dense_block(h, units, dropout[0], f"hidden_{i}")
    encoder = keras.Model(x, _latents(h, latent_dim, variational), name="encoder")

    z = h = keras.Input((latent_dim,), name="z")
    for i, units in enumerate(reversed(hidden), start=1):
        h = dense_block(h, units, dropout[1], f"hidden_{i}")
    smallest = (*sizes[-1], filters[-1])
    h = dense_block(h, math.prod(smallest), 0.0, "unflatten")
    h = keras.layers.Reshape(smallest, name="reshape")(h)
    for i, channels in enumerate(reversed(filters), start=1):
        layer = keras.layers.Conv2DTranspose(channels, kernel_size, **settings(f"deconv_{i}"))
        h = block(h, layer, dropout[1])
        h = _cut_to(h, sizes[-1 - i], kernel_size, name=f"cut_{i}")
    h = keras.layers.Conv2D(output_shape[-1], kernel_size, padding="same", name="output")(h)
    return encoder, keras.Model(z, h, name="decoder")


def _finish(h, activation, rate, batch_norm, name):
    if batch_norm:
        # Keras's momentum of 0.99 lags behind in short trainings (KERAS3 12.2).
        h = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(h)
    h = keras.layers.Activation(activation, name=f"{name}_activation")(h)
    return keras.layers.Dropout(rate, name=f"{name}_dropout")(h) if rate else h


def _latents(h, latent_dim, variational):
    if not variational:
        return keras.layers.Dense(latent_dim, name="z")(h)
    mean = keras.layers.Dense(latent_dim, name="z_mean")(h)
    log_var = keras.layers.Dense(latent_dim, activation=soft_bound, name="z_log_var")(h)
    return [mean, log_var]


def _cut_to(h, size, kernel_size, name):
    """Drop the surplus row and column: at the side where the convolution padded less (13.2)."""
    surplus = [have - want for have, want in zip(h.shape[1:3], size, strict=True)]
    if not any(surplus):
        return h
    cropping = [(n, 0) if kernel_size % 2 else (0, n) for n in surplus]
    return keras.layers.Cropping2D(cropping, name=name)(h)


def _as_ints(sizes):
    """One size or several as a tuple; NumPy's integers as Python's, what is no integer as it is."""
    sizes = tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,)
    return tuple(int(n) if isinstance(n, np.integer) else n for n in sizes)


def _checked(input_shape, latent_dim, sizes, dropout, sizes_name):
    """Dropout as a pair (encoder's, decoder's), after a look at every number."""

    def all_positive(sizes):
        return all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes)

    if not input_shape or not all_positive(input_shape):
        raise ValueError(
            f"input_shape is {input_shape}; expected sizes of at least 1, without the batch axis."
        )
    if not all_positive([latent_dim]):
        raise ValueError(f"latent_dim is {latent_dim!r}; expected an int of at least 1.")
    if not all_positive(sizes):
        raise ValueError(f"{sizes_name} are {tuple(sizes)}; expected ints of at least 1.")
    pair = tuple(dropout) if isinstance(dropout, (tuple, list)) else (dropout, dropout)
    if len(pair) != 2 or not all(0 <= rate < 1 for rate in pair):
        raise ValueError(
            f"dropout is {dropout!r}; expected a rate in [0, 1), or a pair for (encoder, decoder)."
        )
    return pair
