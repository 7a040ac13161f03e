"""A VAE whose encoder begins at the exact posterior of a linear model.

parts = networks.partly_linear(30, latent_dim=8)
vae = PartlyLinearVAE(*parts)
vae.fit(table_with_nan)
"""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae import PartlyLinearVAE, likelihoods, networks
from keras_vae.tasks import filling

FEATURES, VARIANCE = 6, 0.3


def linear_vae(corrections=0.0):
    """W z + b with known weights; the corrections are `corrections` times random ones."""
    keras.utils.set_random_seed(1)
    parts = networks.partly_linear(FEATURES, latent_dim=2, hidden=(8,))
    likelihood = likelihoods.Gaussian(variance=VARIANCE)
    vae = PartlyLinearVAE(*parts, num_samples=2, likelihood=likelihood, seed=1)
    rng = np.random.default_rng(0)
    weights, offset = rng.normal(size=(2, FEATURES)), rng.normal(size=FEATURES)
    vae.decoder.get_layer("linear").set_weights([weights, offset])
    for network, name in (
        (vae.encoder, "z_mean"),
        (vae.encoder, "z_log_var"),
        (vae.decoder, "output"),
        (vae.refinement, "shift"),
    ):
        layer = network.get_layer(name)
        layer.set_weights([corrections * rng.normal(size=w.shape) for w in layer.get_weights()])
    x = (
        rng.normal(size=(50, 2)) @ weights
        + offset
        + VARIANCE**0.5 * rng.normal(size=(50, FEATURES))
    )
    x[rng.random(x.shape) < 0.4] = np.nan
    x[0], x[1] = np.nan, 0.5
    return vae, weights, offset, x.astype("float32")


def exact_log_likelihood(weights, offset, x):
    covariance = weights.T @ weights + VARIANCE * np.eye(FEATURES)
    found = np.zeros(len(x))
    for i, row in enumerate(x):
        known = ~np.isnan(row)
        if known.any():
            part = covariance[np.ix_(known, known)]
            found[i] = scipy.stats.multivariate_normal.logpdf(row[known], offset[known], part)
    return found


def test_without_corrections_every_draw_gives_log_p_of_the_known_values():
    """The posterior is exact, so the weights of all draws agree: the bound has no variance."""
    vae, weights, offset, x = linear_vae()
    exact = exact_log_likelihood(weights, offset, x)
    with vae.noise_scope(seed=3):
        log_weights = vae.log_weights(tf.constant(x), num_samples=20).numpy()
    np.testing.assert_allclose(log_weights, exact[:, None] + np.zeros(20), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(vae.elbo(x), exact, rtol=1e-3, atol=1e-3)
    corrected, *_ = linear_vae(corrections=0.3)
    assert abs(corrected.elbo(x) - exact).max() > 0.1


def test_its_filling_is_then_the_exact_conditional_mean_in_one_pass():
    vae, weights, offset, x = linear_vae()
    covariance = weights.T @ weights + VARIANCE * np.eye(FEATURES)
    filled = filling.one_pass(vae, x)
    for row, found in zip(x, filled, strict=True):
        missing, known = np.isnan(row), ~np.isnan(row)
        part = covariance[np.ix_(known, known)]
        gain = covariance[np.ix_(missing, known)] @ np.linalg.inv(part)
        mean = offset[missing] + gain @ (row - offset)[known]
        np.testing.assert_allclose(found[missing], mean, atol=1e-3)


def test_with_corrections_the_weighted_bound_tends_to_the_same_value():
    """Whatever the networks of q add, the likelihood of the model is that of its decoder."""
    vae, weights, offset, x = linear_vae(corrections=0.05)
    layer = vae.decoder.get_layer("output")
    layer.set_weights([0 * w for w in layer.get_weights()])
    exact = exact_log_likelihood(weights, offset, x)
    estimates = [vae.log_likelihood(x, k, seed=1) for k in (10, 5000)]
    errors = [np.abs(each - exact).mean() for each in estimates]
    assert errors[1] < 0.05
    assert errors[1] < errors[0] / 3


def test_the_draws_of_q_have_its_covariance():
    vae, *_, x = linear_vae(corrections=0.3)
    with vae.noise_scope(seed=1):
        q = vae.posterior(tf.constant(x[2:3]))
        repeated = q.map(lambda tensor: tf.repeat(tensor, 20_000, axis=0))
        z = repeated.sample(1).numpy()
    factor = q.precision_cholesky.numpy()[0]
    np.testing.assert_allclose(np.cov(z.T), np.linalg.inv(factor @ factor.T), rtol=0.1, atol=0.01)
    expected = scipy.stats.multivariate_normal.logpdf(
        z[:5], q.mean.numpy()[0], np.linalg.inv(factor @ factor.T)
    )
    np.testing.assert_allclose(repeated.map(lambda t: t[:5]).log_prob(z[:5]), expected, rtol=1e-3)


def test_columns_of_every_kind_have_a_normal_view():
    rng = np.random.default_rng(0)
    z = rng.normal(size=300)
    columns = [
        9 + 3 * z,
        np.exp(2 + z),
        rng.poisson(np.exp(2 + z)),
        z > 0,
        np.digitize(z, [-1, 0, 1]),
    ]
    x = np.stack(columns, axis=1).astype("float32")
    x[rng.random(x.shape) < 0.2] = np.nan
    table = likelihoods.Columns.fitted(x, ["real", "positive", "count", "binary", 4])
    value, variance = table.normal_view(tf.constant(x))
    assert value.shape == variance.shape == (300, 8)
    np.testing.assert_array_equal(np.isnan(value[:, :4]), np.isnan(x[:, :4]))
    assert np.nanmin(variance) > 0
    parts = networks.partly_linear(5, 3, hidden=(16,), likelihood=table)
    vae = PartlyLinearVAE(*parts, likelihood=table, seed=1)
    vae.compile(keras.optimizers.Adam(1e-2))
    log = vae.fit(x, epochs=8, verbose=0).history["loss"]
    assert log[-1] < log[0] - 0.5
    assert np.isfinite(filling.importance_weighted(vae, x, num_samples=20)).all()


def test_a_decoder_without_a_linear_part_is_refused():
    encoder, decoder = networks.dense(4, 2, likelihood="gaussian", missing="mask")
    *_, refinement = networks.partly_linear(4, 2)
    with pytest.raises(ValueError, match="decoder has no layer 'linear'"):
        PartlyLinearVAE(encoder, decoder, refinement)
    parts = networks.partly_linear(4, 2, likelihood=likelihoods.Gaussian("decoder"))
    vae = PartlyLinearVAE(*parts, likelihood=likelihoods.Gaussian("decoder"))
    with pytest.raises(ValueError, match="variance the decoder gives has no normal_view"):
        vae.elbo(np.zeros((2, 4)))
