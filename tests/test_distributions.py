"""Laws of the distributions, compared with SciPy.

q = Normal(mean, log_var)
q.log_prob(z), q.sample(seed), kl_divergence(q, p)
"""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.distributions import (
    Bernoulli,
    Categorical,
    Columns,
    Distribution,
    LogNormal,
    Multinomial,
    Normal,
    NormalMixture,
    Poisson,
    kl_divergence,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def normal_values(rng):
    return rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 3, 2))


def gradient(function, value):
    value = tf.constant(value, "float32")
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = tf.reduce_sum(function(value))
    return tape.gradient(result, value).numpy()


def test_normal_log_prob_equals_scipy(normal_values):
    x, mean, log_var = normal_values
    expected = scipy.stats.norm.logpdf(x, mean, np.exp(log_var / 2)).sum(axis=(1, 2))
    np.testing.assert_allclose(Normal(mean, log_var).log_prob(x), expected, rtol=1e-5)
    wrong = scipy.stats.norm.logpdf(x, mean, np.exp(log_var)).sum(axis=(1, 2))  # std = exp(log_var)
    assert not np.allclose(Normal(mean, log_var).log_prob(x), wrong, rtol=1e-2)


def test_normal_gradients_equal_their_formulas(normal_values):
    x, mean, log_var = normal_values
    variance = np.exp(log_var)
    np.testing.assert_allclose(
        gradient(lambda m: Normal(m, log_var).log_prob(x), mean),
        (x - mean) / variance,
        rtol=1e-4,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        gradient(lambda v: Normal(mean, v).log_prob(x), log_var),
        ((x - mean) ** 2 / variance - 1) / 2,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_bernoulli_log_prob_equals_scipy(rng, scale):
    logits = scale * rng.normal(size=(5, 4))
    x = rng.integers(0, 2, size=(5, 4))
    expected = np.where(x == 1, -np.logaddexp(0, -logits), -np.logaddexp(0, logits)).sum(axis=1)
    np.testing.assert_allclose(Bernoulli(logits).log_prob(x), expected, rtol=1e-5, atol=1e-5)
    if scale == 1:
        by_scipy = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(logits)).sum(axis=1)
        np.testing.assert_allclose(Bernoulli(logits).log_prob(x), by_scipy, rtol=1e-5)


def test_bernoulli_gradient_is_x_minus_p_also_at_logits_of_zero_keras3_14_1(rng):
    """The textbook form relu(l) - l x + log1p(e^-|l|) has a wrong gradient at 0 and fails here."""
    logits = np.array([[0.0, 0.0, 0.0, 2.0, -50.0, 50.0]])
    x = np.array([[0.0, 0.2, 1.0, 0.5, 1.0, 0.0]])
    expected = x - scipy.special.expit(logits)
    np.testing.assert_allclose(
        gradient(lambda v: Bernoulli(v).log_prob(x), logits), expected, atol=1e-6
    )

    def textbook(v):
        return -(tf.nn.relu(v) - v * x + tf.math.log1p(tf.exp(-tf.abs(v))))

    assert not np.allclose(gradient(textbook, logits), expected, atol=1e-2)


@pytest.mark.parametrize("make", [Bernoulli, lambda parameter: Normal(parameter, 0.3)])
def test_masked_values_count_for_nothing_and_leave_no_nan_keras3_16_4(make):
    parameter = np.array([[0.3, -0.2, 0.9]])
    x = np.array([[1.0, np.nan, 0.0]])
    mask = ~np.isnan(x)
    known = make(parameter[:, [0, 2]]).log_prob(x[:, [0, 2]])
    np.testing.assert_allclose(make(parameter).log_prob(x, mask), known, rtol=1e-6)
    slope = gradient(lambda v: make(v).log_prob(x, mask), parameter)
    assert slope[0, 1] == 0
    assert np.all(slope[0, [0, 2]] != 0)

    def masked_afterwards(v):
        return tf.where(mask, make(v).log_density(tf.constant(x, "float32")), 0.0)

    assert np.isnan(gradient(masked_afterwards, parameter)).any()


@pytest.mark.parametrize("make", [Bernoulli, lambda parameter: Normal(parameter, 0.0)])
@pytest.mark.parametrize("shape", [(28, 28, 28), (1, 28, 28), (28, 28, 28, 2)])
def test_no_silent_broadcasting_keras3_13_3(make, shape):
    with pytest.raises(ValueError, match="must agree in all axes"):
        make(np.zeros((28, 28, 28, 1))).log_prob(np.zeros(shape))


def test_kl_of_normals_equals_monte_carlo(rng):
    q, p = (Normal(rng.normal(size=(1, 3)), rng.normal(size=(1, 3))) for _ in range(2))
    z = q.sample(seed=1, shape=(200_000, 3)).numpy()

    def log_density(d):
        return scipy.stats.norm.logpdf(z, d.mean, np.exp(np.array(d.log_var) / 2))

    ratio = log_density(q) - log_density(p)
    error = ratio.std(axis=0) / np.sqrt(len(z))
    exact = np.array(kl_divergence(q, p))[0]
    assert np.all(np.abs(ratio.mean(axis=0) - exact) < 4 * error)
    backwards = np.array(kl_divergence(p, q))[0]
    assert np.any(np.abs(ratio.mean(axis=0) - backwards) > 4 * error)


def test_kl_of_normals_equals_quadrature_by_scipy():
    grid = np.linspace(-30, 30, 200_001)
    q, p = scipy.stats.norm(0.7, 1.3), scipy.stats.norm(-0.4, 2.1)
    expected = scipy.integrate.trapezoid(q.pdf(grid) * (q.logpdf(grid) - p.logpdf(grid)), grid)
    ours = kl_divergence(
        Normal([[0.7]], [[2 * np.log(1.3)]]), Normal([[-0.4]], [[2 * np.log(2.1)]])
    )
    np.testing.assert_allclose(ours, [[expected]], rtol=1e-5)


def test_kl_to_the_standard_normal_is_the_formula_of_the_lecture(rng):
    """-1/2 sum(1 + log s^2 - m^2 - s^2); the Thesis prints it without the minus sign."""
    mean, log_var = rng.normal(size=(2, 5, 3))
    formula = -0.5 * (1 + log_var - mean**2 - np.exp(log_var))
    ours = np.array(kl_divergence(Normal(mean, log_var), Normal(0.0, 0.0)))
    np.testing.assert_allclose(ours, formula, rtol=1e-4, atol=1e-6)
    assert np.all(ours >= 0)
    assert np.all(-formula <= 0)


def test_kl_is_zero_if_and_only_if_equal():
    q = Normal([[0.5, -1.0]], [[0.3, -2.0]])
    np.testing.assert_array_equal(kl_divergence(q, q), [[0.0, 0.0]])
    assert np.all(np.array(kl_divergence(q, Normal([[0.5, -1.0]], [[0.31, -2.01]]))) > 0)


def test_kl_without_closed_form_is_estimated_from_one_sample(rng):
    class Other(Distribution):
        def __init__(self, normal):
            self.normal, self.mean = normal, normal.mean

        def log_density(self, x):
            return self.normal.log_density(x)

    q, p = Normal([[0.5, 1.0]], [[-1.0, 0.2]]), Other(Normal([[0.0, 0.0]], [[0.0, 0.0]]))
    z = q.sample(seed=0, shape=(100_000, 2))
    estimates = np.array(kl_divergence(q, p, z))
    assert estimates.shape == (100_000, 1)
    exact = float(np.sum(kl_divergence(q, p.normal)))
    assert abs(estimates.mean() - exact) < 4 * estimates.std() / np.sqrt(len(estimates))
    with pytest.raises(ValueError, match="pass z"):
        kl_divergence(q, p)


def test_samples_have_the_right_mean_and_variance():
    z = Normal([1.0], [np.log(4.0)]).sample(seed=3, shape=(100_000,)).numpy()
    assert abs(z.mean() - 1) < 4 * 2 / np.sqrt(1e5)
    assert abs(z.var() - 4) < 4 * 4 * np.sqrt(2 / 1e5)
    x = Bernoulli(tf.fill((100_000, 1), 1.0)).sample(seed=3).numpy()
    assert set(np.unique(x)) == {0.0, 1.0}
    assert abs(x.mean() - scipy.special.expit(1.0)) < 4 * 0.5 / np.sqrt(1e5)


def test_a_seed_fixes_a_sample():
    q = Normal(np.zeros((4, 2)), np.zeros((4, 2)))
    np.testing.assert_array_equal(q.sample(seed=1), q.sample(seed=1))
    assert not np.allclose(q.sample(seed=1), q.sample(seed=2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_parameters_are_computed_in_float32_keras3_9_1(dtype):
    logits = tf.cast(tf.zeros((2, 784)), dtype)
    log_prob = Bernoulli(logits).log_prob(tf.zeros((2, 784), dtype))
    assert log_prob.dtype == tf.float32
    np.testing.assert_allclose(log_prob, -784 * np.log(2), rtol=1e-6)


@pytest.fixture
def mixture_values(rng):
    """Logits, means and log-variances of three components in the plane, for five rows."""
    return rng.normal(size=(5, 3)), rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 3, 2))


def test_mixture_log_prob_equals_scipy(rng, mixture_values):
    logits, means, log_vars = mixture_values
    z = rng.normal(size=(5, 2))
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    densities = scipy.stats.norm.pdf(z[:, None], means, np.exp(log_vars / 2)).prod(axis=-1)
    p = NormalMixture(*mixture_values)
    np.testing.assert_allclose(p.log_prob(z), np.log((weights * densities).sum(axis=1)), rtol=1e-4)
    known = np.array([True, False]) & np.ones((5, 2), bool)
    first = scipy.stats.norm.pdf(z[:, None, :1], means[..., :1], np.exp(log_vars[..., :1] / 2))
    z[:, 1] = np.nan
    np.testing.assert_allclose(
        p.log_prob(z, mask=known), np.log((weights * first[..., 0]).sum(axis=1)), rtol=1e-4
    )


def test_a_mixture_of_equal_normals_is_that_normal(rng):
    mean, log_var, z = rng.normal(size=(3, 5, 2))
    p = NormalMixture(
        rng.normal(size=(5, 3)),
        np.repeat(mean[:, None], 3, axis=1),
        np.repeat(log_var[:, None], 3, axis=1),
    )
    np.testing.assert_allclose(p.log_prob(z), Normal(mean, log_var).log_prob(z), rtol=1e-5)


def test_draws_of_a_mixture_follow_its_density(mixture_values):
    """E_p[q(z) / p(z)] = 1 for a narrower q, and the mean of the draws is the mean of p."""
    first = [value[:1] for value in mixture_values]
    p = NormalMixture(*first)
    draws = np.array(p.sample(seed=1, shape=(40_000, 2)))
    np.testing.assert_allclose(draws.mean(axis=0), p.mean[0], atol=0.05)
    q = Normal(np.array(first[1])[:, 0], np.array(first[2])[:, 0])
    ratio = np.exp(np.array(q.log_prob(draws)) - np.array(p.log_prob(draws)))
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    rows = [np.repeat(value, 40_000, axis=0) for value in first]
    np.testing.assert_allclose(NormalMixture(*rows).sample(seed=1), draws, rtol=1e-5)


# Kinds of values ---------------------------------------------------------------------------


def columns_of(rng, rows=6):
    """A table of each kind, its distribution, and its log-density by SciPy, by column."""
    mean, log_var = rng.normal(size=(2, rows, 2))
    log_rate, logits = rng.normal(size=(rows, 2)), rng.normal(size=(rows, 1, 3))
    log_odds = rng.normal(size=(rows, 1))
    p = Columns(
        [
            Normal(mean, log_var),
            LogNormal(mean, log_var),
            Poisson(log_rate),
            Bernoulli(log_odds),
            Categorical(logits),
        ],
        [[7, 0], [1, 2], [3, 6], [4], [5]],
    )
    real, positive = rng.normal(size=(rows, 2)), np.exp(rng.normal(size=(rows, 2)))
    count, binary = rng.poisson(3, (rows, 2)), rng.integers(0, 2, (rows, 1))
    category = rng.integers(0, 3, (rows, 1))
    deviation = np.exp(log_var / 2)
    probability = scipy.special.softmax(logits, axis=-1)[:, 0]
    by_scipy = [
        scipy.stats.norm.logpdf(real, mean, deviation),
        scipy.stats.lognorm.logpdf(positive, deviation, scale=np.exp(mean)),
        scipy.stats.poisson.logpmf(count, np.exp(log_rate)),
        scipy.stats.bernoulli.logpmf(binary, scipy.special.expit(log_odds)),
        np.log(np.take_along_axis(probability, category, axis=1)),
    ]
    order = [1, 2, 3, 4, 6, 7, 5, 0]
    x = np.concatenate([real, positive, count, binary, category], axis=1)[:, order]
    return p, x, np.concatenate(by_scipy, axis=1)[:, order]


def test_the_density_of_a_table_is_the_sum_of_scipys_by_kind(rng):
    p, x, by_scipy = columns_of(rng)
    np.testing.assert_allclose(p.log_density(x), by_scipy, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(p.log_prob(x), by_scipy.sum(axis=1), rtol=1e-5)
    mask = rng.random(x.shape) < 0.5
    holes = np.where(mask, x, np.nan)
    expected = (by_scipy * mask).sum(axis=1)
    np.testing.assert_allclose(p.log_prob(holes, mask), expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(p.log_prob(x[:, ::-1] * 0 + 1), by_scipy.sum(axis=1))


def test_missing_values_of_every_kind_pass_no_gradient(rng):
    p, x, _ = columns_of(rng)
    mask = np.zeros(x.shape, bool)
    mask[:, [0, 3]] = True
    holes = np.where(mask, x, np.nan)
    for name, make in {
        "log_var": lambda v: LogNormal(0.0 * v, v),
        "log_rate": Poisson,
        "logits": lambda v: Categorical(tf.stack([v, -v], axis=-1)),
    }.items():
        values = np.minimum(abs(holes), 1.0)
        found = gradient(lambda v, make=make, x=values: make(v).log_prob(x, mask), 0.5 * x)
        assert np.isfinite(found).all(), name
        assert not found[~mask].any(), name
        assert found[mask].any(), name
    assert np.isfinite(p.log_prob(holes, mask)).all()


def test_points_of_a_table_are_means_and_of_categories_the_most_probable(rng):
    p, _, _ = columns_of(rng)
    assert p.mean is None
    point = p.point.numpy()
    np.testing.assert_allclose(point[:, 0], p.parts[0].mean[:, 1])
    np.testing.assert_allclose(point[:, 3], p.parts[2].mean[:, 0])
    np.testing.assert_array_equal(point[:, 5], np.argmax(p.parts[4].logits[:, 0], axis=-1))
    np.testing.assert_allclose(p.decide(p.expectation), point, rtol=1e-6)


def test_the_value_of_a_mixture_of_categories_is_chosen_after_their_average():
    """Two draws that favour classes 0 and 2 slightly, and class 1 each in second place."""
    draws = Categorical(np.log([[[0.5, 0.45, 0.05]], [[0.05, 0.45, 0.5]]]))
    assert draws.decide(np.mean(draws.expectation, axis=0)).numpy() == [1]


@pytest.mark.parametrize(
    ("p", "mean", "variance"),
    [
        (LogNormal(0.3, -1.0), np.exp(0.3 + np.exp(-1) / 2), None),
        (Poisson(np.log(0.2)), 0.2, 0.2),
        (Poisson(np.log(3.7)), 3.7, 3.7),
        (Poisson(np.log(5000.0)), 5000, 5000),
    ],
)
def test_draws_of_counts_and_positive_values_have_the_moments_of_their_law(p, mean, variance):
    draws = p.sample(1, (20_000, 2)).numpy()
    error = 5 * draws.std() / np.sqrt(draws.size)
    assert abs(draws.mean() - mean) < error
    np.testing.assert_allclose(p.mean, mean, rtol=1e-5)
    if variance is not None:
        assert draws.var() == pytest.approx(variance, rel=0.05)
        np.testing.assert_array_equal(draws, np.round(draws))
        assert draws.min() >= 0


def test_draws_of_categories_and_choices_have_their_probabilities():
    probabilities = np.array([0.2, 0.5, 0.3])
    logits = np.broadcast_to(np.log(probabilities), (20_000, 3))
    one = Categorical(logits[:, None]).sample(1).numpy()
    np.testing.assert_allclose(
        np.bincount(one[:, 0].astype(int)) / len(one), probabilities, atol=0.02
    )
    many = Multinomial(logits, total=5).sample(1).numpy()
    np.testing.assert_array_equal(many.sum(axis=1), 5)
    np.testing.assert_allclose(many.mean(axis=0), 5 * probabilities, rtol=0.03)
    np.testing.assert_allclose(Multinomial(logits, total=5).mean[0], 5 * probabilities, rtol=1e-5)


def test_multinomial_log_prob_equals_scipy_and_chooses_among_known_items(rng):
    logits = rng.normal(size=(5, 4))
    x = rng.poisson(2, (5, 4))
    p = scipy.special.softmax(logits, axis=1)
    expected = [
        scipy.stats.multinomial.logpmf(row, row.sum(), q) for row, q in zip(x, p, strict=True)
    ]
    np.testing.assert_allclose(Multinomial(logits).log_prob(x), expected, rtol=1e-4, atol=1e-5)
    mask = np.array([True, True, False, True])
    among = p[:, mask] / p[:, mask].sum(axis=1, keepdims=True)
    expected = [
        scipy.stats.multinomial.logpmf(row, row.sum(), q)
        for row, q in zip(x[:, mask], among, strict=True)
    ]
    holes = np.where(mask, x, np.nan)
    found = Multinomial(logits).log_prob(holes, np.broadcast_to(mask, x.shape))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_parts_of_a_table_draw_noise_of_their_own():
    p = Columns([Normal(np.zeros((500, 1)), 0.0), Normal(np.zeros((500, 1)), 0.0)], [[1], [0]])
    assert abs(np.corrcoef(p.sample(1).numpy().T)[0, 1]) < 0.2
    repeated = p.map(lambda tensor: tf.repeat(tensor, 2, axis=0))
    assert repeated.mean.shape == (1000, 2)
