# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 4 · Denoising
#
# This lesson redoes the denoising autoencoder of the Course, in its nine parts and their order. It
# also redoes section 4.2 of the Report, which feeds noisy digits to a VAE that was trained on clean
# ones. Both show pictures. Here we measure every method and compare it with the classical ones.
#
#     python tutorials/04_denoising.py                   # offline, a minute or two
#     python tutorials/04_denoising.py --dataset mnist   # the figures of the README
#     python tutorials/04_denoising.py --dataset digits  # 8 x 8 pixels
#
# Figures and `metrics.json` go to the folder `--output`.
#
# ## Part 1: importing libraries and modules

# %%
import importlib.util
import math
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from lesson import Lesson, Progress

from keras_vae import (
    VAE,
    Autoencoder,
    batching,
    datasets,
    metrics,
    networks,
    optimizers,
    plotting,
)
from keras_vae.tasks import denoising
from keras_vae.tasks.denoising import Gaussian, Masking, SaltAndPepper, Speckle

DATASETS = {
    "characters": {
        "load": lambda: datasets.load_characters("digits"),
        **{"width": 16, "epochs": 5, "batch_size": 64},
        **{"vae_epochs": 20, "vae_batch_size": 64},
        **{"latent_dim": 32, "hidden": (256,), "some": 100},
    },
    "digits": {
        "load": datasets.load_digits,
        **{"width": 16, "epochs": 40, "batch_size": 32},
        **{"vae_epochs": 60, "vae_batch_size": 32},
        **{"latent_dim": 16, "hidden": (128,)},
    },
    "mnist": {
        "load": datasets.load_mnist,
        **{"width": 32, "epochs": 8, "batch_size": 64},
        **{"vae_epochs": 10, "vae_batch_size": 128},
        **{"latent_dim": 32, "hidden": (512, 512)},
    },
}
lesson = Lesson("04_denoising", DATASETS, figures={"mnist": {"ways": "04_ways"}})
settings, show = lesson.settings, lesson.show
latent_dim, hidden = settings["latent_dim"], settings["hidden"]
batch_size, vae_batch_size = settings["batch_size"], settings["vae_batch_size"]
epochs = lesson.epochs or settings["epochs"]
vae_epochs = lesson.epochs or settings["vae_epochs"]

# %% [markdown]
# ## Parts 2 and 3: loading and preprocessing the data set
#
# Grey images in [0, 1], of shape `(n, height, width, 1)`. The last training images are kept for
# validation; early stopping watches them.

# %%
(x_train, y_train), (x_test, y_test) = settings["load"]()
kept_back = len(x_train) // 20
x_train, x_val, y_train = x_train[:-kept_back], x_train[-kept_back:], y_train[:-kept_back]
print(f"{len(x_train)} images to train on, {len(x_val)} to validate, {len(x_test)} to test")

# %% [markdown]
# ## Part 4: adding random noise to the training set
#
# $\tilde x = x + 0.5\, \varepsilon$ with $\varepsilon \sim N(0, I)$, without clipping. The Course
# adds the noise once, so the network can memorise it. We add it in a map of a `tf.data.Dataset`,
# which draws it anew in every epoch. The validation images keep their noise, so that epochs can be
# compared.

# %%
noise = Gaussian(0.5)
noisy_val, noisy_test = noise(x_val, seed=1), noise(x_test, seed=2)


def noisy_and_clean(x, batch_size):
    return batching.batches(x, batch_size, seed=0).map(noise.pairs(seed=0)).prefetch(2)


show(plotting.reconstructions(x_test, {"with noise": noisy_test.clip(0, 1)}), "noise")

# %% [markdown]
# ## Part 5: creating the autoencoder model
#
# Strided convolutions reduce the image to a quarter of its size; two residual blocks follow (He
# 2016); the decoder mirrors them. Any pair of Keras networks makes an `Autoencoder`: one maps x to
# the code, the other maps the code to logits. The code is no smaller than the image. It is the
# noise that keeps the network from copying its input.


# %%
def normalised(h):
    return keras.layers.BatchNormalization(momentum=0.9)(h)


def convolution(h, filters, size=3, strides=1):
    h = keras.layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(h)
    return keras.layers.ReLU()(normalised(h))


def residual(h):
    change = convolution(h, h.shape[-1])
    change = keras.layers.Conv2D(h.shape[-1], 3, padding="same", use_bias=False)(change)
    return keras.layers.ReLU()(h + normalised(change))


def make_autoencoder(width=settings["width"], code=16):
    x = keras.Input(x_train.shape[1:])
    h = convolution(x, width, size=5, strides=2)
    h = residual(residual(convolution(h, 2 * width, strides=2)))
    h = keras.layers.Conv2D(code, 1)(h)
    encoder = keras.Model(x, keras.layers.Flatten()(h), name="encoder")

    z = keras.Input(encoder.output_shape[1:])
    h = keras.layers.Reshape(h.shape[1:])(z)
    h = residual(residual(convolution(h, 2 * width)))
    h = keras.layers.Conv2DTranspose(width, 4, 2, padding="same", use_bias=False)(h)
    h = keras.layers.ReLU()(normalised(h))
    logits = keras.layers.Conv2DTranspose(1, 6, 2, padding="same")(h)
    return Autoencoder(encoder, keras.Model(z, logits, name="decoder"), seed=0)


autoencoder = make_autoencoder()

# %% [markdown]
# ## Part 6: compiling the autoencoder model
#
# Binary cross-entropy is the loss of a Bernoulli likelihood, the default. We use Adam with a
# learning rate that falls to 0.


# %%
def decaying_adam(rate, examples, epochs, batch_size):
    steps = epochs * math.ceil(examples / batch_size)
    return optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))


autoencoder.compile(decaying_adam(3e-3, len(x_train), epochs, batch_size), steps_per_execution=16)

# %% [markdown]
# ## Part 7: adding early stopping
#
# Training stops after three epochs without improvement on the validation images, and the best
# weights are restored.

# %%
early_stopping = keras.callbacks.EarlyStopping(
    "val_loss", mode="min", patience=3, restore_best_weights=True
)

# %% [markdown]
# ## Part 8: training the autoencoder
#
# y is the target: `fit` receives pairs (noisy, clean). The loss of a pair is
# $-\log p(x|z)$ with $z = f(\tilde x)$, where $f$ is the encoder.

# %%
started = time.perf_counter()
history = autoencoder.fit(
    noisy_and_clean(x_train, batch_size),
    validation_data=(noisy_val, x_val),
    epochs=epochs,
    callbacks=[early_stopping, Progress("denoising autoencoder")],
    verbose=0,
)
train_seconds = time.perf_counter() - started
print(f"it stopped after {len(history.history['loss'])} of {epochs} epochs")
show(plotting.history(history, ["loss"]), "history")

# %% [markdown]
# ## Part 9: denoising test images and displaying results

# %%
denoised = autoencoder.reconstruct(noisy_test)
rows = {"with noise": noisy_test.clip(0, 1), "denoised": denoised}
show(plotting.reconstructions(x_test, rows), "denoised")
print(
    f"PSNR {metrics.psnr(x_test, noisy_test):.2f} dB, denoised {metrics.psnr(x_test, denoised):.2f}"
)

# %% [markdown]
# ## The same with a VAE
#
# If a VAE is trained on (noisy, clean), its encoder gives $q(z|\tilde x)$: what the drawing may be,
# given what can be seen. The bound is that of the clean image given the noisy one:
#
# $$\log p(x) \ge E_{q(z|\tilde x)}[\log p(x|z)] - KL(q(z|\tilde x) \| p(z))$$
#
# We also train a VAE on clean images only, as the Report does.


# %%
def train_vae(name, data, examples):
    vae = VAE(*networks.dense(x_train.shape[1:], latent_dim, hidden=hidden), seed=0)
    adam = decaying_adam(2e-3, examples, vae_epochs, vae_batch_size)
    vae.compile(adam, steps_per_execution=16)
    vae.fit(data, epochs=vae_epochs, verbose=0, callbacks=[Progress(name)])
    return vae


noisy_vae = train_vae("denoising VAE", noisy_and_clean(x_train, vae_batch_size), len(x_train))
clean_data = batching.batches(x_train, vae_batch_size, seed=0)
clean_vae = train_vae("VAE of clean images", clean_data, len(x_train))

# %% [markdown]
# ## A VAE that never saw noise: one pass, or inference
#
# The Report encodes the noisy image and decodes it. The encoder never saw such an image, and takes
# the noise for a part of the drawing. But the model knows what drawings look like, and we know the
# noise. The $z$ that explains the noisy image best has the largest
#
# $$\log p(\tilde x, z) = \log p(\tilde x|z) + \log p(z)$$
#
# where $p(\tilde x|z)$ is the distribution of the noise around the decoded z. `Inference` starts at
# the encoder's mean and climbs to this maximum, for each image separately. Another noise needs
# another likelihood, but no training.
#
# We compare with methods that are older than networks.
#
# - The *Wiener filter* is the best linear filter. It needs the covariance of all pixels:
#   $\hat x = E[x] + Cov(x, \tilde x)\, Cov(\tilde x)^{-1} (\tilde x - E[\tilde x])$.
# - *Principal components*: $\hat x = E[x] + U U^T (\tilde x - E[x])$. The columns of $U$ are the
#   first components of clean images. We take as many as leave the smallest error.
# - The *median filter* replaces each pixel by the median of its neighbours.
# - *Non-local means* averages the pixels whose surroundings look alike:
#   $\hat x_i = \sum_j w_{ij}\, \tilde x_j$ with $w_{ij} \propto \exp(-d_{ij}^2 / h^2)$, where
#   $d_{ij}$ is the distance of the patches around $i$ and $j$. It needs scikit-image.


# %%
def denoisers_for(noise):
    """The denoisers by name, fitted to the training set."""
    denoisers = {
        "one_pass": denoising.OnePass(clean_vae),
        "inference": denoising.Inference(clean_vae, noise),
        "wiener": denoising.Wiener(noise),
        "pca": denoising.PrincipalComponents(noise),
        "median": denoising.Median(noise),
    }
    if importlib.util.find_spec("skimage"):
        denoisers["non_local_means"] = denoising.NonLocalMeans(noise)
    return {name: denoiser.fit(x_train) for name, denoiser in denoisers.items()}


trained_with_noise = {
    "autoencoder": denoising.OnePass(autoencoder),
    "vae": denoising.OnePass(noisy_vae),
}
NAMES = {
    "noisy": "the noisy image",
    "cut": "the noisy image, clipped to [0, 1]",
    "autoencoder": "autoencoder, trained with this noise at 0.5",
    "vae": "VAE, trained with this noise at 0.5",
    "inference": "VAE, trained on clean images: inference",
    "one_pass": "VAE, trained on clean images: one pass",
    "wiener": "Wiener filter",
    "pca": "principal components",
    "non_local_means": "non-local means",
    "median": "median filter",
}
found = {}


def measure(noise, images, key, denoisers):
    """Keep PSNR and SSIM of each denoiser in `found`; returns their outputs."""
    noisy = noise(images, seed=2)
    outputs = {"noisy": noisy, "cut": noisy.clip(0, 1)}
    outputs |= {name: denoiser.transform(noisy) for name, denoiser in denoisers.items()}
    for name, output in outputs.items():
        found[f"psnr_{name}_{key}"] = metrics.psnr(images, output)
        found[f"ssim_{name}_{key}"] = metrics.ssim(images, output)
    return outputs


def table(keys, title):
    """Print PSNR and SSIM; a mark shows where clipping the noisy image gives a better PSNR."""
    print(f"\n{title:44}" + "".join(f"{key:>16}" for key in keys))
    for name in (name for name in NAMES if f"psnr_{name}_{keys[0]}" in found):
        line = f"{NAMES[name]:44}"
        for key in keys:
            psnr, ssim = found[f"psnr_{name}_{key}"], found[f"ssim_{name}_{key}"]
            mark = "!" if psnr < found[f"psnr_cut_{key}"] and name != "noisy" else " "
            line += f"{psnr:8.2f}{mark}{ssim:6.3f} "
        print(line)


# %% [markdown]
# PSNR is $-10 \log_{10}$ of the mean squared error, in dB, averaged over the images; 3 dB more mean
# half the error. SSIM compares the local structure of two images (Wang 2004); 1 means equality:
#
# $$SSIM = \frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}
# {(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)}$$
#
# The means $\mu$, variances $\sigma^2$ and the covariance $\sigma_{xy}$ are those of 7 × 7 pixels,
# and the result is averaged over all such squares. Every output is clipped to [0, 1] before it is
# measured. The PSNR of the noisy image follows from its σ. Clipping the noisy
# image costs nothing, so a method is useful only if it does better.

# %%
outputs = measure(noise, x_test, "0.5", denoisers_for(noise) | trained_with_noise)
table(["0.5"], f"Gaussian noise, all {len(x_test)} test images")
rows = {
    f"{label}: {found[f'psnr_{name}_0.5']:.1f} dB": outputs[name]
    for name, label in NAMES.items()
    if name in outputs and name != "noisy"
}
show(plotting.reconstructions(x_test, rows, title="each way, and its PSNR"), "ways")

# %% [markdown]
# The VAE that was trained with noise is worse than the autoencoder that saw the same pairs, and
# worse than the Wiener filter. Its code is small, and its KL term charges for every nat that the
# encoder transmits. In return it gives a distribution, which we use below.
#
# ## Other levels of noise
#
# The two models that were trained with noise know one level, 0.5. An exclamation mark means a PSNR
# below the clipped noisy image's. This happens where there is little noise: a small code cannot
# hold a whole image, and its error then exceeds the noise. A median rounds off thin strokes. The
# Wiener filter leaves a clean image as it is.

# %%
levels = [0.1, 0.25, 0.5, 0.75, 1.0]
some = x_test[: settings.get("some", 1000)]
for level in levels:
    if level != noise.level:
        denoisers = denoisers_for(Gaussian(level)) | trained_with_noise
        measure(Gaussian(level), some, str(level), denoisers)
table(
    [str(level) for level in levels],
    f"Gaussian noise (0.5: {len(x_test)} images, others: {len(some)})",
)

figure, axes = plt.subplots(figsize=(9.6, 4.2), layout="constrained")
for name, label in NAMES.items():
    if f"psnr_{name}_0.5" in found:
        values = [found[f"psnr_{name}_{level}"] for level in levels]
        style = {"marker": "o"}
        if name in ("noisy", "cut"):
            style = {"color": "black", "linestyle": ":" if name == "noisy" else "--"}
        axes.plot(levels, values, label=label, **style)
axes.set(xlabel="standard deviation of the noise", ylabel="PSNR, dB")
axes.grid(alpha=0.3)
figure.legend(loc="outside right upper", frameon=False)
show(figure, "levels")

# %% [markdown]
# ## Other noise
#
# Each noise is a likelihood of one noisy value $\tilde x$, where $a$ is the level:
#
# | noise | $\tilde x$ |
# |---|---|
# | salt and pepper | $x$ with probability $1 - a$, else 0 or 1 with equal probability |
# | masking | $x$ with probability $1 - a$, else 0 |
# | speckle | $x (1 + a\, \varepsilon)$ with $\varepsilon \sim N(0, 1)$ |
# | clipped | $x + a\, \varepsilon$, clipped to [0, 1] |
#
# Salt and pepper turns half of the pixels black or white. The mean of its neighbours then says
# little about a pixel, but a likelihood can express that half of the pixels are unchanged. The same
# VAE, which never saw noise, serves for every kind. Masking defeats methods that look at
# neighbours, as the marks show: where half of a stroke is missing, a median removes the rest of it.
# Speckle leaves the background unchanged, so the strokes remain visible. Nearly all of the image is
# there, little can be gained, and a linear filter is hard to beat.

# %%
others = {
    "salt_and_pepper_0.5": SaltAndPepper(0.5),
    "masking_0.5": Masking(0.5),
    "speckle_0.5": Speckle(0.5),
    "clipped_0.5": Gaussian(0.5, clip=True),
}
pictures = {}
for key, other in others.items():
    images = x_test if "salt" in key else some
    pictures[key] = measure(other, images, key, denoisers_for(other))
table(list(others), f"Salt and pepper: {len(x_test)} images, others: {len(some)}")
rows = {}
for key, given in pictures.items():
    rows[key.replace("_", " ")] = given["cut"]
    rows[f"{key.replace('_', ' ')}, inferred"] = given["inference"]
show(plotting.reconstructions(x_test, rows), "other_noise")

# %% [markdown]
# ## Extreme noise
#
# The Report finds that its VAE fails "when the noise was extreme". So does every method. At σ = 2
# hardly anything of the image is visible. The Wiener filter falls back to the mean image. The
# encoder never saw such input, and its output is arbitrary. On MNIST, inference still gives a clean
# digit, but often a wrong one: many drawings explain the noisy image about equally well, and it
# shows one of them as if it were certain. (After a short training, and on the 8 × 8 digits, the
# prior dominates, and inference gives a blur.)

# %%
extreme = Gaussian(2.0)
outputs = measure(extreme, some, "2.0", denoisers_for(extreme))
table(["2.0"], f"Gaussian noise, {len(some)} images")
rows = {NAMES[name]: outputs[name] for name in ("cut", "one_pass", "inference", "wiener")}
show(plotting.reconstructions(some, rows), "extreme")

# %% [markdown]
# ## A digit that was not in the training set
#
# "Perfect only for digits that we have trained", says the Report. A VAE that never saw a 9 explains
# it by the most similar digit that it knows. The Wiener filter has no such bias.

# %%
nines, without = x_test[y_test == 9][:1000], y_train != 9
data = batching.batches(x_train[without], vae_batch_size, seed=0)
unaware = train_vae("VAE of 0 to 8", data, without.sum())
noisy_nines = noise(nines, seed=2)
rows = {"with noise": noisy_nines.clip(0, 1)}
for name, key, denoiser in (
    ("trained on all digits", "all", denoising.Inference(clean_vae, noise)),
    ("trained on 0 to 8", "0_to_8", denoising.Inference(unaware, noise)),
    ("Wiener, fitted to 0 to 8", "wiener_0_to_8", denoising.Wiener(noise).fit(x_train[without])),
):
    rows[name] = denoiser.transform(noisy_nines)
    found[f"psnr_nines_{key}"] = metrics.psnr(nines, rows[name])
    print(f"noisy nines, {name}: {found[f'psnr_nines_{key}']:.2f} dB")
show(plotting.reconstructions(nines, rows), "not_trained")

# %% [markdown]
# ## Several answers
#
# If a noisy image has several explanations, one answer is not enough. The VAE that was trained with
# noise gives a distribution, $q(z|\tilde x)$: each draw decodes to one possible drawing. We show
# the images whose draws differ most. (An autoencoder gives the mean of the possible drawings.)

# %%
draws = np.stack(
    [noisy_vae.decode(noisy_vae.encode(noisy_test[:1000], sample=True, seed=i)) for i in range(8)]
)
ambiguous = np.argsort(draws.var(axis=0).sum(axis=(1, 2, 3)))[::-1][:10]
rows = {"with noise": noisy_test[ambiguous].clip(0, 1)}
rows |= {f"draw {i + 1}": draws[i, ambiguous] for i in range(5)}
show(plotting.reconstructions(x_test[ambiguous], rows), "draws")

# %%
found |= {"train_seconds": train_seconds, "trained_epochs": len(history.history["loss"])}
lesson.finish(
    found,
    **{"images": len(x_test), "some": len(some), "batch_size": batch_size},
    **{"epochs": epochs, "vae_epochs": vae_epochs},
)

# %% [markdown]
# ## Summary
#
# - A network that is trained on (noisy, clean) learns the mean of all images that may lie behind a
#   noisy one. No other output has a smaller squared error. It handles only the noise and the level
#   that it was trained for.
# - A VAE that is trained on clean images handles every noise whose likelihood we can write down.
#   One pass through its encoder is not inference.
# - The Wiener filter is one line of linear algebra, and better than a network that is used wrongly.
