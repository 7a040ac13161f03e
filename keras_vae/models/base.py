"""The Keras side of every model, once: fit, steps, saving, checks, and verbs that run in batches.

A model says what its loss is (`objective`, a term for each example, in nats); this class does the
rest of what `keras.Model.fit` needs, and avoids the traps that KERAS3 lists by number.
"""

import math

import keras
import tensorflow as tf
from keras import ops

from keras_vae import batching, likelihoods
from keras_vae.layers import Sampling, SeedGenerator
from keras_vae.models import checks
from keras_vae.models.verbs import Verbs


class BaseModel(Verbs, keras.Model):
    """An encoder, a decoder and a likelihood that `model.fit` trains.

    A subclass defines `objective` and `code`; it may override `roles` (what y means), `players`
    (which weights follow which term), `loss_names` and `accepts_missing`.

    Args:
        encoder: keras.Model. x to the parameters of the latents.
        decoder: keras.Model. z to the parameters of the likelihood.
        likelihood: str or Likelihood.
        seed: int or None. Fixes the order of the data and all noise.
    """

    loss_names = ("loss", "reconstruction_loss")  # keys of `objective`, in the order of `evaluate`
    num_encoder_outputs = 1
    accepts_missing = False  # may the target hold NaN?

    def __init__(self, encoder, decoder, likelihood="bernoulli", seed=None, **kwargs):
        super().__init__(**kwargs)
        checks.check_network(encoder, "encoder")
        checks.check_network(decoder, "decoder")
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood_layer = likelihoods.get(likelihood)
        self.seed = seed = checks.checked_seed(seed)
        self.data_order = SeedGenerator(seed)  # its state is [seed, epochs seen]
        self.generation_noise = SeedGenerator(seed)
        self.trackers = {
            # float64: a float32 mean drifts over millions of rows (KERAS3 3.2)
            name: keras.metrics.Mean(name=name, dtype="float64")
            for name in self.loss_names
        }
        self._check_networks()

    # What a model overrides ----------------------------------------------------------------

    def roles(self, x, y=None):
        """(input, target, condition): what x and the second argument of `fit` mean."""
        return x, x if y is None else y, None

    def objective(self, x, y=None, training=False):
        """The terms of the loss for each example: a dict of `(batch,)` tensors, in nats."""
        raise NotImplementedError(f"{type(self).__name__} defines no objective.")

    def code(self, x, condition=None, training=False):
        """The latents that stand for x, `(batch, latent_dim)`: no noise."""
        raise NotImplementedError(f"{type(self).__name__} defines no code.")

    def players(self):
        """Which weights follow which term: disjoint groups, one forward pass, one update."""
        return {"loss": self.trainable_variables}

    def likelihood(self, z, condition=None, training=False):
        """p(x|z) as a Distribution, for z of shape `(batch, latent_dim)`."""
        return self.likelihood_layer.distribution(self.decoder(z, training=training))

    def call(self, inputs, training=False):
        """Mean of p(x|z) at the code of x. `inputs`: x, or (x, condition)."""
        x, condition = inputs if isinstance(inputs, (tuple, list)) else (inputs, None)
        return self.likelihood(self.code(x, condition, training), condition, training).mean

    # One step ------------------------------------------------------------------------------

    def train_step(self, data):
        x, y, sample_weight = self._unpack(data)
        players = self.players()
        with tf.GradientTape(persistent=len(players) > 1) as tape:
            terms, regularisation = self._terms(x, y, training=True)
            with keras.name_scope("loss"):
                penalty = regularisation / tf.distribute.get_strategy().num_replicas_in_sync
                losses = {
                    name: self.optimizer.scale_loss(  # without it float16 trains nothing (9.2)
                        self._mean_over_replicas(terms[name], sample_weight) + penalty
                    )
                    for name in players
                }
        with keras.name_scope("backward"):
            gradients = [
                gradient
                for name, variables in players.items()
                for gradient in tape.gradient(losses[name], variables)
            ]
        with keras.name_scope("apply_gradients"):
            variables = [v for variables in players.values() for v in variables]
            self.optimizer.apply(gradients, variables)
        return self._track(terms, regularisation, sample_weight)

    def test_step(self, data):
        x, y, sample_weight = self._unpack(data)
        terms, regularisation = self._terms(x, y, training=False)
        return self._track(terms, regularisation, sample_weight)

    def _unpack(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(x, dict):
            raise TypeError("The data give a dict; expected x, (x, y) or (x, y, sample_weight).")
        shape = checks.known_input_shape(self.encoder)
        if shape is not None:
            checks.check_input(x, shape, "x")
        x = ops.cast(x, "float32")  # Keras leaves integer images as they are (KERAS3 7.4)
        if sample_weight is not None:
            sample_weight = ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        return x, y, sample_weight

    def _terms(self, x, y, training):
        terms = self.objective(x, y, training)
        if set(terms) != set(self.loss_names):
            raise ValueError(
                f"objective of {type(self).__name__} gives {sorted(terms)}, but loss_names is "
                f"{sorted(self.loss_names)}; they must be the same names."
            )
        # Weight penalties of the networks are not in a custom step by themselves (KERAS3 19.4).
        penalties = [ops.cast(penalty, "float32") for penalty in self.losses]
        return terms, ops.sum(ops.stack(penalties)) if penalties else 0.0

    @staticmethod
    def _mean_over_replicas(values, sample_weight):
        """This replica's share of sum(w * value) / sum(w), the sums over all replicas.

        The optimizer adds up the replicas' gradients (KERAS3 D2), so their shares add up to the
        mean, also where a last batch splits unevenly (D3).
        """
        weights = ops.ones_like(values) if sample_weight is None else sample_weight
        total = ops.sum(weights)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            total = context.all_reduce("sum", total)
        return ops.divide_no_nan(ops.sum(weights * values), total)

    def _track(self, terms, regularisation, sample_weight):
        with keras.name_scope("metrics"):
            for name, values in terms.items():
                values = values + regularisation if name == "loss" else values
                # The vector, not its mean: batches of unequal size weigh by their rows (3.1).
                self.trackers[name].update_state(values, sample_weight=sample_weight)
            return self.get_metrics_result()

    @property
    def metrics(self):
        """The trackers of the loss, then what a subclass adds; none of `compile` (KERAS3 2.2)."""
        not_own = (*self.trackers, "compile_metrics")  # the latter outlives a second `compile`
        others = [metric for metric in super().metrics if metric.name not in not_own]
        return [*self.trackers.values(), *others]

    def reset_metrics(self):
        super().reset_metrics()
        for sampling in self.sampling_layers:  # so that two evaluations agree (KERAS3 4.4)
            sampling.evaluation_generator.rewind()

    @property
    def sampling_layers(self):
        return [layer for layer in self.layers if isinstance(layer, Sampling)]

    @property
    def epochs_seen(self):
        """Epochs that this model has been trained for, over all calls of `fit` and restarts."""
        return int(self.data_order.state[1])

    # fit and evaluate ----------------------------------------------------------------------

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
            y: array or None. The target where it is not x itself (denoising: x noisy, y clean).

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError, TypeError: the data do not fit the model; nothing was trained.
        """
        checks.check_compiled(self)
        if self.optimizer is None:
            raise ValueError("The model was compiled without an optimizer; compile with one.")
        if batching.is_array(x):
            arrays = self._checked(x, y, sample_weight, class_weight)
            if validation_split and validation_data is None:
                cut = math.floor(len(arrays[0]) * (1 - validation_split))  # the last part, as Keras
                validation_data = tuple(a if a is None else a[cut:] for a in arrays)
                arrays = tuple(a if a is None else a[:cut] for a in arrays)
        else:
            arrays = self._peeked(x)
            if class_weight is not None:
                checks.weights_of_classes(class_weight, None)
        if validation_data is not None:
            validation = keras.utils.unpack_x_y_sample_weight(validation_data)
            if batching.is_array(validation[0]):
                validation = self._checked(*validation, of="validation_data: ")
                size = validation_batch_size or batch_size
                validation_data = self._batched(validation, size, validation_steps, shuffle=False)
            else:
                self._peeked(validation_data)
        self._build_for(*arrays[:2])

        if batching.is_array(x):
            x = self._batched(arrays, batch_size, steps_per_epoch, shuffle)
            y = sample_weight = class_weight = None
        callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks
        callbacks = [batching.EpochCounter(), *(callbacks or [])]
        history = super().fit(
            x,
            y,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
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

        Two calls agree to the bit: the noise begins anew at each.
        """
        if not kwargs.get("_use_cached_eval_dataset"):  # not from within `fit`, which has checked
            checks.check_compiled(self)
            if batching.is_array(x):
                arrays = self._checked(x, y, sample_weight)
                x = self._batched(arrays, batch_size, steps, shuffle=False)
                y = sample_weight = None
            else:
                self._peeked(x)
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

    def _batched(self, arrays, batch_size, steps, shuffle):
        rows = len(arrays[0])
        batch_size = batch_size or (math.ceil(rows / steps) if steps else 32)  # as Keras
        x, y, sample_weight = arrays
        if sample_weight is not None and y is None:
            y = x  # (x, None, w) would lose w without a word (KERAS3 8.1)
        packed = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return batching.batches(packed, batch_size, self.data_order, shuffle)

    def _checked(self, x, y=None, sample_weight=None, class_weight=None, of=""):
        """x, y and sample_weight as arrays that this model can be trained on."""
        x = batching.to_array(x, f"{of}x")
        y = None if y is None else batching.to_array(y, f"{of}y")
        if sample_weight is not None:
            sample_weight = batching.to_array(sample_weight, f"{of}sample_weight")
        if class_weight is not None:
            sample_weight = checks.weights_of_classes(class_weight, y)
        checks.check_lengths(x=x, y=y, sample_weight=sample_weight)
        if sample_weight is not None:
            checks.check_finite(sample_weight, f"{of}sample_weight")
            checks.check_weights(sample_weight)
        self._check_values(x, y, of)
        return x, y, sample_weight

    def _check_values(self, x, y=None, of=""):
        given, target, _ = self.roles(x, y)
        name = f"{of}x" if target is given else f"{of}y"
        checks.check_input(given, checks.known_input_shape(self.encoder), f"{of}x")
        checks.check_finite(given, f"{of}x", self.accepts_missing)
        checks.check_target(target, checks.inner_shape(given.shape), name)
        checks.check_finite(target, name, self.accepts_missing)
        self.likelihood_layer.check(target, name)

    def _peeked(self, data):
        """The first batch of a dataset, checked; (None, None, None) where looking would cost it."""
        if isinstance(data, (dict, tuple, type(None))):
            raise TypeError(
                f"x is a {type(data).__name__}; expected an array of examples, a tf.data.Dataset, "
                "a PyDataset or a generator."
            )
        if not isinstance(data, tf.data.Dataset):
            return None, None, None
        if data.cardinality() == tf.data.UNKNOWN_CARDINALITY:
            return None, None, None
        batch = next(iter(data.take(1)), None)
        if batch is None:
            raise ValueError("The dataset is empty.")
        if isinstance(batch, dict):
            raise TypeError("The dataset gives a dict; map it to x, (x, y) or (x, y, weight).")
        return self._checked(*keras.utils.unpack_x_y_sample_weight(batch), of="first batch: ")

    # Building, saving ----------------------------------------------------------------------

    def _check_networks(self):
        """Compare encoder, decoder and likelihood, as far as the networks know their shapes."""
        x_shape = checks.known_input_shape(self.encoder)
        code_shapes = checks.known_output_shapes(self.encoder)
        z_shape = checks.known_input_shape(self.decoder)
        output_shapes = checks.known_output_shapes(self.decoder)
        if code_shapes is not None:
            checks.check_code_shapes(code_shapes, self.num_encoder_outputs)
            if z_shape is not None:
                checks.check_code_fits_decoder(code_shapes[0], z_shape)
        if x_shape is not None and output_shapes is not None:
            checks.check_decoder_output(
                self.decoder, output_shapes[0], x_shape, self.likelihood_layer
            )
        if None not in (x_shape, code_shapes, z_shape, output_shapes):
            self.latent_shape = z_shape
            self.built = True

    def build(self, input_shape):
        """Make the weights of networks that do not know their input, by a pass over zeros.

        Args:
            input_shape: shape of x, batch axis included, or a pair of them, of x and y.
        """
        is_pair = isinstance(input_shape[0], (tuple, list))
        x_shape, y_shape = input_shape if is_pair else (input_shape, None)
        x = ops.zeros((1, *checks.inner_shape(x_shape)))
        y = ops.zeros((1, *checks.inner_shape(y_shape))) if is_pair else None
        with self.distribute_strategy.scope():
            outputs = keras.tree.flatten(self.encoder(x))
            code_shapes = [checks.inner_shape(output.shape) for output in outputs]
            checks.check_code_shapes(code_shapes, self.num_encoder_outputs)
            output = self.decoder(ops.zeros((1, *code_shapes[0])))
            x_shape, output_shape = (checks.inner_shape(t.shape) for t in (x, output))
            checks.check_decoder_output(self.decoder, output_shape, x_shape, self.likelihood_layer)
            self.latent_shape = code_shapes[0]
            self.objective(x, y)

    def _build_for(self, x=None, y=None):
        """Everything that a step needs exists before its first trace (KERAS3 6.1, 19.8)."""
        if not (self.built and all(layer.built for layer in self.layers)):
            if x is None:
                raise ValueError(
                    "The networks do not know the shape of their input yet, and these data cannot "
                    "be looked at; call the model once on a batch before fit."
                )
            self.build(x.shape if y is None else (x.shape, y.shape))
        self._build_optimizer()

    def _build_optimizer(self):
        optimizer = getattr(self, "optimizer", None)
        if self.built and optimizer is not None and not optimizer.built:
            with self.distribute_strategy.scope():
                optimizer.build(self.trainable_variables)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build. Keras's own fails where replicas get unequal first batches."""

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "likelihood": keras.saving.serialize_keras_object(self.likelihood_layer),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                if isinstance(value, dict) and "class_name" in value
                else value
                for name, value in config.items()
            }
        )

    def load_weights(self, filepath, **kwargs):
        """Keras's own; the state of a compiled optimizer comes too (KERAS3 6.8)."""
        self._build_optimizer()
        super().load_weights(filepath, **kwargs)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, state in enumerate(self._generator_states()):
            store[f"generator_state_{i}"] = state

    def load_own_variables(self, store):
        """Weights, and the state of every generator of noise, which Keras loses (KERAS3 4.2)."""
        saved = {key: store[key] for key in store.keys()}  # noqa: SIM118, an HDF5 group
        states = {key: saved.pop(key) for key in list(saved) if key.startswith("generator_state_")}
        super().load_own_variables(saved)
        for i, state in enumerate(self._generator_states()):
            if f"generator_state_{i}" in states:
                state.assign(states[f"generator_state_{i}"])

    def _generator_states(self):
        weights = {id(weight) for weight in self.weights}
        return [variable for variable in self.variables if id(variable) not in weights]

    def export(self, filepath, format="tf_saved_model", input_signature=None, **kwargs):
        """Write the model as an artifact for serving: x to the mean of p(x|z), as `predict`."""
        if input_signature is None and checks.known_input_shape(self.encoder) is not None:
            shape = (None, *checks.known_input_shape(self.encoder))
            input_signature = [keras.InputSpec(shape=shape, dtype="float32")]
        super().export(filepath, format=format, input_signature=input_signature, **kwargs)
