"""EMNIST, handwritten digits and letters: grey images of 28 x 28 pixels, as in MNIST.

The loader reads the published files of the Balanced split from `$KERAS_HOME/datasets/emnist/`
(`~/.keras` if the variable is not set), gzipped or not, with any number of images. NIST publishes
the images transposed; the loader turns them upright.

NIST (Cohen, Afshar, Tapson, van Schaik 2017), from NIST Special Database 19; public domain.
"""

import numpy as np

from keras_vae.datasets._parts import content_of, folder_of, limited, parse_idx

_ORIGIN = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
# The classes of the split, by label. A letter whose two forms look alike counts as a capital.
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"


def load_emnist(classes=CHARACTERS[:36], limit=None, seed=0):
    """EMNIST, handwritten characters, from the published files on disk.

    Args:
        classes: str. The characters to load; the position of each is its label. Defaults to the 36
            digits and capital letters; all 47 are `emnist.CHARACTERS`.
        limit, seed: as in `load_mnist`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(n, 28, 28, 1)`, float32 in
        [0, 1]; labels int64, positions in `classes`.

    Raises:
        ValueError: an argument is invalid, or a file is damaged.
        OSError: the files are missing.
    """
    if not classes or len(set(classes)) < len(classes) or set(classes) - set(CHARACTERS):
        raise ValueError(
            f"classes is {classes!r}; expected distinct characters from {CHARACTERS!r}."
        )
    folder = folder_of("emnist")
    parts = []
    for part in ("train", "test"):
        names = [f"emnist-balanced-{part}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
        contents = [content_of(folder, name) for name in names]
        if None in contents:
            missing = [f"{name}.gz" for name, file in zip(names, contents, strict=True) if not file]
            raise OSError(
                f"{folder} lacks {' and '.join(missing)}: download {_ORIGIN} (536 MB), unpack it, "
                "and put the four files emnist-balanced-*-ubyte.gz there. load_characters, a part "
                "of EMNIST, needs no download."
            )
        images, labels = (parse_idx(content, folder) for content in contents)
        labels = np.array([classes.find(character) for character in CHARACTERS])[labels]
        images = images[labels >= 0].swapaxes(1, 2)[..., np.newaxis] / np.float32(255)
        parts.append(limited(images, labels[labels >= 0], limit, seed))
    return tuple(parts)
