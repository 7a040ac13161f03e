"""Logging must never cost a training: what goes wrong costs what is logged, and a sentence."""

import functools
import warnings

import tensorflow as tf


def of_kind(kind):
    """For a method that logs one kind, called while `kind` is in the set `self._on`.

    An error takes the kind out of the set; a folder or a disk that refuses takes out all.
    """

    def decorate(method):
        @functools.wraps(method)
        def guarded(self, *args):
            if kind not in self._on:
                return None
            try:
                return method(self, *args)
            except Exception as error:
                reason = reason_of(error)
                if _is_of_disk(error):
                    self._on.clear()
                    what = f"cannot write to {self.log_dir}"
                else:
                    self._on.discard(kind)
                    what = f"leaves out the {kind}"
                message = f"TensorBoard {what}: {reason}. Training goes on without."
                warnings.warn(message, stacklevel=2)
                return None

        return guarded

    return decorate


def reason_of(error):
    """One line of text; of TensorFlow's sentences about files the reason comes last."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (text.split("; ")[-1] if _is_of_disk(error) else text).rstrip(".")


def _is_of_disk(error):
    own = isinstance(error, tf.errors.ResourceExhaustedError | tf.errors.InvalidArgumentError)
    return isinstance(error, (OSError, tf.errors.OpError)) and not own
