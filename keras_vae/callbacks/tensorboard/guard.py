"""Errors in logging must not stop a training: they become warnings."""

import functools
import warnings

import tensorflow as tf


def never_fails(kind):
    """Decorator of a method that logs one kind, and runs only while `kind` is in `self._on`.

    An error becomes a warning and removes the kind from the set; an error of the disk removes all.
    """

    def decorate(method):
        @functools.wraps(method)
        def guarded(self, *args):
            if kind not in self._on:
                return None
            try:
                return method(self, *args)
            except Exception as error:
                if _is_of_disk(error):
                    self._on.clear()
                    what = f"cannot write to {self.log_dir}"
                else:
                    self._on.discard(kind)
                    what = f"leaves out the {kind}"
                text = f"TensorBoard {what}: {reason_of(error)}. Training goes on without."
                warnings.warn(text, stacklevel=2)

        return guarded

    return decorate


def reason_of(error):
    """One line that says what went wrong; TensorFlow puts the reason last in errors of files."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (text.split("; ")[-1] if _is_of_disk(error) else text).rstrip(".")


def _is_of_disk(error):
    own = isinstance(error, tf.errors.ResourceExhaustedError | tf.errors.InvalidArgumentError)
    return isinstance(error, (OSError, tf.errors.OpError)) and not own
