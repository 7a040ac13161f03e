"""A VAE that learns from incomplete data.

encoder, decoder = networks.dense((8, 8, 1), latent_dim=4, missing="mask")
vae = VAE(encoder, decoder)                       # or IWAE(..., num_samples=20), the MIWAE
vae.fit(x_with_nan)
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, Autoencoder, BetaTCVAE, ConditionalVAE, FactorVAE, InfoVAE, networks
from keras_vae.likelihoods import Columns
from tests import kinds


@pytest.fixture(scope="module")
def x(digits):
    return digits[0][:100]


@pytest.fixture(scope="module")
def holes(x):
    return kinds.with_holes(x)


def dense(missing=None, **arguments):
    return networks.dense((8, 8, 1), 2, hidden=(16,), missing=missing, **arguments)


def same_weights(model, other):
    """The weights of a model, those of its first layer cut to the inputs that the other has."""
    for mine, theirs in zip(model.weights, other.weights, strict=True):
        value = mine.numpy()
        theirs.assign(value[: theirs.shape[0]] if value.ndim else value)


def test_with_nothing_missing_the_bound_is_that_of_the_vae(x):
    plain = VAE(*dense(), seed=1)
    zeros = VAE(*dense("zeros"), seed=1)
    same_weights(plain, zeros)
    np.testing.assert_array_equal(plain.elbo(x, seed=3), zeros.elbo(x, seed=3))
    np.testing.assert_array_equal(plain.encode(x), zeros.encode(x))

    masked = VAE(*dense("mask"), seed=1)
    # the kernel of a mask of ones is a bias: without it both networks are the same
    for mine, theirs in zip(plain.weights, masked.weights, strict=True):
        value = mine.numpy()
        if value.shape != tuple(theirs.shape):  # (64, 16) and (128, 16), x and mask by turns
            value = np.stack([value, np.zeros_like(value)], axis=1).reshape(theirs.shape)
        theirs.assign(value)
    np.testing.assert_allclose(plain.elbo(x, seed=3), masked.elbo(x, seed=3), rtol=1e-5)


@pytest.mark.parametrize("missing", ["zeros", "mask"])
def test_the_bound_is_that_of_the_known_values_alone(missing, x, holes):
    vae = VAE(*dense(missing), seed=1)
    known = ~np.isnan(holes)
    z = vae.encode(holes, sample=True, seed=5)
    p_x = vae.likelihood(z)
    density = p_x.log_density(np.nan_to_num(holes)).numpy()
    bound = (density * known).sum(axis=(1, 2, 3))
    drawn = vae.bound(tf.constant(holes))[0]
    kl = drawn.divergence.numpy().sum(axis=1)
    np.testing.assert_allclose(vae.elbo(holes, seed=5), bound - kl, rtol=1e-4)
    assert np.isfinite(bound).all()
    assert abs(bound - density.sum(axis=(1, 2, 3))).min() > 0.1  # without a mask it is another


@pytest.mark.parametrize("missing", ["zeros", "mask"])
def test_the_gradient_does_not_depend_on_what_stands_in_place_of_a_missing_value(missing, holes):
    """A network that reads 0 and the mask itself has the same gradient as `ReadValues`."""
    vae = VAE(*dense(missing), seed=1)

    def gradients(x, target, mask):
        with tf.GradientTape() as tape, vae.noise_scope(seed=2):
            q = vae.posterior(x)
            drawn = vae.infer(q)
            log_p = vae.likelihood(drawn.z).log_prob(target, mask)
            loss = tf.reduce_mean(tf.reduce_sum(drawn.divergence, axis=1) - log_p)
        return [each.numpy() for each in tape.gradient(loss, vae.trainable_variables)]

    known = ~np.isnan(holes)
    with_nan = gradients(tf.constant(holes), tf.constant(holes), tf.constant(known))
    for filling in (0.0, 0.5, 1e6):
        filled = np.where(known, holes, np.float32(filling))
        with_filling = gradients(tf.constant(holes), tf.constant(filled), tf.constant(known))
        for one, other in zip(with_nan, with_filling, strict=True):
            assert np.isfinite(one).all()
            np.testing.assert_array_equal(one, other)
    everything_known = gradients(tf.constant(holes), tf.constant(filled), None)
    assert not np.allclose(with_nan[0], everything_known[0])


MODELS = {
    "VAE": (VAE, {}),
    "beta-TC": (BetaTCVAE, {"num_examples": 100}),
    "FactorVAE": (FactorVAE, {"discriminator": networks.discriminator(2, (8,))}),
    "InfoVAE": (InfoVAE, {}),
    "free bits": (VAE, {"free_bits": 0.1}),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_vae_learns_from_missing_values(name, holes):
    model, arguments = MODELS[name]
    vae = model(*dense("mask"), seed=1, **arguments)
    vae.compile(keras.optimizers.Adam(1e-2))
    log = vae.fit(holes, epochs=5, batch_size=25, verbose=0).history
    assert np.isfinite(log["loss"]).all()
    assert log["reconstruction_loss"][-1] < log["reconstruction_loss"][0]
    assert np.isfinite(vae.reconstruct(holes)).all()


def test_a_conditional_model_and_an_autoencoder_too(digits, holes):
    y = digits[1][:100]
    vae = ConditionalVAE(*dense("mask", condition=10), seed=1)
    autoencoder = Autoencoder(*dense("mask", variational=False), seed=1)
    for model, data in ((vae, (holes, y)), (autoencoder, (holes,))):
        model.compile("adam")
        assert np.isfinite(model.fit(*data, verbose=0).history["loss"]).all()


def test_convolutions_and_half_precision_read_missing_values(holes, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        pair = networks.conv((8, 8, 1), 2, filters=(4,), missing="mask")
        vae = VAE(*pair, seed=1)
        vae.compile("adam")
        assert np.isfinite(vae.fit(holes, verbose=0).history["loss"]).all()
    finally:
        keras.config.set_dtype_policy("float32")


def test_images_with_holes_may_have_whole_targets(x, holes):
    """`fit(x_with_nan, x)`: the encoder learns to see through holes, the bound is of all values."""
    vae = VAE(*dense("mask"), seed=1)
    vae.compile("adam")
    loss = vae.evaluate(holes, x, verbose=0, return_dict=True)
    of_known = vae.evaluate(holes, verbose=0, return_dict=True)
    assert loss["kl_loss"] == of_known["kl_loss"]
    assert loss["reconstruction_loss"] > 1.3 * of_known["reconstruction_loss"]


def test_a_saved_model_reads_missing_values_again(holes, tmp_path):
    kinds_of_columns = ["real", "count", 3]
    rng = np.random.default_rng(0)
    table = np.stack(
        [rng.normal(50, 9, 60), rng.poisson(3, 60), rng.integers(0, 3, 60)], axis=1
    ).astype("float32")
    table[rng.random(table.shape) < 0.2] = np.nan
    likelihood = Columns.fitted(table, kinds_of_columns)
    pair = networks.dense(3, 2, hidden=(8,), likelihood=likelihood, missing="mask")
    for vae, data in (
        (VAE(*dense("mask"), seed=1), holes),
        (VAE(*pair, likelihood=likelihood, seed=1), table),
    ):
        vae.compile("adam")
        vae.fit(data, verbose=0)
        vae.save(tmp_path / "vae.keras")
        again = keras.models.load_model(tmp_path / "vae.keras")
        np.testing.assert_array_equal(vae.elbo(data, seed=1), again.elbo(data, seed=1))
        again.fit(data, verbose=0)


def test_other_models_refuse_missing_values_and_all_refuse_infinity(x, holes):
    with pytest.raises(ValueError, match="x holds NaN or infinity; remove or replace"):
        VAE(*dense()).elbo(holes)
    infinite = x.copy()
    infinite[0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="x holds NaN or infinity"):
        VAE(*dense("mask")).elbo(infinite)
    with pytest.raises(ValueError, match="missing is 'nan'; expected one of"):
        dense("nan")


def test_a_row_without_a_known_value_costs_nothing_but_its_kl(holes):
    vae = VAE(*dense("mask"), seed=1)
    empty = np.full((1, 8, 8, 1), np.nan, "float32")
    drawn = vae.bound(tf.constant(empty))[0]
    np.testing.assert_allclose(vae.elbo(empty), -drawn.divergence.numpy().sum(axis=1), rtol=1e-5)
