"""`x, factors = datasets.load_sprites()`: every combination of shape, scale, turn, x and y."""

import numpy as np
import pytest

from keras_vae import datasets
from keras_vae.datasets import SPRITE_FACTORS

SMALL = (3, 2, 4, 5, 3)


@pytest.fixture(scope="module")
def sprites():
    return datasets.load_sprites(counts=SMALL)


def of(factor, factors):
    return factors[:, SPRITE_FACTORS.index(factor)]


def centres(x):
    """Centre of mass of each image: (to the right, downwards), in pixels."""
    mass = x[..., 0] / x.sum(axis=(1, 2, 3))[:, None, None]
    places = np.arange(x.shape[1]) + 0.5
    return (mass.sum(axis=1) * places).sum(axis=1), (mass.sum(axis=2) * places).sum(axis=1)


def test_every_combination_is_there_once(sprites):
    x, factors = sprites
    assert x.shape == (np.prod(SMALL), 32, 32, 1)
    assert (x.dtype, factors.dtype) == ("float32", "int32")
    assert (x.min(), x.max()) == (0, 1)
    assert len(np.unique(factors, axis=0)) == len(factors) == len(x)
    np.testing.assert_array_equal(factors.max(axis=0) + 1, SMALL)
    np.testing.assert_array_equal(factors, np.indices(SMALL).reshape(5, -1).T)


def test_it_is_a_function_of_its_arguments(sprites):
    again, _ = datasets.load_sprites(counts=SMALL)
    np.testing.assert_array_equal(again, sprites[0])


def test_the_default_is_the_documented_size():
    x, _ = datasets.load_sprites()
    assert x.shape == (17_280, 32, 32, 1)
    assert len(np.unique(x.reshape(len(x), -1)[::7], axis=0)) > 1_200  # turns of the square repeat


def test_a_place_moves_the_sprite_and_nothing_else(sprites):
    x, factors = sprites
    right, down = centres(x)
    for axis, moved, still in (("x", right, down), ("y", down, right)):
        for others in np.unique(factors[:, :3], axis=0):
            same = (factors[:, :3] == others).all(axis=1)
            by_place = [
                moved[same & (of(axis, factors) == v)] for v in np.unique(of(axis, factors))
            ]
            means = [place.mean() for place in by_place]
            assert np.ptp(np.diff(means)) < 0.2  # equal steps, to an eighth of a pixel
            assert max(np.ptp(place) for place in by_place) < 0.15
            assert np.all(np.diff(means) > 1)
        assert np.ptp(still) > 1


def test_mass_does_not_depend_on_place(sprites):
    """Anti-aliasing is exact: no part of a sprite is lost between pixels, or at the border."""
    x, _ = sprites
    mass = x.sum(axis=(1, 2, 3)).reshape(-1, SMALL[3] * SMALL[4])
    np.testing.assert_allclose(mass, mass[:, :1] * np.ones(mass.shape[1]), rtol=1e-5)


def test_edges_are_grey_and_mass_grows_with_the_square_of_the_scale(sprites):
    x, _ = sprites
    assert np.mean((x > 0) & (x < 1)) > 0.01
    mass = x.sum(axis=(1, 2, 3)).reshape(SMALL)
    np.testing.assert_allclose(mass[:, 1] / mass[:, 0], 4, rtol=0.05)
    radius = 0.25 * 32
    largest = mass[:, 1, 0, 0, 0]  # of a square and an ellipse in a circle of this radius
    np.testing.assert_allclose(largest[:2], [2 * radius**2, np.pi / 2 * radius**2], rtol=0.02)


def test_a_quarter_turn_turns_the_image(sprites):
    x, _ = datasets.load_sprites(counts=(3, 1, 4, 1, 1))
    for shape in range(3):
        upright, quarter, half, _ = x[4 * shape : 4 * shape + 4, ..., 0]
        np.testing.assert_allclose(quarter, np.rot90(upright), atol=0.1)
        np.testing.assert_allclose(half, np.rot90(upright, 2), atol=0.1)
    heart = x[8, ..., 0]
    np.testing.assert_allclose(heart, heart[:, ::-1], atol=0.05)
    rows = heart.sum(axis=1)
    assert rows[:16].sum() > rows[16:].sum() * 0.8  # lobes above, point below
    assert rows[rows > 0][-1] < rows[rows > 0][0]


def test_y_varies_two_thirds_as_much_as_x_unless_told_otherwise():
    for equal, ratio in ((False, 1.5), (True, 1)):
        right, down = centres(datasets.load_sprites(counts=SMALL, equal_ranges=equal)[0])
        assert np.ptp(right) / np.ptp(down) == pytest.approx(ratio, rel=0.05)


def test_more_pixels_show_the_same_sprites(sprites):
    fine, _ = datasets.load_sprites(64, counts=SMALL)
    coarse = fine.reshape(-1, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(coarse - sprites[0][..., 0]).mean() < 2e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 8}, "image_size is 8; expected an int of at least 16"),
        ({"counts": (3, 5, 8, 12)}, "expected five ints of at least 1"),
        ({"counts": (4, 5, 8, 12, 12)}, "with at most 3 shapes"),
        ({"counts": (3, 0, 8, 12, 12)}, r"counts is \(3, 0, 8, 12, 12\)"),
    ],
)
def test_a_bad_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load_sprites(**arguments)
