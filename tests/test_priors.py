"""Priors are layers that give p(z), or p(z|c).

mixture = priors.Mixture(latent_dim=2, components=3, condition=10)
mixture.fit(vae.encode(x, condition=y, sample=True), y)
"""

import keras
import numpy as np
import pytest
import scipy.stats
from sklearn.mixture import GaussianMixture

from keras_vae import priors
from keras_vae.distributions import Normal, NormalMixture


def test_standard_normal_equals_scipy():
    p = priors.get("standard_normal").distribution()
    z = np.random.default_rng(0).normal(size=(5, 3))
    expected = scipy.stats.norm.logpdf(z).sum(axis=1)
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-5)
    assert p.sample(seed=1, shape=(7, 3)).shape == (7, 3)


def test_get_makes_a_layer_from_a_name_and_returns_a_layer_unchanged():
    own = priors.StandardNormal()
    assert priors.get(own) is own
    assert priors.get("standard_normal") is not priors.get("standard_normal")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(own))
    assert isinstance(again, priors.StandardNormal)
    with pytest.raises(ValueError, match="expected one of"):
        priors.get("flat")


@pytest.fixture
def two_clouds():
    """400 points around two centres for each of three classes, and their labels."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 400)
    sides = np.where(rng.random(1200) < 0.3, -2, 1)
    z = rng.normal(size=(1200, 2)) * [0.3, 0.7] + np.stack([sides, labels - sides], axis=1)
    return z, labels


def test_a_single_normal_starts_as_the_standard_normal():
    for condition, given in ((None, None), (4, [0, 3]), ((3,), np.ones((2, 3)))):
        p = priors.Mixture(2, condition=condition).distribution(given)
        assert isinstance(p, Normal)
        np.testing.assert_array_equal(p.mean, np.zeros_like(p.mean))
        np.testing.assert_array_equal(p.log_var, np.zeros_like(p.mean))


def test_several_components_start_with_different_means():
    p = priors.Mixture(2, components=3).distribution()
    assert isinstance(p, NormalMixture)
    assert len(np.unique(p.components.mean[0], axis=0)) == 3
    np.testing.assert_allclose(np.exp(p.log_weights), np.full((1, 3), 1 / 3), rtol=1e-6)


@pytest.mark.parametrize("components", [1, 2, 5])
def test_a_fitted_mixture_equals_that_of_scikit_learn_for_each_class(two_clouds, components):
    z, labels = two_clouds
    mixture = priors.Mixture(2, components, condition=3).fit(z, labels)
    for label in range(3):
        members = z[labels == label]
        theirs = GaussianMixture(
            components, covariance_type="diag", reg_covar=1e-4, random_state=0
        ).fit(members)
        p = mixture.distribution(np.full(len(members), label))
        np.testing.assert_allclose(p.log_prob(members), theirs.score_samples(members), atol=1e-3)
        other = mixture.distribution(np.full(len(members), (label + 1) % 3))
        assert np.mean(other.log_prob(members)) < theirs.score(members) - 0.1


def test_without_a_condition_one_mixture_is_fitted_to_all(two_clouds):
    z, _ = two_clouds
    p = priors.Mixture(2, components=4).fit(z).distribution()
    draws = np.array(p.sample(seed=1, shape=(50_000, 2)))
    np.testing.assert_allclose(draws.mean(axis=0), z.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.cov(draws.T), np.cov(z.T), atol=0.05)
    np.testing.assert_allclose(p.mean[0], z.mean(axis=0), atol=1e-3)


def test_a_mixture_is_restored_from_its_config(two_clouds):
    own = priors.Mixture(2, components=3, condition=(4, 1), trainable=False)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(own))
    assert again.get_config() == own.get_config()
    assert not again.trainable_weights


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "latent_dim is 0; expected an int of at least 1"),
        ((True,), "latent_dim is True"),
        ((2, 0), "components is 0"),
        ((2, 1.5), "components is 1.5"),
        *(
            ((2, 1, bad), "condition is .*; expected the number of")
            for bad in (0, "10", (), (3, 0))
        ),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        priors.Mixture(*arguments)


def test_sizes_may_be_numpy_ints():
    mixture = priors.Mixture(np.int64(2), np.int32(3), condition=np.int64(9) + 1)
    assert mixture.get_config()["condition"] == 10


@pytest.mark.parametrize(
    ("reads", "given", "message"),
    [
        (4, None, "condition is None, but this prior reads a condition; pass one"),
        (
            4,
            np.zeros((3, 1), int),
            r"condition has shape \(3, 1\); expected \(n,\), a label each",
        ),
        ((4,), np.zeros((3, 8)), r"condition has shape \(3, 8\); expected \(n, 4\)"),
        (4, np.array([0, -1]), "condition has labels from -1 to 0; expected 0 to 3"),
        (4, np.array([0, 4]), "condition has labels from 0 to 4; expected 0 to 3"),
        (4, np.array([0, 1.9]), "condition holds floats; expected integer labels from 0 to 3"),
        ((4,), np.full((3, 4), np.nan), "condition holds NaN"),
        ((4,), np.zeros(4), "condition has shape"),
    ],
)
def test_a_condition_that_would_broadcast_is_refused(reads, given, message):
    with pytest.raises(ValueError, match=message):
        priors.Mixture(2, condition=reads).distribution(given)


@pytest.mark.parametrize(
    ("condition", "arguments", "message"),
    [
        (
            3,
            lambda z, labels: (z[:, :1], labels),
            r"z has shape \(1200, 1\); expected \(n, 2\)",
        ),
        (3, lambda z, labels: (z, None), "reads condition=3; give the label of each z"),
        (None, lambda z, labels: (z, labels), "reads condition=None; leave the labels out"),
        (2, lambda z, labels: (z, labels), "labels from 0 to 2; expected 0 to 1"),
        (3, lambda z, labels: (z, labels - 1), "labels from -1 to 1; expected 0 to 2"),
        (3, lambda z, labels: (z, labels * 1.0), "holds floats; expected integer labels"),
        (3, lambda z, labels: (z, labels[:5]), "z has 1200, condition has 5 rows"),
        (3, lambda z, labels: (z[:0], labels[:0]), "z is empty"),
        (3, lambda z, labels: (z * np.nan, labels), "z holds NaN"),
        (4, lambda z, labels: (z, labels), "Class 3 has 0 examples; expected at least 2"),
        ((2,), lambda z, labels: (z, labels), "cannot be fitted; train it as the prior of a model"),
    ],
)
def test_latents_that_cannot_be_fitted_are_refused(two_clouds, condition, arguments, message):
    mixture = priors.Mixture(2, components=2, condition=condition)
    before = [weight.numpy() for weight in mixture.weights]
    with pytest.raises(ValueError, match=message):
        mixture.fit(*arguments(*two_clouds))
    for one, other in zip(before, mixture.weights, strict=True):
        np.testing.assert_array_equal(one, other)
