"""Patterns of missing values: masks, which are True where a value is known.

    mask = masks.half(x.shape, "lower")
    x_with_nan = masks.hide(x, mask)
    data = batching.batches(x_train, 128, seed=1).map(masks.holes(bank, seed=1))  # (with NaN, x)

A mask has the shape of the data, `(n, ...)`; in an image all channels of a pixel are missing
together. Patterns by their cause (Rubin 1976): `at_random` and those of images are missing
completely at random; `by_column` is missing at random, that is by values that are known.
"""

import numpy as np
import tensorflow as tf

from keras_vae import checks

SIDES = ("lower", "upper", "left", "right")


def hide(x, mask):
    """x with NaN where the mask is False: float32, or float64 if x is.

    Raises:
        ValueError: the mask has another shape than x.
    """
    x, mask = np.asarray(x), np.asarray(mask, bool)
    if mask.shape != x.shape:
        raise ValueError(f"mask has shape {mask.shape}; expected {x.shape}, that of x.")
    return np.where(mask, x, np.nan).astype(x.dtype if x.dtype.kind == "f" else "float32")


def at_random(shape, missing=0.5, seed=0):
    """Each pixel, or each value of a table, is missing with probability `missing`."""
    missing = checks.number(missing, "missing", most=1.0)
    return _of_pixels(shape, np.random.default_rng(seed).random(_pixels(shape)) >= missing)


def half(shape, side="lower"):
    """The lower, upper, left or right half of each image is missing."""
    if side not in SIDES:
        raise ValueError(f"side is {side!r}; expected one of {SIDES}.")
    height, width = _size(shape)
    known = np.ones((shape[0], height, width), bool)
    rows, columns = {
        "lower": (slice(height // 2, None), slice(None)),
        "upper": (slice(height // 2), slice(None)),
        "left": (slice(None), slice(width // 2)),
        "right": (slice(None), slice(width // 2, None)),
    }[side]
    known[:, rows, columns] = False
    return _of_pixels(shape, known)


def fifths(shape):
    """The Thesis's structured pattern: of five fifths, one misses each half, one is whole.

    The first fifth of the images misses the lower half, the next ones the upper, the left and the
    right one; the last fifth is whole.
    """
    masks = np.stack([half(shape, side) for side in SIDES] + [np.ones(shape, bool)])
    return masks[5 * np.arange(shape[0]) // max(shape[0], 1), np.arange(shape[0])]


def square(shape, size, seed=0):
    """A square of `size` pixels, somewhere in each image, is missing."""
    size, (height, width) = checks.count(size, "size"), _size(shape)
    if size > min(height, width):
        raise ValueError(f"size is {size}; expected at most {min(height, width)}.")
    rng = np.random.default_rng(seed)
    top = rng.integers(0, height - size + 1, (shape[0], 1, 1))
    left = rng.integers(0, width - size + 1, (shape[0], 1, 1))
    row, column = np.arange(height)[:, None], np.arange(width)
    inside = (top <= row) & (row < top + size) & (left <= column) & (column < left + size)
    return _of_pixels(shape, ~inside)


def varied(shape, seed=0):
    """By turns at random, a share of 20 to 90 %, and one of the four halves: for training."""
    rng = np.random.default_rng(seed)
    missing = rng.uniform(0.2, 0.9, (shape[0], *[1] * (len(_pixels(shape)) - 1)))
    random = _of_pixels(shape, rng.random(_pixels(shape)) >= missing)
    choices = np.stack([random] * 4 + [half(shape, side) for side in SIDES])
    return choices[rng.integers(0, len(choices), shape[0]), np.arange(shape[0])]


def by_column(x, missing=0.3, seed=0):
    """A value is the more probably missing, the larger another value of its row is.

    Each column has one other column, drawn at random, that decides. The share of missing values in
    a column is `missing` on average.

    Args:
        x: array `(n, columns)`, complete.
    """
    x = np.asarray(x, "float64")
    missing, rng = checks.number(missing, "missing", most=1.0), np.random.default_rng(seed)
    rows, columns = x.shape
    ranks = (np.argsort(np.argsort(x, axis=0), axis=0) + 0.5) / rows
    other = (np.arange(columns) + rng.integers(1, max(columns, 2), columns)) % columns
    # From 0 to twice the share along the ranks, or down to 2 * missing - 1 where that exceeds 1.
    low = max(0.0, 2 * missing - 1)
    return rng.random(x.shape) >= low + (2 * missing - 2 * low) * ranks[:, other]


def holes(bank, seed=None):
    """A function for `tf.data.Dataset.map` from x to (x with holes, x), new ones in every epoch.

    Args:
        bank: array of masks, `(m, ...)`; each example takes one of them at random.
        seed: int. Fixes the choice. Defaults to `None`: others in each process.
    """
    generator = tf.random.Generator.from_non_deterministic_state()
    if seed is not None:
        generator = tf.random.Generator.from_seed(checks.seed(seed))
    bank = tf.constant(np.asarray(bank, bool))

    def apply(x):
        chosen = generator.uniform((tf.shape(x)[0],), maxval=tf.shape(bank)[0], dtype="int32")
        x = tf.cast(x, "float32")
        return tf.where(tf.gather(bank, chosen), x, np.float32(np.nan)), x

    return apply


def _size(shape):
    if len(shape) not in (3, 4):
        raise ValueError(
            f"shape is {tuple(shape)}; this pattern needs images, (n, height, width[, channels])."
        )
    return shape[1:3]


def _pixels(shape):
    return tuple(shape[:3]) if len(shape) == 4 else tuple(shape)


def _of_pixels(shape, known):
    """A mask of pixels as one of all channels."""
    return np.broadcast_to(known[..., None], shape).copy() if len(shape) == 4 else known
