"""Make `keras_vae/datasets/characters.bz2` and its card from EMNIST's files on disk.

    python tools/pack_characters.py

It takes the first images of each class of the files in `$KERAS_HOME/datasets/emnist`, rounds them
to 16 levels of grey, and puts two pixels, one above the other, into each byte: bzip2 makes less of
them than of single pixels or of pairs side by side (976 kB; LZMA at least 1,080 kB).
"""

import bz2
import json
import pathlib

import numpy as np

import keras_vae
from keras_vae.datasets import characters, load_emnist

CARD = {
    "about": "Handwritten digits and capital letters, 28 x 28 pixels, 16 levels of grey.",
    "source": "NIST, EMNIST (Cohen, Afshar, Tapson, van Schaik 2017), ByMerge, test split; from "
    "NIST Special Database 19. A part drawn at random: not the published Balanced split.",
    "licence": "public domain (work of the United States government)",
    "train": "320 images of each digit, 240 of each letter",
    "test": "40 images of each character",
    "format": "bzip2 of bytes (image, 14 pairs of rows, 28): the upper pixel in the high four "
    "bits; sorted by part, then by character, 0-9A-Z",
    "limits": "Scores on the test part are not comparable with published ones. The writers of the "
    "two parts may be the same.",
    "command": "tools/pack_characters.py",
}


def main():
    levels = []
    for (images, labels), counts in zip(
        load_emnist(), (characters.TRAIN, characters.TEST), strict=True
    ):
        for label, count in enumerate(counts):
            chosen = images[labels == label][:count, ..., 0]
            if len(chosen) < count:
                raise ValueError(f"EMNIST on disk has {len(chosen)} images of class {label}.")
            levels.append(np.rint(15 * chosen).astype("uint8"))
    levels = np.concatenate(levels)
    packed = bz2.compress((levels[:, ::2] << 4 | levels[:, 1::2]).tobytes())
    path = pathlib.Path(characters.__file__).with_suffix(".bz2")
    path.write_bytes(packed)
    card = {**CARD, "images": len(levels), "bytes": len(packed), "version": keras_vae.__version__}
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"{path.name}: {len(levels)} images, {len(packed)} bytes")


if __name__ == "__main__":
    main()
