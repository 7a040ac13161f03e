"""Applications of a trained model, each in a file, with its classical baselines beside it."""

from keras_vae.tasks import anomaly_detection, anomaly_scores, denoising, noise

__all__ = ["anomaly_detection", "anomaly_scores", "denoising", "noise"]
