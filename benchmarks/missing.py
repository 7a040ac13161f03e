"""Missing values in images: the data sets of the Thesis, several patterns, the classical ways.

    python benchmarks/missing.py --dataset mnist          # up to two hours
    python benchmarks/missing.py --dataset omniglot_greek # a quarter of an hour, as most

Errors are RMSE and MAE over all pixels, as in the Thesis, and RMSE over the missing pixels alone.
Every way learns from the training images, which are whole, but for the way "never whole", whose
training images miss a random half. All ways learn from the images of the small sets in copies that
are shifted by up to two pixels. (Not MNIST's: its digits are centred, and where the upper half
stands says how long the lower half is.)

Results are stored in `results/missing_<dataset>.json` as soon as they are known, and are not
measured again unless `--anew` is given.
"""

import argparse
import pathlib
import resource
import time

import keras
import numpy as np

from keras_vae import VAE, batching, datasets, likelihoods, networks, results
from keras_vae.tasks import common, filling, imputation, masks

RESULTS = pathlib.Path(__file__).parent / "results"


def omniglot(alphabet):
    (x, _), (x_test, _) = datasets.load_omniglot(alphabets=(alphabet,))
    return x, x_test


def cifar(grey):
    (x, _), (x_test, _) = datasets.load_cifar10(grey=grey)
    return x, x_test


def mnist():
    (x, _), (x_test, _) = datasets.load_mnist()
    return x, x_test


def binarized():
    x, _, x_test = datasets.load_binarized_mnist()
    return x, x_test


def faces(load, reduce):
    x = load(reduce=reduce)[0]
    test = np.arange(len(x)) % 5 == 4  # each fifth image
    return x[~test], x[test]


def shifted(x, most):
    """Copies of images, shifted by up to `most` pixels in every direction; edges are repeated."""
    height, width = x.shape[1:3]
    wide = np.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    places = range(2 * most + 1)
    return np.concatenate([wide[:, i : i + height, j : j + width] for i in places for j in places])


LARGE = {"hidden": (1024, 512), "latent_dim": 64, "epochs": 40, "models": 2}
LARGE["with_masks"] = {"variance": 0.0025, "dropout": 0.1}
SMALL = {"hidden": (512, 256), "latent_dim": 64, "epochs": 40, "models": 3, "copies": 2}
SMALL["with_masks"] = {"variance": 0.01, "dropout": 0.2}
DATASETS = {
    "mnist": (mnist, LARGE),
    "binarized_mnist": (binarized, LARGE),
    "omniglot_english": (lambda: omniglot("Latin"), SMALL),
    "omniglot_greek": (lambda: omniglot("Greek"), SMALL),
    "cifar10_grey": (lambda: cifar(True), SMALL | {"copies": 1}),
    "cifar10": (lambda: cifar(False), SMALL | {"copies": 1}),
    "faces": (lambda: faces(datasets.load_faces, 2), SMALL),
    "cropped_yale": (lambda: faces(datasets.load_cropped_yale, 4), SMALL),
}


def patterns_of(shape):
    return {
        "half at random": masks.at_random(shape, 0.5, seed=0),
        "lower half": masks.half(shape),
        "fifths": masks.fifths(shape),
        "square": masks.square(shape, shape[1] // 2, seed=0),
    }


class Ways:
    """{name: function that makes a filling function from training images}."""

    def __init__(self, images, settings):
        self.images, self.settings = images, settings
        self.x = self.copies(images)
        self.start = self.x.mean(axis=0)
        self.bank = masks.varied((4000, *images.shape[1:]), seed=1)

    def copies(self, x):
        return shifted(x, self.settings.get("copies", 0))

    def trained(self, x, bank=None, reads_masks=False, variance="learned", dropout=0.0, seed=0):
        s, rows = self.settings, len(x)
        keras.utils.set_random_seed(seed)
        likelihood = likelihoods.Gaussian(variance=variance, initial=0.01)
        missing = "mask" if reads_masks or bank is not None else None
        sizes = {"latent_dim": s["latent_dim"], "hidden": s["hidden"], "dropout": dropout}
        pair = networks.dense(
            x.shape[1:], **sizes, activation="gelu", likelihood=likelihood, missing=missing
        )
        vae = VAE(*pair, likelihood=likelihood, seed=seed)
        common.compile_with_cosine_decay(vae, 2e-3, rows, s["epochs"], 128)
        data = batching.batches(x, 128, seed=seed)
        if bank is not None:
            data = data.map(masks.holes(bank, seed=2))
        vae.fit(data, epochs=s["epochs"], verbose=0)
        return vae

    def classical(self, imputer):
        return imputer.fit(self.x).transform

    def gradient(self):
        vae = self.trained(self.x)
        return lambda x: filling.gradient(vae, x, start=self.start)

    def with_masks(self):
        models = [
            self.trained(self.x, self.bank, **self.settings["with_masks"], seed=seed)
            for seed in range(self.settings["models"])
        ]
        return lambda x: np.mean([filling.one_pass(vae, x) for vae in models], axis=0)

    def imputer(self):
        vae = imputation.VAEImputer(
            latent_dim=64,
            hidden=(512,),
            steps=2000 if "copies" in self.settings else 6000,
            models=1,
            masks=self.bank,
            num_samples=30,
        )
        return vae.fit(self.x).transform

    def never_whole(self):
        half = self.copies(masks.hide(self.images, masks.at_random(self.images.shape, 0.5, seed=3)))
        vae = self.trained(half, reads_masks=True)
        return lambda x: filling.gradient(vae, x)

    def all(self):
        return {
            "mean of each pixel": lambda: self.classical(imputation.ColumnMeans()),
            **{
                f"{k}-NN": lambda k=k: self.classical(imputation.Neighbours(k))
                for k in (1, 3, 10, 100)
            },
            "probabilistic PCA": lambda: self.classical(imputation.ProbabilisticPCA(80)),
            "VAE, gradient steps": self.gradient,
            "VAE, encoder with masks": self.with_masks,
            "VAEImputer": self.imputer,
            "VAE, never whole": self.never_whole,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=DATASETS, default="omniglot_greek")
    parser.add_argument("--anew", action="store_true", help="measure again what is known")
    arguments = parser.parse_args()
    path = RESULTS / f"missing_{arguments.dataset}.json"
    found = {} if arguments.anew or not path.exists() else results.read(path)["results"]
    load, settings = DATASETS[arguments.dataset]
    x, x_test = load()
    patterns = patterns_of(x_test.shape)
    for way, make in Ways(x, settings).all().items():
        if way in found:
            continue
        started = time.perf_counter()
        fill, found_of_way = make(), {}
        trained = time.perf_counter() - started
        for pattern, mask in patterns.items():
            started = time.perf_counter()
            apart = fill(masks.hide(x_test, mask)) - x_test
            found_of_way[pattern] = {
                "rmse_missing": float(np.sqrt(np.square(apart[~mask]).mean())),
                "rmse": float(np.sqrt(np.square(apart).mean())),
                "mae": float(np.abs(apart).mean()),
                "seconds": time.perf_counter() - started,
            }
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        found[way] = {"seconds": trained, "gb_until_now": memory, **found_of_way}
        counts = {"train": len(x), "test": len(x_test), "shape": list(x.shape[1:])}
        results.write(path, found, seed=0, **counts, **settings)
        short = {name: round(each["rmse_missing"], 4) for name, each in found_of_way.items()}
        print(way, short, f"{trained:.0f} s, {memory:.1f} GB at most", flush=True)


if __name__ == "__main__":
    main()
