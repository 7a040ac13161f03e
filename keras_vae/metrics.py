"""Numbers from arrays: NumPy in, float out."""

import numpy as np


def rmse(x, x_hat):
    """Root of the mean squared error over all values, in units of x; two arrays of one shape."""
    x, x_hat = _pair(x, x_hat)
    return float(np.sqrt(np.mean(np.square(x - x_hat))))


def mae(x, x_hat):
    """Mean absolute error over all values, in units of x; two arrays of one shape."""
    x, x_hat = _pair(x, x_hat)
    return float(np.mean(np.abs(x - x_hat)))


def psnr(x, x_hat, max_value=1.0):
    """Peak signal-to-noise ratio in dB: 10 log10(max_value^2 / MSE), the mean over the images.

    Args:
        x: array `(n, ...)`. The clean images.
        x_hat: array of the same shape.
        max_value: float. Range of the values. Defaults to `1.0`.

    Returns:
        float; infinite if one image is without any error.
    """
    x, x_hat = _pair(x, x_hat)
    error = np.mean(np.square(x - x_hat), axis=tuple(range(1, x.ndim)))
    with np.errstate(divide="ignore"):
        return float(np.mean(10 * np.log10(max_value**2 / error)))


def active_units(means, threshold=0.01):
    """Number of latents that carry information (Burda 2016, section 5.3).

    A unit is active if the variance, over the data, of its posterior mean is above the threshold.

    Args:
        means: array `(n, latent_dim)`, as `vae.encode(x)` gives it.
        threshold: float. Defaults to `0.01`.
    """
    return int(np.sum(np.var(np.asarray(means, "float64"), axis=0) > threshold))


def _pair(x, x_hat):
    x, x_hat = np.asarray(x, "float64"), np.asarray(x_hat, "float64")
    if x.shape != x_hat.shape:
        raise ValueError(f"x has shape {x.shape} and x_hat {x_hat.shape}; they must be equal.")
    return x, x_hat
