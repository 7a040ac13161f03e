"""What acts on a running fit. `TensorBoard` is loaded on first use: it needs tensorboard."""

import importlib

from keras_vae.callbacks.kl_warmup import KLWarmup

__all__ = ["KLWarmup", "TensorBoard", "tidy_graph"]

_ON_FIRST_USE = {"TensorBoard": "tensorboard", "tidy_graph": "graphs"}


def __getattr__(name):
    if name in _ON_FIRST_USE:
        module = importlib.import_module(f"{__name__}.{_ON_FIRST_USE[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
