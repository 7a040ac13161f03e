"""`(x_train, y_train), (x_test, y_test) = datasets.load_digits()`."""

import numpy as np
import pytest

from keras_vae import datasets


def test_shapes_range_and_split():
    (x_train, y_train), (x_test, y_test) = datasets.load_digits()
    assert x_train.shape == (1437, 8, 8, 1)
    assert x_test.shape == (360, 8, 8, 1)
    assert x_train.dtype == "float32"
    assert (x_train.min(), x_train.max()) == (0, 1)
    both = {image.tobytes() for image in x_train} & {image.tobytes() for image in x_test}
    assert not both
    shares = [np.bincount(y) / len(y) for y in (y_train, y_test)]
    np.testing.assert_allclose(*shares, atol=0.003)


@pytest.mark.parametrize("limit", [10, 100, 333, 1436])
def test_limit_keeps_the_classes_in_proportion(limit):
    (x, y), (x_test, _) = datasets.load_digits(limit=limit)
    assert len(x) == len(y) == limit
    assert len(x_test) == min(limit, 360)
    assert np.ptp(np.bincount(y, minlength=10)) <= max(1, 0.02 * limit)


def test_the_seed_fixes_the_choice():
    first, again, other = (datasets.load_digits(limit=100, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0][0], again[0][0])
    assert not np.array_equal(first[0][0], other[0][0])


@pytest.mark.parametrize("bad", [0, -3, 2.5])
def test_a_bad_limit_is_refused(bad):
    with pytest.raises(ValueError, match="limit is"):
        datasets.load_digits(limit=bad)
