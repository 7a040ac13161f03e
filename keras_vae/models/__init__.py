"""The models; tests and the README's table read `__all__`."""

from keras_vae.models.autoencoder import Autoencoder
from keras_vae.models.conditional_vae import ConditionalVAE
from keras_vae.models.vae import VAE

__all__ = ["VAE", "Autoencoder", "ConditionalVAE"]
