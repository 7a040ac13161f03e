"""KL warm-up: let the latents learn something before the KL term weighs on them.

    beta(e) = start + (end - start) * min(1, e / epochs)      in epoch e of the model

The first cure that the lecture names for uninformative latents (row C2; Bowman 2016, Sonderby
2016).
"""

import math
import numbers

import keras


class KLWarmup(keras.callbacks.Callback):
    """Raise the weight of the KL term linearly over the first epochs of a model's life.

    It counts the epochs that the model has seen, so that a second or a resumed `fit` goes on where
    the last one stopped. The beta of each epoch is logged as `beta`.

    Args:
        epochs: int. Epochs until `end` is reached, at least 1. Defaults to `10`.
        start: float. Beta of the first epoch, at least 0. Defaults to `0.0`.
        end: float. Beta from then on. Defaults to `1.0`.

    Example:

    >>> KLWarmup(epochs=4).beta(2)
    0.5
    """

    def __init__(self, epochs=10, start=0.0, end=1.0):
        super().__init__()
        if not isinstance(epochs, numbers.Integral) or epochs < 1:
            raise ValueError(f"epochs is {epochs!r}; expected an int of at least 1.")
        if not (0 <= start < math.inf and 0 <= end < math.inf):
            raise ValueError(f"start is {start} and end is {end}; beta is finite, never below 0.")
        self.epochs = epochs
        self.start = start
        self.end = end
        self._current = None

    def beta(self, epoch):
        """The weight in epoch `epoch` of the model, counted from 0."""
        return self.start + (self.end - self.start) * min(1.0, epoch / self.epochs)

    def on_epoch_begin(self, epoch, logs=None):
        self.model.beta = self._current = self.beta(self.model.epochs_seen)

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["beta"] = self._current

    def after_fit(self):
        """Called by `fit` at its very end: `restore_best_weights` puts back an old beta too."""
        if self._current is not None:
            self.model.beta = self._current
