# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 1 · Generating images and exploring the latent space
#
# This lesson redoes the lecture's first application (Report 4.1; Thesis, "VAE on the MNIST
# dataset"), its view of the latent space (Introduction, figures 2 and 3), its baseline (Course,
# "VAE against traditional autoencoder") and one of its questions (Project, question 1: why do we
# optimise the ELBO and not log p(x)?).
#
#     python tutorials/01_image_generation.py                      # 1,797 digits, offline, a minute
#     python tutorials/01_image_generation.py --dataset mnist      # the full data, ten minutes
#     python tutorials/01_image_generation.py --dataset fashion_mnist
#
# The figures, `metrics.json` and the trained model go to the folder `--output`.

# %%
import argparse
import json
import pathlib
import sys
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsClassifier

from keras_vae import (
    VAE,
    Autoencoder,
    datasets,
    metrics,
    networks,
    optimizers,
    plotting,
    pretrained,
    results,
)

parser = argparse.ArgumentParser(description="Generating images and exploring the latent space")
loaders = {
    "digits": datasets.load_digits,
    "mnist": datasets.load_mnist,
    "fashion_mnist": datasets.load_fashion_mnist,
}
parser.add_argument("--dataset", choices=loaders, default="digits")
parser.add_argument("--epochs", type=int, help="default: 100 on digits, 30 otherwise")
parser.add_argument("--output", type=pathlib.Path, default="output/01_image_generation")
parser.add_argument("--publish", action="store_true", help="update the published files")
arguments = parser.parse_args([] if "ipykernel" in sys.modules else None)

PRETRAINED = (("dense", "digits"), ("conv", "digits"), ("conv", "mnist"))  # published models
small = arguments.dataset == "digits"
hidden = (128, 64) if small else (512, 256)
batch_size = 32 if small else 128
many_epochs = arguments.epochs or (100 if small else 30)
few_epochs = max(1, many_epochs // 10)

keras.utils.set_random_seed(0)
arguments.output.mkdir(parents=True, exist_ok=True)


def show(figure, name):
    """Save the figure as a PNG; in a notebook, show it too."""
    figure.savefig(arguments.output / f"{name}.png", dpi=120)
    if "ipykernel" in sys.modules:
        plt.show()
    plt.close(figure)


# %% [markdown]
# ## The data
#
# Grey images in [0, 1]. The figures show test images, but we choose nothing by them: while
# training, we watch a validation part of the training set. (The Report chose on the test digits.)

# %%
(x_train, y_train), (x_test, y_test) = loaders[arguments.dataset]()
print(f"{len(x_train)} images to train on, {len(x_test)} to test, of shape {x_train.shape[1:]}")
show(plotting.image_grid(x_train[:60], columns=15, title="the data"), "01_data")

# %% [markdown]
# ## The model: three distributions and a bound
#
# The prior $p(z) = N(0, I)$ says what latents look like before any image is seen. The decoder gives
# $p(x|z)$, here a Bernoulli for each pixel. The encoder gives $q(z|x) = N(\mu(x), \sigma^2(x))$.
# We maximise the evidence lower bound, the core equation of the Introduction (4):
#
# $$\log p(x) - KL(q(z|x) \| p(z|x)) = E_{q(z|x)}[\log p(x|z)] - KL(q(z|x) \| p(z)) = ELBO$$
#
# The last term has a closed form, $-\frac12 \sum (1 + \log\sigma^2 - \mu^2 - \sigma^2)$. (The
# Thesis prints it without the minus sign. It also says that the term can be omitted because it is
# never negative. That sign makes the ELBO a *bound*; it is no reason to drop the term.)


# %%
def make_vae(latent_dim):
    encoder, decoder = networks.dense(x_train.shape[1:], latent_dim, hidden=hidden)
    vae = VAE(encoder, decoder, likelihood="bernoulli", beta=1.0, seed=0)
    vae.compile(optimizers.Adam(), steps_per_execution=64)  # 64 steps a call: faster, same result
    return vae


vae = make_vae(latent_dim=2)
vae.summary()

# %% [markdown]
# ## Training, first a few epochs, then many
#
# `fit` is Keras's. After a few epochs we keep the latents of the test images, to see later how the
# space fills. A second `fit` continues where the first one stopped.

# %%
settings = {"batch_size": batch_size, "validation_split": 0.1, "verbose": 2}

started = time.perf_counter()
first = vae.fit(x_train, epochs=few_epochs, **settings)
train_seconds = time.perf_counter() - started
latents = {f"after {few_epochs} epochs": vae.encode(x_test)}
reconstructions = {f"{few_epochs} epochs": vae.reconstruct(x_test[:12])}

settings["verbose"] = 0
started = time.perf_counter()
rest = vae.fit(x_train, initial_epoch=few_epochs, epochs=many_epochs, **settings)
train_seconds += time.perf_counter() - started
latents[f"after {many_epochs} epochs"] = vae.encode(x_test)
reconstructions[f"{many_epochs} epochs"] = vae.reconstruct(x_test[:12])

# %% [markdown]
# The loss by epoch, in nats per image. The reconstruction loss falls. The KL term falls at first,
# while the decoder still ignores the latents. Then it *rises*: the latents begin to carry
# information, and the KL is the price of it.

# %%
history = {name: first.history[name] + rest.history[name] for name in rest.history}
names = ["loss", "reconstruction_loss", "kl_loss"]
show(plotting.history(history, names, title="loss by epoch"), "02_history")

# %% [markdown]
# ## Originals beside reconstructions
#
# `reconstruct(x)` is `decode(encode(x))`. Two numbers cannot describe a digit completely, and the
# decoder averages over everything that they leave open. This is the blur that Report, Thesis and
# Project complain about. (It is not "Gaussian blur", as the Report guesses: the mean of any
# unimodal $p(x|z)$ is blurred where $z$ does not determine $x$.)

# %%
show(plotting.reconstructions(x_test, reconstructions, n=12), "03_reconstructions")

# %% [markdown]
# ## The manifold
#
# The lecture varies both coordinates of z from −1 to 1. (The Report calls them "mean and variance",
# but it varies z.) Under $N(0, I)$ this square holds only 47 % of the latents ($0.683^2$). If we
# step along the quantiles of the prior instead, each picture stands for an equal share of $p(z)$,
# and the figure shows everything that the model can write. One batched `decode` makes each figure.

# %%
lecture = plotting.manifold(vae.decode, n=15, low=-1, high=1, title="z from −1 to 1")
show(lecture, "04_manifold_lecture")
whole = plotting.manifold(vae.decode, n=21, quantiles=True, title="z over the quantiles of p(z)")
if arguments.publish and not small:
    figures = pathlib.Path(__file__).parent / "figures"
    figures.mkdir(exist_ok=True)
    whole.savefig(figures / f"01_manifold_{arguments.dataset}.png", dpi=60)
show(whole, "05_manifold_quantiles")

# %% [markdown]
# ## Latents by class, after few and after many epochs
#
# The model never saw a label, yet images of one class come to lie together. The whole cloud settles
# within the prior (the circles show one and two standard deviations), as in the Introduction's
# figure 2. Each point is a mean; the draws around the means fill the space between them.

# %%
show(plotting.latent_scatter(latents, y_test, prior=True), "06_latents_by_epoch")

# %% [markdown]
# ## Capacity: 2 latents and 23 latents
#
# The Introduction's figure 3: with more latents, the classes overlap less. We measure by how much:
# how often do the nearest neighbours among the training latents predict the class of a test image?
# We use t-SNE to draw the 23 dimensions, not to measure.


# %%
def neighbour_accuracy(model):
    classifier = KNeighborsClassifier(n_neighbors=5)
    classifier.fit(model.encode(x_train), y_train)
    return classifier.score(model.encode(x_test), y_test)


vae23 = make_vae(latent_dim=23)
started = time.perf_counter()
vae23.fit(x_train, epochs=many_epochs, **settings)
train_seconds23 = time.perf_counter() - started

some = slice(0, 2000)
map23 = TSNE(random_state=0, init="pca").fit_transform(vae23.encode(x_test[some]))
panels = {
    f"2 latents: neighbours right {neighbour_accuracy(vae):.0%}": vae.encode(x_test[some]),
    f"23 latents (t-SNE): right {neighbour_accuracy(vae23):.0%}": map23,
}
show(plotting.latent_scatter(panels, y_test[some]), "07_capacity")

pair = {"2 latents": vae.reconstruct(x_test[:12]), "23 latents": vae23.reconstruct(x_test[:12])}
show(plotting.reconstructions(x_test, pair, n=12), "08_capacity_reconstructions")

# %% [markdown]
# The model has 23 latents; how many does it use? A latent is active if the mean of $q(z|x)$ varies
# with $x$ (Burda 2016). The others would cost KL and carry no information, so training on the bound
# switches them off. The number of active latents differs from run to run.

# %%
for name, model in {"2": vae, "23": vae23}.items():
    print(f"{metrics.active_units(model.encode(x_test))} of {name} latents are active")

# %% [markdown]
# ## Draws from the prior
#
# Generation uses the decoder alone: $z \sim p(z)$, then the mean of $p(x|z)$. Not every draw is a
# digit: between the classes lie regions that the prior covers and the data do not.

# %%
for name, model in {"2": vae, "23": vae23}.items():
    images = model.generate(60, seed=1)
    title = f"drawn from the prior, {name} latents"
    show(plotting.image_grid(images, columns=15, title=title), f"09_generated_{name}")

# %% [markdown]
# ## Why the ELBO, and not log p(x)? (Project, question 1)
#
# $p(x) = \int p(x|z)\, p(z)\, dz$ has no closed form. Weighted draws of $z$ from the encoder give a
# bound that tightens with the number of draws $K$ (Burda 2016); $K = 1$ is the ELBO:
#
# $$\log p(x) \ge E\left[\log \frac1K \sum_k \frac{p(x|z_k)\,p(z_k)}{q(z_k|x)}\right] \ge ELBO$$
#
# (The Project writes its inequality (4) with ≤, but the ELBO is the lower side.) With two latents
# we can check this, since a sum over a grid approximates the integral.

# %%
subset = x_test[: 200 if small else 20]
step = 0.05
line = np.arange(-6, 6 + step, step)
grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype("float32")
log_p_z = np.array(vae.prior().log_prob(grid)) + 2 * np.log(step)  # log of p(z) dz
p_x = vae.likelihood(grid)  # a p(x|z) for each point of the grid
log_p = [np.logaddexp.reduce(np.array(p_x.log_prob(x[None])) + log_p_z) for x in subset]

bounds = {k: vae.log_likelihood(subset, num_samples=k) for k in (1, 10, 100, 1000)}
print(f"{'ELBO':>12}: {vae.elbo(subset).mean():8.2f} nats, mean of {len(subset)} test images")
for k, bound in bounds.items():
    print(f"{f'K = {k}':>12}: {bound.mean():8.2f}")
print(f"{'by the grid':>12}: {np.mean(log_p):8.2f}")
print(f"images more than 1 nat short at K = 1000: {np.sum(log_p - bounds[1000] > 1)}")

# %% [markdown]
# The gap between the ELBO and log p(x) is $KL(q(z|x) \| p(z|x))$, the distance of the encoder's
# normal from the true posterior. More draws close the gap, unless the encoder looks in the wrong
# place. If an image is still far short at K = 1000 (no digit is, some MNIST images are), it is
# explained by a latent that q never proposes and only the grid finds. We train on the ELBO because
# one draw gives an unbiased gradient of it, for decoder and encoder at once; log p(x) has no
# gradient estimate as simple. (A Bernoulli on grey values is a pseudo-likelihood: its nats compare
# only models of the same data.)

# %% [markdown]
# ## The baseline: a plain autoencoder and its gaps
#
# The same networks without noise and without a KL term. Nothing makes the codes lie around 0 with a
# spread of 1, or close the gaps between them. In two dimensions we see the different scale (the
# circles again show N(0, I)). The gaps appear with more dimensions.


# %%
def make_autoencoder(latent_dim):
    encoder, decoder = networks.dense(
        x_train.shape[1:], latent_dim, hidden=hidden, variational=False
    )
    autoencoder = Autoencoder(encoder, decoder, likelihood="bernoulli", seed=0)
    autoencoder.compile(optimizers.Adam(), steps_per_execution=64)
    autoencoder.fit(x_train, epochs=many_epochs, **settings)
    return autoencoder


autoencoder, autoencoder23 = make_autoencoder(2), make_autoencoder(23)
panels = {"autoencoder": autoencoder.encode(x_test[some]), "VAE": vae.encode(x_test[some])}
show(plotting.latent_scatter(panels, y_test[some], prior=True), "10_autoencoder_latents")

# %% [markdown]
# To draw from an autoencoder, we must guess where its codes lie. We use the best normal, with the
# mean and covariance of the codes. Then we count the draws that clearly belong to one class: their
# five nearest training images all have the same label. (Blur does not count against a draw here,
# since the mean of a class clearly belongs to it; a gap between classes does.) In two dimensions
# the guess works as well as the prior of the VAE. In 23 dimensions it fails: far more of its draws
# fall between the codes, where the decoder has learned nothing. The reconstruction errors rank the
# models the other way round, so they must not judge a generator.

# %%
random = np.random.default_rng(1)
judge = KNeighborsClassifier(n_neighbors=5).fit(x_train.reshape(len(x_train), -1), y_train)


def clearly_one_class(images):
    votes = judge.predict_proba(images.reshape(len(images), -1))
    return np.mean(votes.max(axis=1) == 1)


print(f"{'':16}{'RMSE of reconstructions':>25}{'draws clearly of one class':>35}")
for latent_dim, plain, model in ((2, autoencoder, vae), (23, autoencoder23, vae23)):
    codes = plain.encode(x_train)
    guesses = random.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), size=1000)
    guessed = plain.decode(guesses)
    for name, generator, images in (
        (f"autoencoder, {latent_dim}", plain, guessed),
        (f"VAE, {latent_dim}", model, model.generate(1000, seed=1)),
    ):
        error = metrics.rmse(x_test, generator.reconstruct(x_test))
        print(f"{name:16}{error:25.3f}{clearly_one_class(images):35.0%}")
    title = f"drawn from the autoencoder, {latent_dim} latents"
    figure = plotting.image_grid(guessed[:60], columns=15, title=title)
    show(figure, f"11_drawn_from_autoencoder_{latent_dim}")
print(f"{'test images':16}{'':25}{clearly_one_class(x_test[:1000]):35.0%}")

# %% [markdown]
# ## Convolutions
#
# The networks of the Report and the Introduction are convolutional: they apply the same kernel at
# every place. Only one line of the model changes. On 28 x 28 pixels, a fraction of the weights
# comes close to the bound of the dense networks in a third of the epochs. On 8 x 8 pixels there is
# little to share, and the dense networks win.

# %%
encoder, decoder = networks.conv(x_train.shape[1:], latent_dim=23, filters=(16, 32, 64))
conv_vae = VAE(encoder, decoder, likelihood="bernoulli", beta=1.0, seed=0)
conv_vae.compile(optimizers.Adam(2e-3), steps_per_execution=64)
conv_vae.fit(x_train, epochs=max(1, many_epochs // 3), **settings)
for name, model in {"dense": vae23, "convolutional": conv_vae}.items():
    bound = model.elbo(x_test, seed=0).mean()
    print(f"{name:14}{model.count_params():10,} weights, ELBO {bound:8.2f} nats")

# %% [markdown]
# ## Saving and loading
#
# One file holds the networks, the weights, the optimizer and the state of all noise, so that
# training can continue from it. Import `keras_vae` before you call `load_model`.

# %%
path = arguments.output / "vae.keras"
vae.save(path)
again = keras.models.load_model(path)
print("the same after reading back:", np.array_equal(again.elbo(x_test), vae.elbo(x_test)))


# %% [markdown]
# ## In numbers
#
# On the test images, in nats per image (information in units of the natural logarithm).


# %%
def test_metrics(model):
    losses = model.evaluate(x_test, batch_size=1024, verbose=0, return_dict=True)
    x_hat = model.reconstruct(x_test)
    return {
        "test_loss": losses["loss"],
        "test_reconstruction_loss": losses["reconstruction_loss"],
        "test_kl_loss": losses["kl_loss"],
        "test_log_likelihood": float(model.log_likelihood(x_test[:1000], 500).mean()),
        "test_rmse": metrics.rmse(x_test, x_hat),
        "test_mae": metrics.mae(x_test, x_hat),
        "active_units": metrics.active_units(model.encode(x_test)),
    }


found = test_metrics(vae) | {"train_seconds": train_seconds}
found23 = test_metrics(vae23) | {"train_seconds": train_seconds23}

print(f"{'':26}{'2 latents':>12}{'23 latents':>12}")
for name in found:
    print(f"{name:26}{found[name]:12.3f}{found23[name]:12.3f}")
found |= {f"latent23_{name}": value for name, value in found23.items()}
found["conv_test_elbo"] = float(conv_vae.elbo(x_test, seed=0).mean())

# %% [markdown]
# ## Comparison with the lecture: the Thesis's network
#
# For MNIST the Thesis reports an RMSE of 0.171 and an MAE of 0.073, measured on reconstructed test
# images. (Its published "VAE in Keras" does not sample and has no KL term.) We train its network as
# a VAE: one hidden layer of 400 units, 64 latents, batches of 250, 20 epochs, β = 1. We use tanh
# units and a learning rate that falls from 0.003 to 0, which 20 epochs need. We run three seeds,
# and one more run with ReLU. The errors of 8 × 8 digits have another scale and are not compared.


# %%
thesis_epochs = arguments.epochs or 20


def thesis_vae(activation, seed):
    keras.utils.set_random_seed(seed)
    encoder, decoder = networks.dense((28, 28, 1), 64, hidden=(400,), activation=activation)
    vae = VAE(encoder, decoder, likelihood="bernoulli", beta=1.0, seed=seed)
    steps = thesis_epochs * len(x_train) // 250
    rate = keras.optimizers.schedules.CosineDecay(3e-3, decay_steps=steps)
    vae.compile(optimizers.Adam(rate), steps_per_execution=64)
    vae.fit(x_train, batch_size=250, epochs=thesis_epochs, verbose=0)
    return test_metrics(vae)


if arguments.dataset == "mnist":
    runs = [thesis_vae("tanh", seed) for seed in range(3)]
    relu = thesis_vae("relu", seed=0)
    mean = {name: np.mean([run[name] for run in runs]) for name in relu}
    spread = {name: np.ptp([run[name] for run in runs]) for name in relu}
    found |= {f"thesis_{name}": float(value) for name, value in mean.items()}
    found |= {f"thesis_spread_{name}": float(value) for name, value in spread.items()}
    found |= {f"thesis_relu_{name}": value for name, value in relu.items()}

    print(f"{'':26}{'tanh, 3 seeds':>14}{'(range)':>10}{'ReLU':>10}{'Thesis':>10}")
    for name in relu:
        lecture = {"test_rmse": 0.171, "test_mae": 0.073}.get(name, "")
        print(f"{name:26}{mean[name]:14.4f}{spread[name]:10.4f}{relu[name]:10.4f}{lecture:>10}")

# %% [markdown]
# Error and bound disagree here: tanh has the smaller error, ReLU has the smaller loss (a better
# bound and a better log p(x)). They measure different things. The error looks at one image, decoded
# from the mean of $q(z|x)$. The loss averages over draws from $q(z|x)$ and adds the cost of the
# code, the KL. With tanh the codes carry more nats. This sharpens the image at the mean, but not
# the average over the draws: the reconstruction loss is the same, so the higher KL buys nothing.
# Compare models by the bound, and reconstructions by the error. Report both for the *same* run,
# since each can be improved at the expense of the other; β < 1 does just that.

# %%
text = json.dumps(found, indent=2, sort_keys=True)
(arguments.output / "metrics.json").write_text(text + "\n")
if arguments.publish:
    path = (
        pathlib.Path(__file__).parent / "results" / f"01_image_generation_{arguments.dataset}.json"
    )
    published = {"hidden": hidden, "batch_size": batch_size, "epochs": many_epochs}
    thesis = {"hidden": [400], "batch_size": 250, "epochs": thesis_epochs, "seeds": [0, 1, 2]}
    results.write(path, found, dataset=arguments.dataset, seed=0, **published, thesis=thesis)
    licences = {"digits": "CC BY 4.0 (UCI, optical digits)", "mnist": "CC BY-SA 3.0"}
    for name, model in {"dense": vae23, "conv": conv_vae}.items():
        if (name, arguments.dataset) not in PRETRAINED:
            continue
        pretrained.publish(
            model,
            f"{name}_{arguments.dataset}",
            {
                "elbo": float(model.elbo(x_test, seed=0).mean()),
                "rmse": metrics.rmse(x_test, model.reconstruct(x_test)),
            },
            about=f"VAE of digits, 23 latents, networks.{name}.",
            data=arguments.dataset,
            licence=licences[arguments.dataset],
            command=f"tutorials/01_image_generation.py --dataset {arguments.dataset} --publish",
            limits="Draws from the prior are not all digits; grey values as probabilities of ink.",
            seed=0,
        )
print(f"figures, metrics.json and the model are in {arguments.output}")

# %% [markdown]
# ## Summary
#
# - The loss is the negative ELBO, summed over pixels and latents. Many scripts take the mean over
#   the pixels instead; that multiplies the weight of the KL term by the number of pixels.
# - Reconstructions are blurred where the latents do not determine the image. More latents sharpen
#   them.
# - An autoencoder reconstructs better than a VAE of the same size. With many latents, draws from it
#   are worse: the KL term is the price of a latent space without gaps.
# - Report the bound on test data, and log p(x) where the bound is not tight. A picture proves
#   nothing.
