"""The variational autoencoder (Kingma and Welling 2014): three distributions and a bound.

    p(z)     prior        what latents look like before any data are seen     `vae.prior()`
    q(z|x)   posterior    which latents may have made x: the encoder          `vae.posterior(x)`
    p(x|z)   likelihood   which data a latent makes: the decoder              `vae.likelihood(z)`

log p(x) = log of the integral of p(x|z) p(z) over z, which nobody can compute. For every q,

    log p(x) = ELBO(x) + KL(q(z|x) || p(z|x)),
    ELBO(x)  = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))

and a KL is never negative: the ELBO is a lower bound, with equality where q is the true posterior.
Its negative is the loss, in nats, summed over the values of an example and over the latents, then
averaged over examples (lecture rows F1 to F3). `objective` below is that equation.
"""

import keras
from keras import ops

from keras_vae import priors
from keras_vae.distributions import Normal, kl_divergence, sum_over_values
from keras_vae.layers import Sampling
from keras_vae.models import checks, network_checks
from keras_vae.models.base import BaseModel


@keras.saving.register_keras_serializable(package="keras_vae")
class VAE(BaseModel):
    """A variational autoencoder that `fit` trains, and a beta-VAE (Higgins 2017) for beta != 1.

    Args:
        encoder: keras.Model. x to `(z_mean, z_log_var)`, each `(batch, latent_dim)`.
        decoder: keras.Model. z to what the likelihood needs; logits for a Bernoulli.
        likelihood: str or Likelihood. `"bernoulli"` for x in [0, 1], `"gaussian"` for real x.
            Defaults to `"bernoulli"`.
        prior: str or Prior. Defaults to `"standard_normal"`.
        beta: float, at least 0. Weight of the KL term; assign `vae.beta = 0.5` to change it.
            Defaults to `1.0`, the bound itself.
        seed: int. Fixes the draws of z and the order of the data; initial weights and dropout
            belong to the networks. Defaults to `None`.

    `fit(x)` learns to explain x; `fit(x, y)` to explain y from x (denoising). It logs, in nats for
    each example: `loss` = reconstruction_loss + beta * kl_loss (+ penalties of the networks),
    `reconstruction_loss` = -log p(x|z), `kl_loss`, and `elbo`, the bound at beta = 1.

    Raises:
        ValueError, TypeError: networks, likelihood or beta do not fit together.

    Example:

    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), latent_dim=2)
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> vae.compile(optimizer="adam")
    >>> history = vae.fit(np.zeros((10, 8, 8, 1)), verbose=0)
    >>> vae.generate(3, seed=1).shape
    (3, 8, 8, 1)
    """

    loss_names = ("loss", "reconstruction_loss", "kl_loss", "elbo")
    formula = "loss = -log p(x|z) + beta * KL(q(z|x) || p(z)),  z ~ q(z|x)"
    parts = ("input", "encoder", "sampling", *BaseModel.parts[2:])
    num_encoder_outputs = 2

    def __init__(
        self,
        encoder,
        decoder,
        likelihood="bernoulli",
        prior="standard_normal",
        beta=1.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(encoder, decoder, likelihood, seed, **kwargs)
        self.prior_layer = priors.get(prior)
        self._check_prior()
        self.sampling = Sampling(seed=self.seed, dtype="float32", name="sampling")
        self.sampling.built = True  # it has no weights
        self._initial_beta = checks.check_beta(beta)
        self._beta = self.add_weight(
            shape=(), initializer="ones", trainable=False, dtype="float32", name="beta"
        )
        self.beta = beta

    def _check_prior(self):
        network_checks.check_prior(self.prior_layer, self)
        if self.condition in (None, ()):  # the prior may know what the networks do not tell
            self.condition = self.prior_layer.condition or self.condition

    @property
    def beta(self):
        """Weight of the KL term: a non-trainable weight, so that a schedule can move it."""
        return self._beta

    @beta.setter
    def beta(self, value):
        self._beta.assign(checks.check_beta(value))

    def prior(self, condition=None):
        """p(z), a Distribution."""
        return self.prior_layer.distribution(condition)

    def posterior(self, x, condition=None, training=False):
        """q(z|x) = N(mean, exp(log_var)), a Distribution, for x of shape `(batch, ...)`."""
        mean, log_var = self.encoder(x, training=training)
        return Normal(mean, log_var)

    def code(self, x, condition=None, training=False):
        return self.posterior(x, condition, training).mean

    def kl(self, divergence):
        """The KL term of the loss, (batch, latent_dim) -> (batch,): the sum, unless overridden.

        Whatever shape it gives the loss, `kl_loss` and `elbo` stay those of the bound.
        """
        return sum_over_values(divergence)

    def objective(self, x, y=None, training=False):
        x, target, condition = self.roles(x, y)
        q = self.posterior(x, condition, training)  # q(z|x)
        z = self.sampling((q.mean, q.log_var), training=training)  # z = mean + std * eps
        p = self.prior(condition)  # p(z)
        p_x = self.likelihood(z, condition, training)  # p(x|z)
        with keras.name_scope("loss"):
            with keras.name_scope("reconstruction"):
                reconstruction_loss = -p_x.log_prob(target)
            with keras.name_scope("kl"):
                divergence = kl_divergence(q, p, z)  # KL(q(z|x) || p(z)) of each latent
                kl_loss = sum_over_values(divergence)
                kl_term = self.kl(divergence)
            return {
                "loss": reconstruction_loss + self.beta * kl_term,
                "reconstruction_loss": reconstruction_loss,
                "kl_loss": kl_loss,
                "elbo": -(reconstruction_loss + kl_loss),
            }

    def log_weights(self, x, y=None, num_samples=1, training=False):
        """log p(x, z_k) - log q(z_k|x) for draws z_k ~ q(z|x): (batch, num_samples), in nats.

        The mean over k is the ELBO, the log-mean-exp the importance-weighted bound (Burda 2016).

        Args:
            x, y: tensors, as `fit` is given them.
            num_samples: int, or an integer tensor: K.
            training: bool. Which noise is drawn, and how the networks run.
        """
        x, target, condition = self.roles(x, y)
        q = self.posterior(x, condition, training)
        p = self.prior(condition)

        def log_weight():
            z = self.sampling((q.mean, q.log_var), training=training)
            p_x = self.likelihood(z, condition, training)
            return p_x.log_prob(target) + p.log_prob(z) - q.log_prob(z)

        return ops.transpose(self.over_samples(log_weight, num_samples))

    def get_config(self):
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior_layer),
            "beta": self._initial_beta,
        }
