"""Optimizers: Adam with one fused kernel, and one optimizer for each term of a loss.

vae.compile(optimizers.Adam(1e-3))
model.compile(optimizers.PerTerm({"loss": "adam", "discriminator_loss": optimizers.Adam(1e-4)}))
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_vae")
class Adam(keras.optimizers.Adam):
    """Keras's Adam (Kingma and Ba 2015) with TensorFlow's fused kernel for the update.

    Keras's update is a dozen operations on each variable; for the networks of a VAE on a CPU they
    take a sixth of a step. The results are equal up to rounding, and each loads the states that the
    other has saved. Keras's own update runs for sparse gradients, `amsgrad`, variables other than
    float32, and several replicas.

    Args: as in `keras.optimizers.Adam`.
    """

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        variable = variable.value if isinstance(variable, keras.Variable) else variable
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        fits = isinstance(gradient, tf.Tensor) and variable.dtype == tf.float32 and replicas == 1
        if self.amsgrad or not fits or not hasattr(variable, "handle"):
            super().update_step(gradient, variable, learning_rate)
            return
        step = tf.cast(keras.ops.convert_to_tensor(self.iterations), "float32") + 1
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, "float32"),
        )


@keras.saving.register_keras_serializable(package="keras_vae")
class PerTerm(keras.optimizers.Optimizer):
    """An optimizer for each term of a model's loss; `model.players()` names the weights of a term.

    Args:
        optimizers: dict. For each name in `players()`, an optimizer or its name.

    `learning_rate` is that of the optimizer of `"loss"`, and a callback such as
    `keras.callbacks.LearningRateScheduler` changes no other. To change another, assign
    `optimizer.by_term["discriminator_loss"].learning_rate`, or create it with a schedule.

    Raises:
        TypeError: optimizers is not a dict.
        ValueError: an optimizer scales its loss; or, in `build`, the names differ from those of
            the players.
    """

    def __init__(self, optimizers, name="per_term"):
        if not isinstance(optimizers, dict) or not optimizers:
            raise TypeError(
                f"optimizers is {optimizers!r}; expected a dict such as "
                '{"loss": "adam", "discriminator_loss": "adam"}.'
            )
        super().__init__(learning_rate=0.0, name=name)
        self.by_term = {term: keras.optimizers.get(each) for term, each in optimizers.items()}
        for each in self.by_term.values():
            scaled = isinstance(each, keras.optimizers.LossScaleOptimizer)
            if scaled or each.loss_scale_factor:
                raise ValueError(
                    "An optimizer of PerTerm scales its loss; give it without loss scaling, which "
                    "the model applies to all."
                )
        self.players = None

    def build(self, variables):
        if self.built:
            return
        if self.players is None:
            raise ValueError("PerTerm works only with a model of keras_vae; compile one with it.")
        groups = self.players()
        if set(groups) != set(self.by_term):
            raise ValueError(
                f"PerTerm has optimizers for {sorted(self.by_term)}; expected one for each of this "
                f"model's players, {sorted(groups)}."
            )
        super().build(variables)
        self.term_of = {self._var_key(v): term for term, vs in groups.items() for v in vs}
        for term, optimizer in self.by_term.items():
            optimizer.build([v for v in variables if self.term_of[self._var_key(v)] == term])

    def apply(self, grads, trainable_variables=None):
        """Each optimizer updates the weights of its term."""
        if not self.built:
            self.build(trainable_variables)
        self._check_variables_are_known(trainable_variables)
        pairs = list(zip(grads, trainable_variables, strict=True))
        for term, optimizer in self.by_term.items():
            own = [pair for pair in pairs if self.term_of[self._var_key(pair[1])] == term]
            if own:
                optimizer.apply(*zip(*own, strict=True))
        self.iterations.assign_add(1)

    @property
    def variables(self):
        return [
            *super().variables,
            *(v for each in self.by_term.values() for v in each.variables),
        ]

    def finalize_variable_values(self, var_list):
        for term, optimizer in self.by_term.items():
            own = [v for v in var_list if self.term_of[self._var_key(v)] == term]
            optimizer.finalize_variable_values(own)

    @property
    def learning_rate(self):
        return self.by_term["loss"].learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.by_term["loss"].learning_rate = value

    def get_config(self):
        serialize = keras.optimizers.serialize
        return {
            "name": self.name,
            "optimizers": {term: serialize(each) for term, each in self.by_term.items()},
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        deserialize = keras.optimizers.deserialize
        optimizers = {
            term: deserialize(each, custom_objects) for term, each in config["optimizers"].items()
        }
        return cls(optimizers, name=config["name"])


def follow(optimizer, players):
    """Set the `players` of a `PerTerm`, also inside loss scaling: the weights of each term."""
    optimizer = unwrapped(optimizer)
    if isinstance(optimizer, PerTerm):
        optimizer.players = players


def unwrapped(optimizer):
    """The optimizer inside loss scaling; one without loss scaling is returned unchanged."""
    return getattr(optimizer, "inner_optimizer", optimizer)
