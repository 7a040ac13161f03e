"""Scores of made codes, whose value is known.

z = vae.encode(x)
metrics.mutual_information_gap(z, factors), metrics.dci(z, factors), metrics.factor_vae_score(...)
"""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from keras_vae import metrics

COUNTS = (6, 5, 8)
CHANCE = 1 / len(COUNTS)
SCORES = {
    "gap": metrics.mutual_information_gap,
    "factor_vae": metrics.factor_vae_score,
    "disentanglement": lambda *arrays: metrics.dci(*arrays)["disentanglement"],
    "completeness": lambda *arrays: metrics.dci(*arrays)["completeness"],
    "informativeness": lambda *arrays: metrics.dci(*arrays)["informativeness"],
}


@pytest.fixture(scope="module")
def factors():
    """Every combination of three factors, ten times."""
    return np.tile(np.indices(COUNTS).reshape(3, -1).T, (10, 1))


def scores(codes, factors):
    return {name: score(codes, factors) for name, score in SCORES.items()}


def turned(codes, degrees=45):
    """The first two latents, of equal variance, turned in their plane."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    codes = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    return np.concatenate([codes[:, :2] @ [[c, -s], [s, c]], codes[:, 2:]], axis=1)


def test_the_factors_themselves_score_1(factors):
    for name, score in scores(factors, factors).items():
        assert score == pytest.approx(1, abs=1e-3), name


def test_noise_scores_0_and_the_vote_is_by_chance(factors):
    noise = np.random.default_rng(0).normal(size=(len(factors), 3))
    found = scores(noise, factors)
    assert found["gap"] < 0.01
    assert found["informativeness"] < 0.05
    assert found["disentanglement"] < 0.1
    assert found["factor_vae"] == pytest.approx(CHANCE, abs=0.1)


def test_two_factors_turned_by_45_degrees_have_almost_no_gap():
    """Each latent is used for both factors; all is still known (Eastwood 2018, section 2)."""
    factors = np.tile(np.indices((8, 8)).reshape(2, -1).T, (20, 1))
    codes = turned(factors)
    # Without noise both latents have one variance among examples of a vote, up to rounding.
    codes += 0.01 * np.random.default_rng(0).normal(size=codes.shape)
    found = scores(codes, factors)
    assert found["gap"] < 0.05
    assert found["disentanglement"] < 0.1
    assert found["completeness"] < 0.1
    assert found["informativeness"] > 0.99
    assert found["factor_vae"] == pytest.approx(0.5, abs=0.1)


def test_half_of_the_factors_score_half():
    factors = np.tile(np.indices((4, 4, 4, 4)).reshape(4, -1).T, (10, 1))
    noise = np.random.default_rng(0).normal(size=(len(factors), 2))
    codes = np.concatenate([factors[:, :2], noise], axis=1)
    found = scores(codes, factors)
    assert found["gap"] == pytest.approx(0.5, abs=0.02)
    assert found["informativeness"] == pytest.approx(0.5, abs=0.05)
    # The other two factors are named by chance among the latents that are left.
    assert 0.5 < found["factor_vae"] < 0.85


@pytest.mark.parametrize(
    "change",
    [
        lambda codes: codes[:, ::-1],
        lambda codes: codes * [-1, 1, -1],
        lambda codes: codes * [1e-3, 1.0, 1e3],
    ],
    ids=["permuted", "signs", "scales"],
)
def test_scores_do_not_change_with_order_sign_and_scale(factors, change):
    generator = np.random.default_rng(0)
    codes = turned(factors, 20) + 0.1 * generator.normal(size=factors.shape)
    before, after = scores(codes, factors), scores(change(codes), factors)
    for name, score in before.items():
        # Forests break ties by the order of the latents.
        assert after[name] == pytest.approx(score, abs=1e-9 if name == "gap" else 0.02), name


def test_mutual_information_equals_that_of_scikit_learn(factors):
    codes = turned(factors, 20) + 0.1 * np.random.default_rng(0).normal(size=factors.shape)
    found = metrics.mutual_information(codes, factors, bins=7)
    for latent in range(3):
        edges = np.linspace(codes[:, latent].min(), codes[:, latent].max(), 8)
        bins = np.digitize(codes[:, latent], edges[1:-1])
        for k in range(3):
            expected = mutual_info_score(bins, factors[:, k])
            assert found[latent, k] == pytest.approx(expected, abs=1e-6)


def test_a_code_that_knows_a_factor_knows_its_entropy(factors):
    found = metrics.mutual_information(factors, factors)
    np.testing.assert_allclose(np.diag(found), np.log(COUNTS))


def test_latents_that_do_not_vary_change_nothing(factors):
    codes = turned(factors, 10)
    more = np.concatenate([codes, np.full((len(codes), 2), 3.0)], axis=1)
    before, after = scores(codes, factors), scores(more, factors)
    for name in ("gap", "factor_vae", "disentanglement", "informativeness"):
        assert after[name] == pytest.approx(before[name], abs=0.02)


def test_a_collapsed_code_knows_nothing(factors):
    """As of a model whose latents are all switched off."""
    found = scores(np.full((len(factors), 4), 0.3), factors)
    assert found.pop("factor_vae") == pytest.approx(CHANCE)
    assert all(score == pytest.approx(0, abs=1e-9) for score in found.values())


def test_factors_with_one_value_are_left_out(factors):
    more = np.concatenate([factors, np.zeros((len(factors), 1), int)], axis=1)
    for name, score in scores(factors, more).items():
        assert score == pytest.approx(1, abs=1e-3), name


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (np.zeros((4, 2)), np.zeros((5, 1), int), r"codes has shape \(4, 2\) and factors \(5, 1\)"),
        (np.zeros(4), np.zeros((4, 1), int), "expected \\(n, latents\\) and"),
        (np.full((4, 2), np.nan), np.zeros((4, 1), int), "not finite"),
        (np.ones((4, 2)), np.array([0.1, 0.2, 0.3, 0.4]), "factors has dtype float64"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(codes, factors, message):
    for score in SCORES.values():
        with pytest.raises(ValueError, match=message):
            score(codes, factors)


def test_what_cannot_be_scored_is_said(factors):
    for score, name in (
        (metrics.mutual_information_gap, "bins"),
        (metrics.factor_vae_score, "votes"),
        (metrics.factor_vae_score, "batch"),
    ):
        with pytest.raises(ValueError, match=f"{name} is 0; expected an int of at least 2"):
            score(factors, factors, **{name: 0})
    with pytest.raises(ValueError, match="a gap needs at least 2"):
        metrics.mutual_information_gap(factors[:, :1], factors)
    for score in SCORES.values():
        with pytest.raises(ValueError, match="single value"):
            score(factors, np.zeros((len(factors), 1), int))
