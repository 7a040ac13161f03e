# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 9 · Films
#
# This lesson redoes the last part of the Thesis: which rating would a user give to a film that he
# or she has not rated? The Thesis fills the whole table with a VAE and with K nearest neighbours,
# and finds that the two agree in 91 % of the entries. We ask first what that says. Then we hold out
# ratings, and predict them.
#
#     python tutorials/09_films.py                        # offline, about a minute
#     python tutorials/09_films.py --dataset movielens    # MovieLens 100k, from $KERAS_HOME
#
# Figures and `metrics.json` go to the folder `--output`. `benchmarks/films.py` measures all splits;
# `docs/results.md` has its table.

# %%
import itertools
import warnings

import matplotlib.pyplot as plt
import numpy as np
from lesson import Lesson
from scipy import sparse

from keras_vae import datasets, metrics
from keras_vae.tasks import recommendation as rec


def made(users=400, films=300, seed=0):
    """A table of ratings with known truth: biases, three tastes, and who rates what."""
    rng = np.random.default_rng(seed)
    popular = rng.normal(size=films)
    truth = 3.4 + 0.4 * rng.normal(size=(users, 1)) + 0.5 * rng.normal(size=films)
    truth += 0.35 * rng.normal(size=(users, 3)) @ rng.normal(size=(3, films))
    chance = 1 / (1 + np.exp(2.2 - popular - 0.8 * (truth - 3.4)))  # liked films are seen more
    users_, films_ = np.nonzero(rng.random(truth.shape) < chance)
    ratings = truth[users_, films_] + 0.7 * rng.normal(size=len(users_))
    ratings = np.clip(np.round(ratings), 1, 5)
    titles = [f"film {j}" for j in range(films)]
    return sparse.csr_matrix((ratings, (users_, films_)), shape=truth.shape), titles


def movielens():
    return datasets.load_movielens().matrix(), datasets.load_movielens_titles()


DATASETS = {"made": {"load": made, "factors": 3}, "movielens": {"load": movielens, "factors": 20}}
lesson = Lesson("09_films", DATASETS, figures={"made": {"errors": "09_errors"}})
settings, show = lesson.settings, lesson.show
ratings, titles = settings["load"]()
users, films = ratings.shape
found = {}

# %% [markdown]
# ## A table with holes
#
# A row is a user, a column a film. Nearly all entries are unknown. An unknown rating is not 0: it
# is missing, and a sparse matrix does not store it.

# %%
share = ratings.nnz / (users * films)
print(f"{users} users, {films} films, {ratings.nnz:,} ratings: {share:.1%} of the table")
busy = np.argsort(-np.diff(ratings.indptr))[:60]
seen = np.argsort(-np.diff(ratings.tocsc().indptr))[:90]
part = ratings[busy][:, seen].toarray()
figure, axes = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
image = axes.imshow(np.where(part > 0, part, np.nan), cmap="viridis", aspect="auto")
axes.set(xlabel="the films with most ratings", ylabel="the users with most ratings")
figure.colorbar(image, label="rating")
show(figure, "table")

# %% [markdown]
# ## What "91 % match" says
#
# Two ways fill the table, the entries are rounded, and compared with each other. The known entries
# are the same in both. Here is that figure for the mean rating of each film, and the same plus what
# each user adds. They agree in most entries, and neither knows anything of taste. How near they are
# to what users say is another question.

# %%
by_film = rec.Biases(damping=5.0).fit(ratings)
mean_of_film = by_film.mean_ + by_film.items_ + np.zeros((users, 1))
everything = np.arange(users)
both = by_film._scores(everything)
known = ratings.toarray() > 0
fillings = [np.where(known, ratings.toarray(), each) for each in (mean_of_film, both)]
match = np.mean(np.round(fillings[0]) == np.round(fillings[1]))
between = metrics.rmse(*fillings)
print(f"two fillings: RMSE {between:.3f}, match {match:.0%} (the Thesis: 0.080, 91 %)")
found |= {"match": match, "rmse_between_fillings": between}

# %% [markdown]
# ## Ratings that were held out
#
# A fifth of the ratings is held out, and no way sees it. The error is that of these ratings alone.
#
# - *Biases*: the mean, what a user adds, what a film adds. Any other way has to beat it.
# - *Item neighbours*: what the user said of similar films.
# - *Matrix factorisation*: a user and a film have factors, and their product is added.
# - *VAE*: a row is a film. The encoder reads what biases leave of its ratings, and the mask; the
#   bound is that of the known ratings. From each row it sees three tenths, and has to tell the
#   rest. The decoder is linear, so that z holds the factors of the film; the encoder infers them.

# %%
rng = np.random.default_rng(0)
rows, columns = ratings.nonzero()
test = rng.random(len(rows)) < 0.2
values = np.asarray(ratings[rows, columns]).ravel()
train = sparse.csr_matrix((values[~test], (rows[~test], columns[~test])), shape=ratings.shape)
epochs = {"epochs": lesson.epochs} if lesson.epochs else {}
ways = {
    "biases": rec.Biases(),
    "item neighbours": rec.ItemNeighbours(),
    "matrix factorisation": rec.MatrixFactorisation(settings["factors"], 14.0),
    "VAE": rec.VAERecommender("gaussian", **epochs),
}
squares = {}
for name, way in ways.items():
    way.fit(train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a film may have all of its ratings in the test part
        predicted = way.predict(rows[test], columns[test])
    squares[name] = np.square(predicted - values[test])
    found[f"rmse_{name}"] = np.sqrt(squares[name].mean())
    print(f"{name:22} RMSE of held-out ratings {found[f'rmse_{name}']:.4f}", flush=True)

# %% [markdown]
# Where does the VAE gain? Films with few ratings say little of themselves: there all ways are
# nearly biases. The more ratings a film has, the more there is to find.

# %%
counts = np.diff(train.tocsc().indptr)[columns[test]]
edges = np.unique(np.quantile(counts, [0, 0.2, 0.4, 0.6, 0.8, 1.0]))
figure, axes = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
for name, marker in zip(squares, "osD^", strict=True):
    inside = [(low <= counts) & (counts <= high) for low, high in itertools.pairwise(edges)]
    errors = [np.sqrt(squares[name][some].mean()) for some in inside]
    axes.plot([counts[some].mean() for some in inside], errors, marker=marker, label=name)
axes.set(xscale="log", xlabel="ratings of the film in training", ylabel="RMSE of held-out ratings")
axes.legend(frameon=False)
show(figure, "errors")

# %% [markdown]
# ## Which film next?
#
# A list of recommendations asks another question: which films will the user choose at all? Now a
# rating counts as a choice, whatever its value. The VAE's likelihood is a multinomial over all
# films (Liang 2018), and a weight of the KL term below 1 leaves z more to say. EASE is a linear
# model in closed form, and hard to beat. NDCG at 10 is 1 if the first ten films are held-out ones.

# %%
choice = sparse.csr_matrix((np.ones(test.sum()), (rows[test], columns[test])), shape=ratings.shape)
ways = {
    "popularity": rec.Popularity(),
    "item neighbours": rec.ItemNeighbours(80, explicit=False),
    "EASE": rec.EASE(500.0 if lesson.dataset == "movielens" else 100.0),
    "VAE": rec.VAERecommender(**epochs),
}
for name, way in ways.items():
    lists = way.fit(train).recommend(everything, 10)
    found[f"ndcg_{name}"] = metrics.ndcg(lists, choice)
    print(f"{name:22} NDCG at 10 {found[f'ndcg_{name}']:.4f}", flush=True)

# %% [markdown]
# The films that one user rated highest, and what the VAE recommends.

# %%
user = int(np.argsort(-np.diff(train.indptr))[users // 4])
own = train[user]
best = own.indices[np.argsort(-own.data, kind="stable")][:5]
print("rated highest:", "; ".join(titles[j] for j in best))
print("recommended:  ", "; ".join(titles[j] for j in ways["VAE"].recommend([user], 5)[0]))

# %% [markdown]
# ## What to take home
#
# - Two fillings that agree say nothing of ratings. Hold ratings out.
# - Ratings are missing, not 0: the bound of the known ones needs no filling.
# - Show the encoder a part of what is known, and ask for the rest: otherwise it copies.
# - The classical ways are strong. They belong into the same table.

# %%
lesson.finish(found, users=users, films=films, ratings=ratings.nnz)
