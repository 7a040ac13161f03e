"""Schedules: the weight of the KL term, or its capacity, follows the epochs of a model.

    KLWarmup            beta rises once: the latents learn something before they cost their full
                        price (Bowman 2016, Sonderby 2016; lecture row C2)
    CyclicalBeta        beta rises again and again (Fu 2019)
    CapacityIncrease    C of the KL term |KL - C| rises once (Burgess 2018)

Each counts the epochs that the model has seen, so that a second or resumed `fit` goes on. The log
of the same name, `beta` or `capacity`, holds the value of each epoch, for TensorBoard too.

The loss changes with the schedule, so its values cannot be compared between epochs: a callback that
monitors `val_loss` stops, or saves, at the wrong epoch, and gets a warning. Monitor the bound:
`EarlyStopping("val_elbo", mode="max")`.
"""

import warnings

import keras

from keras_vae import checks


class Schedule(keras.callbacks.Callback):
    """Base class: a weight of the model as a function of the epoch.

    A subclass names the `weight`, and defines `value` and `is_over`.
    """

    weight = "beta"

    def __init__(self):
        super().__init__()
        self._current = None
        self._others = ()

    def value(self, epoch):
        """The weight in epoch `epoch` of the model, counted from 0."""
        raise NotImplementedError

    def is_over(self, epoch):
        """Whether the weight keeps its value from this epoch on."""
        raise NotImplementedError

    def before_fit(self, callbacks):
        """`fit` calls this before it starts, with all its callbacks."""
        self._others = callbacks

    def on_epoch_begin(self, epoch, logs=None):
        # Not in `on_train_begin`, in which `BackupAndRestore` may restore the epochs seen.
        if not self.is_over(self.model.epochs_seen):
            warn_about_monitors(self, self._others)
        self._others = ()
        self._current = self.value(self.model.epochs_seen)
        setattr(self.model, self.weight, self._current)

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs[self.weight] = self._current

    def after_fit(self):
        """`fit` calls this last, since `restore_best_weights` restores an old weight too."""
        if self._current is not None:
            setattr(self.model, self.weight, self._current)


class KLWarmup(Schedule):
    """Raise beta linearly over the first epochs of a model.

        beta(e) = start + (end - start) * min(1, e / epochs)

    Args:
        epochs: int. Epochs until `end` is reached, at least 1. Defaults to `10`.
        start: float. Beta of the first epoch, at least 0. Defaults to `0.0`.
        end: float. Beta after the warm-up, at least 0. Defaults to `1.0`.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> KLWarmup(epochs=4).value(2)
    0.5
    """

    def __init__(self, epochs=10, start=0.0, end=1.0):
        super().__init__()
        self.epochs = checks.count(epochs, "epochs")
        self.start = checks.number(start, "start")
        self.end = checks.number(end, "end")

    def value(self, epoch):
        return self.start + (self.end - self.start) * min(1.0, epoch / self.epochs)

    def is_over(self, epoch):
        return epoch >= self.epochs or self.start == self.end

    beta = value  # its name in version 0.1


class CyclicalBeta(KLWarmup):
    """Raise beta linearly in the first part of each cycle, then keep it until the cycle ends.

    In the low part of a cycle the latents learn anew, from a better decoder than before (Fu 2019).

        beta(e) = start + (end - start) * min(1, (e mod epochs) / (rising * epochs))

    Args:
        epochs: int. Epochs of a cycle, at least 2. Defaults to `10`.
        start: float. Beta at the start of each cycle. Defaults to `0.0`.
        end: float. Beta after the rise. Defaults to `1.0`.
        rising: float in (0, 1]. Share of a cycle in which beta rises. Defaults to `0.5`.
        cycles: int. After so many cycles beta stays at `end`. Defaults to `4`.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> [CyclicalBeta(epochs=4, cycles=2).value(epoch) for epoch in range(10)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, epochs=10, start=0.0, end=1.0, rising=0.5, cycles=4):
        super().__init__(checks.count(epochs, "epochs", least=2), start, end)
        self.rising = checks.number(rising, "rising", most=1.0, above=True)
        self.cycles = checks.count(cycles, "cycles")

    def value(self, epoch):
        if self.is_over(epoch):
            return self.end
        share = (epoch % self.epochs) / (self.rising * self.epochs)
        return self.start + (self.end - self.start) * min(1.0, share)

    def is_over(self, epoch):
        return epoch >= self.epochs * self.cycles or self.start == self.end


class CapacityIncrease(KLWarmup):
    """Raise the capacity C of the KL term |KL - C| linearly (Burgess 2018, section 5).

    The model is created with a capacity: `VAE(..., beta=100.0, capacity=0.0)`.

        C(e) = start + (end - start) * min(1, e / epochs)

    Args:
        epochs: int. Epochs until `end` is reached. Defaults to `10`.
        start, end: float. Nats, at least 0. Default to `0.0` and `25.0`.

    Raises:
        ValueError: an argument is out of range; in `fit`, the model has no capacity.

    Example:

    >>> CapacityIncrease(epochs=10, end=25.0).value(2)
    5.0
    """

    weight = "capacity"

    def __init__(self, epochs=10, start=0.0, end=25.0):
        super().__init__(epochs, start, end)


def warn_about_monitors(schedule, callbacks):
    """Warn of each callback that monitors the loss while this schedule changes what it means."""
    name = type(schedule).__name__
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        # ModelCheckpoint has a monitor but ignores it, unless it saves the best weights only.
        if monitor in ("loss", "val_loss") and getattr(callback, "save_best_only", True):
            warnings.warn(
                f"{type(callback).__name__} monitors {monitor!r}, which cannot be compared "
                f"between epochs while {name} changes {schedule.weight}. Monitor "
                f"{monitor.replace('loss', 'elbo')!r} with mode='max' instead.",
                stacklevel=2,
            )
