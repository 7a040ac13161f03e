"""Laws of `Sampling`: it draws what it says, gradients pass, and evaluation noise has addresses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.testing import TestCase  # Keras's own test harness, here only

from keras_vae.layers import BLOCK, Sampling, SeedGenerator, soft_bound


def test_sampling_passes_the_harness_of_keras():
    TestCase().run_layer_test(
        Sampling,
        init_kwargs={"seed": 1},
        input_shape=((2, 3), (2, 3)),
        expected_output_shape=(2, 3),
        expected_num_trainable_weights=0,
        expected_num_non_trainable_weights=0,
        expected_num_seed_generators=2,
        expected_num_losses=0,
        supports_masking=False,
    )


@pytest.mark.parametrize("training", [True, False])
def test_draws_have_the_given_mean_and_variance(training):
    shape = (50_000, 2)
    mean, log_var = np.full(shape, 0.5, "f"), np.broadcast_to(np.log([0.25, 9.0]), shape)
    z = Sampling(seed=1)((mean, log_var.astype("f")), training=training).numpy()
    np.testing.assert_allclose(z.mean(axis=0), 0.5, atol=4 * 3 / np.sqrt(50_000))
    np.testing.assert_allclose(z.var(axis=0), [0.25, 9.0], rtol=4 * np.sqrt(2 / 50_000))


def test_gradient_of_an_expectation_equals_its_closed_form():
    """E[z^2] = m^2 + s^2: slope 2m in m, s^2 in log s^2; it would be 0 without the trick (F3)."""
    m, v, n = 0.7, np.log(0.5), 200_000
    mean, log_var = tf.Variable(m), tf.Variable(v, dtype="float32")
    with tf.GradientTape() as tape:
        z = Sampling(seed=1)((tf.fill((n, 1), mean), tf.fill((n, 1), log_var)), training=True)
        expectation = tf.reduce_mean(tf.square(z))
    by_mean, by_log_var = tape.gradient(expectation, [mean, log_var])
    assert abs(by_mean - 2 * m) < 0.01
    assert abs(by_log_var - np.exp(v)) < 0.01


@pytest.mark.parametrize("batch", [BLOCK, 2 * BLOCK, 300])
def test_evaluation_noise_of_a_row_does_not_depend_on_the_batch(batch):
    zeros = np.zeros((300, 2), "float32")
    whole = Sampling(seed=3)((zeros, zeros)).numpy()
    layer = Sampling(seed=3)
    parts = [layer((zeros[i : i + batch], zeros[i : i + batch])) for i in range(0, 300, batch)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(np.unique(whole)) == whole.size  # no block is drawn twice
    layer = Sampling(seed=3)
    uneven = [layer((zeros[i : i + 100], zeros[i : i + 100])) for i in range(0, 300, 100)]
    assert not np.array_equal(np.concatenate(uneven), whole)


def test_training_and_evaluation_draw_from_separate_streams():
    zeros = np.zeros((4, 2), "float32")
    first, second = Sampling(seed=3), Sampling(seed=3)
    first((zeros, zeros), training=False)
    np.testing.assert_array_equal(
        first((zeros, zeros), training=True), second((zeros, zeros), training=True)
    )
    assert not np.allclose(
        second((zeros, zeros), training=True), second((zeros, zeros), training=False)
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_blocks_compile_for_batches_of_unknown_size(jit_compile):
    layer = Sampling(seed=3)
    signature = [tf.TensorSpec((None, 2))] * 2
    draw = tf.function(lambda m, v: layer((m, v)), signature, jit_compile=jit_compile)
    for rows in (3, 200):
        assert draw(tf.zeros((rows, 2)), tf.zeros((rows, 2))).shape == (rows, 2)


def test_generator_on_one_device_draws_as_that_of_keras():
    ours, theirs = SeedGenerator(7), keras.random.SeedGenerator(7)
    for _ in range(2):
        np.testing.assert_array_equal(
            keras.random.normal((3,), seed=ours), keras.random.normal((3,), seed=theirs)
        )


def test_soft_bound_is_the_identity_near_zero_and_keeps_a_gradient_far_out():
    x = tf.constant([-150.0, -60.0, -1.0, 0.0, 1.0, 150.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        bounded = soft_bound(x)
    assert np.all(np.abs(bounded) <= 20)
    np.testing.assert_allclose(bounded[2:5], x[2:5], atol=1e-3)
    assert np.all(tape.gradient(bounded, x) > 0)
