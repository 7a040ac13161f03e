"""`vae.fit(x, validation_data=x_test, callbacks=[callbacks.TensorBoard("logs")])`."""

import collections
import inspect
import pathlib
import random
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.compat.proto import graph_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

from keras_vae import VAE, batching, networks, noise, optimizers
from keras_vae.callbacks import KLWarmup, TensorBoard, tensorboard
from keras_vae.callbacks.tensorboard import views
from keras_vae.distributions import Distribution
from tests import kinds
from tests.callbacks.models import make, state_of
from tests.callbacks.test_graphs import check_inference_is_tidy, check_is_tidy

slow = pytest.mark.slow
Record = collections.namedtuple("Record", ["tag", "step", "kind", "value"])


def records(folder):
    """{run: records}, in the order of writing."""
    runs = {}
    for path in sorted(folder.rglob("events.out.tfevents*"), key=lambda path: path.stat().st_mtime):
        run = path.parent.relative_to(folder).as_posix()
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            if event.HasField("graph_def"):
                graph = graph_pb2.GraphDef.FromString(event.graph_def)
                runs.setdefault(run, []).append(Record("", event.step, "graph", graph))
            for value in event.summary.value:
                found = tensor_util.make_ndarray(value.tensor) if value.HasField("tensor") else None
                kind = value.metadata.plugin_data.plugin_name
                runs.setdefault(run, []).append(Record(value.tag, event.step, kind, found))
    kinds = {}  # only the first record of a tag names its plugin
    for run, found in runs.items():
        for record in found:
            kinds.setdefault((run, record.tag), record.kind)
        runs[run] = [record._replace(kind=kinds[run, record.tag]) for record in found]
    return runs


def scalars(folder, run, tag):
    """[(step, value)] of one tag."""
    found = records(folder).get(run, [])
    return [(r.step, float(r.value)) for r in found if r.tag == tag and r.kind == "scalars"]


def tags(folder, kind):
    """{run: set of tags} of one kind."""
    found = {run: {r.tag for r in some if r.kind == kind} for run, some in records(folder).items()}
    return {run: some for run, some in found.items() if some}


def board(folder, only=(), **arguments):
    """The callback; with `only`, it writes only these kinds, which is faster."""
    only = {only} if isinstance(only, str) else set(only)
    return TensorBoard(folder, skip=set(tensorboard.KINDS) - only if only else (), **arguments)


def fit(model, x, folder, epochs=2, callbacks=(), only=(), y=None, **arguments):
    validation = x[200:] if y is None else (x[200:], y[200:])
    settings = {"validation_data": validation, "verbose": 0, "batch_size": 64}
    callbacks = [*callbacks, board(folder, only, **arguments)]
    y = None if y is None else y[:200]
    return model.fit(x[:200], y, epochs=epochs, callbacks=callbacks, **settings)


Written = collections.namedtuple("Written", ["folder", "model", "history"])


@pytest.fixture(scope="module")
def written(digits, tmp_path_factory):
    """One fit that writes everything, for all tests that only read the result."""
    (x, y), folder = digits, tmp_path_factory.mktemp("logs")
    model = make("dense")
    arguments = {"update_freq": 3, "labels": [f"a {label}\n" for label in y[200:]]}
    history = fit(model, x, folder, epochs=6, callbacks=[KLWarmup(epochs=2)], **arguments)
    return Written(folder, model, history.history)


def check_every_kind_is_written(folder, model, history, x):
    found, epochs = records(folder), list(range(len(history["loss"])))
    generates = model.has_prior
    latent_dim = model.signature.latent_shape[0]

    graphs = {run: [r.value for r in some if r.kind == "graph"] for run, some in found.items()}
    (training,) = graphs["train"]
    check_is_tidy(training, model.parts)
    check_inference_is_tidy(*graphs["views/inference"], model)
    if generates:
        check_is_tidy(*graphs["views/generation"], ("prior", "decoder", "likelihood"))

    for key, values in history.items():
        run = "validation" if key.startswith("val_") else "train"
        written = scalars(folder, run, f"epoch_{key.removeprefix('val_')}")
        assert [step for step, _ in written] == epochs
        np.testing.assert_allclose([value for _, value in written], values, rtol=1e-6)
    assert len(scalars(folder, "train", "epoch_learning_rate")) == len(epochs)
    assert len(scalars(folder, "train", "epoch_beta")) == (len(epochs) if generates else 0)
    assert len(scalars(folder, "validation", "epoch_active_units")) == len(epochs)

    pictures = {r.tag: r.value for r in found["train"] if r.kind == "images"}
    assert set(pictures) == {"reconstructions"} | (
        {"generated", "manifold" if latent_dim == 2 else "traversal"} if generates else set()
    )
    for width, height, png in pictures.values():
        image = tf.io.decode_png(png).numpy()
        assert image.shape[:2] == (int(height), int(width))
        assert image.std() > 10

    histograms = [r.tag for r in found["train"] if r.kind == "histograms" and r.step == epochs[-1]]
    assert {"posterior/mean", "posterior/log_var"} & set(histograms) == (
        {"posterior/mean", "posterior/log_var"} if generates else set()
    )
    histograms = [tag for tag in histograms if tag.startswith("weights/")]
    weights = sum("float" in weight.dtype for weight in model.weights)
    assert len(histograms) == len(set(histograms)) == weights
    assert {"weights/encoder/" in tag for tag in histograms} == {True, False}

    assert {r.tag for r in found["train"] if r.kind == "text"} >= {"model", "loss"}
    assert {r.kind for r in found["."]} == {"hparams"}
    codes = np.loadtxt(folder / "validation" / "latents.tsv")
    assert codes.shape == (100, max(3, latent_dim))  # TensorBoard needs three columns
    latents = model.encode(x[200:])
    np.testing.assert_allclose(codes[:, :latent_dim], latents, rtol=1e-4, atol=1e-5)
    assert not codes[:, latent_dim:].any()
    assert tf.io.decode_png((folder / "validation/thumbnails.png").read_bytes()).shape[0] >= 80


def test_every_kind_is_written(written, x):
    check_every_kind_is_written(*written, x)


@slow
@pytest.mark.parametrize("name", ["conv", "autoencoder", "subclass", "gaussian", "other names"])
def test_every_kind_is_written_for_every_model(name, x, tmp_path):
    model = make(name)
    check_every_kind_is_written(tmp_path, model, fit(model, x, tmp_path).history, x)


FAST = ("adversarial", "missing")


@pytest.mark.parametrize(
    "name", [pytest.param(k, marks=() if k in FAST else slow) for k in kinds.KINDS]
)
def test_every_kind_of_model_is_shown_without_a_warning(name, digits, tmp_path):
    make_one, data = kinds.KINDS[name]
    keras.utils.set_random_seed(0)
    model, given = make_one(), [array[::-1] for array in data(*digits)]
    terms = dict.fromkeys(model.players(), "adam")
    model.compile(optimizers.PerTerm(terms) if len(terms) > 1 else "adam")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = fit(model, given[0], tmp_path, y=given[1] if len(given) > 1 else None).history
    assert not [str(w.message) for w in caught if w.category is not DeprecationWarning]

    found = records(tmp_path)
    graphs = {run: r.value for run, some in found.items() for r in some if r.kind == "graph"}
    check_is_tidy(graphs["train"], model.parts)
    check_inference_is_tidy(graphs["views/inference"], model)
    if model.has_prior:
        reads = ("input",) if model.signature.reads_condition else ()
        check_is_tidy(graphs["views/generation"], (*reads, "prior", "decoder", "likelihood"))
    left_out = [r.value.item().decode() for r in found["train"] if r.tag == "left_out"]
    assert bool(left_out) == (not model.has_prior or name == "tokens"), left_out
    if name == "tokens":
        assert "x of shape (4,) is neither an image nor a signal" in left_out[0]
    assert all(f"epoch_{name}" in tags(tmp_path, "scalars")["train"] for name in model.loss_names)
    assert len(history["loss"]) == len(scalars(tmp_path, "validation", "epoch_active_units"))
    is_image = len(model.signature.x_shape) == 3
    assert ("reconstructions" in tags(tmp_path, "images").get("train", ())) == is_image
    assert np.isfinite(np.loadtxt(tmp_path / "validation" / "latents.tsv")).all()


def test_kl_by_latent_sums_to_the_kl_loss(written):
    by_latent = [scalars(written.folder, "validation", f"kl_by_latent/z{i:02d}") for i in (1, 2)]
    total = np.sum([[value for _, value in values] for values in by_latent], axis=0)
    np.testing.assert_allclose(total, written.history["val_kl_loss"], rtol=1e-5)


def test_a_prior_that_is_not_normal_leaves_out_only_the_kl(x, tmp_path):
    class Flat(Distribution):
        mean = np.zeros((), "float32")

        def log_density(self, z):
            return z * 0.0

        def sample(self, seed, shape=None):
            return noise.stream(seed).uniform(shape)

    class FlatVAE(VAE):
        def prior(self, condition=None, training=False):
            return Flat()

    model = FlatVAE(*networks.dense((8, 8, 1), 2, hidden=(4,)))
    model.compile("adam")
    model.fit(x, verbose=0, callbacks=[board(tmp_path, ("scalars", "images", "histograms"))])
    assert len(scalars(tmp_path, "train", "epoch_active_units")) == 1
    assert not scalars(tmp_path, "train", "kl_by_latent/z01")
    assert "posterior/mean" in tags(tmp_path, "histograms")["train"]
    assert "manifold" in tags(tmp_path, "images")["train"]


def test_posterior_histograms_hold_every_latent_of_every_example(written):
    found = [r for r in records(written.folder)["train"] if r.tag == "posterior/mean"]
    assert found[-1].value[:, 2].sum() == 100 * 2  # buckets: left, right, count


def test_images_are_written_after_the_first_epoch_halfway_and_at_the_end(written):
    found = records(written.folder)["train"]
    for tag in ("generated", "weights/encoder/hidden_1/kernel"):
        assert [r.step for r in found if r.tag == tag] == [0, 2, 5]


@pytest.mark.parametrize(
    ("name", "settings", "validation"),
    [
        ("conv", {}, True),
        pytest.param("subclass", {"steps_per_execution": 3}, False, marks=slow),
        pytest.param("gaussian", {"policy": "mixed_float16"}, True, marks=slow),
        pytest.param("conv", {"policy": "mixed_bfloat16"}, False, marks=slow),
        pytest.param("dense", {"jit_compile": True}, True, marks=slow),
        pytest.param("autoencoder", {"optimizer": "sgd"}, True, marks=slow),
        pytest.param("two players", {}, True, marks=slow),
    ],
)
def test_logging_does_not_change_the_training(name, settings, validation, x, tmp_path):
    states = []
    for callbacks in ([], [TensorBoard(tmp_path, update_freq=2, histogram_freq=1)]):
        model = make(name, **settings)
        random.seed(0)
        model.fit(
            x[:200],
            validation_data=x[200:] if validation else None,
            epochs=3,
            verbose=0,
            callbacks=callbacks,
        )
        states.append([*state_of(model), np.random.get_state()[1], random.getstate()[1]])
    assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))
    found = records(tmp_path)["train"]
    check_is_tidy(next(r.value for r in found if r.kind == "graph"), model.parts)
    written = [(r.kind, r.tag, r.step) for r in found if r.kind in ("images", "histograms")]
    assert len(written) == len(set(written)) > 9


def test_the_comparison_detects_a_callback_that_draws(x):
    """Negative control of the test above: `generate()` without a seed changes a generator."""

    class Drawing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.generate(1)

    states = []
    for callbacks in ([], [Drawing()]):
        model = make("dense")
        model.fit(x, verbose=0, callbacks=callbacks)
        states.append(state_of(model))
    assert not all(np.array_equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize("update_freq", ["batch", "epoch", 4, 1000])
@slow
def test_no_update_freq_loses_a_scalar_keras3_t17(update_freq, x, tmp_path):
    """For most integers, Keras's callback does not write the losses of epochs."""
    model = make("dense")
    fit(model, x, tmp_path, epochs=3, update_freq=update_freq, only="scalars")
    every = {"epoch": 1000, "batch": 1}.get(update_freq, update_freq)
    check_steps(tmp_path, range(3), range(every, 13, every))


def test_an_update_freq_of_three_loses_no_scalar(written):
    check_steps(written.folder, range(6), range(3, 25, 3))


def check_steps(folder, epochs, batches):
    for run in ("train", "validation"):
        assert [step for step, _ in scalars(folder, run, "epoch_loss")] == list(epochs)
    steps = [step for step, _ in scalars(folder, "validation", "evaluation_loss_vs_iterations")]
    assert steps == [4 * (epoch + 1) for epoch in epochs]
    assert [step for step, _ in scalars(folder, "train", "batch_loss")] == list(batches)


def test_a_second_fit_continues_the_steps_keras3_t18(x, tmp_path):
    """The steps of batches and epochs do not start again from zero."""
    model = make("dense")
    for _ in range(2):
        fit(model, x, tmp_path, epochs=2, update_freq="batch", only="scalars")
    assert [step for step, _ in scalars(tmp_path, "train", "epoch_loss")] == [0, 1, 2, 3]
    assert [step for step, _ in scalars(tmp_path, "train", "batch_loss")] == list(range(1, 17))


@slow
def test_a_resumed_run_continues_the_steps(x, tmp_path):
    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    with pytest.raises(KeyboardInterrupt):
        fit(
            make("dense"),
            x,
            tmp_path / "logs",
            epochs=4,
            callbacks=[backup(), Killed()],
            only="scalars",
        )
    resumed = make("dense")
    fit(resumed, x, tmp_path / "logs", epochs=4, callbacks=[backup()], only="scalars")
    assert [step for step, _ in scalars(tmp_path / "logs", "train", "epoch_loss")] == [0, 1, 2, 3]


def test_beta_of_a_schedule_and_learning_rate_are_written(written):
    betas = scalars(written.folder, "train", "epoch_beta")
    assert betas == [(0, 0.0), (1, 0.5), *((epoch, 1.0) for epoch in range(2, 6))]
    rates = scalars(written.folder, "train", "epoch_learning_rate")
    assert [rate for _, rate in rates] == pytest.approx([0.001] * 6)


def hparams_of(folder):
    """{name: value} of the settings of a training."""
    for path in folder.glob("events.out.tfevents*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                content = plugin_data_pb2.HParamsPluginData.FromString(
                    value.metadata.plugin_data.content
                )
                if content.HasField("session_start_info"):
                    found = content.session_start_info.hparams
                    return {k: getattr(v, v.WhichOneof("kind")) for k, v in found.items()}
    return None


def test_the_settings_are_those_of_model_optimizer_and_fit(written):
    found = hparams_of(written.folder)
    assert found["model"] == "VAE"
    assert found["likelihood"] == "Bernoulli"
    assert found["optimizer"] == "Adam"
    assert found["learning_rate"] == pytest.approx(0.001)
    assert (found["latents"], found["epochs"], found["steps"]) == (2, 6, 4)
    assert not {"encoder", "decoder", "optimizer.learning_rate"} & set(found)


@pytest.mark.parametrize("policy", ["float32", pytest.param("mixed_float16", marks=slow)])
def test_each_optimizer_of_several_shows_its_learning_rate_and_settings(policy, x, tmp_path):
    both = {"loss": optimizers.Adam(0.002), "critic_loss": keras.optimizers.SGD(0.5, momentum=0.5)}
    model = make("two players", policy, optimizers.PerTerm(both))
    fit(model, x, tmp_path, only=("scalars", "hparams"))
    for tag, rate in (("", 0.002), ("_critic_loss", 0.5)):
        written = scalars(tmp_path, "train", f"epoch_learning_rate{tag}")
        assert written == [(0, pytest.approx(rate)), (1, pytest.approx(rate))]
    found = hparams_of(tmp_path)
    assert (found["optimizer"], found["optimizer.critic_loss"]) == ("Adam", "SGD")
    assert found["optimizer.critic_loss.momentum"] == 0.5
    assert found["learning_rate_critic_loss"] == 0.5
    assert "critic" not in found  # a network is no setting


def test_weights_of_one_name_have_tags_of_their_own_keras3_t8_t15():
    """In Keras's callback the `hidden/kernel` of both networks share a tag."""
    tags_of_weights = views.histograms(make("other names"), {})
    for name in ("encoder/hidden", "decoder/hidden", "encoder/hidden_1", "decoder/hidden_1"):
        assert {f"weights/{name}/kernel", f"weights/{name}/bias"} <= set(tags_of_weights)


def test_early_stopping_shows_the_best_weights(x, tmp_path):
    stop = keras.callbacks.EarlyStopping("loss", mode="max", patience=1, restore_best_weights=True)
    model = make("dense")
    callback = board(tmp_path, only="projector")
    model.fit(x[:200], validation_data=x[200:], epochs=9, verbose=0, callbacks=[callback, stop])
    codes = np.loadtxt(tmp_path / "validation" / "latents.tsv")[:, :2]
    np.testing.assert_allclose(codes, model.encode(x[200:]), rtol=1e-4, atol=1e-5)


KINDS = {
    "graph": "graph",
    "scalars": "scalars",
    "images": "images",
    "histograms": "histograms",
    "hparams": "hparams",
    "text": "text",
}


@slow
@pytest.mark.parametrize("kind", [*KINDS, "projector"])
def test_each_kind_can_be_skipped_or_written_alone(kind, x, tmp_path):
    def written(folder):
        kinds = {r.kind for some in records(folder).values() for r in some} - {""}
        return kinds | ({"projector"} if list(folder.rglob("projector_config.pbtxt")) else set())

    make("dense").fit(x, verbose=0, callbacks=[TensorBoard(tmp_path / "without", skip=kind)])
    assert written(tmp_path / "without") == {*KINDS.values(), "projector"} - {kind}
    make("dense").fit(x, verbose=0, callbacks=[board(tmp_path / "alone", only=kind)])
    assert written(tmp_path / "alone") == {kind}


def sources(x):
    def generator():
        while True:
            yield (x[:50],)

    return {
        "arrays": {"x": x, "epochs": 1},
        "dataset": {"x": batching.batches(x, 50, seed=1), "epochs": 1},
        "generator": {"x": generator(), "epochs": 1, "steps_per_epoch": 2},
    }


@pytest.mark.parametrize(
    ("source", "validation"),
    [
        ("dataset", "none"),
        ("generator", "none"),
        pytest.param("arrays", "none", marks=slow),
        pytest.param("generator", "dataset", marks=slow),
        pytest.param("dataset", "arrays", marks=slow),
        pytest.param("arrays", "dataset", marks=slow),
    ],
)
def test_every_kind_of_data_is_logged(source, validation, x, tmp_path):
    held_out = {
        "none": None,
        "arrays": x[:70],
        "dataset": tf.data.Dataset.from_tensor_slices(x[:70]).batch(60),
    }
    arguments = sources(x)[source]
    model = make("dense")
    callbacks = [TensorBoard(tmp_path)]
    model.fit(**arguments, validation_data=held_out[validation], verbose=0, callbacks=callbacks)
    assert model.fit_examples is None
    assert {"graph", "scalars"} <= {r.kind for r in records(tmp_path)["train"]}
    rows = {"none": {"arrays": 300, "dataset": 50}.get(source), "arrays": 70, "dataset": 60}
    if rows[validation] is None:
        text = next(r for r in records(tmp_path)["train"] if r.tag == "left_out")
        assert "generators and datasets of unknown size provide none" in text.value.item().decode()
        assert not list(tmp_path.rglob("latents.tsv"))
        assert "reconstructions" not in tags(tmp_path, "images")["train"]
    else:
        run = "train" if validation == "none" else "validation"
        assert len(np.loadtxt(tmp_path / run / "latents.tsv")) == rows[validation]


def test_fit_keeps_at_most_1000_examples_and_forgets_them(x):
    seen = {}

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen["examples"] = self.model.fit_examples

    model = make("dense")
    many = np.tile(x, (5, 1, 1, 1))
    model.fit(many, many[::-1], epochs=1, verbose=0, callbacks=[Look()])
    assert seen["examples"].of == "train"
    assert np.array_equal(seen["examples"].x, many[:1000])
    assert np.array_equal(seen["examples"].y, many[::-1][:1000])
    assert seen["examples"].rows == 1500
    assert seen["examples"].x.base is None  # not a view, which would keep all data in memory
    assert model.fit_examples is None


def test_the_graph_of_a_model_that_was_never_built_is_tidy(x, tmp_path):
    encoder = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)], name="e")
    z = keras.layers.Dense(2)

    class Encoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.network, self.mean, self.log_var = encoder, keras.layers.Dense(2), z

        def call(self, x):
            h = self.network(x)
            return self.mean(h), self.log_var(h)

    decoder = keras.Sequential([keras.layers.Dense(64), keras.layers.Reshape((8, 8, 1))])
    model = VAE(Encoder(), decoder)
    model.compile("adam")
    model.fit(x, epochs=1, verbose=0, callbacks=[board(tmp_path, "graph")])
    (graph,) = (r.value for r in records(tmp_path)["train"] if r.kind == "graph")
    check_is_tidy(graph, model.parts)


def test_vectors_have_every_kind_except_images(tmp_path):
    keras.utils.set_random_seed(0)
    model = VAE(*networks.dense((5,), 2, hidden=(4,)))
    model.compile("adam")
    x = np.random.default_rng(0).uniform(size=(40, 5))
    model.fit(x, epochs=1, verbose=0, callbacks=[TensorBoard(tmp_path)])
    kinds = {r.kind for some in records(tmp_path).values() for r in some} - {""}
    assert kinds == {*KINDS.values()} - {"images"}
    assert len(np.loadtxt(tmp_path / "train" / "latents.tsv")) == 40
    assert not list(tmp_path.rglob("*.png"))


def test_labels_have_the_order_of_the_examples(written, digits):
    lines = (written.folder / "validation" / "labels.tsv").read_text().splitlines()
    assert lines == [f"a {label}" for label in digits[1][200:]]


def test_a_condition_labels_the_projector_and_its_pictures_are_drawn(digits, tmp_path):
    x, y = digits
    model = make("conditional")
    callback = board(tmp_path, ("images", "scalars", "projector"))
    model.fit(x, y, epochs=1, verbose=0, callbacks=[callback], validation_data=(x[:40], y[:40]))
    assert tags(tmp_path, "images")["train"] == {"reconstructions", "generated", "manifold"}
    assert len(scalars(tmp_path, "validation", "kl_by_latent/z01")) == 1
    lines = (tmp_path / "validation" / "labels.tsv").read_text().split()
    assert lines == [str(label) for label in y[:40]]
    assert model.fit_examples is None
    assert callback._examples is None


def test_examples_of_a_refused_fit_are_not_those_of_the_next(x, tmp_path):
    model = make("dense")
    with pytest.raises(ValueError, match="batch_size"):
        model.fit(x, batch_size=0, verbose=0)
    assert model.fit_examples is None

    class Stop(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, verbose=0, callbacks=[Stop()])
    assert model.fit_examples is None


def test_a_skipped_kind_is_not_written_at_any_frequency(x, tmp_path):
    callback = board(tmp_path, "scalars", histogram_freq=1, embeddings_freq=1)
    make("dense").fit(x, epochs=3, verbose=0, callbacks=[callback])
    assert not tags(tmp_path, "histograms")
    assert not list(tmp_path.rglob("latents.tsv"))


@slow
def test_a_model_that_cannot_be_drawn_trains_and_shows_the_rest(x, tmp_path):
    class Stubborn(VAE):
        def objective(self, x, y=None, training=False):
            assert x.shape[0] == 50  # known in training, but not while the graph is drawn
            return super().objective(x, y, training)

        def decode(self, *args, **kwargs):
            raise RuntimeError("no pictures\nof mine")

    model = Stubborn(*networks.dense((8, 8, 1), 2, hidden=(4,)))
    model.compile("adam")
    data = tf.data.Dataset.from_tensor_slices(x).batch(50, drop_remainder=True)
    with pytest.warns(UserWarning, match="leaves out the images: no pictures. Training goes on"):
        history = model.fit(data, epochs=2, verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert len(history.history["loss"]) == 2
    text = next(r for r in records(tmp_path)["train"] if r.tag == "left_out").value.item().decode()
    assert "the graph of training" in text
    assert [step for step, _ in scalars(tmp_path, "train", "epoch_loss")] == [0, 1]
    assert list(tmp_path.rglob("latents.tsv"))


@slow
def test_logging_does_not_change_the_noise_of_a_posterior_that_draws(x, tmp_path):
    class Drawing(VAE):
        def posterior(self, x, condition=None, training=False):
            q = super().posterior(x, condition, training)
            self.sampling((q.mean, q.log_var), training=training)
            return q

    states = []
    for callbacks in ([], [TensorBoard(tmp_path)]):
        keras.utils.set_random_seed(0)
        model = Drawing(*networks.dense((8, 8, 1), 2, hidden=(4,)), seed=1)
        model.compile("adam")
        model.fit(x, epochs=2, verbose=0, callbacks=callbacks)
        states.append(state_of(model))
    assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))


@slow
def test_logging_under_a_strategy_does_not_change_the_training(strategy, x, tmp_path):
    states = []
    for callbacks in ([], [TensorBoard(tmp_path, update_freq="batch")]):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = VAE(*networks.dense((8, 8, 1), 2, hidden=(4,)), seed=1)
            model.compile("adam")
        model.fit(x, batch_size=100, epochs=2, verbose=0, callbacks=callbacks)
        states.append([np.array(tf.convert_to_tensor(v)) for v in model.variables])
    assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))
    assert {*KINDS.values()} <= {r.kind for some in records(tmp_path).values() for r in some}
    assert [step for step, _ in scalars(tmp_path, "train", "batch_loss")] == list(range(1, 7))


@slow
def test_two_runs_in_one_folder_stay_apart(x, tmp_path):
    for name, beta in (("first", 1.0), ("second", 4.0)):
        model = make("dense")
        model.beta = beta
        fit(model, x, tmp_path / name)
    found = records(tmp_path)
    for name in ("first", "second"):
        assert {f"{name}", f"{name}/train", f"{name}/validation"} <= set(found)
        assert found[f"{name}/train"]


def test_a_folder_that_cannot_be_written_gives_a_warning_and_changes_no_weight(x, tmp_path):
    (tmp_path / "file").write_text("no folder")
    states = []
    for callbacks in ([], [TensorBoard(tmp_path / "file" / "logs")]):
        model = make("dense")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(x, epochs=2, verbose=0, callbacks=callbacks)
        states.append(state_of(model))
        said = [str(w.message) for w in caught if "TensorBoard cannot write" in str(w.message)]
        assert len(said) == len(callbacks)
    assert "Training goes on without" in said[0]
    assert "\n" not in said[0]
    assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))


@slow
def test_a_full_disk_gives_a_warning_and_changes_no_weight(tmp_path):
    """In a separate process, because the limit applies to all files of a process."""
    code = f"""
import resource, warnings
import numpy as np
from keras_vae import datasets
from keras_vae.callbacks import TensorBoard
from keras_vae.distributions import Distribution
from tests.callbacks.models import make, state_of

(x, _), _ = datasets.load_digits(limit=300)
states = []
for limit in (None, 0, 1_000, 30_000, 170_000):
    model = make("dense")
    callbacks = [] if limit is None else [TensorBoard(f"{tmp_path}/{{limit}}")]
    soft = resource.RLIM_INFINITY if limit is None else limit
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
        model.fit(x, epochs=4, verbose=0, callbacks=callbacks)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    said = [str(w.message) for w in caught if "File too large. Training goes on" in str(w.message)]
    assert len(said) == len(callbacks), said
    states.append(state_of(model))
    assert all(np.array_equal(a, b) for a, b in zip(states[0], states[-1], strict=True))
print("fine")
"""
    root = pathlib.Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False
    )
    assert result.stdout.endswith("fine\n"), result.stderr


def test_weights_that_are_not_finite_do_not_stop_the_training(x, tmp_path):
    model = make("dense")
    model.ensure_built()
    kernel = model.decoder.layers[1].kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    fit(model, x, tmp_path, only=("scalars", "images", "histograms"))
    assert np.isnan(scalars(tmp_path, "train", "epoch_loss")[-1][1])
    assert "weights/decoder/hidden_1/kernel" not in tags(tmp_path, "histograms")["train"]


def test_profile_batch_writes_a_profile_keras3_t23(x, tmp_path):
    model = make("dense")
    model.fit(x, epochs=1, verbose=0, callbacks=[board(tmp_path, "scalars", profile_batch=(2, 4))])
    assert list((tmp_path / "train" / "plugins" / "profile").rglob("*.xplane.pb"))
    assert scalars(tmp_path, "train", "epoch_loss")


def test_keras_arguments_keep_their_position():
    ours = list(inspect.signature(TensorBoard.__init__).parameters.values())
    theirs = list(inspect.signature(keras.callbacks.TensorBoard.__init__).parameters.values())
    assert [str(p) for p in ours[: len(theirs)]] == [str(p) for p in theirs]


@slow
def test_keras_arguments_keep_their_meaning(x, tmp_path):
    callback = TensorBoard(
        tmp_path,
        histogram_freq=1,
        write_images=True,
        write_steps_per_second=True,
        embeddings_freq=1,
    )
    model = make("dense")
    model.fit(x, epochs=4, verbose=0, callbacks=[callback])
    steps = [
        r.step for r in records(tmp_path)["train"] if r.tag == "weights/encoder/hidden_1/kernel"
    ]
    assert steps == [0, 1, 2, 3]
    assert "weights/encoder/hidden_1/kernel/image" in tags(tmp_path, "images")["train"]
    assert len(scalars(tmp_path, "train", "epoch_steps_per_second")) == 4
    without = TensorBoard(tmp_path / "other", write_graph=False)
    model.fit(x, epochs=1, verbose=0, callbacks=[without])
    assert not tags(tmp_path / "other", "graph")


def test_the_private_names_of_keras_still_exist(tmp_path):
    """If a version of Keras lacks a private name that the callback uses, the test names it."""
    callback = keras.callbacks.TensorBoard(tmp_path)
    callback.set_model(make("dense"))
    for name in ("_writers", "_should_trace", "_log_weight_as_image"):
        assert hasattr(callback, name), f"Keras's TensorBoard no longer has {name}"
    assert callback._val_writer is callback._writers["val"]
    assert callback._train_writer is callback._writers["train"]


def test_bad_input_is_refused(x, tmp_path):
    with pytest.raises(ValueError, match=r"skip has \['graphs'\]; the kinds are"):
        TensorBoard(tmp_path, skip="graphs")
    with pytest.raises(ValueError, match="expected the name of a file"):
        TensorBoard(tmp_path, embeddings_metadata={"layer": "file"})
    with pytest.raises(ValueError, match="update_freq is 'batches'"):
        TensorBoard(tmp_path, update_freq="batches")
    model = make("dense")
    before = model.get_weights()
    with pytest.raises(ValueError, match="There are 7 labels for 100 rows of data"):
        fit(model, x, tmp_path, labels=np.zeros(7))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    plain.compile("sgd", "mse")
    with pytest.raises(TypeError, match=r"use keras\.callbacks\.TensorBoard"):
        plain.fit(np.zeros((4, 2)), np.zeros(4), verbose=0, callbacks=[TensorBoard(tmp_path)])
