"""Binarised MNIST with Larochelle's fixed draws: the data of most published log-likelihoods.

Each pixel was drawn once from a Bernoulli with its grey value (Salakhutdinov and Murray 2008;
Larochelle and Murray 2011). Terms: none are stated; made from MNIST, see `mnist`. The loader reads
the files from `$KERAS_HOME/datasets/binarized_mnist/` (`~/.keras` if the variable is not set),
gzipped or not, and compares their checksums. If they are missing, it downloads them once, 110 MB.
"""

import pathlib

import keras
import numpy as np

from keras_vae.datasets._parts import check_limit, content_of, folder_of, short

_ORIGIN = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
_MD5 = {
    "train": "db28b1a6ae0fe70cbd3da91acf46e477",
    "valid": "bf37822a04e94123630de6a7dfd9c9ef",
    "test": "14e41ae11040adba6ab8cb291eda0dd8",
}


def load_binarized_mnist(limit=None, seed=0):
    """Static binarised MNIST (Larochelle and Murray 2011), without labels.

    Args:
        limit: int. At most this many images of each part, drawn at random, since the test file is
            sorted by digit. Defaults to `None`, all.
        seed: int. Fixes the choice. Defaults to `0`.

    Returns:
        `x_train, x_valid, x_test`: float32, 0 or 1, of shapes `(50000, 28, 28, 1)`,
        `(10000, 28, 28, 1)` and `(10000, 28, 28, 1)`.

    Raises:
        ValueError: `limit` is invalid, or a file on disk is damaged.
        OSError: a file is missing and cannot be downloaded.
    """
    return tuple(_limited(_load(part), limit, seed) for part in _MD5)


def _load(part):
    name, folder = f"binarized_mnist_{part}.amat", folder_of("binarized_mnist")
    content = content_of(folder, name, _MD5[part])
    if content is None:
        content = _download(name, folder, _MD5[part])
    # 784 digits a line, each followed by one character: a space, or the end of the line.
    digits = np.frombuffer(content, "u1").reshape(-1, 2 * 784)[:, ::2] - ord("0")
    return digits.reshape(-1, 28, 28, 1).astype("float32")


def _download(name, folder, md5):
    try:
        path = keras.utils.get_file(  # into /tmp if the folder cannot be written
            origin=_ORIGIN + name,
            file_hash=md5,
            hash_algorithm="md5",
            cache_dir=folder.parents[1],
            cache_subdir=f"datasets/{folder.name}",
        )
    except Exception as error:
        raise OSError(
            f"{name} could not be downloaded from {_ORIGIN} ({short(error)}); put it into {folder}."
        ) from None
    return pathlib.Path(path).read_bytes()


def _limited(images, limit, seed):
    if limit is None:
        return images
    check_limit(limit)
    chosen = np.random.default_rng(seed).permutation(len(images))[:limit]
    return images[np.sort(chosen)]
