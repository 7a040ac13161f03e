"""MNIST and Fashion-MNIST: 70,000 grey images of 28 x 28 pixels each, in ten classes.

The loaders read the four published IDX files of each from `$KERAS_HOME/datasets/mnist/` and
`.../fashion-mnist/` (`~/.keras` if the variable is not set), gzipped or not, and compare their
checksums. If the files are missing, Keras downloads them once.

MNIST: LeCun, Cortes, Burges; Creative Commons Attribution-Share Alike 3.0, as the Keras
documentation states. Fashion-MNIST: Zalando Research (Xiao, Rasul, Vollgraf 2017); MIT licence.
"""

import keras
import numpy as np

from keras_vae.datasets._parts import content_of, folder_of, limited, parse_idx, short

_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
# md5 of the content of each file
_MNIST = {
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}
_FASHION_MNIST = {
    "x_train": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "y_train": "9018921c3c673c538a1fc5bad174d6f9",
    "x_test": "8181f5470baa50b63fa0f6fddb340f0a",
    "y_test": "15d484375f8d13e6eb1aabb0c3f46965",
}


def load_mnist(limit=None, seed=0):
    """MNIST, handwritten digits, from the published files on disk, or else downloaded by Keras.

    Args:
        limit: int. At most this many images of each part, the classes in proportion. Defaults to
            `None`, all.
        seed: int. Fixes the choice. Defaults to `0`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(60000, 28, 28, 1)` and
        `(10000, 28, 28, 1)`, float32 in [0, 1]; labels int64, 0 to 9.

    Raises:
        ValueError: `limit` is invalid, or a file on disk is damaged.
        OSError: files are missing and cannot be downloaded.
    """
    return _load("mnist", keras.datasets.mnist, _MNIST, limit, seed)


def load_fashion_mnist(limit=None, seed=0):
    """Fashion-MNIST, articles of clothing: as MNIST, but harder to learn.

    The classes: T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, boot.

    Args, Returns, Raises: as in `load_mnist`.
    """
    return _load("fashion-mnist", keras.datasets.fashion_mnist, _FASHION_MNIST, limit, seed)


def _load(name, keras_module, checksums, limit, seed):
    folder = folder_of(name)
    contents = {part: content_of(folder, _FILES[part], checksums[part]) for part in _FILES}
    if None in contents.values():
        (x_train, y_train), (x_test, y_test) = _download(keras_module, folder)
    else:
        x_train, y_train, x_test, y_test = (parse_idx(content) for content in contents.values())
    return (
        limited(_images(x_train), y_train.astype("int64"), limit, seed),
        limited(_images(x_test), y_test.astype("int64"), limit, seed),
    )


def _images(array):
    return (array[..., np.newaxis] / np.float32(255)).astype("float32")


def _download(keras_module, folder):
    try:
        return keras_module.load_data()
    except Exception as error:
        raise OSError(
            f"{folder.name} could not be downloaded by keras.datasets ({short(error)}); put its "
            f"four files, {', '.join(f'{name}.gz' for name in _FILES.values())}, into {folder}. "
            "load_characters needs no network."
        ) from None
