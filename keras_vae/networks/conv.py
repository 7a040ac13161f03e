"""Convolutional networks, for images and signals of any size (lecture rows F5, A9)."""

import math

import keras

from keras_vae import checks, likelihoods
from keras_vae.networks import parts
from keras_vae.networks.missing import read


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
    condition=None,
    embedding=None,
    missing=None,
):
    """A convolutional encoder and a mirrored decoder, for images of any size.

    Each convolution has stride 2 and halves the image, rounding up. The decoder's transposed
    convolutions double it and cut off a surplus row or column. Conditions that are labels or
    vectors are concatenated between convolutions and latents. An image condition has the size of x
    and adds channels to x, and to the decoder's features at every size.

    Args:
        input_shape: tuple of three ints, `(height, width, channels)`; for signals see `conv1d`.
        latent_dim: int. Size of z, at least 1.
        filters: tuple of ints. Channels of the encoder's convolutions; the decoder has them in
            reverse. Defaults to `(32, 64)`.
        kernel_size: int, at least 2. Defaults to `3`.
        hidden: tuple of ints. Sizes of dense layers between convolutions and latents. Defaults to
            `()`.
        activation, dropout, batch_norm, likelihood, variational, condition, embedding, missing:
            as in `dense`.

    Returns:
        Tuple `(encoder, decoder)` of `keras.Model`s.

    Raises:
        ValueError: input_shape is not that of an image; a size, rate or condition is out of range.

    Example:

    >>> encoder, decoder = conv((28, 28, 1), latent_dim=2, filters=(32, 64), batch_norm=True)
    >>> decoder.output_shape
    (None, 28, 28, 1)
    """
    return _mirrored(2, **locals())


def conv1d(
    input_shape,
    latent_dim,
    filters=(32, 64),
    kernel_size=5,
    hidden=(),
    activation="relu",
    dropout=0.0,
    batch_norm=False,
    likelihood="bernoulli",
    variational=True,
    condition=None,
    embedding=None,
    missing=None,
):
    """As `conv`, for signals: sound, heart beats, the values of sensors over time.

    Args:
        input_shape: tuple of two ints, `(length, channels)`.
        kernel_size: int, at least 2. Defaults to `5`.
        Others: as in `conv`. A condition of shape `(length, channels)` adds channels as an image
            does.

    Returns:
        Tuple `(encoder, decoder)` of `keras.Model`s.

    Raises:
        ValueError: input_shape is not that of a signal; a size, rate or condition is out of range.

    Example:

    >>> encoder, decoder = conv1d((150, 2), latent_dim=4, likelihood="gaussian")
    >>> decoder.output_shape
    (None, 150, 2)
    """
    return _mirrored(1, **locals())


_SHAPES = {1: "(length, channels)", 2: "(height, width, channels)"}
_BUILDERS = {1: "networks.conv1d", 2: "networks.conv"}


def _mirrored(
    rank,
    input_shape,
    latent_dim,
    filters,
    kernel_size,
    hidden,
    activation,
    dropout,
    batch_norm,
    likelihood,
    variational,
    condition,
    embedding,
    missing,
):
    """(encoder, decoder) of convolutions over `rank` axes."""
    input_shape = parts.checked_shape(input_shape)
    filters, hidden = checks.sizes(filters, "filters"), checks.sizes(hidden, "hidden")
    kernel_size = checks.count(kernel_size, "kernel_size", least=2)
    dropout = parts.pair_of_rates(dropout)
    latent_dim = checks.count(latent_dim, "latent_dim")
    if len(input_shape) != rank + 1:
        builder = _BUILDERS.get(len(input_shape) - 1, "networks.dense")
        raise ValueError(
            f"input_shape is {input_shape}; {_BUILDERS[rank]} needs {_SHAPES[rank]}. For this "
            f"shape use {builder}."
        )
    if not filters:
        raise ValueError("filters is empty; expected the sizes of at least one convolution.")
    convolution, transposed, cropping = (
        getattr(keras.layers, f"{name}{rank}D{suffix}")
        for name, suffix in (("Conv", ""), ("Conv", "Transpose"), ("Cropping", ""))
    )
    output_shape = likelihoods.get(likelihood).parameter_shape(input_shape)
    sizes = [input_shape[:-1]]  # before each convolution, and after the last
    for _ in filters:
        sizes.append(tuple(math.ceil(n / 2) for n in sizes[-1]))

    def block(h, layer, rate):
        return parts.finish(layer(h), activation, rate, batch_norm, layer.name)

    def settings(name):
        return {
            "strides": 2,
            "padding": "same",
            "use_bias": not batch_norm,
            "data_format": "channels_last",  # whatever Keras's default is (KERAS3 E28)
            "name": name,
        }

    def dense_block(h, units, rate, name):
        return block(h, keras.layers.Dense(units, use_bias=not batch_norm, name=name), rate)

    def read_condition():  # (input, features that join images, features that join vectors)
        c, features = parts.read_condition(condition, embedding, image_size=input_shape[:-1])
        is_image = c is not None and len(c.shape) == rank + 2
        return c, features if is_image else None, None if is_image else features

    x = keras.Input(input_shape, name="x")
    c, image, vector = read_condition()
    h = parts.join(read(x, missing, likelihood), image)
    for i, channels in enumerate(filters, start=1):
        layer = convolution(channels, kernel_size, **settings(f"conv_{i}"))
        h = block(h, layer, dropout[0])
    h = parts.join(parts.flatten("flatten")(h), vector)
    for i, units in enumerate(hidden, start=1):
        h = dense_block(h, units, dropout[0], f"hidden_{i}")
    encoder = parts.model(x, c, parts.latents(h, latent_dim, variational), "encoder")

    z = keras.Input((latent_dim,), name="z")
    c, image, vector = read_condition()
    images = [image]  # the condition's features at the size of x, and after each convolution
    for i, channels in enumerate(filters, start=1):
        if image is not None:
            layer = convolution(channels, kernel_size, **settings(f"condition_conv_{i}"))
            image = block(image, layer, dropout[1])
        images.append(image)
    h = parts.join(z, vector)
    for i, units in enumerate(reversed(hidden), start=1):
        h = dense_block(h, units, dropout[1], f"hidden_{i}")
    smallest = (*sizes[-1], filters[-1])
    h = dense_block(h, math.prod(smallest), 0.0, "unflatten")
    h = keras.layers.Reshape(smallest, name="reshape")(h)
    for i, channels in enumerate(reversed(filters), start=1):
        h = parts.join(h, images.pop(), f"_{i}")
        layer = transposed(channels, kernel_size, **settings(f"deconv_{i}"))
        h = block(h, layer, dropout[1])
        surplus = [have - want for have, want in zip(h.shape[1:-1], sizes[-1 - i], strict=True)]
        if any(surplus):  # cut off on the side where the convolution padded less (KERAS3 13.2)
            cut = [(n, 0) if kernel_size % 2 else (0, n) for n in surplus]
            arguments = {"data_format": "channels_last"} if rank > 1 else {}
            h = cropping(cut if rank > 1 else cut[0], name=f"cut_{i}", **arguments)(h)
    h = parts.join(h, images.pop(), "_image")
    last = {"padding": "same", "data_format": "channels_last", "name": "output"}
    h = convolution(output_shape[-1], kernel_size, **last)(h)
    return encoder, parts.model(z, c, h, "decoder")
