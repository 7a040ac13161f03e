"""`vae.fit(x, callbacks=[KLWarmup(epochs=10)])`, `CyclicalBeta`, `CapacityIncrease`."""

import warnings

import keras
import numpy as np
import pytest

from keras_vae.callbacks import (
    CapacityIncrease,
    ControlVAE,
    CyclicalBeta,
    KLWarmup,
    TensorBoard,
)
from tests.callbacks.test_tensorboard import scalars


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


def test_a_second_fit_continues_where_the_first_stopped(make_vae, x):
    vae = make_vae()
    warmup = KLWarmup(epochs=4, start=0.2, end=1.0)
    for _ in range(2):
        betas = vae.fit(x[:32], epochs=2, verbose=0, callbacks=[warmup]).history["beta"]
    np.testing.assert_allclose(betas, [0.6, 0.8])


@pytest.mark.filterwarnings("ignore:EarlyStopping monitors")
@pytest.mark.parametrize("first", [True, False])
def test_the_scheduled_beta_survives_restored_weights(make_vae, x, first):
    """EarlyStopping restores the weights of the best epoch, and beta is one of them."""
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


def test_a_cycle_rises_stays_and_begins_anew(make_vae, x):
    """Fu 2019, figure 1(b); after the last cycle beta stays."""
    vae = make_vae()
    cycles = CyclicalBeta(epochs=4, start=0.2, end=1.0, rising=0.5, cycles=2)
    betas = []
    for epochs in (3, 7):
        betas += vae.fit(x[:32], epochs=epochs, verbose=0, callbacks=[cycles]).history["beta"]
    np.testing.assert_allclose(betas, [0.2, 0.6, 1, 1, 0.2, 0.6, 1, 1, 1, 1])
    assert [cycles.is_over(epoch) for epoch in (7, 8)] == [False, True]


def test_a_cycle_that_rises_throughout_is_a_warmup():
    cycles, warmup = CyclicalBeta(epochs=5, rising=1.0, cycles=1), KLWarmup(epochs=5)
    assert [cycles.value(e) for e in range(8)] == [warmup.value(e) for e in range(8)]


def test_the_capacity_rises_and_survives_restored_weights(make_vae, x):
    vae = make_vae(capacity=0.0, beta=10.0)
    stop = keras.callbacks.EarlyStopping("elbo", mode="min", patience=1, restore_best_weights=True)
    rises = CapacityIncrease(epochs=4, end=8.0)
    logs = vae.fit(x, epochs=9, verbose=0, callbacks=[stop, rises]).history
    expected = [0, 2, 4, 6, 8, 8, 8, 8, 8]
    np.testing.assert_allclose(logs["capacity"], expected[: len(logs["capacity"])])
    assert float(vae.capacity) == logs["capacity"][-1]


@pytest.mark.parametrize(
    ("schedule", "weight"),
    [
        (CyclicalBeta(epochs=4), "beta"),
        (CapacityIncrease(), "capacity"),
        (ControlVAE(kl=3.0), "beta"),
    ],
)
def test_every_schedule_warns_of_a_monitored_loss(make_vae, x, schedule, weight):
    vae = make_vae(capacity=1.0)
    stop = keras.callbacks.EarlyStopping("loss", patience=9)
    expected = f"EarlyStopping monitors 'loss'.*while {type(schedule).__name__} changes {weight}"
    with pytest.warns(UserWarning, match=expected):
        vae.fit(x[:32], epochs=2, verbose=0, callbacks=[stop, schedule])


def warned(vae, x, *callbacks, epochs=2, **arguments):
    """The warnings of KLWarmup when it is used with other callbacks."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = {"validation_data": x[:32], "epochs": epochs, "verbose": 0}
        vae.fit(x[:32], callbacks=[*callbacks, KLWarmup(**{"epochs": 3, **arguments})], **data)
    return [str(w.message) for w in caught if "KLWarmup" in str(w.message)]


def test_monitoring_a_loss_during_the_warmup_gives_a_warning(make_vae, x, tmp_path):
    """EarlyStopping on val_loss stops a warm-up over 30 epochs at beta = 0.57."""
    stop = keras.callbacks.EarlyStopping("val_loss", patience=9)
    best = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras", "val_loss", save_best_only=True)
    last = keras.callbacks.ModelCheckpoint(tmp_path / "b.keras", "val_loss")
    slower = keras.callbacks.ReduceLROnPlateau("loss", patience=9)
    right = keras.callbacks.EarlyStopping("val_elbo", mode="max", patience=9)
    vae = make_vae()
    said = warned(vae, x, stop, best, last, slower, right)
    names = [text.split()[0] for text in said]
    assert names == ["EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"]
    assert "Monitor 'val_elbo' with mode='max' instead." in said[0]
    assert "Monitor 'elbo' with mode='max' instead." in said[2]
    assert len(warned(vae, x, stop)) == 1  # epoch 2 of 3
    assert not warned(vae, x, stop)  # the warm-up is over
    assert not warned(make_vae(), x, stop, start=1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected an int of at least 1"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"epochs": True}, "epochs is True"),
        ({"start": -1.0}, "start is -1.0; expected a number of at least 0"),
        ({"start": "0.5"}, "start is '0.5'"),
        ({"end": -1.0}, "end is -1.0"),
        ({"end": float("nan")}, "end is nan"),
    ],
)
def test_a_bad_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        KLWarmup(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 1}, "epochs is 1; expected an int of at least 2"),
        ({"rising": 0.0}, "rising is 0.0; expected a number above 0 and at most 1"),
        ({"rising": 1.5}, "rising is 1.5"),
        ({"cycles": 0}, "cycles is 0"),
    ],
)
def test_a_bad_cycle_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CyclicalBeta(**arguments)


@pytest.mark.parametrize("first", [True, False])
def test_tensorboard_shows_what_a_schedule_moves_before_or_after_it(make_vae, x, tmp_path, first):
    board = TensorBoard(tmp_path, skip=("graph", "images", "projector", "text", "hparams"))
    rises = CapacityIncrease(epochs=2, end=6.0)
    callbacks = [board, rises] if first else [rises, board]
    make_vae(capacity=1.0).fit(x[:32], epochs=3, verbose=0, callbacks=callbacks)
    found = scalars(tmp_path, "train", "epoch_capacity")
    np.testing.assert_allclose([value for _, value in found], [0, 3, 6])
