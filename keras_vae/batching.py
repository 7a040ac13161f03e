"""Arrays as a `tf.data.Dataset` whose order is a function of seed and epoch.

Keras's own `fit` on arrays draws one permutation for all epochs once a global seed is set (KERAS3
4.5), which a resumed training cannot draw again. Here the order depends on seed and epoch alone. In
`fit` the epochs are the model's; in a dataset that you make they are its iterations.
"""

import keras
import numpy as np
import tensorflow as tf


def batches(arrays, batch_size=32, seed=None, shuffle=True):
    """Batches of one array, or of several side by side, in a new order at each iteration.

    Args:
        arrays: array of shape `(n, ...)`, or a tuple of such: x, (x, y) or (x, y, sample_weight).
        batch_size: int. Defaults to `32`; the last batch of an epoch holds what is left.
        seed: int, or a `SeedGenerator` whose state [seed, epoch] is read and left as it is, as
            `fit` does. Defaults to `None`, a new seed.
        shuffle: bool. `False` keeps the order of the arrays. Defaults to `True`.

    Returns:
        `tf.data.Dataset` of ceil(n / batch_size) batches, each an array or a tuple, like `arrays`.
        The rewriting of graphs is off in it, and in what is made of it.

    Example: fresh noise in every epoch, for a denoising model. The noise comes from a generator
    with a state; `tf.random.normal` would draw the same in each epoch once a global seed is set.

    >>> generator = tf.random.Generator.from_seed(1)
    >>> def add_noise(x):
    ...     return x + generator.normal(tf.shape(x)), x
    >>> data = batches(np.zeros((10, 2), "float32"), batch_size=4, seed=1).map(add_noise)
    >>> [len(noisy) for noisy, clean in data]
    [4, 4, 2]
    """
    lengths = {len(array) for array in tf.nest.flatten(arrays)}
    if len(lengths) != 1 or 0 in lengths or batch_size < 1:
        raise ValueError(
            f"The arrays have {sorted(lengths)} rows and batch_size is {batch_size}; expected "
            "arrays of one length, and at least one row in each batch."
        )
    num_rows = lengths.pop()
    steps = -(-num_rows // batch_size)
    missing = steps * batch_size - num_rows  # in the last batch

    def rows_of_batches(seed_and_epoch):  # (steps, batch_size), -1 where the last batch ends
        rows = tf.random.experimental.stateless_shuffle(tf.range(num_rows), seed=seed_and_epoch)
        return tf.reshape(tf.pad(rows, [[0, missing]], constant_values=-1), (steps, batch_size))

    def gather(rows, arrays):
        rows = tf.boolean_mask(rows, rows >= 0) if missing else rows
        return tf.nest.map_structure(lambda array: tf.gather(array, rows), arrays)

    def part(start, arrays):
        return tf.nest.map_structure(lambda array: array[start : start + batch_size], arrays)

    # Two functions and no more: each costs an iterator, and so an epoch, some milliseconds.
    if shuffle:
        rows, take = _one_an_iteration(seed, rows_of_batches).unbatch(), gather
    else:
        rows, take = tf.data.Dataset.range(0, num_rows, batch_size), part
    data = tf.data.Dataset.from_tensors(arrays).repeat()  # in host memory, passed by reference
    dataset = tf.data.Dataset.zip(rows, data).map(take)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    options = tf.data.Options()  # as Keras sets them: no rewriting of a graph that holds the data
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
    return dataset.with_options(options)


def dynamic_binarization(seed=None):
    """A map for `tf.data`: each grey value becomes 1 with that probability, else 0; anew each time.

    The usual way to train on binary MNIST (Burda 2016, section 5): every epoch sees another draw.

    Args:
        seed: int. Fixes the draws. Defaults to `None`, others in every process.

    Returns:
        Function of a tensor x with values in [0, 1], and of what may stand beside x in a dataset.

    Example:

    >>> grey = np.full((4, 28, 28, 1), 0.5, "float32")
    >>> data = batches(grey, batch_size=4, seed=1).map(dynamic_binarization(seed=1))
    >>> [np.unique(x).tolist() for x in data]
    [[0.0, 1.0]]
    """
    if seed is None:
        generator = tf.random.Generator.from_non_deterministic_state()
    else:
        generator = tf.random.Generator.from_seed(seed)

    def binarize(x, *others):
        drawn = tf.cast(generator.uniform(tf.shape(x), dtype=x.dtype) < x, x.dtype)
        return (drawn, *others) if others else drawn

    return binarize


def _one_an_iteration(seed, function):
    """A dataset of one element, function([seed, epoch]), another at each iteration."""
    once = tf.data.Dataset.range(1)
    if isinstance(seed, keras.random.SeedGenerator):
        return once.map(lambda _: function(seed.state.value))
    if seed is None:
        seed = np.random.SeedSequence().generate_state(1)[0]
    state = tf.Variable([int(seed), -1], dtype="int64")  # [seed, iterations so far], its own
    return once.map(lambda _: function(state.assign_add([0, 1])))


def for_training(dataset):
    """The dataset with the settings that suit `fit`: one thread, two batches ahead.

    A gather is short; more threads, or their automatic tuning, cost the training more time.
    """
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    options.autotune.enabled = False
    return dataset.with_options(options).prefetch(2)


class EpochCounter(keras.callbacks.Callback):
    """Counts the model's epochs; `fit` puts it first, so that a checkpoint holds the new count."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.data_order.state.assign(self.model.data_order.state + np.array([0, 1]))
