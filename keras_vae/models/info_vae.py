"""InfoVAE (Zhao 2019), and with beta = 0 the Wasserstein autoencoder WAE-MMD (Tolstikhin 2018).

The KL term asks that each q(z|x) is near p(z), so z tells little of x. It is enough that all of
them together, q(z), are p(z). The maximum mean discrepancy compares two sets of draws:

    MMD = mean k(z, z') - 2 mean k(z, u) + mean k(u, u'),     z ~ q(z), u ~ p(z)
    loss = -log p(x|z) + beta * KL(q(z|x) || p(z)) + mmd_weight * MMD

(in the letters of Zhao beta = 1 - alpha, mmd_weight = alpha + lambda - 1; lecture row M3). Kernels:

    "rbf"  k = exp(-|z - u|^2 / (2 latent_dim))
    "imq"  k = mean over s of c / (c + |z - u|^2), c = 2 latent_dim s, s = 0.1, ..., 10
"""

import keras
from keras import ops

from keras_vae import checks
from keras_vae.models.vae import VAE

_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # Tolstikhin's
KERNELS = {  # of the squared distance and the number of latents
    "rbf": lambda squared, dim: ops.exp(-squared / (2 * dim)),
    "imq": lambda squared, dim: (
        sum(2 * dim * s / (2 * dim * s + squared) for s in _SCALES) / len(_SCALES)
    ),
}


@keras.saving.register_keras_serializable(package="keras_vae")
class InfoVAE(VAE):
    """A VAE whose latents as a whole are held at p(z), by their maximum mean discrepancy.

    It logs `mmd`, an unbiased estimate that compares the examples of a batch: around 0 where q(z)
    is p(z), and below it as often as above. It and the loss depend on the batch size.

    Args:
        encoder, decoder, likelihood, prior, seed, free_bits, capacity: as in `VAE`.
        beta: float, at least 0. Weight of the KL term. Defaults to `0.0`, the WAE-MMD.
        mmd_weight: float, at least 0. Nats for an MMD of 1. Defaults to `1000.0`.
        kernel: `"imq"`, inverse multiquadric, or `"rbf"`. Defaults to `"imq"`.

    Raises:
        ValueError, TypeError: as `VAE`; or an argument is out of range.

    Example:

    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), latent_dim=2)
    >>> vae = keras_vae.InfoVAE(encoder, decoder)
    >>> vae.compile(optimizer=keras_vae.optimizers.Adam())
    >>> history = vae.fit(np.zeros((64, 8, 8, 1)), verbose=0)
    """

    loss_names = (*VAE.loss_names, "mmd")
    formula = "loss = -log p(x|z) + beta * KL(q(z|x) || p(z)) + mmd_weight * MMD(q(z), p(z))"

    def __init__(self, encoder, decoder, *, beta=0.0, mmd_weight=1000.0, kernel="imq", **kwargs):
        super().__init__(encoder, decoder, beta=beta, **kwargs)
        self.mmd_weight = checks.number(mmd_weight, "mmd_weight")
        if kernel not in KERNELS:
            raise ValueError(f"kernel is {kernel!r}; expected one of {sorted(KERNELS)}.")
        self.kernel = kernel

    def objective(self, x, y=None, training=False):
        drawn, terms = self.bound(x, y, training)
        with keras.name_scope("sampling"):
            of_prior = drawn.p.sample(self.sampling.stream(training), ops.shape(drawn.z))
        with keras.name_scope("loss"):
            kl_term = self.regulariser(drawn.q, drawn.p, drawn.z, drawn.divergence)
            discrepancy = mmd(drawn.z, of_prior, self.kernel)
            discrepancy = ops.broadcast_to(discrepancy, ops.shape(kl_term))
            weighted = self.beta * kl_term + self.mmd_weight * discrepancy
            return {"loss": terms["reconstruction_loss"] + weighted, **terms, "mmd": discrepancy}

    def get_config(self):
        return {**super().get_config(), "mmd_weight": self.mmd_weight, "kernel": self.kernel}


def mmd(z, u, kernel="imq"):
    """The maximum mean discrepancy of two sets of draws, unbiased (Gretton 2012, equation 3).

    Args:
        z, u: tensors `(n, latent_dim)`, with the same n.
        kernel: a name in `KERNELS`.

    Returns:
        scalar tensor. An average, so that draws of one distribution give 0 in the mean.
    """
    n, dim = ops.cast(ops.shape(z)[0], "float32"), z.shape[1]

    def mean(a, b, own=0.0):  # own: how many pairs are a draw with itself, whose k is 1
        a_squared, b_squared = (ops.sum(ops.square(c), axis=1) for c in (a, b))
        squared = a_squared[:, None] + b_squared - 2 * ops.matmul(a, ops.transpose(b))
        values = KERNELS[kernel](ops.maximum(squared, 0.0), dim)
        return (ops.sum(values) - own) / ops.maximum(n * n - own, 1.0)

    return mean(z, z, n) - 2 * mean(z, u) + mean(u, u, n)
