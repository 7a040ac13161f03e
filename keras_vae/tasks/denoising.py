"""Denoising: x from x + noise, by a trained model and by the classical ways (lecture rows A3, A4).

    noise = Gaussian(0.5)
    OnePass(vae).transform(noisy)                          # the Report: encode, decode
    Inference(vae, noise).transform(noisy)                 # the z that explains x_noisy best
    Wiener(noise).fit(x_train).transform(noisy)            # the best of all linear ways
    VAEDenoiser(noise).fit(x_train).transform(noisy)       # a VAE trained on (noisy, clean)

Each is a scikit-learn transformer: `fit` takes clean data, `transform` noisy ones; images
`(n, height, width[, channels])` or rows `(n, features)`, given back as they came, and clipped to
[0, 1]. Models that are trained already need no `fit`.
"""

import math

import numpy as np
import tensorflow as tf
from scipy import linalg, ndimage, sparse
from sklearn import decomposition
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from keras_vae import batching, networks
from keras_vae.distributions import sum_over_values
from keras_vae.models import VAE, checks
from keras_vae.models.base import BaseModel
from keras_vae.tasks import common
from keras_vae.tasks.noise import Gaussian, Masking, Noise, SaltAndPepper, Speckle, checked_clean

__all__ = [
    "PCA",
    "Gaussian",
    "Inference",
    "Masking",
    "Median",
    "NonLocalMeans",
    "OnePass",
    "SaltAndPepper",
    "Speckle",
    "VAEDenoiser",
    "Wiener",
]


class Denoiser(TransformerMixin, BaseEstimator):
    """Base of the ways: what they receive is checked, what they give is clipped."""

    def fit(self, x, y=None):
        """Learn from clean data, an array `(n, ...)`; y is not read.

        Raises:
            ValueError, TypeError: x holds no numbers, NaN, infinity, or values beyond [0, 1].
        """
        x = checked_clean(_checked(x))
        self._check_arguments()
        self._fit(x)
        self.shape_ = x.shape[1:]
        return self

    def transform(self, x):
        """x without its noise: a float32 array of the shape of x, in [0, 1].

        Raises:
            ValueError, TypeError: x is not what `fit` was given.
            sklearn.exceptions.NotFittedError: nothing was learned yet.
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
            raise TypeError(f"model is {self.model!r}; expected a trained model of this library.")
        common.check_arguments(arguments)

    def _fit(self, x):
        pass

    def _denoise(self, x):
        raise NotImplementedError


# Trained models ----------------------------------------------------------------------------


class OnePass(Denoiser):
    """Encode the noisy image, decode: the Report's way, and that of a denoising model (row A3).

    Right for a model that was trained on (noisy, clean). One that has seen clean images only takes
    the noise for a part of the drawing.

    Args:
        model: a trained VAE or Autoencoder.
    """

    def __init__(self, model):
        self.model = model

    def __sklearn_is_fitted__(self):
        return True

    def _denoise(self, x):
        self._check_arguments()
        return self.model.predict(common.as_of(self.model, x), 1024, verbose=0)


class Inference(Denoiser):
    """Find the z that explains the noisy image best, decode it: no noise was seen in training.

        log p(x_noisy, z) = log p(x_noisy | z) + log p(z)

    The noise is known, so its likelihood takes the place of the model's own. Gradient steps (Adam)
    lead uphill from the mean of q(z|x_noisy), for each image by itself; kept is the best z visited.

    Args:
        model: a VAE that was trained on clean data.
        noise: Noise. What the data suffered.
        steps: int. Defaults to `100`.
        learning_rate: float. Length of a step in latent space. Defaults to `0.1`.
    """

    def __init__(self, model, noise, steps=100, learning_rate=0.1):
        self.model = model
        self.noise = noise
        self.steps = steps
        self.learning_rate = learning_rate

    def __sklearn_is_fitted__(self):
        return True

    def latents(self, x):
        """The z that were found, `(n, latent_dim)`, for noisy images x.

        Raises:
            ValueError, TypeError: x, an argument or the model does not fit.
        """
        self._check_arguments()
        x = common.as_of(self.model, _checked(x))
        self.model.encode(x[:1])  # builds the model, and says what does not fit it
        name = (type(self), type(self.noise), *vars(self.noise).items(), self.learning_rate)
        steps = [np.array(self.steps, "int32")]
        return self.model.over_rows(name, self._climb, x, numbers=steps)

    def _denoise(self, x):
        return self.model.decode(self.latents(x))

    def log_joint(self, x, z):
        """log p(x_noisy, z) of each row, in nats: a tensor `(batch,)`."""
        density = self.noise.log_density(x, self.model.likelihood(z))
        return sum_over_values(density) + self.model.prior().log_prob(z)

    def _climb(self, steps, x):
        def step(i, z, mean, square, best, highest):
            with tf.GradientTape() as tape:
                tape.watch(z)
                value = self.log_joint(x, z)
            gradient = tape.gradient(value, z)
            better = value > highest
            best, highest = tf.where(better[:, None], z, best), tf.where(better, value, highest)
            # Adam (Kingma and Ba 2015, algorithm 1), for each latent by itself
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            t = tf.cast(i + 1, "float32")
            stride = (mean / (1 - 0.9**t)) / (tf.sqrt(square / (1 - 0.999**t)) + 1e-8)
            return i + 1, z + self.learning_rate * stride, mean, square, best, highest

        z = tf.cast(self.model.code(x), "float32")
        nothing = tf.zeros_like(z)
        start = (0, z, nothing, nothing, z, tf.fill(tf.shape(z)[:1], -math.inf))
        # One turn more than steps: the last only looks at where the last step led.
        return tf.while_loop(lambda i, *_: i <= steps, step, start)[4]


class VAEDenoiser(Denoiser):
    """A dense VAE that is trained on (noisy, clean) when it is fitted, for a pipeline (Im 2017).

    Args:
        noise: Noise. What to remove.
        latent_dim: int. Defaults to `16`.
        hidden: tuple of int. Sizes of the layers. Defaults to `(256,)`.
        epochs, batch_size: int. Of the training. Default to `30` and `64`.
        seed: int. Fixes the weights at the start, the order of the data and the noise. Defaults to
            `0`.
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
        common.compile_falling(self.model_, 3e-3, len(x), self.epochs, self.batch_size)
        data = batching.batches(x.astype("float32"), self.batch_size, self.seed)
        self.model_.fit(data.map(self.noise.pairs(self.seed)), epochs=self.epochs, verbose=0)

    def _denoise(self, x):
        return OnePass(self.model_).transform(x)


# Classical ways ----------------------------------------------------------------------------


class Wiener(Denoiser):
    """The linear way with the least mean squared error, of the training set under the noise.

        x_hat = E[x] + Cov(x, y) Cov(y)^-1 (y - E[y]),   y the noisy image

    with the full covariance of all pixels; of y given x the noise knows mean and variance, so that
    no noise is drawn.

    Args:
        noise: Noise.
    """

    def __init__(self, noise):
        self.noise = noise

    def _fit(self, x):
        clean = x.reshape(len(x), -1).astype("float64")
        expected, variance = self.noise.moments(clean)
        self.mean_, self.noisy_mean_ = clean.mean(axis=0), expected.mean(axis=0)
        clean, expected = clean - self.mean_, expected - self.noisy_mean_
        of_noisy = expected.T @ expected / len(x) + np.diag(variance.mean(axis=0))
        # Pixels that never change make it singular: the solution of least norm.
        self.weights_ = linalg.pinvh(of_noisy) @ (expected.T @ clean / len(x))

    def _denoise(self, x):
        return self.mean_ + (x.reshape(len(x), -1) - self.noisy_mean_) @ self.weights_


class PCA(Denoiser):
    """The projection to the first principal components of clean data, as many as serve best.

    Their number is the one with the least squared error on the training set under the noise, of
    which the first 10,000 are taken.

    Args:
        noise: Noise.
        seed: int. Of the noise that the number is chosen on. Defaults to `0`.
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
        # A component that is kept costs the noise in it; one that is left out, all that it held.
        gain = np.mean(clean**2 - (noisy - clean) ** 2, axis=0)
        self.n_components_ = int(np.argmax(np.cumsum([0.0, *gain])))

    def _denoise(self, x):
        components = self.pca_.components_[: self.n_components_]
        centred = x.reshape(len(x), -1) - self.pca_.mean_
        return self.pca_.mean_ + centred @ components.T @ components


class Median(Denoiser):
    """The median of the pixels around each, in a square of the size that serves best.

    The size, 3, 5 or 7, is the one with the least squared error on some of the training set under
    the noise.

    Args:
        noise: Noise.
        seed: int. Of that noise. Defaults to `0`.
    """

    def __init__(self, noise, seed=0):
        self.noise = noise
        self.seed = seed

    def _fit(self, x):
        some = _images(x)[:1000]
        noisy = self.noise(some, self.seed)
        errors = {size: np.mean((_median(noisy, size) - some) ** 2) for size in (3, 5, 7)}
        self.size_ = min(errors, key=errors.get)

    def _denoise(self, x):
        return _median(_images(x), self.size_)


class NonLocalMeans(Denoiser):
    """Each pixel as the mean of pixels whose surroundings look alike (Buades 2005), of one image.

    scikit-image's, which must be installed, told the standard deviation of the noise. How alike
    they have to be, 0.4 to 1 of that deviation, is what serves best on some of the training set.

    Args:
        noise: Noise.
        seed: int. Of the noise that this is chosen on. Defaults to `0`.
    """

    def __init__(self, noise, seed=0):
        self.noise = noise
        self.seed = seed

    def _fit(self, x):
        some = _images(x)[:100]
        noisy = self.noise(some, self.seed)
        self.sigma_ = max(float(np.sqrt(np.mean(self.noise.moments(some)[1]))), 1e-4)
        shares = (0.4, 0.6, 0.8, 1.0)
        errors = {share: np.mean((self._means(noisy, share) - some) ** 2) for share in shares}
        self.share_ = min(errors, key=errors.get)

    def _denoise(self, x):
        return self._means(_images(x), self.share_)

    def _means(self, images, share):
        from skimage.restoration import denoise_nl_means

        settings = {"patch_size": 5, "patch_distance": 7, "channel_axis": -1}
        settings |= {"h": share * self.sigma_, "sigma": self.sigma_}
        means = [denoise_nl_means(image, **settings) for image in images]
        return np.stack(means).reshape(images.shape)  # it drops an axis of one channel


def _checked(x):
    """x as an array of numbers, all of them finite, with at least two axes."""
    if sparse.issparse(x):
        raise TypeError("x is a sparse matrix; expected an array: x.toarray().")
    x = batching.to_array(x)
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}; expected images or rows, (n, ...).")
    checks.check_finite(x, "x")
    return x


def _images(x):
    if x.ndim not in (3, 4):
        raise ValueError(
            f"x has shape {x.shape}; this way looks at neighbours, and needs images "
            "(n, height, width[, channels])."
        )
    return x if x.ndim == 4 else x[..., np.newaxis]


def _median(images, size):
    return ndimage.median_filter(images, (1, size, size, 1), mode="nearest")
