"""scikit-learn's digits: 1,797 handwritten digits of 8 x 8 pixels, installed with scikit-learn.

Terms: Creative Commons Attribution 4.0, as the UCI repository states.
"""

import numpy as np
import sklearn.datasets
from sklearn.model_selection import train_test_split

from keras_vae.datasets._parts import limited


def load_digits(limit=None, seed=0):
    """The test set of the UCI "Optical recognition of handwritten digits" (Alpaydin 1998).

    Args:
        limit: int. At most this many images of each part, the classes in proportion. Defaults to
            `None`, all.
        seed: int. Fixes the split and the choice. Defaults to `0`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(1437, 8, 8, 1)` and
        `(360, 8, 8, 1)`, float32 in [0, 1] (17 levels of grey); labels int64, 0 to 9. The split
        keeps the classes in proportion.

    Raises:
        ValueError: `limit` is invalid.

    Example:

    >>> (x_train, y_train), (x_test, y_test) = load_digits()
    >>> x_train.shape, x_test.shape
    ((1437, 8, 8, 1), (360, 8, 8, 1))
    """
    data = sklearn.datasets.load_digits()
    images = (data.images[..., np.newaxis] / 16).astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(
        images, data.target, test_size=360, stratify=data.target, random_state=seed
    )
    return limited(x_train, y_train, limit, seed), limited(x_test, y_test, limit, seed)
