"""Shared by the tasks: checks of arguments, shapes of arrays, reproducible training, inference."""

import contextlib
import math
import random
import warnings

import keras
import numpy as np
import tensorflow as tf
from scipy import linalg

from keras_vae import checks, optimizers


@contextlib.contextmanager
def initial_weights_from(seed):
    """Within this context, the seed fixes the initial weights of new layers.

    Keras draws the seed of a layer that has none from Python's global generator. The state of that
    generator is restored afterwards.
    """
    before = random.getstate()
    random.seed(checks.seed(seed))
    try:
        yield
    finally:
        random.setstate(before)


def compile_with_cosine_decay(model, learning_rate, rows, epochs, batch_size, loss=None):
    """Compile a model for a single `fit`, during which the learning rate decays to 0.

    Args:
        model: keras.Model.
        learning_rate: float. Initial learning rate of Adam.
        rows, epochs, batch_size: int. Size of the training set, and arguments of `fit`.
        loss: loss of a model that does not define its own. Defaults to `None`.
    """
    steps = epochs * math.ceil(rows / batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(optimizers.Adam(rate), loss=loss, steps_per_execution=16)


def climb(log_joint, z, steps, learning_rate):
    """The z that explains the data of each row best, by gradient steps.

    For each row separately, Adam climbs from the given z; the best z that it visits is kept.

    Args:
        log_joint: function. z, a tensor `(batch, ...)`, to log p(x, z), `(batch,)`.
        z: tensor. Where to start.
        steps: int tensor. Number of gradient steps.
        learning_rate: float. Learning rate of Adam, in latent space.
    """

    def step(i, z, mean, square, best, highest):
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = log_joint(z)
        gradient = tape.gradient(value, z)
        better = value > highest
        best = tf.where(tf.reshape(better, (-1, *[1] * (len(z.shape) - 1))), z, best)
        highest = tf.where(better, value, highest)
        # Adam (Kingma and Ba 2015, algorithm 1), which treats each latent separately
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        t = tf.cast(i + 1, "float32")
        stride = (mean / (1 - 0.9**t)) / (tf.sqrt(square / (1 - 0.999**t)) + 1e-8)
        return i + 1, z + learning_rate * stride, mean, square, best, highest

    z = tf.cast(z, "float32")
    nothing = tf.zeros_like(z)
    start = (0, z, nothing, nothing, z, tf.fill(tf.shape(z)[:1], -math.inf))
    # The additional iteration only evaluates the result of the last step.
    return tf.while_loop(lambda i, *_: i <= steps, step, start)[4]


def check_arguments(arguments):
    """Check the arguments of an estimator, a dict. Only the names listed here are checked."""
    least = {"steps": 0, "epochs": 1, "batch_size": 1, "latent_dim": 1, "neighbours": 1}
    for name, least_value in (least | {"num_samples": 1}).items():
        if name in arguments:
            checks.count(arguments[name], name, least_value)
    if "learning_rate" in arguments:
        checks.number(arguments["learning_rate"], "learning_rate", above=True)
    if "contamination" in arguments:
        checks.number(arguments["contamination"], "contamination", most=0.5, above=True)
    if "variance" in arguments:
        variance = checks.number(arguments["variance"], "variance", most=1.0, above=True)
        if variance == 1:
            raise ValueError("variance is 1; expected a number below 1.")


def check_fitted_to(estimator, x):
    """Check that the rows of x have the shape `shape_` that the estimator was fitted to, if any."""
    if x.shape[1:] != getattr(estimator, "shape_", x.shape[1:]):
        raise ValueError(
            f"x has shape {x.shape}; this {type(estimator).__name__} was fitted to "
            f"{('n', *estimator.shape_)}."
        )


def reshape_for(model, x):
    """x in the shape that the model reads, if its rows have the right number of values."""
    shape = model.signature.x_shape
    fits = shape is not None and None not in shape and math.prod(shape) == math.prod(x.shape[1:])
    return x.reshape(-1, *shape) if fits else x


def solve(covariance, right):
    """covariance^-1 right by Cholesky's factors; constant variables have the solution 0.

    Of a covariance that is singular beside them the solution of least norm, which is slower.

    Args:
        covariance: array `(n, n)`, symmetric, with no negative eigenvalue.
        right: array `(n, m)`.
    """
    varies = covariance.diagonal() > 0
    solution = np.zeros_like(right)
    some, of_some = covariance[np.ix_(varies, varies)], right[varies]
    with warnings.catch_warnings():
        warnings.simplefilter("error", linalg.LinAlgWarning)
        try:
            solution[varies] = linalg.solve(some, of_some, assume_a="pos")
        except (linalg.LinAlgError, linalg.LinAlgWarning):
            solution[varies] = linalg.pinvh(some) @ of_some
    return solution
