"""Applications of trained models, one per file, each with classical baselines."""

from keras_vae.tasks import (
    anomaly_detection,
    anomaly_scores,
    denoising,
    filling,
    imputation,
    masks,
    noise,
    recommendation,
)

__all__ = [
    "anomaly_detection",
    "anomaly_scores",
    "denoising",
    "filling",
    "imputation",
    "masks",
    "noise",
    "recommendation",
]
