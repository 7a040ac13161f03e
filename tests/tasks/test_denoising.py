"""Denoising by trained models and by classical methods, all with the same interface.

noise = denoising.Gaussian(0.5)
denoising.Inference(vae, noise).transform(noisy)
denoising.Wiener(noise).fit(x_train).transform(noisy)
make_pipeline(denoising.VAEDenoiser(noise), LogisticRegression()).fit(x_train, y_train)
"""

import copy
import pickle
import random

import keras
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from keras_vae import VAE, Autoencoder, ConditionalVAE, datasets, metrics, networks
from keras_vae.tasks import denoising
from keras_vae.tasks.denoising import Gaussian, Masking, SaltAndPepper, Speckle
from tests import kinds

KINDS = [Gaussian, SaltAndPepper, Masking, Speckle]


@pytest.fixture(scope="module")
def data():
    return datasets.load_digits()


@pytest.fixture(scope="module")
def vae(data):
    """A VAE trained on clean digits."""
    (x, _), _ = data
    keras.utils.set_random_seed(0)
    vae = VAE(*networks.dense(x.shape[1:], 16, hidden=(128,)), seed=0)
    vae.compile(keras.optimizers.Adam(3e-3))
    vae.fit(x, epochs=30, verbose=0)
    return vae


def all_denoisers(vae, noise, x):
    return [
        denoising.OnePass(vae),
        denoising.Inference(vae, noise),
        denoising.Wiener(noise).fit(x),
        denoising.PrincipalComponents(noise).fit(x),
        denoising.Median(noise).fit(x),
        denoising.VAEDenoiser(noise, epochs=3).fit(x),
    ]


# Laws --------------------------------------------------------------------------------------


def test_the_wiener_filter_is_the_linear_least_squares_solution(data):
    """For Gaussian noise: ridge regression with penalty n level^2 |W|^2, as additional rows."""
    (x, _), (noisy, _) = data
    flat = x.reshape(len(x), -1).astype("float64")
    centred = flat - flat.mean(axis=0)
    for level in (0.05, 0.5):
        added = level * np.sqrt(len(x)) * np.eye(64)
        rows = np.concatenate([centred, added])
        weights = np.linalg.lstsq(rows, np.concatenate([centred, 0 * added]), rcond=None)[0]
        expected = flat.mean(axis=0) + (noisy.reshape(len(noisy), -1) - flat.mean(axis=0)) @ weights
        found = denoising.Wiener(Gaussian(level)).fit(x).transform(noisy)
        expected = np.clip(expected, 0, 1).reshape(noisy.shape)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        broken = denoising.Wiener(Gaussian(1.1 * level)).fit(x).transform(noisy)
        assert not np.allclose(broken, expected, atol=1e-3)


@pytest.mark.parametrize("noise", [Gaussian(0.5, clip=True), *(kind(0.4) for kind in KINDS)])
def test_no_linear_method_beats_the_wiener_filter(noise, data):
    """Least squares on 100 noisy copies of each image comes close to it but is no better."""
    (x, _), _ = data
    x = x[:200, 2:6, 2:6]
    many = np.repeat(x, 100, axis=0)
    noisy = noise(many, seed=1).reshape(len(many), -1)
    rows = np.concatenate([noisy, np.ones((len(noisy), 1))], axis=1).astype("float64")
    clean = many.reshape(len(many), -1)
    weights = np.linalg.lstsq(rows, clean, rcond=None)[0]
    again = noise(many, seed=2).reshape(len(many), -1)  # new noise
    rows = np.concatenate([again, np.ones((len(again), 1))], axis=1)
    wiener = denoising.Wiener(noise).fit(x)
    ours = np.mean((wiener._denoise(again) - clean) ** 2)
    theirs = np.mean((rows @ weights - clean) ** 2)
    assert ours == pytest.approx(theirs, rel=0.01)
    assert ours < theirs
    broken = np.mean((wiener._denoise(0.7 * again) - clean) ** 2)
    assert broken > 1.02 * ours


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_a_denoiser_returns_the_image_or_its_reconstruction(kind, vae, data):
    (x, _), (image, _) = data
    noise = kind(0)
    reconstruction = vae.predict(image, verbose=0)
    np.testing.assert_array_equal(
        denoising.OnePass(vae).transform(noise(image)), np.clip(reconstruction, 0, 1)
    )
    little = denoising.OnePass(vae).transform(kind(1e-5)(image, seed=1))
    assert metrics.rmse(little, reconstruction) < 0.01
    for denoiser in (denoising.Wiener, denoising.PrincipalComponents):
        found = denoiser(noise).fit(x).transform(noise(image, seed=1))
        assert metrics.rmse(image, found) < 0.01  # pixels that are 0 in all of x stay 0
    inferred = denoising.Inference(vae, noise).transform(noise(image))
    assert metrics.rmse(image, inferred) < metrics.rmse(image, reconstruction)


@pytest.mark.parametrize("noise", [Gaussian(0.5, clip=True), *(kind(0.4) for kind in KINDS)])
def test_inference_never_lowers_the_joint_density(noise, vae, data):
    _, (image, _) = data
    noisy = noise(image, seed=1)
    denoiser = denoising.Inference(vae, noise)

    def log_joint(z):
        return np.asarray(denoiser.log_joint(noisy, z))

    at_start = log_joint(vae.encode(noisy))
    before = at_start
    for steps in (0, 1, 10, 100):
        after = log_joint(denoising.Inference(vae, noise, steps=steps).latents(noisy))
        assert (after >= before - 1e-3).all()
        before = after
    assert (after > at_start + 0.1).mean() > 0.3
    # With far too large steps, only the best z visited is as good as the start.
    wild = denoising.Inference(vae, noise, learning_rate=50.0).latents(noisy)
    assert (log_joint(wild) >= at_start - 1e-3).all()


def test_inference_finds_the_maximum_of_a_linear_gaussian_model():
    """The best z of this model is (W W' / s2 + I)^-1 W (y - b) / s2, with s2 = 1 + 0.25."""
    z = keras.Input((2,))
    decoder = keras.Model(z, keras.layers.Dense(6)(z))
    x = keras.Input((6,))
    encoder = keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)])
    vae = VAE(encoder, decoder, likelihood="gaussian")
    noisy = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
    found = denoising.Inference(vae, Gaussian(0.5), steps=2000, learning_rate=0.01).latents(noisy)
    weights, bias = (np.asarray(w, "float64") for w in decoder.get_weights())
    precision = weights @ weights.T / 1.25 + np.eye(2)
    np.testing.assert_allclose(
        found, np.linalg.solve(precision, weights @ (noisy - bias).T / 1.25).T, atol=2e-3
    )


def test_inference_climbs_in_latent_maps_and_in_the_top_level_of_a_hierarchy(x):
    image = keras.Input((8, 8, 1))
    h = keras.layers.Conv2D(4, 3, 2, padding="same", activation="relu")(image)
    encoder = keras.Model(image, [keras.layers.Conv2D(2, 1)(h) for _ in range(2)])
    z = keras.Input((4, 4, 2))
    decoder = keras.Model(z, keras.layers.Conv2DTranspose(1, 3, 2, padding="same")(z))
    noisy = Gaussian(0.2)(x[:20], seed=1)
    for model, shape in ((VAE(encoder, decoder), (4, 4, 2)), (kinds.ladder(), (2,))):
        denoiser = denoising.Inference(model, Gaussian(0.2))
        found, start = denoiser.latents(noisy), model.encode(noisy)
        assert found.shape == (20, *shape)
        gain = denoiser.log_joint(noisy, found) - denoiser.log_joint(noisy, start)
        assert (np.asarray(gain) > 0).all()
        decoded = np.clip(model.decode(found), 0, 1)
        np.testing.assert_allclose(denoiser.transform(noisy), decoded, atol=1e-5)


def test_psnr_and_ssim_are_those_of_scikit_image(data):
    measures = pytest.importorskip("skimage.metrics")
    _, (image, _) = data
    noisy = Gaussian(0.2, clip=True)(image, seed=1)
    for ours, theirs, arguments in (
        (metrics.psnr, measures.peak_signal_noise_ratio, {}),
        (metrics.ssim, measures.structural_similarity, {"channel_axis": -1}),
    ):
        each = [
            theirs(a, b, data_range=1.0, **arguments) for a, b in zip(image, noisy, strict=True)
        ]
        assert ours(image, noisy) == pytest.approx(np.mean(each), rel=1e-4)
        assert ours(image[..., 0], noisy[..., 0]) == pytest.approx(np.mean(each), rel=1e-4)


# Use ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise",
    [
        SaltAndPepper(0.4),
        *(
            pytest.param(noise, marks=pytest.mark.slow)
            for noise in (Gaussian(0.4), Masking(0.4), Speckle(0.6))
        ),
    ],
)
def test_the_output_of_a_model_is_closer_to_the_image_than_its_input(noise, vae, data):
    (x, _), (image, _) = data
    noisy = noise(image, seed=1)
    given = metrics.rmse(image, noisy)
    for denoiser in (
        denoising.Inference(vae, noise),
        denoising.Wiener(noise).fit(x),
        denoising.VAEDenoiser(noise).fit(x),
    ):
        assert metrics.rmse(image, denoiser.transform(noisy)) < 0.9 * given


def test_the_output_has_the_shape_of_the_input_and_lies_in_the_unit_interval(vae, data):
    (x, _), (image, _) = data
    noise = Gaussian(0.5)
    noisy = noise(image, seed=1)
    for denoiser in all_denoisers(vae, noise, x):
        found = denoiser.transform(noisy)
        assert found.shape == image.shape
        assert found.dtype == "float32"
        assert found.min() >= 0
        assert found.max() <= 1
        np.testing.assert_allclose(denoiser.transform(noisy[:3]), found[:3], atol=1e-4)
        rows = noisy.reshape(len(noisy), -1)
        if isinstance(denoiser, (denoising.Wiener, denoising.PrincipalComponents)):
            denoiser = clone(denoiser).fit(x.reshape(len(x), -1))
        if not isinstance(denoiser, (denoising.Median, denoising.VAEDenoiser)):
            np.testing.assert_allclose(
                denoiser.transform(rows), found.reshape(rows.shape), atol=1e-5
            )


def test_non_local_means_removes_noise(data):
    pytest.importorskip("skimage")
    _, (image, _) = data
    noisy = Gaussian(0.2)(image, seed=1)
    found = denoising.NonLocalMeans(Gaussian(0.2)).fit(image).transform(noisy)
    assert metrics.rmse(image, found) < metrics.rmse(image, noisy)
    for nothing in (Gaussian(0), Masking(0)):
        found = denoising.NonLocalMeans(nothing).fit(image).transform(image)
        assert metrics.rmse(image, found) < 0.01


@pytest.mark.slow
def test_a_pipeline_learns_from_clean_data_and_denoises_noisy_data(data):
    (x, y), (image, labels) = data
    x, image = (a.reshape(len(a), -1) for a in (x, image))
    noise = Gaussian(0.4)
    noisy = noise(image, seed=1)
    pipeline = make_pipeline(denoising.VAEDenoiser(noise), LogisticRegression(max_iter=500))
    assert pipeline.fit(x, y).score(noisy, labels) > 0.6
    assert metrics.psnr(image, pipeline[0].transform(noisy)) > metrics.psnr(image, noisy) + 4


@pytest.mark.slow
def test_a_grid_search_accepts_a_denoiser(data):
    (x, y), _ = data
    x, y = x[:300].reshape(300, -1), y[:300]
    pipeline = make_pipeline(denoising.VAEDenoiser(Gaussian(0.3), epochs=1), LogisticRegression())
    grid = {"vaedenoiser__hidden": [(8,), (16,)]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(x, y)
    assert search.best_params_["vaedenoiser__hidden"] in [(8,), (16,)]


def test_denoisers_can_be_cloned_copied_and_pickled(vae, data):
    (x, _), (image, _) = data
    noise = Gaussian(0.5)
    for denoiser in all_denoisers(vae, noise, x):
        fresh = clone(denoiser)
        assert not any(name.endswith("_") for name in vars(fresh))
        expected = denoiser.transform(image)
        for copied in (copy.deepcopy(denoiser), pickle.loads(pickle.dumps(denoiser))):
            np.testing.assert_allclose(copied.transform(image), expected, atol=1e-5)


def test_the_seed_fixes_the_training_and_no_global_state_changes(data):
    (x, _), (image, _) = data
    states = random.getstate(), np.random.get_state()[1].copy()
    found = [
        denoising.VAEDenoiser(Gaussian(0.5), epochs=1, seed=seed).fit(x).transform(image)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d, x: d.transform(x), NotFittedError, "not fitted yet"),
        (lambda d, x: d.fit(x).transform(x[:, :4]), ValueError, r"fitted to \('n', 8, 8, 1\)"),
        (lambda d, x: d.fit(np.full_like(x, np.nan)), ValueError, "holds NaN or infinity"),
        (lambda d, x: d.fit(x[0, 0, :, 0]), ValueError, "expected images or rows"),
        (lambda d, x: d.fit(sparse.eye(8)), TypeError, "sparse matrix; expected an array"),
        (lambda d, x: d.fit([["a"]]), TypeError, "expected an array of numbers"),
        (lambda d, x: d.fit(x[:0]), ValueError, "x is empty"),
    ],
)
def test_bad_input_raises_an_error_that_says_why(call, error, message, x):
    for denoiser in (
        denoising.Wiener(Gaussian(0.5)),
        denoising.Median(Gaussian(0.5)),
        denoising.VAEDenoiser(Gaussian(0.5), epochs=1),
    ):
        with pytest.raises(error, match=message):
            call(denoiser, x)


def test_bad_arguments_raise_an_error_that_says_why(vae, x):
    autoencoder = Autoencoder(*networks.dense((8, 8, 1), 2, variational=False))
    with pytest.raises(TypeError, match=r"This Autoencoder has no p\(z\)"):
        denoising.Inference(autoencoder, Gaussian(0.5)).transform(x)
    with pytest.raises(ValueError, match="needs images"):
        denoising.Median(Gaussian(0.5)).fit(x.reshape(len(x), -1))
    for denoiser in (denoising.OnePass(vae), denoising.Inference(vae, Gaussian(0.5))):
        with pytest.raises(ValueError, match=r"x has shape .*; expected \(n, 8, 8, 1\)"):
            denoiser.transform(x[:, :4])
    conditional = ConditionalVAE(*networks.dense((8, 8, 1), 2, condition=10))
    with pytest.raises(ValueError, match="reads a condition, and there is none"):
        denoising.Inference(conditional, Gaussian(0.5)).transform(x)
    with pytest.raises(ValueError, match="steps is -1"):
        denoising.Inference(vae, Gaussian(0.5), steps=-1).transform(x)
    for noise in (0.5, None):
        for call in (denoising.Inference(vae, noise).transform, denoising.Wiener(noise).fit):
            with pytest.raises(TypeError, match=f"noise is {noise}; expected a Noise, such as"):
                call(x)
    with pytest.raises(TypeError, match="model is None; expected a trained model"):
        denoising.OnePass(None).transform(x)
    with pytest.raises(ValueError, match="epochs is 0; expected"):
        denoising.VAEDenoiser(Gaussian(0.5), epochs=0).fit(x)
    with pytest.raises(ValueError, match="learning_rate is nan; expected a number above 0"):
        denoising.Inference(vae, Gaussian(0.5), learning_rate=np.nan).transform(x)
    with pytest.raises(ValueError, match=r"values up to 16\.0; expected images in \[0, 1\]"):
        denoising.Wiener(Gaussian(0.5)).fit(16 * x)


def test_a_subclass_can_maximise_another_objective(vae, x):
    class ToThree(denoising.Inference):
        def log_joint(self, x, z):
            return -keras.ops.sum((z - 3.0) ** 2, axis=1)

    denoising.Inference(vae, Gaussian(0.5)).latents(x[:5])
    found = ToThree(vae, Gaussian(0.5), steps=500).latents(x[:5])
    np.testing.assert_allclose(found, 3.0, atol=0.01)
