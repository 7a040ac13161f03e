"""The importance-weighted bound of K draws.

vae = IWAE(*networks.dense((28, 28, 1), 50), num_samples=5)
"""

import keras
import numpy as np
import pytest

from keras_vae import IWAE, VAE, networks, priors


@pytest.fixture(scope="module")
def x(digits):
    return digits[0][:50]


def dense(**arguments):
    return networks.dense((8, 8, 1), 2, hidden=(16,), **arguments)


def make(num_samples, model=IWAE, **arguments):
    keras.utils.set_random_seed(0)
    if model is IWAE:
        arguments["num_samples"] = num_samples
    vae = model(*dense(), seed=1, **arguments)
    vae.compile("adam")
    return vae


def test_with_one_draw_it_is_the_vae_whose_kl_is_estimated_at_that_draw(x):
    """A mixture as prior: a VAE has no closed form of its KL either, and takes the same draw."""
    prior = {"prior": priors.Mixture(2, components=3)}
    one, vae = make(1, **prior), make(None, VAE, **prior)
    vae.set_weights(one.get_weights())
    terms = [model.objective(x, training=True) for model in (one, vae)]  # the same first draw
    for name in vae.loss_names:
        np.testing.assert_allclose(terms[0][name], terms[1][name], rtol=1e-6)
    assert not np.allclose(one.objective(x, training=True)["elbo"], terms[0]["elbo"])


def test_the_bound_rises_with_the_number_of_draws_and_the_elbo_stays(x):
    losses, bounds = [], []
    first = make(1)
    for num_samples in (1, 5, 50):
        vae = make(num_samples)
        vae.set_weights(first.get_weights())
        repeated = np.repeat(x, 50, axis=0)
        found = vae.evaluate(repeated, batch_size=500, verbose=0, return_dict=True)
        losses.append(found["loss"])
        bounds.append(found["elbo"])
    assert losses[0] > losses[1] + 0.01 > losses[2] + 0.02
    np.testing.assert_allclose(bounds, bounds[0], rtol=1e-2)
    assert losses[2] == pytest.approx(-first.log_likelihood(x, 50, seed=4).mean(), rel=2e-3)


def test_beta_weighs_the_ratio_and_not_the_bound_that_is_logged(x):
    vae = make(5)
    at_one = vae.evaluate(x, verbose=0, return_dict=True)
    vae.beta = 0.0
    at_zero = vae.evaluate(x, verbose=0, return_dict=True)
    assert at_zero["elbo"] == at_one["elbo"]
    assert at_zero["loss"] <= at_zero["reconstruction_loss"]  # Jensen's inequality


def test_arguments_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="num_samples is 0"):
        make(0)
    for arguments in ({"free_bits": 0.5}, {"capacity": 1.0}):
        with pytest.raises(ValueError, match="An IWAE has no KL term"):
            make(5, **arguments)
