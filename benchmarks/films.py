"""Films: the error of held-out ratings, and the order of held-out choices, on MovieLens 100k.

    python benchmarks/films.py                       # 15 minutes

Ratings: the published splits u1 to u5, the RMSE of each test part. Choices: all ratings count as
chosen; of each user a quarter is held out, at random, and seen films are removed; NDCG at 10, three
splits. Settings were chosen on a tenth of the training ratings of u1, and on a fourth split.

Results are stored in `results/films.json` as soon as they are known, and are not measured again
unless `--anew` is given.
"""

import argparse
import pathlib
import time
import warnings

import numpy as np
from scipy import sparse

from keras_vae import datasets, metrics, results
from keras_vae.tasks import recommendation

RESULTS = pathlib.Path(__file__).parent / "results" / "films.json"
RATINGS = {
    "biases": recommendation.Biases(),
    "item neighbours": recommendation.ItemNeighbours(),
    "matrix factorisation": recommendation.MatrixFactorisation(20, 14.0, 20),
    "VAE over films": recommendation.VAERecommender("gaussian"),
}
CHOICES = {
    "popularity": recommendation.Popularity(),
    "item neighbours": recommendation.ItemNeighbours(80, explicit=False),
    "EASE": recommendation.EASE(500.0),
    "VAE": recommendation.VAERecommender(),
}
HELD_OUT = (1, 2, 3)


def rating(recommender, split):
    train, test = datasets.load_movielens(split)
    started = time.perf_counter()
    recommender.fit(train.matrix())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # films without a rating in the training part
        found = recommender.predict(test.users, test.items)
    return {
        "rmse": metrics.rmse(test.ratings, found),
        "mae": metrics.mae(test.ratings, found),
        "seconds": time.perf_counter() - started,
    }


def held_out(ratings, seed):
    """(train, test): of each user's films three quarters and the rest, as sparse matrices."""
    rng, parts = np.random.default_rng(seed), [[], []]
    for user in range(ratings.shape[0]):
        films = rng.permutation(ratings[user].indices)
        cut = round(0.75 * len(films))
        for part, some in zip(parts, (films[:cut], films[cut:]), strict=True):
            part.extend((user, film) for film in some)
    return [
        sparse.csr_matrix((np.ones(len(part)), np.array(part).T), shape=ratings.shape)
        for part in parts
    ]


def choice(recommender, seed):
    train, test = held_out(datasets.load_movielens().matrix(), seed)
    started = time.perf_counter()
    found = recommender.fit(train).recommend(np.arange(train.shape[0]), 10)
    seconds = time.perf_counter() - started
    return {"ndcg": metrics.ndcg(found, test), "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anew", action="store_true", help="measure again what is known")
    arguments = parser.parse_args()
    found = {} if arguments.anew or not RESULTS.exists() else results.read(RESULTS)["results"]

    def measured(key, function, *given):
        if key not in found:
            found[key] = function(*given)
            settings = {name: str(way) for name, way in {**RATINGS, **CHOICES}.items()}
            results.write(RESULTS, found, seed=[0, *HELD_OUT], ways=settings)
            print(key, {name: round(value, 4) for name, value in found[key].items()}, flush=True)

    for split in ("u1", "u2", "u3", "u4", "u5"):
        for name, recommender in RATINGS.items():
            measured(f"ratings: {name}_{split}", rating, recommender, split)
    for seed in HELD_OUT:
        for name, recommender in CHOICES.items():
            measured(f"choices: {name}_{seed}", choice, recommender, seed)


if __name__ == "__main__":
    main()
