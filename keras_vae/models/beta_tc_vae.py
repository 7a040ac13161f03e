"""The beta-TCVAE (Chen 2018): a large beta, on the one part of the KL that ties latents together.

With q(z) = mean over the data of q(z|x), the aggregate posterior, the mean KL has three parts:

    KL(q(z|x) || p(z)) = I(x; z)                         mutual information: z tells of x
                       + KL(q(z) || prod_j q(z_j))       total correlation: latents are tied
                       + sum_j KL(q(z_j) || p(z_j))      dimension-wise KL: each has its prior

A beta-VAE pays beta times for all of them, so its z tells less of x. Here beta weighs the second:

    loss = -log p(x|z) + KL(q(z|x) || p(z)) + (beta - 1) * total correlation

(equations 2 and 4 of the paper; lecture row M3).
"""

import keras
import tensorflow as tf
from keras import ops

from keras_vae import checks
from keras_vae.distributions import Normal
from keras_vae.models.vae import VAE


@keras.saving.register_keras_serializable(package="keras_vae")
class BetaTCVAE(VAE):
    """A VAE with weight beta on the total correlation of its latents.

    It logs `mutual_information`, `total_correlation` and `dimension_wise_kl` too; they sum to
    `kl_loss`. They compare the examples of a batch with each other: they depend on the batch size,
    and so does the loss in `evaluate`. Use batches of 64 examples or more.

    Args:
        encoder, decoder, likelihood, prior, seed, free_bits, capacity: as in `VAE`.
        num_examples: int. How many examples the model is trained on, `len(x_train)`.
        beta: float, at least 0. Weight of the total correlation. Defaults to `6.0`.
        estimator: how q(z) is estimated from a batch (appendix C of the paper). `"stratified"`: an
            unbiased estimate, in which the example itself counts 1 / num_examples. `"weighted"`:
            all examples of the batch count alike; its log q(z) is too low by a constant, of up to
            log(num_examples), so its parts are not in true nats. Defaults to `"stratified"`.

    Raises:
        ValueError, TypeError: as `VAE`; an argument is out of range; or q(z|x) is no `Normal`.

    Example:

    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), latent_dim=2)
    >>> vae = keras_vae.BetaTCVAE(encoder, decoder, num_examples=64, beta=4.0)
    >>> vae.compile(optimizer=keras_vae.optimizers.Adam())
    >>> history = vae.fit(np.zeros((64, 8, 8, 1)), verbose=0)
    """

    loss_names = (
        *VAE.loss_names,
        "mutual_information",
        "total_correlation",
        "dimension_wise_kl",
    )
    formula = "loss = -log p(x|z) + KL(q(z|x) || p(z)) + (beta - 1) * TC(z),  z ~ q(z|x)"

    def __init__(
        self, encoder, decoder, num_examples, *, beta=6.0, estimator="stratified", **kwargs
    ):
        super().__init__(encoder, decoder, beta=beta, **kwargs)
        self.num_examples = checks.count(num_examples, "num_examples")
        if estimator not in ("stratified", "weighted"):
            raise ValueError(f'estimator is {estimator!r}; expected "stratified" or "weighted".')
        self.estimator = estimator

    def objective(self, x, y=None, training=False):
        drawn, terms = self.bound(x, y, training)
        with keras.name_scope("loss"):
            with keras.name_scope("kl"):
                kl_term = self.regulariser(drawn.q, drawn.p, drawn.z, drawn.divergence)
                log_q, log_q_of_each = self.log_aggregate(drawn.q, drawn.z)
                total_correlation = log_q - log_q_of_each
                dimension_wise_kl = log_q_of_each - drawn.p.log_prob(drawn.z)
            weighted = kl_term + (self.beta - 1) * total_correlation
            return {
                "loss": terms["reconstruction_loss"] + weighted,
                **terms,
                "mutual_information": terms["kl_loss"] - total_correlation - dimension_wise_kl,
                "total_correlation": total_correlation,
                "dimension_wise_kl": dimension_wise_kl,
            }

    def log_aggregate(self, q, z):
        """log q(z) and sum_j log q(z_j) of each draw, each `(batch,)`, from the batch's q(z|x)."""
        if not isinstance(q, Normal):
            raise TypeError(
                f"q(z|x) is a {type(q).__name__}; a {type(self).__name__} needs the density of "
                "each latent, that of a Normal."
            )
        others = Normal(q.mean[None], q.log_var[None])
        densities = others.log_density(ops.expand_dims(z, 1))  # (draw, example, latent)
        weights = self._log_weights_of_examples(ops.shape(z)[0])  # (draw, example)
        log_q = ops.logsumexp(ops.sum(densities, axis=-1) + weights, axis=1)
        log_q_of_each = ops.logsumexp(densities + weights[..., None], axis=1)
        return log_q, ops.sum(log_q_of_each, axis=-1)

    def _log_weights_of_examples(self, batch):
        """How much each example of the batch counts in q(z) of each draw."""
        n, rows = float(self.num_examples), ops.cast(batch, "float32")
        if self.estimator == "weighted":
            return ops.reshape(-ops.log(n * rows), (1, 1))
        # A draw's own example is one of n. The other n - 1 are represented by the rest of the
        # batch. (The paper gives one of the rest another weight; this is the mean over which.)
        rest = (n - 1) / n / ops.maximum(rows - 1, 1)
        return ops.log(ops.where(tf.eye(batch, dtype="bool"), 1 / n, rest))

    def get_config(self):
        return {
            **super().get_config(),
            "num_examples": self.num_examples,
            "estimator": self.estimator,
        }
