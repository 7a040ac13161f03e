"""What a call refuses, in one vocabulary.

Each function returns what it was given in the form that the library works with, or raises one
sentence: what was received, what was expected, what to do.
"""

import functools
import math
import numbers

import keras
import numpy as np

# Numbers -----------------------------------------------------------------------------------


def count(number, name, least=1, below=math.inf):
    """A whole number in [least, below), as Python's int."""
    if np.ndim(number):
        raise ValueError(
            f"{name} is an array; expected an int. A condition is given as condition=, by name."
        )
    is_int = isinstance(number, numbers.Integral) and not isinstance(number, (bool, np.bool_))
    if not (is_int and least <= number < below):
        limit = "" if below == math.inf else f" and below {below}"
        raise ValueError(f"{name} is {number!r}; expected an int of at least {least}{limit}.")
    return int(number)


def sizes(numbers_, name, expected="ints of at least 1", least=0):
    """One size or several, each at least 1 and `least` of them, as a tuple of ints."""
    given = numbers_ if isinstance(numbers_, (tuple, list)) else (numbers_,)
    try:
        found = tuple(count(number, name) for number in given)
    except ValueError:
        found = ()
    if len(found) < max(least, len(given)):
        raise ValueError(f"{name} is {numbers_!r}; expected {expected}.")
    return found


def seed(number):
    """A seed as Python's int below 2**32, or None."""
    return None if number is None else count(number, "seed", least=0, below=2**32)


def number(value, name, least=0.0, most=math.inf, *, above=False):
    """A finite number in [least, most], or with `above` in (least, most], as Python's float."""
    try:
        result = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        result = math.nan
    fits = result > least if above else result >= least
    if not (fits and result <= most and math.isfinite(result)):
        lower = f"above {least:g}" if above else f"of at least {least:g}"
        upper = "" if most == math.inf else f" and at most {most:g}"
        raise ValueError(f"{name} is {value!r}; expected a number {lower}{upper}.")
    return result


def condition_size(condition):
    """What a network or a prior reads: the number of classes; a shape as a tuple; or None."""
    if condition is None:
        return None
    expected = "the number of classes, an int, or the shape of a vector or an image"
    found = sizes(condition, "condition", expected, least=1)
    return found if isinstance(condition, (tuple, list)) else found[0]


# Arrays ------------------------------------------------------------------------------------


def is_array(x):
    """Whether `x` is data in memory: an array, a tensor, a sparse matrix or a list of numbers."""
    in_memory = hasattr(x, "__array__") or hasattr(x, "toarray")
    return in_memory or isinstance(x, (list, str, bytes, int, float, np.generic))


def array(x, name="x"):
    """`x` as a NumPy array of numbers with at least one row: floats as float32, others kept.

    Raises:
        TypeError: it holds no numbers, hides some, or is no array.
        ValueError: it is empty, has no rows, or rows of different length.
    """
    if hasattr(x, "as_numpy_iterator"):
        raise TypeError(
            f"{name} is a dataset; a verb takes an array. Where the data do not fit into memory, "
            "call it for each batch: np.concatenate([model.encode(x) for x in dataset])."
        )
    if not is_array(x):
        raise TypeError(
            f"{name} is a {type(x).__name__}; expected an array of examples, shape (n, ...)."
        )
    if hasattr(x, "toarray"):
        raise TypeError(f"{name} is a sparse matrix; expected an array. Give {name}.toarray().")
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise TypeError(
            f"{name} is a masked array that hides values, which would be used all the same; fill "
            "them, with NaN for a model that accepts missing values."
        )
    try:
        found = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} has rows of different length; expected one array.") from error
    if found.dtype.name == "bfloat16":  # NumPy does not count it among the floats
        found = found.astype("float32")
    if found.dtype.kind not in "buif":
        raise TypeError(
            f"{name} has dtype {found.dtype}; expected an array of numbers. Turn words into "
            "numbers first, with sklearn.preprocessing.OneHotEncoder for example."
        )
    if found.ndim == 0:
        raise ValueError(f"{name} is a single number; expected an array of examples.")
    if found.size == 0:
        raise ValueError(f"{name} is empty: its shape is {found.shape}.")
    return found.astype("float32", copy=False) if found.dtype.kind == "f" else found


def finite(array, name, accepts_missing=False):
    """NaN and infinity are refused; NaN passes where it means "missing"."""
    if array.dtype.kind != "f":
        return
    extremes = [array.min(), array.max()]  # NaN if there is one
    if np.isinf(array).any() if accepts_missing else not np.isfinite(extremes).all():
        raise ValueError(f"{name} holds NaN or infinity; remove or replace these values.")


def lengths(**arrays):
    """All arrays that are given have the same number of rows."""
    found = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(found.values())) > 1:
        rows = ", ".join(f"{name} has {n}" for name, n in found.items())
        raise ValueError(f"{rows} rows; they must have equally many.")


def weight_shape(sample_weight):
    """One weight for each example, an array or a tensor."""
    shape = tuple(sample_weight.shape)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(f"sample_weight has shape {shape}; expected (n,), one weight an example.")


def weights(sample_weight, name):
    """An array of weights of examples: finite, never negative."""
    weight_shape(sample_weight)
    finite(sample_weight, name)
    if sample_weight.min() < 0:
        raise ValueError(f"{name} has values below 0; weights are never negative.")


def class_weights(class_weight, y):
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


def per_example(values, like, name):
    """A tensor with one value for each row of `like`, as far as the shapes are known."""
    if len(values.shape) != 1 or values.shape[0] != like.shape[0]:
        raise ValueError(
            f"{name} has shape {tuple(values.shape)}; expected one value for each example, "
            f"({like.shape[0] or 'batch'},). Broadcast what belongs to the whole batch."
        )
    return values


def unpacked(data, name):
    """x, y and sample_weight of a tuple of one to three."""
    if isinstance(data, (tuple, list)) and not 1 <= len(data) <= 3:
        raise ValueError(
            f"{name} is a tuple of {len(data)}; expected x, (x, y) or (x, y, sample_weight)."
        )
    return keras.utils.unpack_x_y_sample_weight(data)


# Shapes ------------------------------------------------------------------------------------


def inner_shape(shape):
    """A shape without its batch axis."""
    return tuple(shape)[1:]


def same_shape(shape, expected):
    """Whether two shapes agree, None standing for any size."""
    return len(shape) == len(expected) and all(
        None in (m, n) or m == n for m, n in zip(shape, expected, strict=True)
    )


def example_shape(array, shape, name, what=None):
    """Refuse an array or tensor whose examples have another shape; `None` fits every shape."""
    if shape is not None and not same_shape(inner_shape(array.shape), shape):
        expected = "(n,)" if shape == () else f"(n, {', '.join(str(m or 'any') for m in shape)})"
        what = what or "one example along the first axis"
        raise ValueError(f"{name} has shape {tuple(array.shape)}; expected {expected}, {what}.")


def conditions(condition, reads, name, unknown=False, values=True):
    """Conditions, an array or a tensor, fit what is read: a number of classes, or a shape.

    Args:
        unknown: bool. A label may be -1.
        values: bool. Whether the values can be looked at, and not the shape alone.
    """
    if condition is None:
        return
    labels = isinstance(reads, int)
    what = "a label each" if labels else "a condition each"
    example_shape(condition, () if labels else reads, name, what)
    dtype = keras.backend.standardize_dtype(condition.dtype)
    if labels and not dtype.startswith(("int", "uint", "bool")):
        raise ValueError(f"{name} holds floats; expected integer labels from 0 to {reads - 1}.")
    if not values:
        return
    condition = np.asarray(condition)
    if not labels:
        finite(condition, name)
    elif not -int(unknown) <= condition.min() <= condition.max() < reads:
        also = ", and -1, which means unknown" if unknown else ""
        raise ValueError(
            f"{name} has labels from {condition.min()} to {condition.max()}; expected 0 to "
            f"{reads - 1}{also}."
        )


class Fixed:
    """Of a layer whose settings are constants of compiled functions: they are assigned once.

    A mixin, first among the bases. It guards the arguments of the constructor.
    """

    def __setattr__(self, name, value):
        before = vars(self).get(name, value)
        changes = before is not value and not np.array_equal(before, value)
        if changes and name in arguments(type(self)):
            raise AttributeError(
                f"{name} of a {type(self).__name__} is fixed when it is made; make another one."
            )
        super().__setattr__(name, value)


@functools.cache
def arguments(cls):
    """Names of the arguments of a constructor, those that the classes above it name too."""
    names = set()
    for each in cls.__mro__:
        code = getattr(vars(each).get("__init__"), "__code__", None)
        if code is not None and each.__module__.split(".")[0] != "keras":
            names |= {*code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]}
    return names
