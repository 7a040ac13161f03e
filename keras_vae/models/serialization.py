"""A model is saved, loaded and exported: nothing that training depends on is lost.

Keras by itself loses the state of every generator of noise (KERAS3 4.2). Here it is saved under the
generator's place in the model, as Keras saves weights: never under a name or a path, which count
what else the process has made.
"""

import keras

from keras_vae.noise import places

_PREFIX, _OLD_PREFIX = "generator:", "generator_state_"


class Serialization:
    """Config, weights and exports of a `BaseModel`."""

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
        def made(value):
            is_object = isinstance(value, dict) and "class_name" in value
            return keras.saving.deserialize_keras_object(value) if is_object else value

        return cls(**{name: made(value) for name, value in config.items()})

    def save(self, filepath, *args, **kwargs):
        """Keras's own, to a `.keras` file; the old HDF5 format cannot hold such a model."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(f"filepath is {str(filepath)!r}; give it the ending .keras.")
        super().save(filepath, *args, **kwargs)

    def load_weights(self, filepath, **kwargs):
        """Keras's own; the state of a compiled optimizer comes too (KERAS3 6.8)."""
        if self.signature.x_shape is not None:
            self.ensure_built()
        super().load_weights(filepath, **kwargs)

    def generator_states(self):
        """{place: variable} of all that is saved with the weights and is none: the state of every
        generator of noise in the model, its networks included."""
        return {
            place: generator.state
            for place, generator in places(self)
            if isinstance(generator, keras.random.SeedGenerator)
        }

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for place, state in self.generator_states().items():
            store[_PREFIX + place.replace("/", "|")] = state  # "/" would be a group of HDF5

    def load_own_variables(self, store):
        """Weights, and the state of every generator of noise, which Keras loses (KERAS3 4.2)."""
        saved = {key: store[key] for key in store.keys()}  # noqa: SIM118, an HDF5 group
        states = {k: saved.pop(k) for k in list(saved) if k.startswith((_PREFIX, _OLD_PREFIX))}
        super().load_own_variables(saved)
        own = {_PREFIX + k.replace("/", "|"): v for k, v in self.generator_states().items()}
        # In a file of 0.1.0 they stand by their number among all variables.
        known = {id(weight) for weight in self.weights} | {id(self.evaluation_noise.state)}
        numbered = [variable for variable in self.variables if id(variable) not in known]
        own |= {f"{_OLD_PREFIX}{number}": state for number, state in enumerate(numbered)}
        for key in states.keys() & own.keys():
            own[key].assign(states[key])

    def _trackable_children(self, save_type="checkpoint", **kwargs):
        """What `tf.train.Checkpoint` saves: the states of generators too, which are not weights."""
        children = super()._trackable_children(save_type, **kwargs)
        if save_type == "checkpoint":
            states = self.generator_states().items()
            children |= {_PREFIX + place: state.value for place, state in states}
        return children

    def export(self, filepath, format="tf_saved_model", input_signature=None, **kwargs):
        """Write the model as an artifact for serving: x to the mean of p(x|z), as `predict`.

        A model that reads a condition serves the pair (x, condition), labels as int32.
        """
        self.ensure_built()
        if input_signature is None:
            specs = [keras.InputSpec(shape=s, dtype=d) for s, d in self.signature.specs()]
            input_signature = specs if len(specs) == 1 else [specs]
        super().export(filepath, format=format, input_signature=input_signature, **kwargs)
