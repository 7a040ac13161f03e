"""The deterministic baseline.

encoder, decoder = networks.dense((8, 8, 1), latent_dim=2, variational=False)
autoencoder = Autoencoder(encoder, decoder)
"""

import keras
import numpy as np
import pytest

from keras_vae import Autoencoder, networks


@pytest.fixture
def autoencoder():
    encoder, decoder = networks.dense((8, 8, 1), latent_dim=2, hidden=(16,), variational=False)
    model = Autoencoder(encoder, decoder, seed=1)
    model.compile("adam")
    return model


def test_it_trains_and_logs_two_equal_losses(autoencoder, x):
    history = autoencoder.fit(x, epochs=5, verbose=0, validation_data=x[:50]).history
    assert sorted(history) == ["loss", "reconstruction_loss", "val_loss", "val_reconstruction_loss"]
    np.testing.assert_allclose(history["loss"], history["reconstruction_loss"])
    assert history["loss"][-1] < history["loss"][0] - 1


def test_the_loss_is_the_mean_over_examples_whatever_the_batch_size_keras3_3_1(autoencoder, x):
    expected = np.mean(autoencoder.objective(x)["loss"])
    for batch_size in (32, 128, 299, 300):
        loss, _ = autoencoder.evaluate(x, batch_size=batch_size, verbose=0)
        assert loss == pytest.approx(expected, rel=1e-6)
    batches = [np.mean(autoencoder.objective(part)["loss"]) for part in (x[:299], x[299:])]
    assert np.mean(batches) != pytest.approx(expected, rel=1e-4)  # the mean of batch means differs
    autoencoder.compile(keras.optimizers.SGD(0.0))
    history = autoencoder.fit(x, batch_size=299, shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-6)


def test_the_loss_is_the_mean_with_sample_weights(autoencoder, x):
    each = np.array(autoencoder.objective(x)["loss"])
    weights = np.random.default_rng(0).random(len(x)).astype("float32")
    loss, _ = autoencoder.evaluate(x, sample_weight=weights, batch_size=70, verbose=0)
    assert loss == pytest.approx(np.average(each, weights=weights), rel=1e-5)
    loss, _ = autoencoder.evaluate(x, sample_weight=(weights > 0.5) * 1, verbose=0)
    assert loss == pytest.approx(each[weights > 0.5].mean(), rel=1e-5)


def test_encode_and_predict_agree_with_the_networks(autoencoder, x):
    z = autoencoder.encode(x)
    np.testing.assert_allclose(z, autoencoder.encoder(x), atol=1e-6)
    np.testing.assert_allclose(autoencoder.predict(x, verbose=0), autoencoder.decode(z), atol=1e-6)


def test_verbs_that_need_a_distribution_say_why_they_fail(autoencoder, x):
    for call, reason in (
        (lambda: autoencoder.prior(), "no p\\(z\\)"),
        (lambda: autoencoder.posterior(x), "one code, not a distribution"),
        (lambda: autoencoder.elbo(x), "no bound and no log p"),
        (lambda: autoencoder.log_likelihood(x), "no bound and no log p"),
        (lambda: autoencoder.generate(3), "no p\\(z\\) to draw from"),
    ):
        with pytest.raises(TypeError, match=reason):
            call()


def test_a_variational_encoder_is_refused():
    encoder, decoder = networks.dense((8, 8, 1), 2)
    with pytest.raises(ValueError, match=r"encoder has 2 outputs.*variational=False"):
        Autoencoder(encoder, decoder)
