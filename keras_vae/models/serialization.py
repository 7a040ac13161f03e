"""Weights made, saved, loaded and exported: nothing that training depends on is lost.

What Keras loses by itself: the state of every generator of noise (KERAS3 4.2), the weights of
networks that were never called (6.1), an optimizer that is not built yet (6.8). A generator's state
is saved under the generator's place in the model, as Keras saves weights: never under its name or
path, which count what else the process has made.
"""

import collections

import keras
from keras import ops

from keras_vae.checks import inner_shape
from keras_vae.noise import SeedGenerator

_PREFIX = "generator:"
_TRACKERS = ("_layers", "_operations", "_seed_generators", "_metrics", "_functional", "_tracker")


def places(owner):
    """[(place, object)] of every layer and generator in a model, such as 'encoder/layers/dropout'.

    Attributes by name; the layers of a functional or sequential network by their class, numbered,
    since their names are not the same in two models; others in a list by their index.
    """
    found, seen = [], {id(owner)}

    def visit(place, value):
        if isinstance(value, (keras.layers.Layer, keras.random.SeedGenerator)):
            if id(value) not in seen:
                seen.add(id(value))
                found.append((place, value))
                children(f"{place}/", value)
        elif isinstance(value, dict):
            for key, each in value.items():
                visit(f"{place}/{key}", each)
        elif isinstance(value, (list, tuple)):
            for index, each in enumerate(value):
                visit(f"{place}/{index}", each)

    def children(prefix, layer):
        if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):
            numbers = collections.Counter()
            for each in layer.layers:
                name = type(each).__name__.lower()
                numbers[name] += 1
                visit(f"{prefix}layers/{name}_{numbers[name]}", each)
        attributes = vars(layer)
        public = [name for name in attributes if not name.startswith("_")]
        private = [name for name in attributes if name.startswith("_") and name not in _TRACKERS]
        for name in (*sorted(public), *sorted(private), *_TRACKERS[:3]):
            if isinstance(attributes.get(name), (keras.layers.Layer, SeedGenerator, *_CONTAINERS)):
                visit(f"{prefix}{name}", attributes[name])

    children("", owner)
    return found


_CONTAINERS = (keras.random.SeedGenerator, dict, list, tuple)


class Serialization:
    """The weights of a `BaseModel`: made, written, read."""

    @property
    def built(self):
        """Whether every network has its weights, those that a subclass adds too."""
        return self._built and all(layer.built for layer in self.layers)

    @built.setter
    def built(self, value):
        self._built = value

    def build(self, input_shape):
        """Make the weights that are missing, by a pass over zeros.

        Args:
            input_shape: shape of x, batch axis included, or a pair of them, of x and y.
        """
        signature = self.signature
        is_pair = isinstance(input_shape[0], (tuple, list))
        x_shape, y_shape = input_shape if is_pair else (input_shape, None)
        x = signature.cast(ops.zeros((1, *inner_shape(x_shape))))
        y_shape = inner_shape(y_shape) if is_pair else signature.condition_shape
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
        optimizer = getattr(self, "optimizer", None)
        if optimizer is not None and not optimizer.built:
            with self.distribute_strategy.scope():
                optimizer.build(self.trainable_variables)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build. Keras's own fails where replicas get unequal first batches."""

    # Config --------------------------------------------------------------------------------

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

    # Weights -------------------------------------------------------------------------------

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
        """{place: variable} of every generator of noise in the model, its networks included."""
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
        by_place = {k: saved.pop(k) for k in list(saved) if k.startswith(_PREFIX)}
        by_number = {k: saved.pop(k) for k in list(saved) if k.startswith("generator_state_")}
        super().load_own_variables(saved)
        for place, state in self.generator_states().items():
            key = _PREFIX + place.replace("/", "|")
            if key in by_place:
                state.assign(by_place[key])
        if by_number:  # a file of 0.1.0: by their number among all variables
            known = {id(weight) for weight in self.weights} | {id(self.evaluation_noise.state)}
            states = [variable for variable in self.variables if id(variable) not in known]
            for number, state in enumerate(states):
                if f"generator_state_{number}" in by_number:
                    state.assign(by_number[f"generator_state_{number}"])

    def _trackable_children(self, save_type="checkpoint", **kwargs):
        """What `tf.train.Checkpoint` saves: the states of generators too, which are not weights."""
        children = super()._trackable_children(save_type, **kwargs)
        if save_type == "checkpoint":
            states = self.generator_states().items()
            children |= {_PREFIX + place: state.value for place, state in states}
        return children

    # Export --------------------------------------------------------------------------------

    def export(self, filepath, format="tf_saved_model", input_signature=None, **kwargs):
        """Write the model as an artifact for serving: x to the mean of p(x|z), as `predict`.

        A model that reads a condition serves the pair (x, condition), labels as int32.
        """
        self.ensure_built()
        if input_signature is None:
            specs = [keras.InputSpec(shape=s, dtype=d) for s, d in self.signature.specs()]
            input_signature = specs if len(specs) == 1 else [specs]
        super().export(filepath, format=format, input_signature=input_signature, **kwargs)
