"""KL warm-up: the latents learn something before the KL term has its full weight.

    beta(e) = start + (end - start) * min(1, e / epochs)      in epoch e of the model

The lecture's first remedy for uninformative latents (row C2; Bowman 2016, Sonderby 2016).
"""

import warnings

import keras

from keras_vae import checks


class KLWarmup(keras.callbacks.Callback):
    """Raise the weight of the KL term linearly over the first epochs of a model.

    The schedule counts the epochs that the model has seen, so a second or resumed `fit` continues
    it. The log `beta` holds the weight of each epoch.

    The loss changes with beta, so its values cannot be compared between epochs of the warm-up: a
    callback that monitors `val_loss` stops, or saves, at the wrong epoch. Monitor the bound, which
    does not depend on beta: `EarlyStopping("val_elbo", mode="max")`.

    Args:
        epochs: int. Epochs until `end` is reached, at least 1. Defaults to `10`.
        start: float. Beta of the first epoch, at least 0. Defaults to `0.0`.
        end: float. Beta after the warm-up, at least 0. Defaults to `1.0`.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> KLWarmup(epochs=4).beta(2)
    0.5
    """

    def __init__(self, epochs=10, start=0.0, end=1.0):
        super().__init__()
        self.epochs = checks.count(epochs, "epochs")
        self.start = checks.number(start, "start")
        self.end = checks.number(end, "end")
        self._current = None
        self._others = ()

    def beta(self, epoch):
        """The weight in epoch `epoch` of the model, counted from 0."""
        return self.start + (self.end - self.start) * min(1.0, epoch / self.epochs)

    def before_fit(self, callbacks):
        """`fit` calls this before it starts, with all its callbacks."""
        self._others = callbacks

    def on_epoch_begin(self, epoch, logs=None):
        # Not in `on_train_begin`, in which `BackupAndRestore` may restore the epochs seen.
        if self.model.epochs_seen < self.epochs and self.start != self.end:
            self._warn_about_monitors()
        self._others = ()
        self.model.beta = self._current = self.beta(self.model.epochs_seen)

    def _warn_about_monitors(self):
        for callback in self._others:
            monitor = getattr(callback, "monitor", None)
            # ModelCheckpoint has a monitor but ignores it, unless it saves the best weights only.
            if monitor in ("loss", "val_loss") and getattr(callback, "save_best_only", True):
                warnings.warn(
                    f"{type(callback).__name__} monitors {monitor!r}, which cannot be compared "
                    f"between epochs while KLWarmup changes beta. Monitor "
                    f"{monitor.replace('loss', 'elbo')!r} with mode='max' instead.",
                    stacklevel=2,
                )

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["beta"] = self._current

    def after_fit(self):
        """`fit` calls this last, since `restore_best_weights` restores an old beta too."""
        if self._current is not None:
            self.model.beta = self._current
