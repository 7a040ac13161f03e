"""Figures from arrays: NumPy in, matplotlib Figure out.

Images are arrays `(n, height, width)` or `(n, height, width, channels)` in [0, 1]. Those with one
channel are shown with matplotlib's colour map `cmap`; see `colour_map` for its default.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_vae.plotting.graph import model_graph
from keras_vae.plotting.pictures import (
    as_picture,
    colour_map,
    gap_of,
    is_drawn,
    is_image,
    latent_grid,
    picture,
    prior_quantiles,
    tiled,
    traversals,
    with_channels,
)

__all__ = [
    "as_picture",
    "colour_map",
    "history",
    "image_grid",
    "is_drawn",
    "is_image",
    "latent_grid",
    "latent_scatter",
    "manifold",
    "model_graph",
    "picture",
    "prior_quantiles",
    "reconstructions",
    "signal_grid",
    "tiled",
    "traversals",
]


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


def latent_scatter(
    latents,
    labels,
    prior=False,
    title=None,
    columns=None,
    marked=None,
    axis_names=("$z_1$", "$z_2$"),
):
    """Latents coloured by class, in one panel for each array.

    Args:
        latents: array `(n, 2)`, or a dict {title: array}.
        labels: array `(n,)` of integers or names.
        prior: bool. Show p(z) = N(0, I) as circles of one and two standard deviations. Defaults to
            `False`.
        title: str. Title of a single panel. Defaults to `None`.
        columns: int. Panels per row. Defaults to all panels.
        marked: a label whose points are drawn large, black and on top. Defaults to `None`.
        axis_names: pair of str. Defaults to z1 and z2; give `(None, None)` for a t-SNE.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: the latents are not two-dimensional.
    """
    panels = latents if isinstance(latents, dict) else {title: latents}
    labels = np.asarray(labels)
    classes = np.unique(labels)
    colours = plt.get_cmap("tab10" if len(classes) <= 10 else "turbo", len(classes))
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    size = (4.6 * columns + 0.8, 4.6 * rows)
    figure, all_axes = plt.subplots(rows, columns, figsize=size, layout="constrained")
    for axes in np.ravel(all_axes)[len(panels) :]:
        axes.remove()
    for axes, (name, z) in zip(np.ravel(all_axes), panels.items(), strict=False):
        if np.ndim(z) != 2 or np.shape(z)[1] != 2:
            raise ValueError(f"latents have shape {np.shape(z)}; expected (n, 2).")
        for radius in (1, 2) if prior else ():
            axes.add_patch(plt.Circle((0, 0), radius, fill=False, linestyle=":", color="black"))
        for i, label in enumerate(classes):
            points, style = z[labels == label], {"s": 7, "color": colours(i)}
            if label == marked:
                style = {"s": 40, "color": "black", "marker": "*", "zorder": 3}
            axes.scatter(points[:, 0], points[:, 1], label=str(label), **style)
        axes.set(title=name, xlabel=axis_names[0], ylabel=axis_names[1])
        axes.set_aspect("equal", adjustable="datalim")
    place = {"loc": "outside center right", "ncols": -(-len(classes) // (12 * rows))}
    figure.legend(*axes.get_legend_handles_labels(), markerscale=2, frameon=False, **place)
    return figure


def history(history, names=None, title=None):
    """The logs of `fit` by epoch: one panel for each name, with training and validation.

    Losses and `elbo` are labelled in nats; other values, such as `beta`, have no unit.

    Args:
        history: `keras.callbacks.History` or its dict.
        names: list of str. Logs to show. Defaults to all.
        title: str. Defaults to `None`.

    Returns:
        matplotlib Figure.
    """
    values = getattr(history, "history", history)
    names = names or [name for name in values if not name.startswith("val_")]
    size = (3.6 * len(names), 3.0)
    figure, all_axes = plt.subplots(1, len(names), figsize=size, layout="constrained")
    all_axes = np.atleast_1d(all_axes)
    for axes, name in zip(all_axes, names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in values:
                axes.plot(np.arange(1, len(values[key]) + 1), values[key], label=label)
        words = name.replace("_", " ")
        in_nats = name == "elbo" or name.endswith("loss")
        axes.set(title=words, xlabel="epoch", ylabel="nats per example" if in_nats else words)
        axes.grid(alpha=0.3)
    max(all_axes, key=lambda axes: len(axes.lines)).legend(frameon=False)
    figure.suptitle(title)
    return figure


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
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    if picture.shape[-1] == 1:
        axes.imshow(picture[..., 0], cmap=cmap, vmin=0, vmax=1)
    else:
        axes.imshow(np.clip(picture, 0, 1))
    axes.set(title=title, xticks=[], yticks=[], anchor="E")  # names of rows need the left
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure, axes
