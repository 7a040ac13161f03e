"""Likelihoods define the shape of the decoder's output, check the data and give a distribution."""

import keras
import numpy as np
import pytest

from keras_vae import distributions, likelihoods
from keras_vae.likelihoods import Bernoulli, Columns, Gaussian


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


# Tables --------------------------------------------------------------------------------------


def table(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    columns = [
        rng.normal(1000, 50, rows),
        np.exp(rng.normal(-3, 1, rows)),
        rng.poisson(40, rows),
        rng.integers(0, 2, rows),
        rng.integers(0, 3, rows),
    ]
    x = np.stack(columns, axis=1).astype("float32")
    x[rng.random(x.shape) < 0.3] = np.nan
    return x, ["real", "positive", "count", "binary", 3]


def test_columns_are_standardised_each_in_its_own_way():
    x, kinds = table()
    likelihood = Columns.fitted(x, kinds)
    assert likelihood.parameter_shape((5,)) == (7,)  # two numbers, a rate, a logit, three logits
    features = likelihood.features(keras.ops.convert_to_tensor(x)).numpy()
    assert features.shape == (200, 7)
    np.testing.assert_allclose(np.nanmean(features[:, :3], axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.nanstd(features[:, :3], axis=0), 1, atol=1e-3)
    np.testing.assert_array_equal(np.isnan(features[:, :5]), np.isnan(x))
    np.testing.assert_array_equal(
        features[:, 4:].argmax(axis=1)[~np.isnan(x[:, 4])], x[~np.isnan(x[:, 4]), 4]
    )

    p_x = likelihood.distribution(np.zeros((1, 7), "float32"))
    point = p_x.point.numpy()[0]
    np.testing.assert_allclose(point[0], np.nanmean(x[:, 0]), rtol=1e-5)
    np.testing.assert_allclose(
        p_x.parts[2].mean[0, 0], np.exp(np.nanmean(np.log1p(x[:, 2]))), rtol=1e-4
    )
    assert np.isfinite(likelihood.distribution(np.full((1, 7), 1e6, "float32")).point).all()


def test_a_unit_changes_the_density_by_its_scale_alone():
    """p(x) = p(u) / scale: nats are those of x, whatever its unit."""
    rng = np.random.default_rng(0)
    x, outputs = rng.normal(5, 3, (10, 2)), rng.normal(size=(10, 2)).astype("float32")
    for variance in ("learned", 0.4, "decoder"):
        given = np.concatenate([outputs, outputs], 1) if variance == "decoder" else outputs
        scaled = Gaussian(variance, location=[5.0, 4.0], scale=[3.0, 2.0]).distribution(given)
        plain = Gaussian(variance).distribution(given)
        expected = plain.log_prob((x - [5.0, 4.0]) / [3.0, 2.0]) - np.log(6.0)
        np.testing.assert_allclose(scaled.log_prob(x), expected, rtol=1e-5)


def test_a_learned_variance_is_one_for_each_column_that_has_a_unit_of_its_own():
    assert Gaussian(location=[0.0, 1.0]).log_variance.shape == (2,)
    assert Gaussian(location=3.0).log_variance.shape == ()


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (1, 0.0, r"column 1, has values down to 0.0; a LogNormal likelihood needs values above 0"),
        (2, 1.5, r"column 2, has values that are not whole; a Poisson likelihood needs whole"),
        (2, -1, r"column 2, has values from -1.0 to .*; a Poisson likelihood needs whole"),
        (3, 2, r"column 3, has values up to 2.0; a Bernoulli likelihood"),
        (4, 3, r"column 4, has values from 0.0 to 3.0; a Categorical likelihood .* from 0 to 2"),
    ],
)
def test_a_value_that_is_not_of_its_columns_kind_is_named(column, value, sentence):
    x, kinds = table()
    likelihood = Columns.fitted(x, kinds)
    likelihood.check(x)
    x[7, column] = value
    with pytest.raises(ValueError, match=sentence):
        likelihood.check(x)


def test_tables_that_cannot_be_described_are_refused():
    x, kinds = table()
    with pytest.raises(ValueError, match=r"x has shape \(200, 5\) and there are 4 kinds"):
        Columns.fitted(x, kinds[:4])
    with pytest.raises(ValueError, match="kinds has 'integer'; expected one of"):
        Columns.fitted(x, ["integer"] * 5)
    with pytest.raises(ValueError, match=r"columns \[0, 0\]; expected each from 0 on once"):
        Columns([(Gaussian(), [0]), (Bernoulli(), [0])])
    with pytest.raises(ValueError, match="scales above 0"):
        Gaussian(scale=[1.0, 0.0])
    with pytest.raises(ValueError, match="this likelihood has 5 columns"):
        Columns.fitted(x, kinds).parameter_shape((4,))


def test_a_table_likelihood_is_made_again_from_its_config():
    x, kinds = table()
    likelihood = Columns.fitted(x, kinds)
    saved = keras.saving.serialize_keras_object(likelihood)
    again = keras.saving.deserialize_keras_object(saved)
    assert keras.saving.serialize_keras_object(again) == saved
    outputs = np.random.default_rng(1).normal(size=(200, 7)).astype("float32")
    known = ~np.isnan(x)
    both = [each.distribution(outputs).log_prob(x, known) for each in (likelihood, again)]
    np.testing.assert_array_equal(*both)


def test_a_constant_column_and_a_column_without_a_value_have_a_unit():
    x = np.array([[2.0, np.nan], [2.0, np.nan]])
    found = Gaussian.fitted(x)
    np.testing.assert_array_equal(found.scale, [1, 1])
    np.testing.assert_array_equal(found.location, [2, 0])


def test_a_learned_variance_begins_where_it_is_told_and_has_a_least():
    for arguments, expected in (
        ({}, 1.0),
        ({"initial": 0.01}, 0.01),
        ({"initial": 0.25, "least": 0.03}, 0.25),
    ):
        likelihood = Gaussian(**arguments)
        p_x = likelihood.distribution(np.zeros((1, 2), "float32"))
        assert float(np.exp(p_x.log_var)) == pytest.approx(expected, rel=1e-4)
    likelihood.log_variance.assign(-100.0)
    p_x = likelihood.distribution(np.zeros((1, 2), "float32"))
    assert float(np.exp(p_x.log_var)) == pytest.approx(0.03**2, rel=1e-3)
    with pytest.raises(ValueError, match="least is 1"):
        Gaussian(least=1.0)
