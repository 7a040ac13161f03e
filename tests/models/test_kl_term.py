"""Forms of the KL term: `VAE(..., free_bits=0.5)`, `VAE(..., beta=50.0, capacity=5.0)`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, ConditionalVAE, networks, optimizers, priors
from keras_vae.callbacks import CapacityIncrease
from keras_vae.distributions import Normal, closed_form_kl
from tests import kinds


def kl_gradient(vae, mean, log_var):
    """The KL term of the loss, averaged over a batch, and its gradients."""
    mean, log_var = tf.Variable(mean, dtype="float32"), tf.Variable(log_var, dtype="float32")
    with tf.GradientTape() as tape:
        q, p = Normal(mean, log_var), vae.prior()
        term = tf.reduce_mean(vae.regulariser(q, p, q.mean, closed_form_kl(q, p)(q, p)))
    return float(term), [g.numpy() for g in tape.gradient(term, [mean, log_var])]


def test_free_bits_pass_no_gradient_below_the_threshold_and_the_plain_one_above(make_vae):
    mean = np.array([[2.0, 0.1], [-2.0, 0.2], [1.0, -0.1]])  # the KL of latent 2 is small
    log_var = np.full_like(mean, -0.1)
    term, gradients = kl_gradient(make_vae(free_bits=0.5), mean, log_var)
    plain, plain_gradients = kl_gradient(make_vae(), mean, log_var)
    kl_of_second = np.mean(0.5 * (mean**2 + np.exp(log_var) - 1 - log_var), axis=0)[1]
    assert kl_of_second < 0.5
    assert term == pytest.approx(plain - kl_of_second + 0.5, rel=1e-5)
    for ours, of_plain in zip(gradients, plain_gradients, strict=True):
        np.testing.assert_allclose(ours[:, 0], of_plain[:, 0], rtol=1e-5)
        np.testing.assert_array_equal(ours[:, 1], 0)
        assert np.abs(of_plain[:, 1]).min() > 0


def test_free_bits_count_the_mean_over_the_batch_and_not_each_example(make_vae):
    """Examples below the threshold pull too, if the mean is above it (Kingma 2016, equation 15)."""
    mean, log_var = np.array([[0.0, 0.0], [3.0, 3.0]]), np.zeros((2, 2))
    _, (of_mean, _) = kl_gradient(make_vae(free_bits=1.0), mean + 0.1, log_var)
    assert np.all(of_mean != 0)


def test_free_bits_keep_latents_in_use_that_the_kl_would_switch_off(x):
    units = {}
    for free_bits in (0.0, 0.3):
        keras.utils.set_random_seed(0)
        vae = VAE(*networks.dense((8, 8, 1), 6, hidden=(32,)), free_bits=free_bits, seed=0)
        vae.compile(optimizers.Adam(3e-3))
        vae.fit(x, epochs=30, verbose=0)
        mean, log_var = vae.encoder.predict(x, verbose=0)
        kl = np.mean(0.5 * (mean**2 + np.exp(log_var) - 1 - log_var), axis=0)
        units[free_bits] = np.sum(kl > 0.2)
    assert units[0.0] < units[0.3] == 6


@pytest.mark.parametrize("capacity", [3.0, pytest.param(8.0, marks=pytest.mark.slow)])
def test_a_capacity_holds_the_kl_at_its_value(x, capacity):
    keras.utils.set_random_seed(0)
    vae = VAE(*networks.dense((8, 8, 1), 6, hidden=(64,)), beta=50.0, capacity=capacity, seed=0)
    epochs = 80
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * 10)
    vae.compile(optimizers.Adam(rate), steps_per_execution=10)
    rises = CapacityIncrease(epochs=20, end=capacity)
    logs = vae.fit(x, batch_size=30, epochs=epochs, verbose=0, callbacks=[rises]).history
    assert logs["kl_loss"][-1] == pytest.approx(capacity, rel=0.05)
    assert logs["capacity"][0] == 0
    assert logs["capacity"][-1] == capacity
    np.testing.assert_allclose(
        logs["elbo"], -np.add(logs["reconstruction_loss"], logs["kl_loss"]), rtol=1e-5
    )


def test_the_bound_does_not_depend_on_the_form_of_the_kl_term(make_vae, x):
    plain = make_vae()
    for arguments in ({"free_bits": 1.0}, {"capacity": 2.0}):
        shaped = make_vae(**arguments)
        np.testing.assert_array_equal(shaped.elbo(x), plain.elbo(x))
        of_shaped, of_plain = (v.evaluate(x, verbose=0, return_dict=True) for v in (shaped, plain))
        for name in ("reconstruction_loss", "kl_loss", "elbo"):
            assert of_shaped[name] == of_plain[name]
        assert of_shaped["loss"] != of_plain["loss"]


def test_capacity_is_a_weight_that_is_saved(make_vae, x, tmp_path):
    vae = make_vae(capacity=2.0)
    vae.capacity = 7.0
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert float(again.capacity) == 7
    assert again.get_config()["capacity"] == 2
    assert make_vae(free_bits=0.5).get_config()["free_bits"] == 0.5
    assert len(make_vae().weights) == len(vae.weights) - 1  # files of models without one still fit


def test_the_formula_that_tensorboard_shows_has_the_form(make_vae):
    assert "max(0.5, KL_j)" in make_vae(free_bits=0.5).formula
    assert "|KL - capacity|" in make_vae(capacity=1.0).formula
    assert make_vae().formula == VAE.formula


def test_every_vae_inherits_them(digits):
    x, y = digits
    models = [
        (ConditionalVAE, networks.dense((8, 8, 1), 2, hidden=(16,), condition=10), (x, y)),
        (VAE, networks.dense((8, 8, 1), 2, hidden=(16,), missing="mask"), (kinds.with_holes(x),)),
    ]
    for model, pair, data in models:
        for arguments in ({"free_bits": 2.0}, {"capacity": 20.0}):
            vae = model(*pair, seed=0, **arguments)
            vae.compile(optimizers.Adam())
            terms = vae.fit(*data, verbose=0).history
            assert terms["loss"][0] > terms["reconstruction_loss"][0] + 2


def test_what_does_not_go_together_is_refused(make_vae, x):
    with pytest.raises(ValueError, match="two forms of the KL term; give one"):
        make_vae(free_bits=0.1, capacity=1.0)
    with pytest.raises(ValueError, match="free_bits is -1"):
        make_vae(free_bits=-1)
    with pytest.raises(ValueError, match="This model has no capacity; create it with capacity="):
        make_vae().capacity = 1.0
    with pytest.raises(ValueError, match="This model has no capacity"):
        make_vae().fit(x, verbose=0, callbacks=[CapacityIncrease()])
    mixture = make_vae(free_bits=0.1, prior=priors.Mixture(2, components=3))
    with pytest.raises(ValueError, match=r"no closed form of KL\(Normal \|\| NormalMixture\)"):
        mixture.fit(x, verbose=0)
