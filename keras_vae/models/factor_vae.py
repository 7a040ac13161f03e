"""FactorVAE (Kim and Mnih 2018): a discriminator measures how much the latents depend on others.

It learns to tell draws z ~ q(z) of a batch from the same values, shuffled in each latent by itself,
which are draws of prod_j q(z_j). Its logit is then the log of the ratio of the two densities, whose
mean is the total correlation:

    loss               = -log p(x|z) + beta * KL(q(z|x) || p(z)) + gamma * logit(z)
    discriminator_loss = [softplus(-logit(z)) + softplus(logit(shuffled z))] / 2

(equation 2 and algorithm 2 of the paper, with one batch in place of two; lecture row M3). Encoder
and decoder follow the first, the discriminator the second.
"""

import keras
from keras import ops

from keras_vae import checks, networks
from keras_vae.models.vae import VAE


@keras.saving.register_keras_serializable(package="keras_vae")
class FactorVAE(VAE):
    """A VAE with weight gamma on the total correlation of its latents, from a discriminator.

    It logs `total_correlation`, the discriminator's estimate in nats, and `discriminator_loss`,
    log 2 = 0.69 where the two cannot be told apart. The shuffle is within a batch, so
    `discriminator_loss` depends on the batch size. Each of the two may have an optimizer of its
    own: `optimizers.PerTerm({"loss": ..., "discriminator_loss": ...})`.

    Args:
        encoder, decoder, likelihood, prior, beta, seed, free_bits, capacity: as in `VAE`.
        discriminator: keras.Model. z to one logit, `(batch, 1)`. Defaults to `None`:
            `networks.discriminator(latent_dim)`.
        gamma: float, at least 0. Weight of the total correlation. Defaults to `10.0`.

    Raises:
        ValueError, TypeError: as `VAE`; or the discriminator does not fit.

    Example:

    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), latent_dim=2)
    >>> vae = keras_vae.FactorVAE(encoder, decoder, gamma=10.0)
    >>> rates = {"loss": 1e-3, "discriminator_loss": 1e-4}
    >>> adams = {name: keras_vae.optimizers.Adam(rate) for name, rate in rates.items()}
    >>> vae.compile(keras_vae.optimizers.PerTerm(adams))
    >>> history = vae.fit(np.zeros((64, 8, 8, 1)), verbose=0)
    """

    loss_names = (*VAE.loss_names, "total_correlation", "discriminator_loss")
    formula = "loss = -log p(x|z) + beta * KL(q(z|x) || p(z)) + gamma * TC(z),  z ~ q(z|x)"
    parts = (*VAE.parts[:4], "discriminator", *VAE.parts[4:])

    def __init__(self, encoder, decoder, discriminator=None, *, gamma=10.0, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        if discriminator is None:
            shape = self.signature.latent_shape
            if shape is None or len(shape) != 1:
                raise ValueError(
                    f"The latents have shape {shape}, of which no discriminator can be made; give "
                    "discriminator=, a network from z to one logit."
                )
            discriminator = networks.discriminator(*shape)
        self.discriminator = discriminator
        self.gamma = checks.number(gamma, "gamma")

    def players(self):
        discriminator = self.discriminator.trainable_variables
        own = {id(variable) for variable in discriminator}
        rest = [variable for variable in self.trainable_variables if id(variable) not in own]
        return {"loss": rest, "discriminator_loss": discriminator}

    def objective(self, x, y=None, training=False):
        drawn, terms = self.bound(x, y, training)
        with keras.name_scope("sampling"):
            # The order of random numbers: each latent gets a permutation of its own.
            numbers = self.sampling.stream(training).uniform(ops.shape(drawn.z))
            shuffled = ops.take_along_axis(drawn.z, ops.argsort(numbers, axis=0), axis=0)
        total_correlation = self.logit(drawn.z, training)
        of_shuffled = self.logit(shuffled, training)
        with keras.name_scope("loss"):
            kl_term = self.regulariser(drawn.q, drawn.p, drawn.z, drawn.divergence)
            weighted = self.beta * kl_term + self.gamma * total_correlation
            told_apart = ops.softplus(-total_correlation) + ops.softplus(of_shuffled)
            return {
                "loss": terms["reconstruction_loss"] + weighted,
                **terms,
                "total_correlation": total_correlation,
                "discriminator_loss": told_apart / 2,
            }

    def logit(self, z, training=False):
        """log q(z) - sum_j log q(z_j) as the discriminator sees it, `(batch,)`."""
        logit = ops.cast(self.discriminator(z, training=training), "float32")
        if len(logit.shape) != 2 or logit.shape[1] != 1:
            raise ValueError(
                f"The discriminator gives {tuple(logit.shape)}; expected one logit, (batch, 1)."
            )
        return logit[:, 0]

    def get_config(self):
        return {
            **super().get_config(),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "gamma": self.gamma,
        }
