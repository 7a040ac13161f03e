"""What a call refuses, each with one sentence: what was received, what is expected, what to do."""

import math
import numbers

import keras
import numpy as np

from keras_vae import batching


def inner_shape(shape):
    """A shape without its batch axis."""
    return tuple(shape)[1:]


def check_compiled(model):
    """`loss=` and `metrics=` would be ignored by the step, without a word (KERAS3 1.2)."""
    if not model.compiled:
        raise ValueError(
            f"This {type(model).__name__} is not compiled; call compile(optimizer='adam') first."
        )
    try:
        config = model.get_compile_config()
    except (NotImplementedError, TypeError):
        return  # an optimizer or a schedule of the user's own that has no config
    for name in ("loss", "metrics", "weighted_metrics"):
        if config.get(name) is not None:
            raise ValueError(
                f"compile() was given {name}=, which this {type(model).__name__} would ignore: "
                f"it brings its own loss. Compile without {name}."
            )


def check_input(array, shape, name):
    """The rank and size of an array of examples, against the shape that a network takes."""
    if shape is not None and not same_shape(inner_shape(array.shape), shape):
        expected = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{name} has shape {array.shape}; expected (n, {expected}), "
            "one example along the first axis."
        )


def check_target(array, shape, name):
    if not same_shape(inner_shape(array.shape), shape):
        raise ValueError(
            f"{name} has shape {array.shape}; as the target it must have the shape of the data, "
            f"{('n', *shape)}. Labels are no targets of this model: leave them out."
        )


def check_finite(array, name, accepts_missing=False):
    """NaN and infinity are refused; NaN is let through where it means 'missing'."""
    if array.dtype.kind != "f":
        return
    ignoring_nan = accepts_missing and not np.isnan(array).all()
    low = np.nanmin(array) if ignoring_nan else np.min(array)
    high = np.nanmax(array) if ignoring_nan else np.max(array)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name} holds NaN or infinity; remove or replace these values.")


def unpacked(data, name):
    """x, y, sample_weight of a tuple of one to three."""
    if isinstance(data, (tuple, list)) and not 1 <= len(data) <= 3:
        raise ValueError(
            f"{name} is a tuple of {len(data)}; expected x, (x, y) or (x, y, sample_weight)."
        )
    return keras.utils.unpack_x_y_sample_weight(data)


def check_lengths(**arrays):
    """All arrays that are given have the same number of rows."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ValueError(f"{sizes} rows; they must be as many.")


def check_weight_shape(sample_weight):
    shape = tuple(sample_weight.shape)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(f"sample_weight has shape {shape}; expected (n,), one weight an example.")


def check_weights(sample_weight, name):
    check_weight_shape(sample_weight)
    check_finite(sample_weight, name)
    if sample_weight.min() < 0:
        raise ValueError(f"{name} has values below 0; weights are never negative.")


def weights_of_classes(class_weight, y):
    """`class_weight` as one weight for each example, by its integer label."""
    if y is None or y.ndim != 1 or y.dtype.kind not in "biu":
        raise ValueError(
            "class_weight needs an array of integer labels, shape (n,), as y; "
            "give sample_weight, one weight an example, instead."
        )
    return np.array([class_weight.get(int(label), 1.0) for label in y], "float32")


def split_point(rows, validation_split):
    """Where the last fraction of the rows begins, as Keras cuts it."""
    cut = math.floor(rows * (1 - validation_split))
    if not 0 < cut < rows:
        raise ValueError(
            f"validation_split is {validation_split}, which leaves {rows - cut} of {rows} examples "
            "to validate on; both parts need at least one."
        )
    return cut


def check_count(number, name, least):
    is_int = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    if np.ndim(number):
        raise ValueError(
            f"{name} is an array; expected an int. A condition is given as condition=, by name."
        )
    if not is_int or number < least:
        raise ValueError(f"{name} is {number!r}; expected an int of at least {least}.")


def checked_seed(seed):
    """The seed as Python's int, or None."""
    if seed is None:
        return None
    check_count(seed, "seed", least=0)
    if seed >= 2**32:
        raise ValueError(f"seed is {seed}; expected an int below 2**32.")
    return int(seed)


def checked_condition(model, condition, rows, one_for_all=False):
    """The condition as an array that the model can read, one row an example; None if it reads none.

    With `one_for_all` a single condition may stand for all rows.
    """
    reads = model.roles(None, condition)[2] is not None  # a model that needs one says so here
    if condition is None:
        return None
    if not reads:
        raise TypeError(f"This {type(model).__name__} reads no condition; leave it out.")
    if one_for_all and np.ndim(condition) == len(model.condition_shape or ()):
        condition = np.repeat(np.asarray(condition)[np.newaxis], rows, axis=0)
    condition = batching.to_array(condition, "condition")
    if len(condition) != rows:
        raise ValueError(f"condition has {len(condition)} rows; expected {rows}, one an example.")
    check_condition(condition, model.condition)
    check_condition_values(condition, model.condition)
    return condition


def check_condition(condition, reads, name="condition"):
    """Shape and type of conditions, an array or a tensor, as far as one knows what is read."""
    shape = () if isinstance(reads, int) else reads
    if shape is not None and not same_shape(inner_shape(condition.shape), shape):
        expected = "(n,), a label each" if shape == () else f"(n, {', '.join(map(str, shape))})"
        raise ValueError(
            f"{name} has shape {tuple(condition.shape)}; expected {expected}, which is what this "
            "model reads."
        )
    dtype = keras.backend.standardize_dtype(condition.dtype)
    if isinstance(reads, int) and not dtype.startswith(("int", "uint", "bool")):
        raise ValueError(
            f"{name} holds floats; this model reads integer labels from 0 to {reads - 1}."
        )


def check_condition_values(condition, reads, name="condition"):
    """Labels that are known, or finite numbers."""
    if not isinstance(reads, int):
        check_finite(condition, name)
    elif condition.min() < 0 or condition.max() >= reads:
        raise ValueError(
            f"{name} has labels from {condition.min()} to {condition.max()}; this model knows the "
            f"classes 0 to {reads - 1}."
        )


def check_beta(beta):
    try:
        value = float(beta)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"beta is {beta!r}; expected a number of at least 0.")
    return value


def check_in_memory(x, name="x"):
    if not batching.is_array(x):
        raise TypeError(
            f"{name} is a {type(x).__name__}; expected an array of examples, shape (n, ...)."
        )


def same_shape(shape, expected):
    """Whether two shapes agree, None standing for any size."""
    return len(shape) == len(expected) and all(
        None in (m, n) or m == n for m, n in zip(shape, expected, strict=True)
    )
