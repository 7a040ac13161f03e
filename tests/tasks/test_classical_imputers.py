"""The classical ways to fill missing values.

filled = Neighbours(neighbours=100).fit(x_train).transform(x_with_nan)
"""

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from keras_vae.tasks import masks
from keras_vae.tasks.classical_imputers import (
    ColumnMeans,
    Neighbours,
    ProbabilisticPCA,
    Wrapped,
)

CLASSICAL = {
    "means": ColumnMeans(),
    "neighbours": Neighbours(3),
    "ppca": ProbabilisticPCA(2),
    "wrapped": Wrapped(KNNImputer()),
}


@pytest.fixture(scope="module")
def table():
    return load_wine().data


@pytest.fixture(scope="module")
def holes(table):
    return masks.hide(table, masks.at_random(table.shape, 0.3, seed=1))


def test_means_are_those_of_the_known_values(table, holes):
    expected = SimpleImputer().fit_transform(holes)
    np.testing.assert_allclose(ColumnMeans().fit_transform(holes), expected)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("neighbours", [1, 5])
def test_neighbours_are_those_of_the_definition(complete, neighbours, table, holes):
    examples = table[:90] if complete else holes[:90]
    imputer = Neighbours(neighbours).fit(examples)
    found = imputer.transform(holes[90:])
    scaler = StandardScaler().fit(examples)
    examples, points = scaler.transform(examples), scaler.transform(holes[90:])
    for point, filled in zip(points, found, strict=True):
        common = ~np.isnan(point) & ~np.isnan(examples)
        squares = np.where(common, (examples - point) ** 2, 0).sum(axis=1)
        d = np.sqrt(squares * len(point) / common.sum(axis=1))
        nearest = np.argsort(d)[:neighbours]
        w = np.exp(-d[nearest]) / np.exp(-d[nearest]).sum()
        for j in np.flatnonzero(np.isnan(point)):
            values = examples[nearest, j]
            known = ~np.isnan(values)
            mean = w[known] @ values[known] / w[known].sum() if known.any() else 0.0
            expected = mean * scaler.scale_[j] + scaler.mean_[j]
            expected = np.clip(expected, imputer.low_[j], imputer.high_[j])
            assert filled[j] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def linear_data(rows=3000, features=5, seed=0):
    rng = np.random.default_rng(seed)
    weights, offset = rng.normal(size=(features, 2)), rng.normal(size=features)
    weights *= 1.2 / np.linalg.norm(weights, axis=1, keepdims=True)  # columns of one scale
    x = rng.normal(size=(rows, 2)) @ weights.T + offset + 0.5 * rng.normal(size=(rows, features))
    return x, offset, weights @ weights.T + 0.25 * np.eye(features)


def test_probabilistic_pca_finds_the_model_behind_incomplete_data():
    x, offset, covariance = linear_data()
    holes = masks.hide(x, masks.at_random(x.shape, 0.3, seed=2))
    imputer = ProbabilisticPCA(2, iterations=300).fit(holes)
    w, mean, variance = imputer.parameters_
    scale = imputer.scale_  # of the standardised columns
    found = (w @ w.T + variance * np.eye(5)) * np.outer(scale, scale)
    np.testing.assert_allclose(mean * scale + imputer.center_, offset, atol=0.1)
    np.testing.assert_allclose(found, covariance, atol=0.1)
    rmse = np.sqrt(np.mean((imputer.transform(holes) - x)[np.isnan(holes)] ** 2))
    best = []
    for row, truth in zip(holes[:500], x[:500], strict=True):
        missing = np.isnan(row)
        gain = np.linalg.pinv(covariance[np.ix_(~missing, ~missing)]) if not missing.all() else 0
        if missing.any() and not missing.all():
            mean = covariance[np.ix_(missing, ~missing)] @ gain @ (row - offset)[~missing]
            best.extend((truth - offset)[missing] - mean)
    assert rmse < 1.05 * np.sqrt(np.mean(np.square(best)))
    assert rmse < 0.7 * np.sqrt(
        np.mean((ColumnMeans().fit_transform(holes) - x)[np.isnan(holes)] ** 2)
    )


def test_of_complete_data_it_is_the_pca_of_scikit_learn():
    x, _, _ = linear_data()
    imputer = ProbabilisticPCA(2).fit(x)
    w, _, variance = imputer.parameters_
    pca = PCA(2).fit(StandardScaler().fit_transform(x))
    np.testing.assert_allclose(variance, pca.noise_variance_, rtol=1e-2)
    np.testing.assert_allclose(w @ w.T + variance * np.eye(5), pca.get_covariance(), atol=1e-2)
    by_em = ProbabilisticPCA(2, iterations=1000)
    one_missing = x.copy()
    one_missing[0, 0] = np.nan
    w_em, _, variance_em = by_em.fit(one_missing).parameters_
    np.testing.assert_allclose(w_em @ w_em.T, w @ w.T, atol=2e-2)
    assert variance_em == pytest.approx(variance, rel=2e-2)


def test_the_number_of_components_is_that_of_the_data():
    x, _, _ = linear_data(features=12)
    holes = masks.hide(x, masks.at_random(x.shape, 0.2, seed=2))
    assert ProbabilisticPCA().fit(holes).components_ == 2


def test_a_wrapped_imputer_sees_standardised_columns(holes):
    found = Wrapped(KNNImputer(n_neighbors=4)).fit_transform(holes)
    scaler = StandardScaler().fit(holes)
    by_hand = KNNImputer(n_neighbors=4).fit_transform(scaler.transform(holes))
    np.testing.assert_allclose(found, scaler.inverse_transform(by_hand), rtol=1e-6)


@pytest.mark.parametrize("name", CLASSICAL)
def test_known_values_come_back_and_rows_without_any_get_a_value(name, holes, digits):
    imputer, images = CLASSICAL[name], digits[0][:60]
    given = holes.copy()
    given[5] = np.nan
    found = imputer.fit(holes).transform(given)
    known = ~np.isnan(given)
    np.testing.assert_array_equal(found[known], given[known])
    assert np.isfinite(found).all()
    middle = np.nanmean(holes, axis=0)
    assert np.all(abs(found[5] - middle) < 0.2 * np.nanstd(holes, axis=0) + 1e-6)

    image_holes = masks.hide(images, masks.half(images.shape, "left"))
    found = imputer.fit(images).transform(image_holes)
    assert (found.shape, found.dtype) == (images.shape, np.float32)
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_column_without_a_value_is_filled_with_0(name, holes):
    given = holes.copy()
    given[:, 3] = np.nan
    found = CLASSICAL[name].fit(given).transform(holes)
    np.testing.assert_array_equal(found[:, 3][np.isnan(holes[:, 3])], 0)
    np.testing.assert_array_equal(CLASSICAL[name].transform(given)[:, 3], 0)
