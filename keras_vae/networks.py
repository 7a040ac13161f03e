"""Builders of encoder and decoder: `dense` for vectors and images, `conv` for images.

Each returns `(encoder, decoder)`, two plain `keras.Model`s that mirror each other:

    encoder: x -> z_mean, z_log_var       q(z|x) = N(z_mean, exp(z_log_var))
    decoder: z -> what the likelihood needs, e.g. logits of a Bernoulli

With `condition=` both read a second input, for a `ConditionalVAE`. Every network that the lecture
describes is one call (rows F5, A9). A model takes any other pair too.
"""

import math

import keras

from keras_vae import checks, likelihoods
from keras_vae.distributions import soft_bound


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
        condition: what both networks read beside x and z: an int, the number of classes, for
            integer labels; or the shape of a vector or an image. Defaults to `None`, nothing.
        embedding: int. Labels become vectors of this size, which are learned. Defaults to `None`:
            one-hot vectors.

    Returns:
        Tuple `(encoder, decoder)` of `keras.Model`s.

    Raises:
        ValueError: a size, rate or condition is out of its range.

    Example:

    >>> encoder, decoder = dense((8, 8, 1), latent_dim=2)
    >>> [tuple(output.shape) for output in encoder.outputs], decoder.output_shape
    ([(None, 2), (None, 2)], (None, 8, 8, 1))
    """
    input_shape = _image_or_vector(input_shape)
    hidden = checks.sizes(hidden, "hidden")
    dropout = _pair_of_rates(dropout)
    latent_dim = checks.count(latent_dim, "latent_dim")
    output_shape = likelihoods.get(likelihood).parameter_shape(input_shape)

    def block(h, units, rate, name):
        h = keras.layers.Dense(units, use_bias=not batch_norm, name=name)(h)
        return _finish(h, activation, rate, batch_norm, name)

    x = keras.Input(input_shape, name="x")
    c, features = _condition(condition, embedding)
    h = _join(_flatten("flatten")(x), features)
    for i, units in enumerate(hidden, start=1):
        h = block(h, units, dropout[0], f"hidden_{i}")
    encoder = _model(x, c, _latents(h, latent_dim, variational), "encoder")

    z = keras.Input((latent_dim,), name="z")
    c, features = _condition(condition, embedding)
    h = _join(z, features)
    for i, units in enumerate(reversed(hidden), start=1):
        h = block(h, units, dropout[1], f"hidden_{i}")
    h = keras.layers.Dense(math.prod(output_shape), name="output")(h)
    decoder = _model(z, c, keras.layers.Reshape(output_shape, name="reshape")(h), "decoder")
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
    condition=None,
    embedding=None,
):
    """A convolutional encoder and its mirror, for images of any size.

    Each convolution has stride 2 and halves the image, rounding up; the decoder's transposed
    convolutions double it, and cut off the row and the column that are too many. Labels and
    vectors join between convolutions and latents; a condition that is an image, of the size of x,
    joins x as further channels, and in the decoder it joins at every size.

    Args:
        input_shape: tuple of three ints, `(height, width, channels)`.
        latent_dim: int. Size of z, at least 1.
        filters: tuple of ints. Of the encoder's convolutions; the decoder has them in reverse.
            Defaults to `(32, 64)`.
        kernel_size: int, at least 2. Defaults to `3`.
        hidden: tuple of ints. Sizes of dense layers between convolutions and latents. Defaults to
            `()`.
        activation, dropout, batch_norm, likelihood, variational, condition, embedding: as in
            `dense`.

    Returns:
        Tuple `(encoder, decoder)` of `keras.Model`s.

    Raises:
        ValueError: input_shape is no image's; a size, rate or condition is out of its range.

    Example:

    >>> encoder, decoder = conv((28, 28, 1), latent_dim=2, filters=(32, 64), batch_norm=True)
    >>> decoder.output_shape
    (None, 28, 28, 1)
    """
    input_shape = _image_or_vector(input_shape)
    filters, hidden = checks.sizes(filters, "filters"), checks.sizes(hidden, "hidden")
    kernel_size = checks.count(kernel_size, "kernel_size", least=2)
    dropout = _pair_of_rates(dropout)
    latent_dim = checks.count(latent_dim, "latent_dim")
    if len(input_shape) != 3:
        raise ValueError(
            f"input_shape is {input_shape}; conv needs (height, width, channels). "
            "For vectors use networks.dense."
        )
    if not filters:
        raise ValueError("filters is empty; expected the sizes of at least one convolution.")
    output_shape = likelihoods.get(likelihood).parameter_shape(input_shape)
    sizes = [input_shape[:2]]  # of the image before each convolution, and after the last
    for _ in filters:
        sizes.append(tuple(math.ceil(n / 2) for n in sizes[-1]))

    def block(h, layer, rate):
        return _finish(layer(h), activation, rate, batch_norm, layer.name)

    def settings(name):
        return {
            "strides": 2,
            "padding": "same",
            "use_bias": not batch_norm,
            "data_format": "channels_last",  # whatever Keras's default (KERAS3 E28)
            "name": name,
        }

    def dense_block(h, units, rate, name):
        return block(h, keras.layers.Dense(units, use_bias=not batch_norm, name=name), rate)

    def read_condition():  # what it gives beside images, and beside vectors
        c, features = _condition(condition, embedding, image_size=input_shape[:2])
        is_image = c is not None and len(c.shape) == 4
        return c, features if is_image else None, None if is_image else features

    x = keras.Input(input_shape, name="x")
    c, image, vector = read_condition()
    h = _join(x, image)
    for i, channels in enumerate(filters, start=1):
        layer = keras.layers.Conv2D(channels, kernel_size, **settings(f"conv_{i}"))
        h = block(h, layer, dropout[0])
    h = _join(_flatten("flatten")(h), vector)
    for i, units in enumerate(hidden, start=1):
        h = dense_block(h, units, dropout[0], f"hidden_{i}")
    encoder = _model(x, c, _latents(h, latent_dim, variational), "encoder")

    z = keras.Input((latent_dim,), name="z")
    c, image, vector = read_condition()
    images = [image]  # of the condition, at the size of x and of what each convolution gives
    for i, channels in enumerate(filters, start=1):
        if image is not None:
            layer = keras.layers.Conv2D(channels, kernel_size, **settings(f"condition_conv_{i}"))
            image = block(image, layer, dropout[1])
        images.append(image)
    h = _join(z, vector)
    for i, units in enumerate(reversed(hidden), start=1):
        h = dense_block(h, units, dropout[1], f"hidden_{i}")
    smallest = (*sizes[-1], filters[-1])
    h = dense_block(h, math.prod(smallest), 0.0, "unflatten")
    h = keras.layers.Reshape(smallest, name="reshape")(h)
    for i, channels in enumerate(reversed(filters), start=1):
        h = _join(h, images.pop(), f"_{i}")
        layer = keras.layers.Conv2DTranspose(channels, kernel_size, **settings(f"deconv_{i}"))
        h = block(h, layer, dropout[1])
        h = _cut_to(h, sizes[-1 - i], kernel_size, name=f"cut_{i}")
    h = _join(h, images.pop(), "_image")
    last = {"padding": "same", "data_format": "channels_last", "name": "output"}
    h = keras.layers.Conv2D(output_shape[-1], kernel_size, **last)(h)
    return encoder, _model(z, c, h, "decoder")


def _condition(condition, embedding, image_size=None):
    """(input, features) of what a network reads beside x or z; (None, None) if it is nothing."""
    condition = checks.condition_size(condition)
    if embedding is not None and not isinstance(condition, int):
        raise ValueError(
            f"embedding is {embedding!r}, with condition {condition!r}; it goes with a number of "
            "classes."
        )
    if condition is None:
        return None, None
    if isinstance(condition, int):
        c = keras.Input((), dtype="int32", name="condition")
        if embedding is None:
            layer = keras.layers.CategoryEncoding(condition, output_mode="one_hot", name="one_hot")
        else:
            size = checks.count(embedding, "embedding")
            layer = keras.layers.Embedding(condition, size, name="embedding")
        return c, layer(c)
    if image_size is not None and len(condition) > 1 and condition[:-1] != image_size:
        raise ValueError(
            f"condition is {condition}; conv needs a vector, or an image of the size of x, "
            f"({image_size[0]}, {image_size[1]}, channels)."
        )
    c = keras.Input(condition, name="condition")
    return c, c


def _join(h, features, suffix=""):
    """h with the features of the condition beside it, along the last axis."""
    if features is None:
        return h
    if len(features.shape) > len(h.shape):
        features = _flatten("flatten_condition")(features)
    return keras.layers.Concatenate(name=f"with_condition{suffix}")([h, features])


def _model(first, condition, outputs, name):
    inputs = first if condition is None else [first, condition]
    return keras.Model(inputs, outputs, name=name)


def _finish(h, activation, rate, batch_norm, name):
    if batch_norm:
        # Keras's momentum of 0.99 lags behind in short trainings (KERAS3 12.2).
        h = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(h)
    name_of_layer = f"{name}_activation"
    if isinstance(activation, keras.layers.Layer):  # it may have weights: one of its own each time
        config = {**activation.get_config(), "name": name_of_layer}
        h = type(activation).from_config(config)(h)
    else:
        h = keras.layers.Activation(activation, name=name_of_layer)(h)
    return keras.layers.Dropout(rate, name=f"{name}_dropout")(h) if rate else h


def _flatten(name):
    return keras.layers.Flatten(data_format="channels_last", name=name)


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
    return keras.layers.Cropping2D(cropping, data_format="channels_last", name=name)(h)


def _image_or_vector(input_shape):
    expected = "sizes of at least 1, without the batch axis"
    return checks.sizes(input_shape, "input_shape", expected, least=1)


def _pair_of_rates(dropout):
    """Dropout as a pair (encoder's, decoder's)."""
    pair = tuple(dropout) if isinstance(dropout, (tuple, list)) else (dropout, dropout)
    if len(pair) != 2 or not all(0 <= rate < 1 for rate in pair):
        raise ValueError(
            f"dropout is {dropout!r}; expected a rate in [0, 1), or a pair for (encoder, decoder)."
        )
    return pair
