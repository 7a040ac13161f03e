# ruff: noqa: F403, F405
"""keras_vae: variational autoencoders in Keras 3 on TensorFlow.

    from keras_vae import VAE, datasets, networks, plotting

Importing it imports Keras, and neither matplotlib nor scikit-learn nor TensorBoard: the modules
that need those (`datasets`, `plotting`, `tasks`) are loaded on first use.
"""

import importlib

from keras_vae import (
    batching,
    callbacks,
    distributions,
    likelihoods,
    metrics,
    models,
    networks,
    noise,
    optimizers,
    pretrained,
    priors,
    results,
    zoo,
)
from keras_vae.pretrained import load_pretrained
from keras_vae.zoo import *  # the classes of all models

__version__ = "0.2.0"

_ON_FIRST_USE = ("datasets", "plotting", "tasks")

__all__ = [
    *zoo.__all__,
    "batching",
    "callbacks",
    "datasets",
    "distributions",
    "likelihoods",
    "load_pretrained",
    "metrics",
    "models",
    "networks",
    "noise",
    "optimizers",
    "plotting",
    "pretrained",
    "priors",
    "results",
    "tasks",
    "zoo",
]


def __getattr__(name):
    if name in _ON_FIRST_USE:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_ON_FIRST_USE])
