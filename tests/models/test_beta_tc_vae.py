"""`BetaTCVAE(encoder, decoder, num_examples=len(x), beta=6.0)`: the parts of the KL."""

import keras
import numpy as np
import pytest

from keras_vae import VAE, BetaTCVAE, metrics, networks, optimizers
from keras_vae.distributions import Normal
from tests import kinds
from tests.metrics.test_latents import LOG_VAR, by_quadrature, two_kinds


def make(num_examples=300, seed=3, **arguments):
    keras.utils.set_random_seed(0)
    pair = networks.dense((8, 8, 1), 2, hidden=(16,))
    vae = BetaTCVAE(*pair, num_examples, seed=seed, **arguments)
    vae.compile(optimizers.Adam(3e-3))
    return vae


def parts_by(vae, batch, offset=0.0, repeats=60):
    """(means, errors) of the parts of the KL of `two_kinds`, from batches of so many examples."""
    generator = np.random.default_rng(0)
    means, log_vars = (a[:batch].astype("float32") for a in two_kinds(10 * batch))
    found = []
    for _ in range(repeats):
        z = means + np.exp(LOG_VAR / 2) * generator.standard_normal(means.shape)
        q, z = Normal(means, log_vars), z.astype("float32")
        log_q, log_q_of_each = (np.array(part) for part in vae.log_aggregate(q, z))
        log_q, log_q_of_each = log_q + offset, log_q_of_each + 2 * offset
        log_p, log_q_given_x = (np.array(d.log_prob(z)) for d in (vae.prior(), q))
        found.append(
            [
                np.mean(log_q_given_x - log_q),
                np.mean(log_q - log_q_of_each),
                np.mean(log_q_of_each - log_p),
            ]
        )
    return np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(repeats)


NAMES = ("mutual_information", "total_correlation", "dimension_wise_kl")


def test_the_stratified_estimates_equal_the_parts_by_quadrature():
    batch = 400
    mean, error = parts_by(make(num_examples=10 * batch), batch)
    exact = [by_quadrature()[name] for name in NAMES]
    assert np.all(np.abs(mean - exact) < 4 * error + 2e-3)  # 2e-3: the log of an average
    assert np.all(error < 0.02)


def test_the_weighted_estimates_are_the_parts_but_for_a_known_constant():
    """Of all N examples in one batch, log q(z) is too low by log N (appendix C.1)."""
    batch = 400
    vae = make(num_examples=batch, estimator="weighted")
    exact = [by_quadrature()[name] for name in NAMES]
    mean, error = parts_by(vae, batch, offset=np.log(batch))
    assert np.all(np.abs(mean - exact) < 4 * error + 2e-3)
    raw, _ = parts_by(vae, batch)
    assert raw[0] - exact[0] == pytest.approx(np.log(batch), abs=0.1)


def test_the_stratified_estimate_of_q_is_unbiased_for_small_batches():
    """The mean of q(z), not of its logarithm, over batches of 3 of 9 examples."""
    generator = np.random.default_rng(0)
    means = generator.normal(size=(9, 2)).astype("float32")
    log_vars = np.full_like(means, -1.0)
    z = np.array([[0.3, -0.2]], "float32")
    exact = np.exp(np.array(Normal(means, log_vars).log_prob(np.repeat(z, 9, axis=0)))).mean()
    vae = make(num_examples=9)
    found = []
    for _ in range(500):
        own = generator.integers(9)
        rest = generator.choice(np.delete(np.arange(9), own), 2, replace=False)
        rows = np.concatenate([[own], rest])
        log_q, _ = vae.log_aggregate(Normal(means[rows], log_vars[rows]), np.repeat(z, 3, axis=0))
        found.append(np.exp(float(log_q[0])))
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(exact, abs=4 * error)
    assert error < 0.05 * exact


def test_a_shuffled_code_has_no_total_correlation():
    generator = np.random.default_rng(0)
    means = np.repeat(generator.normal(size=(1000, 1)), 2, axis=1)
    shuffled = np.stack([generator.permutation(column) for column in means.T], axis=1)
    vae = make(num_examples=1000)
    found = {}
    for name, code in (("tied", means), ("shuffled", shuffled)):
        code, log_vars = code.astype("float32"), np.full(code.shape, -1.0, "float32")
        noise = np.exp(-0.5) * generator.standard_normal(code.shape)
        z = (code + noise).astype("float32")
        log_q, log_q_of_each = vae.log_aggregate(Normal(code, log_vars), z)
        found[name] = float(np.mean(np.array(log_q) - np.array(log_q_of_each)))
    assert found["tied"] > 0.2
    assert found["shuffled"] == pytest.approx(0, abs=0.05)


def test_the_parts_that_it_logs_sum_to_the_kl(x):
    vae = make()
    logs = vae.fit(x, batch_size=100, epochs=3, verbose=0, validation_data=x).history
    for of in ("", "val_"):
        parts = sum(np.array(logs[f"{of}{name}"]) for name in NAMES)
        np.testing.assert_allclose(parts, logs[f"{of}kl_loss"], rtol=1e-4)


def test_with_beta_1_its_loss_is_that_of_a_vae(x):
    ours, plain = make(beta=1.0), None
    plain = VAE(ours.encoder, ours.decoder, seed=3)
    plain.compile(optimizers.Adam())
    of_ours, of_plain = (m.evaluate(x, verbose=0, return_dict=True) for m in (ours, plain))
    for name in VAE.loss_names:
        assert of_ours[name] == pytest.approx(of_plain[name], rel=1e-6)


@pytest.mark.slow
def test_a_large_beta_lowers_the_total_correlation():
    """Of data whose two causes make correlated latents in a plain VAE."""
    generator = np.random.default_rng(0)
    found = {}
    latent = generator.normal(size=(512, 1)) + 0.3 * generator.normal(size=(512, 2))
    data = (1 / (1 + np.exp(-2 * latent @ generator.normal(size=(2, 30))))).astype("float32")
    for beta in (0.0, 20.0):
        keras.utils.set_random_seed(1)
        pair = networks.dense((30,), 2, hidden=(32,))
        vae = BetaTCVAE(*pair, len(data), beta=beta, seed=1)
        vae.compile(optimizers.Adam(3e-3))
        vae.fit(data, batch_size=128, epochs=40, verbose=0)
        found[beta] = metrics.kl_decomposition(*vae.encoder.predict(data, verbose=0))
    assert found[20.0]["total_correlation"] < found[0.0]["total_correlation"] - 0.05


def test_what_it_cannot_do_is_refused(x):
    with pytest.raises(ValueError, match='expected "stratified" or "weighted"'):
        make(estimator="exact")
    with pytest.raises(ValueError, match="num_examples is 0"):
        make(num_examples=0)
    flow = kinds.flow()

    class FlowTC(BetaTCVAE):
        signature, posterior = kinds.FlowPosterior.signature, kinds.FlowPosterior.posterior

    vae = FlowTC(flow.encoder, flow.decoder, 300)
    vae.compile(optimizers.Adam())
    with pytest.raises(TypeError, match=r"q\(z\|x\) is a PlanarFlow"):
        vae.fit(x, verbose=0)
