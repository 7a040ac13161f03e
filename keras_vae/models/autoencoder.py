"""The deterministic autoencoder: the baseline whose latent space has gaps (lecture row M1).

    z = encoder(x),   loss = -log p(x | z)

There is no noise, no prior and no KL term. So nothing fills the space between the codes of the
data, and a point from there decodes to no sensible image. A VAE repairs that.
"""

import keras

from keras_vae.models.base import BaseModel


@keras.saving.register_keras_serializable(package="keras_vae")
class Autoencoder(BaseModel):
    """An autoencoder with the reconstruction loss of a VAE and nothing else.

    Args:
        encoder: keras.Model. x to z, with one output: `networks.dense(..., variational=False)`.
        decoder: keras.Model. z to what the likelihood needs.
        likelihood: str or Likelihood. Defaults to `"bernoulli"`.
        seed: int. Fixes the order of the data. Defaults to `None`.

    It logs `loss` and `reconstruction_loss`, in nats. They differ by the networks' penalties.

    Example:

    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), latent_dim=2, variational=False)
    >>> autoencoder = keras_vae.Autoencoder(encoder, decoder)
    >>> autoencoder.encode(np.zeros((3, 8, 8, 1))).shape
    (3, 2)
    """

    formula = "loss = -log p(x|z),  z = encoder(x)"

    def codes(self, x, condition=None, training=False):
        return (self.encoder(x, training=training),)

    def objective(self, x, y=None, training=False):
        x, target, condition = self.signature.roles(x, y)
        z = self.codes(x, condition, training)[0]
        p_x = self.likelihood(z, condition, training)
        with keras.name_scope("loss"), keras.name_scope("reconstruction"):
            reconstruction_loss = -p_x.log_prob(target, self.signature.known(target))
        return {"loss": reconstruction_loss, "reconstruction_loss": reconstruction_loss}
