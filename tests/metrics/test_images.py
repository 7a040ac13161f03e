"""Metrics of images."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error

from keras_vae import metrics


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.random((6, 4, 4, 1)), rng.random((6, 4, 4, 1))


def test_errors_equal_those_of_scikit_learn(images):
    x, x_hat = (image.reshape(6, -1) for image in images)
    assert metrics.rmse(*images) == pytest.approx(np.sqrt(mean_squared_error(x, x_hat)))
    assert metrics.mae(*images) == pytest.approx(mean_absolute_error(x, x_hat))
    assert metrics.rmse(x, x) == metrics.mae(x, x) == 0


def test_psnr_is_the_mean_of_the_psnr_of_each_image():
    clean = np.zeros((2, 10))
    noisy = np.stack([np.full(10, 0.1), np.full(10, 0.01)])
    assert metrics.psnr(clean, noisy) == pytest.approx((20 + 40) / 2)
    assert metrics.psnr(255 * clean, 255 * noisy, max_value=255) == pytest.approx(30)
    assert metrics.psnr(clean, clean) == np.inf


def test_arrays_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="must be equal"):
        metrics.rmse(np.zeros((3, 1)), np.zeros((1, 3)))
