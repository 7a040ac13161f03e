"""Models by the names that people search for, each a few lines over `networks` and `models`.

    vae = keras_vae.zoo.conv_vae((28, 28, 1), latent_dim=16, filters=(32, 64))
    vae.compile(optimizer="adam")
    vae.fit(x)

Each takes `likelihood` and `seed`, and what its builder in `networks` takes (`hidden`, `filters`,
`batch_norm`, ...), and raises what builder and model raise. What a docstring says behind "By parts"
makes the same model; the README's table is made from these docstrings.
"""

from keras_vae import networks, priors
from keras_vae.models import VAE, Autoencoder, ConditionalVAE

__all__ = ["autoencoder", "beta_vae", "conditional_vae", "conv_vae", "dense_vae"]


def autoencoder(input_shape, latent_dim, likelihood="bernoulli", seed=None, **network):
    """The deterministic autoencoder, dense: the baseline without noise and prior.

    By parts: `Autoencoder(*networks.dense(input_shape, latent_dim, variational=False))`
    Paper: Hinton and Salakhutdinov 2006
    Tutorial: 01_image_generation
    """
    networks_ = networks.dense(
        input_shape, latent_dim, likelihood=likelihood, variational=False, **network
    )
    return Autoencoder(*networks_, likelihood=likelihood, seed=seed)


def dense_vae(input_shape, latent_dim, likelihood="bernoulli", seed=None, **network):
    """A VAE with fully connected networks, for vectors and small images.

    By parts: `VAE(*networks.dense(input_shape, latent_dim))`
    Paper: Kingma and Welling 2014
    Tutorial: 01_image_generation
    """
    networks_ = networks.dense(input_shape, latent_dim, likelihood=likelihood, **network)
    return VAE(*networks_, likelihood=likelihood, seed=seed)


def conv_vae(input_shape, latent_dim, likelihood="bernoulli", seed=None, **network):
    """A VAE with convolutional networks, for images of any size.

    By parts: `VAE(*networks.conv(input_shape, latent_dim))`
    Paper: Kingma and Welling 2014
    Tutorial: 01_image_generation
    """
    networks_ = networks.conv(input_shape, latent_dim, likelihood=likelihood, **network)
    return VAE(*networks_, likelihood=likelihood, seed=seed)


def beta_vae(input_shape, latent_dim, beta=4.0, likelihood="bernoulli", seed=None, **network):
    """A VAE whose KL term weighs beta: more than 1 for latents of one meaning each.

    By parts: `VAE(*networks.dense(input_shape, latent_dim), beta=4.0)`
    Paper: Higgins 2017
    Tutorial: 02_tensorboard
    """
    networks_ = networks.dense(input_shape, latent_dim, likelihood=likelihood, **network)
    return VAE(*networks_, likelihood=likelihood, beta=beta, seed=seed)


def conditional_vae(
    input_shape, latent_dim, condition, components=10, likelihood="bernoulli", seed=None, **network
):
    """A VAE of x given a class, a vector or an image: what it generates is what one asks for.

    By parts: `ConditionalVAE(*networks.dense(input_shape, latent_dim, condition=condition),
        prior=priors.Mixture(latent_dim, components=10, condition=condition))`
    Paper: Sohn 2015
    Tutorial: 03_conditional_generation
    """
    networks_ = networks.dense(
        input_shape, latent_dim, likelihood=likelihood, condition=condition, **network
    )
    prior = priors.Mixture(latent_dim, components, condition)
    return ConditionalVAE(*networks_, likelihood=likelihood, prior=prior, seed=seed)
