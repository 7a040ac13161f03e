"""Two logical CPU devices stand in for two GPUs.

strategy = tf.distribute.MirroredStrategy()
with strategy.scope():
    vae = VAE(*networks.dense((8, 8, 1), 2))
    vae.compile("adam")
vae.fit(x, batch_size=256)
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import weights_of


def without_noise(vae):
    """log_var at its lower bound: z is its mean to 5 digits. A penalty, which must count once."""
    vae.decoder.get_layer("hidden_1").kernel.regularizer = keras.regularizers.L2(0.5)
    head = vae.encoder.get_layer("z_log_var")
    head.kernel.assign(0 * head.kernel)
    head.bias.assign([-1e3, -1e3])
    return vae


@pytest.mark.parametrize(
    ("rows", "batch_size"),
    [  # even batches; uneven batches; a replica without a row
        pytest.param(300, 100, marks=pytest.mark.slow),
        (299, 77),
        (129, 128),
    ],
)
def test_one_global_batch_gives_the_same_update_as_on_one_device_keras3_d2(
    make_vae, x, strategy, rows, batch_size
):
    x = x[:rows]
    weights, losses = [], []
    for mirrored in (False, True):
        with strategy.scope() if mirrored else tf.distribute.get_strategy().scope():
            vae = without_noise(make_vae(optimizer=keras.optimizers.SGD(0.01)))
        history = vae.fit(x, epochs=2, batch_size=batch_size, verbose=0, validation_data=x[:50])
        weights.append(weights_of(vae))
        losses.append([history.history[name] for name in ("loss", "val_loss")])
    np.testing.assert_allclose(weights[1], weights[0], atol=2e-5)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_replicas_draw_different_noise_keras3_d4(make_vae, strategy):
    with strategy.scope():
        vae = make_vae()
    zeros = tf.zeros((4, 2))
    for training in (True, False):

        @tf.function
        def draw(training=training):
            return vae.sampling((zeros, zeros), training=training)

        first, second = strategy.experimental_local_results(strategy.run(draw))
        assert not np.allclose(first, second)
    alone = make_vae().sampling((zeros, zeros), training=True)

    with strategy.scope():
        vae = make_vae()

    @tf.function
    def draw_in_training():
        return vae.sampling((zeros, zeros), training=True)

    first, _ = strategy.experimental_local_results(strategy.run(draw_in_training))
    np.testing.assert_array_equal(first, alone)  # replica 0 draws as a single device does


def test_evaluate_works_with_a_replica_without_rows(make_vae, x, strategy):
    with strategy.scope():
        vae = make_vae()
    losses = vae.evaluate(x[:129], batch_size=128, verbose=0)  # the last batch has one row
    assert np.all(np.isfinite(losses))


def test_a_mirrored_model_trains_validates_saves_and_serves(make_vae, x, strategy, tmp_path):
    with strategy.scope():
        vae = make_vae(optimizer=keras.optimizers.Adam(1e-2))
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "vae.weights.h5", save_weights_only=True
    )
    history = vae.fit(
        x, epochs=3, verbose=0, validation_split=0.2, callbacks=[checkpoint], batch_size=64
    ).history
    assert history["loss"][-1] < history["loss"][0]
    assert vae.predict(x[:101], verbose=0).shape == (101, 8, 8, 1)
    assert vae.epochs_seen == 3
    plain = make_vae()
    plain.load_weights(tmp_path / "vae.weights.h5")
    np.testing.assert_allclose(plain.encode(x), vae.encode(x), atol=1e-6)
    np.testing.assert_allclose(plain.elbo(x), vae.elbo(x), rtol=1e-5)
    assert plain.epochs_seen == 3
