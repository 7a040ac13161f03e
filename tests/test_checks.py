"""Each check returns its argument or raises an error of one sentence."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from keras_vae import checks, likelihoods, priors


def test_integers_are_kept_and_floats_become_float32():
    assert checks.array(np.zeros(3, "uint8")).dtype == "uint8"
    assert checks.array(np.zeros(3, bool)).dtype == bool
    assert checks.array([0.5, 1.0]).dtype == "float32"
    for dtype in ("float16", "bfloat16"):
        assert checks.array(tf.zeros(3, dtype)).dtype == "float32"
    given = np.zeros(3, "float32")
    assert checks.array(given) is given


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 8)), "is empty"),
        (["a", "b"], "expected an array of numbers"),
        (np.array([None, 1]), "expected an array of numbers"),
        ([[1, 2], [3]], "different length"),
        (3.0, "a single number"),
        (scipy.sparse.eye(3, format="csr"), r"sparse matrix; expected an array. Give x\.toarray"),
        (np.ma.masked_greater([1.0, 1e20], 1e10), "masked array that hides values"),
    ],
)
def test_an_invalid_array_is_refused(bad, message):
    assert checks.is_array(bad)
    with pytest.raises((ValueError, TypeError), match=message):
        checks.array(bad)


def test_a_masked_array_without_masked_values_is_accepted():
    assert checks.array(np.ma.masked_greater([1.0, 2.0], 1e10)).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("good", [1, np.int64(7), np.uint8(3)])
def test_a_count_becomes_a_python_int(good):
    assert type(checks.count(good, "n")) is int


@pytest.mark.parametrize("bad", [0, -1, 2.0, "3", True, np.bool_(True), None, [3]])
def test_an_invalid_count_is_refused(bad):
    with pytest.raises(ValueError, match=r"n is .* expected an int"):
        checks.count(bad, "n")


@pytest.mark.parametrize(("value", "above"), [(0, False), (0.5, True), (np.float32(2), False)])
def test_a_number_becomes_a_python_float(value, above):
    assert type(checks.number(value, "rate", above=above)) is float


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), None, "a", True, [1.0, 2.0], 3])
def test_a_number_out_of_range_is_refused(bad):
    with pytest.raises(
        ValueError, match=r"rate is .*expected a number of at least 0 and at most 2"
    ):
        checks.number(bad, "rate", most=2)
    with pytest.raises(ValueError, match="expected a number above 0"):
        checks.number(0, "rate", above=True)


def test_settings_that_are_constants_of_a_graph_cannot_be_changed():
    """Otherwise a compiled model would silently use the old value."""
    for layer, name, value in (
        (likelihoods.Gaussian(variance=0.1), "variance", 0.2),
        (likelihoods.Gaussian(), "variance", 0.2),
        (priors.Mixture(2), "components", 3),
    ):
        with pytest.raises(AttributeError, match=f"{name} of a .* is fixed when it is made"):
            setattr(layer, name, value)
        setattr(layer, name, getattr(layer, name))  # the same value is accepted


def test_a_setting_may_be_an_array():
    class Scaled(likelihoods.Bernoulli):
        def __init__(self, scales, **kwargs):
            super().__init__(**kwargs)
            self.scales = scales

    layer = Scaled(np.ones(3))
    layer.scales = np.ones(3)
    with pytest.raises(AttributeError, match="scales of a Scaled is fixed"):
        layer.scales = np.zeros(3)
