"""Keep a model that this version has saved, and what it gives, for later versions to load.

    python tests/saved/make.py            writes what is missing; before the version is raised

Run it with the oldest Keras that the project supports: a newer one writes what an older one cannot
read.

`tests/models/test_saved_files.py` loads every file in this folder.
"""

import json
import pathlib

import keras
import numpy as np

import keras_vae
from keras_vae import datasets, zoo

FOLDER = pathlib.Path(__file__).parent
DRAWS = 64


def models():
    """{name: a small model of each entry of the registry}, not yet trained."""
    keras.utils.set_random_seed(0)
    small = {"input_shape": (8, 8, 1), "latent_dim": 2, "seed": 1}
    return {name: entry.make(**small, **entry.example) for name, entry in zoo.ENTRIES.items()}


def outputs(model, x, y=None):
    """What a loaded model must give again: floats by name.

    Of the bound its mean over 64 draws, and that mean's standard error: the noise of a seed may
    change from version to version, the law of the bound may not.
    """
    reading = {} if y is None else {"condition": y}
    z = model.encode(x, **reading)
    given = {"encode": z, "decode": model.decode(z, **reading)}
    if "elbo" in model.loss_names:
        draws = np.stack([model.elbo(x, seed=seed, **reading) for seed in range(DRAWS)])
        given["elbo"] = draws.mean(axis=0)
        given["elbo_standard_error"] = draws.std(axis=0, ddof=1) / np.sqrt(DRAWS)
        given["beta"] = model.beta
    if getattr(model, "optimizer", None) is not None:
        given["iterations"] = model.optimizer.iterations
    given["epochs_seen"] = model.epochs_seen
    return {name: np.ravel(np.array(values)).tolist() for name, values in given.items()}


def write(path, model, x, y=None):
    path.write_text(json.dumps(outputs(model, x, y)) + "\n")


if __name__ == "__main__":
    (x_train, y_train), _ = datasets.load_digits(limit=200)
    _, (x_test, y_test) = datasets.load_digits(limit=3)
    for name, model in models().items():
        reads = model.signature.reads_condition
        model.compile(optimizer="adam")
        model.fit(x_train, y_train if reads else None, epochs=3, verbose=0)
        path = FOLDER / f"{name}-{keras_vae.__version__}.keras"
        if path.exists():
            continue
        model.save(path)
        write(path.with_suffix(".json"), model, x_test, y_test if reads else None)
