"""The conditional VAE (Sohn 2015): every distribution of the VAE reads a condition c.

    log p(x|c) >= E_q(z|x,c)[log p(x|z, c)] - KL(q(z|x, c) || p(z|c))

c is a class, attributes or an image, for example. z holds what c does not tell, such as the style
of the handwriting. (Introduction, equation 8, whose last p(z, c) means p(z|c); lecture rows
A9 and M4.)
"""

import keras

from keras_vae.models.signature import Signature
from keras_vae.models.vae import VAE


@keras.saving.register_keras_serializable(package="keras_vae")
class ConditionalVAE(VAE):
    """A VAE of x given a condition: `fit(x, condition)`, `generate(n, condition=...)`.

    Encoder and decoder read the condition as a second input: integer labels, vectors or images;
    `networks.dense` and `networks.conv` with `condition=` make such a pair. A network with one
    input reads no condition (the Introduction's encoder: q(z|x) and p(x|z, c)). A network whose
    number of inputs is unknown receives both.

    In principle p(z|c) = N(0, I) is enough, since the decoder can transform z for each c. In
    practice a learned `prior` such as `priors.Mixture(latent_dim, components=10, condition=10)`
    gives draws that look more like data.

    Args:
        encoder: keras.Model. `[x, condition]` to `(z_mean, z_log_var)`.
        decoder: keras.Model. `[z, condition]` to what the likelihood needs.
        likelihood, prior, beta, seed, free_bits, capacity: as in `VAE`.

    It logs the same as a `VAE`; `elbo` bounds log p(x|c), and `log_likelihood` estimates it.

    Raises:
        ValueError, TypeError: networks and prior do not fit together, or none of them reads a
            condition.

    Example:

    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), latent_dim=2, condition=10)
    >>> vae = keras_vae.ConditionalVAE(encoder, decoder)
    >>> vae.compile(optimizer=keras_vae.optimizers.Adam())
    >>> history = vae.fit(np.zeros((10, 8, 8, 1)), np.arange(10), verbose=0)
    >>> vae.generate(3, seed=1, condition=7).shape
    (3, 8, 8, 1)
    """

    formula = "loss = -log p(x|z,c) + beta * KL(q(z|x,c) || p(z|c)),  z ~ q(z|x,c)"
    signature = Signature(second="condition")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.signature.is_known and self.signature.condition is None:
            raise ValueError(
                f"Neither encoder nor decoder nor prior of this {type(self).__name__} reads a "
                "condition; build the networks with condition=, or use a VAE."
            )
