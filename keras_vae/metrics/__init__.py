"""Metrics of arrays: NumPy arrays in, floats out."""

from keras_vae.metrics.images import mae, psnr, rmse, ssim
from keras_vae.metrics.latents import active_units, kl_decomposition
from keras_vae.metrics.ranking import ndcg
from keras_vae.metrics.representations import (
    dci,
    factor_vae_score,
    mutual_information,
    mutual_information_gap,
)

__all__ = [
    "active_units",
    "dci",
    "factor_vae_score",
    "kl_decomposition",
    "mae",
    "mutual_information",
    "mutual_information_gap",
    "ndcg",
    "psnr",
    "rmse",
    "ssim",
]
