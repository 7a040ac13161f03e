"""How much two arrays of images differ."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def rmse(x, x_hat):
    """Root of the mean squared error over all values, in units of x; both arrays have one shape."""
    x, x_hat = _pair(x, x_hat)
    return float(np.sqrt(np.mean(np.square(x - x_hat))))


def mae(x, x_hat):
    """Mean absolute error over all values, in units of x; both arrays have one shape."""
    x, x_hat = _pair(x, x_hat)
    return float(np.mean(np.abs(x - x_hat)))


def psnr(x, x_hat, max_value=1.0):
    """Peak signal-to-noise ratio in dB: 10 log10(max_value^2 / MSE), the mean over the images.

    Args:
        x: array `(n, ...)`. The clean images.
        x_hat: array of the same shape.
        max_value: float. Range of the values. Defaults to `1.0`.

    Returns:
        float; infinite if an image has no error.
    """
    x, x_hat = _pair(x, x_hat)
    error = np.mean(np.square(x - x_hat), axis=tuple(range(1, x.ndim)))
    with np.errstate(divide="ignore"):
        return float(np.mean(10 * np.log10(max_value**2 / error)))


def ssim(x, x_hat, max_value=1.0, window=7):
    """Structural similarity (Wang 2004), the mean over pixels, channels and images; 1 if equal.

    As `skimage.metrics.structural_similarity` with its defaults: means, variances and covariance
    come from every `window` x `window` square within the image, with equal weights.

    Args:
        x: array `(n, height, width[, channels])`. The clean images.
        x_hat: array of the same shape.
        max_value: float. Range of the values. Defaults to `1.0`.
        window: int. Side of the square in pixels, odd. Defaults to `7`.

    Raises:
        ValueError: the shapes differ, or `window` is even, below 3 or larger than the images.
    """
    x, x_hat = _pair(x, x_hat)
    if window not in range(3, 10_000, 2):
        raise ValueError(f"window is {window!r}; expected an odd int of at least 3.")
    if x.ndim not in (3, 4) or min(x.shape[1:3]) < window or not len(x):
        raise ValueError(
            f"x has shape {x.shape}; expected images of at least {window} x {window} pixels."
        )

    def local_mean(values):
        for axis in (1, 2):
            values = sliding_window_view(values, window, axis).mean(axis=-1)
        return values

    mean, mean_hat = local_mean(x), local_mean(x_hat)
    unbiased = window**2 / (window**2 - 1)
    variances = unbiased * (local_mean(x**2) - mean**2 + local_mean(x_hat**2) - mean_hat**2)
    covariance = unbiased * (local_mean(x * x_hat) - mean * mean_hat)
    c1, c2 = (0.01 * max_value) ** 2, (0.03 * max_value) ** 2
    likeness = (2 * mean * mean_hat + c1) * (2 * covariance + c2)
    return float(np.mean(likeness / ((mean**2 + mean_hat**2 + c1) * (variances + c2))))


def _pair(x, x_hat):
    x, x_hat = np.asarray(x, "float64"), np.asarray(x_hat, "float64")
    if x.shape != x_hat.shape:
        raise ValueError(f"x has shape {x.shape} and x_hat {x_hat.shape}; they must be equal.")
    return x, x_hat
