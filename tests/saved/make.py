"""Keep a model that this version has saved, and what it gives, for later versions to load.

    python tests/saved/make.py            once for each release, before the version is raised

Run it with the oldest Keras that the project supports: a newer one writes what an older one cannot
read.

`tests/models/test_saved_files.py` loads every file in this folder.
"""

import json
import pathlib

import keras
import numpy as np

import keras_vae
from keras_vae import VAE, Autoencoder, ConditionalVAE, datasets, likelihoods, networks, priors

FOLDER = pathlib.Path(__file__).parent


def models():
    """A small model of each kind, not yet trained."""
    keras.utils.set_random_seed(0)
    gaussian = likelihoods.Gaussian(variance="decoder")
    return {
        "VAE": VAE(*networks.dense((8, 8, 1), 2, hidden=(16,), dropout=0.1), beta=0.5, seed=1),
        "VAE-gaussian-conv": VAE(
            *networks.conv((8, 8, 1), 2, filters=(4,), batch_norm=True, likelihood=gaussian),
            likelihood=gaussian,
            seed=1,
        ),
        "Autoencoder": Autoencoder(
            *networks.dense((8, 8, 1), 2, hidden=(16,), variational=False), seed=1
        ),
        "ConditionalVAE": ConditionalVAE(
            *networks.dense((8, 8, 1), 2, hidden=(16,), condition=10),
            prior=priors.Mixture(2, components=2, condition=10),
            seed=1,
        ),
    }


def outputs(model):
    """What a loaded model must give again: floats by name."""
    _, (x, y) = datasets.load_digits(limit=3)
    z = np.array([[0.5, -1.0]], "float32")
    of_three, of_one = ({"condition": y}, {"condition": 7}) if model.condition else ({}, {})
    given = {"encode": model.encode(x, **of_three), "decode": model.decode(z, **of_one)}
    if isinstance(model, VAE):
        given["elbo"] = model.elbo(x, **of_three)
        given["generate"] = model.generate(1, seed=1, **of_one)
        given["beta"] = model.beta
    given["iterations"] = model.optimizer.iterations
    given["epochs_seen"] = model.epochs_seen
    return {name: np.ravel(values).tolist() for name, values in given.items()}


if __name__ == "__main__":
    (x_train, y_train), _ = datasets.load_digits(limit=200)
    for name, model in models().items():
        model.compile(optimizer="adam")
        model.fit(x_train, y_train if model.condition else None, epochs=3, verbose=0)
        path = FOLDER / f"{name}-{keras_vae.__version__}.keras"
        model.save(path)
        path.with_suffix(".json").write_text(json.dumps(outputs(model)) + "\n")
