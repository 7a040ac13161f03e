"""Digits and capital letters of 28 x 28 pixels that come with the library: a part of EMNIST.

`characters.bz2` holds 10,880 images at 16 levels of grey; `tools/pack_characters.py` made it, and
`characters.json` is its card. NIST (Cohen, Afshar, Tapson, van Schaik 2017), from NIST Special
Database 19; public domain.
"""

import bz2
import pathlib

import numpy as np

from keras_vae.datasets._parts import limited

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Images of each character, digits and letters; the file holds those of "0" first.
TRAIN = [320] * 10 + [240] * 26
TEST = [40] * 36

_FILE = pathlib.Path(__file__).with_suffix(".bz2")
_CLASSES = {"all": CHARACTERS, "digits": CHARACTERS[:10], "letters": CHARACTERS[10:]}


def load_characters(classes="all", limit=None, seed=0):
    """Handwritten digits and capital letters, 28 x 28 pixels, without a download.

    A small letter whose form is that of the capital counts as one.

    Args:
        classes: str. `"digits"`, `"letters"`, or `"all"` 36. Defaults to `"all"`.
        limit: int. At most this many images of each part, the classes in proportion. Defaults to
            `None`, all.
        seed: int. Fixes the choice. Defaults to `0`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(n, 28, 28, 1)`, float32 in
        [0, 1]; labels int64, positions in "0...9", "A...Z" or "0...9A...Z". To train there are 320
        images of each digit and 240 of each letter, to test 40 of each.

    Raises:
        ValueError: an argument is invalid.

    Example:

    >>> (x_train, y_train), (x_test, y_test) = load_characters("digits")
    >>> x_train.shape, x_test.shape
    ((3200, 28, 28, 1), (400, 28, 28, 1))
    """
    if classes not in _CLASSES:
        raise ValueError(f"classes is {classes!r}; expected one of {sorted(_CLASSES)}.")
    pairs = np.frombuffer(bz2.decompress(_FILE.read_bytes()), "uint8").reshape(-1, 14, 28)
    levels = np.stack([pairs >> 4, pairs & 15], axis=2).reshape(-1, 28, 28, 1)
    parts, start = [], 0
    for counts in (TRAIN, TEST):
        images = levels[start : start + sum(counts)]
        labels = np.repeat([_CLASSES[classes].find(character) for character in CHARACTERS], counts)
        start += len(images)
        order = np.random.default_rng(0).permutation(len(images))
        order = order[labels[order] >= 0]
        x, y = limited(images[order], labels[order], limit, seed)
        parts.append((x / np.float32(15), y))
    return tuple(parts)
