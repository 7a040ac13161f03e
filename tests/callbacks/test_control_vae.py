"""`vae.fit(x, callbacks=[ControlVAE(kl=10.0)])`: beta holds the KL at 10 nats."""

import keras
import numpy as np
import pytest

from keras_vae import VAE, networks, optimizers, zoo
from keras_vae.callbacks import ControlVAE


def make(beta=1.0, latent_dim=8, **compile_arguments):
    keras.utils.set_random_seed(0)
    vae = VAE(*networks.dense((8, 8, 1), latent_dim, hidden=(64,)), beta=beta, seed=5)
    vae.compile(optimizers.Adam(2e-3), **compile_arguments)
    return vae


def beta_after(control, kl, *, beta=1.0, times=1):
    """Beta after a KL has been seen so many times, and the sum of errors."""
    vae = make(beta)
    control.set_model(vae)
    for _ in range(times):
        vae.beta = control._controlled(kl, steps=1)
    return float(vae.beta), float(vae.control_state)


@pytest.mark.parametrize("beta", [0.0, pytest.param(100.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kl", [5.0, pytest.param(15.0, marks=pytest.mark.slow)])
def test_the_kl_is_held_at_its_set_point(x, beta, kl):
    """Also from a beta that is far from what it needs, and with ten steps for each call."""
    epochs = 150
    vae = make(beta, steps_per_execution=10 if kl == 5 else 1)
    control = ControlVAE(kl)
    logs = vae.fit(x, batch_size=30, epochs=epochs, verbose=0, callbacks=[control]).history
    assert np.mean(logs["kl_loss"][-epochs // 10 :]) == pytest.approx(kl, rel=0.03)
    assert float(vae.beta) == pytest.approx(logs["beta"][-1])
    assert 1e-3 < logs["beta"][-1] < 10


def test_a_kl_above_the_set_point_raises_beta_and_one_below_lowers_it():
    control = ControlVAE(10.0)
    assert beta_after(control, 10.0)[0] == pytest.approx(1.0)
    assert beta_after(control, 12.0)[0] > 1.0 > beta_after(control, 8.0)[0]
    # log beta = gain * log(KL / kl) + sum of errors
    log_beta = np.log(beta_after(ControlVAE(10.0, 0.5, 0.1), 12.0, times=3)[0])
    assert log_beta == pytest.approx((0.5 + 3 * 0.1) * np.log(1.2), rel=1e-5)


def test_the_sum_of_errors_stands_still_at_a_limit_of_beta():
    """Else beta would stay at its limit long after the KL has crossed the set point."""
    control = ControlVAE(10.0, beta_max=2.0, beta_min=0.5)
    for kl, limit in ((100.0, 2.0), (0.1, 0.5)):
        beta, total = beta_after(control, kl, times=1000)
        assert beta == pytest.approx(limit)
        assert abs(total) <= abs(np.log(limit)) + 1e-6
        turned = 8.0 if kl > 10 else 12.0
        after, _ = beta_after(control, turned, beta=limit, times=2)
        assert after != pytest.approx(limit)


def test_a_resumed_fit_has_the_same_curve_to_the_bit(x, tmp_path):
    """After a stop, from a backup; and from a saved file."""

    def fit(vae, epochs, *callbacks, **arguments):
        control = ControlVAE(5.0)
        return vae.fit(
            x, epochs=epochs, verbose=0, callbacks=[control, *callbacks], **arguments
        ).history

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", double_checkpoint=True)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    whole = fit(make(), 6)
    with pytest.raises(KeyboardInterrupt):
        fit(make(), 6, backup(), Stop())
    resumed = fit(make(), 6, backup())
    first = make()
    fit(first, 3)
    first.save(tmp_path / "vae.keras")
    loaded = fit(keras.models.load_model(tmp_path / "vae.keras"), 6, initial_epoch=3)
    for name in ("beta", "kl_loss", "loss"):
        assert resumed[name] == loaded[name] == whole[name][3:]
    fresh = make()
    fresh.set_weights(first.get_weights())  # without the sum of errors it is another curve
    assert fit(fresh, 6, initial_epoch=3)["beta"] != whole["beta"][3:]


def test_a_vae_that_no_controller_moved_keeps_its_files(make_vae, tmp_path):
    vae = make_vae()
    assert np.isnan(float(vae.control_state))
    assert all("control" not in variable.path for variable in vae.variables)


def test_the_last_beta_survives_restored_weights(x):
    vae = make()
    stop = keras.callbacks.EarlyStopping("elbo", mode="min", patience=1, restore_best_weights=True)
    logs = vae.fit(x, epochs=9, verbose=0, callbacks=[ControlVAE(5.0), stop]).history
    assert float(vae.beta) == pytest.approx(logs["beta"][-1])


def test_what_has_no_kl_or_a_bad_argument_is_refused(x):
    plain = zoo.autoencoder((8, 8, 1), 2)
    plain.compile(optimizers.Adam())
    with pytest.raises(
        ValueError, match="ControlVAE moves the beta of a VAE, and Autoencoder has none"
    ):
        plain.fit(x, verbose=0, callbacks=[ControlVAE(5.0)])
    for name, value in (("kl", 0.0), ("integral", 0.0), ("beta_min", 0.0), ("beta_max", 1e-9)):
        with pytest.raises(ValueError, match=f"{name} is "):
            ControlVAE(**{"kl": 5.0, name: value})
