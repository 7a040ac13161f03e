"""Curves and matrices: what a training logged, rate against distortion, scores of pairs."""

import matplotlib.pyplot as plt
import numpy as np


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


def matrix(values, row_names=(), column_names=(), title=None, format=".2f", cmap="Blues"):
    """A matrix as a table of shades, its values written in it.

    Args:
        values: array `(rows, columns)`, at least 0, such as `metrics.mutual_information`.
        row_names, column_names: sequences of str. Default to none.
        title: str. Defaults to `None`.
        format: str. Of the values; `""` writes none. Defaults to `".2f"`.
        cmap: str. Colour map. Defaults to `"Blues"`.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: values are no matrix, or there are too many or too few names.
    """
    values = np.asarray(values, "float64")
    if values.ndim != 2 or not values.size:
        raise ValueError(f"values has shape {values.shape}; expected (rows, columns).")
    for kind, names, size in zip(
        ("row", "column"), (row_names, column_names), values.shape, strict=True
    ):
        if len(names) not in (0, size):
            raise ValueError(f"{kind}_names has {len(names)} names for {size} {kind}s.")
    rows, columns = values.shape
    width = 0.6 + 0.75 * columns + 0.08 * max(map(len, row_names), default=0)
    figure, axes = plt.subplots(figsize=(max(3.0, width), 0.9 + 0.38 * rows), layout="constrained")
    axes.imshow(values, cmap=cmap, vmin=0, aspect="auto")
    for place in np.ndindex(values.shape if format else (0, 0)):
        shade = values[place] / max(values.max(), 1e-12)
        colour = "white" if shade > 0.6 else "black"
        axes.text(*place[::-1], f"{values[place]:{format}}", ha="center", va="center", color=colour)
    axes.set_xticks(np.arange(len(column_names)), list(column_names))
    axes.set_yticks(np.arange(len(row_names)), list(row_names))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    return figure


def rate_distortion(rates, distortions, names=(), title=None):
    """Rate against distortion: what models pay for z, and what they cannot explain (Alemi 2018).

    A grey line joins models of one ELBO: rate + distortion is its negative.

    Args:
        rates: array `(n,)`, the KL of each model in nats; or a dict {family: array}.
        distortions: array `(n,)`, or a dict with the same keys. The reconstruction loss in nats.
        names: sequence of n str, or a dict of them. Written beside the points. Defaults to none.
        title: str. Defaults to `None`.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: rates and distortions differ in their length or keys.
    """
    families = rates if isinstance(rates, dict) else {None: rates}
    others = distortions if isinstance(distortions, dict) else {None: distortions}
    names = names if isinstance(names, dict) else dict.fromkeys(families, names)
    sizes = {key: len(of) for key, of in families.items()}
    if sizes != {key: len(of) for key, of in others.items()}:
        raise ValueError("rates and distortions differ in their keys or in their number of models.")
    figure, axes = plt.subplots(figsize=(5.4, 4.0), layout="constrained")
    for family, of in families.items():
        of, distortion = np.asarray(of, "float64"), np.asarray(others[family], "float64")
        order = np.argsort(of)
        axes.plot(of[order], distortion[order], marker="o", label=family)
        for rate, loss, name in zip(of, distortion, names.get(family, ()), strict=False):
            axes.annotate(name, (rate, loss), textcoords="offset points", xytext=(5, 5), fontsize=8)
    every_rate, every_loss = (
        np.concatenate([*map(np.ravel, d.values())]) for d in (families, others)
    )
    axes.margins(0.15)  # names stand within the axes
    limits = axes.get_xlim(), axes.get_ylim()
    for bound in np.quantile(every_rate + every_loss, [0.0, 0.5, 1.0]):
        axes.plot(limits[0], bound - np.array(limits[0]), color="grey", linewidth=0.6, zorder=0)
    axes.set(xlim=limits[0], ylim=limits[1], title=title)
    axes.set(xlabel="rate: KL(q(z|x) || p(z)), nats", ylabel="distortion: -log p(x|z), nats")
    axes.grid(alpha=0.3)
    if None not in families:
        axes.legend(frameon=False)
    return figure
