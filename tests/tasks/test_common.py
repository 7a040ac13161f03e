"""What the tasks share."""

import warnings

import numpy as np
import pytest
from scipy import linalg

from keras_vae.tasks import common


@pytest.mark.parametrize("kind", ["regular", "constant", "singular", "nearly singular", "nothing"])
def test_solve_is_the_pseudo_inverse(kind):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(50, 6))
    if kind == "constant":
        data[:, [0, 3]] = 0
    elif kind == "singular":
        data[:, 1] = data[:, 0]
    elif kind == "nearly singular":
        data[:, 1] = data[:, 0] * (1 + 1e-15)
    elif kind == "nothing":
        data[:] = 0
    covariance, right = data.T @ data, data.T @ rng.normal(size=(50, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = common.solve(covariance, right)
    np.testing.assert_allclose(found, linalg.pinvh(covariance) @ right, rtol=1e-6, atol=1e-9)
