"""Endurance: how much memory a process gains over many epochs, many calls, many models.

    python benchmarks/endurance.py            about eight minutes on two cores

Each row runs in a fresh process on the small digits, after a warm-up of one twentieth: 300 epochs
of `fit`, or 2,000 calls of a verb. `predict` is Keras's own and grows by itself (KERAS3 D26). "Many
models" makes, trains and drops 30 models. Plain Keras VAEs stand beside them, since Keras itself
keeps about 10 MB of each model (D27).
"""

import argparse
import gc
import pathlib
import sys

import keras
import numpy as np
from example_vae import ExampleVAE
from timing import in_fresh_process, memory_mb

from keras_vae import VAE, datasets, networks, optimizers, results

CALLS, EPOCHS, MODELS = 2000, 300, 30


def make_networks():
    return networks.dense((8, 8, 1), latent_dim=8, hidden=(128,))


def make_vae():
    vae = VAE(*make_networks(), seed=0)
    vae.compile(optimizers.Adam(), steps_per_execution=64)
    return vae


def make_plain_vae():
    vae = ExampleVAE(*make_networks())
    vae.compile(optimizer="adam", steps_per_execution=64)
    return vae


def contenders(vae, x):
    """{row: (a function of n that does its work n times, n)}."""
    some, z = x[:200], np.zeros((200, 8))
    check = {"validation_data": some, "verbose": 0}

    def repeated(call):
        def do(n):
            for _ in range(n):
                call()

        return do

    verbs = {
        "evaluate": lambda: vae.evaluate(some, verbose=0),
        "encode": lambda: vae.encode(some),
        "decode": lambda: vae.decode(z),
        "generate": lambda: vae.generate(200),
        "elbo": lambda: vae.elbo(some),
        "log_likelihood": lambda: vae.log_likelihood(some, num_samples=20),
        "predict (Keras's own)": lambda: vae.predict(some, verbose=0),
    }
    return {
        "fit, epochs of one call": (lambda n: vae.fit(x, epochs=n, **check), EPOCHS),
        "fit, calls of one epoch": (repeated(lambda: vae.fit(x, **check)), EPOCHS),
        **{name: (repeated(call), CALLS) for name, call in verbs.items()},
        "many models": (repeated(lambda: make_vae().fit(x, verbose=0)), MODELS),
        "many plain Keras VAEs": (repeated(lambda: make_plain_vae().fit(x, verbose=0)), MODELS),
    }


def growth(name):
    """MB that this process gains from one row."""
    keras.utils.set_random_seed(0)
    (x, _), _ = datasets.load_digits()
    vae = make_vae()
    vae.fit(x, epochs=2, validation_data=x[:200], verbose=0)
    do, times = contenders(vae, x)[name]
    do(times // 20 + 1)
    gc.collect()
    before = memory_mb("VmRSS")
    do(times)
    gc.collect()
    return memory_mb("VmRSS") - before


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", help="measure one row in this process")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    if arguments.row:
        print(round(growth(arguments.row), 1))
        sys.exit()
    found = {}
    for name, (_, times) in contenders(None, np.zeros((1, 8, 8, 1))).items():
        (mb,) = in_fresh_process(__file__, f"--row={name}")
        found[name] = {"times": times, "mb": mb}
        print(f"{name:26}{times:6,} times{mb:9.1f} MB", flush=True)
    results.write(arguments.output / "endurance.json", found, seed=0)
