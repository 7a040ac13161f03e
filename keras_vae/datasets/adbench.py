"""Tables with anomalies, of ADBench: medicine, networks, sensors and more, 47 in all.

The loader reads the published files, such as `6_cardio.npz`, from `$KERAS_HOME/datasets/adbench/`
(`~/.keras` if the variable is not set), and compares the checksums of fifteen.

Han, Hu, Huang, Jiang, Zhao (2022), "ADBench: Anomaly Detection Benchmark"; the repository has the
BSD-2-Clause licence. The tables come from ODDS, UCI and others, and have their own terms.
"""

import io

import numpy as np

from keras_vae.datasets._parts import content_of, damaged, folder_of, short

_ORIGIN = "https://github.com/Minqi824/ADBench/tree/main/adbench/datasets/Classical"
_MD5 = {
    "2_annthyroid": "74ef1a81e5ea99f8f4301955ac098dcb",
    "5_campaign": "94e199d29329c04e1bab5c1d801e74e5",
    "6_cardio": "3724aeab845964e929fd8d3d95475490",
    "12_fault": "c86d624d8e1d20ed5a1de05fb5d20731",
    "16_http": "76dc1779321ca38667d220340d0b5292",
    "18_Ionosphere": "94f5d86d158c4d7b22d980c0e0960a5f",
    "23_mammography": "9334c15017223999eb2cbd0458ec1874",
    "28_pendigits": "fbb543e7858febad363f41067c2e68d2",
    "29_Pima": "1c0428080e2b119176eab5c41ddf8759",
    "30_satellite": "8a6ac72b1cdc1174f255af1400ac6f2f",
    "31_satimage-2": "85cd4e8f2a893332e6c770af3a58cf23",
    "32_shuttle": "e9a3feba52aae57bfa914accf65a049a",
    "38_thyroid": "92ecac40ecc0e8a721a7f22aea27968a",
    "40_vowels": "340f95495f1dbb028ff01178074718de",
    "43_WDBC": "00be8f7a21c461d68152a9db0b16875c",
}


def load_adbench(name):
    """A table of ADBench, as published: not standardised, and some in the order of their labels.

    Args:
        name: str. The name of the file without its number: `"cardio"` is in `6_cardio.npz`.

    Returns:
        `(x, y)`: float32 `(rows, features)`; labels int64, 0 normal, 1 anomaly.

    Raises:
        ValueError: there is no such table in the folder, or the file is damaged.
        OSError: the folder is missing, or empty.
    """
    folder = folder_of("adbench")
    files = {path.stem.partition("_")[2]: path for path in folder.glob("[0-9]*_*.npz")}
    if not files:
        raise OSError(f"{folder} lacks tables: download {name}'s from {_ORIGIN} and put it there.")
    if name not in files:
        raise ValueError(
            f"name is {name!r}; expected one of {sorted(files)}, or put more tables from {_ORIGIN} "
            f"into {folder}."
        )
    path = files[name]
    content = content_of(folder, path.name, _MD5.get(path.stem))
    try:
        with np.load(io.BytesIO(content)) as table:
            x, y = table["X"].astype("float32"), table["y"].astype("int64")
        if x.ndim != 2 or y.shape != x.shape[:1] or not np.isin(y, (0, 1)).all():
            raise ValueError(f"X is {x.shape}, y is {y.shape}")
    except Exception as error:
        raise damaged(path, f"expected a table X and labels y, 0 or 1 ({short(error)})") from None
    return x, y
