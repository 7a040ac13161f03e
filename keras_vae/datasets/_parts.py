"""What the loaders share: files with checksums, archives, IDX arrays, subsets, smaller images."""

import gzip
import hashlib
import numbers
import os
import pathlib
import re
import zipfile
import zlib

import numpy as np


def folder_of(name):
    """`$KERAS_HOME/datasets/<name>`; `~/.keras` if the variable is not set."""
    home = pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras")
    return home / "datasets" / name


def content_of(folder, name, md5=None):
    """The content of a published file, gzipped or plain; None if there is no file.

    Args:
        md5: str. Checksum of the content without gzip. Defaults to `None`: not compared.

    Raises:
        ValueError: the file is damaged.
    """
    for path, open_file in ((folder / f"{name}.gz", gzip.open), (folder / name, open)):
        if not path.exists():
            continue
        try:
            with open_file(path, "rb") as file:
                content = file.read()
        except (EOFError, gzip.BadGzipFile):
            content = b""
        if not content or (md5 and hashlib.md5(content).hexdigest() != md5):
            raise damaged(path, "its content is not the published one")
        return content
    return None


def members_of(path, pattern):
    """The files of a zip archive whose names match: pairs of the match and the content.

    Raises:
        ValueError: the archive is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # compares the checksum of each file that it reads
            matches = [match for name in archive.namelist() if (match := re.search(pattern, name))]
            return [(match, archive.read(match.string)) for match in matches]
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise damaged(path, f"expected a zip archive ({short(error)})") from None


def missing(path, origin):
    return OSError(f"{path} is missing: download {origin} and put it there.")


def damaged(path, found):
    return ValueError(f"{path} is damaged: {found}. Remove it and load the data again.")


def parse_idx(content, folder=""):
    """IDX files: two zero bytes, the type (8: unsigned byte), the rank, the sizes, the values."""
    try:
        shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
    except (ValueError, IndexError) as error:
        raise ValueError(f"A file in {folder} is damaged; expected a complete IDX file.") from error


def limited(images, labels, limit, seed):
    """At most `limit` examples: the order stays, and each class keeps its share."""
    if limit is None:
        return images, labels
    check_limit(limit)
    shuffled = np.random.default_rng(seed).permutation(len(images))
    place = np.empty(len(images))  # of each example within its class, from 0 to 1
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    chosen = np.sort(np.argsort(place, kind="stable")[:limit])
    return images[chosen], labels[chosen]


def reduced(images, reduce):
    """The means of blocks of `reduce` x `reduce` pixels; surplus rows and columns are cut."""
    count, *sizes = images.shape
    if not isinstance(reduce, numbers.Integral) or not 1 <= reduce <= min(sizes):
        raise ValueError(f"reduce is {reduce!r}; expected an int from 1 to {min(sizes)}.")
    height, width = (size // reduce for size in sizes)
    blocks = images[:, : height * reduce, : width * reduce]
    blocks = blocks.reshape(count, height, reduce, width, reduce)
    return blocks.mean(axis=(2, 4), dtype="float32")


def check_limit(limit):
    if not isinstance(limit, numbers.Integral) or limit < 1:
        raise ValueError(f"limit is {limit!r}; expected an int of at least 1, or None for all.")


def short(error):
    """An error in one line, for a sentence that names what to do."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
