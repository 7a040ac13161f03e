"""Networks of a `PartlyLinearVAE`: an encoder, a decoder with a linear part, a refinement."""

import math

import keras

from keras_vae import checks, likelihoods
from keras_vae.distributions import soft_bound
from keras_vae.networks import parts
from keras_vae.networks.missing import read


def partly_linear(
    input_shape,
    latent_dim,
    hidden=(128,),
    activation="swish",
    likelihood="gaussian",
    missing="mask",
    penalty=0.0,
):
    """Fully connected networks whose decoder adds a linear function of z to its output.

    All corrections of the linear model begin near 0.

    Args:
        input_shape, latent_dim, hidden, activation, likelihood: as in `dense`.
        missing: how the encoder reads missing values, as in `dense`. Defaults to `"mask"`.
        penalty: float. L2 penalty of the decoder's weights, each times the number of its inputs.
            Defaults to `0.0`.

    Returns:
        Tuple `(encoder, decoder, refinement)` of `keras.Model`s.

    Raises:
        ValueError: a size is out of range.

    Example:

    >>> encoder, decoder, refinement = partly_linear(5, latent_dim=2)
    >>> decoder.output_shape, refinement.output_shape
    ((None, 5), (None, 2))
    """
    input_shape = parts.checked_shape(input_shape)
    hidden, latent_dim = checks.sizes(hidden, "hidden"), checks.count(latent_dim, "latent_dim")
    output_shape = likelihoods.get(likelihood).parameter_shape(input_shape)
    outputs = math.prod(output_shape)

    def dense(h, units, name, activation=None, decay=0.0):
        start = "glorot_uniform" if activation else keras.initializers.RandomNormal(stddev=0.01)
        layer = keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=start,
            kernel_regularizer=keras.regularizers.L2(decay * h.shape[-1]) if decay else None,
            name=name,
        )
        return layer(h)

    def network(h, decay=0.0):
        for i, units in enumerate(hidden, start=1):
            h = dense(h, units, f"hidden_{i}", activation, decay)
        return h

    x = keras.Input(input_shape, name="x")
    h = network(parts.flatten("flatten")(read(x, missing, likelihood, limit=4.0)))
    mean, log_var = dense(h, latent_dim, "z_mean"), dense(h, latent_dim, "z_log_var")
    log_var = keras.layers.Activation(soft_bound, name="bound")(log_var)
    encoder = keras.Model(x, [mean, log_var], name="encoder")

    z = keras.Input((latent_dim,), name="z")
    linear = keras.layers.Dense(
        outputs,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.5 / math.sqrt(latent_dim)),
        kernel_regularizer=keras.regularizers.L2(penalty * latent_dim) if penalty else None,
        name="linear",
    )
    h = keras.layers.Add(name="sum")(
        [linear(z), dense(network(z, penalty), outputs, "output", decay=penalty)]
    )
    decoder = keras.Model(z, keras.layers.Reshape(output_shape, name="reshape")(h), name="decoder")

    r = keras.Input((2 * outputs + 2 * latent_dim,), name="residual")
    h = dense(r, hidden[-1] if hidden else latent_dim, "hidden_1", activation)
    return encoder, decoder, keras.Model(r, dense(h, latent_dim, "shift"), name="refinement")
