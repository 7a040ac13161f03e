"""TensorBoard for every model of this library: the callback, and the model's graph as a drawing."""

from keras_vae.callbacks.tensorboard.callback import KINDS, TensorBoard
from keras_vae.callbacks.tensorboard.graphs import tidy_graph

__all__ = ["KINDS", "TensorBoard", "tidy_graph"]
