"""The Keras side: all that `fit` accepts, and the traps of KERAS3.

A test that cites KERAS3 in its name fails if the code ignores that trap.
"""

import contextlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context as eager_context

from keras_vae import VAE, networks
from keras_vae.batching import batches
from tests.callbacks import models as callback_models
from tests.conftest import weights_of


def recorded_orders(vae, x, epochs, **arguments):
    """The order of the rows in each epoch of `fit`; the rows of x must differ in their sum."""
    seen = []
    original = vae.objective

    def recording(x, y=None, training=False):
        if training:
            seen.extend(np.asarray(x).sum(axis=(1, 2, 3)).round(5).tolist())
        return original(x, y, training)

    vae.objective = recording
    vae.fit(x, epochs=epochs, verbose=0, **arguments)
    return np.array(seen).reshape(epochs, -1)


@pytest.fixture
def numbered():
    """64 images that differ in their sum."""
    return (np.arange(64)[:, None, None, None] / 64 * np.ones((8, 8, 1))).astype("float32")


# Traps of KERAS3 ---------------------------------------------------------------------------


@pytest.mark.parametrize("argument", [{"loss": "mse"}, {"metrics": ["mae"]}])
def test_loss_and_metrics_of_compile_are_refused_keras3_1_2(make_vae, x, argument):
    vae = make_vae(compile_arguments=argument)
    for call in (vae.fit, vae.evaluate):
        with pytest.raises(ValueError, match="would ignore: it brings its own loss"):
            call(x)
    vae.compile("adam")
    vae.fit(x, verbose=0)


def test_an_optimizer_without_a_config_trains(make_vae, x):
    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 1e-3

    make_vae(optimizer=keras.optimizers.Adam(Schedule())).fit(x[:32], verbose=0)


def test_each_loss_is_tracked_and_logged_once_keras3_2_2(make_vae, x):
    vae = make_vae()
    vae.fit(x[:32], verbose=0)
    names = ["loss", "reconstruction_loss", "kl_loss", "elbo"]
    assert vae.metrics_names == names
    values = vae.evaluate(x, verbose=0)
    assert len(values) == 4
    assert values == [vae.evaluate(x, verbose=0, return_dict=True)[name] for name in names]
    assert values[0] > 1  # Keras's own tracker is never updated and says 0.0


def test_a_metric_of_a_subclass_is_logged_and_reset_keras3_2_2(x):
    class Counting(VAE):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            self.rows = keras.metrics.Sum(name="rows")

        def objective(self, x, y=None, training=False):
            self.rows.update_state(tf.ones_like(x[:, 0, 0, 0]))
            return super().objective(x, y, training)

    vae = Counting(*networks.dense((8, 8, 1), 2, hidden=(4,)))
    vae.compile("adam")
    assert vae.fit(x, epochs=2, verbose=0).history["rows"] == [300, 300]
    assert vae.evaluate(x, verbose=0)[-1] == 300


def test_a_mean_over_millions_of_rows_does_not_drift_keras3_3_2(make_vae):
    tracker = make_vae().trackers["loss"]
    for _ in range(100):
        tracker.update_state(np.full(100_000, 104.2345))
    assert float(tracker.result()) == pytest.approx(104.2345, rel=1e-6)


def test_generator_states_are_saved_and_restored_keras3_4_2(make_vae, x, tmp_path):
    vae = make_vae(network={"dropout": 0.2})
    vae.fit(x, epochs=2, verbose=0)
    vae.generate(1)
    vae.save_weights(tmp_path / "vae.weights.h5")
    other = make_vae(network={"dropout": 0.2}, seed=77)
    other.load_weights(tmp_path / "vae.weights.h5")
    states, loaded = vae.generator_states(), other.generator_states()
    assert (
        set(states)
        == set(loaded)
        == {
            "control",
            "data_order",
            "generation_noise",
            "evaluation_noise",
            "sampling/seed_generator",
            "sampling/evaluation_generator",
            "encoder/layers/dropout_1/seed_generator",
            "decoder/layers/dropout_1/seed_generator",
        }
    )
    for place, state in states.items():
        np.testing.assert_array_equal(state, loaded[place])
    assert other.epochs_seen == 2
    assert states["encoder/layers/dropout_1/seed_generator"][1] == 20  # 20 draws


def test_validation_changes_no_training_and_evaluations_agree_keras3_4_4(make_vae, x):
    with_validation, without = make_vae(), make_vae()
    with_validation.fit(x, epochs=2, verbose=0, validation_data=x[:100])
    without.fit(x, epochs=2, verbose=0)
    np.testing.assert_array_equal(weights_of(with_validation), weights_of(without))
    first = without.evaluate(x, verbose=0)
    assert without.evaluate(x, verbose=0) == first


def test_every_epoch_has_an_order_of_its_own_keras3_4_5(make_vae, numbered):
    vae = make_vae(compile_arguments={"run_eagerly": True})  # after set_random_seed
    orders = recorded_orders(vae, numbered, epochs=3)
    assert len({tuple(order) for order in orders}) == 3
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.sort(orders[0]))
    second = recorded_orders(vae, numbered, epochs=2)  # a second fit continues
    assert len({tuple(order) for order in [*orders, *second]}) == 5
    unbroken = recorded_orders(
        make_vae(compile_arguments={"run_eagerly": True}), numbered, epochs=5
    )
    np.testing.assert_array_equal(unbroken, [*orders, *second])


def test_fit_builds_the_model_keras3_6_1(make_vae, x, tmp_path):
    vae = make_vae()
    vae.fit(x[:32], verbose=0)
    assert vae.built
    vae.save_weights(tmp_path / "vae.weights.h5")
    make_vae().save(tmp_path / "unfitted.keras")
    assert keras.models.load_model(tmp_path / "unfitted.keras").count_params() == vae.count_params()


def test_loading_keeps_the_optimizer_keras3_6_7(make_vae, x, tmp_path):
    vae = make_vae()
    vae.fit(x[:64], verbose=0)
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert type(again).compile is keras.Model.compile
    assert int(again.optimizer.iterations) == 2
    again.fit(x[:64], verbose=0)
    assert int(again.optimizer.iterations) == 4


def test_sample_weights_count_without_y_keras3_8_1(make_vae, x):
    weights = (np.arange(300) % 2).astype("float32")
    models = {}
    for name, arguments in {
        "x alone": {"sample_weight": weights},
        "x twice": {"y": x, "sample_weight": weights},
        "unweighted": {},
    }.items():
        models[name] = make_vae()
        models[name].fit(x, epochs=1, verbose=0, **arguments)
    flat = {name: weights_of(model) for name, model in models.items()}
    np.testing.assert_array_equal(flat["x alone"], flat["x twice"])
    assert not np.allclose(flat["x alone"], flat["unweighted"], atol=1e-4)
    vae = make_vae(optimizer=keras.optimizers.SGD(0.0))
    logs = vae.fit(x, verbose=0, validation_data=(x, None, weights)).history
    odd = vae.evaluate(x[1::2], verbose=0, return_dict=True)
    assert logs["val_reconstruction_loss"][0] == pytest.approx(odd["reconstruction_loss"], rel=5e-3)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_as_float32_does_keras3_9_2(make_vae, x, policy):
    full = make_vae(optimizer=keras.optimizers.SGD(1e-2))
    full = full.fit(x, epochs=3, verbose=0).history["loss"]
    keras.config.set_dtype_policy(policy)
    try:
        half = make_vae(optimizer=keras.optimizers.SGD(1e-2))
        half_losses = half.fit(x, epochs=3, verbose=0).history["loss"]
        assert half.encoder(x[:1])[0].dtype == policy.removeprefix("mixed_")
        assert half.predict(x[:3], verbose=0).dtype == "float32"
        assert np.all(np.isfinite(half.log_likelihood(x[:3], 5)))
    finally:
        keras.config.set_dtype_policy("float32")
    assert full[0] - full[-1] > 0.1
    np.testing.assert_allclose(half_losses, full, rtol=5e-3)


def test_steps_per_execution_changes_nothing_keras3_10_4(make_vae, x):
    results = []
    for steps in (1, 4, 100):
        vae = make_vae(compile_arguments={"steps_per_execution": steps})
        losses = vae.fit(x, epochs=2, verbose=0).history["loss"]
        results.append((losses, weights_of(vae)))
    for losses, weights in results[1:]:
        assert losses == results[0][0]
        np.testing.assert_array_equal(weights, results[0][1])


def test_training_mode_reaches_the_networks_keras3_12_1(make_vae, x):
    vae = make_vae(network={"batch_norm": True, "dropout": 0.2})
    norm = vae.encoder.get_layer("hidden_1_norm")
    drop = vae.encoder.get_layer("hidden_1_dropout")
    before = norm.moving_mean.numpy()
    vae.fit(x, verbose=0)
    assert not np.allclose(norm.moving_mean, before)
    drawn, moved = drop.seed_generator.state.numpy()[1], norm.moving_mean.numpy()
    assert drawn == 10  # one for each step
    vae.evaluate(x, verbose=0)
    vae.elbo(x)
    np.testing.assert_array_equal(norm.moving_mean, moved)
    assert drop.seed_generator.state.numpy()[1] == drawn


def test_data_that_would_broadcast_are_refused_in_the_step_keras3_13_3(make_vae, x):
    def without_channels():
        yield (x[:8], x[:8, ..., 0])

    vae = make_vae()
    with pytest.raises(ValueError, match="must agree in all axes"):
        vae.fit(without_channels(), verbose=0)


def test_penalties_of_the_networks_are_in_the_loss_keras3_19_4(x):
    def make(penalty):
        keras.utils.set_random_seed(0)
        inputs, z = keras.Input((8, 8, 1)), keras.Input((2,))
        h = keras.layers.Flatten()(inputs)
        h = keras.layers.Dense(8, kernel_regularizer=keras.regularizers.L2(penalty))(h)
        encoder = keras.Model(inputs, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
        decoder = keras.Model(z, keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(z)))
        vae = VAE(encoder, decoder, seed=1)
        vae.compile(keras.optimizers.SGD(0.01))
        return vae

    vae = make(penalty=1.0)
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    size = float(np.sum(vae.encoder.layers[2].get_weights()[0] ** 2))
    penalty = logs["loss"] - logs["reconstruction_loss"] - logs["kl_loss"]
    assert penalty == pytest.approx(size, rel=1e-4)
    free = make(penalty=0.0)
    for model in (vae, free):
        model.fit(x, verbose=0)
    norms = [np.linalg.norm(model.encoder.layers[2].get_weights()[0]) for model in (vae, free)]
    assert norms[0] < 0.9 * norms[1]


def test_after_a_refused_fit_the_same_model_trains_keras3_19_8(make_vae, x):
    vae = make_vae()
    before = weights_of(vae)

    def wrong():
        yield np.zeros((4, 9, 9, 1), "float32")

    for bad in (
        np.zeros((4, 9, 9, 1)),
        tf.data.Dataset.from_generator(wrong, output_signature=tf.TensorSpec((4, 9, 9, 1))),
    ):
        with pytest.raises(ValueError, match=r"x has shape .*9, 9, 1"):
            vae.fit(bad, verbose=0)
        np.testing.assert_array_equal(weights_of(vae), before)
    losses = vae.fit(x, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


# All that fit accepts ----------------------------------------------------------------------


def as_dataset(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(32)


class Sequence(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 10

    def __getitem__(self, index):
        part = tuple(array[32 * index : 32 * (index + 1)] for array in self.arrays)
        return part if len(part) > 1 else part[0]


def generator(*arrays):
    while True:
        yield tuple(array[:32] for array in arrays)


KINDS = {
    "array": lambda x, w: {"x": x},
    "float64": lambda x, w: {"x": x.astype("float64")},
    "tensor": lambda x, w: {"x": tf.constant(x)},
    "list": lambda x, w: {"x": x.tolist()},
    "weighted": lambda x, w: {"x": x, "y": x, "sample_weight": w},
    "dataset x": lambda x, w: {"x": as_dataset(x)},
    "dataset (x,)": lambda x, w: {"x": as_dataset(x).map(lambda x: (x,))},
    "dataset (x, y)": lambda x, w: {"x": as_dataset(x, x)},
    "dataset (x, y, w)": lambda x, w: {"x": as_dataset(x, x, w)},
    "endless dataset": lambda x, w: {"x": as_dataset(x).repeat(), "steps_per_epoch": 10},
    "batches": lambda x, w: {"x": batches(x, 32, seed=1)},
    "generator (x,)": lambda x, w: {"x": generator(x), "steps_per_epoch": 10},
    "generator (x, y)": lambda x, w: {"x": generator(x, x), "steps_per_epoch": 10},
    "generator (x, y, w)": lambda x, w: {"x": generator(x, x, w), "steps_per_epoch": 10},
    "PyDataset x": lambda x, w: {"x": Sequence(x)},
    "PyDataset (x, y, w)": lambda x, w: {"x": Sequence(x, x, w)},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("error::UserWarning")
def test_fit_takes_each_kind_of_data(make_vae, x, kind):
    vae = make_vae(optimizer=keras.optimizers.Adam(1e-2))
    weights = np.full(len(x), 0.5, "float32")
    losses = vae.fit(**KINDS[kind](x, weights), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert int(vae.optimizer.iterations) == 30


def test_integer_and_boolean_images_are_cast_keras3_7_4(make_vae, x):
    binary = x > 0.5
    reference = make_vae()
    reference.fit(binary.astype("float32"), verbose=0)
    expected = reference.predict(binary * 1.0, verbose=0)
    for dtype in ("uint8", "bool", "int64"):
        vae = make_vae()
        vae.fit(binary.astype(dtype), verbose=0)
        np.testing.assert_array_equal(weights_of(vae), weights_of(reference))
        assert vae.encode(binary.astype(dtype)).shape == (300, 2)
        np.testing.assert_array_equal(vae.predict(binary.astype(dtype), verbose=0), expected)


@pytest.mark.parametrize(
    "validation",
    [
        lambda x: {"validation_data": x[:50]},
        lambda x: {"validation_data": (x[:50],)},
        lambda x: {"validation_data": (x[:50], x[:50])},
        lambda x: {"validation_data": (x[:50], None, np.ones(50))},
        lambda x: {"validation_data": as_dataset(x[:50])},
        lambda x: {"validation_data": x[:50], "validation_batch_size": 10},
        lambda x: {"validation_data": as_dataset(x).repeat(), "validation_steps": 2},
        lambda x: {"validation_split": 0.2},
    ],
)
def test_fit_validates_on_each_kind_of_data(make_vae, x, validation):
    vae = make_vae()
    history = vae.fit(x, epochs=2, verbose=0, **validation(x)).history
    assert np.all(np.isfinite(history["val_loss"]))
    assert len(history["val_elbo"]) == 2


def test_validation_split_takes_the_last_part_and_trains_on_the_rest(make_vae, x):
    vae, other = make_vae(), make_vae()
    by_split = vae.fit(x, epochs=2, verbose=0, validation_split=0.25).history
    by_hand = other.fit(x[:225], epochs=2, verbose=0, validation_data=x[225:]).history
    assert by_split == by_hand


def test_batch_size_and_order_have_the_meaning_of_keras(make_vae, numbered):
    eager = {"run_eagerly": True}
    vae = make_vae(compile_arguments=eager)
    orders = recorded_orders(vae, numbered, epochs=2, shuffle=False)
    expected = numbered.sum(axis=(1, 2, 3)).round(5)
    np.testing.assert_allclose(orders, [expected, expected], atol=1e-4)
    for arguments, steps in (({}, 2), ({"batch_size": 10}, 7), ({"steps_per_epoch": 4}, 4)):
        vae = make_vae()
        vae.fit(numbered, verbose=0, **arguments)
        assert int(vae.optimizer.iterations) == steps


def test_initial_epoch_counts_as_in_keras(make_vae, x):
    vae = make_vae()
    history = vae.fit(x, epochs=5, initial_epoch=3, verbose=0)
    assert history.epoch == [3, 4]
    assert vae.epochs_seen == 2


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        {"jit_compile": True, "steps_per_execution": 4},
        {"run_eagerly": True},
        pytest.param(
            {"optimizer": keras.optimizers.SGD(1e-3, clipnorm=1.0)}, marks=pytest.mark.slow
        ),
        {"optimizer": keras.optimizers.Adam(global_clipnorm=1.0)},
        {"optimizer": keras.optimizers.Adam(gradient_accumulation_steps=2)},
        {"optimizer": keras.optimizers.AdamW(use_ema=True)},
    ],
)
def test_fit_works_with_every_compile_setting_and_optimizer(make_vae, x, arguments):
    settings = dict(arguments)
    optimizer = settings.pop("optimizer", "adam")
    if not isinstance(optimizer, str):
        optimizer = type(optimizer).from_config(optimizer.get_config())
    vae = make_vae(optimizer=optimizer, compile_arguments=settings)
    losses = vae.fit(x[:100], epochs=4, verbose=0, validation_data=x[:40]).history["loss"]
    assert losses[-1] < losses[0]


def test_a_partial_last_batch_is_a_mean_over_its_own_rows(make_vae, x):
    """One SGD step on 3 rows equals a step on the mean of their losses."""
    vae, other = (make_vae(optimizer=keras.optimizers.SGD(0.1), seed=3) for _ in range(2))
    vae.fit(x[:3], batch_size=32, shuffle=False, verbose=0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(other.objective(x[:3], training=True)["loss"])
    for weight, slope in zip(
        other.trainable_weights, tape.gradient(loss, other.trainable_weights), strict=True
    ):
        weight.assign_sub(0.1 * slope)
    np.testing.assert_allclose(weights_of(vae), weights_of(other), atol=1e-6)


def test_a_sample_weight_of_two_equals_an_example_twice(x):
    """Without noise (log_var at its lower bound) the two updates agree."""

    def make():
        keras.utils.set_random_seed(0)
        vae = VAE(*networks.dense((8, 8, 1), 2, hidden=(8,)), seed=1)
        vae.encoder.get_layer("z_log_var").bias.assign([-1e3, -1e3])
        vae.compile(keras.optimizers.SGD(0.01))
        return vae

    weighted, repeated = make(), make()
    weighted.fit(x[:3], sample_weight=np.array([2, 1, 0]), verbose=0)
    repeated.fit(x[[0, 0, 1]], verbose=0)
    np.testing.assert_allclose(weights_of(weighted), weights_of(repeated), atol=2e-5)


def test_a_batch_of_weight_zero_changes_nothing(make_vae, x):
    vae = make_vae(optimizer=keras.optimizers.SGD(0.1))
    before = weights_of(vae)
    vae.fit(x[:32], sample_weight=np.zeros(32), verbose=0)
    np.testing.assert_array_equal(weights_of(vae), before)


def test_callbacks_may_be_one_several_or_a_list_of_keras(make_vae, x):
    """A callback that holds others in an attribute `callbacks` is still called itself."""
    called = []

    class Composite(keras.callbacks.Callback):
        callbacks = ()

        def on_epoch_end(self, epoch, logs=None):
            called.append(epoch)

    several = [Composite(), keras.callbacks.TerminateOnNaN()]
    for given in (several[0], several, tuple(several), keras.callbacks.CallbackList(several)):
        make_vae().fit(x, verbose=0, callbacks=given)
    assert called == [0] * 4


def test_early_stopping_and_checkpoints_monitor_the_losses(make_vae, x, tmp_path):
    vae = make_vae()
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_elbo", mode="max", save_best_only=True
    )
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=100)
    history = vae.fit(
        x, epochs=10, verbose=0, validation_data=x[:50], callbacks=[stop, best]
    ).history
    assert len(history["loss"]) == 2
    again = keras.models.load_model(tmp_path / "best.keras")
    logs = again.evaluate(x[:50], verbose=0, return_dict=True)
    assert logs["elbo"] == pytest.approx(max(history["val_elbo"]), rel=1e-5)
    assert again.epochs_seen == int(np.argmax(history["val_elbo"])) + 1


def test_terminate_on_nan_sees_the_loss(make_vae, x):
    vae = make_vae(optimizer=keras.optimizers.SGD(1e12))
    history = vae.fit(x, epochs=5, verbose=0, callbacks=keras.callbacks.TerminateOnNaN())
    assert len(history.epoch) < 5


def test_one_step_methods_give_the_losses_in_order(make_vae, x):
    vae = make_vae()
    assert len(vae.train_on_batch(x[:32])) == 4
    assert set(vae.test_on_batch(x[:32], return_dict=True)) == set(vae.loss_names)
    assert vae.predict_on_batch(x[:4]).shape == (4, 8, 8, 1)


def test_a_frozen_encoder_does_not_change(make_vae, x):
    vae = make_vae()
    vae.encoder.trainable = False
    vae.compile("adam")
    before = vae.encoder.get_weights()
    vae.fit(x[:64], verbose=0)
    for old, new in zip(before, vae.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_two_players_follow_their_own_terms(x):
    """A second network with its own term: one optimizer, one update, disjoint groups of weights."""

    class WithCritic(VAE):
        loss_names = (*VAE.loss_names, "critic_loss")

        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            self.critic = keras.layers.Dense(1)

        def objective(self, x, y=None, training=False):
            terms = super().objective(x, y, training)
            z = self.posterior(x, training=training).mean
            terms["critic_loss"] = (self.critic(z)[:, 0] - 3.0) ** 2
            return terms

        def players(self):
            critic = self.critic.trainable_variables
            own = {id(weight) for weight in critic}
            rest = [weight for weight in self.trainable_variables if id(weight) not in own]
            return {"loss": rest, "critic_loss": critic}

    def make(cls):
        keras.utils.set_random_seed(0)
        vae = cls(*networks.dense((8, 8, 1), 2, hidden=(8,)), seed=1)
        vae.compile("adam")
        return vae

    adversarial, plain = make(WithCritic), make(VAE)
    history = adversarial.fit(x, epochs=8, verbose=0).history
    plain.fit(x, epochs=8, verbose=0)
    assert history["critic_loss"][-1] < history["critic_loss"][0]
    for ours, theirs in zip(
        adversarial.decoder.get_weights(), plain.decoder.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def unordered_reads(step):
    """(write, read) pairs of a variable that the optimised graph may run in any order."""
    context = eager_context.context()
    context.enable_graph_collection()
    step()
    graphs = context.export_run_metadata().function_graphs
    context.disable_graph_collection()
    found = []
    for graph in graphs:
        nodes = {node.name: node for node in graph.post_optimization_graph.node}

        def all_before(node, nodes=nodes):
            seen, todo = set(), [node]
            while todo:
                names = {name.lstrip("^").split(":")[0] for name in todo.pop().input} - seen
                seen |= names
                todo += [nodes[name] for name in names if name in nodes]
            return seen

        reads = [node for node in nodes.values() if node.op == "ReadVariableOp"]
        for write in nodes.values():
            if re.match("Assign.*VariableOp", write.op):
                before = all_before(write)
                found += [
                    (write.name, read.name)
                    for read in reads
                    if read.input[0] == write.input[0]
                    and read.name not in before
                    and write.name not in all_before(read)
                ]
    return found


def test_no_player_reads_weights_that_another_has_updated(x, monkeypatch):
    """TensorFlow's graph optimiser may drop the control edge that ensures this."""
    assert not unordered_reads(lambda: callback_models.make("two players").train_on_batch(x[:32]))
    monkeypatch.setattr(tf, "control_dependencies", lambda _: contextlib.nullcontext())
    assert unordered_reads(lambda: callback_models.make("two players").train_on_batch(x[:32]))
