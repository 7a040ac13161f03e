"""What the tasks share: arguments checked, arrays in a model's shape, a training from a seed."""

import contextlib
import math
import numbers
import random

import keras

from keras_vae.models import checks


@contextlib.contextmanager
def initial_weights_from(seed):
    """New layers take their initial weights from the seed; no global state is left changed.

    Keras seeds what has no seed of its own from Python's generator.
    """
    before = random.getstate()
    random.seed(checks.checked_seed(seed))
    try:
        yield
    finally:
        random.setstate(before)


def compile_falling(model, learning_rate, rows, epochs, batch_size, loss=None):
    """Compile for one `fit` over that many rows, with a learning rate that falls to 0 (cosine).

    Args:
        model: keras.Model.
        learning_rate: float. Of Adam, at the start.
        rows, epochs, batch_size: int. Of the `fit` to come.
        loss: of a model that has none of its own. Defaults to `None`.
    """
    steps = epochs * math.ceil(rows / batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(keras.optimizers.Adam(rate), loss=loss, steps_per_execution=16)


def check_arguments(arguments):
    """Counts and rates among the arguments of an estimator, a dict, by the names they have."""
    least = {"steps": 0, "epochs": 1, "batch_size": 1, "latent_dim": 1, "neighbours": 1}
    for name, least_value in (least | {"num_samples": 1, "max_samples": 2}).items():
        if name in arguments:
            checks.check_count(arguments[name], name, least_value)
    if "learning_rate" in arguments:
        check_rate(arguments["learning_rate"], "learning_rate", math.inf)
    if "contamination" in arguments:
        check_rate(arguments["contamination"], "contamination", 0.5)
    if not 0 < arguments.get("variance", 0.5) < 1:
        raise ValueError(
            f"variance is {arguments['variance']!r}; expected a share between 0 and 1."
        )


def check_rate(value, name, most):
    finite = isinstance(value, numbers.Real) and not isinstance(value, bool) and value < math.inf
    if not (finite and 0 < value <= most):
        at_most = "" if most == math.inf else f" and at most {most:g}"
        raise ValueError(f"{name} is {value!r}; expected a number above 0{at_most}.")


def check_fitted_to(estimator, x):
    """x has rows of the shape that the estimator was fitted to, `shape_`, if it was."""
    if x.shape[1:] != getattr(estimator, "shape_", x.shape[1:]):
        raise ValueError(
            f"x has shape {x.shape}; this {type(estimator).__name__} was fitted to "
            f"{('n', *estimator.shape_)}."
        )


def as_of(model, x):
    """x in the shape that the model reads, if it is a row of as many values."""
    shape = model.x_shape
    fits = shape is not None and None not in shape and math.prod(shape) == math.prod(x.shape[1:])
    return x.reshape(-1, *shape) if fits else x
