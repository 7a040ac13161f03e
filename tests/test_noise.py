"""Laws of noise: `Sampling` draws what it says, gradients pass, and every value has an address.

with noise.scope(seed=1, row=100):
    z = Sampling()((mean, log_var))          # what rows 100, 101, ... get in any other batch too
"""

import threading
from collections import Counter

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from keras.src.testing import TestCase  # Keras's own test harness, here only

from keras_vae import noise
from keras_vae.distributions import Bernoulli, Normal, NormalMixture
from keras_vae.noise import GROUP, Sampling, SeedGenerator

ZEROS = np.zeros((300, 2), "float32")


def same(one, other):
    """Equal but for rounding: TensorFlow's sine takes eight values at a time, or one."""
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def all_different(values):
    """But for the few float32 that coincide by chance."""
    return len(np.unique(values)) > 0.995 * np.size(values)


def drawn(layer, rows=300, values=2, *, row=0, seed=3, **scope):
    zeros = np.zeros((rows, values), "float32")
    with noise.scope(seed, row, **scope):
        return layer((zeros, zeros)).numpy()


# Sampling ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("where", ["training", "evaluation", "scope", "samples"])
def test_draws_have_the_given_mean_and_variance(where):
    shape = (51_200, 2)
    mean, log_var = np.full(shape, 0.5, "f"), np.broadcast_to(np.log([0.25, 9.0]), shape)
    layer, pair = Sampling(seed=1), (mean, log_var.astype("f"))
    with noise.scope(1), noise.samples(0, 2 * GROUP, Counter()):
        z = layer(pair).numpy()
    if where == "scope":
        with noise.scope(1):
            z = layer(pair).numpy()
    elif where != "samples":
        z = layer(pair, training=where == "training").numpy()
    np.testing.assert_allclose(z.mean(axis=0), 0.5, atol=4 * 3 / np.sqrt(shape[0]))
    np.testing.assert_allclose(z.var(axis=0), [0.25, 9.0], rtol=4 * np.sqrt(2 / shape[0]))
    assert scipy.stats.kstest((z[:, 0] - 0.5) / 0.5, "norm").pvalue > 1e-3


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


def test_training_and_evaluation_draw_from_separate_streams():
    first, second = Sampling(seed=3), Sampling(seed=3)
    first((ZEROS, ZEROS), training=False)
    np.testing.assert_array_equal(
        first((ZEROS, ZEROS), training=True), second((ZEROS, ZEROS), training=True)
    )
    assert not np.allclose(
        second((ZEROS, ZEROS), training=True), second((ZEROS, ZEROS), training=False)
    )


def test_a_users_own_model_validates_without_a_change_of_its_training(x):
    """Outside of any scope, in a plain Keras model around the layer."""

    def make():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((2,))
        outputs = keras.layers.Dense(2)(Sampling(seed=1)((inputs, inputs)))
        model = keras.Model(inputs, outputs)
        model.compile("sgd", loss="mse")
        return model

    x = x[:64].reshape(64, 64)[:, :2]
    alone, validated = make(), make()
    alone.fit(x, x, epochs=2, verbose=0, shuffle=False)
    validated.fit(x, x, epochs=2, verbose=0, shuffle=False, validation_data=(x, x))
    for one, two in zip(alone.get_weights(), validated.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


# Addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [1, 2, 5, 64])
def test_noise_of_a_row_depends_on_its_place_and_on_no_batch(values):
    layer = Sampling()
    whole = drawn(layer, 300, values)
    for start, rows in ((0, 7), (7, 100), (107, 1), (150, 150)):
        part = drawn(layer, rows, values, row=start)
        same(part, whole[start : start + rows])
    assert all_different(whole)
    assert not np.allclose(drawn(layer, 300, values, row=1), whole)


@pytest.mark.parametrize("values", [1, 2, 5])
def test_noise_of_a_sample_depends_on_its_number_and_on_no_group(values):
    layer = Sampling()

    def samples(first, number, rows=3, row=0):
        with noise.scope(3, row), noise.samples(first, number, Counter()):
            zeros = np.zeros((rows * number, values), "float32")
            return layer((zeros, zeros)).numpy().reshape(rows, number, values)

    many = samples(0, 40)
    assert all_different(many)
    same(samples(0, 5), many[:, :5])
    same(samples(1, 20), many[:, GROUP : GROUP + 20])
    same(samples(0, 40, rows=1, row=2), many[2:])
    assert not np.isin(drawn(layer, 3, values), many).any()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_places_are_inputs_of_a_compiled_function(jit_compile):
    """For one value of `jit_compile`: XLA draws other numbers."""
    layer = Sampling()

    def draw(row, x):
        with noise.scope(5, row):
            return layer((x, x))

    specs = [tf.TensorSpec((), "int64"), tf.TensorSpec((None, 2))]
    draw = tf.function(draw, specs, jit_compile=jit_compile)
    whole = draw(0, ZEROS).numpy()
    for start, rows in ((0, 3), (3, 200), (299, 1)):
        part = draw(start, ZEROS[:rows])
        same(part, whole[start : start + rows])
    assert all_different(whole)


def test_xla_draws_the_same_numbers():
    layer, found = Sampling(), []
    for jit_compile in (False, True):

        def draw(row, x):
            with noise.scope(5, row):
                return layer((x, x)), noise.current().stream("x").uniform((300, 2))

        specs = [tf.TensorSpec((), "int64"), tf.TensorSpec((None, 2))]
        found.append(tf.function(draw, specs, jit_compile=jit_compile)(7, ZEROS))
    for one, other in zip(*found, strict=True):
        same(one, other)


def test_rows_that_are_folded_into_the_batch_are_those_of_their_example():
    """Four values of a draw as rows of their own: (batch, 8) -> (4 batch, 2)."""
    layer = Sampling()

    @tf.function(input_signature=[tf.TensorSpec((), "int64"), tf.TensorSpec((None, 8))])
    def run(row, x):
        with noise.scope(5, row, rows=tf.shape(x)[0]):
            h = tf.reshape(x, (-1, 2))
            constant = layer((tf.zeros((3, 2)), tf.zeros((3, 2))))  # no rows of the batch
            return tf.reshape(layer((h, h)), (-1, 8)), constant

    x = np.zeros((30, 8), "float32")
    whole, constant = run(0, x)
    for start, rows in ((0, 7), (7, 1), (8, 22)):
        part, again = run(start, x[:rows])
        same(part, whole[start : start + rows])
        same(constant, again)
    assert all_different(whole)


def test_a_draw_in_a_function_of_its_own_is_refused():
    """Its graph would keep the noise of its first call."""
    layer = Sampling()
    inner = tf.function(lambda x: layer((x, x)))
    for run in (lambda: inner(ZEROS), lambda: tf.function(lambda: inner(ZEROS))()):
        with noise.scope(1), pytest.raises(ValueError, match=r"inside a tf\.function of its own"):
            run()


def test_a_stream_gives_the_requested_number_of_values_all_different():
    with noise.scope(3):
        stream = noise.current().stream("x")
        values = [stream.uniform((50, 1)).numpy() for _ in range(40)]
        values.append(noise.current().stream("x").uniform((50, 1)).numpy())
    assert all_different(values)


def test_a_stream_in_a_loop_is_refused_too():
    def run():
        with noise.scope(1):
            stream = noise.current().stream("x")

            def step(i, total):
                return i + 1, total + stream.uniform((1,))

            return tf.while_loop(lambda i, _: i < 4, step, (0, tf.zeros(1)))

    with pytest.raises(ValueError, match="inside a loop"):
        tf.function(lambda: run())()


def test_samples_of_samples_are_refused():
    with (
        noise.scope(3),
        noise.samples(0, 5, Counter()),
        pytest.raises(ValueError, match="in one over_samples"),
        noise.samples(0, 5, Counter()),
    ):
        pass


@pytest.mark.parametrize("num_samples", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_two_sets_of_samples_of_one_pass_differ(make_vae, x, num_samples):
    vae = make_vae()
    with vae.noise_scope(seed=1):
        sets = [np.array(vae.log_weights(x[:3], num_samples=num_samples)) for _ in range(2)]
    assert all_different(sets)


def test_seed_layer_draw_and_step_each_change_the_stream():
    layer, other = Sampling(seed=1), Sampling(seed=1)
    found = [drawn(layer), drawn(layer, seed=4), drawn(layer, call=1)]
    with noise.scope(3):
        found += [layer((ZEROS, ZEROS)).numpy() for _ in range(2)][1:]  # a second draw of one pass
        found.append(other((ZEROS, ZEROS)).numpy())  # another layer with the same seed
        found.append(layer((ZEROS, ZEROS), step=7).numpy())
        found.append(noise.current().stream("prior").normal((300, 2)).numpy())
        stream = noise.current().stream("x")
        found += [stream.normal((300, 2)).numpy(), stream.normal((300, 2)).numpy()]
    assert all_different(found)


def test_a_layers_stream_is_that_of_its_place_in_the_model(make_vae):
    """And so the same in another process, whatever else was made before."""
    one, two = make_vae(seed=1), make_vae(seed=2)
    draws = []
    for vae in (one, two):
        with vae.noise_scope(seed=9):
            draws.append(vae.sampling((ZEROS, ZEROS)).numpy())
    np.testing.assert_array_equal(*draws)
    by_hand = noise._FromCounter(noise.Scope(9), "sampling").normal((300, 2))
    same(draws[0], by_hand)


@pytest.mark.parametrize("training", [True, False])
def test_layers_with_the_same_seed_draw_different_noise_in_one_model(training):
    """In a step of a model; a ladder whose levels share their noise would learn a wrong bound."""
    one, two = Sampling(seed=1), Sampling(seed=1)
    names = {id(one): "sampling", id(two): "sampling_top"}
    with noise.scope(None if training else 1, names=names):
        first, second = (layer((ZEROS, ZEROS), training=training).numpy() for layer in (one, two))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.15
    third = Sampling(seed=1)((ZEROS, ZEROS), training=training).numpy()
    fourth = Sampling(seed=1)((ZEROS, ZEROS), training=training).numpy()
    np.testing.assert_array_equal(third, fourth)  # without a scope: the law, broken


def test_the_levels_of_a_ladder_share_no_noise_in_training(x):
    from tests import kinds

    ladder, seen = kinds.Ladder(*kinds.dense(2), *kinds.up_and_down(2), seed=1), []
    ladder.compile("sgd", run_eagerly=True)
    for layer in (ladder.sampling, ladder.sampling_top):
        original = layer.stream

        def stream(training=False, step=None, original=original):
            stream = original(training, step)
            seen.append(stream.normal((300, 2)).numpy().ravel())
            return stream

        layer.stream = stream
    ladder.train_on_batch(x)
    assert abs(np.corrcoef(*seen)[0, 1]) < 0.15


def test_one_noise_for_all_rows():
    layer = Sampling()
    whole = drawn(layer)
    shared = drawn(layer, shared=True)
    same(shared, np.repeat(whole[:1], 300, axis=0))
    with noise.scope(3, shared=True), noise.samples(0, 5, Counter()):
        samples = layer((ZEROS, ZEROS)).numpy().reshape(60, 5, 2)
    same(samples, np.repeat(samples[:1], 60, axis=0))
    assert len(np.unique(samples)) == 10


def test_without_noise_the_mean_is_drawn():
    mean = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    with noise.scope(1), noise.none():
        np.testing.assert_array_equal(Sampling()((mean, mean)), mean)
        stream = Sampling().stream()
        assert not np.any(stream.normal((3, 2)))
        assert np.all(stream.uniform((3, 2)).numpy() == 0.5)


class Walk(keras.layers.Layer):
    """A cell that draws at each step: z_t = z_{t-1} + eps."""

    state_size = output_size = 2

    def __init__(self, numbered):
        super().__init__()
        self.sampling, self.numbered = Sampling(), numbered

    def call(self, x, states):
        (z,) = states
        step = keras.ops.cast(x[0, 0], "int32") if self.numbered else None
        z = self.sampling((z, keras.ops.zeros_like(z)), step=step)
        return z, [z]


@pytest.mark.parametrize("numbered", [False, True])
def test_a_draw_in_a_loop_is_given_its_step_or_says_so(numbered):
    walk = keras.layers.RNN(Walk(numbered), return_sequences=True)
    steps = np.tile(np.arange(5.0, dtype="float32")[None, :, None], (3, 1, 1))
    walk(steps)  # builds, and draws from its own generator

    @tf.function
    def run():
        with noise.scope(1):
            return walk(steps)

    if not numbered:
        with pytest.raises(ValueError, match="draws inside a loop"):
            run()
        return
    path = run().numpy()
    differences = np.diff(path, axis=1).ravel()
    assert all_different(differences)


def test_the_layer_finds_the_scope_wherever_it_stands():
    """In a sub-network of a user, twice in one pass, under XLA, in a branch."""
    x = keras.Input((2,))
    network = keras.Model(x, Sampling()((x, x)))

    @tf.function
    def run(row, x):
        with noise.scope(2, row):
            a, b = network(x), network(x)
            return a, b, tf.cond(row >= 0, lambda: network(x), lambda: x)

    whole = run(tf.constant(0), ZEROS)
    part = run(tf.constant(100), ZEROS[:9])
    for all_rows, some in zip(whole, part, strict=True):
        same(all_rows[100:109], some)
    assert not np.allclose(whole[0], whole[1])


def test_a_scope_is_seen_by_its_own_thread_alone():
    seen = []
    with noise.scope(1):
        thread = threading.Thread(target=lambda: seen.append(noise.current()))
        thread.start()
        thread.join()
    assert seen == [None]
    assert noise.current() is None


# Other laws --------------------------------------------------------------------------------


def test_every_distribution_draws_by_the_place_of_a_row():
    n = 200
    distributions = {
        "normal": Normal(np.zeros((n, 3)), np.ones((n, 3))),
        "bernoulli": Bernoulli(np.zeros((n, 3))),
        "mixture": NormalMixture(np.zeros((n, 4)), np.ones((n, 4, 3)), np.zeros((n, 4, 3))),
    }
    for p in distributions.values():
        with noise.scope(1, 0):
            whole = p.sample(noise.current().stream("x")).numpy()
        with noise.scope(1, 50):
            part = p.map(lambda v: v[50:70]).sample(noise.current().stream("x")).numpy()
        same(part, whole[50:70])


@pytest.mark.parametrize("seed", [1, np.int64(1), np.uint8(1), SeedGenerator(1), (1, 0)])
def test_every_kind_of_seed_serves(seed):
    p = Normal(np.zeros((2, 2)), np.zeros((2, 2)))
    assert p.sample(seed).shape == (2, 2)
    if not isinstance(seed, SeedGenerator):
        np.testing.assert_array_equal(p.sample(seed), p.sample(1))


def test_uniform_values_are_uniform():
    values = noise.stream(1).uniform((10_000, 3)).numpy().ravel()
    assert 0 <= values.min() < values.max() < 1
    assert scipy.stats.kstest(values, "uniform").pvalue > 1e-3


# Generators --------------------------------------------------------------------------------


def test_generator_on_one_device_draws_as_that_of_keras():
    ours, theirs = SeedGenerator(7), keras.random.SeedGenerator(7)
    for _ in range(2):
        np.testing.assert_array_equal(
            keras.random.normal((3,), seed=ours), keras.random.normal((3,), seed=theirs)
        )


def test_threads_take_different_numbers_of_a_generator():
    generator, found = SeedGenerator(5), []
    threads = [
        threading.Thread(target=lambda: found.extend(generator.take() for _ in range(50)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(5, number) for number in range(1, 401)]
    assert generator.peek() == (5, 400)


def test_a_bad_seed_is_refused():
    for bad in (-1, 2**32, 1.5, "a"):
        with pytest.raises(ValueError, match="seed is"):
            Sampling(seed=bad)
