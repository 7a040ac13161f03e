# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 6 · β: what the weight of the KL term does
#
# This lesson redoes figures 5 and 6 of the Introduction: a conditional β-VAE with seven values of
# β. It then measures what the Introduction only shows: what a latent costs and what it explains,
# how many latents are in use, and whether a latent stands for one property of the data.
#
#     python tutorials/06_beta.py                      # offline, two minutes
#     python tutorials/06_beta.py --dataset emnist     # the Introduction's 36 characters; or mnist
#
# Figures and `metrics.json` go to the folder `--output`.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from lesson import Lesson, Progress
from sklearn.manifold import TSNE

from keras_vae import (
    VAE,
    BetaTCVAE,
    ConditionalVAE,
    callbacks,
    datasets,
    metrics,
    networks,
    optimizers,
    plotting,
)

SPRITES = {"counts": (3, 3, 4, 8, 8), "sprite_epochs": 45, "tsne": 300}
lesson = Lesson(
    "06_beta",
    {
        "characters": {
            "load": lambda: datasets.load_characters("digits"),
            **{"hidden": (256, 128), "epochs": 15, "batch_size": 64, **SPRITES},
        },
        "mnist": {
            "load": datasets.load_mnist,
            **{"hidden": (512, 256), "epochs": 15, "batch_size": 128, **SPRITES, "tsne": 1000},
        },
        "emnist": {
            "load": datasets.load_emnist,
            **{"hidden": (512, 256), "epochs": 20, "batch_size": 128, **SPRITES, "tsne": 1000},
        },
        "digits": {
            "load": datasets.load_digits,
            **{"hidden": (128, 64), "epochs": 30, "batch_size": 32, **SPRITES},
        },
    },
    figures={"characters": {"images": "06_beta_images", "traversals": "06_traversals"}},
)
settings, show = lesson.settings, lesson.show
epochs, batch_size = lesson.epochs or settings["epochs"], settings["batch_size"]

# %% [markdown]
# ## The loss with β
#
# The negative ELBO has two terms: what the decoder cannot explain, and what the latents cost
# (Introduction, equation 7). The β-VAE (Higgins 2017) gives the second a weight:
#
# $$\text{loss} = \underbrace{-E_{q(z|x,c)}[\log p(x|z, c)]}_{\text{distortion}} +
# \beta\, \underbrace{KL(q(z|x, c) \| p(z))}_{\text{rate}}$$
#
# Both are in nats. The rate is the price of telling the decoder which $z$ belongs to $x$. As in the
# Introduction, the model reads the class $c$ and has six latents: $z$ need only describe the hand.

# %%
(x_train, y_train), (x_test, y_test) = settings["load"]()
classes = np.arange(y_train.max() + 1)
names_of_classes = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
print(f"{len(x_train)} images to train on, {len(x_test)} to test, of {len(classes)} characters")


def train(model, name, x, y=None, *, epochs=epochs, batch_size=batch_size, callbacks=()):
    """Train with Adam and a learning rate that decays from 0.002 to 0; returns the history."""
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // batch_size))
    model.compile(optimizers.Adam(rate), steps_per_execution=16)
    fitting = {"batch_size": batch_size, "epochs": epochs, "verbose": 0}
    return model.fit(x, y, callbacks=[Progress(name), *callbacks], **fitting).history


betas = [1e-3, 1e-2, 1e-1, 1, 10, 100, 1024]
shape = x_train.shape[1:]
encoder, decoder = networks.dense(shape, 6, settings["hidden"], condition=len(classes))
vae = ConditionalVAE(encoder, decoder, seed=0)
untrained = vae.get_weights()

some, y_some = x_test[: settings["tsne"]], y_test[: settings["tsne"]]
wanted = np.full(10, classes[min(2, len(classes) - 1)])  # ten draws of one character
originals = np.flatnonzero(y_test == wanted[0])[:10]
latents, spread, drawn, rebuilt, found = {}, [], [], [], []
for beta in betas:
    vae.set_weights(untrained)
    vae.beta = beta
    train(vae, f"β = {beta:g}", x_train, y_train)
    codes = vae.encode(x_test, condition=y_test)
    draws = vae.encode(some, condition=y_some, sample=True, seed=0)
    latents[f"β = {beta:g}"] = TSNE(random_state=0, init="pca").fit_transform(draws)
    spread.append(np.sort(codes.var(axis=0))[::-1])
    drawn.append(vae.generate(10, seed=2, condition=wanted))
    rebuilt.append(vae.reconstruct(x_test[originals], condition=wanted[: len(originals)]))
    losses = vae.evaluate(x_test, y_test, verbose=0, return_dict=True)
    found.append({**losses, "active_units": metrics.active_units(codes)})

# %% [markdown]
# ## Figure 5: the latents, and one character
#
# With a small β, z is whatever helps the decoder. Some characters form groups of their own, such as
# the ones, although the class is given: with so small a price z repeats what is known. With a large
# β, z is noise, and the characters mix. (t-SNE keeps near points near; its axes mean nothing.)

# %%
names = [f"β = {beta:g}" for beta in betas]
tsne = {"columns": 4, "axis_names": (None, None)}
show(plotting.latent_scatter(latents, names_of_classes[y_some], **tsne), "latents")

# %% [markdown]
# Ten draws $z \sim N(0, I)$ of one character for each β, then ten reconstructions. With a small β
# the reconstructions are best and the draws are rubbish: the encoder puts the latents wherever it
# likes, and the decoder has learned nothing of the rest of $N(0, I)$. With a large β each draw and
# each reconstruction is the mean image of the class.

# %%
title = f"“{names_of_classes[wanted[0]]}” drawn from N(0, I)"
show(plotting.image_grid(np.concatenate(drawn), 10, title, names), "images")
rows = np.concatenate([x_test[originals], *rebuilt])
title = "test images and their reconstructions"
show(plotting.image_grid(rows, len(originals), title, ["original", *names]), "reconstructions")

# %% [markdown]
# ## Figure 6: the variance of each latent's mean
#
# $Var_x(\mu_j(x))$ is the variance over the images of the mean of latent j. If all latents together
# were $N(0, I)$, it would be at most 1 (dotted). It is far above 1 for a small β, and almost 0 for
# a latent that is switched off. A latent counts as active above 0.01 (dashed; Burda 2016).

# %%
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.plot(betas, np.maximum(spread, 1e-6), marker="o")  # smaller values are drawn at the edge
axes.set(xscale="log", yscale="log", xlabel="β", ylabel="variance of each latent's mean")
for height, style in ((1, ":"), (0.01, "--")):
    axes.axhline(height, color="black", linestyle=style, linewidth=0.8)
axes.grid(alpha=0.3)
show(figure, "variance")

# %% [markdown]
# ## Rate and distortion
#
# β chooses a point on a curve (Alemi 2018), where its slope is −β. The sum of the two is the
# negative ELBO. It is smallest at β = 1, which minimises it. Grey lines join points of equal ELBO.
# (The curve begins at β = 0.1: below, the rate grows by 100 nats and the distortion hardly falls.)

# %%
print(f"{'β':>8}{'rate':>10}{'distortion':>12}{'ELBO':>10}{'active units':>14}")
for beta, row in zip(betas, found, strict=True):
    print(f"{beta:8g}{row['kl_loss']:10.2f}{row['reconstruction_loss']:12.2f}", end="")
    print(f"{row['elbo']:10.2f}{row['active_units']:14d}")
from_tenth = slice(2, None)
rates = np.array([row["kl_loss"] for row in found])
distortions = np.array([row["reconstruction_loss"] for row in found])
beside = ["β = 0.1", "β = 1", "β = 10", "", "β = 100, 1024"]  # the last two are one point
figure = plotting.rate_distortion(rates[from_tenth], distortions[from_tenth], beside)
show(figure, "rate_distortion")

# %% [markdown]
# ## Choosing the rate in place of β
#
# Which β gives a rate of 10 nats? `ControlVAE` (Shao 2020) finds it while it trains: a controller
# raises β where the KL is above 10 nats, and lowers it where it is below.

# %%
vae.set_weights(untrained)
vae.beta = 1.0
held = train(vae, "10 nats", x_train, y_train, callbacks=[callbacks.ControlVAE(kl=10.0)])
print(f"KL of the last epoch {held['kl_loss'][-1]:.2f} nats, with β = {held['beta'][-1]:.2f}")
show(plotting.history(held, ["kl_loss", "beta"], title="a set point of 10 nats"), "control")

# %% [markdown]
# ## Does a latent stand for one property?
#
# Of digits nobody can tell, because nobody has written down their properties. Sprites are made from
# known factors: shape, scale, orientation, x and y. Higgins proposed a large β because it makes the
# latents independent, in the hope that each then stands for one factor.
#
# The mutual information gap (Chen 2018) measures it. For factor $k$ with entropy $H_k$, take the
# latent that knows most of it and subtract what the second knows:
#
# $$\text{MIG} = \frac{1}{K} \sum_k \frac{I(z_{j(k)}; v_k) - \max_{j \ne j(k)} I(z_j; v_k)}{H_k}$$
#
# 1 means that one latent alone knows each factor; 0 that at least two know as much, or none knows
# anything.

# %%
sprites, factors = datasets.load_sprites(counts=settings["counts"])
print(f"{len(sprites)} sprites; factors {', '.join(datasets.SPRITE_FACTORS)}")
several = np.random.default_rng(0).permutation(len(sprites))[:48]
show(plotting.image_grid(sprites[several], 12, title="sprites"), "sprites")

sprite_epochs = min(settings["sprite_epochs"], lesson.epochs or 10_000)
encoder, decoder = networks.dense(sprites.shape[1:], 10, hidden=(256, 256))
of_sprites = {
    **{f"β = {beta}": VAE(encoder, decoder, beta=beta, seed=0) for beta in (1, 4, 16)},
    "β-TC = 12": BetaTCVAE(encoder, decoder, len(sprites), beta=12.0, seed=0),
}
untrained = encoder.get_weights(), decoder.get_weights()
trained, scores = {}, {}
for name, model in of_sprites.items():
    for network, weights in zip((encoder, decoder), untrained, strict=True):
        network.set_weights(weights)
    history = train(model, name, sprites, epochs=sprite_epochs, batch_size=64)
    codes = model.encode(sprites)
    scores[name] = {
        "rate": history["kl_loss"][-1],
        "distortion": history["reconstruction_loss"][-1],
        "gap": metrics.mutual_information_gap(codes, factors),
        "factor_vae": metrics.factor_vae_score(codes, factors),
        "active_units": metrics.active_units(codes),
    }
    trained[name] = codes, encoder.get_weights(), decoder.get_weights()

print(f"{'':10}{'rate':>8}{'distortion':>12}{'gap':>8}{'Factor-VAE':>12}{'active':>8}")
for name, row in scores.items():
    print(f"{name:10}{row['rate']:8.2f}{row['distortion']:12.2f}", end="")
    print(f"{row['gap']:8.3f}{row['factor_vae']:12.3f}{row['active_units']:8d}")

# %% [markdown]
# ## What each latent knows, and what it does
#
# The rows of the matrix are the latents of the model with the largest gap, those in use first.

# %%
best = max(scores, key=lambda name: scores[name]["gap"])
codes, *weights = trained[best]
for network, own in zip((encoder, decoder), weights, strict=True):
    network.set_weights(own)
information = metrics.mutual_information(codes, factors)
entropies = np.log(np.maximum(factors.max(axis=0) + 1, 2))
order = np.argsort(-codes.var(axis=0))[:6]
title = f"{best}: share of each factor that a latent knows"
rows = [f"$z_{{{j + 1}}}$" for j in order]
figure = plotting.matrix(information[order] / entropies, rows, datasets.SPRITE_FACTORS, title)
show(figure, "mutual_information")

# %% [markdown]
# Each row moves one latent from its 1 % to its 99 % quantile. The others stay at their median.

# %%
low, middle, high = np.quantile(codes, [0.01, 0.5, 0.99], axis=0).astype("float32")
steps = np.linspace(0, 1, 10, dtype="float32")
moved = np.concatenate([
    plotting.traversals(middle, low[j] + steps * (high[j] - low[j]), [j]) for j in order
])  # fmt: skip
images = of_sprites[best].decode(moved)
show(plotting.image_grid(images, 10, f"{best}: each row moves one latent", rows), "traversals")

# %%
record = {f"{name}_beta_{beta:g}": row[name] for beta, row in zip(betas, found, strict=True)
          for name in ("kl_loss", "reconstruction_loss", "elbo", "active_units")}  # fmt: skip
for name, row in scores.items():
    record |= {f"sprites_{key}_{name.replace(' ', '')}": value for key, value in row.items()}
record |= {"held_kl_loss": held["kl_loss"][-1], "held_beta": held["beta"][-1]}
lesson.finish(record, epochs=epochs, batch_size=batch_size, hidden=settings["hidden"])

# %% [markdown]
# ## Summary
#
# - β is the price of a nat of information in z. It moves a model along the curve of rate and
#   distortion; it does not move the curve.
# - A small β gives the best reconstructions and the worst draws. A large β switches latents off, in
#   the end all of them.
# - The ELBO is largest at β = 1. A larger β trains a looser bound, a smaller one none.
# - A larger β makes latents independent, at the price of distortion. The β-TCVAE pays for the
#   dependence alone.
# - Independent latents need not be the factors that a human would name. Here no latent knows the
#   orientation, and none knows the shape alone.
