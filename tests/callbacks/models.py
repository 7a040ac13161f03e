"""Models for the tests of callbacks: of the library, and as a user might write them."""

import keras
from keras import ops

from keras_vae import VAE, Autoencoder, ConditionalVAE, networks, priors


@keras.saving.register_keras_serializable(package="test")
class UsersVAE(VAE):
    """A user's model: no name scopes, a network of its own, and an objective with three terms."""

    loss_names = (*VAE.loss_names, "sparsity")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.head = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)], name="head")

    def objective(self, x, y=None, training=False):
        x, target, condition = self.signature.roles(x, y)
        q = self.posterior(x, condition, training)
        z = self.sampling((q.mean + 0.0, q.log_var), training=training)
        reconstruction_loss = -self.likelihood(z, condition, training).log_prob(target)
        kl_loss = ops.mean(ops.square(q.mean), axis=1)
        sparsity = ops.sum(ops.abs(ops.cast(self.head(z), "float32")), axis=1)
        return {
            "loss": reconstruction_loss + self.beta * kl_loss + sparsity,
            "reconstruction_loss": reconstruction_loss,
            "kl_loss": kl_loss,
            "elbo": -reconstruction_loss - kl_loss,
            "sparsity": sparsity,
        }


@keras.saving.register_keras_serializable(package="test")
class AdversarialVAE(VAE):
    """A model with two players: the critic has its own loss, network and weight."""

    loss_names = (*VAE.loss_names, "critic_loss")
    parts = ("input", "encoder", "sampling", "decoder", "critic", *VAE.parts[4:])

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="score")])
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def objective(self, x, y=None, training=False):
        terms = super().objective(x, y, training)
        z = self.posterior(x, training=training).mean
        score = ops.cast(self.critic(z), "float32")[:, 0]
        return {**terms, "critic_loss": ops.square(score - 3.0 * self.scale)}

    def players(self):
        critic = [*self.critic.trainable_variables, self.scale]
        own = {id(variable) for variable in critic}
        rest = [variable for variable in self.trainable_variables if id(variable) not in own]
        return {"loss": rest, "critic_loss": critic}


def recurrent():
    """Recurrent networks, whose loop is a single node of the graph."""
    x = keras.Input((8, 8, 1))
    h = keras.layers.LSTM(4)(keras.layers.Reshape((8, 8))(x))
    outputs = [keras.layers.Dense(2, name=name)(h) for name in ("z_mean", "z_log_var")]
    z = keras.Input((2,))
    h = keras.layers.LSTM(8, return_sequences=True)(keras.layers.RepeatVector(8)(z))
    return keras.Model(x, outputs), keras.Model(z, keras.layers.Reshape((8, 8, 1))(h))


def dense(**arguments):
    return networks.dense((8, 8, 1), 2, hidden=(16,), **arguments)


def conv(**arguments):
    return networks.conv((8, 8, 1), 3, filters=(4,), batch_norm=True, dropout=0.1, **arguments)


def other_names():
    """Confusing names: `hidden` and `hidden_1`, and the same names in encoder and decoder."""
    x = keras.Input((8, 8, 1))
    h = keras.layers.Flatten()(x)
    h = keras.layers.Dense(5, name="hidden")(h)
    h = keras.layers.Dense(4, name="hidden_1")(h)
    outputs = [keras.layers.Dense(2, name=name)(h) for name in ("mu", "log_sigma2")]
    z = keras.Input((2,))
    h = keras.layers.Dense(4, name="hidden")(z)
    h = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64, name="hidden_1")(h))
    return keras.Model(x, outputs, name="q"), keras.Model(z, h, name="p")


def conditional():
    prior = priors.Mixture(2, condition=10)
    return ConditionalVAE(*dense(condition=10), prior=prior, seed=1)


MODELS = {  # each trains with fit(x)
    "dense": lambda: VAE(*dense(), seed=1),
    "conv": lambda: VAE(*conv(), seed=1),
    "gaussian": lambda: VAE(*dense(), likelihood="gaussian", seed=1),
    "other names": lambda: VAE(*other_names(), seed=1),
    "autoencoder": lambda: Autoencoder(*conv(variational=False), seed=1),
    "subclass": lambda: UsersVAE(*dense(), seed=1),
    "two players": lambda: AdversarialVAE(*dense(), seed=1),
    "recurrent": lambda: VAE(*recurrent(), seed=1),
}


def make(name, policy=None, optimizer="adam", **compile_arguments):
    """A compiled model; the same arguments give the same weights."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy or before)
    try:
        model = conditional() if name == "conditional" else MODELS[name]()
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(optimizer, **compile_arguments)
    return model


def state_of(model):
    """All values that training depends on."""
    optimizer = [variable.numpy() for variable in model.optimizer.variables]
    return [*(variable.numpy() for variable in model.variables), *optimizer]
