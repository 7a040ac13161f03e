"""Bad input raises an error of one clear sentence, and changes neither weights nor model."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from keras_vae import VAE, networks
from keras_vae.likelihoods import Gaussian
from tests.conftest import weights_of

NAN = np.full((4, 8, 8, 1), np.nan)


def check_is_one_sentence(error):
    """The message is short, on one line, and ends like a sentence."""
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 300
    assert text.endswith((".", ")"))


class Images(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.images[8 * index : 8 * (index + 1)]


TO_FIT = {
    "values up to 255": (
        lambda x: {"x": 255 * x},
        "values up to 255.0; a Bernoulli .* Divide by 255",
    ),
    "values below 0": (lambda x: {"x": x - 0.5}, "values down to -0.5"),
    "targets up to 255": (lambda x: {"x": x, "y": 255 * x}, "y has values up to 255"),
    "labels as targets": (lambda x: {"x": x, "y": np.arange(300)}, "Labels are no targets"),
    "no channels": (lambda x: {"x": x[..., 0]}, r"expected \(n, 8, 8, 1\)"),
    "one image": (lambda x: {"x": x[0]}, r"expected \(n, 8, 8, 1\)"),
    "another size": (lambda x: {"x": x[:, 1:]}, r"expected \(n, 8, 8, 1\)"),
    "NaN": (lambda x: {"x": NAN}, "holds NaN or infinity"),
    "one NaN": (lambda x: {"x": np.where(np.arange(64).reshape(8, 8, 1) == 5, np.nan, x)}, "NaN"),
    "one infinity": (
        lambda x: {"x": np.where(np.arange(64).reshape(8, 8, 1) == 5, np.inf, x)},
        "holds NaN or infinity",
    ),
    "infinity": (lambda x: {"x": np.inf * np.ones((4, 8, 8, 1))}, "holds NaN or infinity"),
    "NaN in the input": (lambda x: {"x": NAN, "y": x[:4]}, "x holds NaN"),
    "a sparse matrix": (
        lambda x: {"x": scipy.sparse.csr_matrix(x.reshape(300, 64))},
        "sparse matrix; expected an array",
    ),
    "a masked array": (
        lambda x: {"x": np.ma.masked_less(x, 0.1)},
        "masked array that hides values",
    ),
    "empty": (lambda x: {"x": x[:0]}, "is empty"),
    "strings": (
        lambda x: {"x": np.array(["a", "b"])},
        r"expected an array of numbers\. Turn words into",
    ),
    "a string": (lambda x: {"x": "digits"}, "expected an array of numbers"),
    "a dict": (lambda x: {"x": {"image": x}}, "x is a dict"),
    "nothing": (lambda x: {}, "x is a NoneType"),
    "other length": (lambda x: {"x": x, "y": x[:5]}, "x has 300, y has 5 rows"),
    "weights of other length": (
        lambda x: {"x": x, "sample_weight": np.ones(5)},
        "sample_weight has 5 rows",
    ),
    "weights of a pixel": (lambda x: {"x": x, "sample_weight": x}, "one weight an example"),
    "negative weights": (lambda x: {"x": x, "sample_weight": -np.ones(300)}, "never negative"),
    "class_weight": (
        lambda x: {"x": x, "class_weight": {0: 2.0}},
        "needs an array of integer labels",
    ),
    "class_weight, images as y": (
        lambda x: {"x": x, "y": x, "class_weight": {0: 2.0}},
        "needs an array of integer labels",
    ),
    "class_weight, dataset": (
        lambda x: {"x": tf.data.Dataset.from_tensor_slices(x).batch(8), "class_weight": {0: 2.0}},
        "needs an array of integer labels",
    ),
    "dataset up to 255": (
        lambda x: {"x": tf.data.Dataset.from_tensor_slices(255 * x).batch(8)},
        "values up to",
    ),
    "unbatched dataset": (
        lambda x: {"x": tf.data.Dataset.from_tensor_slices(x)},
        r"expected \(n, 8, 8, 1\)",
    ),
    "empty dataset": (
        lambda x: {"x": tf.data.Dataset.from_tensor_slices(x).take(0)},
        "is an empty dataset",
    ),
    "dict dataset": (
        lambda x: {"x": tf.data.Dataset.from_tensor_slices({"image": x}).batch(8)},
        "x is a dict",
    ),
    "both weights": (
        lambda x: {"x": x, "y": np.arange(300), "sample_weight": np.ones(300), "class_weight": {}},
        "give one",
    ),
    "PyDataset up to 255": (lambda x: {"x": Images(255 * x)}, "values up to"),
    "four arrays": (
        lambda x: {"x": tf.data.Dataset.from_tensor_slices((x, x, x[:, 0, 0, 0], x)).batch(8)},
        "is a tuple of 4",
    ),
    "weights of a pixel, size unknown": (
        lambda x: {
            "x": tf.data.Dataset.from_tensor_slices((x, x, x)).batch(8).filter(lambda *_: True)
        },
        "one weight an example",
    ),
    "validation_split of all": (lambda x: {"x": x, "validation_split": 1.0}, "both parts need"),
    "validation_split below 0": (lambda x: {"x": x, "validation_split": -0.5}, "both parts need"),
    "validation_split of a dataset": (
        lambda x: {
            "x": tf.data.Dataset.from_tensor_slices(x).batch(8),
            "validation_split": 0.5,
        },
        "only supported for",
    ),
    "validation of no kind": (
        lambda x: {"x": x, "validation_data": object()},
        "validation_data is a object",
    ),
    "validation of four": (
        lambda x: {"x": x, "validation_data": (x, x, None, x)},
        "validation_data is a tuple of 4",
    ),
    "batch_size of 0": (lambda x: {"x": x, "batch_size": 0}, "batch_size is 0"),
    "batch_size of 2.5": (lambda x: {"x": x, "batch_size": 2.5}, "batch_size is 2.5"),
    "validation up to 255": (
        lambda x: {"x": x, "validation_data": 255 * x},
        "validation_data: x has values up to 255",
    ),
    "validation dataset up to 255": (
        lambda x: {
            "x": x,
            "validation_data": tf.data.Dataset.from_tensor_slices(255 * x).batch(8),
        },
        "values up to",
    ),
}


@pytest.mark.parametrize("case", TO_FIT)
def test_fit_refuses(make_vae, x, case):
    make, message = TO_FIT[case]
    vae = make_vae()
    before = weights_of(vae)
    with pytest.raises((ValueError, TypeError), match=message) as error:
        vae.fit(**make(x), verbose=0)
    if case != "validation_split of a dataset":  # a message of Keras
        check_is_one_sentence(error)
    np.testing.assert_array_equal(weights_of(vae), before)
    assert vae.epochs_seen == 0


def test_after_many_refusals_the_same_model_trains_as_a_fresh_one(make_vae, x):
    vae, fresh = make_vae(), make_vae()
    for make, _ in TO_FIT.values():
        with pytest.raises((ValueError, TypeError)):
            vae.fit(**make(x), verbose=0)
    refused = vae.fit(x, epochs=2, verbose=0).history
    assert refused == fresh.fit(x, epochs=2, verbose=0).history


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda x: 255 * x, "Divide by 255"),
        (lambda x: x[..., 0], "expected"),
        (lambda x: NAN, "holds NaN"),
        (lambda x: x[:0], "is empty"),
        (lambda x: {"x": x}, "is a dict"),
    ],
)
def test_evaluate_refuses(make_vae, x, bad, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        make_vae().evaluate(bad(x), verbose=0)
    check_is_one_sentence(error)


SHAPES = [
    (lambda x: x[0], r"expected \(n, 8, 8, 1\)"),
    (lambda x: x[:, :7], r"expected \(n, 8, 8, 1\)"),
    (lambda x: x.reshape(-1, 64), r"expected \(n, 8, 8, 1\)"),
    (lambda x: x[:0], "is empty"),
    (lambda x: NAN, "holds NaN"),
    (lambda x: ["a"], "expected an array of numbers"),
]


@pytest.mark.parametrize("verb", ["encode", "predict", "elbo", "log_likelihood"])
@pytest.mark.parametrize(("bad", "message"), SHAPES)
def test_verbs_refuse(make_vae, x, verb, bad, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        getattr(make_vae(), verb)(bad(x))
    check_is_one_sentence(error)


@pytest.mark.parametrize("verb", ["encode", "elbo", "log_likelihood", "reconstruct"])
def test_a_verb_says_how_to_use_it_on_a_dataset(make_vae, x, verb):
    vae, dataset = make_vae(), tf.data.Dataset.from_tensor_slices(x).batch(77)
    with pytest.raises(TypeError, match=r"call it for each batch: np\.concatenate") as error:
        getattr(vae, verb)(dataset)
    check_is_one_sentence(error)
    rows = np.concatenate([vae.encode(x) for x in dataset])
    np.testing.assert_allclose(rows, vae.encode(x), atol=1e-6)


@pytest.mark.parametrize("bad", [None, {}, 3])
def test_predict_refuses_an_object_that_is_not_data(make_vae, bad):
    with pytest.raises((ValueError, TypeError), match="expected an array of examples") as error:
        make_vae().predict(bad)
    check_is_one_sentence(error)


def test_one_step_methods_refuse(make_vae, x):
    vae = make_vae()
    before = weights_of(vae)
    for step in (vae.train_on_batch, vae.test_on_batch):
        with pytest.raises(ValueError, match="Divide by 255"):
            step(255 * x)
    np.testing.assert_array_equal(weights_of(vae), before)


@pytest.mark.parametrize("verb", ["elbo", "log_likelihood"])
def test_densities_refuse_values_outside_the_support(make_vae, x, verb):
    with pytest.raises(ValueError, match="Divide by 255"):
        getattr(make_vae(), verb)(255 * x)


@pytest.mark.parametrize("verb", ["encode", "reconstruct", "elbo", "log_likelihood"])
def test_bytes_are_never_taken_for_values_in_the_unit_interval(make_vae, x, verb):
    with pytest.raises(ValueError, match=r"values up to 255.*Divide by 255"):
        getattr(make_vae(), verb)((255 * x).astype("uint8"))
    assert len(make_vae().encode(1.3 * x)) == len(x)  # a noisy input


@pytest.mark.parametrize("bad", [np.zeros(2), np.zeros((3, 5)), np.full((3, 2), np.nan), []])
def test_decode_refuses(make_vae, bad):
    with pytest.raises(ValueError, match=r"expected \(n, 2\)|holds NaN|is empty") as error:
        make_vae().decode(bad)
    check_is_one_sentence(error)


@pytest.mark.parametrize("bad", [-1, 0, 2.5, "3", True])
def test_bad_counts_are_refused(make_vae, x, bad):
    vae = make_vae()
    for call in (
        lambda: vae.generate(bad),
        lambda: vae.log_likelihood(x, num_samples=bad),
        lambda: vae.log_likelihood(x, batch_size=bad),
        lambda: vae.encode(x, batch_size=bad),
    ):
        with pytest.raises(ValueError, match="expected an int of at least 1") as error:
            call()
        check_is_one_sentence(error)


@pytest.mark.parametrize("bad", [(1, 2), (1,), -1, 2**32, 1.5, "a"])
def test_bad_seeds_are_refused(make_vae, x, bad):
    vae = make_vae()
    for call in (
        lambda: vae.elbo(x, seed=bad),
        lambda: vae.encode(x, sample=True, seed=bad),
        lambda: vae.log_likelihood(x, seed=bad),
        lambda: vae.generate(3, seed=bad),
    ):
        with pytest.raises(ValueError, match=r"seed is .*expected an int") as error:
            call()
        check_is_one_sentence(error)


def test_a_condition_is_refused_by_a_model_that_reads_none(make_vae, x):
    vae, labels = make_vae(), np.zeros(300)
    for call in (
        lambda: vae.encode(x, condition=labels),
        lambda: vae.predict(x, condition=labels),
        lambda: vae.decode(np.zeros((300, 2)), condition=labels),
        lambda: vae.generate(300, condition=labels),
        lambda: vae.elbo(x, condition=labels),
        lambda: vae.log_likelihood(x, condition=labels),
    ):
        with pytest.raises(TypeError, match="reads no condition"):
            call()


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), None, "a"])
def test_a_bad_beta_is_refused(make_vae, bad):
    with pytest.raises(ValueError, match="beta is"):
        make_vae(beta=bad)
    vae = make_vae()
    with pytest.raises(ValueError, match="beta is"):
        vae.beta = bad
    assert float(vae.beta) == 1


def make_networks(outputs=2, units=(2, 2), z=2, last=None, size=64):
    """A pair of networks; each argument can make it invalid."""
    x, code = keras.Input((8, 8, 1)), keras.Input((z,))
    flat = keras.layers.Flatten()(x)
    heads = [keras.layers.Dense(n)(flat) for n in (*units, 2)[:outputs]]
    pixels = keras.layers.Dense(size, activation=last)(code)
    shape = (8, 8, size // 64)
    return keras.Model(x, heads), keras.Model(code, keras.layers.Reshape(shape)(pixels))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": 1}, "encoder has 1 output;.*two outputs.*leave sampling out"),
        ({"outputs": 3}, "encoder has 3 outputs"),
        ({"units": (2, 3)}, "they must be equal"),
        ({"z": 3}, r"latents of shape \(2,\), but decoder takes \(3,\)"),
        ({"size": 128}, r"decoder gives shape \(8, 8, 2\).*needs \(8, 8, 1\)"),
        ({"last": "sigmoid"}, "ends in a sigmoid, but a Bernoulli likelihood needs logits"),
        ({"last": "softmax"}, "ends in a softmax"),
    ],
)
def test_networks_that_do_not_fit_are_refused_when_the_model_is_made(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        VAE(*make_networks(**arguments))
    check_is_one_sentence(error)


def test_a_sigmoid_is_found_as_a_separate_layer_and_in_a_sequential():
    encoder, _ = make_networks()
    for last in (keras.layers.Activation("sigmoid"), keras.layers.Softmax()):
        decoder = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(64), last, keras.layers.Reshape((8, 8, 1))]
        )
        with pytest.raises(ValueError, match="needs logits"):
            VAE(encoder, decoder)
    VAE(*make_networks(last="sigmoid"), likelihood="gaussian")  # a mean in [0, 1] is fine


def test_a_sigmoid_operation_is_found_only_as_the_last_activation():
    encoder, _ = make_networks()
    z = keras.Input((2,))
    h = keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16)(z))
    grown = keras.layers.UpSampling2D(2)
    for last in (keras.ops.sigmoid(grown(h)), grown(keras.activations.sigmoid(h))):
        with pytest.raises(ValueError, match="needs logits"):
            VAE(encoder, keras.Model(z, last))
    VAE(encoder, keras.Model(z, grown(keras.ops.sigmoid(h) * 8 - 4)))  # logits in (-4, 4)


def test_an_encoder_that_returns_a_dict_is_refused():
    x = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(x)
    names = ("z_mean", "z_log_var")
    encoder = keras.Model(x, {name: keras.layers.Dense(2)(flat) for name in names})
    with pytest.raises(ValueError, match="gives a dict"):
        VAE(encoder, make_networks()[1])


def test_a_decoder_of_means_is_refused_where_variances_are_needed():
    with pytest.raises(ValueError, match=r"needs \(8, 8, 2\)"):
        VAE(*make_networks(), likelihood=Gaussian(variance="decoder"))


@pytest.mark.parametrize("bad", ["encoder", None, lambda x: x])
def test_an_object_that_is_not_a_network_is_refused(bad):
    encoder, decoder = make_networks()
    with pytest.raises(TypeError, match=r"expected a keras\.Model"):
        VAE(bad, decoder)
    with pytest.raises(TypeError, match=r"expected a keras\.Model"):
        VAE(encoder, bad)


@pytest.mark.parametrize("argument", [{"likelihood": "poisson"}, {"prior": "flat"}])
def test_unknown_names_are_refused(argument):
    with pytest.raises(ValueError, match="expected one of"):
        VAE(*make_networks(), **argument)


@pytest.mark.parametrize("bad", [1.5, "1", -1, 2**63])
def test_a_bad_seed_is_refused(bad):
    with pytest.raises(ValueError, match="seed is"):
        VAE(*networks.dense((8, 8, 1), 2), seed=bad)
    with pytest.raises(ValueError, match="seed is"):
        VAE(*networks.dense((8, 8, 1), 2)).generate(1, seed=bad)


def test_a_model_that_is_not_compiled_is_refused(x):
    vae = VAE(*networks.dense((8, 8, 1), 2))
    for call in (vae.fit, vae.evaluate):
        with pytest.raises(ValueError, match="is not compiled; call compile"):
            call(x)
    vae.compile(optimizer=None)
    with pytest.raises(ValueError, match="without an optimizer"):
        vae.fit(x)


def test_an_objective_with_other_names_than_loss_names_is_refused(x):
    class Forgetful(VAE):
        def objective(self, x, y=None, training=False):
            return {**super().objective(x, y, training), "extra": x[:, 0, 0, 0]}

    vae = Forgetful(*networks.dense((8, 8, 1), 2))
    vae.compile("adam")
    with pytest.raises(ValueError, match="loss_names is"):
        vae.fit(x, verbose=0)


# Errors of a subclass -----------------------------------------------------------------------


def make_subclass(**methods):
    vae = type("Wrong", (VAE,), methods)(*networks.dense((8, 8, 1), 2, hidden=(4,)))
    vae.compile("adam")
    return vae


def objective_with(**wrong):
    def objective(self, x, y=None, training=False):
        terms = VAE.objective(self, x, y, training)
        return {**terms, **{name: function(terms[name]) for name, function in wrong.items()}}

    return objective


def split(first, second):
    return lambda self: {
        "loss": first(self.trainable_variables),
        "kl_loss": second(self.trainable_variables),
    }


ops = keras.ops


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (
            {"regulariser": lambda self, q, p, z, divergence: ops.sum(divergence)},
            r"the regulariser has shape \(\); expected one value for each example",
        ),
        (
            {"regulariser": lambda self, q, p, z, d: ops.mean(ops.sum(d, axis=1, keepdims=True))},
            "the regulariser has shape",
        ),
        (
            {"regulariser": lambda self, q, p, z, d: ops.sum(ops.mean(d, 0, keepdims=True), 1)},
            r"the regulariser has shape \(1,\)",
        ),
        ({"objective": objective_with(kl_loss=ops.mean)}, "'kl_loss' of the objective has shape"),
        ({"objective": objective_with(loss=lambda v: v[:, None])}, "'loss' of the objective has"),
        (
            {"players": split(lambda all_: all_, lambda all_: all_[:2])},
            r"weights given twice: \['.*kernel'\], left out: \[\]",
        ),
        (
            {"players": split(lambda all_: all_[:2], lambda all_: all_[3:])},
            r"weights given twice: \[\], left out: \['.*kernel'\]",
        ),
        (
            {"players": lambda self: {"los": self.trainable_variables}},
            r"unknown terms: \['los'\]",
        ),
    ],
)
def test_the_error_names_the_wrong_term_or_weight_of_a_subclass(x, methods, message):
    vae = make_subclass(**methods)
    with pytest.raises(ValueError, match=message) as error:
        vae.fit(x, verbose=0)
    check_is_one_sentence(error)


def test_a_term_that_is_broadcast_over_the_batch_is_accepted(x):
    def regulariser(self, q, p, z, divergence):
        total = ops.sum(ops.mean(divergence, axis=0))
        return ops.broadcast_to(total, ops.shape(divergence)[:1])

    make_subclass(regulariser=regulariser).fit(x, verbose=0)
