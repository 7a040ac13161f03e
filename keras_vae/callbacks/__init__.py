"""Callbacks for `fit`: schedules, and TensorBoard, which is imported on first use."""

import importlib

from keras_vae.callbacks.control_vae import ControlVAE
from keras_vae.callbacks.schedules import CapacityIncrease, CyclicalBeta, KLWarmup

__all__ = [
    "CapacityIncrease",
    "ControlVAE",
    "CyclicalBeta",
    "KLWarmup",
    "TensorBoard",
    "tidy_graph",
]

_OF_TENSORBOARD = ("TensorBoard", "tidy_graph")


def __getattr__(name):
    if name in _OF_TENSORBOARD:
        return getattr(importlib.import_module(f"{__name__}.tensorboard"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
