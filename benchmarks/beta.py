"""What beta does: rate, distortion, latents in use, and how well a latent matches a factor.

    python benchmarks/beta.py --dataset digits     # packaged characters; 10 minutes
    python benchmarks/beta.py --dataset mnist      # 20 minutes
    python benchmarks/beta.py --dataset sprites    # 40 minutes: mutual information gap, ...

The first two train the conditional beta-VAE of the Introduction (its figures 5 and 6): dense, six
latents, seven values of beta, three seeds. The third trains beta-VAEs, BetaTCVAEs and FactorVAEs on
17,280 sprites, with convolutions and ten latents.

Results are stored in `results/beta_<dataset>.json` as soon as they are known, and are not measured
again unless `--anew` is given.
"""

import argparse
import pathlib
import time

import keras
import numpy as np

from keras_vae import (
    VAE,
    BetaTCVAE,
    ConditionalVAE,
    FactorVAE,
    datasets,
    metrics,
    networks,
    optimizers,
    results,
)

RESULTS = pathlib.Path(__file__).parent / "results"
BETAS = (1e-3, 1e-2, 1e-1, 1, 10, 100, 1024)
SWEEPS = {
    "digits": {"hidden": (256, 128), "epochs": 80, "batch_size": 64},
    "mnist": {"hidden": (512, 256), "epochs": 8, "batch_size": 128},
}
SPRITES = {
    "filters": (16, 32, 32),
    "hidden": (128,),
    "latent_dim": 10,
    "discriminator": (256, 256, 256),
    "epochs": 15,
    "batch_size": 128,
    "bins": 20,
    "codes": "means",
}
OF_SPRITES = {
    **{f"beta {beta}": (VAE, {"beta": beta}) for beta in (1, 4, 8, 16, 24)},
    **{f"beta-TC {beta}": (BetaTCVAE, {"beta": beta}) for beta in (6, 12)},
    **{f"Factor {gamma}": (FactorVAE, {"gamma": gamma}) for gamma in (20,)},
}


def train(model, x, y=None, *, epochs, batch_size):
    """Adam, with a learning rate that decays from 0.002 to 0; returns (last logs, seconds)."""
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // batch_size))
    optimizer = optimizers.Adam(rate)
    if isinstance(model, FactorVAE):
        discriminator = optimizers.Adam(1e-4, beta_1=0.5)
        terms = {"loss": optimizer, "discriminator_loss": discriminator}
        optimizer = optimizers.PerTerm(terms)
    model.compile(optimizer, steps_per_execution=15)
    started = time.perf_counter()
    logs = model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0).history
    return {name: values[-1] for name, values in logs.items()}, time.perf_counter() - started


def sweep(name, seed, measured):
    """Every beta on images with classes; `measured` runs what is not known yet."""
    settings = SWEEPS[name]
    load = {"digits": lambda: datasets.load_characters("digits"), "mnist": datasets.load_mnist}
    (x, y), (x_test, y_test) = load[name]()
    means = np.stack([x[y == c].mean(axis=0) for c in range(10)])

    def of(beta):
        keras.utils.set_random_seed(seed)
        pair = networks.dense(x.shape[1:], 6, hidden=settings["hidden"], condition=10)
        vae = ConditionalVAE(*pair, beta=beta, seed=seed)
        fitting = {key: settings[key] for key in ("epochs", "batch_size")}
        _, seconds = train(vae, x, y, **fitting)
        losses = vae.evaluate(x, y, batch_size=1000, verbose=0, return_dict=True)
        of_test = vae.evaluate(x_test, y_test, batch_size=1000, verbose=0, return_dict=True)
        drawn = vae.generate(500, seed=seed, condition=np.arange(500) % 10)
        apart = drawn - means[np.arange(500) % 10]
        codes = vae.encode(x_test, condition=y_test)
        return {
            **losses,
            **{f"test_{key}": value for key, value in of_test.items()},
            "active_units": metrics.active_units(codes),
            "from_class_mean": float(np.sqrt(np.square(apart).mean(axis=(1, 2, 3))).max()),
            "pixel_from_class_mean": float(np.abs(apart).max()),
            "seconds": seconds,
        }

    for beta in BETAS:
        measured(f"{beta:g}_{seed}", of, beta)


def sprites(_, seed, measured):
    x, factors = datasets.load_sprites()

    def of(kind, arguments):
        keras.utils.set_random_seed(seed)
        shape = {key: SPRITES[key] for key in ("latent_dim", "filters", "hidden")}
        pair = networks.conv(x.shape[1:], **shape)
        if kind is BetaTCVAE:
            arguments = {**arguments, "num_examples": len(x)}
        if kind is FactorVAE:
            network = networks.discriminator(SPRITES["latent_dim"], SPRITES["discriminator"])
            arguments = {**arguments, "discriminator": network}
        model = kind(*pair, **arguments, seed=seed)
        fitting = {key: SPRITES[key] for key in ("epochs", "batch_size")}
        logs, seconds = train(model, x, **fitting)
        codes = model.encode(x)
        information = np.sort(metrics.mutual_information(codes, factors), axis=0)
        gaps = (information[-1] - information[-2]) / np.log(factors.max(axis=0) + 1)
        scores = metrics.dci(codes, factors)
        means, log_vars = model.encoder.predict(x[::7], batch_size=1000, verbose=0)
        parts = metrics.kl_decomposition(means, log_vars, max_draws=1000)
        return {
            **logs,
            "gap": metrics.mutual_information_gap(codes, factors, SPRITES["bins"]),
            **{
                f"gap_{name}": float(gap)
                for name, gap in zip(datasets.SPRITE_FACTORS, gaps, strict=True)
            },
            "factor_vae": metrics.factor_vae_score(codes, factors),
            **{name: float(value) for name, value in scores.items() if name != "importance"},
            "active_units": metrics.active_units(codes),
            **{f"exact_{name}": value for name, value in parts.items()},
            "seconds": seconds,
        }

    for name, (kind, arguments) in OF_SPRITES.items():
        measured(f"{name}_{seed}", of, kind, arguments)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=[*SWEEPS, "sprites"], default="digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--anew", action="store_true", help="measure again what is known")
    arguments = parser.parse_args()
    seeds = arguments.seeds
    path = RESULTS / f"beta_{arguments.dataset}.json"
    found = {} if arguments.anew or not path.exists() else results.read(path)["results"]
    settings = SWEEPS.get(arguments.dataset, SPRITES)

    def measured(key, function, *arguments):
        if key not in found:
            found[key] = function(*arguments)
            results.write(path, found, seed=[*range(seeds)], **settings)
            shown = ("kl_loss", "reconstruction_loss", "active_units", "gap", "from_class_mean")
            print(key, {name: round(v, 4) for name, v in found[key].items() if name in shown})

    for seed in range(seeds):
        run = sweep if arguments.dataset in SWEEPS else sprites
        run(arguments.dataset, seed, measured)


if __name__ == "__main__":
    main()
