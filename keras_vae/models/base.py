"""The Keras side of every model, once; a model says what its loss is, and this does the rest.

Here: what a model may override, and one step. Beside it: `training` (fit and evaluate), `inference`
(encode, generate, ...), `serialization` (saving), `signature` (which data fit). Numbers in brackets
are those of the traps of Keras 3 that a line avoids; a test by the same number fails without it.
"""

import collections

import keras
import tensorflow as tf
from keras import ops

from keras_vae import checks, likelihoods, noise, optimizers
from keras_vae.distributions import Distribution
from keras_vae.models.inference import Inference
from keras_vae.models.serialization import Serialization
from keras_vae.models.signature import Signature
from keras_vae.models.training import Training
from keras_vae.networks import inspection
from keras_vae.noise import SeedGenerator

_AT_ONCE = 64  # so many samples, if their number is fixed, need no loop


class BaseModel(Training, Inference, Serialization, keras.Model):
    """An encoder, a decoder and a likelihood that `model.fit` trains.

    A subclass defines `objective` and `codes`. It may override the other methods under "What a
    model overrides", and what TensorBoard shows: `parts` (top-level names of the graph) and
    `formula`. Arguments of its constructor that are numbers or names are constants of the compiled
    functions; assigning one compiles them anew.

    Args:
        encoder, decoder: keras.Model. x to the parameters of the latents, z to the likelihood's.
        likelihood: str or Likelihood.
        seed: int or None. Fixes the order of the data and the draws of z.
    """

    signature = Signature(encoder_outputs=1)
    loss_names = ("loss", "reconstruction_loss")  # keys of `objective`, in the order of `evaluate`
    formula = "loss"  # what is minimised, as a line of text
    parts = ("input", "encoder", "decoder", "loss", "backward", "apply_gradients", "metrics")

    def __init__(self, encoder, decoder, likelihood="bernoulli", seed=None, **kwargs):
        super().__init__(**kwargs)
        self.autocast = False  # the networks do it, and tokens stay whole numbers
        self.likelihood_layer = likelihoods.get(likelihood)
        self.signature = self.signature.read_networks(encoder, decoder, self.likelihood_layer)
        self.encoder = encoder
        self.decoder = decoder
        self.seed = seed = checks.seed(seed)
        self.data_order = SeedGenerator(seed)  # its state is [seed, epochs seen]
        self.generation_noise = SeedGenerator(seed)  # [seed, calls of `generate` without a seed]
        self.evaluation_noise = SeedGenerator(seed)  # [seed, rows seen by this `evaluate`]
        self.trackers = {
            # float64: a float32 mean drifts over millions of rows (KERAS3 3.2)
            name: keras.metrics.Mean(name=name, dtype="float64")
            for name in self.loss_names
        }
        self.built = self.signature.is_known

    # What a model overrides ----------------------------------------------------------------

    def objective(self, x, y=None, training=False):
        """The terms of the loss for each example: a dict of `(batch,)` tensors, in nats."""
        raise NotImplementedError(f"{type(self).__name__} defines no objective.")

    def codes(self, x, condition=None, training=False):
        """The latents that stand for x, without noise: a tuple, a tensor for each level.

        The first is what the decoder reads, the last what `encode` gives.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no codes.")

    def lower(self, z, condition=None, training=False):
        """z of the top level as the z that the decoder reads; the same where there is one level."""
        return z

    def infer_condition(self, x, condition, training=False):
        """The condition, with labels that are unknown (-1) inferred from x by models that can."""
        return condition

    def players(self):
        """Which weights follow which term: disjoint groups, one forward pass, one update."""
        return {"loss": self.trainable_variables}

    def prior(self, condition=None, training=False):
        """p(z), or p(z|c), as a Distribution over latents of the top level."""
        raise TypeError(f"This {type(self).__name__} has no p(z) to draw from.")

    def posterior(self, x, condition=None, training=False):
        """q(z|x), or q(z|x, c), as a Distribution: what the encoder knows of z."""
        raise TypeError(
            f"This {type(self).__name__} has no q(z|x): it gives one code, not a distribution."
        )

    def likelihood(self, z, condition=None, training=False):
        """p(x|z), or p(x|z, c), as a Distribution, for z of shape `(batch, latent_dim)`."""
        return self.likelihood_layer.distribution(self.run(self.decoder, z, condition, training))

    def log_weights(self, x, y=None, num_samples=1, training=False):
        """log p(x, z_k) - log q(z_k|x) for draws z_k ~ q(z|x): (batch, num_samples), in nats."""
        raise TypeError(
            f"This {type(self).__name__} has no bound and no log p(x): it has no densities of z."
        )

    def call(self, inputs, training=False):
        """Mean of p(x|z) at the code of x, or its mode. `inputs`: x, or (x, condition)."""
        x, y = inputs if isinstance(inputs, (tuple, list)) else (inputs, None)
        x, _, condition = self.signature.roles(self.signature.cast(x), y)
        condition = self.infer_condition(x, condition, training)
        z = self.codes(x, condition, training)[0]
        return self.likelihood(z, condition, training).point

    # What a model may use ------------------------------------------------------------------

    @property
    def has_prior(self):
        """Whether there is a p(z), so that `generate` has something to draw from."""
        return type(self).prior is not BaseModel.prior

    @property
    def has_posterior(self):
        """Whether there is a q(z|x), and not a single code of x alone."""
        return type(self).posterior is not BaseModel.posterior

    @property
    def has_densities(self):
        """Whether there is a bound on log p(x): `elbo` and `log_likelihood`."""
        return type(self).log_weights is not BaseModel.log_weights

    def run(self, network, inputs, condition=None, training=False):
        """network(inputs), or network([inputs, condition]) of a network that has two inputs.

        A network that does not tell its inputs is given the condition, if the model reads one.
        """
        if self.signature.reads_condition and not inspection.reads_one_input(network):
            if condition is None:
                self.signature.roles(inputs)  # says that it is missing
            inputs = [ops.convert_to_tensor(inputs), ops.convert_to_tensor(condition)]
        return network(inputs, training=training)

    def noise_scope(self, seed=None, row=0, call=0, *, rows=None, shared=False):
        """A `noise.scope` whose seed is the model's own unless given; each layer has a stream.

        Example: `with vae.noise_scope(seed=1): vae.log_weights(x, num_samples=100)`
        """
        seed = self.evaluation_noise.peek()[0] if seed is None else seed
        names = self._names_of_streams()
        return noise.scope(seed, row, call, rows=rows, shared=shared, names=names)

    def _names_of_streams(self):
        return {id(layer): place for place, layer in noise.places(self)}

    def over_samples(self, function, rows, num_samples, training=False):
        """function(*rows) for `num_samples` draws of the latents: (batch, num_samples, ...).

        In training, and where the number is small, one pass makes all draws: each row stands
        `num_samples` times in it. Else passes of `GROUP` draws follow each other in a loop, so that
        the memory does not grow with their number, an int or an integer tensor.

        Args:
            function: callable. It draws once for each row, and gives a tensor `(batch, ...)`.
            rows: tuple of tensors, Distributions, structures of them, or None, with the batch as
                the first axis.
        """
        event = []

        def one_pass(count):
            def repeat(part):
                if isinstance(part, Distribution):
                    return part.map(repeat)
                return part if part is None else ops.repeat(part, count, axis=0)

            values = function(*keras.tree.map_structure(repeat, rows))
            event[:] = values.shape[1:]
            return ops.reshape(values, (-1, count, *event))

        if not isinstance(num_samples, tf.Tensor):
            num_samples = checks.count(num_samples, "num_samples")
        if training or getattr(noise.current(), "seed", None) is None:  # generators draw
            return one_pass(int(num_samples))
        draws = noise.current().draws.copy()
        if isinstance(num_samples, int) and num_samples <= _AT_ONCE:
            with noise.samples(0, num_samples, draws):
                return one_pass(num_samples)

        def one_group(group):
            with noise.samples(group, noise.GROUP, draws):
                return one_pass(noise.GROUP)

        num_samples = ops.cast(num_samples, "int64")
        values = tf.map_fn(
            one_group,
            tf.range(-(-num_samples // noise.GROUP)),
            fn_output_signature=tf.TensorSpec(None, "float32"),
            parallel_iterations=2,
        )
        # (groups, batch, GROUP, ...) -> (batch, groups * GROUP, ...)
        values = tf.reshape(values, [tf.shape(values)[0], -1, noise.GROUP, *event])
        values = tf.transpose(values, [1, 0, *range(2, 3 + len(event))])
        return tf.reshape(values, [tf.shape(values)[0], -1, *event])[:, :num_samples]

    # One step ------------------------------------------------------------------------------

    def train_step(self, data):
        x, y, sample_weight = self._unpack(data)
        players = self._checked_players()
        with tf.GradientTape(persistent=len(players) > 1) as tape:
            with noise.scope(None, names=self._names_of_streams()):
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
        with keras.name_scope("metrics"):
            seed, row = ops.unstack(self.evaluation_noise.state.value * 1, 2)
        with self.noise_scope(seed, row, rows=ops.shape(x)[0]):
            terms, regularisation = self._terms(x, y, training=False)
        with keras.name_scope("metrics"):
            self.evaluation_noise.advance(ops.shape(x)[0])
        return self._track(terms, regularisation, sample_weight)

    def _unpack(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(x, dict):
            raise TypeError("The data give a dict; expected x, (x, y) or (x, y, sample_weight).")
        self.signature.check_shapes(x, y)
        if sample_weight is not None:
            checks.weight_shape(sample_weight)
            sample_weight = ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        return self.signature.cast(x), y, sample_weight

    def _terms(self, x, y, training):
        terms = self.objective(x, y, training)
        if set(terms) != set(self.loss_names):
            raise ValueError(
                f"objective of {type(self).__name__} gives {sorted(terms)}, but loss_names is "
                f"{sorted(self.loss_names)}; they must be the same names."
            )
        for name, values in terms.items():
            checks.per_example(values, x, f"{name!r} of the objective")
        # Weight penalties of the networks are not in a custom step by themselves (KERAS3 19.4).
        penalties = [ops.cast(penalty, "float32") for penalty in self.losses]
        return terms, ops.sum(ops.stack(penalties)) if penalties else 0.0

    def _checked_players(self):
        """`players`, whose groups must share no weight and leave none out."""
        players = self.players()
        given = [variable for group in players.values() for variable in group]
        times = collections.Counter(id(variable) for variable in given)
        unknown = sorted(players.keys() - set(self.loss_names))
        twice = sorted({variable.path for variable in given if times[id(variable)] > 1})
        left_out = [v.path for v in self.trainable_variables if id(v) not in times]
        if unknown or twice or left_out:
            raise ValueError(
                "players must give each trainable weight to exactly one term of the objective; "
                f"unknown terms: {unknown}, weights given twice: {twice}, left out: {left_out}."
            )
        return players

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
        self.evaluation_noise.rewind()  # so that two evaluations agree (KERAS3 4.4)

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "optimizer":
            optimizers.follow(value, self.players)
            self._compiled_verbs.clear()
            return
        setting = isinstance(value, keras.layers.Layer) or name in checks.arguments(type(self))
        if setting and not isinstance(getattr(self, name, None), keras.Variable):  # as beta
            self.forget_compiled()

    @property
    def epochs_seen(self):
        """Epochs that this model has been trained for, over all calls of `fit` and restarts."""
        return self.data_order.peek()[1]
