"""Applications of a trained model, each in a file, with its classical baselines beside it."""

from keras_vae.tasks import denoising, noise

__all__ = ["denoising", "noise"]
