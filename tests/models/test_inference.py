"""Verbs are functions of their arguments: in threads, during `fit`, after changes of the model.

vae.elbo(x, seed=1)          # always the same result
"""

import concurrent.futures
import threading

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae import IWAE, VAE, networks, noise, priors, zoo
from keras_vae.distributions import Distribution, Normal
from keras_vae.likelihoods import Gaussian
from tests import kinds


def state_of(model):
    return [variable.numpy() for variable in model.variables]


def assert_same(one, other):
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# Threads -----------------------------------------------------------------------------------

CALLS = {
    "elbo": lambda vae, x, seed: vae.elbo(x, seed=seed),
    "encode": lambda vae, x, seed: vae.encode(x, sample=True, seed=seed),
    "log_likelihood": lambda vae, x, seed: vae.log_likelihood(x[:20], 20, seed=seed),
    "generate": lambda vae, x, seed: vae.generate(20, seed=seed, sample=True),
}


@pytest.mark.parametrize("first", ["compiled before", "compiled by the threads"])
def test_eight_threads_get_the_results_of_one_and_change_no_state(make_vae, x, first):
    vae, alone = make_vae(), make_vae()
    if first == "compiled before":
        for call in CALLS.values():
            call(vae, x, 0)
    before = state_of(vae)
    tasks = [(name, seed) for seed in range(16) for name in CALLS]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda task: CALLS[task[0]](vae, x, task[1]), tasks))
    for (name, seed), value in zip(tasks, found, strict=True):
        np.testing.assert_array_equal(value, CALLS[name](alone, x, seed), err_msg=name)
    assert_same(state_of(vae), before)


def test_threads_that_generate_without_a_seed_get_different_images(make_vae):
    vae = make_vae()
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        images = list(threads.map(lambda _: vae.generate(1), range(400)))
    assert len(np.unique(np.concatenate(images), axis=0)) == 400


def test_verbs_during_a_fit_do_not_change_its_history(make_vae, x):
    def fit(vae):
        return vae.fit(x, epochs=8, verbose=0, validation_data=x[:100]).history

    alone, busy, done = make_vae(), make_vae(), threading.Event()

    def ask():
        while not done.is_set():
            busy.elbo(x, seed=7)
            busy.encode(x, sample=True, seed=7)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        history = fit(busy)
    finally:
        done.set()
        thread.join()
    assert history == fit(alone)


# Noise -------------------------------------------------------------------------------------


def test_one_seed_gives_different_draws_from_q_and_p(make_vae):
    vae = make_vae()
    for head in ("z_mean", "z_log_var"):  # q(z|x) = p(z) = N(0, I)
        layer = vae.encoder.get_layer(head)
        layer.set_weights([0 * weight for weight in layer.get_weights()])
    z = vae.encode(np.zeros((500, 8, 8, 1)), sample=True, seed=5)
    with vae.noise_scope(seed=5):
        prior = vae.prior().sample(noise.current().stream("prior"), (500, 2)).numpy()
    assert np.abs(np.corrcoef(z[:, 0], prior[:, 0])[0, 1]) < 0.2
    np.testing.assert_allclose(vae.generate(500, seed=5), vae.decode(prior), atol=1e-5)


def test_evaluate_is_the_mean_of_elbo_and_agrees_for_every_batch_size(make_vae, x):
    vae = make_vae()
    expected = -float(vae.elbo(x).mean(dtype="float64"))
    for batch_size in (1, 7, 128, 300):
        losses = vae.evaluate(x, batch_size=batch_size, verbose=0, return_dict=True)
        assert losses["loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("setting", [{"jit_compile": True}, {"steps_per_execution": 3}])
def test_evaluate_agrees_for_every_batch_size_however_it_is_compiled(make_vae, x, setting):
    vae = make_vae(compile_arguments=setting)
    losses = [vae.evaluate(x, batch_size=size, verbose=0)[0] for size in (64, 77, 300)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_scores_with_shared_noise_depend_only_on_the_row(make_vae, x):
    vae = make_vae()

    def bound(x):
        return vae.objective(x)["elbo"]

    forward, backward = (
        vae.over_rows("bound", bound, (rows,), size, seed=1, shared=True)
        for rows, size in ((x, 1024), (x[::-1], 77))
    )
    np.testing.assert_allclose(forward, backward[::-1], rtol=1e-5)
    assert not np.allclose(vae.elbo(x, seed=1), vae.elbo(x[::-1], seed=1)[::-1], rtol=1e-4)


# Compiled functions are never stale ---------------------------------------------------------


def hidden_layer(vae):
    return vae.decoder.get_layer("hidden_1")


def with_lora(vae):
    hidden_layer(vae).enable_lora(2)
    hidden_layer(vae).lora_kernel_b.assign(np.ones_like(hidden_layer(vae).lora_kernel_b))


def replaced(vae):
    old = vae.decoder
    vae.decoder = keras.models.clone_model(old)
    vae.decoder.set_weights([weight + 0.1 for weight in old.get_weights()])


CHANGES = {
    "lora": with_lora,
    "int8": lambda vae: vae.decoder.quantize("int8"),
    "a replaced network": replaced,
    "a new kernel": lambda vae: hidden_layer(vae).kernel.assign(hidden_layer(vae).kernel * 2),
}


@pytest.mark.parametrize("compile_again", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_verbs_follow_a_change_of_the_networks(make_vae, x, change, compile_again):
    vae = make_vae()
    z = vae.encode(x)
    before = vae.decode(z)
    vae.evaluate(x, verbose=0), vae.predict(x, verbose=0)
    CHANGES[change](vae)
    if compile_again:
        vae.compile("adam")
    after = vae.decode(z)
    assert not np.allclose(before, after, atol=1e-4)
    np.testing.assert_allclose(after, vae.likelihood(z).mean, atol=1e-5)
    # Keras's own steps follow too.
    np.testing.assert_allclose(vae.predict(x, verbose=0), vae.reconstruct(x), atol=1e-5)
    losses = vae.evaluate(x, verbose=0, return_dict=True)
    assert losses["elbo"] == pytest.approx(vae.elbo(x).mean(), rel=1e-5)


def test_fit_asks_for_another_compile_after_new_weights(make_vae, x):
    vae = make_vae()
    vae.fit(x, verbose=0)
    hidden_layer(vae).enable_lora(2)
    with pytest.raises(ValueError, match=r"does not know, by LoRA .* call compile again"):
        vae.fit(x, verbose=0)
    vae.compile("adam")
    vae.fit(x, verbose=0)
    assert np.any(hidden_layer(vae).lora_kernel_b)


def test_a_verb_inside_a_tf_function_is_refused(make_vae, x):
    vae = make_vae()
    with pytest.raises(RuntimeError, match=r"cannot run within a tf\.function"):
        tf.function(lambda: vae.elbo(x))()


def test_a_changed_setting_that_is_a_constant_of_the_graph_takes_effect(x):
    """After a change of `num_samples` of an IWAE, verbs, `evaluate` and `fit` compile again."""
    vae = IWAE(*kinds.dense(), seed=1)
    vae.compile("adam")
    vae.fit(x, verbose=0)
    few = vae.elbo(x, seed=1), vae.evaluate(x, verbose=0, return_dict=True)["loss"]
    vae.num_samples = 50
    many = vae.elbo(x, seed=1), vae.evaluate(x, verbose=0, return_dict=True)["loss"]
    assert many[0].std() < few[0].std()  # a mean over more draws
    assert many[1] < few[1] - 0.05
    seen, original = [], vae.log_terms

    def log_terms(x, y, num_samples, training):
        seen.append(num_samples)
        return original(x, y, num_samples, training)

    vae.log_terms = log_terms
    vae.num_samples = 3
    vae.fit(x, verbose=0)
    assert seen == [3]


def test_beta_is_a_weight_and_needs_no_new_graph(make_vae, x):
    vae = make_vae()
    vae.fit(x, verbose=0)
    step = vae.train_function
    vae.elbo(x)
    graphs = dict(vae._compiled_verbs)
    vae.beta = 3.0
    assert vae.train_function is step
    assert vae._compiled_verbs == graphs


# Reconstructions, paths, sizes --------------------------------------------------------------


def test_reconstruct_equals_predict(make_vae, x):
    vae = make_vae()
    np.testing.assert_allclose(vae.reconstruct(x), vae.predict(x, verbose=0), atol=1e-6)


def test_a_path_begins_and_ends_at_the_reconstructions(make_vae, x):
    vae = make_vae()
    vae.fit(x, epochs=3, verbose=0)
    path = vae.interpolate(x[:5], x[5:10], steps=4)
    assert path.shape == (5, 4, 8, 8, 1)
    reconstructions = vae.reconstruct(x[:10])
    np.testing.assert_allclose(path[:, 0], reconstructions[:5], atol=1e-5)
    np.testing.assert_allclose(path[:, -1], reconstructions[5:], atol=1e-5)
    middle = (2 * vae.encode(x[:5]) + vae.encode(x[5:10])) / 3
    np.testing.assert_allclose(path[:, 1], vae.decode(middle), atol=1e-5)
    conditional = zoo.conditional_vae((8, 8, 1), 2, condition=10, hidden=(8,))
    one, each = (conditional.interpolate(x[:2], x[2:4], condition=c) for c in (3, [3, 3]))
    np.testing.assert_array_equal(one, each)
    for bad in (1, 2.5, "3"):
        with pytest.raises(ValueError, match="steps is"):
            vae.interpolate(x[:1], x[1:2], steps=bad)
    with pytest.raises(ValueError, match="x0 has 1, x1 has 2 rows"):
        vae.interpolate(x[:1], x[1:3])


def test_an_unknown_level_is_refused(make_vae, x):
    for level in (1, -2, "top"):
        with pytest.raises(ValueError, match="this model has levels 0 to 0"):
            make_vae().encode(x, level=level)


def test_generate_runs_in_batches(make_vae):
    vae = make_vae()
    whole = vae.generate(300, seed=1, sample=True)
    parts = vae.generate(300, seed=1, sample=True, batch_size=77)
    np.testing.assert_array_equal(whole, parts)
    assert len(vae._compiled_verbs) == 1


# What a model cannot do ----------------------------------------------------------------------


def test_capabilities_depend_on_the_model_and_not_on_its_terms():
    adversarial, semi = (kinds.KINDS[name][0]() for name in ("adversarial", "semi-supervised"))
    assert (adversarial.has_prior, adversarial.has_posterior, adversarial.has_densities) == (
        True,
        False,
        False,
    )
    assert adversarial.generate(3, seed=1).shape == (3, 8, 8, 1)
    x = np.zeros((4, 8, 8, 1))
    for call, reason in (
        (lambda: adversarial.elbo(x), "has no bound and no log p"),
        (lambda: adversarial.log_likelihood(x), "has no bound and no log p"),
        (lambda: adversarial.encode(x, sample=True), "has no q"),
        (lambda: kinds.KINDS["VQ"][0]().generate(1), r"has no p\(z\)"),
    ):
        with pytest.raises(TypeError, match=reason):
            call()
    assert semi.generate(3, seed=1, condition=2).shape == (3, 8, 8, 1)
    for call in (lambda: semi.generate(3), lambda: semi.decode(np.zeros((3, 2)), condition=-1)):
        with pytest.raises(ValueError, match="has labels from -1 to -1; expected 0 to"):
            call()


def test_an_unknown_label_is_inferred_from_x(digits):
    semi, (x, _) = kinds.KINDS["semi-supervised"][0](), digits
    best = np.argmax(semi.classifier(x), axis=1)
    for verb in (semi.encode, semi.reconstruct):
        np.testing.assert_allclose(verb(x), verb(x, condition=best), atol=1e-6)
        assert not np.allclose(verb(x), verb(x, condition=(best + 1) % 4), atol=1e-4)


# Unusual networks and formats ------------------------------------------------------------------


def test_a_recurrent_network_with_a_fixed_batch_is_refused_when_the_model_is_made():
    x = keras.Input(batch_shape=(4, 8, 8))
    h = keras.layers.LSTM(4, stateful=True)(x)
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    with pytest.raises(ValueError, match="batches of exactly 4 rows; build it without"):
        VAE(encoder, networks.dense((8, 8), 2)[1])


def test_latents_may_have_any_shape(x):
    inputs, z = keras.Input((8, 8, 1)), keras.Input((4, 4, 2))
    heads = [keras.layers.Conv2D(2, 3, strides=2, padding="same")(inputs) for _ in range(2)]
    decoder = keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same")(z)
    vae = VAE(keras.Model(inputs, heads), keras.Model(z, decoder), seed=1)
    vae.compile("adam")
    vae.fit(x, verbose=0)
    assert vae.encode(x[:3], sample=True).shape == (3, 4, 4, 2)
    assert vae.generate(5, seed=1).shape == (5, 8, 8, 1)
    assert np.all(vae.elbo(x[:9]) <= vae.log_likelihood(x[:9], 300) + 1)
    assert vae.interpolate(x[:2], x[2:4], 3).shape == (2, 3, 8, 8, 1)


def test_tflite_converts_a_fitted_model(make_vae, x, tmp_path):
    vae = make_vae()
    vae.fit(x, verbose=0)
    converted = tf.lite.TFLiteConverter.from_keras_model(vae).convert()
    interpreter = tf.lite.Interpreter(model_content=converted)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[:1])
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, vae.predict(x[:1], verbose=0), atol=1e-5)


# Laws of several levels and of flows ----------------------------------------------------------


def linear(inputs, outputs, kernel, bias, log_var, name):
    """Two heads of x: x K + b, and a constant log-variance."""
    x = keras.Input((inputs,))
    mean, spread = (keras.layers.Dense(outputs) for _ in range(2))
    network = keras.Model(x, [mean(x), spread(x)], name=name)
    kernel = np.array(kernel)
    mean.set_weights([kernel, np.array(bias)])
    spread.set_weights([0 * kernel, np.full(outputs, log_var)])
    return network


def gaussian_log_p(x, mean, covariance):
    return scipy.stats.multivariate_normal(mean, covariance).logpdf(x)


def test_a_linear_ladder_at_its_exact_posterior_has_log_p_as_its_bound():
    """z2 ~ N(0, 1), z1 = a z2 + s1 e, x = b z1 + s0 e: q(z1|x) and q(z2|z1) are known normals."""
    a, b, s1, s0 = 0.8, 1.3, 0.5, 0.7
    var1 = a**2 + s1**2  # of z1
    gain = b * var1 / (b**2 * var1 + s0**2)
    encoder = linear(1, 1, [[gain]], [0.0], np.log(var1 * (1 - gain * b)), "encoder")
    up = linear(1, 1, [[a / var1]], [0.0], np.log(1 - a**2 / var1), "up")
    down = linear(1, 1, [[a]], [0.0], np.log(s1**2), "down")
    z = keras.Input((1,))
    decoder = keras.Model(z, keras.layers.Dense(1)(z))
    decoder.set_weights([np.array([[b]]), np.zeros(1)])
    ladder = kinds.Ladder(encoder, decoder, up, down, likelihood=Gaussian(variance=s0**2), seed=1)
    x = np.array([[-1.0], [0.3], [2.0]], "float32")
    log_p = gaussian_log_p(x, 0.0, b**2 * var1 + s0**2)
    many = np.repeat(x, 8_000_000, axis=0)
    bound = ladder.elbo(many, batch_size=2**18).reshape(3, -1).mean(axis=1, dtype="float64")
    np.testing.assert_allclose(bound, log_p, atol=1e-3)
    np.testing.assert_allclose(ladder.log_likelihood(x, 3), log_p, atol=1e-3)
    ladder.up.layers[1].bias.assign([0.5])  # counterexample: no longer the posterior
    assert np.all(ladder.elbo(many[::1000]).reshape(3, -1).mean(axis=1) < log_p - 0.05)
    np.testing.assert_allclose(ladder.log_likelihood(x, 5000), log_p, atol=0.05)


def test_an_affine_flow_at_the_exact_posterior_has_log_p_as_its_bound():
    """The posterior has a full covariance, and every draw gives log p(x)."""

    class Affine(Distribution):
        def __init__(self, base, shift, scale):
            self.base, self.shift, self.scale = base, shift, scale

        def sample_and_log_prob(self, seed, shape=None):
            z0 = self.base.sample(seed)
            log_det = np.log(np.abs(np.linalg.det(self.scale)))
            return self.shift + z0 @ self.scale.T, self.base.log_prob(z0) - log_det

    loadings, variance = np.array([[1.0, 0.6], [0.2, -0.9], [0.5, 0.5]], "float32"), 0.4
    covariance = np.linalg.inv(np.eye(2) + loadings.T @ loadings / variance)
    factor = np.linalg.cholesky(covariance).astype("float32")  # not diagonal
    to_mean = (loadings @ covariance / variance).astype("float32")

    class AffineVAE(VAE):
        def posterior(self, x, condition=None, training=False):
            zeros = keras.ops.zeros((keras.ops.shape(x)[0], 2))
            return Affine(Normal(zeros, zeros), keras.ops.matmul(x, to_mean), factor)

    x, z = keras.Input((3,)), keras.Input((2,))
    encoder = keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)])
    decoder = keras.Model(z, keras.layers.Dense(3, use_bias=False)(z))
    decoder.set_weights([loadings.T])
    vae = AffineVAE(encoder, decoder, likelihood=Gaussian(variance=variance), seed=1)
    data = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    log_p = gaussian_log_p(data, np.zeros(3), loadings @ loadings.T + variance * np.eye(3))
    np.testing.assert_allclose(vae.elbo(data), log_p, atol=1e-3)  # for every single draw
    np.testing.assert_allclose(vae.log_likelihood(data, 5), log_p, atol=1e-3)
    diagonal = VAE(encoder, decoder, likelihood=Gaussian(variance=variance), seed=1)
    assert np.all(diagonal.elbo(data) < log_p)  # counterexample


def test_a_ladder_has_two_levels_and_the_top_one_is_its_code(x):
    ladder = kinds.ladder()
    assert ladder.signature.latent_shapes == [(4,), (2,)]
    assert ladder.encode(x).shape == ladder.encode(x, level=1).shape == (300, 2)
    assert ladder.encode(x, level=0).shape == (300, 4)
    z1 = ladder.encode(x, level=0)
    np.testing.assert_allclose(ladder.reconstruct(x), ladder.likelihood(z1).mean, atol=1e-5)
    z1 = ladder.down(ladder.encode(x))[0]  # decode uses the means of the lower priors
    np.testing.assert_allclose(
        ladder.decode(ladder.encode(x)), ladder.likelihood(z1).mean, atol=1e-5
    )
    np.testing.assert_array_equal(ladder.generate(20, seed=1), ladder.generate(20, seed=1))
    prior = priors.StandardNormal()
    drawn = ladder.generate(2000, seed=1), ladder.decode(prior.distribution().sample(1, (2000, 2)))
    assert drawn[0].std() > drawn[1].std()  # generate draws z1, decode takes its mean


@pytest.mark.parametrize("name", ["ladder", "flow", "vamp", "semi-supervised", "missing"])
def test_the_bound_is_below_log_p_and_rises_with_the_number_of_samples(digits, name):
    make, data = kinds.KINDS[name]
    model, (x, *y) = make(), data(*digits)
    model.compile("adam")
    model.fit(x, *y, epochs=4, verbose=0)
    if name == "semi-supervised":  # slow, since it sums over every class
        x, y = x[:60], [labels[:60] for labels in y]
    reading = {"condition": y[0]} if y else {}
    bounds = [model.log_likelihood(x, k, seed=1, **reading).mean() for k in (1, 16, 200)]
    assert np.all(np.diff(bounds) > -0.01)
    assert bounds[-1] > bounds[0] + 0.05
    assert model.elbo(x, **reading).mean() < bounds[-1]
