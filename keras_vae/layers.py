"""`Sampling`, the reparameterisation trick as a layer: z = mean + std * eps, eps ~ N(0, I).

The draw is written as a function of mean and log_var and of noise that has no parameters, so that
gradients flow through it (Kingma and Welling 2014, section 2.4; lecture row F3).
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

BLOCK = 128  # rows of evaluation noise that share one seed
SAMPLE_STRIDE = 2**32  # from the seeds of one sample of all rows to those of the next
_REPLICA_STRIDE = 1_000_003


class SeedGenerator(keras.random.SeedGenerator):
    """Keras's generator, but each replica of a distribution strategy has a stream of its own.

    Keras's gives every replica the same noise (KERAS3 D4). Replica 0, or a single device, draws
    what Keras's would.
    """

    def next(self, ordered=True):
        return super().next(ordered) + self._offset()

    def take(self, count):
        """The state as a (2,) tensor, [seed, counter]; the counter moves on by `count`."""
        state = self.state.value * 1
        self.state.assign_add(tf.stack([tf.zeros((), state.dtype), tf.cast(count, state.dtype)]))
        return state + self._offset()

    def rewind(self):
        """Set the counter back to 0; the seed stays."""
        self.state.assign(ops.multiply(self.state, ops.convert_to_tensor([1, 0], "int64")))

    @staticmethod
    def _offset():
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return tf.zeros((2,), "int64")
        replica = tf.cast(context.replica_id_in_sync_group, "int64")
        return tf.stack([replica * _REPLICA_STRIDE, tf.zeros((), "int64")])


@keras.saving.register_keras_serializable(package="keras_vae")
class Sampling(keras.layers.Layer):
    """Draw z ~ N(mean, exp(log_var)), so that gradients reach mean and log_var.

    Two generators of noise: one for training, one for evaluation, so that validating changes no
    training (KERAS3 4.4). In evaluation, noise comes in blocks of 128 rows, each from its own
    seed: row i gets the same noise whatever the size of the batch it stands in, as long as
    batches begin at a multiple of 128.

    Args:
        seed: int. Fixes both streams of noise. Defaults to `None`, a seed from Python's `random`
            (`keras.utils.set_random_seed` fixes it).

    Call arguments:
        inputs: tuple `(mean, log_var)` of tensors of equal shape `(batch, ...)`.
        training: bool. Which of the two generators draws. Defaults to `False`.

    Returns:
        Tensor of shape `(batch, ...)`.

    Example:

    >>> z = Sampling(seed=1)((np.zeros((4, 2)), np.zeros((4, 2))))
    >>> z.shape
    TensorShape([4, 2])
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed, name="training_noise")
        evaluation_seed = None if seed is None else seed + 1
        self.evaluation_generator = SeedGenerator(evaluation_seed, name="evaluation_noise")

    def call(self, inputs, training=False):
        mean, log_var = inputs
        shape = ops.shape(mean)
        with keras.name_scope("noise"):
            if training:
                noise = keras.random.normal(shape, seed=self.seed_generator)
            else:
                noise = self._noise_in_blocks(shape)
        return mean + ops.exp(0.5 * log_var) * ops.cast(noise, mean.dtype)

    def _noise_in_blocks(self, shape):
        rows, *event = shape
        blocks = (rows + BLOCK - 1) // BLOCK  # the last one is cut off
        first = self.evaluation_generator.take(blocks)

        def block(index):
            return tf.random.stateless_normal(
                (BLOCK, *event), tf.stack([first[0], first[1] + index])
            )

        noise = tf.map_fn(
            block,
            tf.range(tf.cast(blocks, "int64")),
            fn_output_signature=tf.TensorSpec((BLOCK, *event), "float32"),
        )
        return ops.reshape(noise, (blocks * BLOCK, *event))[:rows]

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_vae")
def soft_bound(x, limit=20.0):
    """x, bent gently into (-limit, limit): near the identity for |x| < limit / 2.

    As the activation of a log-variance it keeps exp(log_var) finite (KERAS3 14.3), and unlike a
    hard clip it keeps a gradient far beyond the limit: up to |x| of about 8 * limit in float32.
    """
    return limit * ops.tanh(x / limit)


def checked_size(size, name):
    """A size as Python's int.

    Raises:
        ValueError: it is no int of at least 1.
    """
    if isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size > 0:
        return int(size)
    raise ValueError(f"{name} is {size!r}; expected an int of at least 1.")


def checked_condition_size(condition):
    """What a network or a prior reads: an int, the number of classes; a shape, a tuple; or None.

    Raises:
        ValueError: it is none of these.
    """
    if condition is None:
        return None
    is_shape = isinstance(condition, (tuple, list))
    try:
        sizes = [checked_size(n, "size") for n in (condition if is_shape else [condition])]
    except ValueError:
        sizes = []
    if not sizes:
        raise ValueError(
            f"condition is {condition!r}; expected the number of classes, an int, or the shape of "
            "a vector or an image."
        )
    return tuple(sizes) if is_shape else sizes[0]
