"""Adam with a fused kernel agrees with Keras's; PerTerm has an optimizer for each player.

vae.compile(optimizers.Adam(1e-3))
model.compile(optimizers.PerTerm({"loss": "adam", "discriminator_loss": "sgd"}))
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import optimizers
from tests import kinds
from tests.conftest import weights_of

# Adam --------------------------------------------------------------------------------------

KERAS, OURS = keras.optimizers.Adam, optimizers.Adam


def run(make, steps, sizes=((5, 3), (3,), (1,)), **arguments):
    """(optimizer, variables) after some steps with random gradients."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=size), dtype="float32") for size in sizes]
    optimizer = make(1e-3, **arguments)

    optimizer.build(variables)
    gradients = [tf.constant(rng.normal(size=(steps, *size)), "float32") for size in sizes]

    def step(*gradients):
        optimizer.apply(gradients, variables)

    step = tf.function(step) if steps > 100 else step
    for i in range(steps):
        step(*(gradient[i] for gradient in gradients))
    return optimizer, variables


def test_a_thousand_steps_agree_with_keras():
    (_, theirs), (_, ours) = (run(make, 1000) for make in (KERAS, OURS))
    for one, two in zip(ours, theirs, strict=True):
        assert np.abs(one.numpy() - two.numpy()).max() < 1e-6 * np.abs(two.numpy()).max()
    (_, others) = run(KERAS, 1000, beta_2=0.99)
    assert not np.allclose(ours[0].numpy(), others[0].numpy(), rtol=1e-3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"amsgrad": True},
        {"clipnorm": 0.1},
        {"global_clipnorm": 0.1},
        {"weight_decay": 0.01},
        {"use_ema": True},
        {"gradient_accumulation_steps": 2},
        {"epsilon": 1e-3, "beta_1": 0.5},
    ],
    ids=str,
)
def test_every_option_agrees_with_keras(arguments):
    (_, theirs), (_, ours) = (run(make, 20, **arguments) for make in (KERAS, OURS))
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-5, atol=1e-6)


def test_the_kernel_is_used_only_for_options_that_it_supports(monkeypatch):
    used, kernel = [], tf.raw_ops.ResourceApplyAdam

    def counted(**arguments):
        used.append(1)
        return kernel(**arguments)

    monkeypatch.setattr(tf.raw_ops, "ResourceApplyAdam", counted)
    run(OURS, 1)
    assert len(used) == 3  # one for each variable
    run(OURS, 1, amsgrad=True)
    assert len(used) == 3


def test_sparse_gradients_give_the_update_of_keras():
    found = []
    for make in (KERAS, OURS):
        variable = keras.Variable(np.ones((4, 2)), dtype="float32")
        optimizer = make(0.1)
        sparse = tf.IndexedSlices(tf.ones((1, 2)), tf.constant([2]), tf.constant([4, 2]))
        optimizer.apply([sparse], [variable])
        found.append(variable.numpy())
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_states_load_into_keras_and_from_keras(make_vae, x, tmp_path):
    kept = {}
    for name, optimizer in (("ours", OURS(1e-3)), ("keras", KERAS(1e-3))):
        vae = make_vae(optimizer=optimizer)
        vae.fit(x, epochs=2, verbose=0)
        vae.save_weights(tmp_path / f"{name}.weights.h5")
        kept[name] = vae
    for name, other in (("ours", KERAS(1e-3)), ("keras", OURS(1e-3))):
        vae = make_vae(optimizer=other)
        vae.load_weights(tmp_path / f"{name}.weights.h5")
        assert int(vae.optimizer.iterations) == 20
        for model in (vae, kept[name]):
            model.fit(x, epochs=2, verbose=0)
        np.testing.assert_allclose(weights_of(vae), weights_of(kept[name]), atol=1e-5)


def test_a_model_with_adam_saves_loads_and_continues_exactly(make_vae, x, tmp_path):
    vae = make_vae(optimizer=OURS(1e-3))
    vae.fit(x, verbose=0)
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert type(again.optimizer) is OURS
    for model in (vae, again):
        model.fit(x, verbose=0)
    np.testing.assert_array_equal(weights_of(vae), weights_of(again))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_adam_trains_as_in_keras_in_every_setting(make_vae, x, policy, jit_compile):
    keras.config.set_dtype_policy(policy)
    try:
        losses = [
            make_vae(optimizer=make(1e-2), compile_arguments={"jit_compile": jit_compile})
            .fit(x, epochs=3, verbose=0)
            .history["loss"]
            for make in (KERAS, OURS)
        ]
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(*losses, rtol=1e-5 if policy == "float32" else 1e-3)


def test_replicas_train_as_one_device_does(make_vae, x, strategy):
    found = []
    for scope in (tf.distribute.get_strategy().scope(), strategy.scope()):
        with scope:
            vae = make_vae(optimizer=OURS(1e-2))
        found.append(vae.fit(x, epochs=3, batch_size=64, verbose=0).history["loss"])
    np.testing.assert_allclose(*found, rtol=0.01)  # each replica has noise of its own


# One for each player -------------------------------------------------------------------------


def adversarial(x=None, epochs=0, **compile_arguments):
    keras.utils.set_random_seed(0)
    model = kinds.KINDS["adversarial"][0]()
    model.compile(**compile_arguments)
    if epochs:
        model.fit(x, epochs=epochs, verbose=0)
    return model


def per_term(loss=None, discriminator=None):
    return optimizers.PerTerm(
        {
            "loss": loss or KERAS(1e-3),
            "discriminator_loss": discriminator or keras.optimizers.SGD(1e-2),
        }
    )


def test_each_player_has_its_own_optimizer(x):
    """Two equal optimizers act as one for all; a rate of 0 does not change its player."""
    one = adversarial(x, 2, optimizer=KERAS(1e-3))
    same = adversarial(x, 2, optimizer=per_term(KERAS(1e-3), KERAS(1e-3)))
    np.testing.assert_allclose(weights_of(one), weights_of(same), atol=1e-6)
    start = adversarial(optimizer="adam")
    frozen = adversarial(x, 2, optimizer=per_term(discriminator=keras.optimizers.SGD(0.0)))
    for name in ("discriminator", "encoder"):
        before, after = (getattr(model, name).get_weights() for model in (start, frozen))
        equal = all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        assert equal == (name == "discriminator")


def test_all_states_are_saved_and_training_continues_exactly(x, tmp_path):
    model = adversarial(
        x, 2, optimizer=per_term(discriminator=keras.optimizers.SGD(1e-2, momentum=0.9))
    )
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    again = keras.models.load_model(tmp_path / "model.keras")
    into = adversarial(optimizer=per_term(discriminator=keras.optimizers.SGD(1e-2, momentum=0.9)))
    into.load_weights(tmp_path / "model.weights.h5")
    for other in (again, into):
        assert type(other.optimizer) is optimizers.PerTerm
        for ours, theirs in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    for each in (model, again, into):
        each.fit(x, epochs=1, verbose=0)
    np.testing.assert_array_equal(weights_of(model), weights_of(again))
    np.testing.assert_array_equal(weights_of(model), weights_of(into))


def test_per_term_trains_with_loss_scaling(x):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = adversarial(optimizer=per_term())
        history = model.fit(x, epochs=3, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy("float32")
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    full = adversarial(optimizer=per_term()).fit(x, epochs=3, verbose=0).history["loss"]
    np.testing.assert_allclose(history, full, rtol=5e-3)


def test_the_learning_rate_is_that_of_the_loss(x):
    model = adversarial(optimizer=per_term())
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.5)
    model.fit(x, verbose=0, callbacks=[schedule])
    inner = model.optimizer.by_term
    assert float(model.optimizer.learning_rate) == float(inner["loss"].learning_rate) == 0.5
    assert float(inner["discriminator_loss"].learning_rate) == pytest.approx(1e-2)


def test_names_other_than_the_players_are_refused(x, make_vae):
    model = adversarial(optimizer=optimizers.PerTerm({"loss": "adam"}))
    with pytest.raises(ValueError, match=r"optimizers for \['loss'\]; expected one for each"):
        model.fit(x, verbose=0)
    inputs = keras.Input((2,))
    other = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    other.compile(optimizers.PerTerm({"loss": "adam"}), loss="mse")
    with pytest.raises(ValueError, match="works only with a model of keras_vae"):
        other.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    make_vae(optimizer=optimizers.PerTerm({"loss": "adam"})).fit(x, verbose=0)
    for bad in ("adam", {}, None):
        with pytest.raises(TypeError, match=r"optimizers is .*; expected a dict such as"):
            optimizers.PerTerm(bad)
    with pytest.raises(ValueError, match="give it without loss scaling"):
        per_term(discriminator=keras.optimizers.SGD(0.1, loss_scale_factor=8.0))
