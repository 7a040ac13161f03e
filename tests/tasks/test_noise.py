"""Noise models p(noisy | clean).

noise = Gaussian(0.5)
noisy = noise(x, seed=1)
data = batching.batches(x, 128, seed=1).map(noise.pairs(seed=1))
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from keras_vae import batching
from keras_vae.distributions import Bernoulli, Normal
from keras_vae.tasks.noise import Gaussian, Masking, Noise, SaltAndPepper, Speckle

NOISES = [Gaussian(0.5), Gaussian(0.5, clip=True), SaltAndPepper(0.3), Masking(0.3), Speckle(0.5)]


@pytest.mark.parametrize("noise", NOISES, ids=repr)
def test_moments_are_those_of_many_draws(noise):
    x = np.linspace(0, 1, 5, dtype="float32") * np.ones((200_000, 1), "float32")
    noisy = noise(x, seed=1)
    assert noisy.shape == x.shape
    assert noisy.dtype == "float32"
    mean, variance = noise.moments(x[:1])
    spread = noisy.std(axis=0) / np.sqrt(len(x))
    np.testing.assert_array_less(abs(noisy.mean(axis=0) - mean[0]), 4 * spread + 1e-6)
    np.testing.assert_allclose(noisy.var(axis=0), variance[0], rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("kind", [Gaussian, SaltAndPepper, Masking, Speckle])
def test_level_0_changes_nothing(kind, x):
    np.testing.assert_array_equal(kind(0)(x, seed=1), x)
    mean, variance = kind(0).moments(x)
    np.testing.assert_array_equal(mean, x)
    np.testing.assert_allclose(variance, 0, atol=1e-7)


@pytest.mark.parametrize("noise", NOISES, ids=repr)
def test_the_density_integrates_to_one(noise):
    means = np.array([0.02, 0.3, 0.97], "float32")[:, None]
    logits = np.log(means / (1 - means))
    if isinstance(noise, (SaltAndPepper, Masking)):  # for binary images: noisy values are 0 or 1
        density = np.exp(
            noise.log_density(np.array([0.0, 1.0], "float32")[None], Bernoulli(logits))
        )
        np.testing.assert_allclose(density.sum(axis=1), 1, rtol=1e-5)
        return
    seen = np.linspace(-4, 5, 20_001, dtype="float32")
    inside = (seen > 0) & (seen < 1) if noise.__dict__.get("clip") else np.full(len(seen), True)
    density = np.exp(noise.log_density(seen[None], Bernoulli(logits)))
    total = density[:, inside].sum(axis=1) * (seen[1] - seen[0])
    if not inside.all():  # a clipped value is exactly 0 or 1
        edges = np.array([0.0, 1.0], "float32")[None]
        total += np.exp(noise.log_density(edges, Bernoulli(logits))).sum(axis=1)
    np.testing.assert_allclose(total, 1, rtol=2e-3)


def test_an_unlikely_clipped_value_has_a_finite_density_and_gradient():
    logits = tf.Variable([[-1.4, 0.0, 20.0]])
    with tf.GradientTape() as tape:
        far = Gaussian(0.05, clip=True).log_density(np.zeros((1, 3), "float32"), Bernoulli(logits))
    means = np.array([1 / (1 + np.exp(1.4)), 0.5, 1.0])
    np.testing.assert_allclose(far[0], norm.logcdf(-means / 0.05), rtol=1e-3)
    gradient = tape.gradient(far, logits).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[0, :2] < -1).all()


def test_a_normal_value_with_gaussian_noise_is_normal():
    p = Normal([[0.2]], np.log([[0.3]]))
    found = Gaussian(0.5).log_density(np.array([[0.9]], "float32"), p)
    expected = norm.logpdf(0.9, 0.2, np.sqrt(0.3 + 0.25))
    np.testing.assert_allclose(found, [[expected]], rtol=1e-5)


@pytest.mark.parametrize("noise", NOISES, ids=repr)
def test_moments_of_integers_are_those_of_floats(noise):
    for from_ints, from_floats in zip(
        noise.moments(np.array([[0, 1]], "uint8")), noise.moments([[0.0, 1.0]]), strict=True
    ):
        np.testing.assert_array_equal(from_ints, from_floats)


def test_a_seed_fixes_the_noise(x):
    for noise in NOISES:
        np.testing.assert_array_equal(noise(x, seed=1), noise(x, seed=1))
        assert not np.array_equal(noise(x, seed=1), noise(x, seed=2))
        assert not np.array_equal(noise(x), noise(x))


def test_each_epoch_has_different_noise_despite_a_global_seed_keras3_4_5(x):
    def epochs(seed):
        keras.utils.set_random_seed(0)
        data = batching.batches(x, 32, seed=1, shuffle=False).map(Gaussian(0.5).pairs(seed))
        epochs = [list(data), list(data)]
        return [np.concatenate([noisy - clean for noisy, clean in epoch]) for epoch in epochs]

    first, second = epochs(seed=1)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    np.testing.assert_array_equal(epochs(seed=1), [first, second])
    assert not np.array_equal(epochs(seed=2)[0], first)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (lambda: Gaussian(-0.1), r"level is -0.1; expected a number of at least 0\."),
        (lambda: Gaussian("much"), "level is 'much'; expected a number"),
        (lambda: SaltAndPepper(1.5), "level is 1.5; expected a number of at least 0 and at most 1"),
        (lambda: Masking(float("nan")), "level is nan; expected"),
        (lambda: Gaussian(0.5)(np.full((1, 2), np.nan)), "x holds NaN or infinity"),
        (lambda: Gaussian(0.5)(np.full((1, 2), 255)), r"values up to 255; expected images in \[0"),
        (lambda: Gaussian(0.5)(np.zeros((1, 2)), seed=-1), "seed is -1; expected"),
    ],
)
def test_bad_input_raises_an_error_that_says_why(noise, message):
    with pytest.raises(ValueError, match=message):
        noise()


def test_a_subclass_defines_another_noise(x):
    class Darker(Noise):
        most = 1.0

        def draw(self, x, generator):
            return x * (1 - self.level * generator.uniform((1,)))

    assert repr(Darker(0.5)) == "Darker(0.5)"
    assert Darker(0.5)(x).max() <= x.max()
