"""Patterns of missing values: True where a value is known.

x_with_nan = masks.hide(x, masks.half(x.shape, "lower"))
"""

import numpy as np
import pytest

from keras_vae import batching
from keras_vae.tasks import masks

SHAPE = (50, 8, 6, 3)


def test_a_half_is_half_and_its_name_says_which():
    first = {side: masks.half(SHAPE, side)[0, :, :, 0] for side in masks.SIDES}
    assert all(mask.mean() == 0.5 for mask in first.values())
    assert first["lower"][:4].all()
    assert first["upper"][4:].all()
    assert first["left"][:, 3:].all()
    assert first["right"][:, :3].all()


def test_the_fifths_of_the_thesis_miss_each_half_once_and_one_is_whole():
    mask = masks.fifths(SHAPE)
    for i, side in enumerate(masks.SIDES):
        np.testing.assert_array_equal(mask[10 * i : 10 * (i + 1)], masks.half((10, 8, 6, 3), side))
    assert mask[40:].all()
    assert mask.mean() == 0.6


@pytest.mark.parametrize(
    "mask",
    [masks.at_random(SHAPE, 0.3, 1), masks.square(SHAPE, 3, 1), masks.varied(SHAPE, 1)],
)
def test_channels_of_a_pixel_are_missing_together(mask):
    assert mask.shape == SHAPE
    assert not mask.all()
    np.testing.assert_array_equal(mask, np.broadcast_to(mask[..., :1], SHAPE))


def test_shares_and_sizes_are_those_asked_for():
    assert masks.at_random((1000, 20), 0.3).mean() == pytest.approx(0.7, abs=0.01)
    hidden = ~masks.square(SHAPE, 3)[..., 0]
    assert np.all(hidden.sum(axis=(1, 2)) == 9)
    assert np.all(hidden.any(axis=1).sum(axis=1) == 3)
    assert len(np.unique(hidden, axis=0)) > 10


def test_missing_by_another_column_depends_on_it_and_on_nothing_else():
    x = np.random.default_rng(0).normal(size=(20_000, 2))
    for missing in (0.1, 0.3, 0.7):
        mask = masks.by_column(x, missing, seed=1)
        assert (~mask).mean() == pytest.approx(missing, abs=0.01)
        for own, other in ((0, 1), (1, 0)):
            gap = x[~mask[:, own], other].mean() - x[mask[:, own], other].mean()
            assert gap > 0.3
            assert abs(x[~mask[:, own], own].mean()) < 0.05


def test_training_sees_new_holes_in_every_epoch_and_the_whole_image():
    x = np.random.default_rng(0).random((20, 8, 6, 1)).astype("float32")
    bank = masks.varied((100, 8, 6, 1), seed=1)
    data = batching.batches(x, 20, seed=1, shuffle=False).map(masks.holes(bank, seed=2))
    (first, whole), (second, _) = next(iter(data)), next(iter(data))
    np.testing.assert_array_equal(whole, x)
    assert np.any(np.isnan(first) != np.isnan(second))
    known = ~np.isnan(first)
    np.testing.assert_array_equal(first[known], x[known])
    again = batching.batches(x, 20, seed=1, shuffle=False).map(masks.holes(bank, seed=2))
    np.testing.assert_array_equal(first, next(iter(again))[0])


def test_what_is_no_pattern_is_refused():
    with pytest.raises(ValueError, match="side is 'top'; expected one of"):
        masks.half(SHAPE, "top")
    with pytest.raises(ValueError, match=r"shape is \(50, 8\); this pattern needs images"):
        masks.half((50, 8))
    with pytest.raises(ValueError, match="size is 7; expected at most 6"):
        masks.square(SHAPE, 7)
    with pytest.raises(ValueError, match=r"missing is 1\.5"):
        masks.at_random(SHAPE, 1.5)
    with pytest.raises(ValueError, match=r"mask has shape \(2,\); expected \(3,\), that of x"):
        masks.hide(np.zeros(3), np.ones(2, bool))
