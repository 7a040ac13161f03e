# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 5 · Anomaly detection
#
# This lesson redoes section 4.3 of the Report: a VAE learns the digits 0 to 8, and a 9 should stand
# out by its reconstruction error. The Report finds an AUC of 0.63. We first redo the figures of
# that section, in its order. Then we ask why the score fails, which scores do better, and how well
# classical methods work.
#
#     python tutorials/05_anomaly_detection.py                   # offline, a minute or two
#     python tutorials/05_anomaly_detection.py --dataset mnist   # the full data
#     python tutorials/05_anomaly_detection.py --dataset digits  # 8 x 8 pixels
#
# Figures and `metrics.json` go to the folder `--output`. `benchmarks/anomaly_detection.py` runs
# all digits, several seeds and both protocols; the README has its table.

# %%
import matplotlib.pyplot as plt
import numpy as np
from lesson import Lesson
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.manifold import TSNE
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from keras_vae import datasets, plotting
from keras_vae.tasks import anomaly_detection as ad
from keras_vae.tasks import anomaly_scores

DATASETS = {
    "characters": {
        "load": lambda: datasets.load_characters("digits"),
        **{"latent_dim": 32, "hidden": (256,), "batch_size": 64},
        **{"epochs": 25, "one_epochs": 60},
    },
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
lesson = Lesson(
    "05_anomaly_detection",
    DATASETS,
    figures={"mnist": {"found_and_missed": "05_found_and_missed"}},
)
settings, show = lesson.settings, lesson.show
shape = {name: settings[name] for name in ("latent_dim", "hidden", "batch_size")}
epochs = lesson.epochs or settings["epochs"]
one_epochs = lesson.epochs or settings["one_epochs"]

# %% [markdown]
# ## The experiment of the Report
#
# A detector is fitted to normal examples. It trains a VAE on them, `model_`; `criterion` selects
# the score by which it judges. Every score is higher for a more normal x. The Report's score is
# $-\|x - \hat x\|^2$, where $\hat x$ is the reconstruction.

# %%
(x_train, y_train), (x_test, y_test) = settings["load"]()
anomaly = 9
normal, is_normal = x_train[y_train != anomaly], y_test != anomaly
detector = ad.VAEAnomalyDetector("squared_error", epochs=epochs, **shape).fit(normal)
vae = detector.model_
score = detector.score_samples(x_test)
auroc = roc_auc_score(is_normal, score)
print(f"AUROC of the squared error, digit {anomaly}: {auroc:.3f} (MNIST, the Report: 0.63)")

# %% [markdown]
# Figures 4.4 and 4.5 of the Report: reconstructions of digits that were in the training set and of
# digits that were not, and their errors. Both come back about equally well: the VAE has learned
# strokes, not only digits.

# %%
some = {"trained": x_test[is_normal][:10], "never seen": x_test[~is_normal][:10]}
grid, names = [], []
for name, x in some.items():
    x_hat = vae.reconstruct(x)
    grid += [x, x_hat, np.abs(x - x_hat)]
    names += [name, "reconstructed", "difference"]
show(plotting.image_grid(np.concatenate(grid), columns=10, row_names=names), "reconstructions")

# %% [markdown]
# Figure 4.6: the latents of test images, by t-SNE. The unseen digit has no place of its own; it
# lies among the digits that look like it. Which digits are nearest to the nines? (On MNIST, mostly
# fours: a nine is nearly a four or a seven, and the decoder draws it nearly as well.)

# %%
first = x_test[:2000]
plane = TSNE(random_state=0).fit_transform(vae.encode(first))
kinds = np.where(y_test == anomaly, f"{anomaly}, never seen", y_test.astype(str))[: len(first)]
never_seen = f"{anomaly}, never seen"
tsne = {"marked": never_seen, "axis_names": (None, None), "title": "t-SNE of the latents"}
show(plotting.latent_scatter(plane, kinds, **tsne), "tsne")

# %%
latents = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(vae.encode(normal))
nearest = latents.kneighbors(vae.encode(x_test[~is_normal]), return_distance=False)
near_to = y_train[y_train != anomaly][nearest]
shares = {int(kind): np.mean(near_to == kind) for kind in np.unique(near_to)}
common = sorted(shares, key=shares.get, reverse=True)[:3]
print("nearest to the nines:", ", ".join(f"{kind} ({shares[kind]:.0%})" for kind in common))

# %% [markdown]
# Figure 4.7: the score of training, test and anomalous images. (The Report's axis is the mean error
# per pixel.) Figure 4.8, the ROC curve: for each threshold, the share of anomalies found and the
# share of normal images called anomalous. The area under it, the AUROC, is the probability that an
# anomaly has a lower score than a normal image: 1 is perfect, 0.5 is chance (the dotted diagonal).

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
left.set(xlabel="squared reconstruction error per pixel", ylabel="density")
left.legend(frameon=False)


def draw_roc(axes, name, score):
    false_alarms, caught, _ = roc_curve(~is_normal, -score)
    axes.plot(false_alarms, caught, label=f"{name}: {roc_auc_score(is_normal, score):.3f}")


def finish_roc(axes):
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.set(xlabel="normal images called anomalous", ylabel="anomalies found", aspect="equal")
    axes.legend(frameon=False, title="AUROC", loc="upper left", bbox_to_anchor=(1, 1))


draw_roc(right, "squared error", score)
finish_roc(right)
show(figure, "error_and_roc")

# %% [markdown]
# ## Other scores
#
# `anomaly_scores` has further scores of the same model, as plain functions:
#
# - the error relative to the energy of the image, $\|x - \hat x\|^2 / \|x\|^2$
# - the reconstruction probability, $E_{q(z|x)} \log p(x|z)$ (An and Cho 2015), the bound, and
#   $\log p(x)$; the KL term alone
# - the bound plus the size $L(x)$ of the compressed image in nats, $ELBO(x) + L(x)$ (Serrà 2020)
# - the distance $d_z(x)$ of its latent to the five nearest latents of normal images; the density of
#   the latent under a mixture of normals, $\log \sum_k w_k N(z; \mu_k, \Sigma_k)$
# - distance and relative error combined, $-\log(d_z(x)\, \|x - \hat x\| / \|x\|)$: a normal image
#   lies near examples *and* is drawn well
# - distance in latent space and in data space combined, $-\log(d_z(x)\, d_x(x))$
#
# The classical methods are nearest neighbours by distance and by direction, the residual of a
# principal component analysis, and scikit-learn's isolation forest and one-class support vector
# machine.

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
    }
    scores = {name: detector.fit(normal).score_samples(x) for name, detector in classical.items()}
    rows, examples = (images.reshape(len(images), -1) for images in (x, normal))
    forest = IsolationForest(random_state=0).fit(examples)
    scores["isolation_forest"] = forest.score_samples(rows)
    some = np.random.default_rng(0).permutation(examples)[:3000]  # the cost grows with the square
    scores["one_class_svm"] = OneClassSVM(nu=0.1).fit(some).score_samples(rows)
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
        "both_distances": -np.log(near * scores["cosine_neighbours"]),  # both are negative
    }


found = {}


def table(prefix, title, kinds, names=NAMES):
    """Print the AUROC of each score: the mean over the digits, then each digit."""
    print(f"\n{title:44}  mean" + "".join(f"{kind:7}" for kind in kinds))
    for name, label in names.items():
        values = [found[f"{prefix}auroc_{name}_{kind}"] for kind in kinds]
        found[f"{prefix}auroc_{name}_mean"] = np.mean(values)
        print(f"{label:44}{np.mean(values):6.3f}" + "".join(f"{value:7.3f}" for value in values))


scores = all_scores(vae, normal, x_test)
figure, axes = plt.subplots(figsize=(7.6, 4.2), layout="constrained")
for name in ("squared_error", "elbo", "latent_distance", "distance_and_error", "both_distances"):
    draw_roc(axes, NAMES[name], scores[name])
finish_roc(axes)
show(figure, "roc")

# %% [markdown]
# What does the last score find, and what does it miss? We show the nines that it calls least and
# most normal, and likewise the digits of the training set.

# %%
order = np.argsort(scores["both_distances"])
least_first = {"never seen": order[~is_normal[order]], "trained": order[is_normal[order]]}
grid = [x_test[chosen] for one in least_first.values() for chosen in (one[:10], one[:-11:-1])]
names = [f"{name}, {which} normal" for name in least_first for which in ("least", "most")]
show(plotting.image_grid(np.concatenate(grid), columns=10, row_names=names), "found_and_missed")

# %% [markdown]
# The same with other digits as the anomaly. One digit proves little: a score that finds nines may
# be worse than chance on ones.

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
# ## With labels of the normal images
#
# Labels say which classes exist, so an image between two classes belongs to none of them. A
# conditional VAE gives a bound $b_c(x) \le \log p(x|c)$ for each class c. The best bound,
# $\max_c b_c$, is a score, and so is its lead over the second best. The distances from above give
# another score: how near is the nearest class, and how much nearer than the next one? A classifier
# of the latents gives a third: its largest logit is small if the classifier is undecided. Only the
# normal images have labels; nothing is known about the anomaly.

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
    "class_ratio": "its lead over the second class",
    "class_distance": "distance to the nearest class",
    "max_logit": "largest logit of a classifier",
}
table("", "AUROC with labels, nine normal", kinds, LABELLED)

# %% [markdown]
# ## Why ones pass for normal
#
# A 1 of MNIST has few dark pixels, so there is little to get wrong. The error of an image grows
# with its energy $\|x\|^2$, whatever it shows, and log p(x) of a simple image is high under any
# model. A better score divides by the energy, or looks at where the examples lie. (The ones of the
# 8 × 8 digits are as dark as the other digits, and the error finds them.)

# %%
energy = np.sum(x_test**2, axis=(1, 2, 3))
figure, all_axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
for axes, name in zip(all_axes, ("squared_error", "both_distances"), strict=True):
    for label, mask in (("normal", y_test != 1), ("1, never seen", y_test == 1)):
        axes.scatter(energy[mask], judged[1][name][mask], s=3, alpha=0.5, label=label)
    axes.set(xlabel="energy of the image", ylabel="score", title=NAMES[name])
    axes.legend(frameon=False)
show(figure, "ones")

# %% [markdown]
# ## One digit is normal, nine are anomalies
#
# Most papers on anomaly detection use this protocol. It is easier, since normal images look alike.
# Do not compare figures of the two protocols.

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
# A score ranks images; a decision needs a threshold. `contamination` is the share of the training
# set below the threshold. The rate of false alarms on normal test images is higher, since a model
# knows its training set best; the smaller the training set, the higher the rate. If the rate
# matters, set the threshold on examples that were not used for training.

# %%
alarm, is_normal = one.predict(x_test) == -1, y_test == kind
alarms, found_share = alarm[is_normal].mean(), alarm[~is_normal].mean()
print(f"\nThe detector of {kind} raises an alarm on {alarms:.1%} of the normal test images")
print(f"(training images: 5 %) and on {found_share:.1%} of the anomalies.")

# %% [markdown]
# ## A table
#
# Fraud, intrusion and maintenance (the Course) come as rows of numbers. The detector standardises
# them and uses a normal likelihood; it works in a pipeline or a grid search as any scikit-learn
# estimator. In the breast cancer data, the benign samples are normal. The size of the values
# matters there, so relative errors and directions are of no use, and the default criterion of
# tables is the bound.

# %%
x, y = load_breast_cancer(return_X_y=True)
x_benign, rest = x[y == 1][:200], np.concatenate([x[y == 1][200:], x[y == 0]])
is_benign = np.arange(len(rest)) < np.sum(y == 1) - 200
small = {"latent_dim": 4, "hidden": (32,), "epochs": min(one_epochs, 100), "batch_size": 32}
for name, each in {
    "elbo": ad.VAEAnomalyDetector(**small),
    "neighbours": ad.Neighbours(),
    "pca": ad.PCAResidual(),
    "isolation_forest": make_pipeline(StandardScaler(), IsolationForest(random_state=0)),
    "one_class_svm": make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)),
}.items():
    auroc = roc_auc_score(is_benign, each.fit(x_benign).score_samples(rest))
    found[f"table_auroc_{name}"] = auroc
    print(f"breast cancer, {NAMES[name]:44}{auroc:6.3f}")

# %%
lesson.finish(found)

# %% [markdown]
# ## Summary
#
# - Reconstruction error and likelihood measure how simple an image is before they measure how
#   strange it is. Try a score on several kinds of anomaly, simple ones included.
# - You can choose a score without any anomaly. Leave a known class out of the training, treat it as
#   the anomaly, measure on images that were held out, and repeat this with several classes.
# - On MNIST we chose with 0, 4 and 7 (`benchmarks/anomaly_detection.py`). If many classes are
#   normal, the best score combines the distances in latent space and in data space. If one class is
#   normal, it combines the distance in latent space and the relative error. With labels, it is the
#   distance to the nearest class.
# - Nearest neighbours with the right distance are hard to beat and need no training. Include them
#   in every table.
