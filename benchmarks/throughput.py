"""Images per second of `fit`, compared with loops written by hand.

    python benchmarks/throughput.py            about a quarter of an hour on two cores

The contenders take turns in one process, on MNIST as a plain array (from `$KERAS_HOME`, else
downloaded):

- `fit` of this library, with the settings that the README recommends, and with Keras's defaults
- (a) a Keras model in the style of the well-known example, with its own `train_step`: with Keras's
  defaults, and with the same `steps_per_execution`
- (b) a TensorFlow loop written by hand: one `tf.function` for a whole epoch over data in memory,
  shuffled indices, no metrics
- the same loop in PyTorch, if it is installed

Then a fit of ten epochs of the dense model, with and without `callbacks.TensorBoard`.

All contenders have networks and batches of the same sizes, and Adam; only the recommended `fit`
uses `optimizers.Adam`. The figures go to `benchmarks/results/`.
"""

import argparse
import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf
from example_vae import ExampleVAE
from timing import by_turns, print_table, summary

from keras_vae import VAE, callbacks, datasets, networks, optimizers, results

try:
    import torch
except ImportError:
    torch = None

BATCH_SIZE = 128
NETWORKS = {  # title, builder, epochs per call
    "dense": ("dense, 784-400-64", lambda: networks.dense((28, 28, 1), 64, hidden=(400,)), 5),
    "conv": (
        "convolutional, 16 and 32 filters, 64 units, latent 16",
        lambda: networks.conv((28, 28, 1), 16, filters=(16, 32), hidden=(64,)),
        1,
    ),
}
FIT, DEFAULTS = "fit, as recommended", "fit, Keras's defaults"
EXAMPLE, EXAMPLE_64 = "(a) Keras example", "(a), steps_per_execution=64"
BY_HAND, IN_TORCH = "(b) TensorFlow by hand", "PyTorch by hand"
WATCHED = "fit, with TensorBoard"


def library(make_networks, x, epochs, optimizer="adam", **settings):
    vae = VAE(*make_networks(), seed=0)
    vae.compile(optimizer, **settings)
    return lambda: vae.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)


def example(make_networks, x, epochs, **settings):
    vae = ExampleVAE(*make_networks())
    vae.compile(optimizer=keras.optimizers.Adam(), **settings)
    return lambda: vae.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)


def tensorflow_by_hand(make_networks, x, epochs):
    encoder, decoder = make_networks()
    variables = encoder.trainable_variables + decoder.trainable_variables
    optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    data = tf.constant(x)

    @tf.function
    def epoch():
        rows = tf.random.shuffle(tf.range(len(x)))
        for start in tf.range(0, len(x), BATCH_SIZE):
            batch = tf.gather(data, rows[start : start + BATCH_SIZE])
            with tf.GradientTape() as tape:
                mean, log_var = encoder(batch, training=True)
                z = mean + tf.exp(0.5 * log_var) * tf.random.normal(tf.shape(mean))
                logits = decoder(z, training=True)
                entropy = tf.nn.sigmoid_cross_entropy_with_logits(batch, logits)
                kl = -0.5 * (1 + log_var - tf.square(mean) - tf.exp(log_var))
                loss = tf.reduce_mean(
                    tf.reduce_sum(entropy, axis=[1, 2, 3]) + tf.reduce_sum(kl, axis=1)
                )
            optimizer.apply(tape.gradient(loss, variables), variables)

    def run():
        for _ in range(epochs):
            epoch()

    return run


def pytorch_by_hand(network, x, epochs):
    nn = torch.nn
    if network == "dense":
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 128))
        decoder = nn.Sequential(nn.Linear(64, 400), nn.ReLU(), nn.Linear(400, 784))
        size = (-1, 784)
    else:
        encoder = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(7 * 7 * 32, 64), nn.ReLU(), nn.Linear(64, 32)),
        )
        decoder = nn.Sequential(
            *(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 7 * 7 * 32), nn.ReLU()),
            *(nn.Unflatten(1, (32, 7, 7)), nn.ConvTranspose2d(32, 32, 3, 2, 1, 1), nn.ReLU()),
            *(nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.ReLU(), nn.Conv2d(16, 1, 3, 1, 1)),
        )
        size = (-1, 1, 28, 28)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
    data = torch.from_numpy(x).reshape(size)

    def run():
        for _ in range(epochs):
            for rows in torch.randperm(len(data)).split(BATCH_SIZE):
                batch = data[rows]
                mean, log_var = encoder(batch).chunk(2, dim=1)
                log_var = 20 * torch.tanh(log_var / 20)  # the bound of the builders
                z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
                entropy = nn.functional.binary_cross_entropy_with_logits(
                    decoder(z), batch, reduction="sum"
                )
                kl = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum()
                loss = (entropy + kl) / len(batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return run


def measure(network, x, rounds):
    title, make, epochs = NETWORKS[network]

    def make_networks():
        keras.utils.set_random_seed(0)
        return make()

    contenders = {
        FIT: library(make_networks, x, epochs, optimizers.Adam(), steps_per_execution=64),
        DEFAULTS: library(make_networks, x, epochs),
        EXAMPLE: example(make_networks, x, epochs),
        EXAMPLE_64: example(make_networks, x, epochs, steps_per_execution=64),
        BY_HAND: tensorflow_by_hand(make_networks, x, epochs),
    }
    if torch is not None:
        contenders[IN_TORCH] = pytorch_by_hand(network, x, epochs)
    times = by_turns(contenders, rounds)
    rows = summary(times, {name: len(x) * epochs for name in contenders}, BY_HAND)
    print_table(f"{title}; relative to (b), above 1 is faster", rows, "images")
    beside_example = rows[FIT]["per_second"] / rows[EXAMPLE]["per_second"]
    print(f"fit relative to (a), in wall time: {beside_example:.2f}")
    return {"network": title, "epochs": epochs, "rows": rows}


def watched(make_networks, x, epochs, folder):
    vae = VAE(*make_networks(), seed=0)
    vae.compile(optimizers.Adam(), steps_per_execution=64)

    def run():
        board = callbacks.TensorBoard(tempfile.mkdtemp(dir=folder))
        vae.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0, callbacks=[board])

    return run


def measure_tensorboard(x, rounds, epochs=10):
    """The cost of the callback with its defaults: all kinds, one folder of logs for each fit."""
    title, make, _ = NETWORKS["dense"]
    with tempfile.TemporaryDirectory() as folder:
        contenders = {
            FIT: library(make, x, epochs, optimizers.Adam(), steps_per_execution=64),
            WATCHED: watched(make, x, epochs, folder),
        }
        times = by_turns(contenders, rounds)
    rows = summary(times, {name: len(x) * epochs for name in contenders}, FIT)
    print_table(f"{title}, {epochs} epochs per fit; relative to the fit without it", rows, "images")
    return {"network": title, "epochs": epochs, "rows": rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    everything = [*NETWORKS, "tensorboard"]
    parser.add_argument("--what", nargs="+", choices=everything, default=everything)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path(__file__).parent / "results"
    )
    arguments = parser.parse_args()

    (x_train, _), _ = datasets.load_mnist()
    x_train = np.ascontiguousarray(x_train[: arguments.images])
    found = {
        name: measure_tensorboard(x_train, arguments.rounds)
        if name == "tensorboard"
        else measure(name, x_train, arguments.rounds)
        for name in arguments.what
    }
    results.write(
        arguments.output / "throughput.json",
        found,
        seed=0,
        rounds=arguments.rounds,
        images=len(x_train),
        batch_size=BATCH_SIZE,
        torch=torch and torch.__version__,
    )
