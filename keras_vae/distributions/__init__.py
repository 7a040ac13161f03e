"""The distributions of a VAE, made from tensors at each call, in float32 and nats.

    log_prob(x)             log p(x) of each example: summed over all axes but the first
    kl_divergence(q, p)     KL(q || p) = E_q[log q(z) - log p(z)], of each latent

Nothing here owns a weight. The layers in `likelihoods` and `priors` do, and return distributions.
"""

from keras_vae.distributions.base import Distribution, soft_bound, sum_over_values
from keras_vae.distributions.columns import Columns
from keras_vae.distributions.continuous import (
    LogNormal,
    MultivariateNormal,
    Normal,
    NormalMixture,
)
from keras_vae.distributions.discrete import Bernoulli, Categorical, Multinomial, Poisson
from keras_vae.distributions.divergences import closed_form_kl, kl_divergence, register_kl

__all__ = [
    "Bernoulli",
    "Categorical",
    "Columns",
    "Distribution",
    "LogNormal",
    "Multinomial",
    "MultivariateNormal",
    "Normal",
    "NormalMixture",
    "Poisson",
    "closed_form_kl",
    "kl_divergence",
    "register_kl",
    "soft_bound",
    "sum_over_values",
]
