"""Laws of the VAE.

encoder, decoder = networks.dense((8, 8, 1), latent_dim=2)
vae = VAE(encoder, decoder, likelihood="bernoulli", beta=1.0)
vae.compile(optimizer="adam")
vae.fit(x_train, epochs=20, validation_data=x_test)
vae.elbo(x_test), vae.log_likelihood(x_test)
"""

import keras
import numpy as np
import pytest
import scipy.stats
from sklearn.decomposition import PCA

from keras_vae import VAE, datasets, networks
from keras_vae.distributions import Bernoulli, Normal
from keras_vae.likelihoods import Gaussian
from keras_vae.models import inference
from keras_vae.models.signature import Signature


def linear_vae(size, latent_dim, likelihood, **arguments):
    x, z = keras.Input((size,)), keras.Input((latent_dim,))
    encoder = keras.Model(x, [keras.layers.Dense(latent_dim, name=n)(x) for n in ("m", "v")])
    decoder = keras.Model(z, keras.layers.Dense(size)(z))
    return VAE(encoder, decoder, likelihood=likelihood, **arguments)


@pytest.fixture
def linear_gaussian():
    """(a linear VAE whose encoder is the exact posterior, x, log p(x) from SciPy).

    x = W z + b + noise, z ~ N(0, I): log p(x) = N(b, W W' + s^2 I), and with orthogonal columns
    p(z|x) is a diagonal normal (Tipping and Bishop 1999).
    """
    rng = np.random.default_rng(0)
    size, latent_dim, variance = 6, 2, 0.5
    orthogonal, _ = np.linalg.qr(rng.normal(size=(size, latent_dim)))
    loadings, offset = orthogonal * [0.15, 0.1], rng.normal(size=size)
    precision = 1 + np.sum(loadings**2, axis=0) / variance
    to_mean = loadings / variance / precision

    vae = linear_vae(size, latent_dim, Gaussian(variance=variance), seed=1)
    mean, log_var = vae.encoder.layers[1:]
    mean.set_weights([to_mean, -offset @ to_mean])
    log_var.set_weights([np.zeros((size, latent_dim)), -np.log(precision)])
    vae.decoder.layers[-1].set_weights([loadings.T, offset])

    covariance = loadings @ loadings.T + variance * np.eye(size)
    p_x = scipy.stats.multivariate_normal(offset, covariance, seed=1)
    x = p_x.rvs(3).astype("float32")
    return vae, x, p_x.logpdf(x)


def test_elbo_of_linear_gaussian_vae_at_exact_posterior_equals_log_likelihood(linear_gaussian):
    vae, x, log_p = linear_gaussian
    many = np.repeat(x, 400_000, axis=0)
    elbo = vae.elbo(many, batch_size=2**16).reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(elbo, log_p, atol=1e-3)
    np.testing.assert_allclose(vae.log_likelihood(x, num_samples=10), log_p, atol=1e-3)
    # Away from the posterior the bound is lower, and many samples close the gap.
    vae.encoder.layers[1].bias.assign([1.0, -1.0])
    assert np.all(vae.elbo(many[::1000]).reshape(3, -1).mean(axis=1) < log_p - 0.1)
    np.testing.assert_allclose(vae.log_likelihood(x, num_samples=5000), log_p, atol=0.1)


def test_log_weights_at_the_exact_posterior_are_all_log_p(linear_gaussian):
    """log p(x, z) - log q(z|x) = log p(x) for every z if q is the posterior."""
    vae, x, log_p = linear_gaussian
    log_weights = np.array(vae.log_weights(x, num_samples=7))
    assert log_weights.shape == (3, 7)
    np.testing.assert_allclose(log_weights, np.repeat(log_p[:, None], 7, axis=1), atol=1e-3)


def test_a_trained_linear_vae_reaches_probabilistic_pca():
    """The best linear VAE with one learned variance is pPCA (Lucas 2019; PCA.score)."""
    (x, _), _ = datasets.load_digits()
    x = x.reshape(-1, 64) - x.reshape(-1, 64).mean(axis=0)
    keras.utils.set_random_seed(1)
    vae = linear_vae(64, 6, "gaussian")
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 3200)
    vae.compile(keras.optimizers.Adam(schedule), steps_per_execution=40)
    vae.fit(x, epochs=80, batch_size=36, verbose=0)
    best = PCA(6).fit(x).score(x)
    ours = vae.log_likelihood(x, num_samples=300).mean()
    assert ours == pytest.approx(best, abs=0.1)
    assert vae.elbo(x).mean() == pytest.approx(best, abs=0.3)
    variance = np.exp(float(vae.likelihood_layer.log_variance))
    assert variance == pytest.approx(PCA(6).fit(x).noise_variance_, rel=0.03)


def test_the_bound_rises_with_the_number_of_samples(make_vae, x):
    vae = make_vae()
    vae.fit(x, epochs=5, verbose=0)
    bounds = [vae.log_likelihood(x, num_samples=k).mean() for k in (1, 3, 30, 300)]
    assert bounds[0] == pytest.approx(vae.elbo(x).mean(), abs=0.2)
    assert np.all(np.diff(bounds) > 0)


def test_exactly_the_requested_number_of_samples_is_used(make_vae, x, monkeypatch):
    """Also if it is not a multiple of the samples of one call."""
    vae = make_vae()
    # The same noise in one pass: K log-weights, and their log-mean-exp in NumPy.
    with vae.noise_scope():
        log_weights = np.array(vae.log_weights(x[:10], num_samples=40), "float64")
    assert len(np.unique(log_weights)) == log_weights.size
    for samples_a_call in (500, 10):
        monkeypatch.setattr(inference, "_SAMPLES_A_CALL", samples_a_call)
        for k in (7, 37, 40):
            by_hand = np.logaddexp.reduce(log_weights[:, :k], axis=1) - np.log(k)
            ours = vae.log_likelihood(x[:10], num_samples=k)
            np.testing.assert_allclose(ours, by_hand, rtol=1e-5)
            assert not np.allclose(ours, by_hand + np.log(k / 30), rtol=1e-5)  # if divided by 30


def test_all_numbers_of_samples_share_one_graph(make_vae, x):
    """From 10 samples on; fewer have their own graph, so that no sample is drawn in vain."""
    vae = make_vae()
    for k in (10, 17, 200, 600):
        vae.log_likelihood(x[:3], k)
    assert len(vae._compiled_verbs) == 1


def test_the_first_samples_do_not_depend_on_the_number_of_samples(make_vae, x):
    vae, found = make_vae(), {}
    for k in (1, 5, 20, 100):  # one sample, part of a group, several groups, a loop
        with vae.noise_scope(seed=3):
            found[k] = np.array(vae.log_weights(x, num_samples=k))
    for k in (1, 5, 20):
        np.testing.assert_allclose(found[100][:, :k], found[k], rtol=1e-6)


def test_log_likelihood_with_one_sample_is_the_log_weight(make_vae, x):
    vae = make_vae()
    with vae.noise_scope():
        log_weights = np.array(vae.log_weights(x[:10]))
    np.testing.assert_allclose(vae.log_likelihood(x[:10], 1), log_weights[:, 0], rtol=1e-5)


def test_loss_is_reconstruction_plus_beta_times_kl(make_vae, x):
    vae = make_vae(beta=3.0)
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    rebuilt = logs["reconstruction_loss"] + 3 * logs["kl_loss"]
    assert logs["loss"] == pytest.approx(rebuilt, rel=1e-6)
    assert logs["elbo"] == pytest.approx(-logs["reconstruction_loss"] - logs["kl_loss"], rel=1e-6)
    vae.beta = 0.0
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["reconstruction_loss"])


def test_terms_are_sums_over_values_and_latents_not_means(make_vae, x):
    """F1: a mean over the pixels would change beta by a factor of their number."""
    vae = make_vae()
    mean, log_var = (np.array(output) for output in vae.encoder(x))
    kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=1)
    terms = vae.objective(x)
    np.testing.assert_allclose(terms["kl_loss"], kl, rtol=1e-4, atol=1e-6)
    vae.decoder.layers[-2].set_weights([np.zeros_like(w) for w in vae.decoder.get_weights()[-2:]])
    np.testing.assert_allclose(
        vae.objective(x)["reconstruction_loss"], 64 * np.log(2), rtol=1e-5
    )  # logits of 0: log 2 per pixel


def test_a_regulariser_changes_the_loss_and_not_the_bound(make_vae, x):
    """The example of the README: each latent has a weight of its own."""

    class WeightedVAE(VAE):
        def regulariser(self, q, p, z, divergence):
            return keras.ops.sum(divergence * [1.0, 5.0], axis=-1)

    plain = make_vae()
    weighted = WeightedVAE(plain.encoder, plain.decoder, seed=5)
    weighted.compile("adam")
    np.testing.assert_array_equal(weighted.elbo(x), plain.elbo(x))
    ours, theirs = (m.evaluate(x, verbose=0, return_dict=True) for m in (weighted, plain))
    assert ours["kl_loss"] == theirs["kl_loss"]
    assert ours["loss"] > theirs["loss"]
    assert weighted.elbo(x).mean() == pytest.approx(weighted.log_likelihood(x, 1).mean(), abs=0.3)


def test_a_model_that_reads_a_condition_is_a_small_subclass(x, digits):
    """p(z|c) = N(c / 10, I) and a decoder that reads c; fit and the verbs pass c in batches."""

    class Conditional(VAE):
        signature = Signature(second="condition")

        def prior(self, condition=None, training=False):
            mean = keras.ops.cast(condition, "float32")[:, None] / 10
            return Normal(mean * np.ones((1, 2)), 0.0)

        def likelihood(self, z, condition=None, training=False):
            shift = keras.ops.cast(condition, "float32")[:, None]
            return super().likelihood(z + shift, None, training)

    vae = Conditional(*networks.dense((8, 8, 1), 2, hidden=(8,)), seed=1)
    vae.compile("adam")
    labels = digits[1]
    vae.fit(x, labels, epochs=1, verbose=0, validation_data=(x[:50], labels[:50]))
    for verb in (vae.elbo, lambda x, **k: vae.log_likelihood(x, 9, **k)):
        whole = verb(x, condition=labels, seed=1)
        np.testing.assert_allclose(
            whole[:200], verb(x[:200], condition=labels[:200], seed=1), rtol=1e-5
        )
        assert not np.allclose(whole, verb(x, condition=labels * 0, seed=1))
    assert vae.elbo(x, condition=labels).mean() == pytest.approx(
        vae.log_likelihood(x, 1, condition=labels).mean(), abs=0.5
    )
    images = vae.generate(300, condition=labels, seed=1)
    np.testing.assert_allclose(images[:9], vae.generate(9, condition=labels[:9], seed=1), atol=1e-6)
    assert vae.predict(x, condition=labels, verbose=0).shape == x.shape
    with pytest.raises(ValueError, match="condition has 3 rows; expected 300"):
        vae.encode(x, condition=labels[:3])


def test_a_replaced_network_is_used_at_once(make_vae, x):
    vae = make_vae()
    before = vae.encode(x)
    vae.encoder = keras.models.clone_model(vae.encoder)
    assert not np.allclose(vae.encode(x), before)


def test_latents_are_drawn_in_float32_whatever_the_policy():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae = VAE(*networks.dense((8, 8, 1), 2))
        assert vae.sampling.compute_dtype == "float32"
        assert vae.objective(np.zeros((3, 8, 8, 1)))["loss"].dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


def test_nouns_are_distributions(make_vae, x):
    vae = make_vae()
    assert isinstance(vae.prior(), Normal)
    assert isinstance(vae.posterior(x[:3]), Normal)
    assert isinstance(vae.likelihood(np.zeros((3, 2), "float32")), Bernoulli)


def test_verbs_give_arrays_that_agree_with_the_nouns(make_vae, x):
    vae = make_vae()
    z = vae.encode(x)
    np.testing.assert_allclose(z, vae.posterior(x).mean, atol=1e-6)
    np.testing.assert_allclose(vae.decode(z), vae.likelihood(z).mean, atol=1e-6)
    np.testing.assert_allclose(vae.predict(x, verbose=0), vae.decode(z), atol=1e-6)
    np.testing.assert_allclose(vae(x), vae.decode(z), atol=1e-6)
    for array, shape in ((z, (300, 2)), (vae.elbo(x), (300,)), (vae.decode(z), x.shape)):
        assert isinstance(array, np.ndarray)
        assert array.dtype == "float32"
        assert array.shape == shape


def test_verbs_change_no_state(make_vae, x):
    vae, other = make_vae(), make_vae()
    vae.elbo(x, seed=9)
    vae.log_likelihood(x[:5], 3, seed=9)
    vae.generate(3, seed=9)
    for one, two in zip(vae.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, two)


def test_generate_draws_new_examples_unless_a_seed_is_given(make_vae):
    vae = make_vae()
    assert vae.generate(5).shape == (5, 8, 8, 1)
    assert not np.array_equal(vae.generate(5), vae.generate(5))
    np.testing.assert_allclose(vae.generate(300, seed=1)[:7], vae.generate(7, seed=1), rtol=1e-5)
    assert not np.array_equal(vae.generate(5, seed=1), vae.generate(5, seed=2))
    np.testing.assert_array_equal(make_vae().generate(3), make_vae().generate(3))


def test_generated_examples_follow_the_prior_and_the_likelihood(make_vae):
    """The decoder is the identity, so the output shows z."""
    z = keras.Input((2,))
    encoder = keras.Model(z, [keras.layers.Dense(2)(z), keras.layers.Dense(2)(z)])
    passes = keras.layers.Dense(2, kernel_initializer="identity")
    vae = VAE(encoder, keras.Model(z, passes(z)), likelihood=Gaussian(variance=4.0))
    means, draws = vae.generate(20_000, seed=1), vae.generate(20_000, seed=1, sample=True)
    np.testing.assert_allclose(means.var(axis=0), 1, rtol=0.05)
    np.testing.assert_allclose(draws.var(axis=0), 5, rtol=0.05)
    assert abs(np.corrcoef(means[:, 0], (draws - means)[:, 0])[0, 1]) < 0.03


def test_a_draw_from_a_bernoulli_is_binary(make_vae):
    assert set(np.unique(make_vae().generate(5, seed=1, sample=True))) == {0.0, 1.0}


def test_beta_is_a_weight_that_can_be_assigned_keras3_11_2(make_vae, x):
    vae = make_vae(beta=1.0)
    vae.fit(x[:64], verbose=0)
    one = vae.evaluate(x, verbose=0, return_dict=True)
    vae.beta = 5.0  # after the step was traced
    five = vae.evaluate(x, verbose=0, return_dict=True)
    assert five["loss"] == pytest.approx(one["loss"] + 4 * one["kl_loss"], rel=1e-5)
    assert any(weight is vae.beta for weight in vae.non_trainable_weights)
    assert float(vae.beta) == 5.0


def test_a_vae_for_denoising_takes_the_clean_data_as_y(make_vae, x):
    vae = make_vae()
    noisy = x + np.random.default_rng(0).normal(size=x.shape)  # only y must lie in [0, 1]
    history = vae.fit(noisy, x, epochs=3, verbose=0, validation_data=(noisy, x))
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_training_improves_the_bound(make_vae, x):
    vae = make_vae()
    before = vae.elbo(x).mean()
    history = vae.fit(x, epochs=30, batch_size=32, verbose=0, validation_data=x[:50])
    assert vae.elbo(x).mean() > before + 10
    assert sorted(history.history) == [
        f"{part}{name}"
        for part in ("", "val_")
        for name in ("elbo", "kl_loss", "loss", "reconstruction_loss")
    ]


@pytest.mark.parametrize("variance", ["learned", "decoder", 0.1])
def test_each_gaussian_likelihood_trains(make_vae, x, variance):
    vae = make_vae(
        network={"likelihood": Gaussian(variance=variance)},
        likelihood=Gaussian(variance=variance),
    )
    history = vae.fit(x, epochs=5, verbose=0).history["loss"]
    assert np.all(np.isfinite(history))
    assert history[-1] < history[0]
