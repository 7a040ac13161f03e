"""Figures from arrays: NumPy in, matplotlib Figure out.

Images are arrays `(n, height, width)` or `(n, height, width, channels)` in [0, 1]. Those with one
channel are shown with matplotlib's colour map `cmap`; see `colour_map` for its default.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_vae.plotting.curves import history, matrix, rate_distortion
from keras_vae.plotting.graph import model_graph
from keras_vae.plotting.grids import (
    as_picture,
    image_grid,
    manifold,
    picture,
    reconstructions,
    signal_grid,
)
from keras_vae.plotting.pictures import (
    colour_map,
    is_drawn,
    is_image,
    latent_grid,
    prior_quantiles,
    tiled,
    traversals,
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
    "matrix",
    "model_graph",
    "picture",
    "prior_quantiles",
    "rate_distortion",
    "reconstructions",
    "signal_grid",
    "tiled",
    "traversals",
]


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
