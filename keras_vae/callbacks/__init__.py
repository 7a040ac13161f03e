"""What acts on a running fit."""

from keras_vae.callbacks.kl_warmup import KLWarmup

__all__ = ["KLWarmup"]
