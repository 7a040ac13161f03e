"""Ways to fill missing values with a trained model.

filled = filling.importance_weighted(vae, x_with_nan)                    # (n, ...)
draws = filling.importance_weighted(vae, x_with_nan, num_draws=20)       # (20, n, ...)
"""

import functools
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_vae import IWAE, VAE, Autoencoder, ConditionalVAE, likelihoods, networks
from keras_vae.tasks import filling
from tests import kinds

WAYS = {
    "one pass": filling.one_pass,
    "loop": functools.partial(filling.pseudo_gibbs, steps=3),
    "importance": functools.partial(filling.importance_weighted, num_samples=20),
    "around the best": functools.partial(
        filling.importance_weighted, num_samples=20, proposal="gradient"
    ),
    "gradient": functools.partial(filling.gradient, steps=20),
}
FEATURES, VARIANCE = 6, 0.3


# A linear model, whose conditional distribution is known --------------------------------------


@keras.saving.register_keras_serializable(package="tests")
class ExactPosterior(keras.layers.Layer):
    """Means and log-variances of the true p(z | x_known) of x = W z + b + noise."""

    accepts_missing = True

    def __init__(self, weights, offset, factor=1.0):
        super().__init__()
        self.weights_, self.offset = np.float32(weights), np.float32(offset)
        self.factor = factor  # of the variance, 1 for the true one

    def call(self, x):
        known = ~ops.isnan(x)
        x = ops.where(known, x - self.offset, 0.0)
        known, w = ops.cast(known, "float32"), self.weights_
        precision = ops.einsum("nd,kd,ld->nkl", known, w, w) / VARIANCE + np.eye(len(w))
        covariance = ops.inv(precision)
        mean = ops.einsum("nkl,ld,nd->nk", covariance, w, x) / VARIANCE
        variance = ops.diagonal(covariance, axis1=1, axis2=2)
        return mean, ops.log(self.factor * variance)


def linear_vae(latent_dim, factor=1.0):
    rng = np.random.default_rng(1)
    weights, offset = rng.normal(size=(latent_dim, FEATURES)), rng.normal(size=FEATURES)
    x = keras.Input((FEATURES,))
    encoder = keras.Model(x, ExactPosterior(weights, offset, factor)(x))
    z = keras.Input((latent_dim,))
    decoder = keras.Model(z, keras.layers.Dense(FEATURES)(z))
    decoder.layers[-1].set_weights([weights, offset])
    vae = VAE(encoder, decoder, likelihood=likelihoods.Gaussian(variance=VARIANCE), seed=1)
    return vae, weights, offset


def linear_data(weights, offset, rows, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, len(weights)))
    x = z @ weights + offset + np.sqrt(VARIANCE) * rng.normal(size=(rows, FEATURES))
    holes = np.where(rng.random(x.shape) < 0.5, np.nan, x)
    return x.astype("float32"), holes.astype("float32")


def exact(weights, offset, row):
    """Mean and covariance of the missing values of a row, given its known ones."""
    missing, covariance = np.isnan(row), weights.T @ weights + VARIANCE * np.eye(FEATURES)
    of_known = covariance[np.ix_(~missing, ~missing)]
    gain = np.linalg.solve(of_known, covariance[np.ix_(~missing, missing)]).T
    mean = offset[missing] + gain @ (row - offset)[~missing]
    rest = covariance[np.ix_(missing, missing)] - gain @ covariance[np.ix_(~missing, missing)]
    return mean, rest


def conditional_means(weights, offset, holes):
    filled = holes.astype("float64")
    for row in filled:
        missing = np.isnan(row)
        if missing.any():
            row[missing] = exact(weights, offset, row)[0]
    return filled


EXACT = {
    "one pass": (1, filling.one_pass, {}),
    "importance": (2, filling.importance_weighted, {"num_samples": 8000}),
    "around the best": (
        2,
        filling.importance_weighted,
        {"num_samples": 8000, "proposal": "gradient"},
    ),
    "gradient": (2, filling.gradient, {"steps": 400}),
    "the loop, run for long": (2, filling.pseudo_gibbs, {"steps": 300}),
}


@pytest.mark.parametrize("name", EXACT)
def test_the_filling_of_a_linear_model_is_the_exact_conditional_mean(name):
    latent_dim, fill, arguments = EXACT[name]
    vae, weights, offset = linear_vae(latent_dim)
    _, holes = linear_data(weights, offset, 40)
    expected = conditional_means(weights, offset, holes)
    found = fill(vae, holes, seed=1, **arguments)
    error = np.sqrt(np.mean((found - expected)[np.isnan(holes)] ** 2))
    assert error < 1e-2
    middle = np.nanmean(holes, axis=0)  # the mean of each column is far from it
    assert np.sqrt(np.mean((middle - expected)[np.isnan(holes)] ** 2)) > 0.3


def test_the_loop_of_the_thesis_stops_short_of_it():
    """Five steps go part of the way: the filling of a step is the data of the next."""
    vae, weights, offset = linear_vae(2)
    _, holes = linear_data(weights, offset, 40)
    expected = conditional_means(weights, offset, holes)
    errors = []
    for steps in (1, 5, 20, 100):
        found = filling.pseudo_gibbs(vae, holes, steps=steps)
        errors.append(np.sqrt(np.mean((found - expected)[np.isnan(holes)] ** 2)))
    assert errors == sorted(errors, reverse=True)
    assert errors[1] > 0.05 > errors[3]


DRAWN = {
    "one pass": (1, filling.one_pass, {}),
    "importance": (2, filling.importance_weighted, {"num_samples": 1000}),
    "gradient": (2, filling.gradient, {"steps": 400}),
    "the loop, run for long": (2, filling.pseudo_gibbs, {"steps": 25}),
}


@pytest.mark.parametrize("name", DRAWN)
def test_draws_have_the_exact_conditional_mean_and_covariance(name):
    latent_dim, fill, arguments = DRAWN[name]
    vae, weights, offset = linear_vae(latent_dim)
    _, holes = linear_data(weights, offset, 4)
    repeated = np.repeat(holes, 100, axis=0)  # other noise in each row
    many = fill(vae, repeated, num_draws=20, seed=1, **arguments)
    many = many.reshape(20, 4, 100, FEATURES).transpose(1, 0, 2, 3).reshape(4, 2000, FEATURES)
    for row, of_row in zip(holes, many, strict=True):
        missing = np.isnan(row)
        mean, covariance = exact(weights, offset, row.astype("float64"))
        deviation = np.sqrt(np.diag(covariance))
        drawn = of_row[:, missing]
        allowed = 5 * deviation / np.sqrt(2000)
        assert np.all(abs(drawn.mean(axis=0) - mean) < allowed)
        np.testing.assert_allclose(
            np.cov(drawn.T).reshape(covariance.shape) / np.outer(deviation, deviation),
            covariance / np.outer(deviation, deviation),
            atol=0.15,
        )


@pytest.mark.parametrize("name", DRAWN)
def test_intervals_of_many_draws_hold_what_they_claim(name):
    """90 % intervals hold 87 to 93 % of the values that were taken away."""
    latent_dim, fill, arguments = DRAWN[name]
    vae, weights, offset = linear_vae(latent_dim)
    truth, holes = linear_data(weights, offset, 600, seed=3)
    draws = fill(vae, holes, num_draws=100, seed=1, **arguments)
    low, high = np.sort(draws, axis=0)[[4, 95]]  # between them lie 91 of 101 further draws
    missing = np.isnan(holes)
    held = np.mean(((low <= truth) & (truth <= high))[missing])
    assert 0.87 <= held <= 0.93
    means = draws.mean(axis=0)  # intervals of half the width do not
    narrow = abs(truth - means) <= (high - low) / 4
    assert np.mean(narrow[missing]) < 0.7


def test_the_weighted_mean_tends_to_the_exact_one_with_samples():
    """From a proposal that is three times too wide."""
    vae, weights, offset = linear_vae(2, factor=3.0)
    _, holes = linear_data(weights, offset, 100)
    expected, missing = conditional_means(weights, offset, holes), np.isnan(holes)
    errors = []
    for num_samples in (1, 10, 100, 1000):
        found = filling.importance_weighted(vae, holes, num_samples=num_samples, seed=1)
        errors.append(np.sqrt(np.mean((found - expected)[missing] ** 2)))
    assert all(later < 0.6 * earlier for earlier, later in itertools.pairwise(errors))
    effective = filling.effective_samples(vae, holes, num_samples=100, seed=1)
    assert 5 < effective.mean() < 80
    exact_one, *_ = linear_vae(1)
    found = filling.effective_samples(exact_one, holes, num_samples=100)
    np.testing.assert_allclose(found, 100, rtol=1e-3)  # at the true posterior all weights agree


# Any model ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def x(digits):
    return digits[0][:12]


@pytest.fixture(scope="module")
def holes(x):
    return kinds.with_holes(x)


def make(model=VAE, missing=None, **arguments):
    condition = 10 if model is ConditionalVAE else None
    pair = networks.dense((8, 8, 1), 2, hidden=(16,), missing=missing, condition=condition)
    return model(*pair, seed=1, **arguments)


@pytest.mark.parametrize("missing", [None, "mask"])
@pytest.mark.parametrize("way", WAYS)
def test_known_values_come_back_to_the_bit_and_no_value_is_missing(way, missing, holes):
    vae, fill = make(missing=missing), WAYS[way]
    known = ~np.isnan(holes)
    for given in (holes, holes.astype("float64") + 1e-12 * known * (holes < 0.5)):
        filled = fill(vae, given, seed=3)
        draws = fill(vae, given, num_draws=3, seed=3)
        assert (filled.shape, draws.shape) == (given.shape, (3, *given.shape))
        assert filled.dtype == draws.dtype == given.dtype
        np.testing.assert_array_equal(filled[known], given[known])
        np.testing.assert_array_equal(
            draws[:, known], np.broadcast_to(given[known], (3, known.sum()))
        )
        assert np.isfinite(filled).all()
        assert np.isfinite(draws).all()
        assert np.unique(draws[:, ~known], axis=0).shape[0] == 3  # the draws differ
    np.testing.assert_array_equal(draws, fill(vae, given, num_draws=3, seed=3))
    assert np.any(draws != fill(vae, given, num_draws=3, seed=4))


@pytest.mark.parametrize("way", WAYS)
def test_complete_data_come_back_as_they_are(way, x):
    np.testing.assert_array_equal(WAYS[way](make(), x), x)
    np.testing.assert_array_equal(WAYS[way](make(), x, num_draws=2)[1], x)


@pytest.mark.parametrize("way", WAYS)
def test_a_filling_does_not_depend_on_the_rows_beside_it(way, holes):
    vae, fill = make(missing="mask"), WAYS[way]
    np.testing.assert_allclose(fill(vae, holes[:5]), fill(vae, holes)[:5], atol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_models_of_every_kind_fill(way, holes, digits):
    fill = WAYS[way]
    for model, arguments in ((IWAE, {}), (ConditionalVAE, {"condition": digits[1][:12]})):
        found = fill(make(model, missing="mask"), holes, num_draws=2, **arguments)
        assert np.isfinite(found).all()


def test_what_a_model_of_complete_data_reads_is_a_choice(holes):
    vae = make()
    at_zero = filling.one_pass(vae, holes)
    np.testing.assert_array_equal(at_zero, filling.one_pass(vae, holes, start=0.0))
    image = np.full((8, 8, 1), 0.7)
    at_image = filling.one_pass(vae, holes, start=image)
    np.testing.assert_array_equal(at_image, filling.one_pass(vae, holes, start=0.7))
    assert np.any(at_image != at_zero)
    with_nan = make(missing="mask")
    np.testing.assert_array_equal(
        filling.one_pass(with_nan, holes), filling.one_pass(with_nan, holes, start=0.7)
    )


def test_an_autoencoder_fills_in_one_pass_and_in_the_loop(holes):
    pair = networks.dense((8, 8, 1), 2, hidden=(16,), variational=False)
    autoencoder = Autoencoder(*pair)
    for fill in (filling.one_pass, filling.pseudo_gibbs):
        assert np.isfinite(fill(autoencoder, holes)).all()
    with pytest.raises(TypeError, match=r"has no q\(z\|x\)"):
        filling.importance_weighted(autoencoder, holes)


def test_categories_are_filled_by_a_category():
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=50), rng.integers(0, 3, 50)], axis=1).astype("float32")
    x[rng.random(x.shape) < 0.3] = np.nan
    table = likelihoods.Columns.fitted(x, ["real", 3])
    pair = networks.dense(2, 2, hidden=(8,), likelihood=table, missing="mask")
    vae = VAE(*pair, likelihood=table, seed=1)
    for way in ("one pass", "importance"):
        for found in (WAYS[way](vae, x)[None], WAYS[way](vae, x, num_draws=2)):
            assert set(np.unique(found[..., 1])) <= {0, 1, 2}


def test_what_cannot_be_filled_is_refused(x, holes):
    vae = make()
    infinite = holes.copy()
    infinite[0, 0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="x holds NaN or infinity"):
        filling.one_pass(vae, infinite)
    with pytest.raises(ValueError, match=r"x has values up to 255.0; .* Divide by 255"):
        filling.gradient(vae, 255 * x)
    with pytest.raises(ValueError, match="x has shape"):
        filling.one_pass(vae, holes[..., 0])
    with pytest.raises(ValueError, match="start has shape"):
        filling.one_pass(vae, holes, start=[1.0, 2.0])
    with pytest.raises(ValueError, match="proposal is 'prior'; expected 'encoder' or 'gradient'"):
        filling.importance_weighted(vae, holes, proposal="prior")
    with pytest.raises(ValueError, match="num_draws is 0"):
        filling.one_pass(vae, holes, num_draws=0)
    with pytest.raises(TypeError, match="expected a trained model"):
        filling.one_pass("vae", holes)
    with pytest.raises(ValueError, match="reads a condition, and there is none"):
        filling.one_pass(make(ConditionalVAE, missing="mask"), holes)
