"""CIFAR-10: 60,000 colour images of 32 x 32 pixels in ten classes.

The classes: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck. The loader looks
in `$KERAS_HOME/datasets/` (`~/.keras` if the variable is not set) for the folder of the published
batches, at the place where Keras puts it, then for a part of it in the same format,
`cifar10_subset/`. If neither is there, Keras downloads the whole once, 170 MB.

Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images". Terms: none are stated.
"""

import pickle
import warnings

import keras
import numpy as np

from keras_vae.datasets._parts import damaged, folder_of, limited, missing, short

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_FOLDERS = ("cifar-10-batches-py-target", "cifar10_subset")
_BATCHES = [f"data_batch_{number}" for number in range(1, 6)], ["test_batch"]
_COUNTS = "50,000 + 10,000"
_LUMA = (299, 587, 114)  # thousandths of red, green and blue in grey (ITU-R BT.601)
_ALLOWED = {  # the first is in one module of NumPy or another
    "_reconstruct": np.zeros(0).__reduce__()[0],
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}


def load_cifar10(limit=None, seed=0, grey=False):
    """CIFAR-10, small photographs, from files on disk, or else downloaded by Keras.

    Args:
        limit: int. At most this many images of each part, the classes in proportion. Defaults to
            `None`, all.
        seed: int. Fixes the choice. Defaults to `0`.
        grey: bool. Return grey images, the luma of ITU-R BT.601. Defaults to `False`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(50000, 32, 32, 3)` and
        `(10000, 32, 32, 3)`, or one channel if `grey`, float32 in [0, 1]; labels int64, 0 to 9.
        A part on disk has fewer; the loader then warns.

    Raises:
        ValueError: `limit` is invalid, or a file on disk is damaged.
        OSError: files are missing and cannot be downloaded.
    """
    places = [folder_of(name) / "cifar-10-batches-py" for name in _FOLDERS]
    folder = next((place for place in places if place.exists()), None)
    if folder is None:
        parts = _download(places[0])
    else:
        parts = [_part(folder, names) for names in _BATCHES]
        counts = " + ".join(f"{len(labels):,}" for _, labels in parts)
        if counts != _COUNTS:
            warnings.warn(f"{folder} holds {counts} of the {_COUNTS} images.", stacklevel=2)
    parts = (limited(images, labels, limit, seed) for images, labels in parts)
    return tuple((_scaled(images, grey), labels) for images, labels in parts)


def _part(folder, names):
    images, labels = zip(*(_batch(folder / name) for name in names), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _scaled(images, grey):
    images = images.astype("float32")
    if grey:
        images = (images @ np.array(_LUMA, "float32"))[..., np.newaxis] / 1000
    return images / 255


class _Arrays(pickle.Unpickler):
    """Reads arrays and plain values alone, so that a file cannot run code."""

    def find_class(self, module, name):
        if module.partition(".")[0] == "numpy" and name in _ALLOWED:
            return _ALLOWED[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _batch(path):
    """A pickle of Python 2: a row of `data` is a red, a green and a blue plane."""
    if not path.exists():
        raise missing(path, f"{_ORIGIN}, unpack it,")
    try:
        with path.open("rb") as file:
            batch = _Arrays(file, encoding="bytes").load()
        images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = np.array(batch[b"labels"], "int64")
        if images.dtype != "uint8" or labels.shape != images.shape[:1]:
            raise ValueError(f"{len(labels)} labels of {images.dtype} images {images.shape}")
    except Exception as error:
        raise damaged(path, f"expected a batch of CIFAR-10 ({short(error)})") from None
    return images, labels


def _download(folder):
    try:
        parts = keras.datasets.cifar10.load_data()
    except Exception as error:
        raise OSError(
            f"CIFAR-10 could not be downloaded by keras.datasets ({short(error)}); unpack "
            f"{_ORIGIN} into {folder.parent}."
        ) from None
    axis = 1 if keras.config.image_data_format() == "channels_first" else -1
    return [
        (np.moveaxis(images, axis, -1), labels.ravel().astype("int64")) for images, labels in parts
    ]
