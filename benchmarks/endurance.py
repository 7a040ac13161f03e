"""Endurance: what a process grows by over many epochs, many calls, many models.

    python benchmarks/endurance.py            about eight minutes on two cores

Each row in a fresh process, on the small digits, after a warm-up: 300 epochs of `fit`, 2,000 calls
of each verb. `predict` is Keras's own and grows by itself (KERAS3 D26); it is shown, not judged.
"Many models" makes, trains and drops 30 of them, beside as many of a plain Keras VAE, since Keras
itself keeps about 10 MB of each (D27).
"""

import argparse
import gc
import pathlib
import subprocess
import sys

import keras
import numpy as np
from throughput import ExampleVAE

from keras_vae import VAE, datasets, networks, results

CALLS, EPOCHS, MODELS = 2000, 300, 30


def make_networks():
    return networks.dense((8, 8, 1), latent_dim=8, hidden=(128,))


def make_vae():
    vae = VAE(*make_networks(), seed=0)
    vae.compile(optimizer="adam", steps_per_execution=64)
    return vae


def make_plain_vae():
    vae = ExampleVAE(*make_networks())
    vae.compile(optimizer="adam", steps_per_execution=64)
    return vae


def contenders(vae, x):
    """What each row does, and how often."""
    some, z = x[:200], np.zeros((200, 8))
    check = {"validation_data": some, "verbose": 0}
    return {
        "fit, epochs of one call": (lambda: vae.fit(x, epochs=EPOCHS, **check), 1),
        "fit, calls of one epoch": (lambda: vae.fit(x, **check), EPOCHS),
        "evaluate": (lambda: vae.evaluate(some, verbose=0), CALLS),
        "encode": (lambda: vae.encode(some), CALLS),
        "decode": (lambda: vae.decode(z), CALLS),
        "generate": (lambda: vae.generate(200), CALLS),
        "elbo": (lambda: vae.elbo(some), CALLS),
        "log_likelihood": (lambda: vae.log_likelihood(some, num_samples=20), CALLS),
        "predict (Keras's own)": (lambda: vae.predict(some, verbose=0), CALLS),
        "many models": (lambda: make_vae().fit(x, verbose=0), MODELS),
        "many plain Keras VAEs": (lambda: make_plain_vae().fit(x, verbose=0), MODELS),
    }


def growth(name):
    """Times that a row was done in this process, and MB by which that grew it."""
    keras.utils.set_random_seed(0)
    (x, _), _ = datasets.load_digits()
    vae = make_vae()
    vae.fit(x, epochs=2, validation_data=x[:200], verbose=0)
    call, times = contenders(vae, x)[name]
    for _ in range(times // 20):  # warm-up
        call()
    before = _resident()
    for _ in range(times):
        call()
    return times, _resident() - before


def _resident():
    gc.collect()
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmRSS; this benchmark needs Linux.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", help="measure one row in this process")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    if arguments.row:
        print(*growth(arguments.row))
        sys.exit()
    found = {}
    for name in contenders(None, np.zeros((1, 8, 8, 1))):
        command = [sys.executable, __file__, f"--row={name}"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        times, mb = output.split()
        found[name] = {"times": int(times), "mb": round(float(mb), 1)}
        print(f"{name:26}{found[name]['times']:6,} times{found[name]['mb']:9.1f} MB", flush=True)
    results.write(arguments.output / "endurance.json", found, seed=0, epochs=EPOCHS)
