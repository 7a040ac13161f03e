"""How verbs run: a function over all rows of an array, in batches, compiled once.

In evaluation, noise is drawn in blocks of 128 rows, block i from (seed, i). `over_rows` sets that
state before each batch, lets batches begin at a multiple of 128, and puts the state back:
`batch_size` changes memory and not the noise.
"""

import functools
import math

import numpy as np
import tensorflow as tf

from keras_vae.layers import BLOCK
from keras_vae.models import checks


class OverRows:
    """`over_rows`, through which every verb of a `BaseModel` goes."""

    def over_rows(
        self,
        name,
        function,
        x,
        condition=None,
        batch_size=1024,
        *,
        seed=None,
        block=0,
        numbers=(),
    ):
        """function(*numbers, x[, condition]) over all rows of x, compiled once, in batches.

        Every verb runs through it. Generators of noise are put back as they were.

        Args:
            name: str, or another constant. The same name means the same function, which is compiled
                once for a model.
            function: callable. Tensors to one tensor `(batch, ...)`.
            x: array `(n, ...)`.
            condition: array `(n, ...)`. Defaults to `None`, and is then not passed.
            batch_size: int. Rounded up to a multiple of 128. Defaults to `1024`.
            seed, block: int. Evaluation noise begins at (seed, block). Default to the model's own.
            numbers: list of arrays that are the same for all rows. Defaults to none.

        Returns:
            float32 array `(n, ...)`.
        """
        seed = checks.checked_seed(seed)
        checks.check_count(batch_size, "batch_size", least=1)
        rows = BLOCK * math.ceil(batch_size / BLOCK)
        generators = [layer.evaluation_generator for layer in self.sampling_layers]
        states = [np.array(generator.state) for generator in generators]
        outputs = []
        try:
            for start in range(0, len(x), rows):
                for i, (generator, (own, _)) in enumerate(zip(generators, states, strict=True)):
                    first = own if seed is None else seed + i
                    generator.state.assign([first, block + start // BLOCK])
                arguments = [*numbers, x[start : start + rows].astype("float32")]
                if condition is not None:
                    arguments.append(condition[start : start + rows])
                outputs.append(self._call_compiled(name, function, arguments))
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.state.assign(state)
        return np.concatenate(outputs)

    def _call_compiled(self, name, function, arrays, others=()):
        """function(*arrays) as a graph that was traced once, for any number of rows.

        Traced anew when a layer of the model was replaced, or one of the `others` that it reads.
        """
        tensors = [tf.convert_to_tensor(array) for array in arrays]
        specs = [
            tf.TensorSpec((None, *t.shape[1:]) if t.shape.rank else (), t.dtype) for t in tensors
        ]
        layers = [*self.layers, *others]
        traced, compiled = self._compiled_verbs.get((name, *specs), (None, None))
        if layers != traced:
            compiled = tf.function(function, autograph=False).get_concrete_function(*specs)
            self._compiled_verbs[name, *specs] = layers, compiled
        return np.asarray(compiled(*tensors), "float32")

    @functools.cached_property
    def _compiled_verbs(self):
        """(layers, graph) by name and shapes; a cached property is seen by no tracker of Keras."""
        return {}
