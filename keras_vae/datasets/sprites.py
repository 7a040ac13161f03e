"""Sprites: white shapes on black, made from known factors, so that codes can be judged.

The factors are those of dSprites (Matthey 2017), in its order; the images are drawn here, from the
arguments alone. A plane has no natural axes: where x and y vary alike, a VAE may encode any two
directions that are at right angles. So x varies more than y, unless `equal_ranges=True`.
"""

import numpy as np

SPRITE_FACTORS = ("shape", "scale", "orientation", "x", "y")

_FINE = 8  # steps of a pixel along each axis; its grey value is the share of them that is inside
_RADIUS = 0.25  # of the circle around the largest sprite, in widths of the image

_SHAPES = (  # whether a point (u, v) of the unit circle is inside; v points upwards
    lambda u, v: np.maximum(abs(u), abs(v)) <= np.sqrt(0.5),  # square
    lambda u, v: u**2 + (2 * v) ** 2 <= 1,  # ellipse
    lambda u, v: _heart(1.294 * u, 1.294 * v + 0.293),  # its centre of mass in the middle
)


def load_sprites(image_size=32, counts=(3, 5, 8, 12, 12), equal_ranges=False):
    """Every combination of the factors of a sprite, once; drawn in a second or two, from no file.

    Args:
        image_size: int. Height and width in pixels, at least 16. Defaults to `32`.
        counts: five ints. How many values each of `SPRITE_FACTORS` takes: shape (at most 3: square,
            ellipse, heart), scale (from half to whole), orientation (of a full turn), x, y.
            Defaults to `(3, 5, 8, 12, 12)`: 17,280 images. dSprites has 64 pixels and
            `(3, 6, 40, 32, 32)`.
        equal_ranges: bool. Let y vary as much as x; else it varies two thirds as much. Defaults to
            `False`.

    Returns:
        Tuple `(x, factors)`: float32 `(n, image_size, image_size, 1)` in [0, 1], and int32 `(n, 5)`
        with the place of each factor's value, from 0. The last factor changes fastest.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> x, factors = load_sprites(16, counts=(3, 1, 1, 2, 1))
    >>> x.shape, factors[:3].tolist()
    ((6, 16, 16, 1), [[0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [1, 0, 0, 0, 0]])
    """
    if not isinstance(image_size, (int, np.integer)) or image_size < 16:
        raise ValueError(f"image_size is {image_size!r}; expected an int of at least 16.")
    counts = tuple(counts)
    whole = all(isinstance(count, (int, np.integer)) and count > 0 for count in counts)
    if len(counts) != len(SPRITE_FACTORS) or not whole or counts[0] > len(_SHAPES):
        raise ValueError(
            f"counts is {counts}; expected five ints of at least 1, one for each of "
            f"{', '.join(SPRITE_FACTORS)}, with at most {len(_SHAPES)} shapes."
        )
    reach = 0.5 - _RADIUS
    columns = _between(-reach, reach, counts[3])
    rows = _between(-reach, reach, counts[4]) * (1 if equal_ranges else 2 / 3)
    scales = _between(0.5, 1.0, counts[1])
    turns = 2 * np.pi * np.arange(counts[2]) / counts[2]
    x = np.empty((*counts, image_size, image_size, 1), "float32")
    for kind, scale, turn in np.ndindex(counts[:3]):
        fine = _fine(_SHAPES[kind], _RADIUS * scales[scale], turns[turn], image_size)
        x[kind, scale, turn, ..., 0] = _at_places(fine, columns, rows, image_size)
    factors = np.indices(counts, "int32").reshape(len(counts), -1).T
    return x.reshape(-1, image_size, image_size, 1), np.ascontiguousarray(factors)


def _heart(u, v):
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


def _between(low, high, count):
    """Values at equal distances; a single one is the middle."""
    return np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])


def _fine(is_inside, radius, turn, image_size):
    """The sprite in the middle of the image, 1 inside and 0 outside, `_FINE` points to a pixel."""
    points = ((np.arange(image_size * _FINE) + 0.5) / (image_size * _FINE) - 0.5) / radius
    right, up = points, -points[:, np.newaxis]
    u = np.cos(turn) * right + np.sin(turn) * up
    v = np.cos(turn) * up - np.sin(turn) * right
    return is_inside(u, v)


def _at_places(fine, columns, rows, image_size):
    """The sprite with its centre at every place: `(columns, rows, image_size, image_size)`.

    The sum over a pixel is a difference of four sums from the corner of the image.
    """
    sums = np.zeros(np.add(fine.shape, 1), "int32")
    sums[1:, 1:] = fine.cumsum(axis=0, dtype="int32").cumsum(axis=1, dtype="int32")
    edges = _FINE * np.arange(image_size + 1)

    def shifted(places):
        steps = np.round(places * image_size * _FINE).astype(int)
        return np.clip(edges - steps[:, np.newaxis], 0, image_size * _FINE)

    at = sums[shifted(rows)][:, :, shifted(columns)]  # (rows, edges, columns, edges)
    return np.diff(np.diff(at, axis=1), axis=3).transpose(2, 0, 1, 3) / _FINE**2
