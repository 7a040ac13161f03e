"""Speed and memory of `log_likelihood`, the importance-weighted estimate of log p(x).

    python benchmarks/likelihood_speed.py            about four minutes on two cores

The unit is images x samples per second, with a dense network, 784-200-200-50 (Burda 2016). The
contenders take turns in one process:

- `log_likelihood` of this library, with its defaults
- a compiled TensorFlow loop written by hand over blocks of images x samples, with three block sizes
- an eager loop over images, with 100 samples per call, on one fortieth of the images

Then the peak memory of a process during the estimate, for several numbers of samples and images.
Each is measured in a fresh process, minus what the same process needs beforehand. The memory
should grow with neither.
"""

import argparse
import math
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
from timing import by_turns, in_fresh_process, memory_mb, print_table, summary

from keras_vae import VAE, datasets, networks, optimizers, results

LATENT_DIM = 50
BLOCKS = ((128, 8), (512, 2), (1024, 1))  # images x samples in one pass of the decoder
LIBRARY, EAGER = "log_likelihood", "eager loop over images"


def make_vae():
    keras.utils.set_random_seed(0)
    vae = VAE(*networks.dense((28, 28, 1), LATENT_DIM, hidden=(200, 200)), seed=0)
    vae.compile(optimizers.Adam(), steps_per_execution=64)
    return vae


def compiled_by_hand(vae, x, num_samples, images, samples):
    encoder, decoder = vae.encoder, vae.decoder

    @tf.function(input_signature=[tf.TensorSpec((None, 28, 28, 1))])
    def block(batch):
        mean, log_var = encoder(batch)
        std, n = tf.exp(0.5 * log_var), tf.shape(batch)[0]
        values = tf.reshape(batch, (n, 784))
        total = tf.fill([n], -np.inf)
        for _ in tf.range(num_samples // samples):
            noise = tf.random.normal((samples, n, LATENT_DIM))
            z = mean + std * noise
            logits = decoder(tf.reshape(z, (samples * n, LATENT_DIM)))
            logits = tf.reshape(logits, (samples, n, 784))
            log_p_x = tf.reduce_sum(values * logits - tf.nn.softplus(logits), axis=-1)
            ratio = 0.5 * (tf.square(noise) - tf.square(z) + log_var)  # log p(z) - log q(z|x)
            log_weights = log_p_x + tf.reduce_sum(ratio, axis=-1)
            total = tf.reduce_logsumexp(tf.concat([total[None], log_weights], axis=0), axis=0)
        return total - math.log(num_samples)

    def run():
        starts = range(0, len(x), images)
        return np.concatenate([block(tf.constant(x[i : i + images])) for i in starts])

    return run


def eager(vae, x, num_samples, samples=100):
    encoder, decoder = vae.encoder, vae.decoder

    def log_p(image):
        mean, log_var = encoder(image)
        parts = []
        for _ in range(num_samples // samples):
            noise = tf.random.normal((samples, LATENT_DIM))
            z = mean + tf.exp(0.5 * log_var) * noise
            logits = decoder(z)
            log_p_x = tf.reduce_sum(image * logits - tf.nn.softplus(logits), axis=[1, 2, 3])
            ratio = 0.5 * (tf.square(noise) - tf.square(z) + log_var)
            parts.append(log_p_x + tf.reduce_sum(ratio, axis=-1))
        return tf.reduce_logsumexp(tf.concat(parts, axis=0)) - math.log(num_samples)

    return lambda: np.array([log_p(tf.constant(x[i : i + 1])) for i in range(len(x))])


def speed(images, num_samples, rounds):
    vae = make_vae()
    (x_train, _), (x_test, _) = datasets.load_mnist()
    vae.fit(x_train, batch_size=128, epochs=1, verbose=0)
    x, few = x_test[:images], x_test[: max(1, images // 40)]

    contenders = {LIBRARY: lambda: vae.log_likelihood(x, num_samples)}
    for size in BLOCKS:
        name = "compiled by hand, {} x {}".format(*size)
        contenders[name] = compiled_by_hand(vae, x, num_samples, *size)
    contenders[EAGER] = eager(vae, few, num_samples)
    by_hand = list(contenders)[1:-1]

    nats = {name: float(run()[: len(few)].mean()) for name, run in contenders.items()}
    if np.ptp(list(nats.values())) > 1:
        raise RuntimeError(f"The contenders do not estimate the same thing: {nats}.")

    times = by_turns(contenders, rounds)
    units = {name: num_samples * (len(few) if name == EAGER else len(x)) for name in contenders}
    fastest = min(by_hand, key=lambda name: times[name][:, 0].min())
    rows = summary(times, units, fastest)
    print_table(f"784-200-200-{LATENT_DIM}; relative to the fastest by hand", rows, "img x smp")
    beside_eager = rows[LIBRARY]["per_second"] / rows[EAGER]["per_second"]
    print(f"relative to the eager loop, in wall time: {beside_eager:.1f}")
    return rows


def memory(images, num_samples):
    """MB by which one estimate raises the peak memory of this process."""
    vae = make_vae()
    x = np.random.default_rng(0).random((images, 28, 28, 1), "float32")
    vae.elbo(x)  # what every verb needs: data in memory, networks, threads
    before = memory_mb("VmHWM")
    vae.log_likelihood(x, num_samples)
    return memory_mb("VmHWM") - before


def memory_table():
    print("\npeak memory of log_likelihood, in MB above elbo on the same images")
    rows = []
    for images, num_samples in ((1000, 50), (1000, 500), (1000, 5000), (100, 500), (10_000, 500)):
        (mb,) = in_fresh_process(__file__, f"--memory={images},{num_samples}")
        rows.append({"images": images, "num_samples": num_samples, "mb": mb})
        print(f"{images:8,} images x {num_samples:6,} samples {rows[-1]['mb']:8.0f} MB")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", help="images,samples: measure memory in this process")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()
    if arguments.memory:
        print(f"{memory(*map(int, arguments.memory.split(','))):.1f}")
        sys.exit()
    if arguments.samples % 200:
        parser.error("--samples must be a multiple of 200, or the loops by hand draw too few")
    settings = {"images": arguments.images, "num_samples": arguments.samples}
    settings |= {"rounds": arguments.rounds, "network": f"784-200-200-{LATENT_DIM}"}
    found = {
        "speed": speed(arguments.images, arguments.samples, arguments.rounds),
        "memory": memory_table(),
    }
    results.write(arguments.output / "likelihood_speed.json", found, seed=0, **settings)
