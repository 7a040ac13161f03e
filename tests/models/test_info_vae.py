"""`InfoVAE(encoder, decoder, beta=0.0, mmd_weight=1000.0)`: the latents as a whole."""

import keras
import numpy as np
import pytest
import scipy.stats

from keras_vae import VAE, InfoVAE, networks, optimizers
from keras_vae.models.info_vae import KERNELS, mmd

both_kernels = pytest.mark.parametrize("kernel", sorted(KERNELS))


def draws(n, dim=3, mean=0.0, scale=1.0, seed=0):
    values = np.random.default_rng(seed).normal(mean, scale, (n, dim))
    return values.astype("float32")


def mean_and_error(values):
    return np.mean(values), np.std(values) / np.sqrt(len(values))


@both_kernels
def test_two_samples_of_one_distribution_have_mmd_0(kernel):
    found = [
        float(mmd(draws(50, seed=2 * s), draws(50, seed=2 * s + 1), kernel)) for s in range(200)
    ]
    mean, error = mean_and_error(found)
    assert mean == pytest.approx(0, abs=4 * error)
    assert error < 1e-3
    assert min(found) < 0  # unbiased: below 0 as often as above


def test_two_normals_have_the_closed_form():
    """E k(z, u) for z ~ N(0, I), u ~ N(m, s^2 I), of the Gaussian kernel with variance d."""
    dim, shift, scale = 3, 0.7, 1.5

    def mean_kernel(a, b, distance):
        variance = dim + a**2 + b**2
        return (dim / variance) ** (dim / 2) * np.exp(-dim * distance**2 / (2 * variance))

    exact = mean_kernel(1, 1, 0) + mean_kernel(scale, scale, 0) - 2 * mean_kernel(1, scale, shift)
    found = [
        float(mmd(draws(100, seed=2 * s), draws(100, dim, shift, scale, seed=2 * s + 1), "rbf"))
        for s in range(200)
    ]
    mean, error = mean_and_error(found)
    assert mean == pytest.approx(exact, abs=4 * error)
    assert error < 0.03 * exact


def test_the_imq_kernel_equals_its_integral():
    """In one dimension: E k over the normal distribution of z - u, by quadrature."""
    line = np.linspace(-25, 25, 20_001)
    step = line[1] - line[0]

    def mean_kernel(variance, distance):
        values = np.array(KERNELS["imq"](line**2, 1))
        return np.sum(values * scipy.stats.norm.pdf(line, distance, np.sqrt(variance))) * step

    exact = mean_kernel(2, 0) * 2 - 2 * mean_kernel(2, 1.0)
    found = [
        float(mmd(draws(100, 1, seed=2 * s), draws(100, 1, 1.0, seed=2 * s + 1)))
        for s in range(200)
    ]
    mean, error = mean_and_error(found)
    assert mean == pytest.approx(exact, abs=4 * error)
    assert error < 0.03 * exact


@both_kernels
def test_a_kernel_is_1_at_0_and_falls(kernel):
    values = np.array(KERNELS[kernel](np.array([0.0, 1.0, 4.0, 100.0], "float32"), 2))
    assert values[0] == pytest.approx(1)
    assert np.all(np.diff(values) < 0)


@pytest.mark.slow
@both_kernels
def test_the_latents_as_a_whole_approach_the_prior(x, kernel):
    """With beta = 0, by the MMD alone."""
    found = {}
    for weight in (0.0, 300.0):
        keras.utils.set_random_seed(0)
        pair = networks.dense((8, 8, 1), 2, hidden=(32,))
        vae = InfoVAE(*pair, mmd_weight=weight, kernel=kernel, seed=0)
        vae.compile(optimizers.Adam(3e-3), steps_per_execution=3)
        vae.fit(x, batch_size=100, epochs=60, verbose=0)
        z = vae.encode(x, sample=True, seed=1)
        found[weight] = float(mmd(z, draws(len(z), 2, seed=9), kernel)), z
    assert found[300.0][0] < 0.1 * found[0.0][0]
    z = found[300.0][1]
    assert np.all(np.abs(z.mean(axis=0)) < 0.3)
    assert np.all(np.abs(z.std(axis=0) - 1) < 0.3)


def test_without_mmd_it_is_a_vae(x):
    keras.utils.set_random_seed(0)
    pair = networks.dense((8, 8, 1), 2, hidden=(16,))
    models = [InfoVAE(*pair, beta=2.0, mmd_weight=0.0, seed=3), VAE(*pair, beta=2.0, seed=3)]
    for model in models:
        model.compile(optimizers.Adam())
    of_ours, of_plain = (m.evaluate(x, verbose=0, return_dict=True) for m in models)
    for name in VAE.loss_names:
        assert of_ours[name] == pytest.approx(of_plain[name], rel=1e-6)


def test_what_does_not_fit_is_refused():
    pair = networks.dense((8, 8, 1), 2, hidden=(16,))
    with pytest.raises(ValueError, match=r"kernel is 'cosine'; expected one of \['imq', 'rbf'\]"):
        InfoVAE(*pair, kernel="cosine")
    with pytest.raises(ValueError, match="mmd_weight is -1"):
        InfoVAE(*pair, mmd_weight=-1)
