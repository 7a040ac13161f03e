"""`python -m keras_vae.page [name or file]`: the page of a trained model."""

import argparse
import pathlib
import signal
import sys
import zipfile

import keras
import numpy as np

import keras_vae
from keras_vae import datasets, page


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m keras_vae.page", description=page.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "model",
        nargs="?",
        default="conditional_emnist",
        help="pretrained model, or .keras file",
    )
    parser.add_argument("--data", help=".npz file of examples x, and of labels y")
    parser.add_argument("--port", type=int, help="defaults to the first free one from 7860")
    arguments = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    try:
        model = load(arguments.model)
        page.launch(model, **examples(model, arguments.data), port=arguments.port)
    except (ImportError, OSError, ValueError) as error:
        parser.exit(2, f"{error}\n")


def load(name):
    """A model from a file, or a pretrained one by its name."""
    if pathlib.Path(name).suffix == ".keras":
        return keras.models.load_model(name, compile=False)
    return keras_vae.load_pretrained(name)


def examples(model, path=None):
    """Examples to show beside a model: those of a file, or packaged ones of its shape."""
    if path is not None:
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{path} is no .npz file; np.savez(path, x=x, y=y) writes one.")
        with np.load(path) as file:
            found = {name: file[name] for name in ("x", "y") if name in file}
        if "x" not in found:
            raise ValueError(f"{path} has no array x; np.savez(path, x=x, y=y) writes one.")
        return found
    shape, labels = model.signature.x_shape, model.signature.condition
    if shape == (28, 28, 1) and labels in (None, 10, 36):
        (x, y), _ = datasets.load_characters("all" if labels == 36 else "digits")
    elif shape == (8, 8, 1) and labels in (None, 10):
        (x, y), _ = datasets.load_digits()
    else:
        return {}
    return {"x": x, "y": y}


def _end(*_):
    """Ends as Ctrl+C does, so that the uploads are removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit()


if __name__ == "__main__":
    main()
