"""Anomaly detection with every score, every digit, both protocols and several seeds.

    python benchmarks/anomaly_detection.py                           # MNIST
    python benchmarks/anomaly_detection.py --dataset fashion_mnist   # the same settings
    python benchmarks/anomaly_detection.py --tables                  # three tables of scikit-learn

There are two protocols, whose results must not be compared: `nine` (one class is anomalous, the
other nine are normal) and `one` (one class is normal). The score of each protocol is chosen once,
for both data sets. It is the one with the best mean AUROC for the classes 0, 4 and 7 of MNIST, on
the last 10,000 images of the training set, with models trained on the others. Then a new model is
trained for each class and evaluated on the test set. The table lists every score.

A data set takes an hour or more on two cores. The networks are small, so each process runs on a
single thread. Results are stored in `results/anomaly_detection_<dataset>.json` as soon as they are
known, and are not measured again unless `--anew` is given.
"""

import argparse
import functools
import multiprocessing
import os
import pathlib

import numpy as np
from sklearn import datasets as tables
from sklearn import ensemble, svm
from sklearn.base import clone
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from keras_vae import datasets, results
from keras_vae.tasks import anomaly_detection as ad
from keras_vae.tasks import anomaly_scores

RESULTS = pathlib.Path(__file__).parent / "results"
NETWORK = {"latent_dim": 32, "hidden": (400, 400), "batch_size": 128}
EPOCHS = {"nine": 8, "one": 40}
OF_TABLES = {"latent_dim": 8, "hidden": (64,), "epochs": 100, "batch_size": 32}
SCORES_OF_TABLES = ("elbo", "log_likelihood", "squared_error", "latent_distance")
STAND_INS = (0, 4, 7)
MOST_EXAMPLES_OF_SVM = 5000  # its cost is quadratic in their number


def flatten(x):
    """Rows `(n, values)` of an array `(n, ...)`."""
    return x.reshape(len(x), -1)


def of_scikit_learn(estimator):
    """A detector of scikit-learn for images."""
    return make_pipeline(FunctionTransformer(flatten), estimator)


CLASSICAL = {
    "neighbours": ad.Neighbours(),
    "cosine_neighbours": ad.Neighbours(cosine=True),
    "pca": ad.PCAResidual(),
    "isolation_forest": of_scikit_learn(ensemble.IsolationForest(random_state=0)),
    "one_class_svm": of_scikit_learn(svm.OneClassSVM(nu=0.1)),
}


def fitted(name, detector, normal, seed=0):
    """A copy of a classical detector, fitted to normal examples."""
    detector = clone(detector)
    if name == "isolation_forest":
        detector.set_params(isolationforest__random_state=seed)
    if name == "one_class_svm" and len(normal) > MOST_EXAMPLES_OF_SVM:
        normal = np.random.default_rng(seed).permutation(normal)[:MOST_EXAMPLES_OF_SVM]
    return detector.fit(normal)


def scores_of(detector, normal, labels):
    """A dict of functions from x to scores, all of one model; with labels, also those that need
    them.
    """
    detector.fit(normal)
    detector.examples_ = normal
    detector.mixture_ = anomaly_scores.fitted_mixture(detector.latents_, detector.seed)
    functions = {name: functools.partial(score, detector) for name, score in ad.SCORES.items()}
    if labels is not None:
        judge = clone(detector).set_params(criterion="class_bound", num_samples=4)
        judge.fit(normal, labels=labels)
        judge.examples_ = normal
        detector.classifier_ = anomaly_scores.fitted_classifier(
            detector.latents_, judge.labels_, seed=detector.seed
        )
        for name, score in ad.CLASS_SCORES.items():
            functions[name] = functools.partial(score, detector if name == "max_logit" else judge)
    return functions


def measured(score, is_normal):
    """AUROC and average precision of finding the anomalies."""
    return {
        "auroc": round(float(roc_auc_score(is_normal, score)), 4),
        "average_precision": round(float(average_precision_score(~is_normal, -score)), 4),
    }


@functools.cache
def loaded(name, place):
    """Training and test data; to choose a score, both are from the training set."""
    train, test = getattr(datasets, f"load_{name}")()
    if place == "chosen_on":
        return [a[:-10_000] for a in train], [a[-10_000:] for a in train]
    return train, test


def run(name, one):
    """One run, with one class as the odd one out: the run itself and its results by score."""
    place, protocol, kind, seed = one
    (x, y), (x_test, y_test) = loaded(name, place)
    keep, is_normal = (
        (y != kind, y_test != kind) if protocol == "nine" else (y == kind, y_test == kind)
    )
    normal, labels = x[keep], y[keep] if protocol == "nine" else None
    detector = ad.VAEAnomalyDetector(epochs=EPOCHS[protocol], seed=seed, **NETWORK)
    functions = scores_of(detector, normal, labels)
    for other, classical in CLASSICAL.items():
        if seed == 0 or other in ("isolation_forest", "one_class_svm"):  # the others use no seed
            functions[other] = fitted(other, classical, normal, seed).score_samples
    return one, {
        score: measured(function(x_test), is_normal) for score, function in functions.items()
    }


def images(name, seeds, path, anew):
    record = {"chosen_on": {}, "tested": {}}
    settings = {key: list(v) if isinstance(v, tuple) else v for key, v in NETWORK.items()}
    settings |= {"dataset": name, "epochs": EPOCHS}
    if path.exists() and not anew:
        kept = results.read(path)
        record = kept["results"]
        if kept["settings"] != settings | {"seed": kept["settings"]["seed"]}:
            raise SystemExit(
                f"{path.name} was measured with other settings; --anew measures again."
            )
    wanted = [
        ("chosen_on", protocol, kind, 0)
        for protocol in EPOCHS
        for kind in STAND_INS
        if name == "mnist"
    ]
    for seed in range(seeds):
        wanted += [("tested", protocol, kind, seed) for protocol in EPOCHS for kind in range(10)]
    one_thread = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    os.environ |= dict.fromkeys(one_thread, "1")  # in the processes of the pool
    wanted = [one for one in wanted if _key(*one) not in record[one[0]]]
    with multiprocessing.get_context("spawn").Pool(maxtasksperchild=5) as pool:
        for one, found in pool.imap_unordered(functools.partial(run, name), wanted):
            record[one[0]][_key(*one)] = found
            results.write(path, record, seed=list(range(seeds)), **settings)
            best = max(found, key=lambda score: found[score]["auroc"])
            print(*one, "best", best, found[best]["auroc"], flush=True)


def _key(place, protocol, kind, seed):
    return f"{protocol}_{kind}_{seed}"


def of_tables(seeds, path):
    """Each class is normal in turn: half of it is the training set, the rest the test set."""
    record = {}
    for name in ("breast_cancer", "wine", "digits"):
        x, y = getattr(tables, f"load_{name}")(return_X_y=True)
        for kind in np.unique(y):
            for seed in range(seeds):
                normal, other = train_test_split(x[y == kind], test_size=0.5, random_state=seed)
                given = np.concatenate([other, x[y != kind]])
                is_normal = np.arange(len(given)) < len(other)
                detector = ad.VAEAnomalyDetector(seed=seed, **OF_TABLES)
                functions = scores_of(detector, normal, None)
                rows = detector.scaler_.transform(given).astype("float32")
                found = {score: functions[score](rows) for score in SCORES_OF_TABLES}
                for score, classical in CLASSICAL.items():
                    standardised = clone(make_pipeline(StandardScaler(), classical))
                    found[score] = standardised.fit(normal).score_samples(given)
                for score, values in found.items():
                    lists = record.setdefault(f"{name}_{kind}", {})
                    lists.setdefault(score, []).append(measured(values, is_normal))
            means = {
                score: np.mean([found["auroc"] for found in each])
                for score, each in record[f"{name}_{kind}"].items()
            }
            print(name, kind, *(f"{score} {mean:.3f}" for score, mean in means.items()), flush=True)
    results.write(path, record, seed=list(range(seeds)), **OF_TABLES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Anomaly detection with every score and digit")
    parser.add_argument("--dataset", choices=("mnist", "fashion_mnist"), default="mnist")
    parser.add_argument("--tables", action="store_true", help="tables instead of images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--anew", action="store_true", help="measure everything again")
    given = parser.parse_args()
    if given.tables:
        of_tables(given.seeds, RESULTS / "anomaly_detection_tables.json")
    else:
        path = RESULTS / f"anomaly_detection_{given.dataset}.json"
        images(given.dataset, given.seeds, path, given.anew)
