"""`metrics.kl_decomposition(means, log_vars)`, against quadrature."""

import numpy as np
import pytest
import scipy.stats

from keras_vae import metrics

LOG_VAR = -1.0


def two_kinds(n):
    """Posteriors of two kinds of x: q(z|x) = N((a, a), s^2 I) or N((-a, -a), s^2 I)."""
    sign = np.where(np.arange(n) % 2, -1.0, 1.0)
    means = sign[:, np.newaxis] * [1.2, 1.2]
    return means, np.full_like(means, LOG_VAR)


def by_quadrature():
    """The parts of the KL of `two_kinds`, from sums over a fine grid of the plane."""
    line = np.linspace(-7, 7, 561)
    cell = (line[1] - line[0]) ** 2
    normal = scipy.stats.norm(scale=np.exp(LOG_VAR / 2)).pdf
    up, down = normal(line - 1.2), normal(line + 1.2)
    q_of_each = (up + down) / 2
    q = (np.outer(up, up) + np.outer(down, down)) / 2
    product, p = np.outer(q_of_each, q_of_each), np.outer(*[scipy.stats.norm.pdf(line)] * 2)
    q_given_x = np.outer(up, up)

    def kl(a, b):
        return float(np.sum(a * np.log(a / b)) * cell)

    return {
        "kl": kl(q_given_x, p),
        "mutual_information": kl(q_given_x, q),
        "total_correlation": kl(q, product),
        "dimension_wise_kl": kl(product, p),
        "marginal_kl": kl(q, p),
    }


def test_active_units_counts_means_that_vary():
    means = np.random.default_rng(0).normal(size=(10_000, 4)) * [1.0, 0.2, 0.05, 0.0]
    assert metrics.active_units(means) == 2
    assert metrics.active_units(means, threshold=0.5) == 1


def test_each_part_of_the_kl_equals_its_value_by_quadrature():
    found = metrics.kl_decomposition(*two_kinds(200), max_draws=200)
    repeated = [metrics.kl_decomposition(*two_kinds(200), seed=s) for s in range(40)]
    exact = by_quadrature()
    assert found["kl"] == pytest.approx(exact["kl"], abs=1e-6)
    for name, value in exact.items():
        values = [each[name] for each in repeated]
        error = np.std(values) / np.sqrt(len(values))
        assert np.mean(values) == pytest.approx(value, abs=4 * error + 1e-6)
        assert error < 0.02
    assert exact["mutual_information"] == pytest.approx(np.log(2), abs=0.05)
    assert exact["total_correlation"] > 0.5


def test_the_parts_sum_to_the_kl_within_the_error_of_the_draws():
    generator = np.random.default_rng(0)
    found = metrics.kl_decomposition(generator.normal(size=(2000, 3)), np.full((2000, 3), -2.0))
    parts = ("mutual_information", "total_correlation", "dimension_wise_kl")
    assert sum(found[name] for name in parts) == pytest.approx(found["kl"], abs=0.15)
    rest = found["kl"] - found["mutual_information"]
    assert rest == pytest.approx(found["marginal_kl"], abs=0.15)


def test_a_shuffled_code_has_no_total_correlation():
    generator = np.random.default_rng(0)
    means = np.repeat(generator.normal(size=(2000, 1)), 2, axis=1)
    log_vars = np.full_like(means, -1.0)
    tied = metrics.kl_decomposition(means, log_vars)["total_correlation"]
    shuffled = np.stack([generator.permutation(column) for column in means.T], axis=1)
    free = metrics.kl_decomposition(shuffled, log_vars)["total_correlation"]
    assert tied > 0.2
    assert free == pytest.approx(0, abs=0.02)


def test_equal_posteriors_carry_no_information():
    found = metrics.kl_decomposition(np.full((50, 2), 0.5), np.zeros((50, 2)))
    assert found["mutual_information"] == pytest.approx(0, abs=1e-9)
    assert found["kl"] == pytest.approx(0.25)


def test_arrays_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"means has shape \(3, 2\) and log_vars \(3, 1\)"):
        metrics.kl_decomposition(np.zeros((3, 2)), np.zeros((3, 1)))
