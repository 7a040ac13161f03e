"""The verbs of every model: arrays in, NumPy arrays out, in batches.

A verb is a function of tensors that is compiled once, for any number of rows. Its noise is an input
of what is compiled: a seed, and the place of each row among all (`noise.scope`). So `batch_size`
changes memory and nothing else, verbs may run in threads and beside `fit`, and none changes a state
of the model, but for `generate` without a seed, which counts its calls.
"""

import functools
import math
import threading
import types

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_vae import checks, noise

_SAMPLES_A_CALL = 50 * noise.GROUP  # of `log_likelihood`, whatever their number in all
_TRACING = threading.RLock()


class Inference:
    """encode, decode, reconstruct, generate, interpolate, elbo, log_likelihood, predict."""

    def encode(self, x, batch_size=1024, *, condition=None, level=-1, sample=False, seed=None):
        """Latents that stand for x: the means of q(z|x), or a draw from it.

        Args:
            x: array `(n, ...)`.
            batch_size: int. Rows at a time; it changes memory and no result. Defaults to `1024`.
            condition: array of n conditions, for a model that reads one: labels `(n,)`, vectors or
                images `(n, ...)`. Defaults to `None`.
            level: int. Which level of latents, where a model has several: 0 is the one that the
                decoder reads. Defaults to `-1`, the top one.
            sample: bool. Draw z from q(z|x) in place of its mean. Defaults to `False`.
            seed: int. Fixes the draws. Defaults to `None`, the model's own seed, at every call.

        Returns:
            array `(n, latent_dim)`: float32, or integers of a model whose codes are such.

        Raises:
            ValueError, TypeError: x or condition do not fit the model; there is no such level.
        """
        x, condition = self._checked_input(x, condition)
        levels = len(self.signature.latent_shapes)
        if level not in range(-levels, levels):
            raise ValueError(f"level is {level!r}; this model has levels 0 to {levels - 1}.")

        def code(x, condition=None):
            condition = self.infer_condition(x, condition)
            if not sample:
                return self.codes(x, condition)[level]
            drawn = self.infer(self.posterior(x, condition), condition)
            return (drawn.z, *drawn.above)[level]

        if sample and not self.has_posterior:
            self.posterior(x)  # says that there is none
        name = ("encode", level, sample)
        return self.over_rows(name, code, (x, condition), batch_size, seed=seed)

    def decode(self, z, batch_size=1024, *, condition=None):
        """Means of p(x|z), an array `(n, ...)` of the data's shape; modes where x are tokens.

        Args:
            z: array `(n, latent_dim)`. Of several levels it is the top one; the lower ones are the
                means of their priors.
            condition: array of n conditions, or one for all n. Defaults to `None`.
        """
        z = checks.array(z, "z")
        condition = self.signature.check_conditions(condition, len(z), one_for_all=True)
        self.ensure_built(y=condition)
        z = self.signature.check_latents(z)

        def point(z, condition=None):
            with noise.none():
                z = self.lower(z, condition)
            return self.likelihood(z, condition).point

        return self.over_rows("decode", point, (z, condition), batch_size)

    def reconstruct(self, x, batch_size=1024, *, condition=None):
        """The mean of p(x|z) at the mean of q(z|x): `predict` with less overhead, `(n, ...)`.

        Args, Raises: as in `encode`.
        """
        x, condition = self._checked_input(x, condition)

        def point(x, condition=None):
            return self(x if condition is None else (x, condition))

        return self.over_rows("reconstruct", point, (x, condition), batch_size)

    def predict(
        self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, *, condition=None
    ):
        """Reconstructions: the mean of p(x|z) at the mean of q(z|x). Arguments as Keras's.

        A dataset gives the condition itself, as (x, condition); with an array it is `condition=`.
        """
        if batch_size is not None:
            checks.count(batch_size, "batch_size")
        if checks.is_array(x):
            x, condition = self._checked_input(x, condition)
            if condition is not None:
                x = self._batched((x, condition, None), batch_size, steps, shuffle=False)
                batch_size = None
        elif not hasattr(x, "__iter__") or isinstance(x, (dict, tuple)):
            checks.array(x)  # says what is expected
        elif condition is not None:
            raise TypeError("condition= goes with an array; a dataset gives (x, condition) itself.")
        self.follow_layers()
        return super().predict(
            x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks
        )

    def predict_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        x = self.signature.cast(x)
        return self(x if y is None else (x, y), training=False)  # Keras would drop y

    def generate(
        self, n, seed=None, sample=False, *, condition=None, latents=None, batch_size=1024
    ):
        """New examples: z ~ p(z), then the mean of p(x|z), or a draw from it.

        Args:
            n: int, at least 1.
            seed: int. The same seed gives the same examples; a larger n begins with them. Defaults
                to `None`: new examples at each call.
            sample: bool. Draw x from p(x|z) in place of its mean. Defaults to `False`.
            condition: array of n conditions, or one for all n. Defaults to `None`.
            latents: Prior to draw z from, for example a `priors.Mixture` fitted to the latents of
                data. Defaults to `None`, the model's own.

        Returns:
            array `(n, ...)`.

        Raises:
            ValueError, TypeError: condition or latents do not fit the model, or it has no p(z).
        """
        n, seed, call = checks.count(n, "n"), checks.seed(seed), 0
        condition = self.signature.check_conditions(condition, n, one_for_all=True)
        self.ensure_built(y=condition)
        if latents is not None:
            self.signature.check_prior(latents, "latents", condition)
        elif not self.has_prior:
            self.prior()  # says that there is none
        if None in self.signature.latent_shape:
            raise ValueError("The latents have an axis of unknown length; decode(z) of your own.")
        prior = self.prior if latents is None else latents.distribution
        if seed is None:
            seed, call = self.generation_noise.take()  # from 1; call 0 is that of a seed

        def draw(empty, condition=None):
            shape = (ops.shape(empty)[0], *self.signature.latent_shape)
            z = prior(condition).sample(noise.current().stream("prior"), shape)
            p_x = self.likelihood(self.lower(z, condition), condition)
            return p_x.sample(noise.current().stream("x")) if sample else p_x.point

        arrays = np.zeros((n, 0), "float32"), condition
        name, reads = ("generate", sample), [] if latents is None else [latents]
        return self.over_rows(name, draw, arrays, batch_size, seed=seed, call=call, reads=reads)

    def interpolate(self, x0, x1, steps=10, batch_size=1024, *, condition=None):
        """A path from x0 to x1: a straight line between their codes, decoded: `(n, steps, ...)`.

        Args:
            x0, x1: arrays `(n, ...)` of one shape: where each path begins and ends.
            steps: int, at least 2. Points of a path, both ends included. Defaults to `10`.
            condition: array of n conditions, or one for all n. Defaults to `None`.
        """
        steps = checks.count(steps, "steps", least=2)
        condition = self.signature.check_conditions(condition, len(x0), one_for_all=True)
        ends = [self.encode(x, batch_size, condition=condition) for x in (x0, x1)]
        checks.lengths(x0=ends[0], x1=ends[1])
        z = np.linspace(*ends, steps, axis=1, dtype="float32")  # (n, steps, latent_dim)
        if condition is not None:
            condition = np.repeat(condition, steps, axis=0)
        decoded = self.decode(z.reshape(-1, *z.shape[2:]), batch_size, condition=condition)
        return decoded.reshape(*z.shape[:2], *decoded.shape[1:])

    def elbo(self, x, seed=None, batch_size=1024, *, condition=None):
        """The evidence lower bound of each example, in nats, at beta = 1 (lecture row F1): `(n,)`.

            ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)) <= log p(x)

        Estimated with one draw of z for each example. `seed` fixes it, and defaults to the model's.

        Raises:
            ValueError: x is not within the support of the likelihood, or does not fit the model.
            TypeError: the model has no densities.
        """
        x, condition = self._checked_input(x, condition, with_density=True)

        def bound(x, condition=None):
            return self.objective(x, condition, training=False)["elbo"]

        return self.over_rows("elbo", bound, (x, condition), batch_size, seed=seed)

    def log_likelihood(self, x, num_samples=500, seed=None, batch_size=1024, *, condition=None):
        """Importance-weighted estimate of log p(x) of each example, in nats (Burda 2016, eq. 8).

            log p(x) ~ log 1/K sum_k p(x, z_k) / q(z_k|x),   z_k ~ q(z|x)

        On average a lower bound on log p(x), which equals the ELBO for K = 1 and rises with K
        (lecture row F8).

        Args:
            num_samples: int. K, exactly this many. Defaults to `500`.
            batch_size: int. Rows in one pass of the decoder; 10 of them belong to one example.
                Defaults to `1024`.
            x, seed, condition: as in `elbo`, whose errors it raises too.

        Returns:
            float32 array `(n,)`.
        """
        num_samples = checks.count(num_samples, "num_samples")
        checks.count(batch_size, "batch_size")
        x, condition = self._checked_input(x, condition, with_density=True)
        few = num_samples if num_samples < noise.GROUP else None  # compiled for their number
        total = -np.inf  # log of the sum of the weights so far
        for done in range(0, num_samples, _SAMPLES_A_CALL):
            number = min(_SAMPLES_A_CALL, num_samples - done)

            def log_sum(number, x, condition=None):
                weights = self.log_weights(x, condition, few or number)
                return ops.logsumexp(weights, axis=1)

            part = self.over_rows(
                ("log_likelihood", few),
                log_sum,
                (x, condition),
                math.ceil(batch_size / min(num_samples, noise.GROUP)),
                seed=seed,
                call=done // noise.GROUP,
                numbers=[np.array(number)],
            )
            total = np.logaddexp(total, part.astype("float64"))
        return (total - math.log(num_samples)).astype("float32")

    # How a verb runs -----------------------------------------------------------------------

    def over_rows(
        self,
        name,
        function,
        arrays,
        batch_size=1024,
        *,
        seed=None,
        call=0,
        shared=False,
        numbers=(),
        reads=(),
    ):
        """function(*numbers, *arrays) over all rows of the arrays, compiled once, in batches.

        Every verb runs through it. The function draws within a `noise.scope`.

        Args:
            name: hashable. One name means one function: it is compiled once for a model, and again
                after something that it may read has changed.
            function: callable. Tensors to one tensor `(batch, ...)`.
            arrays: tuple of arrays `(n, ...)`; what is None is not passed.
            seed, call, shared: of the noise, as in `noise.scope`; the model's own seed if None.
            numbers: arrays that are the same for all rows.
            reads: layers that the function reads beside the model's.

        Returns:
            array `(n, ...)` of the dtype that the function gives, half precision as float32.
        """
        if not tf.executing_eagerly():
            raise RuntimeError(
                "A verb gives NumPy arrays and cannot run within a tf.function; call objective, "
                "posterior or likelihood there."
            )
        checks.count(batch_size, "batch_size")
        seed = self.evaluation_noise.peek()[0] if seed is None else checks.seed(seed)
        arrays = [array for array in arrays if array is not None]
        compiled = self._compiled(name, function, numbers, arrays, shared, reads)
        numbers = [tf.convert_to_tensor(number) for number in numbers]
        outputs = []
        for start in range(0, len(arrays[0]), batch_size):
            batch = [tf.convert_to_tensor(array[start : start + batch_size]) for array in arrays]
            place = tf.constant([seed, start, call], "int64")
            outputs.append(compiled(place, *numbers, *batch).numpy())
        return np.concatenate(outputs)

    def _compiled(self, name, function, numbers, arrays, shared, reads):
        specs = [tf.TensorSpec(np.shape(number), number.dtype) for number in numbers]
        specs += [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
        key, state = (name, shared, *specs), self._fingerprint(reads)
        found = self._compiled_verbs.get(key)
        if found is not None and found.state == state:
            return found.graph

        def in_scope(place, *inputs):
            seed, row, call = tf.unstack(place)
            rows = tf.shape(inputs[len(numbers)])[0]
            with self.noise_scope(seed, row, call, rows=rows, shared=shared):
                values = function(*inputs)
            return ops.cast(values, "float32") if values.dtype.is_floating else values

        with _TRACING:
            compiled = tf.function(in_scope, autograph=False).get_concrete_function(
                tf.TensorSpec((3,), "int64"), *specs
            )
        # In an object that Keras does not search for layers when it saves.
        self._compiled_verbs[key] = types.SimpleNamespace(state=state, graph=compiled)
        return compiled

    @functools.cached_property
    def _compiled_verbs(self):
        """Graphs by name and shapes; a cached property is seen by no tracker of Keras."""
        return {}

    def _checked_input(self, x, condition=None, *, with_density=False):
        """x and condition as arrays that the networks can read, of a model that is built."""
        if with_density and not self.has_densities:
            self.log_weights(x)  # says that there are none
        x, condition = self.signature.check(x, condition)
        if with_density or x.dtype.kind == "u":  # a float may be noisy; a byte is no noisy value
            self.likelihood_layer.check(x, "x")
        self.ensure_built(x, condition)
        return x.astype("int32" if self.signature.integers else "float32", copy=False), condition
