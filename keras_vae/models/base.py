"""The Keras side of every model, once; a model says what its loss is, and this does the rest.

Here: what a model may override, and one step. Beside it: `fitting` (fit and evaluate), `verbs`
(encode, generate, ...), `saving`, `checks`. Numbers in brackets are those of the traps of Keras 3
that a line avoids; a test by the same number fails without the line.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_vae import likelihoods
from keras_vae.layers import SAMPLE_STRIDE, Sampling, SeedGenerator
from keras_vae.models import checks, network_checks
from keras_vae.models.fitting import Fitting
from keras_vae.models.saving import Saving
from keras_vae.models.verbs import Verbs


class BaseModel(Fitting, Saving, Verbs, keras.Model):
    """An encoder, a decoder and a likelihood that `model.fit` trains.

    A subclass defines `objective` and `code`; it may override `roles` (what y means), `players`
    (which weights follow which term), `loss_names`, `accepts_missing`, and what TensorBoard shows:
    `parts` (top-level names of the graph) and `formula`.

    Args:
        encoder: keras.Model. x to the parameters of the latents.
        decoder: keras.Model. z to the parameters of the likelihood.
        likelihood: str or Likelihood.
        seed: int or None. Fixes the order of the data and the draws of z.
    """

    loss_names = ("loss", "reconstruction_loss")  # keys of `objective`, in the order of `evaluate`
    formula = "loss"  # what is minimised, as a line of text
    parts = ("input", "encoder", "decoder", "loss", "backward", "apply_gradients", "metrics")
    num_encoder_outputs = 1
    max_inputs = 1  # of a network: two where it may read a condition
    accepts_missing = False  # may the target hold NaN?

    def __init__(self, encoder, decoder, likelihood="bernoulli", seed=None, **kwargs):
        super().__init__(**kwargs)
        network_checks.check_network(encoder, "encoder")
        network_checks.check_network(decoder, "decoder")
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
        x, y = inputs if isinstance(inputs, (tuple, list)) else (inputs, None)
        x, _, condition = self.roles(x, y)
        x = ops.cast(x, "float32")  # Keras leaves integer images as they are (KERAS3 7.4)
        return self.likelihood(self.code(x, condition, training), condition, training).mean

    # What a model may use ------------------------------------------------------------------

    def run(self, network, inputs, condition=None, training=False):
        """network(inputs); network([inputs, condition]) of a network that has two inputs.

        In a model that gives a condition (`max_inputs`), also of one that does not tell its inputs.
        """
        if self.max_inputs == 2 and len(network_checks.known_input_shapes(network)) != 1:
            if condition is None:
                self.roles(inputs)  # says that it is missing
            inputs = [ops.convert_to_tensor(inputs), ops.convert_to_tensor(condition)]
        return network(inputs, training=training)

    def over_samples(self, function, num_samples):
        """function() of each of `num_samples` draws of the latents: `(num_samples, batch)`.

        The draws follow each other in a loop, so that without a gradient to compute the memory
        does not grow with them. In evaluation, sample k has seeds of its own: the noise of a row
        depends on its place among all rows and on k alone.

        Args:
            function: callable without arguments that draws through the `Sampling` layers of this
                model and gives a `(batch,)` tensor.
            num_samples: int, or an integer tensor.
        """
        num_samples = tf.cast(num_samples, "int64")
        states = [layer.evaluation_generator.state for layer in self.sampling_layers]
        starts = [state.value * 1 for state in states]

        def one_sample(k):
            for state, start in zip(states, starts, strict=True):
                state.assign(start + tf.stack([0, k * SAMPLE_STRIDE]))
            return function()

        values = tf.map_fn(
            one_sample,
            tf.range(num_samples),
            fn_output_signature=tf.TensorSpec((None,), "float32"),
            parallel_iterations=4,  # TensorFlow keeps what moves the generators in order
        )
        for state in states:
            state.assign(state.value - tf.stack([0, (num_samples - 1) * SAMPLE_STRIDE]))
        return values

    # One step ------------------------------------------------------------------------------

    def train_step(self, data):
        x, y, sample_weight = self._unpack(data)
        players = self.players()
        with tf.GradientTape(persistent=len(players) > 1) as tape:
            terms, regularisation = self._terms(x, y, training=True)
            with keras.name_scope("loss"), keras.name_scope("mean"):
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
        # All terms and gradients, then the updates: TensorFlow's optimiser of graphs may drop the
        # edge that keeps one player's forward pass before another player's update.
        before = tf.control_dependencies(
            [*terms.values(), *(g for g in gradients if g is not None)]
        )
        with keras.name_scope("apply_gradients"), before:
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
        checks.check_input(x, self.x_shape, "x")
        x = ops.cast(x, "float32")  # Keras leaves integer images as they are (KERAS3 7.4)
        condition = self.roles(x, y)[2]
        if condition is not None:
            checks.check_condition(condition, self.condition, "y, the condition,")
        if sample_weight is not None:
            checks.check_weight_shape(sample_weight)
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
                with keras.name_scope(name):
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
    def condition_shape(self):
        """Shape of one condition, () of a label; None where there is none, or none is known."""
        return () if isinstance(self.condition, int) else self.condition

    @property
    def sampling_layers(self):
        return [layer for layer in self.layers if isinstance(layer, Sampling)]

    @property
    def epochs_seen(self):
        """Epochs that this model has been trained for, over all calls of `fit` and restarts."""
        return int(self.data_order.state[1])
