"""The conditional VAE: every distribution reads a condition.

encoder, decoder = networks.dense(x.shape[1:], latent_dim=2, condition=10)
vae = ConditionalVAE(encoder, decoder)
vae.compile("adam")
vae.fit(x, y)
vae.generate(10, condition=np.arange(10)), vae.predict(x, condition=y)
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, ConditionalVAE, networks, optimizers, priors
from tests.conftest import weights_of


def make(condition=10, prior="standard_normal", compiled=True, model=ConditionalVAE, **arguments):
    """A small model for 8 x 8 images; the same arguments give the same weights."""
    keras.utils.set_random_seed(0)
    networks_ = networks.dense((8, 8, 1), 2, hidden=(24,), condition=condition, **arguments)
    vae = model(*networks_, prior=prior, seed=3)
    if compiled:
        vae.compile(optimizers.Adam(), steps_per_execution=8)
    return vae


@pytest.fixture(scope="module")
def trained(digits):
    """A model with a learned p(z|c), a mixture of two normals for each class."""
    vae = make(prior=priors.Mixture(2, components=2, condition=10))
    vae.fit(*digits, epochs=40, verbose=0)
    return vae


def test_with_a_constant_condition_it_equals_a_vae_with_the_same_weights(x):
    """A one-hot vector of one class is a constant 1, so its row of weights adds to the bias."""
    conditional, vae = make(condition=1), make(condition=None, model=VAE)
    for network in ("encoder", "decoder"):
        theirs, ours = (getattr(model, network) for model in (conditional, vae))
        kernel, *others = theirs.get_weights()
        others[0] = others[0] + kernel[-1]
        ours.set_weights([kernel[:-1], *others])
    constant = np.zeros(len(x), int)
    np.testing.assert_allclose(conditional.elbo(x, condition=constant), vae.elbo(x), rtol=1e-5)
    np.testing.assert_allclose(
        conditional.log_likelihood(x, 20, condition=constant), vae.log_likelihood(x, 20), rtol=1e-5
    )
    np.testing.assert_allclose(
        conditional.generate(5, seed=1, condition=0), vae.generate(5, seed=1), atol=1e-6
    )
    another = conditional.decoder.get_weights()  # counterexample: the row matters
    another[0][-1] += 1
    conditional.decoder.set_weights(another)
    assert not np.allclose(conditional.elbo(x, condition=constant), vae.elbo(x), rtol=1e-5)


def test_a_prior_fixed_to_the_standard_normal_equals_the_plain_prior(digits):
    x, y = digits
    fixed = make(prior=priors.Mixture(2, condition=10, trainable=False))
    plain = make()
    for vae in (fixed, plain):
        vae.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(fixed.elbo(x, condition=y), plain.elbo(x, condition=y))
    np.testing.assert_array_equal(
        fixed.generate(5, seed=1, condition=3), plain.generate(5, seed=1, condition=3)
    )
    learned = make(prior=priors.Mixture(2, condition=10))  # counterexample: a trainable prior moves
    learned.fit(x, y, epochs=1, verbose=0)
    assert np.abs(learned.prior_layer.kernel).max() > 0


def test_log_likelihood_of_each_class_equals_quadrature_over_the_latents(trained, digits):
    """log p(x|c) = log of the integral of p(x|z, c) p(z|c) over a grid in the plane."""
    x, y = digits
    step = 0.05
    line = np.arange(-7, 7, step)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype("float32")
    errors = {}
    for label in range(10):
        c = np.full(len(grid), label)
        some = x[y == label][:5]
        log_p_z = np.array(trained.prior(c).log_prob(grid)) + 2 * np.log(step)
        assert np.logaddexp.reduce(log_p_z) == pytest.approx(0, abs=0.01)  # the grid covers p(z|c)
        p_x = trained.likelihood(grid, c)
        exact = [np.logaddexp.reduce(np.array(p_x.log_prob(one[None])) + log_p_z) for one in some]
        estimate = trained.log_likelihood(some, 4000, condition=c[: len(some)])
        errors[label] = np.abs(estimate - exact).mean()
        wrong = trained.log_likelihood(some, 100, condition=np.full(len(some), (label + 1) % 10))
        assert np.abs(wrong - exact).mean() > 0.5
    assert max(errors.values()) < 0.05, errors


@pytest.mark.parametrize("embedding", [None, 4], ids=["one-hot", "embedding"])
def test_permuting_the_classes_with_their_weights_changes_nothing(digits, embedding):
    x, y = digits
    prior = priors.Mixture(2, components=2, condition=10)
    vae = make(prior=prior, embedding=embedding)
    vae.fit(x, y, epochs=1, verbose=0)
    before = vae.elbo(x, condition=y)
    images = vae.generate(10, seed=1, condition=np.arange(10))
    new_label = np.random.default_rng(0).permutation(10)  # new_label[old label]
    old_label = np.argsort(new_label)
    prior.kernel.assign(np.array(prior.kernel)[old_label])
    for network in (vae.encoder, vae.decoder):
        if embedding:
            table = network.get_layer("embedding").embeddings
            table.assign(np.array(table)[old_label])
        else:
            kernel = network.get_layer("hidden_1").kernel
            rows = np.array(kernel)
            rows[-10:] = rows[-10:][old_label]
            kernel.assign(rows)
    np.testing.assert_allclose(vae.elbo(x, condition=new_label[y]), before, rtol=1e-5)
    np.testing.assert_allclose(vae.generate(10, seed=1, condition=new_label), images, atol=1e-5)
    assert not np.allclose(vae.elbo(x, condition=y), before, rtol=1e-5)


def test_every_distribution_reads_the_condition(trained, digits):
    x, y = digits
    other = (y + 1) % 10
    for noun, given in (
        (trained.posterior, x),
        (trained.likelihood, trained.encode(x, condition=y)),
    ):
        assert not np.allclose(noun(given, y).mean, noun(given, other).mean, atol=1e-3)
    assert not np.allclose(trained.prior(y).mean, trained.prior(other).mean, atol=1e-3)
    assert trained.elbo(x, condition=y).mean() > trained.elbo(x, condition=other).mean() + 2


def test_the_most_probable_class_is_the_label(trained, digits):
    """log p(x|c) over the classes is a classifier; chance is 0.1."""
    x, y = digits
    bounds = [trained.elbo(x, condition=np.full(len(x), label)) for label in range(10)]
    assert np.mean(np.argmax(bounds, axis=0) == y) > 0.75


def test_a_condition_is_given_for_all_rows_or_for_each(trained):
    whole = trained.generate(200, seed=1, condition=4)
    assert whole.shape == (200, 8, 8, 1)
    np.testing.assert_array_equal(whole, trained.generate(200, seed=1, condition=[4] * 200))
    three = trained.generate(3, seed=1, condition=[4, 4, 4])
    np.testing.assert_allclose(whole[:3], three, atol=1e-6)
    z = np.zeros((3, 2))
    images = trained.decode(z, condition=4)
    np.testing.assert_array_equal(images, trained.decode(z, condition=[4, 4, 4]))
    np.testing.assert_allclose(images[0], images[1])


def test_draws_from_the_posterior_have_its_mean_and_spread(trained, digits):
    x, y = digits
    many = np.repeat(x[:1], 4000, axis=0)
    c = np.repeat(y[:1], 4000)
    draws = trained.encode(many, condition=c, sample=True, seed=2)
    q = trained.posterior(x[:1], y[:1])
    std = np.exp(0.5 * np.array(q.log_var))
    np.testing.assert_allclose(draws.mean(axis=0), q.mean[0], atol=4 * std.max() / 4000**0.5)
    np.testing.assert_allclose(draws.std(axis=0), std[0], rtol=0.1)
    again = trained.encode(many, condition=c, sample=True, seed=2, batch_size=128)
    np.testing.assert_allclose(draws, again, atol=1e-5)


def test_a_mixture_fitted_to_the_latents_generates_and_tightens_the_bound(digits, tmp_path):
    """The aggregate of q(z|x, c) is not N(0, I). A mixture as prior is saved with its model."""
    x, y = digits
    vae = make()
    vae.fit(x, y, epochs=15, verbose=0)
    mixture = priors.Mixture(2, components=2, condition=10)
    mixture.fit(vae.encode(x, condition=y, sample=True), y)
    better = ConditionalVAE(vae.encoder, vae.decoder, prior=mixture, seed=3)
    arguments = {"seed": 1, "condition": y[:20]}
    images = vae.generate(20, latents=mixture, **arguments)
    assert not np.allclose(images, vae.generate(20, **arguments), atol=0.01)
    np.testing.assert_array_equal(images, better.generate(20, **arguments))
    graphs = len(vae._compiled_verbs)
    vae.generate(20, latents=priors.Mixture(2), **arguments)
    assert len(vae._compiled_verbs) == graphs, "each mixture has a graph of its own"
    np.testing.assert_array_equal(images, vae.generate(20, latents=mixture, **arguments))
    bounds = [model.log_likelihood(x, 50, condition=y).mean() for model in (vae, better)]
    assert bounds[1] > bounds[0] + 0.2
    better.save(tmp_path / "better.keras")
    again = keras.models.load_model(tmp_path / "better.keras")
    np.testing.assert_array_equal(images, again.generate(20, **arguments))


def conditional(build, condition):
    keras.utils.set_random_seed(0)
    size = {"hidden": (24,)} if build == "dense" else {"filters": (8,), "hidden": (16,)}
    network = getattr(networks, build)((8, 8, 1), 2, condition=condition, **size)
    vae = ConditionalVAE(*network, seed=1)
    vae.compile("adam", steps_per_execution=8)
    return vae


@pytest.mark.parametrize("build", ["dense", "conv"])
def test_labels_equal_one_hot_vectors(digits, build):
    x, y = digits
    vectors = np.eye(10)[y]
    by_vector, by_label = conditional(build, (10,)), conditional(build, 10)
    by_vector.fit(x, vectors, epochs=1, verbose=0)
    by_label.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_allclose(
        by_vector.elbo(x, condition=vectors), by_label.elbo(x, condition=y), rtol=1e-5
    )
    images = by_vector.generate(3, seed=1, condition=vectors[0])  # one for all
    np.testing.assert_allclose(
        images, by_vector.generate(3, seed=1, condition=vectors[[0, 0, 0]]), atol=1e-6
    )


@pytest.mark.parametrize("build", ["dense", "conv"])
def test_images_can_be_conditions(digits, build):
    """The condition is the upper half of a digit; its own half explains it best."""
    x, _ = digits
    halves = x * (np.arange(8) < 4)[:, None, None]
    vae = conditional(build, (8, 8, 1))
    vae.fit(x, halves, epochs=12, verbose=0, validation_data=(x[:50], halves[:50]))
    bound = vae.elbo(x, condition=halves).mean()
    assert bound > vae.elbo(x, condition=np.roll(halves, 1, axis=0)).mean() + 0.5
    assert vae.generate(3, seed=1, condition=halves[0]).shape == (3, 8, 8, 1)
    assert vae.predict(x, condition=halves, verbose=0).shape == x.shape


def test_a_decoder_alone_may_read_the_condition(digits):
    """The Introduction's model: q(z|x), p(x|z, c)."""
    encoder, _ = networks.dense((8, 8, 1), 2)
    _, decoder = networks.dense((8, 8, 1), 2, condition=10)
    vae = ConditionalVAE(encoder, decoder, seed=1)
    x, y = digits
    assert vae.elbo(x, condition=y).shape == (300,)
    np.testing.assert_array_equal(vae.encode(x, condition=y), vae.encode(x, condition=y * 0))
    assert not np.allclose(vae.elbo(x, condition=y), vae.elbo(x, condition=y * 0))


def own_encoder(condition, read):
    """An encoder whose condition goes through the function `read`."""
    x = keras.Input((8, 8, 1))
    h = keras.layers.Concatenate()([keras.layers.Flatten()(x), read(condition)])
    return keras.Model([x, condition], [keras.layers.Dense(2)(h) for _ in range(2)])


def test_the_decoder_tells_the_number_of_classes_if_the_encoder_does_not():
    encoder = own_encoder(keras.Input((), dtype="int32"), lambda c: keras.ops.one_hot(c, 10))
    vae = ConditionalVAE(encoder, networks.dense((8, 8, 1), 2, condition=10)[1])
    assert vae.signature.condition == 10
    with pytest.raises(ValueError, match="has labels from 10 to 10"):
        vae.generate(1, condition=10)


def test_several_labels_for_each_example_are_a_vector(digits, tmp_path):
    x, y = digits
    attributes = np.stack([y, y % 2, y // 5], axis=1)
    embed = keras.Sequential([keras.layers.Embedding(10, 4), keras.layers.Flatten()])
    encoder = own_encoder(keras.Input((3,), dtype="int32"), embed)
    vae = ConditionalVAE(encoder, networks.dense((8, 8, 1), 2, condition=(3,))[1])
    vae.compile("adam")
    vae.fit(x, attributes, verbose=0)
    assert vae.generate(2, condition=attributes[0]).shape == (2, 8, 8, 1)


def test_a_single_number_can_be_a_condition(digits, tmp_path):
    x, y = digits
    encoder = own_encoder(keras.Input(()), lambda c: keras.ops.expand_dims(c, -1))
    vae = ConditionalVAE(encoder, networks.dense((8, 8, 1), 2)[1])
    vae.compile("adam")
    vae.fit(x, x.mean(axis=(1, 2, 3)), verbose=0)
    assert vae.generate(2, condition=0.3).shape == (2, 8, 8, 1)
    with pytest.raises(ValueError, match=r"has shape \(300, 10\); expected \(n,\)"):
        vae.fit(x, np.eye(10)[y], verbose=0)
    vae.export(tmp_path / "served", verbose=False)


@keras.saving.register_keras_serializable(package="test")
class ReadsLabels(keras.Model):
    """A subclassed network with unknown inputs and sizes; it reads [x or z, condition]."""

    def __init__(self, shapes, **kwargs):
        super().__init__(**kwargs)
        self.shapes = shapes
        self.flatten = keras.layers.Flatten()
        self.embed = keras.layers.Embedding(10, 3)
        self.heads = [keras.layers.Dense(int(np.prod(shape))) for shape in shapes]

    def call(self, inputs):
        first, condition = inputs
        h = keras.ops.concatenate(
            [self.flatten(first), self.embed(tf.argmax(tf.one_hot(condition, 10), axis=-1))],
            axis=-1,
        )
        outputs = [
            keras.ops.reshape(head(h), (-1, *shape))
            for head, shape in zip(self.heads, self.shapes, strict=True)
        ]
        return outputs if len(outputs) > 1 else outputs[0]

    def get_config(self):
        return {**super().get_config(), "shapes": self.shapes}


def test_a_verb_builds_a_decoder_of_unknown_shape():
    encoder, _ = networks.dense((8, 8, 1), 2, condition=10)
    for verb in ("generate", "decode"):
        vae = ConditionalVAE(encoder, ReadsLabels([(8, 8, 1)]))
        given = 3 if verb == "generate" else np.zeros((3, 2))
        assert getattr(vae, verb)(given, condition=5).shape == (3, 8, 8, 1)


def test_a_prior_of_another_size_is_refused_once_the_networks_are_built(digits):
    vae = ConditionalVAE(
        ReadsLabels([(3,), (3,)]), ReadsLabels([(8, 8, 1)]), prior=priors.Mixture(1)
    )
    vae.compile("adam")
    with pytest.raises(ValueError, match="prior is over 1 latents, but decoder takes"):
        vae.fit(*digits, verbose=0)


def test_networks_of_unknown_shape_receive_the_condition(digits, tmp_path):
    x, y = digits
    vae = ConditionalVAE(ReadsLabels([(2,), (2,)]), ReadsLabels([(8, 8, 1)]), seed=1)
    vae.compile("adam")
    with pytest.raises(ValueError, match="call the model on a batch first"):
        vae.fit(unknown(x, y), verbose=0)
    vae.fit(x, y, epochs=1, verbose=0)
    assert vae.generate(3, condition=5).shape == (3, 8, 8, 1)
    with pytest.raises(ValueError, match="has labels from 12 to 12"):
        vae.generate(3, condition=12, latents=priors.Mixture(2, condition=10))
    vae.export(tmp_path / "served", verbose=False)
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    for model in (vae, again):
        model.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(weights_of(vae), weights_of(again))


@pytest.mark.parametrize("kind", ["arrays", "dataset", "generator"])
def test_every_kind_of_data_can_hold_the_condition(digits, kind):
    x, y = digits

    def data():
        pairs = tf.data.Dataset.from_tensor_slices((x, y)).batch(50)
        return pairs if kind == "dataset" else (pair for pair in pairs.as_numpy_iterator())

    vae = make()
    if kind == "arrays":
        vae.fit(x, y, verbose=0, validation_split=0.1)
        losses = vae.evaluate(x, y, batch_size=128, verbose=0, return_dict=True)
        assert losses["elbo"] == pytest.approx(vae.elbo(x, condition=y).mean(), abs=0.5)
        reconstructions = vae.predict(x, condition=y, verbose=0)
    else:
        vae.fit(data(), verbose=0)
        reconstructions = vae.predict(data(), verbose=0)
    np.testing.assert_allclose(
        reconstructions, vae.decode(vae.encode(x, condition=y), condition=y), atol=1e-6
    )


def batched(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(50)


def unknown(*arrays):
    """A dataset of unknown size, which is checked when the step is traced."""
    return batched(*arrays).filter(lambda *_: True)


NEEDS = "This model reads a condition, and there is none"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda vae, x, y: vae.fit(x, verbose=0), NEEDS),
        (lambda vae, x, y: vae.fit(x, y, validation_data=x, verbose=0), NEEDS),
        (lambda vae, x, y: vae.evaluate(x, verbose=0), NEEDS),
        (lambda vae, x, y: vae.predict(x, verbose=0), NEEDS),
        (lambda vae, x, y: vae(x), NEEDS),
        (lambda vae, x, y: vae.encode(x), NEEDS),
        (lambda vae, x, y: vae.decode(np.zeros((3, 2))), NEEDS),
        (lambda vae, x, y: vae.generate(3), NEEDS),
        (lambda vae, x, y: vae.elbo(x), NEEDS),
        (lambda vae, x, y: vae.log_likelihood(x, 2), NEEDS),
        (
            lambda vae, x, y: vae.fit(x, y + 1, verbose=0),
            "the condition, has labels from 1 to 10; ",
        ),
        (lambda vae, x, y: vae.encode(x, condition=y - 1), "from -1 to 8; expected 0 to 9"),
        (lambda vae, x, y: vae.fit(x, y * 1.0, verbose=0), "holds floats; expected"),
        (lambda vae, x, y: vae.posterior(x), NEEDS),
        (lambda vae, x, y: vae.likelihood(np.zeros((3, 2))), NEEDS),
        (lambda vae, x, y: vae.predict(x, y), "batch_size is an array; .* as condition=, by name"),
        (lambda vae, x, y: vae.log_likelihood(x, y), "num_samples is an array"),
        (lambda vae, x, y: vae.fit(batched(x, y), y), "y goes with an array x"),
        (lambda vae, x, y: vae.fit(unknown(x, y[:, None])), r"shape \(None, 1\); expected \(n,\)"),
        (lambda vae, x, y: vae.fit(unknown(x, y + 0.7)), "holds floats"),
        (
            lambda vae, x, y: vae.fit(x, np.eye(10)[y], verbose=0),
            r"shape \(300, 10\); .*a label each",
        ),
        (lambda vae, x, y: vae.encode(x, condition=y[:3]), "condition has 3 rows; expected 300"),
        (lambda vae, x, y: vae.generate(3, condition=[1, 2]), "condition has 2 rows; expected 3"),
        (lambda vae, x, y: vae.generate(3, condition=10), "has labels from 10 to 10"),
        (
            lambda vae, x, y: vae.generate(3, condition=1, latents=priors.Mixture(3)),
            r"latents is over 3 latents, but decoder takes \(2,\)",
        ),
        (
            lambda vae, x, y: vae.generate(3, condition=1, latents=priors.Mixture(2, condition=7)),
            "latents reads condition=7, but the networks read condition=10",
        ),
    ],
)
def test_bad_conditions_are_refused_and_lose_nothing(digits, call, message):
    vae = make()
    before = weights_of(vae)
    with pytest.raises(ValueError, match=message):
        call(vae, *digits)
    np.testing.assert_array_equal(weights_of(vae), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda vae, x, y: vae.predict(tf.data.Dataset.from_tensors(x), condition=y), "gives"),
        (lambda vae, x, y: vae.generate(3, condition=1, latents=np.zeros((3, 2))), "priors layer"),
        (lambda vae, x, y: make(condition=None, model=VAE).encode(x, condition=y), "reads no"),
    ],
)
def test_bad_conditions_are_refused_by_type(digits, call, message):
    with pytest.raises(TypeError, match=message):
        call(make(), *digits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"condition": None}, "Neither encoder nor decoder nor prior of this ConditionalVAE"),
        ({"model": VAE}, "encoder has 2 inputs; this model gives it 1. A ConditionalVAE"),
        ({"prior": priors.Mixture(2, condition=3)}, "prior reads condition=3, but the networks"),
        ({"condition": None, "prior": priors.Mixture(2)}, "Neither encoder nor decoder nor prior"),
        (
            {"condition": None, "model": VAE, "prior": priors.Mixture(2, condition=3)},
            "prior reads a condition, which this model does not give it",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_when_the_model_is_made(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_networks_with_dict_inputs_are_refused():
    x, c = keras.Input((4,), name="x"), keras.Input((3,), name="c")
    h = keras.layers.Concatenate()([x, c])
    encoder = keras.Model({"x": x, "c": c}, [keras.layers.Dense(2)(h) for _ in range(2)])
    with pytest.raises(ValueError, match=r"encoder takes a dict, \['c', 'x'\]; build it of a list"):
        ConditionalVAE(encoder, networks.dense(4, 2, condition=(3,))[1])


def test_two_networks_with_different_conditions_are_refused():
    encoder, _ = networks.dense((8, 8, 1), 2, condition=10)
    for other in (9, (10,)):
        _, decoder = networks.dense((8, 8, 1), 2, condition=other)
        with pytest.raises(ValueError, match="encoder reads condition=10, decoder condition="):
            ConditionalVAE(encoder, decoder)


def test_predict_in_steps_gives_every_row(trained, digits):
    x, y = digits
    whole = trained.predict(x, condition=y, verbose=0)
    np.testing.assert_allclose(
        trained.predict(x, condition=y, steps=2, verbose=0), whole, atol=1e-6
    )


def test_class_weights_count_only_in_training(digits):
    x, y = digits
    losses = []
    for class_weight in (None, {0: 100.0, 1: 0.01}):
        vae = make(compiled=False)
        vae.compile(keras.optimizers.SGD(0.0))
        arguments = {"class_weight": class_weight, "validation_split": 0.3, "verbose": 0}
        losses.append(vae.fit(x, y, **arguments).history)
    assert losses[0]["val_loss"] == losses[1]["val_loss"]
    assert abs(losses[0]["loss"][0] - losses[1]["loss"][0]) > 1e-3


def test_a_prior_that_reads_vectors_trains_in_half_precision(digits):
    x, y = digits
    keras.config.set_dtype_policy("bfloat16")
    try:
        vae = make(condition=(10,), prior=priors.Mixture(2, 2, condition=(10,)))
    finally:
        keras.config.set_dtype_policy("float32")
    history = vae.fit(x, np.eye(10)[y], epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_the_export_reads_the_condition(trained, digits, tmp_path):
    x, y = digits
    trained.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    images = served.serve([x[:5], y[:5].astype("int32")])
    np.testing.assert_allclose(
        images, trained.predict(x[:5], condition=y[:5], verbose=0), atol=1e-6
    )
