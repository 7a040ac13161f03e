"""The variational autoencoder (Kingma and Welling 2014): three distributions and a bound.

    p(z)     prior        what latents look like before any data are seen     `vae.prior()`
    q(z|x)   posterior    which latents may have made x: the encoder          `vae.posterior(x)`
    p(x|z)   likelihood   which data a latent makes: the decoder              `vae.likelihood(z)`

log p(x) = log of the integral of p(x|z) p(z) over z, which has no closed form. For every q,

    log p(x) = ELBO(x) + KL(q(z|x) || p(z|x)),
    ELBO(x)  = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))

and a KL is never negative: the ELBO is a lower bound, with equality where q is the true posterior.
Its negative is the loss, in nats, summed over the values of an example and over the latents, then
averaged over examples (lecture rows F1 to F3). `bound` and `objective` below are that equation.
"""

import collections

import keras
import numpy as np
from keras import ops

from keras_vae import checks, noise, priors
from keras_vae.distributions import Normal, closed_form_kl, sum_over_values
from keras_vae.models.base import BaseModel
from keras_vae.models.signature import Signature
from keras_vae.noise import Sampling

_FIELDS = ("z", "divergence", "log_ratio", "q", "p", "above")
Draw = collections.namedtuple("Draw", _FIELDS, defaults=(None, None, ()))
Draw.__doc__ = """One draw of the latents, z ~ q(z|x), and what it costs, in nats.

z: for the decoder, (batch, latent_dim). divergence: KL(q(z|x) || p(z)) of each latent, (batch, k);
where there is no closed form its estimate -log_ratio, k = 1. log_ratio: log p(z) - log q(z|x),
(batch,). q, p: the distributions, where z has one. above: z of further levels, the top one last.
"""


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
        free_bits: float, at least 0. Nats for each latent that cost nothing more: the KL term is
            sum_j max(free_bits, KL_j), where KL_j is the mean over the batch (free bits,
            Kingma 2016). Defaults to `0.0`.
        capacity: float, at least 0, or None. With a capacity C, in nats, the KL term is |KL - C|,
            KL the mean over the batch, and beta is its gamma (Burgess 2018); assign
            `vae.capacity = 5.0` to change it. Defaults to `None`.
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
    >>> vae.compile(optimizer=keras_vae.optimizers.Adam())
    >>> history = vae.fit(np.zeros((10, 8, 8, 1)), verbose=0)
    >>> vae.generate(3, seed=1).shape
    (3, 8, 8, 1)
    """

    loss_names = ("loss", "reconstruction_loss", "kl_loss", "elbo")
    formula = "loss = -log p(x|z) + beta * KL(q(z|x) || p(z)),  z ~ q(z|x)"
    parts = ("input", "encoder", "sampling", *BaseModel.parts[2:])
    signature = Signature()

    def __init__(
        self,
        encoder,
        decoder,
        likelihood="bernoulli",
        prior="standard_normal",
        beta=1.0,
        seed=None,
        free_bits=0.0,
        capacity=None,
        **kwargs,
    ):
        super().__init__(encoder, decoder, likelihood, seed, **kwargs)
        self.prior_layer = priors.get(prior)
        self.signature.read_prior(self.prior_layer)
        self.sampling = Sampling(seed=self.seed, dtype="float32", name="sampling")
        self._initial_beta = checks.number(beta, "beta")
        self._beta = self.add_weight(
            shape=(), initializer="ones", trainable=False, dtype="float32", name="beta"
        )
        self.beta = beta
        # The integral of `callbacks.ControlVAE`; no weight, so that its use changes no file.
        vars(self)["control_state"] = keras.Variable(np.nan, trainable=False, dtype="float64")
        self.free_bits = checks.number(free_bits, "free_bits")
        if free_bits:
            self.formula += f", where KL = sum_j max({free_bits:g}, KL_j)"
        self._initial_capacity = self._capacity = None
        if capacity is not None:
            if free_bits:
                raise ValueError("free_bits and capacity are two forms of the KL term; give one.")
            self.formula += ", where KL = |KL - capacity|"
            self._initial_capacity = checks.number(capacity, "capacity")
            self._capacity = self.add_weight(
                shape=(), initializer="zeros", trainable=False, dtype="float32", name="capacity"
            )
            self.capacity = capacity

    @property
    def beta(self):
        """Weight of the KL term: a non-trainable weight, so that a schedule can move it."""
        return self._beta

    @beta.setter
    def beta(self, value):
        self._beta.assign(checks.number(value, "beta"))

    @property
    def capacity(self):
        """The C of |KL - C|, in nats: a non-trainable weight; None if the KL term has no C."""
        return self._capacity

    @capacity.setter
    def capacity(self, value):
        if self._capacity is None:
            raise ValueError("This model has no capacity; create it with capacity=0.0, say.")
        self._capacity.assign(checks.number(value, "capacity"))

    # The three distributions ---------------------------------------------------------------

    def prior(self, condition=None, training=False):
        """p(z), or p(z|c), a Distribution."""
        return self.prior_layer.distribution(condition)

    def posterior(self, x, condition=None, training=False):
        """q(z|x) = N(mean, exp(log_var)), or q(z|x, c), a Distribution, for x `(batch, ...)`."""
        mean, log_var = self.run(self.encoder, x, condition, training)
        return Normal(mean, log_var)

    # The bound -----------------------------------------------------------------------------

    def infer(self, posterior, condition=None, training=False):
        """One draw z ~ q(z|x): a `Draw`. All bounds and scores are written on it.

        Args:
            posterior: what `posterior` gave of x, in a first pass of the encoder that serves all
                draws.
            condition, training: as of `posterior`.
        """
        q, p = posterior, self.prior(condition, training)
        if isinstance(q, Normal):
            z, log_q = self.sampling((q.mean, q.log_var), training=training), None
        else:
            with keras.name_scope("sampling"):
                z, log_q = q.sample_and_log_prob(self.sampling.stream(training))
        with keras.name_scope("loss"), keras.name_scope("kl"):
            log_ratio = p.log_prob(z) - (q.log_prob(z) if log_q is None else log_q)
            kl = closed_form_kl(q, p)
            divergence = kl(q, p) if kl else -ops.expand_dims(log_ratio, axis=-1)
        return Draw(z, divergence, log_ratio, q, p)

    def bound(self, x, y=None, training=False):
        """One draw of the latents, and the terms of the bound that it gives.

        Returns:
            Tuple `(Draw, dict)`: the dict has `reconstruction_loss`, `kl_loss` and `elbo`, each
            `(batch,)`, in nats. The loss of a model is made of them.
        """
        x, target, condition = self.signature.roles(x, y)
        q = self.posterior(x, condition, training)  # q(z|x)
        drawn = self.infer(q, condition, training)  # z ~ q(z|x), KL(q(z|x) || p(z)), log p/q
        p_x = self.likelihood(drawn.z, condition, training)  # p(x|z)
        with keras.name_scope("loss"):
            with keras.name_scope("reconstruction"):
                reconstruction_loss = -p_x.log_prob(target, self.signature.known(target))
            with keras.name_scope("kl"):
                kl_loss = sum_over_values(drawn.divergence)
            return drawn, {
                "reconstruction_loss": reconstruction_loss,
                "kl_loss": kl_loss,
                "elbo": -(reconstruction_loss + kl_loss),
            }

    def regulariser(self, q, p, z, divergence):
        """The KL term of the loss, `(batch,)`, in nats: the KL, `free_bits` or |KL - capacity|.

        Whatever it adds to the loss, `kl_loss` and `elbo` stay those of the bound.

        Args: the fields of a `Draw`; divergence has shape `(batch, k)`.
        """
        kl = sum_over_values(divergence)
        if self.free_bits:
            if q is not None and closed_form_kl(q, p) is None:
                raise ValueError(
                    "free_bits needs a KL of each latent, and there is no closed form of KL("
                    f"{type(q).__name__} || {type(p).__name__}). Use capacity=, or another prior."
                )
            free = ops.maximum(ops.mean(divergence, axis=0), self.free_bits)
            kl = ops.broadcast_to(ops.sum(free), ops.shape(kl))
        if self._capacity is not None:
            kl = ops.broadcast_to(ops.abs(ops.mean(kl) - self._capacity), ops.shape(kl))
        return kl

    def objective(self, x, y=None, training=False):
        drawn, terms = self.bound(x, y, training)
        with keras.name_scope("loss"):
            with keras.name_scope("kl"):
                kl_term = self.regulariser(drawn.q, drawn.p, drawn.z, drawn.divergence)
                checks.per_example(kl_term, drawn.z, "the regulariser")
            return {"loss": terms["reconstruction_loss"] + self.beta * kl_term, **terms}

    def log_terms(self, x, y=None, num_samples=1, training=False):
        """The two terms of a log-weight, of draws z_k ~ q(z|x), each (batch, num_samples), in nats.

        Args: as of `log_weights`.

        Returns:
            Tuple: log p(x|z_k), and log p(z_k) - log q(z_k|x).
        """
        x, target, condition = self.signature.roles(x, y)
        q = self.posterior(x, condition, training)

        def terms(q, condition, target):
            drawn = self.infer(q, condition, training)
            p_x = self.likelihood(drawn.z, condition, training)
            log_p = p_x.log_prob(target, self.signature.known(target))
            return ops.stack([log_p, drawn.log_ratio], axis=-1)

        both = self.over_samples(terms, (q, condition, target), num_samples, training)
        return both[..., 0], both[..., 1]

    def log_weights(self, x, y=None, num_samples=1, training=False):
        """log p(x, z_k) - log q(z_k|x) for draws z_k ~ q(z|x): (batch, num_samples), in nats.

        The mean over k is the ELBO, the log-mean-exp the importance-weighted bound (Burda 2016).

        Args:
            x, y: tensors, as `fit` is given them.
            num_samples: int, or an integer tensor: K.
            training: bool. Which noise is drawn, and how the networks run.
        """
        log_p, log_ratio = self.log_terms(x, y, num_samples, training)
        return log_p + log_ratio

    def codes(self, x, condition=None, training=False):
        with noise.none():  # the means
            drawn = self.infer(self.posterior(x, condition, training), condition, training)
        return (drawn.z, *drawn.above)

    def generator_states(self):
        return {**super().generator_states(), "control": self.control_state}

    def get_config(self):
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior_layer),
            "beta": self._initial_beta,
            "free_bits": self.free_bits,
            "capacity": self._initial_capacity,
        }
