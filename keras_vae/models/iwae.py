"""The importance-weighted autoencoder (Burda 2016): a tighter bound, from several draws of z.

    L_K(x) = E log 1/K sum_k w_k,   w_k = p(x, z_k) / q(z_k|x),   z_1, ..., z_K ~ q(z|x)

    ELBO(x) = L_1(x) <= L_2(x) <= ... <= log p(x)

Where values are missing, p(x, z_k) is that of the known ones, and the model is the MIWAE of Mattei
and Frellsen (2019). (Lecture row M8.)
"""

import math

import keras
from keras import ops

from keras_vae import checks
from keras_vae.models.vae import VAE


@keras.saving.register_keras_serializable(package="keras_vae")
class IWAE(VAE):
    """A VAE that is trained on the importance-weighted bound of K draws.

    It logs `loss`, minus the bound of K draws, and the terms of the VAE's bound, each a mean over
    the draws: `reconstruction_loss` = -log p(x|z), `kl_loss` = log q(z|x) - log p(z), `elbo`.

    Args:
        encoder, decoder, likelihood, prior, seed: as in `VAE`.
        num_samples: int. K, the draws for each example: the decoder's work grows with it. Defaults
            to `5`.
        beta: float, at least 0. Weight of log p(z) - log q(z|x) in each log w_k, for a warm-up;
            at 1 the loss is the bound. Defaults to `1.0`.

    Raises:
        ValueError, TypeError: as `VAE`; or num_samples is no number of draws.

    Example:

    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), latent_dim=2, missing="mask")
    >>> vae = keras_vae.IWAE(encoder, decoder, num_samples=5)  # with missing values, a MIWAE
    >>> vae.compile(optimizer=keras_vae.optimizers.Adam())
    >>> x = np.where(np.random.default_rng(0).random((10, 8, 8, 1)) < 0.5, np.nan, 0.0)
    >>> history = vae.fit(x, verbose=0)
    """

    formula = "loss = -log 1/K sum_k p(x|z_k) (p(z_k) / q(z_k|x))^beta,  z_k ~ q(z|x)"

    def __init__(
        self,
        encoder,
        decoder,
        num_samples=5,
        likelihood="bernoulli",
        prior="standard_normal",
        beta=1.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(encoder, decoder, likelihood, prior, beta, seed, **kwargs)
        if self.free_bits or self.capacity is not None:
            raise ValueError("An IWAE has no KL term that free_bits or capacity could shape.")
        self.num_samples = checks.count(num_samples, "num_samples")

    def objective(self, x, y=None, training=False):
        log_p, log_ratio = self.log_terms(x, y, self.num_samples, training)
        with keras.name_scope("loss"):
            log_weights = log_p + self.beta * log_ratio
            bound = ops.logsumexp(log_weights, axis=1) - math.log(self.num_samples)
            reconstruction_loss, kl_loss = -ops.mean(log_p, axis=1), -ops.mean(log_ratio, axis=1)
            return {
                "loss": -bound,
                "reconstruction_loss": reconstruction_loss,
                "kl_loss": kl_loss,
                "elbo": -(reconstruction_loss + kl_loss),
            }

    def get_config(self):
        return {**super().get_config(), "num_samples": self.num_samples}
