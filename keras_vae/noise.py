"""Noise: every draw has a stream of its own.

Training draws from generators with a state, which is saved with the model. In evaluation noise is
an input of what is computed: inside a `scope`, row i gets what a counter (Philox, Salmon 2011)
gives at an address made of

    seed, owner of the stream, draw of the pass, step of a loop, Monte Carlo sample, place of row i

and of nothing else: not of the batch, the thread, or what was drawn before.
"""

import collections
import contextlib
import contextvars
import dataclasses
import math
import threading
import types
import zlib

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_vae import checks

GROUP = 10  # Monte Carlo samples whose noise lies side by side, so that one pass takes them all
_PHILOX = 1
_REPLICA_STRIDE = 1_000_003
_OPEN = contextvars.ContextVar("keras_vae.noise", default=None)
_TAKING = threading.Lock()


class SeedGenerator(keras.random.SeedGenerator):
    """Keras's generator with a stream for each replica of a distribution strategy.

    Keras's gives every replica the same noise (KERAS3 D4). Replica 0, or a single device, draws
    what Keras's would.
    """

    def next(self, ordered=True):
        return super().next(ordered) + tf.stack([_replica_offset(), 0])

    def take(self):
        """Move the counter on by 1 and give (seed, counter). Threads may call it."""
        with _TAKING:
            self.advance(1)
            return self.peek()

    def peek(self):
        """(seed, counter) as Python's ints."""
        return tuple(int(number) for number in np.array(ops.convert_to_tensor(self.state)))

    def advance(self, count):
        """Move the counter on, in a graph too."""
        self.state.assign_add(ops.stack([0, ops.cast(count, "int64")]))

    def rewind(self):
        """Set the counter back to 0; the seed stays."""
        self.state.assign(ops.multiply(self.state, ops.convert_to_tensor([1, 0], "int64")))


def _replica_offset():
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.zeros((), "int64")
    return tf.cast(context.replica_id_in_sync_group, "int64") * _REPLICA_STRIDE


# Streams: where values come from ------------------------------------------------------------


class _FromGenerator:
    """Values from a generator with a state; owners with equal generators draw different values.

    `sampling`, the layer of every VAE, draws in a model what it draws outside of one.
    """

    def __init__(self, generator, owner):
        self.generator = generator
        self.offset = 0 if owner == "sampling" else zlib.crc32(owner.encode())

    def uniform(self, shape):
        return self._values(tf.random.stateless_uniform, shape)

    def normal(self, shape):
        return self._values(tf.random.stateless_normal, shape)

    def _values(self, function, shape):
        with keras.name_scope("noise"):
            return function(shape, self.generator.next() + tf.constant([self.offset, 0], "int64"))


class _FromCounter:
    """Values from their address in a `Scope`; each call is another draw of the owner."""

    def __init__(self, scope, owner="", step=None):
        self.scope, self.owner, self.step = scope, owner, step
        self.key = _int64(scope.seed) * 2**32 + zlib.crc32(owner.encode())

    def uniform(self, shape):
        return self._values(shape, lambda uniform: uniform)

    def normal(self, shape):
        return self._values(shape, _normal_from)

    def _values(self, shape, transform):
        rows, *event = shape
        width, scope = math.prod(event), self.scope
        draw = scope.number_of_draw(self.owner, self.step)
        group, calls, samples = 1, [0], scope.samples or 1
        if scope.samples is not None:  # call 0 is that of a pass without samples
            group, calls = GROUP, range(1, 1 - (-samples // GROUP))
        with keras.name_scope("noise"):
            examples = rows // samples
            factor = scope.rows_of_an_example(examples)
            if factor is None:  # no rows of the batch: the same for each batch and sample
                values = self._bits(draw, (rows, 1), 0, 0, width)
            else:
                drawn = factor if scope.shared else examples
                first = scope.row * _int64(factor)
                values = [
                    self._bits(draw, (drawn, group), first, scope.call + call, width)
                    for call in calls
                ]
                values = ops.concatenate(values, axis=1)[:, :samples]
            values = transform(values)[..., :width]
            if scope.shared and factor is not None:
                values = tf.tile(values, [examples // factor, 1, 1])
            return tf.reshape(values, [rows, *event])

    def _bits(self, draw, rows_and_group, first, call, width):
        """Uniform values in [0, 1), (*rows_and_group, a few more than width), from row `first`."""
        counts = -(-width // 4)  # a count of the counter gives four values
        low = first * (counts * rows_and_group[1])
        step = 0 if self.step is None else self.step
        high = _int64(call) * 2**32 + _int64(step) * 2**16 + draw
        bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[*rows_and_group, 4 * counts],
            key=tf.bitcast(tf.reshape(self.key, (1,)), "uint64"),
            counter=tf.bitcast(tf.stack([_int64(low), high]), "uint64"),
            alg=_PHILOX,
            dtype="uint32",
        )
        # The 23 bits of a float in [1, 2). TensorFlow's own floats are other ones under XLA.
        bits = tf.bitwise.bitwise_or(tf.bitwise.right_shift(bits, 9), 0x3F800000)
        return tf.bitcast(bits, "float32") - 1.0


def _int64(number):
    return tf.cast(number, "int64")


def _normal_from(uniform):
    """Standard normal values, each from two uniform ones of its row (Box and Muller 1958)."""
    radius, angle = tf.split(uniform, 2, axis=-1)
    radius, angle = tf.sqrt(-2 * tf.math.log1p(-radius)), 2 * math.pi * angle
    return tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=-1)


# No noise: the centre of each law.
_CENTRE = types.SimpleNamespace(normal=tf.zeros, uniform=lambda shape: tf.fill(shape, 0.5))


def stream(seed):
    """The stream that `seed` stands for; it has `normal(shape)` and `uniform(shape)`.

    Args:
        seed: int; `keras.random.SeedGenerator`; a pair (seed, number of the call) of integers or
            tensors; or a stream already.
    """
    if hasattr(seed, "normal"):
        return seed
    if isinstance(seed, keras.random.SeedGenerator):
        seed = seed.next()
    elif isinstance(seed, (int, np.integer)):
        seed = (seed, 0)
    return _FromCounter(Scope(seed[0], _int64(0), _int64(seed[1])))


# Scopes: where a function finds its noise ---------------------------------------------------


def _graph():
    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()


@dataclasses.dataclass
class Scope:
    """The addresses of the noise of one pass; `scope` opens one."""

    seed: object
    row: object = 0
    call: object = 0
    rows: object = None
    samples: object = None
    shared: bool = False
    names: dict = dataclasses.field(default_factory=dict)
    draws: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    graph: object = dataclasses.field(default_factory=_graph)

    def stream(self, owner, step=None):
        """The stream of an owner, a layer or a word, in a step of a loop."""
        return _FromCounter(self, self.name_of(owner), step)

    def name_of(self, owner):
        """A layer's place in the model; a layer that is no part of it gets a number."""
        known = isinstance(owner, str)
        return owner if known else self.names.setdefault(id(owner), f"layer {len(self.names)}")

    def number_of_draw(self, owner, step):
        """The number of this draw of the owner in this pass, from 1.

        Raises:
            ValueError: the graph would give the same noise in every step, or in every call.
        """
        graph = _graph()
        while graph is not None and graph is not self.graph:
            kind = type(graph).__name__
            if kind == "WhileBodyFuncGraph" and step is None:
                raise ValueError(
                    f"{owner} draws inside a loop, where each step would get the same noise; give "
                    "step=, the number of the step."
                )
            if kind == "FuncGraph":
                raise ValueError(
                    f"{owner} draws inside a tf.function of its own, which would keep its first "
                    "noise; leave that decorator out."
                )
            graph = getattr(graph, "outer_graph", None)
        self.draws[owner] += 1
        return self.draws[owner]

    def rows_of_an_example(self, rows):
        """How many of `rows` belong to each example of the batch; None if they are not its rows."""
        if self.rows is None:
            return 1
        if isinstance(rows, tf.Tensor):
            return rows // ops.maximum(self.rows, 1)
        known = isinstance(self.rows, int) and rows >= self.rows and rows % self.rows == 0
        return rows // self.rows if known else None


def scope(seed, row=0, call=0, *, rows=None, shared=False, names=None):
    """A context in which what is traced draws its noise from these addresses.

    Each thread has its own. A replica of a distribution strategy has another seed: open the scope
    inside the replica's function.

    Args:
        seed: int, or an integer tensor, below 2**32. `None` in training, where generators draw.
        row: int or int64 tensor. Place of the first row among all rows.
        call: int or int64 tensor. Number of the call, or of the first group of samples.
        rows: int or scalar tensor. Rows of the batch; a draw with another number of rows is the
            same for every batch. Defaults to `None`: all draws belong to rows of the batch.
        shared: bool. One noise for all rows. Defaults to `False`.
        names: dict from the id of a layer to its place in the model, the name of its stream.
    """
    seed = None if seed is None else _int64(seed) + _replica_offset()
    row = _int64(0 if shared else row)
    return _opened(Scope(seed, row, _int64(call), rows, None, shared, dict(names or {})))


@contextlib.contextmanager
def samples(first, number, draws):
    """Within a scope: rows come as `number` for each example, samples `GROUP * first` and on.

    Args:
        draws: the scope's `draws` before the first of several passes, which number theirs alike.

    Raises:
        ValueError: rows come as samples already.
    """
    outer = current()
    if outer.samples is not None:
        raise ValueError("Samples of samples have no address; draw them in one over_samples.")
    call = outer.call + _int64(first)
    inner = dataclasses.replace(
        outer, call=call, samples=number, draws=draws.copy(), graph=_graph()
    )
    with _opened(inner):
        yield
    outer.draws = inner.draws


def none():
    """A context without noise: `Sampling` gives the means."""
    return _opened(_CENTRE)


def current():
    """The scope that is open, None where there is none."""
    return _OPEN.get()


@contextlib.contextmanager
def _opened(value):
    token = _OPEN.set(value)
    try:
        yield
    finally:
        _OPEN.reset(token)


# Places: what streams and states of generators are known by ---------------------------------

_LAST = ("_layers", "_seed_generators")  # where Keras lists what stands in no attribute
_NO_PART = ("_operations", "_metrics", "_functional", "_tracker", *_LAST)


def places(owner):
    """[(place, object)] of every layer and generator: 'encoder/layers/dropout_1', for example.

    Attributes by name; the layers of a functional or sequential network by their class, numbered,
    since their names are not the same in two models; others in a list by their index.
    """
    found, seen = [], {id(owner)}

    def visit(place, value):
        if isinstance(value, (keras.layers.Layer, keras.random.SeedGenerator)):
            if id(value) not in seen:
                seen.add(id(value))
                found.append((place, value))
                visit_attributes(f"{place}/", value)
        elif isinstance(value, dict):
            for key, each in value.items():
                visit(f"{place}/{key}", each)
        elif isinstance(value, (list, tuple)):
            for index, each in enumerate(value):
                visit(f"{place}/{index}", each)

    def visit_attributes(prefix, layer):
        if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):
            numbers = collections.Counter()
            for each in layer.layers:
                name = type(each).__name__.lower()
                numbers[name] += 1
                visit(f"{prefix}layers/{name}_{numbers[name]}", each)
        names = [name for name in vars(layer) if name not in _NO_PART]
        names.sort(key=lambda name: name.startswith("_"))  # an alias comes later
        for name in (*names, *_LAST):
            visit(f"{prefix}{name}", vars(layer).get(name))

    visit_attributes("", owner)
    return found


# The layer ----------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="keras_vae")
class Sampling(keras.layers.Layer):
    """Draw z = mean + std * eps with eps ~ N(0, I), so that gradients reach mean and log_var.

    The reparameterisation trick (Kingma and Welling 2014, section 2.4; lecture row F3).

    In the evaluation of a model of this library the noise depends on the seed of the call and on
    the place of a row. Layers with the same seed draw different noise. Elsewhere two generators
    draw, one for training and one for evaluation, so that validation changes no training (KERAS3
    4.4); give each layer a seed of its own.

    Args:
        seed: int. Fixes both generators. Defaults to `None`, a seed from Python's `random`
            (`keras.utils.set_random_seed` fixes it).

    Call arguments:
        inputs: tuple `(mean, log_var)` of tensors of equal shape `(batch, ...)`.
        training: bool. Defaults to `False`.
        step: int or integer tensor, the number of the step where the layer draws inside a loop.
            Defaults to `None`.

    Returns:
        Tensor of shape `(batch, ...)`.

    Example:

    >>> Sampling(seed=1)((np.zeros((4, 2)), np.zeros((4, 2)))).shape
    TensorShape([4, 2])
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed = checks.seed(seed)
        other = None if seed is None else seed + 1
        self.seed_generator = SeedGenerator(seed, name="training_noise")
        self.evaluation_generator = SeedGenerator(other, name="evaluation_noise")
        self.built = True  # it has no weights

    def call(self, inputs, training=False, step=None):
        mean, log_var = inputs
        stream = self.stream(training, step)
        if stream is _CENTRE:
            return mean
        noise = stream.normal(ops.shape(mean))
        return mean + ops.exp(0.5 * log_var) * ops.cast(noise, mean.dtype)

    def stream(self, training=False, step=None):
        """What the layer draws from: an object with `normal(shape)` and `uniform(shape)`."""
        opened = current()
        if opened is _CENTRE:
            return _CENTRE
        if training or opened is None or opened.seed is None:
            generator = self.seed_generator if training else self.evaluation_generator
            name = "sampling" if opened is None else opened.name_of(self)
            return _FromGenerator(generator, name)
        return opened.stream(self, step)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
