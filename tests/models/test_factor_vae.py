"""`FactorVAE(encoder, decoder, gamma=10.0)`: two players, one forward pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, FactorVAE, networks, optimizers
from tests import kinds


def make(gamma=5.0, optimizer=None, **arguments):
    keras.utils.set_random_seed(0)
    pair = networks.dense((8, 8, 1), 2, hidden=(16,))
    discriminator = networks.discriminator(2, hidden=(32,))
    vae = FactorVAE(*pair, discriminator, gamma=gamma, seed=3, **arguments)
    vae.compile(optimizer or optimizers.Adam(3e-3))
    return vae


def one_step(vae, x):
    """The change of the weights of encoder and decoder, and of the discriminator, by one step."""
    networks_ = ((vae.encoder, vae.decoder), (vae.discriminator,))
    before = [[w.copy() for n in group for w in n.get_weights()] for group in networks_]
    vae.fit(x, batch_size=len(x), epochs=1, shuffle=False, verbose=0)
    after = [[w for n in group for w in n.get_weights()] for group in networks_]
    return [[b - a for a, b in zip(*pair, strict=True)] for pair in zip(before, after, strict=True)]


def test_each_player_follows_its_own_loss_alone(x):
    """By SGD with rate 1 a step is the gradient."""
    x = x[:64]
    sgd = optimizers.PerTerm({"loss": keras.optimizers.SGD(1.0),
                              "discriminator_loss": keras.optimizers.SGD(1.0)})  # fmt: skip
    vae, copy = make(optimizer=sgd), make()
    copy.set_weights(vae.get_weights())
    rest, own = one_step(vae, x)
    with tf.GradientTape(persistent=True) as tape:
        terms = copy.objective(x, training=True)
        losses = {name: tf.reduce_mean(terms[name]) for name in ("loss", "discriminator_loss")}
    players = copy.players()
    for change, (name, variables) in zip((rest, own), players.items(), strict=True):
        gradients = tape.gradient(losses[name], variables)
        for step, gradient in zip(change, gradients, strict=True):
            np.testing.assert_allclose(step, -gradient, atol=1e-4 * np.abs(gradient).max() + 1e-6)
    # Each loss has a gradient in the other's weights; none of it is followed.
    foreign = tape.gradient(losses["loss"], players["discriminator_loss"])
    assert max(np.abs(g).max() for g in foreign) > 1e-4
    foreign = tape.gradient(losses["discriminator_loss"], copy.encoder.trainable_variables)
    assert max(np.abs(g).max() for g in foreign if g is not None) > 1e-6


@pytest.mark.parametrize("still", ["loss", "discriminator_loss"])
def test_each_player_has_an_optimizer_of_its_own(x, still):
    rates = {"loss": 1e-3, "discriminator_loss": 1e-3, still: 0.0}
    by_term = {name: optimizers.Adam(rate) for name, rate in rates.items()}
    rest, own = one_step(make(optimizer=optimizers.PerTerm(by_term)), x[:64])
    moves = [max(np.abs(step).max() for step in group) > 0 for group in (rest, own)]
    assert moves == [still != "loss", still != "discriminator_loss"]


def test_the_shuffle_permutes_each_latent_by_itself(x, monkeypatch):
    seen = []
    vae = make()
    logit = vae.logit
    vae.logit = lambda z, training=False: seen.append(np.array(z)) or logit(z, training)
    vae.objective(x, training=True)
    z, shuffled = seen
    np.testing.assert_array_equal(np.sort(z, axis=0), np.sort(shuffled, axis=0))
    places = [[np.flatnonzero(z[:, j] == v)[0] for v in shuffled[:, j]] for j in range(2)]
    assert np.mean(np.equal(*places)) < 0.05
    assert np.mean(np.array(places[0]) == np.arange(len(x))) < 0.05


def test_the_discriminator_finds_the_total_correlation_of_a_known_code():
    """Of a normal with correlation r it is -log(1 - r^2) / 2; of independent latents 0."""
    generator = np.random.default_rng(0)
    for r in (0.0, 0.8):
        keras.utils.set_random_seed(0)
        x, z = keras.Input((2,)), keras.Input((2,))
        constant = keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer="zeros")
        encoder = keras.Model(x, [keras.layers.Identity()(x), constant(x)])
        vae = FactorVAE(encoder, keras.Model(z, keras.layers.Dense(2)(z)), likelihood="gaussian",
                        discriminator=networks.discriminator(2, (64, 64)), seed=0)  # fmt: skip
        rates = {"loss": keras.optimizers.SGD(0.0), "discriminator_loss": optimizers.Adam(2e-3)}
        vae.compile(optimizers.PerTerm(rates), steps_per_execution=20)
        # q(z|x) = N(x, I): latents of variance 1 + 4 and covariance 4 r'.
        covariance = np.array([[4.0, 5 * r], [5 * r, 4.0]])
        x = generator.multivariate_normal([0, 0], covariance, 10_000).astype("float32")
        vae.fit(x, batch_size=500, epochs=10, verbose=0)
        found = vae.evaluate(x, batch_size=500, verbose=0, return_dict=True)
        exact = -np.log(1 - r**2) / 2
        assert found["total_correlation"] == pytest.approx(exact, abs=0.05)
        if r == 0:
            assert found["discriminator_loss"] == pytest.approx(np.log(2), abs=0.01)


def test_without_gamma_its_vae_is_a_vae(x):
    ours = make(gamma=0.0)
    plain = VAE(ours.encoder, ours.decoder, seed=3)
    plain.compile(optimizers.Adam())
    of_ours, of_plain = (m.evaluate(x, verbose=0, return_dict=True) for m in (ours, plain))
    for name in VAE.loss_names:
        assert of_ours[name] == pytest.approx(of_plain[name], rel=1e-6)


def test_what_does_not_fit_is_refused(x):
    pair = networks.dense((8, 8, 1), 2, hidden=(16,))
    with pytest.raises(ValueError, match="gamma is -1"):
        FactorVAE(*pair, gamma=-1)
    blocks = kinds.blocks()
    blocks = keras.Model(blocks[0].input, [blocks[0].output] * 2), blocks[1]
    with pytest.raises(ValueError, match=r"shape \(2, 2, 3\), of which no discriminator"):
        FactorVAE(*blocks)
    two = FactorVAE(*pair, kinds.head(2, 2, heads=1))
    two.compile(optimizers.Adam())
    with pytest.raises(ValueError, match=r"expected one logit, \(batch, 1\)"):
        two.fit(x, verbose=0)
