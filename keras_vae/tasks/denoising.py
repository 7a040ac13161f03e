"""Denoising: trained models and classical methods that recover x from x + noise (rows A3, A4).

    noise = Gaussian(0.5)
    OnePass(vae).transform(noisy)                          # the Report: encode, decode
    Inference(vae, noise).transform(noisy)                 # the z that explains x_noisy best
    Wiener(noise).fit(x_train).transform(noisy)            # the best linear method
    VAEDenoiser(noise).fit(x_train).transform(noisy)       # a VAE trained on (noisy, clean)

Each denoiser is a scikit-learn transformer: `fit` takes clean data, `transform` takes noisy data,
images `(n, height, width[, channels])` or rows `(n, features)`. The output has the shape of the
input and is clipped to [0, 1]. `OnePass` and `Inference` take a trained model and need no `fit`.
"""

import numpy as np
from scipy import ndimage
from sklearn import decomposition
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from keras_vae import batching, checks, networks, noise
from keras_vae.distributions import sum_over_values
from keras_vae.models.base import BaseModel
from keras_vae.models.vae import VAE
from keras_vae.tasks import common
from keras_vae.tasks.noise import Gaussian, Masking, Noise, SaltAndPepper, Speckle, checked_clean

__all__ = [
    "Gaussian",
    "Inference",
    "Masking",
    "Median",
    "NonLocalMeans",
    "OnePass",
    "PrincipalComponents",
    "SaltAndPepper",
    "Speckle",
    "VAEDenoiser",
    "Wiener",
]


class Denoiser(TransformerMixin, BaseEstimator):
    """Base class of all denoisers: validates the input and clips the output to [0, 1]."""

    def fit(self, x, y=None):
        """Learn from clean data, an array `(n, ...)`; y is ignored.

        Raises:
            ValueError, TypeError: x does not hold finite numbers in [0, 1].
        """
        x = checked_clean(_checked(x))
        self._check_arguments()
        self._fit(x)
        self.shape_ = x.shape[1:]
        return self

    def transform(self, x):
        """Remove the noise from x: a float32 array in [0, 1] with the shape of x.

        Raises:
            ValueError, TypeError: x does not match the data that `fit` received.
            sklearn.exceptions.NotFittedError: the denoiser is not fitted.
        """
        check_is_fitted(self)
        x = _checked(x)
        common.check_fitted_to(self, x)
        return np.clip(self._denoise(x), 0.0, 1.0).astype("float32").reshape(x.shape)

    def _check_arguments(self):
        arguments = self.get_params(deep=False)
        if "noise" in arguments and not isinstance(self.noise, Noise):
            raise TypeError(f"noise is {self.noise!r}; expected a Noise, such as Gaussian(0.5).")
        if "model" in arguments and not isinstance(self.model, BaseModel):
            raise TypeError(f"model is {self.model!r}; expected a trained model of keras_vae.")
        common.check_arguments(arguments)

    def _fit(self, x):
        pass

    def _denoise(self, x):
        raise NotImplementedError


# Trained models ----------------------------------------------------------------------------


class OnePass(Denoiser):
    """Encodes and decodes the noisy image, as the Report does (row A3).

    This suits a model that was trained on (noisy, clean). A model that has only seen clean images
    mistakes the noise for part of the drawing.

    Args:
        model: a trained VAE or Autoencoder.
    """

    def __init__(self, model):
        self.model = model

    def __sklearn_is_fitted__(self):
        return True

    def _denoise(self, x):
        self._check_arguments()
        return self.model.reconstruct(common.reshape_for(self.model, x))


class Inference(Denoiser):
    """Finds the z that explains the noisy image best and decodes it.

        log p(x_noisy, z) = log p(x_noisy | z) + log p(z)

    The model has only seen clean images. The noise is known, so its likelihood replaces the
    model's. For each image separately, Adam climbs from the mean of q(z|x_noisy); the best z that
    it visits is kept.

    Args:
        model: a VAE that was trained on clean data.
        noise: Noise. The noise to remove.
        steps: int. Number of gradient steps. Defaults to `100`.
        learning_rate: float. Learning rate of Adam, in latent space. Defaults to `0.1`.
    """

    def __init__(self, model, noise, steps=100, learning_rate=0.1):
        self.model = model
        self.noise = noise
        self.steps = steps
        self.learning_rate = learning_rate

    def __sklearn_is_fitted__(self):
        return True

    def latents(self, x):
        """The best z for each noisy image, `(n, latent_dim)`.

        Raises:
            ValueError, TypeError: x, the model or another argument is not valid.
        """
        self._check_arguments()
        x = common.reshape_for(self.model, _checked(x))
        self.model.encode(x[:1])  # builds the model, and raises if x does not fit it
        name = (type(self), type(self.noise), *vars(self.noise).items(), self.learning_rate)
        steps = [np.array(self.steps, "int32")]
        return self.model.over_rows(name, self._climb, (x,), numbers=steps)

    def _denoise(self, x):
        return self.model.decode(self.latents(x))

    def log_joint(self, x, z):
        """log p(x_noisy, z) of each row, in nats: a tensor `(batch,)`."""
        with noise.none():  # a model with several levels takes the means of the lower ones
            z_of_decoder = self.model.lower(z)
        density = self.noise.log_density(x, self.model.likelihood(z_of_decoder))
        return sum_over_values(density) + self.model.prior().log_prob(z)

    def _climb(self, steps, x):
        start = self.model.codes(x)[-1]
        return common.climb(lambda z: self.log_joint(x, z), start, steps, self.learning_rate)


class VAEDenoiser(Denoiser):
    """A dense VAE that `fit` trains on pairs (noisy, clean) (Im 2017).

    Args:
        noise: Noise. The noise to remove.
        latent_dim: int. Size of z. Defaults to `16`.
        hidden: tuple of int. Sizes of the hidden layers. Defaults to `(256,)`.
        epochs, batch_size: int. Arguments of the training. Default to `30` and `64`.
        seed: int. Fixes the initial weights, the order of the data and the noise. Defaults to `0`.
    """

    def __init__(self, noise, latent_dim=16, hidden=(256,), epochs=30, batch_size=64, seed=0):
        self.noise = noise
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed

    def _fit(self, x):
        with common.initial_weights_from(self.seed):
            pair = networks.dense(x.shape[1:], self.latent_dim, hidden=self.hidden)
            self.model_ = VAE(*pair, seed=self.seed)
        common.compile_with_cosine_decay(self.model_, 3e-3, len(x), self.epochs, self.batch_size)
        data = batching.batches(x.astype("float32"), self.batch_size, self.seed)
        self.model_.fit(data.map(self.noise.pairs(self.seed)), epochs=self.epochs, verbose=0)

    def _denoise(self, x):
        return OnePass(self.model_).transform(x)


# Classical methods -------------------------------------------------------------------------


class Wiener(Denoiser):
    """The linear method with the least mean squared error on the training set with noise.

        x_hat = E[x] + Cov(x, y) Cov(y)^-1 (y - E[y]),   y = the noisy image

    The covariances follow from the mean and variance of y given x; no noise has to be drawn.

    Args:
        noise: Noise. The noise to remove.
    """

    def __init__(self, noise):
        self.noise = noise

    def _fit(self, x):
        clean = x.reshape(len(x), -1).astype("float64")
        expected, variance = self.noise.moments(clean)
        self.mean_, self.noisy_mean_ = clean.mean(axis=0), expected.mean(axis=0)
        clean, expected = clean - self.mean_, expected - self.noisy_mean_
        of_noisy = expected.T @ expected / len(x) + np.diag(variance.mean(axis=0))
        self.weights_ = common.solve(of_noisy, expected.T @ clean / len(x))

    def _denoise(self, x):
        return self.mean_ + (x.reshape(len(x), -1) - self.noisy_mean_) @ self.weights_


class PrincipalComponents(Denoiser):
    """The projection onto the first principal components of clean data.

    Their number is the one with the least squared error on up to 10,000 examples with noise.

    Args:
        noise: Noise. The noise to remove.
        seed: int. Seed of the noise that is added to choose the number. Defaults to `0`.
    """

    def __init__(self, noise, seed=0):
        self.noise = noise
        self.seed = seed

    def _fit(self, x):
        self.pca_ = decomposition.PCA(svd_solver="covariance_eigh").fit(x.reshape(len(x), -1))
        some = x[:10_000]
        clean, noisy = (
            self.pca_.transform(a.reshape(len(a), -1)) for a in (some, self.noise(some, self.seed))
        )
        # Keeping a component costs the noise in it; dropping it costs the signal in it.
        gain = np.mean(clean**2 - (noisy - clean) ** 2, axis=0)
        self.n_components_ = int(np.argmax(np.cumsum([0.0, *gain])))

    def _denoise(self, x):
        components = self.pca_.components_[: self.n_components_]
        centred = x.reshape(len(x), -1) - self.pca_.mean_
        return self.pca_.mean_ + centred @ components.T @ components


class Median(Denoiser):
    """The median of the pixels in a square around each pixel.

    Its size, 3, 5 or 7, is the one with the least squared error on up to 300 examples with noise.

    Args:
        noise: Noise. The noise to remove.
        seed: int. Seed of the noise that is added to choose the size. Defaults to `0`.
    """

    def __init__(self, noise, seed=0):
        self.noise = noise
        self.seed = seed

    def _fit(self, x):
        some = _images(x)[:300]
        noisy = self.noise(some, self.seed)
        errors = {size: np.mean((_median(noisy, size) - some) ** 2) for size in (3, 5, 7)}
        self.size_ = min(errors, key=errors.get)

    def _denoise(self, x):
        return _median(_images(x), self.size_)


class NonLocalMeans(Denoiser):
    """Replaces each pixel by a mean of pixels of the same image with a similar neighbourhood.

    This is scikit-image's implementation of non-local means (Buades 2005); scikit-image must be
    installed. The filter strength, 0.4 to 1 standard deviations of the noise, is the one with the
    least squared error on up to 100 training examples with noise.

    Args:
        noise: Noise. The noise to remove.
        seed: int. Seed of the noise that is added to choose the strength. Defaults to `0`.
    """

    def __init__(self, noise, seed=0):
        self.noise = noise
        self.seed = seed

    def _fit(self, x):
        some = _images(x)[:100]
        noisy = self.noise(some, self.seed)
        self.sigma_ = max(float(np.sqrt(np.mean(self.noise.moments(some)[1]))), 1e-4)
        strengths = (0.4, 0.6, 0.8, 1.0)
        errors = {h: np.mean((self._means(noisy, h) - some) ** 2) for h in strengths}
        self.strength_ = min(errors, key=errors.get)

    def _denoise(self, x):
        return self._means(_images(x), self.strength_)

    def _means(self, images, strength):
        from skimage.restoration import denoise_nl_means

        settings = {"patch_size": 5, "patch_distance": 7, "channel_axis": -1}
        settings |= {"h": strength * self.sigma_, "sigma": self.sigma_}
        means = [denoise_nl_means(image, **settings) for image in images]
        return np.stack(means).reshape(images.shape)  # scikit-image drops an axis of size 1


def _checked(x):
    """x as an array of finite numbers with at least two axes."""
    x = checks.array(x)
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}; expected images or rows, (n, ...).")
    checks.finite(x, "x")
    return x


def _images(x):
    if x.ndim not in (3, 4):
        raise ValueError(
            f"x has shape {x.shape}; this method needs images, (n, height, width[, channels])."
        )
    return x if x.ndim == 4 else x[..., np.newaxis]


def _median(images, size):
    return ndimage.median_filter(images, (1, size, size, 1), mode="nearest")
