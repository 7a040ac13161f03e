# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 7 · Twelve networks: which settings matter
#
# This lesson redoes section 2.9 of the Project: twelve variants of a convolutional VAE, each with a
# picture. The Project judges by the pictures. Here each variant also gets numbers from images that
# it was not trained on, and the Project's conclusions are checked one by one.
#
#     python tutorials/07_twelve_networks.py                       # offline, two minutes
#     python tutorials/07_twelve_networks.py --seeds 3             # three trainings each
#     python tutorials/07_twelve_networks.py --dataset mnist --seeds 3 --parallel 2
#
# Figures, `metrics.json` and the folder `logs` for TensorBoard go to the folder `--output`.

# %%
import concurrent.futures
import shutil
import subprocess
import sys
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from lesson import Lesson

from keras_vae import VAE, callbacks, datasets, metrics, networks, optimizers, plotting

lesson = Lesson(
    "07_twelve_networks",
    {
        "characters": {
            "load": lambda: datasets.load_characters("digits"),
            **{"epochs": 8, "batch_size": 64, "some": 200, "samples": 100},
        },
        "mnist": {
            "load": datasets.load_mnist,
            **{"epochs": 10, "batch_size": 128, "some": 1000, "samples": 200},
        },
        "digits": {
            "load": datasets.load_digits,
            **{"epochs": 10, "batch_size": 32, "some": 200, "samples": 100},
        },
    },
    figures={"characters": {"pictures": "07_twelve_networks"}},
    arguments={
        "--seeds": {"type": int, "default": 1, "help": "trainings of each variant"},
        "--parallel": {"type": int, "default": 1, "help": "processes that train side by side"},
        "--only": {"nargs": 2, "metavar": ("NAME", "SEED"), "help": "train one and stop"},
    },
)
settings, show, arguments = lesson.settings, lesson.show, lesson.arguments
epochs, runs = lesson.epochs or settings["epochs"], lesson.output / "runs"
(x_train, y_train), (x_test, y_test) = settings["load"]()

# %% [markdown]
# ## The variants
#
# The first is the Project's ideal: two convolutional layers, two latents, Adam with a learning rate
# of 0.001, no dropout. Each other variant changes what its name says. The Project writes of a
# momentum of one, where plain gradient descent would never slow down; we compare 0.9 with none.

# %%
VARIANTS = {
    "as the Project": {},
    "more layers": {"filters": (8, 16, 32)},
    "rate 0.01": {"rate": 1e-2},
    "rate 0.0001": {"rate": 1e-4},
    "dropout, encoder": {"dropout": (0.3, 0.0)},
    "dropout, both": {"dropout": (0.3, 0.3)},
    "dropout, both, longer": {"dropout": (0.3, 0.3), "longer": 2},
    "no momentum": {"momentum": 0.0},
    "momentum 0.9": {"momentum": 0.9},
    "5 latents": {"latent_dim": 5},
    "5 latents, more layers": {"latent_dim": 5, "filters": (8, 16, 32)},
    "5 latents, dropout": {"latent_dim": 5, "dropout": (0.3, 0.3)},
}


def make_vae(seed, latent_dim=2, filters=(8, 16), rate=1e-3, dropout=0.0, momentum=None):
    """A compiled VAE with convolutions of stride 2 and ReLUs, as in the Project's figure 9."""
    keras.utils.set_random_seed(seed)
    vae = VAE(*networks.conv(x_train.shape[1:], latent_dim, filters, dropout=dropout), seed=seed)
    optimizer = optimizers.Adam(rate)
    if momentum is not None:  # the loss is a sum over pixels: without a limit steps are too long
        optimizer = keras.optimizers.SGD(rate, momentum, clipnorm=10.0)
    vae.compile(optimizer, steps_per_execution=25)
    return vae


# %% [markdown]
# ## Training, and what is measured
#
# For each variant, on test images: the ELBO, and the importance-weighted estimate of $\log p(x)$
# (Burda 2016), which is nearer to the truth:
#
# $$\log p(x) \approx \log \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k|x)},
# \qquad z_k \sim q(z|x)$$
#
# Further the number of active units, the seconds of training, and images decoded from a grid over
# the first two latents. All trainings stand in TensorBoard's tab *HParams*, side by side.


# %%
def train(name, seed):
    """Train one variant with one seed: a dict of its figures, and its images as `images`."""
    changes = dict(VARIANTS[name])
    longer = changes.pop("longer", 1)
    vae = make_vae(seed, **changes)
    logs = lesson.output / "logs" / f"{name}, seed {seed}"
    shutil.rmtree(logs, ignore_errors=True)  # of an earlier run
    skip = ("graph", "images", "histograms", "projector", "text")
    started = time.perf_counter()
    history = vae.fit(
        x_train,
        batch_size=settings["batch_size"],
        epochs=epochs * longer,
        verbose=0,
        validation_data=x_test,
        callbacks=[callbacks.TensorBoard(logs, skip=skip)],
    ).history
    seconds = time.perf_counter() - started
    z = np.zeros((49, vae.signature.latent_shape[0]), "float32")  # further latents stay at 0
    z[:, :2] = plotting.latent_grid(plotting.prior_quantiles(7))
    return {
        "elbo": history["val_elbo"][-1],
        "train_elbo": history["elbo"][-1],
        "log_p": vae.log_likelihood(x_test[: settings["some"]], settings["samples"], seed=0).mean(),
        "active_units": metrics.active_units(vae.encode(x_test)),
        "seconds": seconds,
        "images": vae.decode(z),
    }


def trained(task):
    """The result of a training, which a process of its own makes if several run side by side."""
    name, seed = task
    path = runs / f"{list(VARIANTS).index(name) + 1:02}_{seed}.npz"
    if arguments.parallel > 1:
        own = ["--only", name, str(seed), "--dataset", lesson.dataset, "--epochs", str(epochs)]
        command = [sys.executable, sys.argv[0], *own, "--output", str(lesson.output)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    else:
        runs.mkdir(parents=True, exist_ok=True)
        np.savez(path, **train(name, seed))
    found = dict(np.load(path))
    line = f"ELBO {found['elbo']:8.2f}, log p {found['log_p']:8.2f}, {found['seconds']:.0f} s"
    print(f"{name}, seed {seed}: {line}", flush=True)
    return found


if arguments.only:
    trained((arguments.only[0], int(arguments.only[1])))
    sys.exit()
tasks = [(name, seed) for seed in range(arguments.seeds) for name in VARIANTS]
with concurrent.futures.ThreadPoolExecutor(arguments.parallel) as pool:
    found = dict(zip(tasks, pool.map(trained, tasks), strict=True))

# %% [markdown]
# ## A picture of each
#
# As the Project's figures 10 to 16: images decoded from the quantiles of $p(z)$, so that each
# stands for an equal share of the draws.

# %%
figure, axes = plt.subplots(3, 4, figsize=(9, 7.2), layout="constrained")
for panel, name in zip(axes.flat, VARIANTS, strict=True):
    tiles = plotting.tiled(found[name, 0]["images"], columns=7, gap=0)
    panel.imshow(tiles[..., 0], cmap="gray_r", vmin=0, vmax=1)
    panel.set_title(name, fontsize=9)
    panel.axis("off")
figure.suptitle("decoded from p(z)")
show(figure, "pictures")

# %% [markdown]
# ## The numbers
#
# Means over the seeds; ± is the standard error where there are several. Differences below a nat or
# two are within the spread of the seeds.


# %%
def of(name, key):
    """(mean, standard error) over the seeds."""
    values = np.array([float(found[name, seed][key]) for seed in range(arguments.seeds)])
    return values.mean(), values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan


def text(mean, error, width=10):
    error = f" ± {error:.2f}" if np.isfinite(error) else ""
    return f"{mean:{width}.2f}{error}"


wide = 12 if arguments.seeds == 1 else 20
print(f"{'':24}{'ELBO, test':>{wide}}{'training':>{wide}}{'log p(x)':>{wide}}", end="")
print(f"{'active':>8}{'seconds':>9}")
for name in VARIANTS:
    cells = [f"{text(*of(name, key)):>{wide}}" for key in ("elbo", "train_elbo", "log_p")]
    active, seconds = (of(name, key)[0] for key in ("active_units", "seconds"))
    print(f"{name:24}{''.join(cells)}{active:8.1f}{seconds:9.0f}")

# %% [markdown]
# ## The Project's conclusions
#
# Each is a comparison of two variants. A positive difference, in nats of test ELBO, supports it. It
# is decided if it exceeds two standard errors, with one seed two nats.

# %%
CLAIMS = {
    "more layers help": ("more layers", "as the Project"),
    "a rate of 0.01 is worse": ("as the Project", "rate 0.01"),
    "a rate of 0.0001 is worse": ("as the Project", "rate 0.0001"),
    "dropout in the encoder alone is worse": ("as the Project", "dropout, encoder"),
    "dropout in both is good if trained for longer": ("dropout, both, longer", "as the Project"),
    "no dropout is best (5 latents)": ("5 latents", "5 latents, dropout"),
    "momentum helps": ("momentum 0.9", "no momentum"),
    "5 latents are better than 2": ("5 latents", "as the Project"),
    "5 latents and more layers are best": (
        "5 latents, more layers",
        max((n for n in VARIANTS if n != "5 latents, more layers"), key=lambda n: of(n, "elbo")[0]),
    ),
}
differences = {}
for claim, (better, worse) in CLAIMS.items():
    gains = np.array(
        [found[better, s]["elbo"] - found[worse, s]["elbo"] for s in range(arguments.seeds)]
    )
    error = gains.std(ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else 1.0
    verdict = "not decided" if abs(gains.mean()) < 2 * error else "holds"
    verdict = "does not hold" if gains.mean() < -2 * error else verdict
    differences[claim] = gains.mean()
    print(f"{claim:48}{text(gains.mean(), error if len(gains) > 1 else np.nan)}  {verdict}")

# %%
record = {}
for place, name in enumerate(VARIANTS, start=1):
    for key in ("elbo", "train_elbo", "log_p", "active_units", "seconds"):
        mean, error = of(name, key)
        record[f"{place:02}_{key}"] = mean
        if key in ("elbo", "log_p") and arguments.seeds > 1:
            record[f"{place:02}_{key}_error"] = error
lesson.finish(
    record,
    variants=list(VARIANTS),
    seeds=arguments.seeds,
    epochs=epochs,
    batch_size=settings["batch_size"],
    num_samples=settings["samples"],
)
print(f"compare them: tensorboard --logdir {lesson.output / 'logs'}, tab HParams")

# %% [markdown]
# ## Summary
#
# - The number of latents decides. No other setting comes near: a picture of 28 × 28 pixels has more
#   than two properties.
# - A learning rate that is too small looks like a bad network, because it is not yet trained.
#   Compare trainings that have converged.
# - Dropout is a remedy for overfitting: the gap between the training's ELBO and the test's. Where
#   there is little of it, dropout has little to mend.
# - Neither one picture nor one training can rank networks: look at the spread of the seeds.
