"""The registry: models under the names that people search for, each in a few lines.

    vae = keras_vae.zoo.conv_vae((28, 28, 1), latent_dim=16, filters=(32, 64))
    vae.compile(optimizer="adam")
    vae.fit(x)

Each takes `likelihood`, `seed` and the arguments of its builder in `networks` (`hidden`, `filters`,
`batch_norm`, ...), and raises the errors of builder and model. The code after "By parts" in a
docstring makes the same model.

A new model needs an entry here and nowhere else. `__all__` names the classes at the top of the
package. The tests of every model, the saved files of every version and the table of the pages read
`ENTRIES`.
"""

import collections

from keras_vae import networks, priors
from keras_vae.models.autoencoder import Autoencoder
from keras_vae.models.beta_tc_vae import BetaTCVAE
from keras_vae.models.conditional_vae import ConditionalVAE
from keras_vae.models.factor_vae import FactorVAE
from keras_vae.models.info_vae import InfoVAE
from keras_vae.models.iwae import IWAE
from keras_vae.models.partly_linear_vae import PartlyLinearVAE
from keras_vae.models.vae import VAE

__all__ = [
    "IWAE",
    "VAE",
    "Autoencoder",
    "BetaTCVAE",
    "ConditionalVAE",
    "FactorVAE",
    "InfoVAE",
    "PartlyLinearVAE",
]

Entry = collections.namedtuple("Entry", ["make", "model", "paper", "tutorial", "example"])
ENTRIES = {}


def entry(model, paper, tutorial, **example):
    """Decorator that adds a function to `ENTRIES`.

    Args:
        model: class of the model that the function returns.
        paper: str. Authors and year.
        tutorial: str. Name of the tutorial that shows it.
        example: arguments of a small model, besides input_shape and latent_dim.
    """

    def register(make):
        ENTRIES[make.__name__] = Entry(make, model, paper, tutorial, example)
        return make

    return register


@entry(
    Autoencoder, "Hinton and Salakhutdinov 2006", "01_image_generation", hidden=(16,), dropout=0.1
)
def autoencoder(input_shape, latent_dim, likelihood="bernoulli", seed=None, **network):
    """A deterministic autoencoder with dense networks: the baseline without noise and prior.

    By parts: `Autoencoder(*networks.dense(input_shape, latent_dim, variational=False))`
    """
    networks_ = networks.dense(
        input_shape, latent_dim, likelihood=likelihood, variational=False, **network
    )
    return Autoencoder(*networks_, likelihood=likelihood, seed=seed)


@entry(VAE, "Kingma and Welling 2014", "01_image_generation", hidden=(16,), dropout=0.1)
def dense_vae(input_shape, latent_dim, likelihood="bernoulli", seed=None, **network):
    """A VAE with fully connected networks, for vectors and small images.

    By parts: `VAE(*networks.dense(input_shape, latent_dim))`
    """
    networks_ = networks.dense(input_shape, latent_dim, likelihood=likelihood, **network)
    return VAE(*networks_, likelihood=likelihood, seed=seed)


@entry(VAE, "Kingma and Welling 2014", "01_image_generation", filters=(4,), batch_norm=True)
def conv_vae(input_shape, latent_dim, likelihood="bernoulli", seed=None, **network):
    """A VAE with convolutional networks, for images of any size.

    By parts: `VAE(*networks.conv(input_shape, latent_dim))`
    """
    networks_ = networks.conv(input_shape, latent_dim, likelihood=likelihood, **network)
    return VAE(*networks_, likelihood=likelihood, seed=seed)


@entry(VAE, "Higgins 2017", "02_tensorboard", hidden=(16,), beta=0.5)
def beta_vae(input_shape, latent_dim, beta=4.0, likelihood="bernoulli", seed=None, **network):
    """A VAE whose KL term has the weight beta. Above 1 it favours disentangled latents.

    By parts: `VAE(*networks.dense(input_shape, latent_dim), beta=4.0)`
    """
    networks_ = networks.dense(input_shape, latent_dim, likelihood=likelihood, **network)
    return VAE(*networks_, likelihood=likelihood, beta=beta, seed=seed)


@entry(BetaTCVAE, "Chen 2018", "06_beta", hidden=(16,), num_examples=300, beta=4.0)
def beta_tc_vae(
    input_shape, latent_dim, num_examples, beta=6.0, likelihood="bernoulli", seed=None, **network
):
    """A VAE that pays beta times for latents that depend on each other, and once for the rest.

    By parts: `BetaTCVAE(*networks.dense(input_shape, latent_dim), num_examples)`
    """
    networks_ = networks.dense(input_shape, latent_dim, likelihood=likelihood, **network)
    return BetaTCVAE(*networks_, num_examples, beta=beta, likelihood=likelihood, seed=seed)


@entry(FactorVAE, "Kim and Mnih 2018", "06_beta", hidden=(16,), gamma=5.0, discriminator=(16,))
def factor_vae(
    input_shape,
    latent_dim,
    gamma=10.0,
    discriminator=(128, 128, 128),
    likelihood="bernoulli",
    seed=None,
    **network,
):
    """A VAE in which a discriminator measures, and gamma weighs, how latents depend on each other.

    `discriminator`: the sizes of its hidden layers.

    By parts: `FactorVAE(*networks.dense(input_shape, latent_dim), gamma=10.0)`
    """
    networks_ = networks.dense(input_shape, latent_dim, likelihood=likelihood, **network)
    third = networks.discriminator(latent_dim, discriminator)
    return FactorVAE(*networks_, third, gamma=gamma, likelihood=likelihood, seed=seed)


@entry(InfoVAE, "Zhao 2019, Tolstikhin 2018", "06_beta", hidden=(16,), beta=0.5, mmd_weight=100.0)
def info_vae(
    input_shape,
    latent_dim,
    beta=0.0,
    mmd_weight=1000.0,
    likelihood="bernoulli",
    seed=None,
    **network,
):
    """A VAE whose latents as a whole follow the prior, by an MMD; with beta = 0 a WAE-MMD.

    By parts: `InfoVAE(*networks.dense(input_shape, latent_dim), mmd_weight=1000.0)`
    """
    networks_ = networks.dense(input_shape, latent_dim, likelihood=likelihood, **network)
    return InfoVAE(*networks_, beta=beta, mmd_weight=mmd_weight, likelihood=likelihood, seed=seed)


@entry(
    ConditionalVAE,
    "Sohn 2015",
    "03_conditional_generation",
    hidden=(16,),
    condition=10,
    components=2,
)
def conditional_vae(
    input_shape, latent_dim, condition, components=10, likelihood="bernoulli", seed=None, **network
):
    """A VAE of x given a condition: a class, a vector or an image.

    By parts: `ConditionalVAE(*networks.dense(input_shape, latent_dim, condition=condition),
        prior=priors.Mixture(latent_dim, components=10, condition=condition))`
    """
    networks_ = networks.dense(
        input_shape, latent_dim, likelihood=likelihood, condition=condition, **network
    )
    prior = priors.Mixture(latent_dim, components, condition)
    return ConditionalVAE(*networks_, likelihood=likelihood, prior=prior, seed=seed)


@entry(IWAE, "Burda 2016", "08_missing_values", hidden=(16,), num_samples=3)
def iwae(input_shape, latent_dim, num_samples=5, likelihood="bernoulli", seed=None, **network):
    """A VAE that is trained on the tighter bound of several draws of z.

    By parts: `IWAE(*networks.dense(input_shape, latent_dim), num_samples=5)`
    """
    networks_ = networks.dense(input_shape, latent_dim, likelihood=likelihood, **network)
    return IWAE(*networks_, num_samples=num_samples, likelihood=likelihood, seed=seed)


@entry(IWAE, "Mattei and Frellsen 2019", "08_missing_values", hidden=(16,), num_samples=3)
def miwae(input_shape, latent_dim, num_samples=5, likelihood="bernoulli", seed=None, **network):
    """An IWAE whose encoder reads missing values, NaN, and the mask of the known ones.

    By parts: `IWAE(*networks.dense(input_shape, latent_dim, missing="mask"), num_samples=5)`
    """
    networks_ = networks.dense(
        input_shape, latent_dim, likelihood=likelihood, missing="mask", **network
    )
    return IWAE(*networks_, num_samples=num_samples, likelihood=likelihood, seed=seed)


@entry(PartlyLinearVAE, "Johnson 2016", "08_missing_values", hidden=(16,), likelihood="gaussian")
def partly_linear_vae(
    input_shape, latent_dim, num_samples=3, likelihood="gaussian", seed=None, **network
):
    """An IWAE for tables with missing values, whose encoder begins at an exact posterior.

    By parts: `PartlyLinearVAE(*networks.partly_linear(input_shape, latent_dim))`
    """
    networks_ = networks.partly_linear(input_shape, latent_dim, likelihood=likelihood, **network)
    return PartlyLinearVAE(*networks_, num_samples, likelihood=likelihood, seed=seed)
