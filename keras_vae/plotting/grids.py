"""Images and signals in a grid, as a figure or as one array."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from keras_vae.plotting.pictures import (
    colour_map,
    gap_of,
    latent_grid,
    prior_quantiles,
    tiled,
    with_channels,
)


def image_grid(images, columns=None, title=None, row_names=(), column_names=(), cmap=None):
    """Images in a grid, row by row.

    Args:
        images: array `(n, height, width[, channels])` in [0, 1].
        columns: int. Images per row. Defaults to the square root of n, rounded up.
        title: str. Defaults to `None`.
        row_names, column_names: list of str, or a str of single characters. Labels to the left of
            the rows and above the columns. Default to none.
        cmap: str. Colour map of images with one channel. Defaults to `None`, that of `colour_map`.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: there are too many names, or images have a wrong shape or integers above 1.
    """
    images = with_channels(images)
    columns, _ = _columns_and_rows(len(images), columns, row_names, column_names)
    figure, axes = _show(images, columns, title, cmap, left=_width_of(row_names))
    axes.set_yticks(_centres(len(row_names), images.shape[1]), list(row_names))
    axes.xaxis.tick_top()
    axes.set_xticks(_centres(len(column_names), images.shape[2]), list(column_names))
    return figure


def signal_grid(signals, columns=None, title=None, row_names=(), column_names=()):
    """Signals as lines in a grid, row by row, all on one scale; each channel has a colour.

    Args:
        signals: array `(n, length, channels)`; NaN leaves a gap.
        Others: as in `image_grid`.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: there are too many names, or signals have a wrong shape.
    """
    signals = np.asarray(signals, "float32")
    if signals.ndim != 3 or 0 in signals.shape:
        raise ValueError(f"signals have shape {signals.shape}; expected (n, length, channels).")
    columns, rows = _columns_and_rows(len(signals), columns, row_names, column_names)
    low, high = np.nanmin(signals), np.nanmax(signals)
    places = np.arange(len(signals))[:, np.newaxis]
    time = np.linspace(0.05, 0.95, signals.shape[1])
    height = 0.1 + 0.8 * (signals - low) / max(high - low, 1e-12)
    figure, axes = plt.subplots(
        figsize=(max(4.0, 1.1 * columns + _width_of(row_names)), max(1.6, 0.8 * rows)),
        layout="constrained",
    )
    for channel in range(signals.shape[2]):
        lines = np.stack(
            np.broadcast_arrays(
                places % columns + time, rows - 1 - places // columns + height[..., channel]
            )
        )
        lines = np.pad(lines, [(0, 0), (0, 0), (0, 1)], constant_values=np.nan)  # no line across
        axes.plot(*lines.reshape(2, -1), linewidth=0.9)
    axes.set(title=title, xlim=(0, columns), ylim=(0, rows))
    axes.set_yticks(rows - 0.5 - np.arange(len(row_names)), list(row_names))
    axes.xaxis.tick_top()
    axes.set_xticks(0.5 + np.arange(len(column_names)), list(column_names))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _columns_and_rows(n, columns, row_names, column_names):
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    for kind, names, most in (("row", row_names, rows), ("column", column_names, columns)):
        if len(names) > most:
            raise ValueError(f"{kind}_names has {len(names)} names for {most} {kind}s.")
    return columns, rows


def reconstructions(x, x_hat, n=10, title=None, cmap=None):
    """Originals in the first row, their reconstructions below.

    Args:
        x: array `(m, height, width[, channels])`. The originals.
        x_hat: array of the same shape, or a dict {name: array} with one row for each array.
        n: int. Largest number of images per row. Defaults to `10`.
        title: str. Defaults to `None`.
        cmap: as in `image_grid`; its default depends on x.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: the rows have different numbers of images.
    """
    rows = {"original": x, **(x_hat if isinstance(x_hat, dict) else {"reconstruction": x_hat})}
    lengths = {name: len(images[:n]) for name, images in rows.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The rows have {lengths} images; expected the same number in each.")
    images = np.concatenate([with_channels(images)[:n] for images in rows.values()])
    cmap = cmap or colour_map(x)
    return image_grid(images, len(images) // len(rows), title, row_names=rows, cmap=cmap)


def manifold(decode, n=15, low=-1.0, high=1.0, quantiles=False, title=None, cmap=None):
    """Images decoded from a grid over a two-dimensional latent space (lecture row A1).

    Args:
        decode: callable. Maps latents `(n * n, 2)` to images: `vae.decode`. It is called once.
        n: int. Points along each axis. Defaults to `15`.
        low, high: float. Range of both coordinates. Default to `-1` and `1`, as in the lecture.
        quantiles: bool. Use the (i + 1/2) / n quantiles of the prior N(0, 1) instead of the range,
            so that each image stands for an equal share of p(z). Defaults to `False`.
        title: str. Defaults to `None`.
        cmap: as in `image_grid`.

    Returns:
        matplotlib Figure.

    Raises:
        TypeError: decode is not a function (it is a model, for example).
    """
    if hasattr(decode, "decode") or not callable(decode):
        raise TypeError(
            f"decode is a {type(decode).__name__}; expected a function of latents: pass vae.decode."
        )
    points = prior_quantiles(n) if quantiles else np.linspace(low, high, n)
    images = with_channels(decode(latent_grid(points)))
    figure, axes = _show(images, n, title, cmap)
    shown = np.unique(np.linspace(0, n - 1, 5).round().astype(int))
    axes.set_xticks(_centres(n, images.shape[2])[shown], [f"{points[i]:.1f}" for i in shown])
    axes.set_yticks(_centres(n, images.shape[1])[shown], [f"{points[::-1][i]:.1f}" for i in shown])
    axes.set_xlabel("$z_1$")
    axes.set_ylabel("$z_2$")
    return figure


def picture(images, columns, x=None, target=None, gap=None):
    """Images or signals in a grid, as one array `(height, width, channels)` in [0, 1].

    Args:
        images: array of images `(n, height, width, channels)`, in which NaN is grey, or of signals
            `(n, length, channels)`, in which NaN leaves a gap.
        columns: int. Images per row.
        x: array. If its range exceeds [0, 1], the images are scaled by it. Defaults to `None`.
        target: array, whose `colour_map` tells whether ink is dark. Defaults to `None`: it is.
        gap: as in `tiled`.

    Returns:
        array; signals give three channels.

    Raises:
        ValueError: images are neither.
    """
    if images.ndim == 3:
        return as_picture(signal_grid(images, columns))

    def scaled(images, x):
        low, high = (0, 1) if x is None else (min(0, np.nanmin(x)), max(1, np.nanmax(x)))
        return np.clip((images - low) / (high - low), 0, 1)

    cmap = "gray_r" if target is None else colour_map(scaled(target, target))
    tiles = tiled(np.nan_to_num(scaled(images, x), nan=0.5), columns, gap, cmap)
    return 1 - tiles if tiles.shape[-1] == 1 and cmap == "gray_r" else tiles


def as_picture(figure):
    """A figure as an array `(height, width, 3)` in [0, 1]; the figure is closed."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    plt.close(figure)
    return np.asarray(canvas.buffer_rgba())[..., :3] / np.float32(255)


def _centres(n, size):
    """The centre of each of n images side by side, in pixels."""
    return np.arange(n) * (size + gap_of(size)) + (size - 1) / 2


def _width_of(names):
    """Space for names beside rows, in inches."""
    return 0.072 * max(map(len, names), default=0)


def _show(images, columns, title, cmap, left=0.0):
    """(figure, axes) that show a grid without frame and ticks; callers may set ticks.

    `left` is the width of names beside the rows, in inches.
    """
    cmap = cmap or colour_map(images)
    picture = tiled(images, columns, cmap=cmap)
    height, width = picture.shape[:2]
    scale = 8.0 / max(height, width)
    size = (width * scale + 0.8 + left, height * scale + 0.5)
    figure, axes = plt.subplots(figsize=size, layout="compressed")
    if picture.shape[-1] == 1:
        axes.imshow(picture[..., 0], cmap=cmap, vmin=0, vmax=1)
    else:
        axes.imshow(np.clip(picture, 0, 1))
    axes.set(title=title, xticks=[], yticks=[], anchor="E")  # names of rows need the left
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure, axes
