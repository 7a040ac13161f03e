"""Missing values in tables: six tables, two causes, three shares, all imputers with one setting.

    python benchmarks/missing_tables.py --seeds 1      # 40 minutes; five seeds take 3 hours

Missing completely at random, or by another column: a quarter of the columns stays known, and each
of the others is the more probably missing, the larger one of these is. The error is the RMSE of the
missing values, in standard deviations of the complete column. Imputers learn from the incomplete
table that they fill.

Results are stored in `results/missing_tables.json` as soon as they are known, and are not measured
again unless `--anew` is given.
"""

import argparse
import itertools
import pathlib
import time
import warnings

import numpy as np
from scipy import special, stats
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from keras_vae import datasets, results
from keras_vae.tasks import imputation, masks

RESULTS = pathlib.Path(__file__).parent / "results" / "missing_tables.json"
WAYS = {
    "column means": imputation.ColumnMeans(),
    "K-NN, softmax weights": imputation.Neighbours(10),
    "scikit-learn's KNNImputer": imputation.Wrapped(KNNImputer()),
    "scikit-learn's IterativeImputer": imputation.Wrapped(IterativeImputer(random_state=0)),
    "probabilistic PCA": imputation.ProbabilisticPCA(),
    "VAEImputer": imputation.VAEImputer(),
}
SHARES = (0.1, 0.3, 0.5)
CAUSES = ("at random", "by a column")


def adbench(name):
    """At most 2,000 rows of a table, chosen at random."""
    x, _ = datasets.load_adbench(name)
    return x[np.sort(np.random.default_rng(0).permutation(len(x))[:2000])]


TABLES = {
    "breast cancer": lambda: load_breast_cancer().data,
    "wine": lambda: load_wine().data,
    "diabetes": lambda: load_diabetes().data,
    "cardio": lambda: adbench("cardio"),
    "pendigits": lambda: adbench("pendigits"),
    "satellite": lambda: adbench("satellite"),
}


def table(name):
    x = TABLES[name]().astype("float64")
    return x[:, x.std(axis=0) > 0]


def known_values(x, share, cause, seed):
    """A mask, True where a value is known."""
    if cause == "at random":
        return masks.at_random(x.shape, share, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(x.shape[1])
    drivers = order[: max(2, x.shape[1] // 4)]
    known = np.ones(x.shape, bool)
    for column in order[len(drivers) :]:
        driver = x[:, rng.choice(drivers)]
        score = 2 * stats.norm.ppf((stats.rankdata(driver) - 0.5) / len(x))
        low, high = -20.0, 20.0  # of an offset, so that the share is the one asked for
        for _ in range(60):
            middle = (low + high) / 2
            too_few = special.expit(score + middle).mean() < share
            low, high = (middle, high) if too_few else (low, middle)
        known[:, column] = rng.random(len(x)) >= special.expit(score + middle)
    return known


def error(way, x, known):
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        filled = way.fit_transform(masks.hide(x, known))
    apart = ((filled - x) / x.std(axis=0))[~known]
    return {
        "rmse": float(np.sqrt(np.square(apart).mean())),
        "cpu_seconds": time.process_time() - started,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--anew", action="store_true", help="measure again what is known")
    arguments = parser.parse_args()
    found = {} if arguments.anew or not RESULTS.exists() else results.read(RESULTS)["results"]
    settings = {name: str(way) for name, way in WAYS.items()}
    for seed, name in itertools.product(range(arguments.seeds), TABLES):
        x = table(name)
        for share, cause in itertools.product(SHARES, CAUSES):
            key = f"{name}, {share:.0%} {cause}_{seed}"
            of_case = found.setdefault(key, {})
            for way, imputer in WAYS.items():
                if way not in of_case:
                    of_case[way] = error(imputer, x, known_values(x, share, cause, seed))
            seeds = sorted({int(key.rpartition("_")[2]) for key in found})
            results.write(RESULTS, found, seed=seeds, ways=settings)
            print(key, {way: round(each["rmse"], 3) for way, each in of_case.items()}, flush=True)


if __name__ == "__main__":
    main()
