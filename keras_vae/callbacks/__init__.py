"""Callbacks for `fit`: schedules, and TensorBoard, which is imported on first use."""

import importlib

from keras_vae.callbacks.kl_warmup import KLWarmup

__all__ = ["KLWarmup", "TensorBoard", "tidy_graph"]

_OF_TENSORBOARD = ("TensorBoard", "tidy_graph")


def __getattr__(name):
    if name in _OF_TENSORBOARD:
        return getattr(importlib.import_module(f"{__name__}.tensorboard"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
