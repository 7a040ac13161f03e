"""OMNIGLOT: 1,623 handwritten characters of 50 alphabets, each by 20 drawers; black and white.

The loader reads `$KERAS_HOME/datasets/omniglot/` (`~/.keras` if the variable is not set). The
published archives hold 105 x 105 pixels: `images_background.zip`, or else its small parts
`images_background_small1.zip` and `..._small2.zip`, and `images_evaluation.zip`.
`omniglot_28x28_resized.npz` holds all images at 28 x 28 pixels; a third party made it. Its keys:
`images` (bits, packed), `alphabet`, `alphabet_names`, `drawer` (1 to 20), `is_evaluation`.

Lake, Salakhutdinov, Tenenbaum (2015); MIT licence.
"""

import io
import re
import warnings

import keras
import numpy as np

from keras_vae.datasets._parts import content_of, damaged, folder_of, limited, members_of, short

_ORIGIN = "https://github.com/brendenlake/omniglot/tree/master/python"
_RESIZED = "omniglot_28x28_resized.npz"
_EVALUATION = "images_evaluation.zip"
_TRAIN_DRAWERS = 15  # of 20, where the split is by drawer

_NAMES = """
Alphabet_of_the_Magi Angelic Anglo-Saxon_Futhorc Arcadian Armenian Asomtavruli_(Georgian)
Atemayar_Qelisayer Atlantean Aurek-Besh Avesta Balinese Bengali
Blackfoot_(Canadian_Aboriginal_Syllabics) Braille Burmese_(Myanmar) Cyrillic Early_Aramaic
Futurama Ge_ez Glagolitic Grantha Greek Gujarati Gurmukhi Hebrew
Inuktitut_(Canadian_Aboriginal_Syllabics) Japanese_(hiragana) Japanese_(katakana) Kannada Keble
Korean Latin Malay_(Jawi_-_Arabic) Malayalam Manipuri Mkhedruli_(Georgian) Mongolian N_Ko
Ojibwe_(Canadian_Aboriginal_Syllabics) Old_Church_Slavonic_(Cyrillic) Oriya Sanskrit Sylheti
Syriac_(Estrangelo) Syriac_(Serto) Tagalog Tengwar Tibetan Tifinagh ULOG
"""
ALPHABETS = tuple(_NAMES.split())


def load_omniglot(form="28x28", alphabets=None, limit=None, seed=0):
    """OMNIGLOT, handwritten characters, from files on disk; ink is 1, paper is 0.

    Args:
        form: str. `"28x28"`, or `"105x105"` as published. Defaults to `"28x28"`.
        alphabets: tuple of names from `omniglot.ALPHABETS`, such as `("Latin", "Greek")`. Their
            images are split by drawer: 15 drawers of each character to train, 5 to test; of these
            two, 390 + 130 and 360 + 120 images. Defaults to `None`: all, and the official split by
            alphabet, 30 to train and 20 to test.
        limit: int. At most this many images of each part, the alphabets in proportion. Defaults to
            `None`, all.
        seed: int. Fixes the choice. Defaults to `0`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(n, 28, 28, 1)` or
        `(n, 105, 105, 1)`, float32, 0 or 1; labels int64, positions in `omniglot.ALPHABETS`.

    Raises:
        ValueError: an argument is invalid, or a file is damaged.
        OSError: a file is missing.
    """
    if form not in _READERS:
        raise ValueError(f"form is {form!r}; expected one of {list(_READERS)}.")
    wanted = ALPHABETS if alphabets is None else tuple(alphabets)
    if not wanted or len(set(wanted)) < len(wanted) or set(wanted) - set(ALPHABETS):
        raise ValueError(
            f"alphabets is {alphabets!r}; expected distinct names from omniglot.ALPHABETS, such as "
            "('Latin', 'Greek')."
        )
    images_at, names, drawers, evaluation = _READERS[form](folder_of("omniglot"), wanted)
    in_test = evaluation if alphabets is None else drawers > _TRAIN_DRAWERS
    _check_complete(wanted, names, alphabets is not None or len(np.unique(in_test)) < 2)
    labels = np.array([ALPHABETS.index(name) for name in names], "int64")
    parts = (np.flatnonzero(part) for part in (~in_test, in_test))
    parts = [limited(places, labels[places], limit, seed) for places in parts]
    return tuple((images_at(places)[..., np.newaxis].astype("float32"), y) for places, y in parts)


def _check_complete(wanted, names, needs_all):
    absent = sorted(set(wanted) - set(names))
    sentence = f"{folder_of('omniglot')} lacks {len(absent)} of {len(wanted)} alphabets"
    if absent and needs_all:
        raise OSError(
            f"{sentence} ({', '.join(absent[:3])}{', ...' if absent[3:] else ''}): download "
            f"images_background.zip and {_EVALUATION} from {_ORIGIN} and put them there."
        )
    if absent:
        warnings.warn(f"{sentence}; the official split has 30 + 20.", stacklevel=3)


def _resized(folder, wanted):
    content = content_of(folder, _RESIZED)
    if content is None:
        raise OSError(
            f"{folder} lacks {_RESIZED}, which is no published file: put it there, or load "
            "form='105x105' from the published archives."
        )
    try:
        with np.load(io.BytesIO(content)) as file:
            images = np.unpackbits(file["images"], axis=1)[:, :784].reshape(-1, 28, 28)
            names, drawers = file["alphabet_names"][file["alphabet"]], file["drawer"]
            chosen = np.isin(names, wanted)
            columns = [part[chosen] for part in (images, names, drawers, file["is_evaluation"])]
    except Exception as error:
        raise damaged(folder / _RESIZED, f"expected arrays of images ({short(error)})") from None
    return columns[0].__getitem__, *columns[1:]


def _published(folder, wanted):
    archives = ["images_background.zip", _EVALUATION]
    if not (folder / archives[0]).exists():
        archives[:1] = ["images_background_small1.zip", "images_background_small2.zip"]
    pattern = rf"/({'|'.join(map(re.escape, wanted))})/character(\d+)/\d+_(\d+)\.png$"
    found = {}  # both small archives hold Greek and Latin
    for path in (folder / name for name in archives):
        for match, content in members_of(path, pattern) if path.exists() else ():
            alphabet, character, drawer = match.groups()
            found[alphabet, int(character), int(drawer)] = path, content
    order = sorted(found)
    return (
        lambda places: np.array([_ink(*found[order[place]]) for place in places]),
        [alphabet for alphabet, _, _ in order],
        np.array([drawer for _, _, drawer in order]),
        np.array([found[key][0].name == _EVALUATION for key in order]),
    )


def _ink(path, content):
    """Where a PNG image of one bit is black."""
    try:
        image = np.asarray(keras.utils.load_img(io.BytesIO(content), color_mode="grayscale"))
    except OSError:
        image = np.zeros(0)
    if image.shape != (105, 105):
        raise damaged(path, "expected PNG images of 105 x 105 pixels")
    return image == 0


# Each returns a function from places to images, and alphabet, drawer and part of each image.
_READERS = {"28x28": _resized, "105x105": _published}
