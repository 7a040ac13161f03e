"""What the builders share: condition, latents, and the layers after each dense or conv layer."""

import keras

from keras_vae import checks
from keras_vae.distributions import soft_bound


def read_condition(condition, embedding, image_size=None):
    """(input, features) of the condition; (None, None) if the network reads none."""
    condition = checks.condition_size(condition)
    if embedding is not None and not isinstance(condition, int):
        raise ValueError(
            f"embedding is {embedding!r}, with condition {condition!r}; expected condition to be a "
            "number of classes."
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
            f"condition is {condition}; expected a vector, or an image or signal of the size of x, "
            f"({', '.join(map(str, image_size))}, channels)."
        )
    c = keras.Input(condition, name="condition")
    return c, c


def join(h, features, suffix=""):
    """h and the features of the condition, concatenated along the last axis."""
    if features is None:
        return h
    if len(features.shape) > len(h.shape):
        features = flatten("flatten_condition")(features)
    return keras.layers.Concatenate(name=f"with_condition{suffix}")([h, features])


def model(first, condition, outputs, name):
    inputs = first if condition is None else [first, condition]
    return keras.Model(inputs, outputs, name=name)


def finish(h, activation, rate, batch_norm, name):
    if batch_norm:
        # Keras's momentum of 0.99 lags behind in short trainings (KERAS3 12.2).
        h = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(h)
    name_of_layer = f"{name}_activation"
    if isinstance(activation, keras.layers.Layer):  # it may have weights, so each place gets a copy
        config = {**activation.get_config(), "name": name_of_layer}
        h = type(activation).from_config(config)(h)
    else:
        h = keras.layers.Activation(activation, name=name_of_layer)(h)
    return keras.layers.Dropout(rate, name=f"{name}_dropout")(h) if rate else h


def flatten(name):
    return keras.layers.Flatten(data_format="channels_last", name=name)


def latents(h, latent_dim, variational):
    if not variational:
        return keras.layers.Dense(latent_dim, name="z")(h)
    mean = keras.layers.Dense(latent_dim, name="z_mean")(h)
    log_var = keras.layers.Dense(latent_dim, activation=soft_bound, name="z_log_var")(h)
    return [mean, log_var]


def checked_shape(input_shape):
    expected = "sizes of at least 1, without the batch axis"
    return checks.sizes(input_shape, "input_shape", expected, least=1)


def pair_of_rates(dropout):
    """Dropout rates as a pair (encoder, decoder)."""
    pair = tuple(dropout) if isinstance(dropout, (tuple, list)) else (dropout, dropout)
    if len(pair) != 2 or not all(0 <= rate < 1 for rate in pair):
        raise ValueError(
            f"dropout is {dropout!r}; expected a rate in [0, 1), or a pair for (encoder, decoder)."
        )
    return pair
