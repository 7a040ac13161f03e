"""Recommenders: ratings of pairs, and the best items of a user.

recommender = MatrixFactorisation().fit(ratings)         # SciPy CSR, (users, items)
recommender.predict(users, items)
recommender.recommend(users, n=10)
"""

import itertools

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from keras_vae.tasks import recommendation as rec

USERS, ITEMS = 120, 40


def made(rank=2, share=0.5, noise=0.0, seed=0):
    """A table with known truth: biases and a product of factors, and the part that is known."""
    rng = np.random.default_rng(seed)
    truth = 3 + 0.5 * rng.normal(size=(USERS, 1)) + 0.5 * rng.normal(size=ITEMS)
    truth = truth + rng.normal(size=(USERS, rank)) @ rng.normal(size=(rank, ITEMS)) / np.sqrt(2)
    known = rng.random(truth.shape) < share
    users, items = np.nonzero(known)
    values = truth[known] + noise * rng.normal(size=len(users))
    return truth, sparse.csr_matrix((values, (users, items)), shape=truth.shape)


WAYS = {
    "popularity": rec.Popularity(),
    "biases": rec.Biases(),
    "neighbours": rec.ItemNeighbours(10),
    "similar items": rec.ItemNeighbours(10, explicit=False),
    "factors": rec.MatrixFactorisation(2, 0.1),
    "ease": rec.EASE(10.0),
    "vae": rec.VAERecommender(latent_dim=4, hidden=(16,), epochs=5),
    "ratings by vae": rec.VAERecommender("gaussian", latent_dim=4, hidden=(16,), epochs=5),
}
RATES = [name for name, way in WAYS.items() if way.rates]


@pytest.fixture(scope="module")
def ratings():
    return made()[1]


@pytest.fixture(scope="module")
def fitted(ratings):
    return {name: clone(way).fit(ratings) for name, way in WAYS.items()}


def error(recommender, truth, ratings):
    users, items = np.nonzero(ratings.toarray() == 0)
    return np.sqrt(np.mean((recommender.predict(users, items) - truth[users, items]) ** 2))


def test_biases_are_found_where_there_is_nothing_else():
    truth, ratings = made(rank=0)
    found = rec.Biases(damping=0.0).fit(ratings)
    assert error(found, np.clip(truth, found.low_, found.high_), ratings) < 1e-3


def test_factors_find_what_biases_leave():
    truth, ratings = made(rank=2)
    biases = error(rec.Biases().fit(ratings), truth, ratings)
    neighbours = error(rec.ItemNeighbours(10).fit(ratings), truth, ratings)
    factors = error(rec.MatrixFactorisation(2, 0.1, 30).fit(ratings), truth, ratings)
    assert factors < 0.35 < neighbours < 0.9 * biases


def test_ease_is_the_ridge_regression_of_each_item_on_all_others(ratings):
    """Steck's closed form, against a least squares problem for each item."""
    ease = rec.EASE(7.0).fit(ratings)
    chosen = (ratings.toarray() != 0).astype(float)
    for j in (0, 5, 39):
        others = np.delete(chosen, j, axis=1)
        gram = others.T @ others + 7.0 * np.eye(ITEMS - 1)
        expected = np.linalg.solve(gram, others.T @ chosen[:, j])
        np.testing.assert_allclose(np.delete(ease.weights_[:, j], j), expected, atol=1e-8)
        assert ease.weights_[j, j] == 0


def test_popularity_counts():
    _, ratings = made()
    order = rec.Popularity().fit(ratings).recommend([0], ITEMS, seen=True)[0]
    counts = np.bincount(ratings.indices, minlength=ITEMS)
    assert np.all(np.diff(counts[order]) <= 0)


@pytest.mark.parametrize("name", WAYS)
def test_recommended_are_the_items_with_the_best_prediction_that_were_not_seen(
    name, fitted, ratings
):
    recommender = fitted[name]
    found = recommender.recommend(np.arange(USERS), 5)
    assert found.shape == (USERS, 5)
    for user, items in enumerate(found[:10]):
        unseen = np.flatnonzero(ratings[user].toarray()[0] == 0)
        assert set(items) <= set(unseen)
        scores = recommender._scores(np.array([user]))[0]
        best = np.sort(scores[unseen])[::-1][:5]
        np.testing.assert_allclose(scores[items], best, rtol=1e-4, atol=1e-5)
    assert np.isfinite(recommender.predict(np.arange(20), np.arange(20))).all()


@pytest.mark.parametrize("name", WAYS)
def test_a_prediction_is_that_of_its_pair(name, fitted):
    """Whatever stands beside it, and in whatever order."""
    recommender, rng = fitted[name], np.random.default_rng(0)
    users, items = rng.integers(0, USERS, 50), rng.integers(0, ITEMS, 50)
    all_at_once = recommender.predict(users, items)
    for i in (0, 17, 49):
        alone = recommender.predict(users[[i]], items[[i]])
        np.testing.assert_allclose(alone, all_at_once[[i]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", WAYS)
def test_users_and_items_without_a_rating_get_a_value_and_are_said(name, ratings):
    cold = ratings.tolil()
    cold[3], cold[:, 7] = 0, 0
    cold = cold.tocsr()
    cold.eliminate_zeros()
    recommender = clone(WAYS[name]).fit(cold)
    with pytest.warns(UserWarning, match="Of 3 pairs 1 have a user and 2 an item without a rating"):
        found = recommender.predict([3, 4, 5], [0, 7, 7])
    assert np.isfinite(found).all()
    assert np.all(recommender.recommend([3], 5) >= 0)
    if name == "biases":
        mean, of_users, of_items = recommender.mean_, recommender.users_, recommender.items_
        np.testing.assert_allclose(found[:2], [mean + of_items[0], mean + of_users[4]])


@pytest.mark.parametrize("name", RATES)
def test_ratings_stay_within_those_that_were_given(name, fitted, ratings):
    users, items = np.array(list(itertools.product(range(USERS), range(ITEMS)))).T
    found = fitted[name].predict(users, items)
    assert ratings.data.min() <= found.min() <= found.max() <= ratings.data.max()


@pytest.mark.parametrize("name", [name for name in WAYS if name != "neighbours"])
def test_the_matrix_is_never_made_dense_as_a_whole(name, monkeypatch):
    _, ratings = made()
    ratings = sparse.vstack([ratings] * 20).tocsr()
    original, rows = sparse.csr_matrix.toarray, []

    def toarray(self, *args, **kwargs):
        rows.append(self.shape)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(sparse.csr_matrix, "toarray", toarray)
    recommender = clone(WAYS[name]).fit(ratings)
    recommender.recommend(np.arange(ratings.shape[0]), 3)
    recommender.predict(np.arange(ratings.shape[0]), np.zeros(ratings.shape[0], int))
    assert rows
    assert all(shape[0] <= 512 for shape in rows)


def test_a_user_with_too_few_unseen_items_gets_fewer(ratings):
    full = ratings.tolil()
    full[0, :38] = 3.0
    full[0, 38:] = 0
    found = rec.Popularity().fit(full.tocsr()).recommend([0], 5)[0]
    assert list(found[2:]) == [-1, -1, -1]
    assert set(found[:2]) == {38, 39}


@pytest.mark.slow
def test_the_vae_learns_both(ratings):
    truth, ratings = made(rank=2, noise=0.1)
    biases = error(rec.Biases().fit(ratings), truth, ratings)
    by_vae = rec.VAERecommender("gaussian", latent_dim=4, hidden=(32,), epochs=60).fit(ratings)
    assert error(by_vae, truth, ratings) < 0.85 * biases
    again = clone(by_vae).fit(ratings)
    np.testing.assert_array_equal(by_vae._scores(np.arange(3)), again._scores(np.arange(3)))


def test_what_is_no_rating_is_refused(ratings):
    with pytest.raises(TypeError, match="ratings is a ndarray; expected a SciPy sparse matrix"):
        rec.Biases().fit(ratings.toarray())
    with pytest.raises(ValueError, match="ratings has no stored value"):
        rec.Biases().fit(sparse.csr_matrix((3, 3)))
    infinite = ratings.copy()
    infinite.data[0] = np.inf
    with pytest.raises(ValueError, match="ratings holds NaN or infinity"):
        rec.Biases().fit(infinite)
    with pytest.raises(NotFittedError):
        rec.Biases().predict([0], [0])
    biases = rec.Biases().fit(ratings)
    for users, sentence in (
        ([USERS], f"users is empty, or has numbers that are not from 0 to {USERS - 1}"),
        ([0.5], r"users is \[0.5\]; expected an array of ints"),
        ([0, 1], "users has 2, items has 1 rows"),
    ):
        with pytest.raises(ValueError, match=sentence):
            biases.predict(users, [0])
    with pytest.raises(ValueError, match="n is 41; there are 40 items"):
        biases.recommend([0], 41)
    with pytest.raises(ValueError, match="likelihood is 'poisson'; expected 'multinomial' or"):
        rec.VAERecommender("poisson").fit(ratings)
