"""Imputation with a VAE: scikit-learn's interface, tables of all kinds, images.

filled = VAEImputer().fit_transform(x_with_nan)
draws = VAEImputer().fit(x_with_nan).draw(x_with_nan, 20)
"""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from keras_vae.tasks import masks
from keras_vae.tasks.imputation import ColumnMeans, Neighbours, ProbabilisticPCA, VAEImputer

SMALL = {"hidden": (16,), "steps": 60, "num_samples": 20, "latent_dim": 2, "models": 1}


def made(rows=300, seed=0):
    """Five columns that depend on two hidden values, one of them not linearly."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, 2))
    columns = [z[:, 0], z[:, 1], z[:, 0] + z[:, 1], z[:, 0] ** 2, 3 * z[:, 1] + 100]
    x = np.stack(columns, axis=1) + 0.1 * rng.normal(size=(rows, 5))
    return x, masks.hide(x, masks.at_random(x.shape, 0.3, seed=1))


@pytest.fixture(scope="module")
def data():
    return made()


@pytest.fixture(scope="module")
def imputer(data):
    return VAEImputer(**SMALL).fit(data[1])


def rmse(filled, truth, holes):
    return np.sqrt(np.mean(((filled - truth) / truth.std(axis=0))[np.isnan(holes)] ** 2))


@pytest.mark.slow
def test_it_is_better_than_the_classical_ways_where_columns_are_not_linear(data):
    truth, holes = data
    vae = VAEImputer(hidden=(64,), steps=800, latent_dim=2, models=1, num_samples=100)
    found = rmse(vae.fit_transform(holes), truth, holes)
    others = (ColumnMeans(), Neighbours(5), ProbabilisticPCA(2))
    errors = [rmse(each.fit_transform(holes), truth, holes) for each in others]
    assert found < min(errors)
    assert found < 0.65 * errors[0]


def test_known_values_come_back_to_the_bit_in_both_precisions(data, imputer):
    for dtype in ("float32", "float64"):
        holes = data[1].astype(dtype)
        filled = imputer.transform(holes)
        known = ~np.isnan(holes)
        assert filled.dtype == dtype
        np.testing.assert_array_equal(filled[known], holes[known])
        assert np.isfinite(filled).all()
    complete = data[0]
    np.testing.assert_array_equal(imputer.transform(complete), complete)


def test_filled_values_stay_within_those_that_fit_has_seen(data, imputer):
    _, holes = data
    extreme = holes.copy()
    extreme[0] = [1e6, np.nan, np.nan, np.nan, np.nan]
    filled = imputer.transform(extreme)[0]
    assert np.all(np.nanmin(holes, axis=0)[1:] <= filled[1:])
    assert np.all(filled[1:] <= np.nanmax(holes, axis=0)[1:])


def test_a_seed_gives_the_same_imputer(data, imputer):
    again = clone(imputer).fit(data[1]).transform(data[1])
    np.testing.assert_array_equal(imputer.transform(data[1]), again)


def test_draws_differ_and_keep_what_is_known(data, imputer):
    _, holes = data
    draws = imputer.draw(holes, 5)
    assert draws.shape == (5, *holes.shape)
    known = ~np.isnan(holes)
    np.testing.assert_array_equal(draws[:, known], np.broadcast_to(holes[known], (5, known.sum())))
    assert np.mean(np.ptp(draws[:, ~known], axis=0) > 0) > 0.9  # some reach a bound


@pytest.mark.slow
def test_columns_of_every_kind_are_filled_with_values_of_their_kind():
    rng = np.random.default_rng(0)
    z = rng.normal(size=400)
    columns = [z + 0.1 * rng.normal(size=400), np.exp(3 * z), rng.poisson(np.exp(1 + z))]
    columns += [z > 0, np.digitize(z, [-0.7, 0.7])]
    x = np.stack(columns, axis=1).astype("float64")
    holes = masks.hide(x, masks.at_random(x.shape, 0.2, seed=1))
    kinds = ["real", "positive", "count", "binary", 3]
    settings = SMALL | {"steps": 600, "latent_dim": 1}
    filled = VAEImputer(kinds, **settings).fit_transform(holes)
    assert filled[:, 1].min() > 0
    assert filled[:, 2].min() >= 0
    assert set(np.unique(filled[:, 4])) == {0, 1, 2}
    missing = np.isnan(holes)
    assert np.mean(filled[:, 4][missing[:, 4]] == x[:, 4][missing[:, 4]]) > 0.75
    likely = (filled[:, 3] > 0.5) == x[:, 3]
    assert np.mean(likely[missing[:, 3]]) > 0.8
    unseen, imputer = holes.copy(), VAEImputer(kinds, **settings | {"steps": 2}).fit(holes)
    unseen[0, 4], unseen[0, 0] = 7, np.nan
    with pytest.raises(ValueError, match=r"column 4, has values from 0.0 to 7.0; a Categorical"):
        imputer.transform(unseen)


def test_pandas_in_and_out(data):
    pandas = pytest.importorskip("pandas")
    _, holes = data
    frame = pandas.DataFrame(holes, columns=list("abcde"))
    imputer = VAEImputer(add_indicator=True, **SMALL).set_output(transform="pandas")
    found = imputer.fit_transform(frame)
    names = [*"abcde", *(f"missingindicator_{name}" for name in "abcde")]
    assert list(found.columns) == names
    np.testing.assert_array_equal(found.to_numpy()[:, 5:] == 1, np.isnan(holes))
    with pytest.raises(ValueError, match="feature names should match"):
        imputer.transform(frame.rename(columns={"a": "z"}))


@pytest.mark.slow
def test_it_works_in_a_pipeline_and_in_a_search_and_is_pickled(imputer, data):
    x, y = load_breast_cancer(return_X_y=True)
    x = masks.hide(x, masks.at_random(x.shape, 0.2, seed=1))[:150, :6]
    pipeline = make_pipeline(VAEImputer(**SMALL), LogisticRegression(max_iter=2000))
    search = GridSearchCV(pipeline, {"vaeimputer__latent_dim": [1, 2]}, cv=2).fit(x, y[:150])
    assert search.best_score_ > 0.7
    again = pickle.loads(pickle.dumps(imputer))
    np.testing.assert_array_equal(imputer.transform(data[1]), again.transform(data[1]))


@pytest.mark.parametrize("method", ["importance", "one_pass", "gradient", "loop"])
def test_every_way_to_fill_is_a_method(method, data, imputer):
    way = clone(imputer)
    way.__dict__.update({**vars(imputer), "method": method})
    truth, holes = data
    assert rmse(way.transform(holes), truth, holes) < rmse(
        ColumnMeans().fit_transform(holes), truth, holes
    )


@pytest.mark.slow
def test_models_of_several_seeds_draw_by_turns(data, imputer):
    _, holes = data
    two = clone(imputer).set_params(models=2, seed=5).fit(holes)
    assert two.draw(holes[:3], 3).shape == (3, 3, 5)
    assert np.any(two.transform(holes) != imputer.transform(holes))


@pytest.mark.slow
def test_images_are_filled_and_patterns_are_learned_from(digits):
    x = digits[0][:200]
    holes = masks.hide(x, masks.half(x.shape, "lower"))
    bank = masks.varied((500, 8, 8, 1), seed=1)
    imputer = VAEImputer(masks=bank, **SMALL | {"steps": 300, "latent_dim": 8}).fit(x)
    filled = imputer.transform(holes)
    assert (filled.shape, filled.dtype) == (x.shape, np.float32)
    assert 0 <= filled.min() <= filled.max() <= 1
    missing = np.isnan(holes)
    means = ColumnMeans().fit(x).transform(holes)
    errors = [np.sqrt(np.mean((each - x)[missing] ** 2)) for each in (filled, means)]
    assert errors[0] < 0.9 * errors[1]


def test_what_cannot_be_filled_is_refused_and_nothing_is_lost(data, imputer):
    _, holes = data
    with pytest.raises(NotFittedError):
        VAEImputer().transform(holes)
    before = imputer.transform(holes)
    infinite = holes.copy()
    infinite[0, 0] = np.inf
    kept = clone(imputer)
    kept.__dict__.update(vars(imputer))
    with pytest.raises(ValueError, match="infinity"):
        kept.fit(infinite)
    np.testing.assert_array_equal(kept.transform(holes), before)
    with pytest.raises(ValueError, match="X has 4 features, but VAEImputer is expecting 5"):
        imputer.transform(holes[:, :4])
    with pytest.raises(ValueError, match="method is 'mean'; expected one of"):
        VAEImputer(method="mean").fit(holes)
    with pytest.raises(ValueError, match="steps is 0"):
        VAEImputer(steps=0).fit(holes)
    with pytest.raises(ValueError, match="add_indicator is for tables"):
        VAEImputer(add_indicator=True).fit(np.zeros((9, 4, 4)))
    with pytest.raises(ValueError, match="there are 2 kinds of columns"):
        VAEImputer(kinds=["real", "real"]).fit(holes)


def test_a_row_and_a_column_without_a_value_get_the_documented_one(data):
    _, holes = data
    given = holes.copy()
    given[:, 2] = np.nan
    given[0] = np.nan
    filled = VAEImputer(**SMALL).fit_transform(given)
    np.testing.assert_array_equal(filled[:, 2], 0)
    expected = np.nanmean(given[:, [0, 1, 3, 4]], axis=0)
    deviation = np.nanstd(given[:, [0, 1, 3, 4]], axis=0)
    assert np.all(abs(filled[0, [0, 1, 3, 4]] - expected) < deviation)
