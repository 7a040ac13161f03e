"""A classifier of latents, the other player of adversarial models."""

import keras

from keras_vae import checks


def discriminator(latent_dim, hidden=(128, 128, 128)):
    """A fully connected network from z to one logit, with leaky ReLUs (Kim and Mnih 2018).

    Args:
        latent_dim: int. Size of z.
        hidden: tuple of ints. Sizes of the hidden layers; the paper has six of 1,000. Defaults to
            `(128, 128, 128)`.

    Returns:
        `keras.Model`: `(batch, latent_dim)` to `(batch, 1)`.

    Example:

    >>> discriminator(2).output_shape
    (None, 1)
    """
    h = z = keras.Input((checks.count(latent_dim, "latent_dim"),), name="z")
    for i, units in enumerate(checks.sizes(hidden, "hidden"), start=1):
        h = keras.layers.Dense(units, name=f"hidden_{i}")(h)
        h = keras.layers.LeakyReLU(0.2, name=f"hidden_{i}_activation")(h)
    return keras.Model(z, keras.layers.Dense(1, name="logit")(h), name="discriminator")
