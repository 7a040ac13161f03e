"""Pretrained models: `saved_models/NAME.keras`, and beside it `NAME.json`, its card.

    vae = keras_vae.load_pretrained("conditional_emnist")
    keras_vae.pretrained.card("conditional_emnist")["results"]

The tutorial that trains a model writes both files with `--publish`. An installed package has them
too.
"""

import math
import pathlib
import tempfile

import keras

from keras_vae import results

# Beside the package in a checkout, within it where it is installed.
_HERE = pathlib.Path(__file__).parent
FOLDER = next(
    (f for f in (_HERE.parent / "saved_models", _HERE / "saved_models") if any(f.glob("*.keras"))),
    _HERE.parent / "saved_models",
)


def load_pretrained(name, folder=None):
    """A pretrained model without an optimizer; compile it to continue the training.

    Args:
        name: str, such as `"conditional_emnist"`.
        folder: str or path of the files. Defaults to `saved_models/`.

    Returns:
        A model of this library, as it was published.

    Raises:
        ValueError: there is no such model (the message lists the models); or this version of Keras
            cannot read the file of a newer one.
    """
    path = _path(name, folder)
    try:
        return keras.models.load_model(path, compile=False)
    except (TypeError, ValueError) as error:
        saved_with = card(name, folder)["versions"]["keras"]
        if _as_numbers(saved_with) <= _as_numbers(keras.__version__):
            raise
        raise ValueError(
            f"{path.name} was saved with Keras {saved_with}, and Keras {keras.__version__} cannot "
            "read it; update Keras."
        ) from error


def card(name, folder=None):
    """The card of a pretrained model: the record that `publish` wrote, a dict.

    `settings`: description, data, licence of the data, command, limits, seed. `results`: metrics.
    Also date, versions and machine.
    """
    return results.read(_path(name, folder).with_suffix(".json"))


def publish(model, name, metrics, folder=None, *, about, data, licence, command, limits, seed):
    """Write a trained model, without its optimizer, and its card. Tutorials use it.

    Args:
        model: a trained model.
        name: str. `load_pretrained(name)` finds it.
        metrics: dict of floats, measured on the test data.
        folder: as in `load_pretrained`.
        about, data, licence, command, limits: str, for the card: a description, the name of the
            data's loader, the data's licence, the command that trained the model, its limits.
        seed: int.

    Raises:
        TypeError, ValueError: a metric is not a finite number. Nothing is written.
    """
    metrics = {key: float(value) for key, value in metrics.items()}
    for key, value in metrics.items():
        if not math.isfinite(value):
            raise ValueError(f"The metric {key!r} is {value}; expected a finite number.")
    folder = pathlib.Path(folder or FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"about": about, "data": data, "licence": licence, "command": command, "limits": limits}
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        path = pathlib.Path(unfinished, f"{name}.keras")
        model.save(path)
        keras.models.load_model(path, compile=False).save(path)  # leaves the optimizer out
        results.write(path.with_suffix(".json"), metrics, **texts, seed=seed)
        for written in (path, path.with_suffix(".json")):
            written.replace(folder / written.name)


def _as_numbers(version):
    return [int(part) for part in version.split(".")[:2]]


def _path(name, folder):
    folder = pathlib.Path(folder or FOLDER)
    path = folder / f"{name}.keras"
    if not path.exists():
        names = sorted(path.stem for path in folder.glob("*.keras"))
        raise ValueError(
            f"There is no pretrained model {name!r} in {folder}; "
            + (f"expected one of: {', '.join(names)}." if names else "pass the right folder=.")
        )
    return path
