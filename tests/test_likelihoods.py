"""Likelihoods define the shape of the decoder's output, check the data and give a distribution."""

import keras
import numpy as np
import pytest

from keras_vae import distributions, likelihoods
from keras_vae.likelihoods import Bernoulli, Gaussian


@pytest.mark.parametrize(
    ("likelihood", "shape"),
    [
        (Bernoulli(), (8, 6, 3)),
        (Gaussian(), (8, 6, 3)),
        (Gaussian(variance=0.1), (8, 6, 3)),
        (Gaussian(variance="decoder"), (8, 6, 6)),
    ],
)
def test_the_distribution_has_the_shape_of_the_data(likelihood, shape):
    assert likelihood.parameter_shape((8, 6, 3)) == shape
    p_x = likelihood.distribution(np.zeros((5, *shape), "float32"))
    assert tuple(p_x.mean.shape) == (5, 8, 6, 3)
    assert tuple(p_x.log_prob(np.zeros((5, 8, 6, 3))).shape) == (5,)


def test_means_and_log_variances_are_blocks_of_the_last_axis():
    outputs = np.array([[1.0, 2.0, 3.0, -1.0, -2.0, -3.0]], "float32")
    p_x = Gaussian(variance="decoder").distribution(outputs)
    np.testing.assert_array_equal(p_x.mean, [[1, 2, 3]])
    np.testing.assert_allclose(p_x.log_var, [[-1, -2, -3]], atol=0.03)


def test_a_learned_variance_is_one_weight_with_the_right_gradient():
    """-log p is smallest if the variance is the mean squared error (Rybkin 2021)."""
    likelihood = Gaussian()
    assert [tuple(w.shape) for w in likelihood.trainable_weights] == [()]
    x = np.random.default_rng(0).normal(scale=3.0, size=(1000, 4)).astype("float32")
    values = {}
    for variance in (8.0, float(np.mean(x**2)), 10.0):
        likelihood.log_variance.assign(np.log(variance))
        values[variance] = float(np.mean(likelihood.distribution(np.zeros_like(x)).log_prob(x)))
    assert max(values, key=values.get) == pytest.approx(np.mean(x**2))


def test_a_fixed_variance_weighs_the_squared_error():
    x, mean = np.array([[0.2, 0.9]], "float32"), np.array([[0.0, 1.0]], "float32")
    at_mean = Gaussian(variance=0.1).distribution(mean).log_prob(mean)
    at_x = Gaussian(variance=0.1).distribution(mean).log_prob(x)
    np.testing.assert_allclose(at_mean - at_x, [np.sum((x - mean) ** 2) / 0.2], rtol=1e-4)


def test_get_makes_a_new_layer_from_a_name_and_returns_a_layer_unchanged():
    assert isinstance(likelihoods.get("bernoulli"), Bernoulli)
    assert likelihoods.get("gaussian") is not likelihoods.get("gaussian")
    own = Gaussian(variance=0.5)
    assert likelihoods.get(own) is own


@pytest.mark.parametrize("bad", ["poisson", None, 3, distributions.Bernoulli])
def test_an_unknown_likelihood_is_refused(bad):
    with pytest.raises(ValueError, match=r"expected one of \['bernoulli', 'gaussian'\]"):
        likelihoods.get(bad)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), "fixed", True, None])
def test_an_invalid_variance_is_refused(bad):
    with pytest.raises(ValueError, match="expected 'learned', 'decoder' or a number above 0"):
        Gaussian(variance=bad)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 255.0], "values up to 255.0; .* Divide by 255"),
        ([-1.0, 1.0], 'values down to -1.0; .* Rescale it, or use likelihood="gaussian"'),
        ([0, 1.5, np.nan], 'values up to 1.5; .* likelihood="gaussian"'),
    ],
)
def test_bernoulli_refuses_values_outside_0_and_1(values, message):
    with pytest.raises(ValueError, match=message):
        Bernoulli().check(np.array(values))
    Bernoulli().check(np.array([0.0, 1.0, 0.3]))


TABLE = np.random.default_rng(0).normal(size=(5000, 3))


@pytest.mark.parametrize("scales", [[255.0, 255, 255], [1, 1e4, 1], [1e-3, 1, 1]])
def test_a_gaussian_warns_of_values_far_from_unit_scale(scales):
    with pytest.warns(UserWarning, match=r"x has standard deviations from .* to .* Standardise"):
        Gaussian().check(TABLE * scales)


@pytest.mark.parametrize("scales", [[1, 1, 1], [0.1, 10, 0], [0, 0, 0], [np.nan, 1, 1]])
def test_a_gaussian_accepts_other_scales_constants_and_missing_values(scales, recwarn):
    Gaussian().check((TABLE * scales).astype("float32"))
    assert not recwarn.list


@pytest.mark.parametrize("variance", ["learned", "decoder", 0.25])
def test_a_likelihood_is_restored_from_its_config(variance):
    config = keras.saving.serialize_keras_object(Gaussian(variance=variance))
    assert keras.saving.deserialize_keras_object(config).variance == variance
