# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 5 · Anomaly detection
#
# This lesson redoes section 4.3 of the Report: a VAE learns the digits 0 to 8, and a 9 is to stand
# out by its reconstruction error. The Report finds an AUC of 0.63. Here the figures of that section
# come first, in its order; then what is wrong with the score, what is right, and how far the
# classical ways get.
#
#     python tutorials/05_anomaly_detection.py                   # 8 x 8 digits, offline, a minute
#     python tutorials/05_anomaly_detection.py --dataset mnist   # the real thing
#
# Figures and `metrics.json` go to the folder `--output`. All digits, several seeds, both protocols:
# `benchmarks/anomaly_detection.py`, whose table the README has.

# %%
import argparse
import json
import pathlib
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.manifold import TSNE
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors

from keras_vae import datasets, plotting
from keras_vae.tasks import anomaly_detection as ad
from keras_vae.tasks import anomaly_scores

DATASETS = {
    "digits": {
        "load": datasets.load_digits,
        **{"latent_dim": 16, "hidden": (128,), "batch_size": 32},
        **{"epochs": 40, "one_epochs": 100},
    },
    "mnist": {
        "load": datasets.load_mnist,
        **{"latent_dim": 32, "hidden": (400, 400), "batch_size": 128},
        **{"epochs": 8, "one_epochs": 40},
    },
    "fashion_mnist": {
        "load": datasets.load_fashion_mnist,
        **{"latent_dim": 32, "hidden": (400, 400), "batch_size": 128},
        **{"epochs": 8, "one_epochs": 40},
    },
}
parser = argparse.ArgumentParser(description="Anomaly detection, beside the classical ways")
parser.add_argument("--dataset", choices=DATASETS, default="digits")
parser.add_argument("--epochs", type=int, help="default: 40, of one kind 100; on mnist 8 and 40")
parser.add_argument("--output", type=pathlib.Path, default="output/05_anomaly_detection")
parser.add_argument("--publish", action="store_true", help="renew what the repository keeps")
arguments = parser.parse_args([] if "ipykernel" in sys.modules else None)

settings = DATASETS[arguments.dataset]
shape = {name: settings[name] for name in ("latent_dim", "hidden", "batch_size")}
epochs = arguments.epochs or settings["epochs"]
one_epochs = arguments.epochs or settings["one_epochs"]
keras.utils.set_random_seed(0)
arguments.output.mkdir(parents=True, exist_ok=True)


def show(figure, name):
    """Keep the figure as a PNG, and show it where there is a screen for it (a notebook)."""
    figure.savefig(arguments.output / f"{name}.png", dpi=120)
    if arguments.publish and arguments.dataset == "mnist" and name == "05_found_and_missed":
        figure.savefig(pathlib.Path(__file__).parent / "figures" / f"{name}.png", dpi=90)
    if "ipykernel" in sys.modules:
        plt.show()
    plt.close(figure)


# %% [markdown]
# ## The experiment of the Report
#
# A detector is fitted to normal examples. It holds a VAE, `model_`, trained on them; `criterion`
# says by which score it judges. Every score is higher where x is more normal. The Report's is
# $-\|x - \hat x\|^2$, where $\hat x$ is the reconstruction.

# %%
(x_train, y_train), (x_test, y_test) = settings["load"]()
anomaly = 9
normal, is_normal = x_train[y_train != anomaly], y_test != anomaly
detector = ad.VAEAnomalyDetector("squared_error", epochs=epochs, **shape).fit(normal)
vae = detector.model_
score = detector.score_samples(x_test)
auroc = roc_auc_score(is_normal, score)
print(f"AUROC of the squared error, kind {anomaly}: {auroc:.3f} (MNIST, the Report: 0.63)")

# %% [markdown]
# Figures 4.4 and 4.5 of the Report: reconstructions of what was trained and of what was not, and
# how far they are off. Both come back well: the VAE has learned strokes, not only digits.

# %%
some = {"trained": x_test[is_normal][:10], "never seen": x_test[~is_normal][:10]}
grid, names = [], []
for name, x in some.items():
    x_hat = vae.predict(x, verbose=0)
    grid += [x, x_hat, np.abs(x - x_hat)]
    names += [name, "reconstructed", "difference"]
show(plotting.image_grid(np.concatenate(grid), columns=10, row_names=names), "05_reconstructions")

# %% [markdown]
# Figure 4.6: the latents of test images, by t-SNE. What was never seen has no place of its own: it
# lies among what looks like it. Which digits are nearest to the nines? (Of MNIST, fours above all:
# a nine is nearly a four, or a seven, and the decoder draws it nearly as well.)

# %%
first = x_test[:2000]
plane = TSNE(random_state=0).fit_transform(vae.encode(first))
kinds = np.where(y_test == anomaly, f"{anomaly}, never seen", y_test.astype(str))[: len(first)]
show(plotting.latent_scatter(plane, kinds), "05_tsne")

# %%
latents = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(vae.encode(normal))
nearest = latents.kneighbors(vae.encode(x_test[~is_normal]), return_distance=False)
near_to = y_train[y_train != anomaly][nearest]
shares = {int(kind): np.mean(near_to == kind) for kind in np.unique(near_to)}
common = sorted(shares, key=shares.get, reverse=True)[:3]
print("nearest to the nines:", ", ".join(f"{kind} ({shares[kind]:.0%})" for kind in common))

# %% [markdown]
# Figure 4.7: the score of training, test and anomalous images. (The Report's axis is the mean
# error of a pixel.) Figure 4.8: at each threshold, how many anomalies are found, and how many
# normal images are called so.

# %%
pixels = x_test[0].size
parts = {
    "normal, trained": detector.score_samples(normal[:5000]),
    "normal, test": score[is_normal],
    "anomalies": score[~is_normal],
}
figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
bins = np.linspace(0, -min(values.min() for values in parts.values()) / pixels, 40)
for name, values in parts.items():
    left.hist(-values / pixels, bins, density=True, histtype="step", label=name)
left.set(xlabel="reconstruction error of a pixel, squared", ylabel="density")
left.legend(frameon=False)


def draw_roc(axes, name, score):
    false_alarms, caught, _ = roc_curve(~is_normal, -score)
    axes.plot(false_alarms, caught, label=f"{name}: AUC {roc_auc_score(is_normal, score):.3f}")


draw_roc(right, "squared error", score)
right.plot([0, 1], [0, 1], color="grey", linestyle=":")
right.set(xlabel="normal images called anomalous", ylabel="anomalies found", aspect="equal")
right.legend(frameon=False)
show(figure, "05_error_and_roc")

# %% [markdown]
# ## Other scores
#
# Of the same model, as plain functions of `anomaly_scores`:
#
# - the error relative to the energy of the image, $\|x - \hat x\|^2 / \|x\|^2$
# - the reconstruction probability, $E_{q(z|x)} \log p(x|z)$ (An and Cho 2015), the bound, and
#   $\log p(x)$; the KL term alone
# - the bound, corrected by what the image costs when it is compressed (Serrà 2020)
# - the distance to the nearest latents of normal images; their density under a mixture of normals
# - distance and relative error together: what is normal lies near examples *and* is drawn well
# - distance in latent space and distance in the data together
#
# Beside them scikit-learn's: nearest neighbours, by distance and by direction; what principal
# components leave over; an isolation forest; a one-class support vector machine.

# %%
NAMES = {
    "squared_error": "squared error (the Report)",
    "relative_error": "relative error",
    "reconstruction_probability": "reconstruction probability",
    "elbo": "ELBO",
    "log_likelihood": "log p(x)",
    "kl": "KL",
    "corrected_elbo": "ELBO, corrected for complexity",
    "latent_distance": "distance to the nearest latents",
    "latent_mixture": "mixture of normals in latent space",
    "distance_and_error": "latent distance and relative error",
    "both_distances": "latent distance and data distance",
    "neighbours": "nearest neighbours",
    "cosine_neighbours": "nearest neighbours, cosine",
    "pca": "principal components",
    "isolation_forest": "isolation forest",
    "one_class_svm": "one-class SVM",
}


def all_scores(vae, normal, x):
    classical = {
        "neighbours": ad.Neighbours(),
        "cosine_neighbours": ad.Neighbours(cosine=True),
        "pca": ad.PCAResidual(),
        "isolation_forest": ad.IsolationForest(),
        "one_class_svm": ad.OneClassSVM(max_samples=3000),
    }
    scores = {name: detector.fit(normal).score_samples(x) for name, detector in classical.items()}
    latents = vae.encode(normal)
    mixture = anomaly_scores.fitted_mixture(latents)
    near = anomaly_scores.latent_distance(vae, x, latents)
    return scores | {
        "squared_error": anomaly_scores.squared_error(vae, x),
        "relative_error": anomaly_scores.relative_error(vae, x),
        "reconstruction_probability": anomaly_scores.reconstruction_probability(vae, x),
        "elbo": anomaly_scores.elbo(vae, x),
        "log_likelihood": vae.log_likelihood(x, 16, seed=0),
        "kl": anomaly_scores.kl(vae, x),
        "corrected_elbo": anomaly_scores.corrected_elbo(vae, x),
        "latent_distance": near,
        "latent_mixture": anomaly_scores.latent_mixture(vae, x, mixture),
        "distance_and_error": anomaly_scores.distance_and_error(vae, x, latents),
        "both_distances": -np.log(near * scores["cosine_neighbours"]),  # each minus a distance
    }


found = {}


def table(prefix, title, kinds, names=NAMES):
    """AUROC of each score: its mean over the kinds, then each."""
    print(f"\n{title:44}  mean" + "".join(f"{kind:7}" for kind in kinds))
    for name, label in names.items():
        values = [found[f"{prefix}auroc_{name}_{kind}"] for kind in kinds]
        found[f"{prefix}auroc_{name}_mean"] = np.mean(values)
        print(f"{label:44}{np.mean(values):6.3f}" + "".join(f"{value:7.3f}" for value in values))


scores = all_scores(vae, normal, x_test)
figure, axes = plt.subplots(figsize=(5.4, 4.6), layout="constrained")
for name in ("squared_error", "elbo", "latent_distance", "distance_and_error", "both_distances"):
    draw_roc(axes, NAMES[name], scores[name])
axes.set(xlabel="normal images called anomalous", ylabel="anomalies found")
axes.legend(frameon=False)
show(figure, "05_roc")

# %% [markdown]
# What the last of them finds, and what it misses: the nines that it calls least and most normal,
# and the digits that were trained likewise.

# %%
order = np.argsort(scores["both_distances"])
least_first = {"never seen": order[~is_normal[order]], "trained": order[is_normal[order]]}
grid = [x_test[chosen] for one in least_first.values() for chosen in (one[:10], one[:-11:-1])]
names = [f"{name}, {which} normal" for name in least_first for which in ("least", "most")]
show(plotting.image_grid(np.concatenate(grid), columns=10, row_names=names), "05_found_and_missed")

# %% [markdown]
# The same with other digits as the anomaly. One digit is no experiment: a score that finds nines
# may be worse than chance with ones.

# %%
kinds = (9, 1, 4)
models, judged = {anomaly: vae}, {anomaly: scores}
for kind in kinds[1:]:
    normal = x_train[y_train != kind]
    other = ad.VAEAnomalyDetector("squared_error", epochs=epochs, **shape).fit(normal)
    models[kind], judged[kind] = other.model_, all_scores(other.model_, normal, x_test)
for kind in kinds:
    for name, values in judged[kind].items():
        found[f"auroc_{name}_{kind}"] = roc_auc_score(y_test != kind, values)
table("", "AUROC, one digit is the anomaly, nine normal", kinds)

# %% [markdown]
# ## Where the normal images have labels
#
# A label says which kinds there are, and what is between two kinds is none of them. A conditional
# VAE has a bound on $\log p(x|c)$ for each class c: the best of them is a score, and so is what it
# has over the second. Or, as above, the distances: how near is the nearest class, and how much
# nearer than the next? Or a classifier of the latents, whose largest logit is small where it is at
# a loss. The labels are those of the normal images; nothing is known of the anomaly.

# %%
for kind in kinds:
    normal, kind_of = x_train[y_train != kind], y_train[y_train != kind]
    near = ad.VAEAnomalyDetector(epochs=epochs, **shape).fit(normal, labels=kind_of)
    bounds = np.sort(anomaly_scores.class_bounds(near.model_, x_test, 9, num_samples=4), axis=1)
    classifier = anomaly_scores.fitted_classifier(models[kind].encode(normal), near.labels_)
    scores = {
        "class_bound": bounds[:, -1],
        "class_ratio": bounds[:, -1] - bounds[:, -2],
        "class_distance": near.score_samples(x_test),
        "max_logit": anomaly_scores.max_logit(models[kind], x_test, classifier),
    }
    for name, values in scores.items():
        found[f"auroc_{name}_{kind}"] = roc_auc_score(y_test != kind, values)
LABELLED = {
    "class_bound": "bound of the best class",
    "class_ratio": "what it has over the second",
    "class_distance": "distance to the nearest class",
    "max_logit": "largest logit of a classifier",
}
table("", "AUROC with labels, nine normal", kinds, LABELLED)

# %% [markdown]
# ## Why ones pass for normal
#
# A 1 of MNIST has few dark pixels, so there is little to get wrong: an image's error grows with its
# energy $\|x\|^2$, whatever it shows, and log p(x) of a simple image is high under any model. A
# score that knows this divides by the energy, or looks where the examples lie. (The ones of the
# small digits are as dark as the rest, and the error finds them.)

# %%
energy = np.sum(x_test**2, axis=(1, 2, 3))
figure, all_axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
for axes, name in zip(all_axes, ("squared_error", "both_distances"), strict=True):
    for label, mask in (("normal", y_test != 1), ("1, never seen", y_test == 1)):
        axes.scatter(energy[mask], judged[1][name][mask], s=3, alpha=0.5, label=label)
    axes.set(xlabel="energy of the image", ylabel="score", title=NAMES[name])
    axes.legend(frameon=False)
show(figure, "05_ones")

# %% [markdown]
# ## One kind is normal, nine are anomalies
#
# The other protocol, and the one of most papers on anomaly detection. It is the easier one: normal
# images are alike. Figures of the two protocols are not to be compared.

# %%
for kind in kinds:
    normal = x_train[y_train == kind]
    one = ad.VAEAnomalyDetector(epochs=one_epochs, contamination=0.05, **shape).fit(normal)
    for name, values in all_scores(one.model_, normal, x_test).items():
        found[f"one_normal_auroc_{name}_{kind}"] = roc_auc_score(y_test == kind, values)
table("one_normal_", "AUROC, one digit is normal, nine anomalies", kinds)

# %% [markdown]
# ## A threshold
#
# A score ranks; to decide takes a threshold. `contamination` is the share of the training set that
# is to lie below it. Of normal test images more are false alarms, since what was trained on is
# known best: the smaller the training set, the more. Where the rate matters, set the threshold with
# examples that were put aside.

# %%
alarm, is_normal = one.predict(x_test) == -1, y_test == kind
print(f"\nThe detector of {kind} raises an alarm at {alarm[is_normal].mean():.1%} of normal test")
print(f"images (of training: 5 %), and at {alarm[~is_normal].mean():.1%} of the anomalies.")

# %% [markdown]
# ## A table
#
# Fraud, intrusion, maintenance (the Course): rows of numbers. They are standardised, the likelihood
# is normal, and the detector stands in a pipeline or a search as any of scikit-learn's. In the
# breast cancer set the benign samples are normal. It matters how large the values are, so that
# relative errors and directions are of no use: the criterion of tables is the bound.

# %%
x, y = load_breast_cancer(return_X_y=True)
x_benign, rest = x[y == 1][:200], np.concatenate([x[y == 1][200:], x[y == 0]])
is_benign = np.arange(len(rest)) < np.sum(y == 1) - 200
small = {"latent_dim": 4, "hidden": (32,), "epochs": min(one_epochs, 100), "batch_size": 32}
for name, each in {
    "elbo": ad.VAEAnomalyDetector(**small),
    "neighbours": ad.Neighbours(),
    "pca": ad.PCAResidual(),
    "isolation_forest": ad.IsolationForest(),
    "one_class_svm": ad.OneClassSVM(),
}.items():
    auroc = roc_auc_score(is_benign, each.fit(x_benign).score_samples(rest))
    found[f"table_auroc_{name}"] = auroc
    print(f"breast cancer, {NAMES[name]:44}{auroc:6.3f}")

# %%
found = {name: float(value) for name, value in found.items()}
(arguments.output / "metrics.json").write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
print(f"figures and metrics.json are in {arguments.output}")

# %% [markdown]
# ## What to take along
#
# - Reconstruction error and likelihood measure how simple an image is before they measure how
#   strange it is. Try a score on more than one kind of anomaly, and on simple ones.
# - To choose a score takes no anomalies. Leave a known kind out of the training, call it the
#   anomaly, measure on images that were put aside, and do so with several kinds.
# - MNIST's 0, 4 and 7 have chosen (`benchmarks/anomaly_detection.py`): where many kinds are normal,
#   how near examples are, in latent space and in the data; where one is, how near in latent space,
#   and how well the image is drawn; with labels, the distance to the nearest class.
# - Nearest neighbours of the right distance are hard to beat, and cost no training. Have them in
#   every table.
