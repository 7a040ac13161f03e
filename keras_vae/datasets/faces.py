"""Grey images of faces: The Database of Faces, and the cropped Extended Yale Face Database B.

The loaders read the published archives from `$KERAS_HOME/datasets/` (`~/.keras` if the variable is
not set); each file in an archive has a checksum, which is compared.

The Database of Faces: AT&T Laboratories Cambridge (Samaria and Harter 1994); credit to the Olivetti
Research Laboratory. The Extended Yale Face Database B: Georghiades, Belhumeur, Kriegman (2001), its
cropped images Lee, Ho, Kriegman (2005); free for research.
"""

import re

import numpy as np

from keras_vae.datasets._parts import damaged, folder_of, members_of, missing, reduced

_FACES = "https://www.cl.cam.ac.uk/Research/DTG/attarchive/pub/data/att_faces.zip"
_YALE = "http://vision.ucsd.edu/extyaleb/CroppedYaleBZip/CroppedYale.zip"
# The names of good images end so; those of others end in `.bad` or `_Ambient.pgm`.
_LIT = r"yaleB(\d+)_P00A([+-]\d+)E([+-]\d+)\.pgm$"
_SPACE = rb"\s(?:\s|#[^\n]*\n)*"  # a comment reaches to the end of its line
_PGM = re.compile(rb"P5%b(\d+)%b(\d+)%b255\s" % ((_SPACE,) * 3))


def load_faces(reduce=1):
    """The Database of Faces: ten images of each of 40 people, from `att_faces.zip`.

    Args:
        reduce: int. Replace each block of `reduce` x `reduce` pixels by its mean; surplus rows and
            columns are cut. Defaults to `1`.

    Returns:
        `(x, y)`: images of shape `(400, 112, 92, 1)`, float32 in [0, 1]; labels int64, 0 to 39,
        the people in order.

    Raises:
        ValueError: `reduce` is invalid, or the archive is damaged.
        OSError: the archive is missing.
    """
    path = folder_of("att_faces.zip")
    images, numbers = _read(path, _FACES, r"\bs(\d+)/(\d+)\.pgm$")
    return _scaled(images, reduce), _places(numbers[:, 0])


def load_cropped_yale(reduce=1):
    """The cropped Extended Yale Face Database B: 38 people, each lit from many directions.

    The loader reads `CroppedYale.zip`, up to 64 lights of each person. If that is missing, it reads
    `CroppedYale_subset.zip`, a part of it with the same names. It leaves out the images that the
    publishers call bad, and those without the lamp.

    Args:
        reduce: as in `load_faces`.

    Returns:
        `(x, y, light)`: images of shape `(n, 192, 168, 1)`, float32 in [0, 1]; labels int64, 0 to
        37, the people in order; azimuth and elevation of the light in degrees, float32 `(n, 2)`.
        A positive azimuth lights the left half of the image, a positive elevation its top.

    Raises: as in `load_faces`.
    """
    path = folder_of("CroppedYale.zip")
    part = folder_of("CroppedYale_subset.zip")
    images, numbers = _read(path if path.exists() else part, _YALE, _LIT, path)
    return _scaled(images, reduce), _places(numbers[:, 0]), numbers[:, 1:].astype("float32")


def _read(path, origin, pattern, place=None):
    """The images whose names match, and the numbers in each name, in the order of these."""
    if not path.exists():
        raise missing(place or path, origin)
    found = sorted(
        (tuple(map(int, match.groups())), content) for match, content in members_of(path, pattern)
    )
    try:
        images = np.stack([_parse_pgm(content) for _, content in found])
    except ValueError:
        raise damaged(path, "expected PGM images of 8 bits and one size") from None
    return images, np.array([numbers for numbers, _ in found])


def _parse_pgm(content):
    """ "P5", the width, the height, the largest value 255; then a byte for each pixel, by rows."""
    header = _PGM.match(content)
    if header is None:
        raise ValueError
    width, height = map(int, header.groups())
    return np.frombuffer(content, "uint8", offset=header.end()).reshape(height, width)


def _scaled(images, reduce):
    return reduced(images, reduce)[..., np.newaxis] / 255


def _places(subjects):
    return np.searchsorted(np.unique(subjects), subjects).astype("int64")
