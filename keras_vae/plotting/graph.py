"""The graph of a model as a figure, for readers without TensorBoard (lecture row T1).

Boxes are drawn in levels, from bottom to top: a part is one level above the highest part that it
reads. Arrows to the next level are straight; all others go around the outside.
"""

import collections

import matplotlib.patches
import matplotlib.pyplot as plt


def model_graph(graph, title=None):
    """The parts of a model from bottom to top, each with the scopes inside it (row T1).

    A dashed arrow is an order without data: one part waits for the other.

    Args:
        graph: GraphDef, as returned by `callbacks.tidy_graph(model)`.
        title: str. Defaults to `None`.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: the graph is empty.
    """
    levels, edges = _levels(graph)
    if not levels:
        raise ValueError("The graph is empty; expected one from callbacks.tidy_graph(model).")
    inside = {part: _levels(graph, f"{part}/")[0] for part in levels}
    boxes, bottom = {}, 0.0  # (left, bottom, width, height) of each part
    for level in range(max(levels.values()) + 1):
        row = [part for part in levels if levels[part] == level]
        sizes = [_size_of_part(inside[part]) for part in row]
        left = -(sum(width for width, _ in sizes) + _BETWEEN * (len(row) - 1)) / 2
        for part, (width, height) in zip(row, sizes, strict=True):
            boxes[part] = left, bottom, width, height
            left += width + _BETWEEN
        bottom += max(height for _, height in sizes) + _BETWEEN

    lows, highs = zip(*((left, left + width) for left, _, width, _ in boxes.values()), strict=True)
    margin = max(0.1, (_TITLE - max(highs) + min(lows)) / 2)
    low, high = min(lows) - margin, max(highs) + margin
    figure, axes = plt.subplots(figsize=(0.8 * (high - low), 0.8 * bottom), layout="constrained")
    for part, box in boxes.items():
        _draw_part(axes, part, box, inside[part])
    detours = 0
    for source, target in sorted(edges, key=lambda edge: levels[edge[0]], reverse=True):
        line = {"color": "0.35", "linestyle": "-" if edges[source, target] else "--"}
        left, bottom_, width, height = boxes[source]
        to_left, to_bottom, to_width, _ = boxes[target]
        if levels[target] == levels[source] + 1:
            path = [(left + width / 2, bottom_ + height), (to_left + to_width / 2, to_bottom)]
        else:  # on the right of the boxes in between
            detours += 1
            between = [box for part, box in boxes.items() if levels[part] <= levels[target]]
            x = max(left + width for left, _, width, _ in between) + 0.25 * detours
            y, to_y = bottom_ + height / 2, to_bottom + 0.25 * detours
            path = [(left + width, y), (x, y), (x, to_y), (to_left + to_width, to_y)]
        axes.plot(*zip(*path[:-1], strict=True), linewidth=1, **line)
        arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, **line}
        axes.annotate("", path[-1], path[-2], arrowprops=arrow)
        high = max(high, path[-2][0] + 0.1)
    axes.set(xlim=(low, high), ylim=(-0.1, bottom), title=title)
    axes.axis("off")
    return figure


def _levels(graph, scope=""):
    """({name: level}, {edge: whether data flow}) of the scopes and inputs within a scope.

    Level 0 is at the bottom. Single operations have no box: they only connect the scopes.
    """
    operations = {node.name for node in graph.node}
    nodes = [node for node in graph.node if node.name.startswith(scope)]
    names = [node.name.removeprefix(scope).split("/")[0] for node in nodes]
    scopes = {
        name
        for name, node in zip(names, nodes, strict=True)
        if node.op == "Placeholder"
        or (f"{scope}{name}" not in operations and node.op not in ("Const", "ReadVariableOp"))
    }
    levels, edges = dict.fromkeys(names, 0), {}
    for name, node in zip(names, nodes, strict=True):  # sources come first
        for edge in node.input:
            source = edge.removeprefix("^").split(":")[0]
            if source.startswith(scope):
                source = source.removeprefix(scope).split("/")[0]
                if source != name:
                    edges[source, name] = edges.get((source, name)) or not edge.startswith("^")
                    levels[name] = max(levels[name], levels[source] + (source in scopes))
    shown = {name: level for name, level in levels.items() if name in scopes}
    ranks = sorted(set(shown.values()))
    return {name: ranks.index(level) for name, level in shown.items()}, edges


_TITLE = 5.0  # width for a title
_BETWEEN = 0.5  # space between parts
_BOX = 1.7, 0.42  # width and height of a box within a part
_COLOURS = {"loss": "#fde3c8"} | dict.fromkeys(["backward", "apply_gradients", "metrics"], "0.93")


def _size_of_part(levels):
    columns = max(collections.Counter(levels.values()).values(), default=1)
    rows = max(levels.values(), default=-1) + 1
    return columns * (_BOX[0] + 0.15) + 0.15, rows * (_BOX[1] + 0.15) + 0.5


def _draw_part(axes, part, box, levels):
    left, bottom, width, height = box
    colour = _COLOURS.get(part, "#dbe8f6")
    _draw_box(axes, left, bottom, width, height, facecolor=colour)
    middle = left + width / 2
    axes.text(middle, bottom + height - 0.24, part, ha="center", va="center", weight="bold")
    for level in set(levels.values()):
        names = [name for name in levels if levels[name] == level]
        x = middle - len(names) * (_BOX[0] + 0.15) / 2 + 0.075
        y = bottom + 0.12 + level * (_BOX[1] + 0.15)
        for name in names:
            _draw_box(axes, x, y, *_BOX, facecolor="white")
            axes.text(x + _BOX[0] / 2, y + _BOX[1] / 2, name, ha="center", va="center", fontsize=8)
            x += _BOX[0] + 0.15


def _draw_box(axes, left, bottom, width, height, facecolor):
    style = matplotlib.patches.BoxStyle("round", pad=0, rounding_size=0.1)
    axes.add_patch(
        matplotlib.patches.FancyBboxPatch(
            (left, bottom), width, height, boxstyle=style, facecolor=facecolor, edgecolor="0.5"
        )
    )
