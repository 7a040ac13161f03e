"""MNIST (LeCun, Cortes, Burges): 70,000 handwritten digits of 28 x 28 pixels.

Terms: Creative Commons Attribution-Share Alike 3.0, as the Keras documentation states them.
"""

import gzip
import hashlib
import os
import pathlib

import keras
import numpy as np

from keras_vae.datasets._parts import limited

# The four published files: name, md5 of the content (the .gz around it may differ).
_FILES = {
    "x_train": ("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
    "y_train": ("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
    "x_test": ("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
    "y_test": ("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
}


def load_mnist(limit=None, seed=0):
    """MNIST, from the four published files on disk, else by Keras's download.

    The IDX files are read where they lie, in `$KERAS_HOME/datasets/mnist/` (`~/.keras` where the
    variable is not set), gzipped or not; their content is checked. A machine without a network
    needs nothing else.

    Args:
        limit: int. At most this many images of each part, the classes in proportion. Defaults to
            `None`, all.
        seed: int. Fixes the choice. Defaults to `0`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(60000, 28, 28, 1)` and
        `(10000, 28, 28, 1)`, float32 in [0, 1]; labels int64, 0 to 9.

    Raises:
        ValueError: a file on disk is damaged.
        OSError: no files on disk, and no download.
    """
    folder = _keras_home() / "datasets" / "mnist"
    parts = {part: _read(folder, name, md5) for part, (name, md5) in _FILES.items()}
    if any(array is None for array in parts.values()):
        parts = _download(folder)
    for part in ("x_train", "x_test"):
        parts[part] = (parts[part][..., np.newaxis] / np.float32(255)).astype("float32")
    for part in ("y_train", "y_test"):
        parts[part] = parts[part].astype("int64")
    return (
        limited(parts["x_train"], parts["y_train"], limit, seed),
        limited(parts["x_test"], parts["y_test"], limit, seed),
    )


def _keras_home():
    return pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras")


def _read(folder, name, md5):
    """The array of one IDX file, gzipped or plain, or None if it is not there."""
    for path, open_file in ((folder / f"{name}.gz", gzip.open), (folder / name, open)):
        if path.exists():
            with open_file(path, "rb") as file:
                content = file.read()
            if hashlib.md5(content).hexdigest() != md5:
                raise ValueError(f"{path} is damaged: its content is not the published one.")
            return _parse_idx(content)
    return None


def _parse_idx(content):
    """IDX: two zero bytes, the type (8: unsigned byte), the rank, the sizes, then the values."""
    rank = content[3]
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _download(folder):
    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    except Exception as error:
        raise OSError(
            "MNIST could not be downloaded (mnist.npz, by keras.datasets); put its four IDX files "
            f"into {folder}, or use load_digits, which needs no network."
        ) from error
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
