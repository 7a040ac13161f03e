"""Anomaly detection: scores of a trained model, and detectors with scikit-learn's interface.

detector = VAEAnomalyDetector().fit(x_normal)
detector.predict(x)                                   # 1 normal, -1 anomalous
latent_distance(vae, x, vae.encode(x_normal))         # for a trained model
"""

import concurrent.futures
import copy
import pickle

import keras
import numpy as np
import pytest
from scipy import sparse, stats
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import cosine_distances
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from keras_vae import VAE, Autoencoder, datasets, networks, priors
from keras_vae.tasks import anomaly_detection as ad
from keras_vae.tasks import anomaly_scores

SAMPLED = ["reconstruction_probability", "elbo", "log_likelihood", "corrected_elbo"]
CLASSICAL = [ad.Neighbours, ad.PCAResidual]


@pytest.fixture(scope="module")
def data():
    """Training images (digits 0 to 8); test images; whether each is a nine; training labels."""
    (x, y), (x_test, y_test) = datasets.load_digits()
    return x[y != 9], x_test, y_test == 9, y[y != 9]


@pytest.fixture(scope="module")
def detector(data):
    x, _, _, _ = data
    detector = ad.VAEAnomalyDetector(latent_dim=8, hidden=(128,), epochs=40, batch_size=32).fit(x)
    # A detector stores only what its criterion needs; the tests need all of it.
    detector.examples_, detector.mixture_ = x, anomaly_scores.fitted_mixture(detector.latents_)
    return detector


# Laws --------------------------------------------------------------------------------------


def test_latent_distance_is_the_mean_distance_to_the_nearest_examples(data, detector):
    x, x_test, _, _ = data
    model, latents = detector.model_, detector.latents_
    distances = np.linalg.norm(model.encode(x_test)[:, None] - latents[None], axis=-1)
    expected = -np.sort(distances, axis=1)[:, :5].mean(axis=1)
    found = anomaly_scores.latent_distance(model, x_test, latents)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert not np.allclose(
        anomaly_scores.latent_distance(model, x_test, latents, neighbours=6), expected
    )
    own = np.linalg.norm(latents[:, None] - latents[None], axis=-1)
    np.fill_diagonal(own, np.inf)  # a training example is not its own neighbour
    expected = -np.sort(own, axis=1)[:, :5].mean(axis=1)
    np.testing.assert_allclose(
        anomaly_scores.latent_distance(model, x, latents), expected, rtol=1e-3
    )


def test_errors_are_those_of_the_reconstruction(data, detector):
    _, x, _, _ = data
    gap = x - detector.model_.predict(x, verbose=0)
    squares = np.sum(gap**2, axis=(1, 2, 3))
    np.testing.assert_allclose(
        anomaly_scores.squared_error(detector.model_, x), -squares, rtol=1e-4
    )
    energy = np.sum(x**2, axis=(1, 2, 3))
    np.testing.assert_allclose(
        anomaly_scores.relative_error(detector.model_, x), -squares / energy, rtol=1e-4
    )
    distance = -anomaly_scores.latent_distance(detector.model_, x, detector.latents_)
    both = -np.log(distance * np.sqrt(squares / energy))
    np.testing.assert_allclose(detector.score_samples(x), both, rtol=1e-3)
    normal, rows = (a.reshape(len(a), -1) for a in (data[0], x))
    cosine = -ad.Neighbours(cosine=True).fit(data[0]).score_samples(x)
    angles = np.sort(cosine_distances(rows, normal), axis=1)[:, :5]
    np.testing.assert_allclose(cosine, np.sqrt(2 * angles).mean(axis=1), rtol=1e-4)
    found = anomaly_scores.both_distances(detector.model_, x, detector.latents_, data[0])
    np.testing.assert_allclose(found, -np.log(distance * cosine), rtol=1e-3)


def test_the_bound_is_reconstruction_probability_plus_kl_and_below_log_p(data, detector):
    _, x, _, _ = data
    model = detector.model_
    parts = anomaly_scores.reconstruction_probability(model, x, 200) + anomaly_scores.kl(model, x)
    bound = anomaly_scores.elbo(model, x, 200)
    np.testing.assert_allclose(bound, parts, rtol=1e-4)
    assert not np.allclose(bound, parts - 2 * anomaly_scores.kl(model, x), rtol=1e-4)
    draws = np.array([model.elbo(x, seed=i) for i in range(200)])
    assert (np.abs(bound - draws.mean(axis=0)) < 6 * error_of_two_means(draws)).all()
    seeds = range(10)  # the rows share the noise of a seed, so their errors are not independent
    means = [anomaly_scores.elbo(model, x, 200, seed).mean() for seed in seeds]
    assert np.mean(means) == pytest.approx(draws.mean(), abs=0.05)
    assert (model.log_likelihood(x, 200, seed=0) > bound - 0.5).all()
    assert model.log_likelihood(x, 200, seed=0).mean() > bound.mean() + 0.1
    assert anomaly_scores.kl(model, x).max() < 0


def error_of_two_means(draws):
    """Standard error of the difference of two means over as many draws as there are rows."""
    return np.sqrt(2 / len(draws)) * draws.std(axis=0)


def test_the_bound_under_a_prior_without_a_closed_form_is_the_mean_of_the_log_weights(data):
    _, x, _, _ = data
    pair = networks.dense(x.shape[1:], latent_dim=2, hidden=(16,))
    vae = VAE(*pair, prior=priors.Mixture(latent_dim=2, components=3))
    vae.compile("adam")
    vae.fit(x, epochs=5, verbose=0)
    weights = np.asarray(vae.log_weights(x, None, 400)).T
    bound, kl = (
        score(vae, x, num_samples=400) for score in (anomaly_scores.elbo, anomaly_scores.kl)
    )
    assert (np.abs(bound - weights.mean(axis=0)) < 6 * error_of_two_means(weights)).all()
    single = anomaly_scores.elbo(vae, x, num_samples=1)
    assert not (np.abs(single - weights.mean(axis=0)) < 6 * error_of_two_means(weights)).all()
    one_draw = [anomaly_scores.kl(vae, x, num_samples=1, seed=seed) for seed in range(400)]
    assert (
        np.abs(kl - np.mean(one_draw, axis=0)) < 6 * error_of_two_means(np.array(one_draw))
    ).all()


def test_the_mixture_is_a_weighted_sum_of_normals(data, detector):
    _, x, _, _ = data
    mixture = GaussianMixture(3, random_state=0).fit(detector.latents_)
    z = detector.model_.encode(x)
    parts = zip(mixture.means_, mixture.covariances_, strict=True)
    logs = np.stack([stats.multivariate_normal(*each).logpdf(z) for each in parts], axis=1)
    found = anomaly_scores.latent_mixture(detector.model_, x, mixture)
    np.testing.assert_allclose(found, logsumexp(logs, axis=1, b=mixture.weights_), rtol=1e-3)
    turned = logsumexp(logs, axis=1, b=mixture.weights_[::-1])
    assert not np.allclose(found, turned, rtol=1e-3)


def test_the_correction_of_the_bound_is_the_compressed_size(data, detector):
    """It adds log 2 for each bit of the compressed image: much for noise, little for a blank."""
    _, x, _, _ = data
    noise = np.random.default_rng(0).uniform(size=x[:50].shape).astype("float32")
    blank = np.zeros_like(noise)

    def cost(images):
        corrected = anomaly_scores.corrected_elbo(detector.model_, images)
        return corrected - anomaly_scores.elbo(detector.model_, images)

    entropy = 64 * np.log(256)  # nats of 64 independent bytes, which cannot be compressed
    np.testing.assert_allclose(cost(noise), entropy, rtol=0.25)  # 11 bytes of overhead
    assert cost(blank).max() < 0.25 * entropy
    assert not np.allclose(cost(x[:50]), entropy, rtol=0.25)


@pytest.fixture(scope="module")
def conditional(data):
    x, _, _, _ = data
    settings = {"latent_dim": 8, "hidden": (128,), "epochs": 40, "batch_size": 32}
    return ad.VAEAnomalyDetector(**settings).fit(x, labels=data[3])


def test_distance_to_a_class_is_the_distance_to_its_examples(data, conditional):
    x, x_test, _, labels = data
    model = conditional.model_
    found = anomaly_scores.class_distances(model, x_test, x, labels)
    assert found.shape == (len(x_test), 9)
    for c in (0, 5):
        own = x[labels == c]
        z = model.encode(x_test, condition=np.full(len(x_test), c))
        error = np.sum((x_test - model.decode(z, condition=np.full(len(z), c))) ** 2, (1, 2, 3))
        latents = model.encode(own, condition=np.full(len(own), c))
        between = np.linalg.norm(z[:, None] - latents[None], axis=-1)
        product = error / np.sum(x_test**2, axis=(1, 2, 3))
        product *= np.sort(between, axis=1)[:, :5].mean(axis=1)
        product *= -ad.Neighbours(cosine=True).fit(own).score_samples(x_test)
        np.testing.assert_allclose(found[:, c], np.log(product), atol=1e-3)
        assert not np.allclose(found[:, c + 1], np.log(product), atol=1e-3)
    first, second = np.sort(found, axis=1)[:, :2].T
    score = conditional.score_samples(x_test)
    np.testing.assert_allclose(score, 2 * second - 3 * first, rtol=1e-4)
    bounds = anomaly_scores.class_bounds(model, x_test, 9)
    agree = found.argmin(axis=1) == bounds.argmax(axis=1)  # two classifiers
    assert agree.mean() > 0.7
    # A class with a single example has a distance too, and the example itself has a finite score.
    few = np.append(np.flatnonzero(labels != 3), np.flatnonzero(labels == 3)[0])
    assert np.isfinite(anomaly_scores.class_distances(model, x, x[few], labels[few])).all()


def test_bounds_of_the_classes_equal_those_of_the_model(data, conditional):
    _, x, _, _ = data
    bounds = anomaly_scores.class_bounds(conditional.model_, x, 9, num_samples=100)
    condition = np.full(len(x), 3)
    elbo = conditional.model_.elbo
    draws = np.array([elbo(x, seed=i, condition=condition) for i in range(100)])
    assert (np.abs(bounds[:, 3] - draws.mean(axis=0)) < 6 * error_of_two_means(draws)).all()
    assert not (np.abs(bounds[:, 4] - draws.mean(axis=0)) < 6 * error_of_two_means(draws)).all()
    seeds = range(10)  # the rows share the noise of a seed, so their errors are not independent
    means = [
        anomaly_scores.elbo(conditional.model_, x, 100, seed, condition).mean() for seed in seeds
    ]
    assert np.mean(means) == pytest.approx(np.mean(draws), abs=0.05)


@pytest.mark.slow
def test_labels_determine_the_model_and_the_possible_criteria(data):
    x, x_test, is_nine, labels = data
    settings = {"latent_dim": 8, "hidden": (64,), "epochs": 15, "batch_size": 32}
    for criterion in ad.CLASS_SCORES:
        detector = ad.VAEAnomalyDetector(criterion, **settings).fit(x, labels=labels)
        scores = detector.score_samples(x_test)
        assert roc_auc_score(~is_nine, scores) > 0.6
        np.testing.assert_array_equal(detector.score_samples(x_test), scores)
        few = copy.copy(detector).set_params(num_samples=1).score_samples(x_test)
        assert np.array_equal(few, scores) == (criterion in ("class_distance", "max_logit"))
        with pytest.raises(ValueError, match="without labels, one of squared_error"):
            clone(detector).fit(x)
    names = np.array(list("abcdefghi"))[labels]
    named = clone(detector).fit(x, labels=names)
    assert "".join(named.classes_) == "abcdefghi"
    np.testing.assert_array_equal(named.score_samples(x_test), scores)
    detector = ad.VAEAnomalyDetector("elbo", epochs=1, hidden=(8,))
    for given, message in (
        (labels, "with labels, one of class_bound, class_ratio"),
        (labels[:5], r"labels have shape \(5,\) and .* kinds; expected shape"),
        (np.zeros(len(x)), "and 1 kinds; expected"),
    ):
        with pytest.raises(ValueError, match=message):
            detector.fit(x, labels=given)
    table, test_table = (images.reshape(len(images), -1) for images in (x, x_test))
    found = ad.VAEAnomalyDetector(**settings).fit(table, labels=labels)
    assert found.criterion_ == "class_bound"
    assert roc_auc_score(~is_nine, found.score_samples(test_table)) > 0.6


@pytest.mark.parametrize("score", ad.SCORES)
def test_a_score_depends_only_on_the_row_and_the_seed(score, data, detector):
    _, x, _, _ = data
    function = ad.SCORES[score]
    expected = function(detector, x)
    np.testing.assert_array_equal(function(detector, x), expected)
    order = np.random.default_rng(0).permutation(len(x))
    np.testing.assert_allclose(function(detector, x[order]), expected[order], rtol=1e-4, atol=1e-4)
    repeated = function(detector, np.tile(x, (4, 1, 1, 1)))  # 1,440 rows, more than a batch
    np.testing.assert_allclose(repeated, np.tile(expected, 4), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(function(detector, x[:1]), expected[:1], rtol=1e-4, atol=1e-4)
    other = function(copy.copy(detector).set_params(seed=1), x)
    assert np.array_equal(other, expected) == (score not in SAMPLED)


@pytest.mark.parametrize("score", SAMPLED)
def test_the_error_of_a_sampled_score_decreases_with_the_number_of_draws(score, data, detector):
    _, x, _, _ = data

    def scores(num_samples, seed):
        arguments = {"num_samples": num_samples, "seed": seed}
        return ad.SCORES[score](copy.copy(detector).set_params(**arguments), x)

    expected, other = scores(400, seed=0), scores(400, seed=1)
    np.testing.assert_allclose(other, expected, atol=1.5)
    assert np.abs(scores(1, seed=0) - expected).mean() > 3 * np.abs(other - expected).mean()


def test_the_bound_takes_both_terms_from_the_same_draws(data):
    """With separate draws, its standard error is about three times as large."""
    (x, *_), draws, seeds = data, 16, range(20)
    keras.utils.set_random_seed(0)
    pair = networks.dense(x.shape[1:], latent_dim=2, hidden=(16,))
    vae = VAE(*pair, prior=priors.Mixture(latent_dim=2, components=3), seed=0)
    vae.compile(keras.optimizers.Adam(3e-3))
    vae.fit(x, epochs=10, verbose=0)
    x = x[:100]
    truth = anomaly_scores.elbo(vae, x, 4000, seed=10_000)
    scores = [anomaly_scores.elbo(vae, x, draws, seed) for seed in seeds]
    means = [
        np.mean([vae.elbo(x, seed=draws * seed + i) for i in range(draws)], axis=0)
        for seed in seeds
    ]
    ours, expected = (np.sqrt(np.mean((each - truth) ** 2)) for each in (scores, means))
    assert ours == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("criterion", [*ad.SCORES, *ad.CLASS_SCORES])
def test_the_scores_of_a_table_do_not_depend_on_the_order_of_its_rows(criterion):
    if criterion == "corrected_elbo":
        pytest.skip("for images only")
    x, labels = load_breast_cancer(return_X_y=True)
    labels = labels if criterion in ad.CLASS_SCORES else None
    detector = ad.VAEAnomalyDetector(criterion, latent_dim=2, hidden=(8,), epochs=2)
    scores = detector.fit(x, labels=labels).score_samples(x)
    np.testing.assert_allclose(detector.score_samples(x[::-1])[::-1], scores, rtol=1e-4, atol=1e-4)


def fully_convolutional(latents=2):
    """Networks for 8 x 8 images with latents of shape (4, 4, latents)."""
    x = keras.Input((8, 8, 1))
    h = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
    encoder = keras.Model(x, [keras.layers.Conv2D(latents, 1)(h) for _ in range(2)])
    z = keras.Input((4, 4, latents))
    h = keras.layers.Conv2DTranspose(8, 3, 2, padding="same", activation="relu")(z)
    return encoder, keras.Model(z, keras.layers.Conv2D(1, 3, padding="same")(h))


def test_latent_maps_count_as_vectors(data):
    """The sums run over all latents, and the distances are those of the flattened latents."""
    x, x_test, _, labels = data
    keras.utils.set_random_seed(0)
    vae = VAE(*fully_convolutional(), seed=0)
    vae.compile("adam")
    vae.fit(x[:300], epochs=3, verbose=0)
    latents, z = vae.encode(x), vae.encode(x_test)
    assert z.shape[1:] == (4, 4, 2)
    q = vae.posterior(x_test)
    mean, log_var = np.asarray(q.mean), np.asarray(q.log_var)
    divergence = 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=(1, 2, 3))
    np.testing.assert_allclose(anomaly_scores.kl(vae, x_test), -divergence, rtol=1e-4)
    gaps = z.reshape(-1, 1, 32) - latents.reshape(1, -1, 32)
    distances = np.sort(np.linalg.norm(gaps, axis=-1), axis=1)[:, :5].mean(axis=1)
    found = anomaly_scores.latent_distance(vae, x_test, latents)
    np.testing.assert_allclose(found, -distances, rtol=1e-3)
    bound = anomaly_scores.elbo(vae, x_test, 200)
    draws = np.mean([vae.elbo(x_test, seed=i) for i in range(200)], axis=0)
    np.testing.assert_allclose(bound, draws, atol=2)
    assert (anomaly_scores.log_likelihood(vae, x_test, 200) > bound - 0.5).all()
    mixture = anomaly_scores.fitted_mixture(latents)
    classifier = anomaly_scores.fitted_classifier(latents, labels, epochs=1)
    for score in (
        anomaly_scores.latent_mixture(vae, x_test, mixture),
        anomaly_scores.max_logit(vae, x_test, classifier),
        anomaly_scores.distance_and_error(vae, x_test, latents),
        anomaly_scores.both_distances(vae, x_test, latents, x),
    ):
        assert score.shape == (len(x_test),)
        assert np.isfinite(score).all()


def test_contamination_moves_the_threshold_and_not_the_ranking(data):
    x, x_test, _, _ = data
    for detector in (ad.VAEAnomalyDetector(epochs=1, hidden=(8,)), *(make() for make in CLASSICAL)):
        scores = []
        for contamination in (0.05, 0.2):
            detector = clone(detector).set_params(contamination=contamination).fit(x)
            scores.append(detector.score_samples(x_test))
            assert np.mean(detector.predict(x) == -1) == pytest.approx(contamination, abs=0.01)
            decision = detector.decision_function(x_test)
            np.testing.assert_array_equal(detector.predict(x_test) == -1, decision < 0)
        np.testing.assert_array_equal(*scores)


# Behaviour ---------------------------------------------------------------------------------


def test_a_digit_that_is_not_in_the_training_set_is_found(data, detector):
    _, x, is_nine, _ = data
    assert roc_auc_score(~is_nine, detector.score_samples(x)) > 0.85
    for make in CLASSICAL:
        found = make().fit(data[0]).score_samples(x)
        assert roc_auc_score(~is_nine, found) > 0.5


def test_a_table_is_standardised():
    x, y = load_breast_cancer(return_X_y=True)
    benign, malignant = x[y == 1], x[y == 0]
    detectors = [ad.VAEAnomalyDetector(latent_dim=4, hidden=(32,)), *(make() for make in CLASSICAL)]
    for detector in detectors:
        found = detector.fit(benign[:200]).score_samples(np.r_[benign[200:], malignant])
        assert roc_auc_score(np.arange(len(found)) < len(benign) - 200, found) > 0.85
        rescaled = clone(detector).fit(1000 * benign[:200] + 5).score_samples(1000 * malignant + 5)
        np.testing.assert_allclose(rescaled, detector.score_samples(malignant), rtol=0.1)


@pytest.mark.slow
def test_a_pipeline_and_a_grid_search_accept_a_detector(data):
    x, x_test, is_nine, _ = data
    detector = ad.VAEAnomalyDetector(epochs=1, hidden=(8,), batch_size=32)
    coarse = FunctionTransformer(lambda x: x[:, ::2, ::2])
    found = make_pipeline(coarse, detector).fit(x).predict(x_test)
    alone = clone(detector).fit(x[:, ::2, ::2])
    np.testing.assert_array_equal(found, alone.predict(x_test[:, ::2, ::2]))

    def auroc(detector, x, y):
        return roc_auc_score(y, detector.score_samples(x))

    halves = [(np.arange(180), np.arange(180, 360)), (np.arange(180, 360), np.arange(180))]
    choices = {"hidden": [(8,), (64,)], "criterion": ["squared_error", "latent_distance"]}
    search = GridSearchCV(detector, choices, scoring=auroc, cv=halves, error_score="raise")
    search.fit(x_test, ~is_nine)
    by_hand = [
        auroc(clone(search.best_estimator_).fit(x_test[fit]), x_test[test], ~is_nine[test])
        for fit, test in halves
    ]
    assert search.best_score_ == pytest.approx(np.mean(by_hand), abs=1e-6)
    means = search.cv_results_["mean_test_score"]
    assert search.best_score_ == max(means) > min(means)


def test_detectors_can_be_cloned_copied_and_pickled(data, detector):
    x, x_test, _, _ = data
    for fitted in (detector, *(make().fit(x) for make in CLASSICAL)):
        assert not any(name.endswith("_") for name in vars(clone(fitted)))
        expected = fitted.score_samples(x_test)
        for copied in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
            np.testing.assert_allclose(copied.score_samples(x_test), expected, rtol=1e-4)
            assert copied.offset_ == fitted.offset_


def test_the_seed_fixes_the_training(data):
    x, x_test, _, _ = data
    found = [
        ad.VAEAnomalyDetector(epochs=1, hidden=(8,), seed=seed).fit(x).score_samples(x_test)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])


def test_a_failed_fit_changes_nothing_and_a_successful_one_replaces_everything(data):
    x, x_test, _, labels = data
    detector = ad.VAEAnomalyDetector("latent_mixture", epochs=1, hidden=(8,)).fit(x)
    expected = detector.score_samples(x_test)
    for bad, given in ((x, labels[:5]), (np.nan * x, None), (255 * x, None), (np.nan * x, labels)):
        with pytest.raises(ValueError, match=r"expected|NaN"):
            detector.set_params(criterion="auto").fit(bad, labels=given)
        np.testing.assert_array_equal(detector.score_samples(x_test), expected)
    for other in (255 * np.tile(x, (1, 2, 2, 1)), np.nan * x[:, :4]):  # of another shape
        with pytest.raises(ValueError, match=r"expected|NaN"):
            detector.fit(other)
        np.testing.assert_array_equal(detector.score_samples(x_test), expected)
    fresh = ad.Neighbours()
    with pytest.raises(ValueError, match="Rescale it"):
        fresh.fit(255 * x)
    with pytest.raises(NotFittedError):
        fresh.score_samples(x)
    detector.set_params(criterion="class_bound").fit(x, labels=labels)
    assert detector.mixture_ is None
    assert detector.latents_ is None
    detector.set_params(criterion="squared_error").fit(x)
    assert detector.labels_ is None


@pytest.mark.parametrize("value", [0.0, 0.5])
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_constant_images_give_finite_scores(value):
    x = np.full((40, 8, 8, 1), value, "float32")
    other = np.random.default_rng(0).uniform(size=x.shape).astype("float32")
    detector = ad.VAEAnomalyDetector(latent_dim=2, hidden=(8,), epochs=3).fit(x)
    detector.examples_, detector.mixture_ = x, anomaly_scores.fitted_mixture(detector.latents_)
    for name, function in ad.SCORES.items():
        assert np.isfinite(function(detector, np.concatenate([x, other]))).all(), name
    for fitted in (detector, *(make().fit(x) for make in CLASSICAL)):
        assert np.isfinite(fitted.score_samples(other)).all()
        assert (fitted.predict(x) == 1).all(), fitted


@pytest.mark.slow
def test_a_fill_value_in_a_table_is_anomalous_by_every_criterion():
    """1e20 is the fill value of NumPy's masked arrays. Its square overflows in float32."""
    x, y = load_breast_cancer(return_X_y=True)
    rows = x[:20].copy()
    rows[3, 5], rows[7], rows[11, 0], rows[13, 29] = 1e20, 1e20, -1e20, 1e300
    is_filled = np.isin(np.arange(20), (3, 7, 11, 13))
    small = {"latent_dim": 2, "hidden": (8,), "epochs": 1}
    detectors = [
        *(ad.VAEAnomalyDetector(name, **small) for name in ad.SCORES if name != "corrected_elbo"),
        *(ad.VAEAnomalyDetector(name, **small) for name in ad.CLASS_SCORES),
        *(make() for make in CLASSICAL),
        ad.Neighbours(cosine=True),
    ]
    for detector in detectors:
        with_labels = {"labels": y} if getattr(detector, "criterion", "") in ad.CLASS_SCORES else {}
        scores = detector.fit(x, **with_labels).score_samples(rows)
        assert (scores[is_filled] == ad.LOWEST_SCORE).all(), detector
        assert (detector.decision_function(rows)[is_filled] < 0).all(), detector
        assert (detector.predict(rows)[is_filled] == -1).all(), detector
        expected = detector.score_samples(x[:20])[~is_filled]
        np.testing.assert_allclose(scores[~is_filled], expected, rtol=1e-4, atol=1e-4)
        assert roc_auc_score(~is_filled, scores) == 1  # it would not accept an infinite score


def test_a_score_that_is_not_finite_is_anomalous():
    class Broken(ad.Neighbours):
        threshold = 0.9

        def _score(self, x):
            return np.where(x.max(axis=(1, 2)) > self.threshold, np.nan, super()._score(x))

    x = np.random.default_rng(0).uniform(0, 0.5, size=(40, 4, 4))
    detector = Broken().fit(x)
    np.testing.assert_array_equal(detector.predict(np.ones((3, 4, 4))), -1)
    assert (detector.predict(x) == 1).any()
    detector.threshold = 0.0
    with pytest.raises(ValueError, match="training diverged"):
        detector.fit(x)


@pytest.mark.parametrize(
    "criterion",
    [
        "elbo",
        "both_distances",
        pytest.param("log_likelihood", marks=pytest.mark.slow),
        pytest.param("class_distance", marks=pytest.mark.slow),
        pytest.param("max_logit", marks=pytest.mark.slow),
    ],
)
def test_threads_get_the_scores_of_a_single_thread_and_change_no_state(criterion, data):
    x, x_test, _, labels = data
    detector = ad.VAEAnomalyDetector(criterion, latent_dim=8, hidden=(64,), epochs=1)
    detector.fit(x, labels=labels if criterion in ad.CLASS_SCORES else None)
    # Each thread scores other rows, so that mixing them up would show.
    parts = [np.roll(x_test, 40 * i, axis=0)[: 300 + i] for i in range(8)]
    expected = [(detector.score_samples(part), detector.predict(part)) for part in parts]
    states = [np.array(variable) for variable in detector.model_.variables]
    not_compiled_yet = pickle.loads(pickle.dumps(detector))
    for each in (detector, not_compiled_yet):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            scores = pool.map(each.score_samples, parts)
            predictions = pool.map(each.predict, parts)
        for found, (score, prediction) in zip(
            zip(scores, predictions, strict=True), expected, strict=True
        ):
            np.testing.assert_array_equal(found[0], score)
            np.testing.assert_array_equal(found[1], prediction)
        for variable, before in zip(each.model_.variables, states, strict=True):
            np.testing.assert_array_equal(np.array(variable), before)


def test_a_single_example_is_scored(data, detector):
    _, x, _, _ = data
    assert detector.score_samples(x[:1]).shape == (1,)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        ad.VAEAnomalyDetector().fit(x[:1])
    two = ad.VAEAnomalyDetector(epochs=1, hidden=(8,)).fit(x[:2])
    assert np.isfinite(two.score_samples(x)).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d, x: d.score_samples(x), NotFittedError, "is not fitted yet"),
        (lambda d, x: d.predict(x), NotFittedError, "is not fitted yet"),
        (lambda d, x: d.fit(x).score_samples(x[:, :4]), ValueError, "expecting 8"),
        (lambda d, x: d.fit(x).predict(x[:, :, :4]), ValueError, r"fitted to \('n', 8, 8, 1\)"),
        (lambda d, x: d.fit(x).predict(np.nan * x), ValueError, "contains NaN"),
        (lambda d, x: d.fit(x[:, 3, :, 0] * np.float64(1e300)), ValueError, "large to be standard"),
        (lambda d, x: d.fit(np.nan * x), ValueError, "contains NaN"),
        (lambda d, x: d.fit(255 * x), ValueError, r"expected images in \[0, 1\]"),
        (lambda d, x: d.fit(sparse.eye(8)), TypeError, "dense data is required"),
        (lambda d, x: d.fit(x[:0]), ValueError, "0 sample"),
        (lambda d, x: d.fit(x[0, 0, :, 0]), ValueError, "Expected 2D array"),
        (lambda d, x: d.set_params(contamination=0.6).fit(x), ValueError, "contamination is 0.6"),
        (lambda d, x: d.set_params(contamination="a").fit(x), ValueError, "contamination is 'a'"),
    ],
)
def test_bad_input_raises_an_error_that_says_why(call, error, message, data):
    x = data[0][:100]
    for detector in (ad.VAEAnomalyDetector(epochs=1, hidden=(8,)), ad.Neighbours()):
        with pytest.raises(error, match=message):
            call(detector, x)


def test_bad_arguments_raise_an_error_that_says_why(data):
    x, _, _, _ = data
    for arguments, message in (
        ({"criterion": "mse"}, "criterion is 'mse'; expected 'auto' or, without labels, one of"),
        ({"epochs": 0}, "epochs is 0"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"num_samples": 0}, "num_samples is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            ad.VAEAnomalyDetector(**arguments).fit(x)
    with pytest.raises(ValueError, match="which is for images; x is a table"):
        ad.VAEAnomalyDetector("corrected_elbo").fit(x.reshape(len(x), -1))
    for variance, message in ((5, "above 0 and at most 1"), (1.0, "below 1"), ("all", "a number")):
        with pytest.raises(ValueError, match=f"variance is .*; expected .*{message}"):
            ad.PCAResidual(variance=variance).fit(x)


@pytest.mark.parametrize("score", [*SAMPLED, "kl"])
def test_a_score_raises_the_errors_of_the_models_own_bound(score, data, detector):
    function, x = getattr(anomaly_scores, score), data[1].copy()
    for bad, message in ((255 * x, r"in \[0, 1\]"), (x[:, :4], "expected"), (x - 1, r"\[0, 1\]")):
        with pytest.raises(ValueError, match=message):
            function(detector.model_, bad)
    x[-1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        function(detector.model_, x)
    without = Autoencoder(*networks.dense((8, 8, 1), 2, variational=False))
    with pytest.raises(TypeError, match=r"no bound and no log p\(x\)"):
        function(without, data[1])
