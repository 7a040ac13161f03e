"""A VAE whose encoder begins at the exact posterior of a linear model.

    p(x|z) = N(x; W z + b + f(z), v)        W z + b is linear, f a network

    without f:  q(z|x) = N(m, P^-1),  P = I + W^T W / v,  m = P^-1 W^T (x - b) / v

Here the sums run over the known values of x, whichever these are, so that the posterior of factor
analysis (Rubin and Thayer 1982) need not be learned. Networks learn what f adds: the encoder moves
m and stretches P, and one refinement step reads what is left of x after decoding. With f = 0 the
bound is log p(x), and the model is probabilistic PCA with missing values. The idea, a conjugate
model within a network, is that of Johnson (2016).
"""

import keras
import tensorflow as tf
from keras import ops

from keras_vae.distributions import MultivariateNormal
from keras_vae.models.iwae import IWAE

STEPS = 3  # of refinement


@keras.saving.register_keras_serializable(package="keras_vae")
class PartlyLinearVAE(IWAE):
    """An IWAE for tables and small images with missing values.

    Args:
        encoder, decoder, refinement: keras.Models, of `networks.partly_linear`. The decoder has a
            layer `linear` that reads z.
        num_samples: int. As in `IWAE`. Defaults to `3`.
        likelihood: str or Likelihood with a `normal_view`: all but a Gaussian whose variance the
            decoder gives. Defaults to `"gaussian"`.
        prior, beta, seed: as in `IWAE`. The linear posterior is that of N(0, I), whatever p(z) is.

    It logs the same as an `IWAE`.

    Raises:
        ValueError, TypeError: as `IWAE`; or the decoder has no linear layer.

    Example:

    >>> parts = keras_vae.networks.partly_linear(5, latent_dim=2)
    >>> vae = keras_vae.PartlyLinearVAE(*parts)
    >>> vae.compile(optimizer=keras_vae.optimizers.Adam())
    >>> history = vae.fit(np.array([[1.0, 0.5, np.nan, 0.2, 0.1]] * 8), verbose=0)
    """

    parts = (*IWAE.parts[:2], "refinement", *IWAE.parts[2:])

    def __init__(
        self, encoder, decoder, refinement, num_samples=3, likelihood="gaussian", **kwargs
    ):
        super().__init__(encoder, decoder, num_samples, likelihood, **kwargs)
        self.refinement = refinement
        if "linear" not in [layer.name for layer in decoder.layers]:
            raise ValueError(
                "decoder has no layer 'linear'; build the networks with networks.partly_linear."
            )

    def posterior(self, x, condition=None, training=False):
        shift, log_var = (
            ops.cast(each, "float32") for each in self.run(self.encoder, x, None, training)
        )
        with keras.name_scope("linear_posterior"):
            linear = self.decoder.get_layer("linear")
            weights, offset = (ops.stop_gradient(ops.cast(v, "float32")) for v in linear.weights)
            value, variance = (tf.stop_gradient(v) for v in self.likelihood_layer.normal_view(x))
            value, variance = (ops.reshape(v, (-1, weights.shape[1])) for v in (value, variance))
            known = ops.logical_not(ops.isnan(value))
            certainty = ops.where(known, 1 / variance, 0.0)  # 1 / v, 0 where nothing is known
            apart = ops.where(known, value - offset, 0.0)
            outer = ops.reshape(weights[:, None] * weights[None], (-1, weights.shape[1]))
            size = weights.shape[0]
            precision = ops.reshape(ops.matmul(certainty, ops.transpose(outer)), (-1, size, size))
            factor = tf.linalg.cholesky(precision + ops.eye(size))
        mean = self._step(factor, weights, certainty * apart) + shift
        for _ in range(STEPS):
            decoded = ops.reshape(self.run(self.decoder, mean, None, training), ops.shape(value))
            rest = ops.where(known, value - ops.cast(decoded, "float32"), 0.0)
            read = [
                ops.clip(rest * ops.sqrt(certainty), -5.0, 5.0),
                ops.cast(known, "float32"),
                mean,
                ops.clip(self._step(factor, weights, certainty * rest), -4.0, 4.0),
            ]
            refined = self.refinement(ops.concatenate(read, axis=1), training=training)
            mean = mean + ops.cast(refined, "float32")
        # A standard deviation times exp(log_var / 2) divides the column of L
        factor = factor * ops.exp(-0.5 * log_var)[:, None]
        return MultivariateNormal(mean, factor)

    @staticmethod
    def _step(factor, weights, gradient):
        """P^-1 W^T gradient: the step of the linear model from a gradient in x."""
        return tf.linalg.cholesky_solve(
            factor, ops.matmul(gradient, ops.transpose(weights))[..., None]
        )[..., 0]

    def get_config(self):
        return {
            **super().get_config(),
            "refinement": keras.saving.serialize_keras_object(self.refinement),
        }
