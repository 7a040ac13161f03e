"""Networks of any size mirror each other; one call builds each network of the lecture (row F5)."""

import keras
import numpy as np
import pytest

from keras_vae import VAE, ConditionalVAE, networks
from keras_vae.likelihoods import Gaussian

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (112, 92, 1), (192, 168, 1)]


@pytest.mark.parametrize("input_shape", [(64,), *SHAPES])
def test_dense_reconstructs_at_the_size_of_its_input(input_shape):
    encoder, decoder = networks.dense(input_shape, latent_dim=3, hidden=(8, 4))
    x = np.zeros((2, *input_shape), "float32")
    mean, log_var = encoder(x)
    assert tuple(mean.shape) == tuple(log_var.shape) == (2, 3)
    assert tuple(decoder(mean).shape) == x.shape


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
@pytest.mark.parametrize("input_shape", [*SHAPES, (7, 5, 2)])
def test_conv_reconstructs_at_the_size_of_its_input_keras3_13_1(input_shape, kernel_size):
    encoder, decoder = networks.conv(
        input_shape, latent_dim=3, filters=(2, 3, 4), kernel_size=kernel_size
    )
    assert encoder.input_shape == decoder.output_shape == (None, *input_shape)


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
@pytest.mark.parametrize("input_shape", [(128, 1), (13, 3), (1, 2)])
def test_conv1d_reconstructs_at_the_length_of_its_input(input_shape, kernel_size):
    encoder, decoder = networks.conv1d(
        input_shape, latent_dim=3, filters=(2, 3, 4), kernel_size=kernel_size
    )
    assert encoder.input_shape == decoder.output_shape == (None, *input_shape)


@pytest.mark.parametrize("kernel_size", [3, 4])
@pytest.mark.parametrize("n", [12, 13])
def test_a_convolution_over_a_signal_and_its_mirror_are_aligned(n, kernel_size):
    encoder, decoder = networks.conv1d((n, 1), 1, filters=(1,), kernel_size=kernel_size)
    down, up = encoder.get_layer("conv_1"), decoder.get_layer("deconv_1")
    cut = decoder.get_layer("cut_1") if n % 2 else keras.layers.Identity()
    up.kernel.assign(down.kernel)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, n, 1)).astype("float32")
    y = rng.normal(size=down(x).shape).astype("float32")
    np.testing.assert_allclose(np.sum(down(x) * y), np.sum(x * cut(up(y))), rtol=1e-4)


@pytest.mark.parametrize("kernel_size", [3, 4])
@pytest.mark.parametrize("n", [12, 13])
def test_convolution_and_its_mirror_are_aligned(n, kernel_size):
    """With one kernel for both, the transposed convolution is the adjoint: <Ax, y> = <x, A'y>."""
    encoder, decoder = networks.conv((n, n, 1), 1, filters=(1,), kernel_size=kernel_size)
    down, up = encoder.get_layer("conv_1"), decoder.get_layer("deconv_1")
    cut = decoder.get_layer("cut_1") if n % 2 else keras.layers.Identity()
    up.kernel.assign(down.kernel)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, n, n, 1)).astype("float32")
    y = rng.normal(size=down(x).shape).astype("float32")
    np.testing.assert_allclose(np.sum(down(x) * y), np.sum(x * cut(up(y))), rtol=1e-4)


LECTURE = {
    "Thesis: one hidden layer of 400, latent 64": networks.dense((28, 28, 1), 64, hidden=(400,)),
    "Introduction: two 3x3 convolutions, batch normalisation, ReLU": networks.conv(
        (28, 28, 1), 2, filters=(32, 64), kernel_size=3, batch_norm=True, activation="relu"
    ),
    "Introduction: latent 23": networks.conv((28, 28, 1), 23, batch_norm=True),
    "Project: more layers, latent 5": networks.conv((28, 28, 1), 5, filters=(32, 64, 64)),
    "Project: dropout in the encoder": networks.conv((28, 28, 1), 2, dropout=(0.3, 0.0)),
    "Project: dropout in both": networks.conv((28, 28, 1), 2, dropout=0.3),
    "Course: dense": networks.dense((28, 28, 1), 32, hidden=(256, 128)),
}


@pytest.mark.parametrize("name", LECTURE)
def test_each_network_of_the_lecture_is_one_call(name):
    encoder, decoder = LECTURE[name]
    VAE(encoder, decoder)
    kinds = [[type(layer).__name__ for layer in net.layers] for net in (encoder, decoder)]
    assert ("BatchNormalization" in kinds[0]) == ("Introduction" in name)
    assert ("Dropout" in kinds[0]) == ("dropout" in name)
    assert ("Dropout" in kinds[1]) == ("both" in name)


@pytest.mark.parametrize("build", [networks.dense, networks.conv])
def test_the_likelihood_sets_the_output_shape_of_the_decoder(build):
    _, decoder = build((8, 8, 3), 2, likelihood=Gaussian(variance="decoder"))
    assert decoder.output_shape == (None, 8, 8, 6)


@pytest.mark.parametrize("build", [networks.dense, networks.conv])
def test_an_autoencoders_encoder_has_one_output(build):
    encoder, _ = build((8, 8, 1), 2, variational=False)
    assert encoder.output_shape == (None, 2)


@pytest.mark.parametrize("build", [networks.dense, networks.conv])
def test_the_latent_layers_have_the_usual_names(build):
    encoder, _ = build((8, 8, 1), 2)
    assert [layer.name for layer in encoder.layers[-2:]] == ["z_mean", "z_log_var"]


def test_log_variances_stay_finite_on_wild_inputs():
    encoder, _ = networks.dense((64,), 2)
    _, log_var = encoder(np.full((1, 64), 1e6, "float32"))
    assert np.all(np.abs(log_var) <= 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"latent_dim": 2.5}, "latent_dim is 2.5"),
        ({"input_shape": ()}, "without the batch axis"),
        ({"input_shape": (None, 8, 8, 1)}, "without the batch axis"),
        ({"hidden": (0,)}, "expected ints of at least 1"),
        ({"latent_dim": True}, "latent_dim is True"),
        ({"dropout": 1.0}, r"a rate in \[0, 1\)"),
        ({"dropout": (0.1, 0.1, 0.1)}, "a pair"),
        ({"likelihood": "poisson"}, "likelihood is 'poisson'"),
    ],
)
def test_a_bad_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        networks.dense(**{"input_shape": (8, 8, 1), "latent_dim": 2, **arguments})


def test_sizes_may_be_numpy_ints_and_a_single_size_needs_no_tuple():
    encoder, _ = networks.dense(64, np.int64(2), hidden=16)
    assert [layer.name for layer in encoder.layers].count("hidden_1") == 1
    networks.conv((8, 8, 1), 2, filters=4)


@pytest.mark.parametrize(
    ("build", "shape", "other"),
    [
        (networks.conv, 64, "networks.dense"),
        (networks.conv, (128, 1), "networks.conv1d"),
        (networks.conv1d, (28, 28, 1), "networks.conv"),
        (networks.conv1d, (64,), "networks.dense"),
    ],
)
def test_a_shape_of_another_rank_gets_the_name_of_its_builder(build, shape, other):
    with pytest.raises(ValueError, match=f"use {other}\\.$"):
        build(shape, 2)


@pytest.mark.parametrize(
    "condition", [*(pytest.param(c, marks=pytest.mark.slow) for c in (3, (5,))), (20, 2)]
)
def test_signals_with_a_condition_train_and_are_generated(condition):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 20, 2)).cumsum(axis=1).astype("float32")
    y = np.arange(40) % 3 if condition == 3 else rng.normal(size=(40, *condition))
    arguments = {"filters": (4, 8), "likelihood": "gaussian", "condition": condition}
    vae = ConditionalVAE(*networks.conv1d((20, 2), 2, **arguments), likelihood="gaussian")
    vae.compile(keras.optimizers.Adam(1e-2))
    losses = vae.fit(x, y, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert vae.generate(3, condition=y[:3]).shape == (3, 20, 2)


def test_conv_refuses_kernels_that_are_too_small():
    with pytest.raises(ValueError, match="kernel_size is 1"):
        networks.conv((8, 8, 1), 2, kernel_size=1)
    with pytest.raises(ValueError, match="filters is empty"):
        networks.conv((8, 8, 1), 2, filters=())


@pytest.mark.parametrize("input_shape", [(8, 8, 1), (9, 7, 2)])
def test_a_convolutional_vae_trains_and_generates(input_shape):
    x = np.random.default_rng(0).random((40, *input_shape)).astype("float32")
    vae = VAE(*networks.conv(input_shape, 2, filters=(4, 8), batch_norm=True, dropout=0.1))
    vae.compile(keras.optimizers.Adam(1e-2))
    losses = vae.fit(x, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert vae.generate(3).shape == (3, *input_shape)
    assert vae.log_likelihood(x[:3], 5).shape == (3,)


@pytest.mark.parametrize("build", [networks.dense, networks.conv])
def test_networks_load_in_safe_mode(build, tmp_path):
    encoder, _ = build((9, 8, 1), 2, batch_norm=True, dropout=0.1)
    encoder.save(tmp_path / "encoder.keras")
    again = keras.models.load_model(tmp_path / "encoder.keras")
    x = np.random.default_rng(0).random((3, 9, 8, 1)).astype("float32")
    for ours, theirs in zip(encoder(x), again(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


CONDITIONS = {"labels": 10, "vector": (5,), "image": (13, 9, 2)}


@pytest.mark.parametrize("kind", CONDITIONS)
@pytest.mark.parametrize("build", [networks.dense, networks.conv])
def test_both_networks_read_a_condition_as_their_second_input(build, kind):
    condition = CONDITIONS[kind]
    encoder, decoder = build((13, 9, 1), latent_dim=3, condition=condition)
    shape = () if kind == "labels" else condition
    x, z, c = np.zeros((2, 13, 9, 1)), np.zeros((2, 3)), np.zeros((2, *shape))
    for network, first in ((encoder, x), (decoder, z)):
        assert network.input_shape == [(None, *first.shape[1:]), (None, *shape)]
        zero, one = (np.array(network([first, c + i])[0]) for i in (0, 1))
        assert not np.allclose(zero, one), "the output does not depend on the condition"
    assert decoder.output_shape == (None, 13, 9, 1)


def test_an_embedding_has_the_requested_size():
    for build in (networks.dense, networks.conv):
        for network in build((8, 8, 1), 2, condition=10, embedding=3):
            assert network.get_layer("embedding").embeddings.shape == (10, 3)


@pytest.mark.parametrize("build", [networks.dense, networks.conv])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(({"condition": bad}, "condition is ") for bad in (0, -1, True, 2.5, (), (0,), (8, 8, 0))),
        ({"embedding": 3}, "embedding is 3, with condition None"),
        ({"condition": (5,), "embedding": 3}, r"embedding is 3, with condition \(5,\)"),
        ({"condition": 5, "embedding": 0}, "embedding is 0; expected an int of at least 1"),
    ],
)
def test_a_bad_condition_is_refused(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        build((8, 8, 1), 2, **arguments)


def test_an_image_of_another_size_is_refused_by_conv():
    with pytest.raises(ValueError, match=r"image or signal of the size of x, \(8, 8, channels\)"):
        networks.conv((8, 8, 1), 2, condition=(4, 4, 1))


def test_conv_is_channels_last_whatever_keras_is_set_to_keras3_e28():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        encoder, decoder = networks.conv((7, 10, 2), 3, filters=(4, 5), batch_norm=True)
        assert decoder.output_shape == (None, 7, 10, 2)
        vae = VAE(encoder, decoder)
        vae.compile("adam")
        vae.fit(np.zeros((4, 7, 10, 2)), verbose=0)
    finally:
        keras.config.set_image_data_format(before)


def test_an_activation_with_weights_is_copied_for_each_layer_and_trains(x):
    """One layer object in many places would share its weights, or they would not be tracked."""
    for build, arguments in (
        (networks.dense, {"hidden": (8, 6)}),
        (networks.conv, {"filters": (4, 3)}),
    ):
        prelu = keras.layers.PReLU(name="shared")
        vae = VAE(*build((8, 8, 1), 2, activation=prelu, **arguments))
        alphas = [w for w in vae.trainable_weights if w.name == "alpha"]
        assert len({id(w) for w in alphas}) == len(alphas) >= 4
        vae.compile("adam")
        before = [w.numpy() for w in alphas]
        vae.fit(x, verbose=0)
        for old, new in zip(before, alphas, strict=True):
            assert not np.array_equal(old, new)
