"""`vae.fit(x, callbacks=[KLWarmup(epochs=10)])`."""

import keras
import numpy as np
import pytest

from keras_vae.callbacks import KLWarmup


def test_beta_rises_linearly_and_stays(make_vae, x):
    vae = make_vae()
    history = vae.fit(x[:32], epochs=6, verbose=0, callbacks=[KLWarmup(epochs=4)]).history
    np.testing.assert_allclose(history["beta"], [0, 0.25, 0.5, 0.75, 1, 1])
    assert float(vae.beta) == 1


def test_beta_weighs_the_loss_and_the_bound_stays_comparable(make_vae, x):
    logs = make_vae().fit(x[:32], epochs=3, verbose=0, callbacks=[KLWarmup(epochs=2)]).history
    terms = {name: np.array(values) for name, values in logs.items()}
    rebuilt = terms["reconstruction_loss"] + terms["beta"] * terms["kl_loss"]
    np.testing.assert_allclose(terms["loss"], rebuilt, rtol=1e-5)
    np.testing.assert_allclose(
        terms["elbo"], -terms["reconstruction_loss"] - terms["kl_loss"], rtol=1e-5
    )


def test_a_second_fit_goes_on_where_the_first_stopped(make_vae, x):
    vae = make_vae()
    warmup = KLWarmup(epochs=4, start=0.2, end=1.0)
    for _ in range(2):
        betas = vae.fit(x[:32], epochs=2, verbose=0, callbacks=[warmup]).history["beta"]
    np.testing.assert_allclose(betas, [0.6, 0.8])


@pytest.mark.parametrize("first", [True, False])
def test_the_scheduled_beta_survives_restored_weights(make_vae, x, first):
    """EarlyStopping puts back the weights of the best epoch, beta among them."""
    vae = make_vae()
    stop = keras.callbacks.EarlyStopping(
        "loss", mode="max", patience=1, restore_best_weights=True
    )  # the loss falls: the first epoch is "best"
    callbacks = [KLWarmup(epochs=2), stop] if first else [stop, KLWarmup(epochs=2)]
    history = vae.fit(x, epochs=9, verbose=0, callbacks=callbacks).history
    assert len(history["beta"]) < 9
    assert float(vae.beta) == pytest.approx(history["beta"][-1])


def test_a_fit_without_epochs_changes_nothing(make_vae, x):
    vae = make_vae(beta=3.0)
    vae.fit(x, epochs=2, initial_epoch=2, verbose=0, callbacks=[KLWarmup()])
    assert float(vae.beta) == 3


@pytest.mark.parametrize(
    "arguments",
    [{"epochs": 0}, {"epochs": 2.5}, {"start": -1.0}, {"end": -1.0}, {"end": float("nan")}],
)
def test_a_bad_argument_gets_a_sentence(arguments):
    with pytest.raises(ValueError, match=r"expected an int|never below 0"):
        KLWarmup(**arguments)
