"""Arrays that figures and TensorBoard show: images side by side, and the latents of a grid."""

from statistics import NormalDist

import numpy as np


def prior_quantiles(n):
    """The (i + 1/2) / n quantiles of N(0, 1): n points with equal shares of the probability."""
    return np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)], "float32")


def latent_grid(points):
    """Latents `(n * n, 2)` on a grid with n points along each axis; z2 increases upwards."""
    z1, z2 = np.meshgrid(points, points[::-1])
    return np.stack([z1.ravel(), z2.ravel()], axis=1).astype("float32")


def traversals(code, points, latents):
    """Latents in which one of `latents` moves through the points and the others keep their value.

    Args:
        code: array `(latent_dim,)`.
        points: array of the values that a latent takes.
        latents: list of ints. Which latents move, one after the other.

    Returns:
        array `(len(latents) * len(points), latent_dim)`.
    """
    z = np.tile(code, (len(latents), len(points), 1))
    z[np.arange(len(latents)), :, latents] = points
    return z.reshape(-1, len(code))


def is_image(shape):
    """Whether one example of this shape is an image."""
    return len(shape) == 3 and shape[-1] in (1, 3)


def is_drawn(shape):
    """Whether one example of this shape is an image, or a signal `(length, channels)`."""
    return is_image(shape) or len(shape) == 2


def tiled(images, columns, gap=None, cmap="gray_r"):
    """Images in a grid, row by row, as one array.

    Args:
        images: array `(n, height, width[, channels])`.
        columns: int. Images per row.
        gap: int. Pixels below and to the right of each image. Defaults to `None`: it depends
            on the size of the images.
        cmap: str. Colour map of images with one channel, in which the gap is to be white. Defaults
            to `"gray_r"`.

    Returns:
        array `(rows * (height + gap), columns * (width + gap), channels)`.
    """
    images = with_channels(images)
    n, height, width, channels = images.shape
    down, right = (gap_of(size) if gap is None else gap for size in (height, width))
    rows = -(-n // columns)
    paper = 0.0 if channels == 1 and cmap.endswith("_r") else 1.0
    shape = (rows * columns, height + down, width + right, channels)
    tiles = np.full(shape, paper, images.dtype)
    tiles[:n, :height, :width] = images
    tiles = tiles.reshape(rows, columns, *tiles.shape[1:]).transpose(0, 2, 1, 3, 4)
    return tiles.reshape(rows * (height + down), -1, channels)


def colour_map(images):
    """The colour map that suits images with one channel.

    Drawings have a background of 0: a quarter of their border at least. `"gray_r"` shows them as
    ink on paper. All others, such as photographs, are shown as they are: `"gray"`.
    """
    images = with_channels(images)
    border = np.ones(images.shape[1:3], bool)
    border[1:-1, 1:-1] = False
    return "gray_r" if np.nanquantile(images[:, border], 0.25) < 0.02 else "gray"


def with_channels(images):
    """Images as `(n, height, width, channels)`; integers above 1 are refused."""
    images = np.asarray(images)
    if images.dtype.kind in "iu" and images.max(initial=0) > 1:
        raise ValueError(f"images have values up to {images.max()}; expected [0, 1].")
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"images have shape {images.shape}; expected (n, height, width) or "
            "(n, height, width, channels) with 1 or 3 channels."
        )
    return images


def gap_of(size):
    """Pixels between images of this size."""
    return max(1, size // 14)
