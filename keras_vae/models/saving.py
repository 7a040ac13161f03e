"""Weights made, saved, loaded and exported: nothing that training depends on is lost.

What Keras loses by itself: the state of every generator of noise (KERAS3 4.2), the weights of
networks that were never called (6.1), an optimizer that is not built yet (6.8).
"""

import keras
from keras import ops

from keras_vae.models import checks, network_checks


class Saving:
    """The weights of a `BaseModel`: made, written, read."""

    @property
    def built(self):
        """Whether every network has its weights, those that a subclass adds too."""
        return self._built and all(layer.built for layer in self.layers)

    @built.setter
    def built(self, value):
        self._built = value

    def _check_networks(self):
        """Compare encoder, decoder and likelihood, as far as the networks know their shapes."""
        for name in ("encoder", "decoder"):
            network_checks.check_inputs(getattr(self, name), name, self.max_inputs)
        self.x_shape = network_checks.first_input_shape(self.encoder)  # of one example
        self.latent_shape = network_checks.first_input_shape(self.decoder)
        self.condition = network_checks.common_condition(self.encoder, self.decoder)
        code_shapes = network_checks.known_output_shapes(self.encoder)
        output_shapes = network_checks.known_output_shapes(self.decoder)
        if code_shapes is not None:
            network_checks.check_code_shapes(code_shapes, self.num_encoder_outputs)
            if self.latent_shape is not None:
                network_checks.check_code_fits_decoder(code_shapes[0], self.latent_shape)
        if self.x_shape is not None and output_shapes is not None:
            network_checks.check_decoder_output(
                self.decoder, output_shapes[0], self.x_shape, self.likelihood_layer
            )
        self.built = None not in (self.x_shape, code_shapes, self.latent_shape, output_shapes)

    def build(self, input_shape):
        """Make the weights that are missing, by a pass over zeros.

        Args:
            input_shape: shape of x, batch axis included, or a pair of them, of x and y.
        """
        is_pair = isinstance(input_shape[0], (tuple, list))
        x_shape, y_shape = input_shape if is_pair else (input_shape, None)
        x = ops.zeros((1, *checks.inner_shape(x_shape)))
        y_shape = checks.inner_shape(y_shape) if is_pair else self.condition_shape
        y = None if y_shape is None else ops.zeros((1, *y_shape), "int32" if not y_shape else None)
        with self.distribute_strategy.scope():
            if not self._built:
                condition = self.roles(x, y)[2]
                self._check_unknown_networks(x, condition)
                if condition is not None and self.condition is None:
                    self.condition = y_shape
                self._check_prior()
            self.objective(x, y)

    def _check_prior(self):
        """Compare prior and networks, of a model that has one."""

    def _check_unknown_networks(self, x, condition):
        codes = self.run(self.encoder, x, condition)
        network_checks.check_no_dict(codes)
        code_shapes = [checks.inner_shape(code.shape) for code in keras.tree.flatten(codes)]
        network_checks.check_code_shapes(code_shapes, self.num_encoder_outputs)
        output = self.run(self.decoder, ops.zeros((1, *code_shapes[0])), condition)
        x_shape, output_shape = (checks.inner_shape(tensor.shape) for tensor in (x, output))
        network_checks.check_decoder_output(
            self.decoder, output_shape, x_shape, self.likelihood_layer
        )
        self.x_shape, self.latent_shape = x_shape, code_shapes[0]

    def ensure_built(self, x=None, y=None):
        """Everything that a step needs exists before its first trace (KERAS3 6.1, 19.8)."""
        if not self.built:
            shape = (None, *(self.x_shape or [None])) if x is None else x.shape
            unknown = self.max_inputs == 2 and y is None and self.condition is None
            if None in shape[1:] or unknown:
                raise ValueError(
                    "The networks do not know the shape of their input yet, and there are no data "
                    "to tell it; call the model on a batch first."
                )
            self.build(shape if y is None else (shape, y.shape))
        optimizer = getattr(self, "optimizer", None)
        if optimizer is not None and not optimizer.built:
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

    def save(self, filepath, *args, **kwargs):
        """Keras's own, to a `.keras` file; the old HDF5 format cannot hold such a model."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(f"filepath is {str(filepath)!r}; give it the ending .keras.")
        super().save(filepath, *args, **kwargs)

    def load_weights(self, filepath, **kwargs):
        """Keras's own; the state of a compiled optimizer comes too (KERAS3 6.8)."""
        if self.x_shape is not None:
            self.ensure_built()
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
        """Write the model as an artifact for serving: x to the mean of p(x|z), as `predict`.

        A model that reads a condition serves the pair (x, condition), labels as int32.
        """
        self.ensure_built()
        if input_signature is None:
            x = keras.InputSpec(shape=(None, *self.x_shape), dtype="float32")
            input_signature = [x]
            if self.condition is not None:
                shape = self.condition_shape
                dtype = "float32" if shape else "int32"
                input_signature = [[x, keras.InputSpec(shape=(None, *shape), dtype=dtype)]]
        super().export(filepath, format=format, input_signature=input_signature, **kwargs)
