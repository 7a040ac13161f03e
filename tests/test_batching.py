"""The order of batches is a function of the seed and the epoch.

for x in batches(arrays, batch_size=32, seed=1): ...
"""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.batching import batches, dynamic_binarization
from keras_vae.noise import SeedGenerator


def rows(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def test_each_iteration_is_a_different_permutation():
    dataset = batches(np.arange(100), batch_size=32, seed=1)
    orders = [rows(dataset) for _ in range(5)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(100))
    assert len({tuple(order) for order in orders}) == 5


def test_a_seed_fixes_the_orders_also_under_a_global_seed_keras3_4_5():
    keras.utils.set_random_seed(0)
    first = batches(np.arange(100), seed=1)
    orders = [rows(first) for _ in range(3)]
    assert len({tuple(order) for order in orders}) == 3
    second = batches(np.arange(100), seed=1)
    np.testing.assert_array_equal([rows(second) for _ in range(3)], orders)
    assert not np.array_equal(rows(batches(np.arange(100), seed=2)), orders[0])


def test_the_orders_do_not_depend_on_the_global_seed():
    orders = []
    for global_seed in (0, 1):
        keras.utils.set_random_seed(global_seed)
        dataset = batches(np.arange(100), seed=1)
        orders.append([rows(dataset) for _ in range(3)])
    np.testing.assert_array_equal(*orders)


def test_the_first_order_is_that_of_epoch_0_also_after_the_dataset_is_deleted():
    epoch_0 = rows(batches(np.arange(100), batch_size=8, seed=SeedGenerator(1)))
    iterator = iter(batches(np.arange(100), batch_size=8, seed=1).map(lambda x: x + 0))
    gc.collect()
    np.testing.assert_array_equal(rows(iterator), epoch_0)


def test_a_generators_state_is_the_seed_and_the_epoch():
    generator = SeedGenerator(4)
    dataset = batches(np.arange(50), seed=generator)
    first = rows(dataset)
    np.testing.assert_array_equal(rows(dataset), first)  # the state is read and not changed
    generator.state.assign([4, 1])
    second = rows(dataset)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(rows(batches(np.arange(50), seed=generator)), second)


def test_rows_of_several_arrays_stay_together():
    x, y = np.arange(10.0)[:, None], np.arange(10)
    for a, b in batches((x, y), batch_size=4, seed=1):
        np.testing.assert_array_equal(a[:, 0], b)


def test_unshuffled_batches_keep_the_order_and_the_size_is_known():
    dataset = batches(np.arange(10), batch_size=4, shuffle=False)
    assert [batch.tolist() for batch in dataset.as_numpy_iterator()] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert dataset.cardinality() == 3
    last = list(batches(np.arange(9), batch_size=4, shuffle=False).as_numpy_iterator())[-1]
    assert last.tolist() == [8]


@pytest.mark.parametrize(
    ("arrays", "batch_size"),
    [((np.zeros(3), np.zeros(4)), 2), (np.zeros(0), 2), (np.zeros(3), 0), ((), 2)],
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_invalid_arrays_and_batch_sizes_are_refused(arrays, batch_size, shuffle):
    with pytest.raises(ValueError, match="arrays of one length"):
        batches(arrays, batch_size, shuffle=shuffle)


def test_fresh_noise_in_every_epoch_needs_a_generator_with_a_state():
    """As in the docstring of `batches`; tf.random.normal repeats its values (KERAS3 4.5)."""
    keras.utils.set_random_seed(0)
    generator = tf.random.Generator.from_seed(1)
    clean = batches(np.zeros((10, 2), "float32"), seed=1)

    def two_epochs(noise):
        noisy = clean.map(lambda x: (x + noise(tf.shape(x)), x))
        return [np.concatenate([x for x, _ in noisy]) for _ in range(2)]

    assert not np.allclose(*two_epochs(generator.normal))
    assert np.allclose(*two_epochs(tf.random.normal))


def test_dynamic_binarization_draws_new_values_in_every_epoch():
    keras.utils.set_random_seed(0)  # with it, tf.random.uniform would repeat its values (4.5)
    grey = np.broadcast_to(np.float32([0, 0.2, 0.7, 1]), (5000, 4))

    def epochs(seed):
        dataset = batches(grey, batch_size=1000, seed=1).map(dynamic_binarization(seed))
        return np.stack([rows(dataset) for _ in range(4)])

    drawn = epochs(seed=3)
    assert drawn.dtype == "float32"
    np.testing.assert_array_equal(np.unique(drawn), [0, 1])
    np.testing.assert_allclose(drawn.mean(axis=1), np.tile(grey[:1], (4, 1)), atol=0.03)
    assert drawn[..., 0].max() == 0
    assert drawn[..., 3].min() == 1
    assert len({epoch.tobytes() for epoch in drawn}) == 4
    np.testing.assert_array_equal(epochs(seed=3), drawn)
    assert not np.array_equal(epochs(seed=None), drawn)


def test_dynamic_binarization_changes_only_x():
    x, y = np.full((4, 2), 0.5, "float32"), np.arange(4)
    for drawn, labels in batches((x, y), seed=1).map(dynamic_binarization(seed=1)):
        assert set(np.unique(drawn)) <= {0, 1}
        assert sorted(labels.numpy()) == [0, 1, 2, 3]
