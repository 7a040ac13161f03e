"""Data and models that many tests share, and two logical devices that stand in for two GPUs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, datasets, networks, optimizers

tf.config.threading.set_intra_op_parallelism_threads(1)  # a process of tests runs on each core
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def digits():
    """300 digits, (300, 8, 8, 1), and labels; read-only, so a test that writes to them fails."""
    (x, y), _ = datasets.load_digits(limit=300)
    x.setflags(write=False)
    return x, y


@pytest.fixture(scope="session")
def x(digits):
    return digits[0]


@pytest.fixture
def make_vae():
    """Makes a small compiled VAE for 8 x 8 images; the same arguments give the same weights."""

    def make(optimizer=None, compile_arguments=None, network=None, **arguments):
        keras.utils.set_random_seed(0)
        encoder, decoder = networks.dense(
            (8, 8, 1), **{"latent_dim": 2, "hidden": (16,), **(network or {})}
        )
        vae = VAE(encoder, decoder, **{"seed": 5, **arguments})
        vae.compile(optimizer or optimizers.Adam(), **(compile_arguments or {}))
        return vae

    return make


@pytest.fixture(scope="session")
def strategy():
    """One strategy for the whole process, because a second one fails (KERAS3 D10)."""
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    return tf.distribute.MirroredStrategy(devices)


def weights_of(model):
    """All weights in one vector."""
    return np.concatenate([np.ravel(weight) for weight in model.get_weights()])
