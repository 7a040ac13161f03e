"""`fit` and `evaluate`: Keras's own, after one look at the data.

Data are checked once, before anything is trained, and not in every step, where a check would cost
time and vanish under XLA (KERAS3 15). Arrays then go through `batching`; datasets and generators
pass as they are.
"""

import collections
import math

import keras
import tensorflow as tf

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
        """Train, as `keras.Model.fit` does; the arguments are Keras's.

        Arrays are checked whole, then batched in an order that follows from seed and epoch
        (`batching`). A `tf.data.Dataset` is checked by its first batch, if its size is known or
        infinite; generators are passed on as they are.

        Args:
            x: array `(n, ...)`, `tf.data.Dataset`, `keras.utils.PyDataset` or generator.
            y: array or None. The target where it is not x itself (denoising: x noisy, y clean); the
                condition of a model that reads one.
            class_weight: dict, for models whose y are labels; others need `sample_weight`.

        Returns:
            `keras.callbacks.History`.

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

        Two calls agree to the bit, and those of another `batch_size` but for rounding: the noise of
        a row depends on its place among all rows, and begins anew at each call.
        """
        if not kwargs.get("_use_cached_eval_dataset"):  # not from within `fit`, which has checked
            self._check_compiled()
            if checks.is_array(x):
                arrays = self._checked(x, y, sample_weight)
                x = self._batched(arrays, batch_size, steps, shuffle=False)
                y = sample_weight = None
            else:
                self._peeked(x, "x")
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
        elif isinstance(data, tf.data.Dataset) and _size_is_known(data):
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


def _size_is_known(dataset):
    return dataset.cardinality() != tf.data.UNKNOWN_CARDINALITY
