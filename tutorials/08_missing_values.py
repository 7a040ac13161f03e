# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 8 · Missing values
#
# This lesson redoes the main part of the Thesis: some pixels of an image are missing, and a VAE
# fills them. The Thesis compares a VAE with K nearest neighbours, and the VAE does not win. We
# first redo its experiment. Then we ask why it fails, and what mends it.
#
#     python tutorials/08_missing_values.py                    # offline, about a minute
#     python tutorials/08_missing_values.py --dataset mnist    # the full data, 20 minutes
#     python tutorials/08_missing_values.py --dataset omniglot_greek
#
# Figures and `metrics.json` go to the folder `--output`. `benchmarks/missing.py` measures all data
# sets of the Thesis; `docs/results.md` has its table.

# %%
import matplotlib.pyplot as plt
import numpy as np
from lesson import Lesson, Progress

from keras_vae import VAE, ConditionalVAE, batching, datasets, likelihoods, networks, plotting
from keras_vae.tasks import common, filling, masks
from keras_vae.tasks.classical_imputers import ColumnMeans, Neighbours, ProbabilisticPCA
from keras_vae.tasks.imputation import VAEImputer

DATASETS = {
    "characters": {
        "load": lambda: datasets.load_characters("digits"),
        **{"latent_dim": 32, "hidden": (400,), "epochs": 30, "components": 30, "variance": 0.02},
        "thesis": None,
    },
    "digits": {
        "load": datasets.load_digits,
        **{"latent_dim": 16, "hidden": (200,), "epochs": 60, "components": 20, "variance": 0.02},
        "thesis": None,
    },
    "mnist": {
        "load": datasets.load_mnist,
        **{
            "latent_dim": 64,
            "hidden": (1024, 512),
            "epochs": 15,
            "components": 80,
            "variance": 0.005,
        },
        "thesis": {"1-NN": 0.1716, "100-NN": 0.1482, "the Thesis's VAE": 0.1680},
    },
    "omniglot_greek": {
        "load": lambda: datasets.load_omniglot(alphabets=("Greek",)),
        **{"latent_dim": 32, "hidden": (200,), "epochs": 150, "components": 20, "variance": 0.05},
        "thesis": {"the Thesis's VAE": 0.1627},
    },
    "omniglot_english": {
        "load": lambda: datasets.load_omniglot(alphabets=("Latin",)),
        **{"latent_dim": 32, "hidden": (200,), "epochs": 150, "components": 20, "variance": 0.05},
        "thesis": {"the Thesis's VAE": 0.1609},
    },
}
lesson = Lesson(
    "08_missing_values",
    DATASETS,
    figures={"characters": {"ways": "08_ways"}},
)
settings, show = lesson.settings, lesson.show
epochs = lesson.epochs or settings["epochs"]
(x_train, y_train), (x_test, y_test) = settings["load"]()
shape, found = x_train.shape[1:], {}
noise = likelihoods.Gaussian(variance=settings["variance"])  # of a pixel, given z
thesis_epochs = lesson.epochs or 20

# %% [markdown]
# ## What is missing
#
# A missing value is NaN. A mask says which values are known. The Thesis's "structured" mask takes
# the lower half of a fifth of the images, the upper, the left and the right half of three others,
# and leaves the last fifth whole.

# %%
mask = masks.fifths(x_test.shape)
x_missing = masks.hide(x_test, mask)
some = np.concatenate([np.arange(i, i + 2) for i in range(0, len(x_test), len(x_test) // 5)])[:10]
grey = np.where(mask, x_test, 0.5)
grid = np.concatenate([x_test[some], grey[some]])
show(plotting.image_grid(grid, columns=10, row_names=["original", "missing"]), "mask")

# %% [markdown]
# ## How far a filling is off
#
# The Thesis's error is the RMSE over all pixels. Three fifths of them were never missing, and every
# method gets these right. We print its error, and beside it the error over the missing pixels
# alone.


# %%
def errors(filled, mask=mask):
    """RMSE over all pixels, as in the Thesis, and over the missing ones."""
    squares = np.square(filled - x_test)
    return float(np.sqrt(squares.mean())), float(np.sqrt(squares[~mask].mean()))


def report(name, filled):
    everywhere, missing = errors(filled)
    lecture = (settings["thesis"] or {}).get(name)
    beside = f"   (the Thesis: {lecture:.3f})" if lecture else ""
    print(f"{name:34} RMSE {everywhere:.4f}, of the missing {missing:.4f}{beside}", flush=True)
    found[f"rmse_{name}"], found[f"missing_{name}"] = everywhere, missing


fillings = {"mean of each pixel": ColumnMeans().fit(x_train).transform(x_missing)}
for count in (1, 3, 10, 100):
    fillings[f"{count}-NN"] = Neighbours(count).fit(x_train).transform(x_missing)
pca = ProbabilisticPCA(settings["components"]).fit(x_train)
fillings["probabilistic PCA"] = pca.transform(x_missing)
for name, filled in fillings.items():
    report(name, filled)

# %% [markdown]
# ## The Thesis's loop
#
# The Thesis trains a VAE on the images that it fills: its network has one hidden layer of 400 and
# 64 latents. After every epoch the known pixels are put back, and the missing ones take the values
# of the reconstruction.

# %%
pair = networks.dense(shape, 64, hidden=(400,), likelihood=noise)
thesis = VAE(*pair, likelihood=noise, seed=0)
thesis.compile("adam", steps_per_execution=16)
filled = np.where(mask, x_test, 0.5)
for _ in range(thesis_epochs):
    thesis.fit(filled, batch_size=100, verbose=0)
    filled = np.where(mask, x_test, thesis.reconstruct(filled))
report("the Thesis's VAE", filled)

# %% [markdown]
# ## Why it is no better than the mean
#
# Two things go wrong. The model learns from its own fillings: it never sees the lower half of a
# digit whose lower half is missing, and it learns that grey is a good filling. And an encoder that
# was trained on whole images does not know that a pixel is missing. Its first reconstruction
# explains the grey half as well as the known one. The loop then moves towards
# $p(x_{missing} | x_{known})$ by small steps, and stops where known and filled pixels agree.
#
# A model that was trained on whole images, as the Thesis's K-NN is, shows the second fault alone.

# %%
pair = networks.dense(shape, settings["latent_dim"], hidden=settings["hidden"], likelihood=noise)
vae = VAE(*pair, likelihood=noise, seed=0)
common.compile_with_cosine_decay(vae, 2e-3, len(x_train), epochs, 128)
vae.fit(x_train, batch_size=128, epochs=epochs, verbose=0, callbacks=[Progress("whole images")])
start = x_train.mean(axis=0)  # what the encoder reads in place of a missing pixel
steps, by_steps = (1, 2, 5, 10, 20, 50), []
for number in steps:
    filled = filling.pseudo_gibbs(vae, x_missing, steps=number, start=start)
    by_steps.append(errors(filled)[1])
    if number == 5:
        report("five steps of the loop", filled)

# %% [markdown]
# ## What mends it: ask for z, not for x
#
# The decoder knows what digits look like. The known pixels alone say which z is meant: gradient
# steps climb $\log p(x_{known} | z) + \log p(z)$, in which no missing pixel occurs. No training is
# needed.

# %%
fillings["VAE, gradient steps"] = filling.gradient(vae, x_missing, start=start)
report("VAE, gradient steps", fillings["VAE, gradient steps"])
figure, axes = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
axes.plot(steps, by_steps, marker="o", label="the loop")
for name in ("mean of each pixel", "VAE, gradient steps"):
    line = "--" if name.startswith("mean") else "-"
    axes.axhline(found[f"missing_{name}"], ls=line, color="0.3", label=name)
axes.set(xscale="log", xlabel="steps of the loop", ylabel="RMSE of the missing pixels")
axes.legend(frameon=False)
show(figure, "loop")

# %% [markdown]
# ## What mends it: an encoder that knows what is missing
#
# `missing="mask"` gives the encoder the mask beside x. It learns from images with holes that are
# made for it, new ones in every epoch; the target is the whole image. Then one pass is enough.

# %%
pair = networks.dense(
    shape, settings["latent_dim"], hidden=settings["hidden"], likelihood=noise, missing="mask"
)
seeing = VAE(*pair, likelihood=noise, seed=0)
common.compile_with_cosine_decay(seeing, 2e-3, len(x_train), epochs, 128)
bank = masks.varied((4000, *shape), seed=1)  # at random, and the four halves
pairs = batching.batches(x_train, 128, seed=0).map(masks.holes(bank, seed=2))
seeing.fit(pairs, epochs=epochs, verbose=0, callbacks=[Progress("images with holes")])
fillings["VAE, encoder with masks"] = filling.one_pass(seeing, x_missing)
report("VAE, encoder with masks", fillings["VAE, encoder with masks"])

# %%
grid, names = [x_test[some], grey[some]], ["original", "missing"]
for name in ("mean of each pixel", "100-NN", "probabilistic PCA", *list(fillings)[-2:]):
    grid.append(fillings[name][some])
    names.append(name)
show(plotting.image_grid(np.concatenate(grid), columns=10, row_names=names), "ways")

# %% [markdown]
# ## Never a whole image
#
# Now every training image has holes of its own, as in a table of which no row is complete. There is
# no target: the bound is that of the known pixels alone.

# %%
holes = masks.hide(x_train, masks.varied(x_train.shape, seed=3))
pair = networks.dense(
    shape, settings["latent_dim"], hidden=settings["hidden"], likelihood=noise, missing="mask"
)
never = VAE(*pair, likelihood=noise, seed=0)
common.compile_with_cosine_decay(never, 2e-3, len(x_train), epochs, 128)
progress = Progress("never a whole image")
never.fit(holes, batch_size=128, epochs=epochs, verbose=0, callbacks=[progress])

# %% [markdown]
# ## More than one digit fits
#
# The mean of all digits that fit is grey, and has the least squared error. A guess that looks like
# a digit says which digit it is. A conditional VAE gives a filling for each class, and the bound of
# the known pixels says how well that class explains them:
# $p(c|x_{known}) \propto p(x_{known}|c)$. Here are the three most probable classes of each image.
# With `num_draws` every way of `filling` gives several draws: multiple imputation. An analysis is
# repeated on each, and its results differ as much as what is missing matters.

# %%
kinds, labels = np.unique(y_train, return_inverse=True)
pair = networks.dense(
    shape, 8, hidden=settings["hidden"], likelihood=noise, missing="mask", condition=len(kinds)
)
by_class = ConditionalVAE(*pair, likelihood=noise, seed=0)
common.compile_with_cosine_decay(by_class, 2e-3, len(x_train), epochs, 128)
progress = Progress("a filling for each class")
by_class.fit(holes, labels, batch_size=128, epochs=epochs, verbose=0, callbacks=[progress])

lower = masks.hide(x_test[:8], masks.half((8, *shape), "lower"))
all_alike = [np.full(8, c) for c in range(len(kinds))]
bounds = np.stack([by_class.elbo(lower, condition=c) for c in all_alike])
ranked = np.argsort(-bounds, axis=0)[:3]
rows = [np.where(np.isnan(lower), 0.5, lower)]
rows += [filling.one_pass(by_class, lower, condition=best) for best in ranked]
rows += [filling.one_pass(seeing, lower), x_test[:8]]
names = ["missing", *("most probable", "second", "third")[: len(ranked)], "mean", "original"]
show(plotting.image_grid(np.concatenate(rows), columns=8, row_names=names), "classes")
found["class_found"] = np.mean(kinds[ranked[0]] == y_test[:8])
draws = filling.one_pass(never, lower, num_draws=6, seed=1)
found["spread_of_draws"] = draws.std(axis=0)[np.isnan(lower)].mean()

# %% [markdown]
# Which way for which pattern? The error of the missing pixels, of each way and pattern.

# %%
patterns = {
    "half at random": masks.at_random(x_test.shape, 0.5, seed=0),
    "lower half": masks.half(x_test.shape),
    "square": masks.square(x_test.shape, shape[0] // 2, seed=0),
}
ways = {
    "mean of each pixel": ColumnMeans().fit(x_train).transform,
    "100-NN": Neighbours(100).fit(x_train).transform,
    "probabilistic PCA": pca.transform,
    "gradient steps": lambda x: filling.gradient(vae, x, start=start),
    "encoder with masks": lambda x: filling.one_pass(seeing, x),
    "never whole, gradient steps": lambda x: filling.gradient(never, x),
}
print(f"{'RMSE of the missing pixels':34}" + "".join(f"{name:>16}" for name in patterns))
for name, fill in ways.items():
    row = []
    for pattern, known in patterns.items():
        row.append(errors(fill(masks.hide(x_test, known)), known)[1])
        found[f"{pattern}_{name}"] = row[-1]
    print(f"{name:34}" + "".join(f"{value:16.4f}" for value in row), flush=True)

# %% [markdown]
# ## A row of a table
#
# `VAEImputer` has scikit-learn's interface, and columns of different kinds. Each kind has a
# likelihood of its own, and a category is filled by a category. Here, of made cars: the consumption
# rises with the weight, the number of trips a year is a count, the country is one of three.

# %%
rng = np.random.default_rng(0)
size = rng.normal(size=600)
table = np.stack(
    [
        1500 + 300 * size + 60 * rng.normal(size=600),  # weight in kg
        np.exp(2 + 0.3 * size + 0.1 * rng.normal(size=600)),  # litres on 100 km, positive
        rng.poisson(np.exp(3 - 0.5 * size)),  # trips, a count
        np.digitize(size + 0.5 * rng.normal(size=600), [-0.5, 0.7]),  # country: 0, 1 or 2
    ],
    axis=1,
)
holes = masks.hide(table, masks.at_random(table.shape, 0.2, seed=1))
imputer = VAEImputer(["real", "positive", "count", 3], steps=800, models=1)
filled, missing = imputer.fit_transform(holes), np.isnan(holes)
names = ("weight", "litres", "trips", "country")
print(f"{'':8}" + "".join(f"{name:>12}" for name in names))
for row in np.flatnonzero(missing.any(axis=1))[:4]:
    for kind, values in (("known", holes), ("filled", filled), ("true", table)):
        print(f"{kind:8}" + "".join(f"{value:12.2f}" for value in values[row]))
for j, name in enumerate(names[:3]):
    apart = np.square(filled - table)[:, j][missing[:, j]].mean()
    found[f"table_{name}"] = np.sqrt(apart) / table[:, j].std()
hits = (filled == table)[:, 3][missing[:, 3]]
found["table_country"] = hits.mean()
print("error / deviation:", {n: round(float(found[f"table_{n}"]), 2) for n in names[:3]})
print(f"right country: {hits.mean():.0%}")

# %% [markdown]
# ## What to take home
#
# - Count the error of what was missing.
# - Do not train on fillings. The bound of the known values needs none.
# - Infer z from the known values, by gradient steps or by an encoder that reads the mask.
# - Half of the pixels at random say nearly everything about z: gradient steps are best. A half that
#   is missing as a whole leaves z open. There the most probable z is one guess of many, and an
#   encoder that was trained with such holes gives their mean. With 3,200 images it is as good as
#   100 neighbours, with MNIST's 60,000 it is better.

# %%
lesson.finish(found, epochs=epochs, **{k: settings[k] for k in ("latent_dim", "hidden")})
