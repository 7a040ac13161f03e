"""`fit` and `evaluate`: Keras's own, after one look at the data.

Data are checked once, before anything is trained, and not in every step, where a check would cost
time and vanish under XLA (KERAS3 15). Arrays then go through `batching`. Model and optimizer are
built before the first step is traced.
"""

import collections
import math
import types

import keras
import tensorflow as tf
from keras import ops

from keras_vae import batching, checks

_MAX_EXAMPLES = 1000
Examples = collections.namedtuple("Examples", ["x", "y", "of", "rows"])


class Training:
    """The data side of a `BaseModel`."""

    # While `fit` runs, what callbacks may look at: the first rows of the validation data, else of
    # the training data (`of`), and how many `rows` there are. Of a dataset: of its first batch.
    fit_examples = None

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Train, as `keras.Model.fit` does; the arguments and the `History` are Keras's.

        All values of arrays are checked; their order follows from seed and epoch (`batching`). Of
        a `tf.data.Dataset` with a known or infinite size the first batch is checked; a `shuffle` in
        it then starts with its second order. Generators are not checked. Call `compile` again after
        you freeze or thaw layers.

        Args:
            x: array `(n, ...)`, `tf.data.Dataset`, `keras.utils.PyDataset` or generator.
            y: array. The target where it is not x itself (denoising: x noisy, y clean); or what the
                model reads beside x, a condition or labels, -1 where unknown.
            class_weight: dict, for models whose y are labels; others need `sample_weight`.

        Raises:
            ValueError, TypeError: the data do not fit the model; nothing was trained.
        """
        self._check_compiled()
        if self.optimizer is None:
            raise ValueError("The model was compiled without an optimizer; compile with one.")
        if class_weight is not None and sample_weight is not None:
            raise ValueError("Both class_weight and sample_weight are given; give one.")
        in_memory = checks.is_array(x)
        if in_memory:
            arrays = self._checked(x, y, sample_weight)
            if validation_split and validation_data is None:
                cut = checks.split_point(len(arrays[0]), validation_split)
                validation_data = tuple(a if a is None else a[cut:] for a in arrays)
                arrays = tuple(a if a is None else a[:cut] for a in arrays)
            validation_split = 0.0
            if class_weight is not None:  # for training alone, as in Keras
                arrays = (*arrays[:2], checks.class_weights(class_weight, arrays[1]))
        else:
            if y is not None:
                raise ValueError("y goes with an array x; other data give (x, y) themselves.")
            arrays = self._peeked(x, "x")
            if class_weight is not None:
                checks.class_weights(class_weight, None)
        validation = (None, None, None)
        if validation_data is not None:
            validation = checks.unpacked(validation_data, "validation_data")
            if checks.is_array(validation[0]):
                validation = self._checked(*validation, of="validation_data: ")
                size = validation_batch_size or batch_size
                validation_data = self._batched(validation, size, validation_steps, shuffle=False)
            else:
                validation = self._peeked(validation_data, "validation_data")
        self.ensure_built(*arrays[:2])
        self.follow_layers()
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)  # of loss scaling
        known = {id(variable) for variable in optimizer._trainable_variables}
        if any(id(variable) not in known for variable in self.trainable_variables):
            raise ValueError(
                "The model has weights that its optimizer does not know, by LoRA or a thawed or "
                "replaced layer; call compile again."
            )

        if in_memory:
            x = self._batched(arrays, batch_size, steps_per_epoch, shuffle)
            y = sample_weight = class_weight = None
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = callbacks.callbacks
        elif isinstance(callbacks, keras.callbacks.Callback):
            callbacks = [callbacks]
        callbacks = [batching.EpochCounter(), *(callbacks or [])]
        for callback in callbacks:
            getattr(callback, "before_fit", lambda _: None)(callbacks)
        try:
            self._keep_examples(validation=validation, train=arrays)
            history = super().fit(
                x,
                y,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_split=validation_split,
                validation_data=validation_data,
                shuffle=shuffle and isinstance(x, keras.utils.PyDataset),
                class_weight=class_weight,
                sample_weight=sample_weight,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_freq=validation_freq,
            )
            for callback in callbacks:
                # After every on_train_end, in which EarlyStopping may have put back old weights.
                getattr(callback, "after_fit", lambda: None)()
        finally:
            vars(self).pop("fit_examples", None)
        return history

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """The losses on given data, in nats, as `keras.Model.evaluate` gives them.

        Two calls agree to the bit, and for another `batch_size` to rounding: the noise of a row
        depends on its place among all rows, and begins anew at each call.
        """
        if not kwargs.get("_use_cached_eval_dataset"):  # not from within `fit`, which has checked
            self._check_compiled()
            if checks.is_array(x):
                arrays = self._checked(x, y, sample_weight)
                x = self._batched(arrays, batch_size, steps, shuffle=False)
                y = sample_weight = None
            else:
                self._peeked(x, "x")
            self.follow_layers()
        return super().evaluate(
            x,
            y,
            verbose=verbose,
            sample_weight=sample_weight,
            steps=steps,
            callbacks=callbacks,
            return_dict=return_dict,
            **kwargs,
        )

    def train_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """One step on one batch, checked as in `fit`; arguments as Keras's."""
        return super().train_on_batch(*self._one_batch(x, y, sample_weight), **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """The losses on one batch, checked as in `fit`; arguments as Keras's."""
        return super().test_on_batch(*self._one_batch(x, y, sample_weight), **kwargs)

    def _keep_examples(self, **sources):
        for name, (x, y, _) in sources.items():
            if x is not None:
                kept = (a if a is None else a[:_MAX_EXAMPLES].copy() for a in (x, y))
                vars(self)["fit_examples"] = Examples(*kept, name, len(x))  # unseen by trackers
                return

    def _one_batch(self, x, y, sample_weight):
        self._check_compiled()
        arrays = self._checked(x, y, sample_weight)
        self.ensure_built(*arrays[:2])
        return arrays

    def _batched(self, arrays, batch_size, steps, shuffle):
        if batch_size is not None:
            checks.count(batch_size, "batch_size")
        rows = len(arrays[0])
        batch_size = batch_size or (math.ceil(rows / steps) if steps else 32)  # as Keras
        x, y, sample_weight = arrays
        if sample_weight is not None and y is None:
            y = self.signature.roles(x)[2 if self.signature.reads_condition else 1]
            # (x, None, w) would lose w without a word (KERAS3 8.1)
        packed = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return batching.for_training(batching.batches(packed, batch_size, self.data_order, shuffle))

    def _checked(self, x, y=None, sample_weight=None, of=""):
        """x, y and sample_weight as arrays that this model can be trained on."""
        x = checks.array(x, f"{of}x")
        y = None if y is None else checks.array(y, f"{of}y")
        if sample_weight is not None:
            sample_weight = checks.array(sample_weight, f"{of}sample_weight")
        checks.lengths(x=x, y=y, sample_weight=sample_weight)
        if sample_weight is not None:
            checks.weights(sample_weight, f"{of}sample_weight")
        self.signature.check_data(x, y, self.likelihood_layer, of)
        return x, y, sample_weight

    def _check_compiled(self):
        """`loss=` and `metrics=` would be ignored by the step, without a word (KERAS3 1.2)."""
        if not self.compiled:
            raise ValueError(
                f"This {type(self).__name__} is not compiled; call compile(optimizer='adam') first."
            )
        try:
            config = self.get_compile_config()
        except (NotImplementedError, TypeError):
            return  # an optimizer or a schedule of the user's own that has no config
        for name in ("loss", "metrics", "weighted_metrics"):
            if config.get(name) is not None:
                raise ValueError(
                    f"compile() was given {name}=, which this {type(self).__name__} would ignore: "
                    f"it brings its own loss. Compile without {name}."
                )

    def _peeked(self, data, name):
        """The first batch of the data, checked; (None, None, None) where looking would cost it."""
        if isinstance(data, keras.utils.PyDataset):
            batch = data[0]
        elif (
            isinstance(data, tf.data.Dataset) and data.cardinality() != tf.data.UNKNOWN_CARDINALITY
        ):
            batch = next(iter(data.take(1)), None)
            if batch is None:
                raise ValueError(f"{name} is an empty dataset.")
        elif hasattr(data, "__iter__") and not isinstance(data, (dict, tuple)):
            return None, None, None
        else:
            raise TypeError(
                f"{name} is a {type(data).__name__}; expected an array of examples, a "
                "tf.data.Dataset, a PyDataset or a generator; x and y are two arguments."
            )
        of = f"first batch of {name}: "
        return self._checked(*checks.unpacked(batch, of), of=of)

    # Weights before the first step ----------------------------------------------------------

    @property
    def built(self):
        """Whether every network has its weights, those that a subclass adds too."""
        return self._built and all(layer.built for layer in self.layers)

    @built.setter
    def built(self, value):
        self._built = value

    def build(self, input_shape):
        """Make the missing weights by a pass over zeros; the shape of x, or a pair, of x and y."""
        signature = self.signature
        is_pair = isinstance(input_shape[0], (tuple, list))
        x_shape, y_shape = input_shape if is_pair else (input_shape, None)
        x = signature.cast(ops.zeros((1, *checks.inner_shape(x_shape))))
        y_shape = checks.inner_shape(y_shape) if is_pair else signature.condition_shape
        y = None if y_shape is None else ops.zeros((1, *y_shape), "int32" if not y_shape else None)
        with self.distribute_strategy.scope():
            if not self._built:
                signature.read_pass(self, x, signature.roles(x, y).condition)
                if hasattr(self, "prior_layer"):
                    signature.read_prior(self.prior_layer)
            self.objective(x, y)

    def ensure_built(self, x=None, y=None):
        """Everything that a step needs exists before its first trace (KERAS3 6.1, 19.8)."""
        signature = self.signature
        if not self.built:
            shape = (None, *(signature.x_shape or [None])) if x is None else x.shape
            unknown = signature.second == "condition" and y is None and signature.condition is None
            if None in shape[1:] or unknown:
                raise ValueError(
                    "The networks do not know the shape of their input yet, and there are no data "
                    "to tell it; call the model on a batch first."
                )
            self.build(shape if y is None else (shape, y.shape))
        if self._build_shapes_dict is None:  # TensorFlow's LiteRT converter asks for it (KERAS3 E4)
            shapes = [shape for shape, _ in signature.specs()]
            self._build_shapes_dict = {"input_shape": shapes if len(shapes) > 1 else shapes[0]}
        optimizer = getattr(self, "optimizer", None)
        if optimizer is not None and not optimizer.built:
            with self.distribute_strategy.scope():
                optimizer.build(self.trainable_variables)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build. Keras's own fails where replicas get unequal first batches."""

    # What is compiled ------------------------------------------------------------------------

    def forget_compiled(self):
        """Compile verbs and steps anew at their next use: something that they read has changed."""
        self._compiled_verbs.clear()
        for name in ("train", "test", "predict"):
            if vars(self).get(f"{name}_function") is not None:
                getattr(self, f"make_{name}_function")(force=True)

    def _fingerprint(self, reads=()):
        """All that a compiled function treats as constant in a layer and Keras can change."""

        def of_layer(layer):
            weights = (*layer._trainable_variables, *layer._non_trainable_variables)
            lora = getattr(layer, "lora_enabled", None)
            return layer, layer.trainable, layer.dtype_policy.name, lora, [id(v) for v in weights]

        return [of_layer(each) for each in (*self._flatten_layers(include_self=False), *reads)]

    def follow_layers(self):
        """Compile the steps anew if a layer was frozen, replaced, quantized or given LoRA."""
        state = types.SimpleNamespace(state=self._fingerprint())
        if vars(self).setdefault("_steps_of", state) != state:
            vars(self)["_steps_of"] = state
            self.forget_compiled()
