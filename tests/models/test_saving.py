"""Saving loses nothing: training after save and load equals training without them.

vae.save("vae.keras"); vae = keras.models.load_model("vae.keras"); vae.fit(x)
vae.fit(x, epochs=5, callbacks=[keras.callbacks.BackupAndRestore(folder)])   # stop and resume
vae.export(folder)
"""

import pathlib
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae import VAE, networks
from keras_vae.likelihoods import Gaussian
from tests.conftest import weights_of

OWN = '''
import keras

from keras_vae import VAE, networks


@keras.saving.register_keras_serializable(package="own")
class OwnEncoder(keras.Model):
    """A subclassed network, whose shapes are unknown before its first call."""

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.flatten = keras.layers.Flatten()
        self.hidden = keras.layers.Dense(16, activation="relu")
        self.dropout = keras.layers.Dropout(0.1, seed=3)
        self.mean = keras.layers.Dense(latent_dim)
        self.log_var = keras.layers.Dense(latent_dim)

    def call(self, x, training=False):
        h = self.dropout(self.hidden(self.flatten(x)), training=training)
        return self.mean(h), self.log_var(h)

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable(package="own")
class OwnVAE(VAE):
    """A VAE with an additional network and argument."""

    loss_names = (*VAE.loss_names, "size_loss")

    def __init__(self, *arguments, weight=0.1, **settings):
        super().__init__(*arguments, **settings)
        self.weight = weight
        self.head = keras.layers.Dense(1)

    def objective(self, x, y=None, training=False):
        terms = super().objective(x, y, training)
        size = keras.ops.mean(keras.ops.reshape(x, (keras.ops.shape(x)[0], -1)), axis=1)
        guess = self.head(self.codes(x, training=training)[0])[:, 0]
        terms["size_loss"] = keras.ops.square(guess - size)
        terms["loss"] = terms["loss"] + self.weight * terms["size_loss"]
        return terms

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


def make_with_head():
    """Networks of known shape, and a head of unknown shape."""
    keras.utils.set_random_seed(0)
    vae = OwnVAE(*networks.dense((8, 8, 1), 2, hidden=(16,)), seed=1)
    vae.compile("adam")
    return vae


def make():
    keras.utils.set_random_seed(0)
    _, decoder = networks.dense((8, 8, 1), 2, hidden=(16,), dropout=0.1)
    vae = OwnVAE(OwnEncoder(2), decoder, weight=0.3, beta=2.0, seed=1)
    vae.compile("adam")
    return vae
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The module above, as a user's file on disk."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(OWN)
    sys.path.insert(0, str(folder))
    yield __import__("own")
    sys.path.remove(str(folder))


def run(code, folder, own_folder=None, **environment):
    """Run code in a fresh process, in `folder`, where the library and `own` can be imported."""
    import os

    paths = [str(pathlib.Path(keras_vae.__file__).parents[1]), str(own_folder or folder)]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def states_of(model):
    """Everything that training reads: weights, optimizer, generators."""
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(variable) for variable in variables]


def assert_same_state(one, other):
    for ours, theirs in zip(states_of(one), states_of(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "network",
    [{}, {"dropout": 0.2, "batch_norm": True}, {"likelihood": Gaussian()}],
    ids=["plain", "dropout", "gaussian"],
)
def test_training_after_load_model_equals_uninterrupted_training(make_vae, x, tmp_path, network):
    arguments = {"likelihood": network.get("likelihood", "bernoulli"), "beta": 0.5}
    vae = make_vae(network=network, **arguments)
    vae.fit(x, epochs=2, verbose=0)
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(vae.elbo(x), again.elbo(x))
    for model in (vae, again):
        model.fit(x, epochs=2, verbose=0, validation_data=x[:40])
    assert_same_state(vae, again)
    assert again.epochs_seen == 4


def test_stopping_and_resuming_equals_an_unbroken_fit(make_vae, x, tmp_path):
    """An exception stops the fit in the third epoch; tests below use SIGKILL."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.epochs_seen == 2 and batch == 4:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", double_checkpoint=True)

    unbroken = make_vae()
    unbroken.fit(x, epochs=5, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        make_vae().fit(x, epochs=5, verbose=0, callbacks=[backup(), Stop()])
    resumed = make_vae(seed=99)  # the restored states count, not the constructor's seed
    resumed.fit(x, epochs=5, verbose=0, callbacks=[backup()])
    assert_same_state(unbroken, resumed)
    different = make_vae(seed=99)
    different.fit(x, epochs=5, verbose=0)
    assert not np.allclose(weights_of(unbroken), weights_of(different), atol=1e-3)


@pytest.mark.parametrize("ending", ["h5", "hdf5"])
def test_the_old_format_is_refused_and_loses_nothing(make_vae, x, tmp_path, ending):
    vae = make_vae()
    vae.fit(x, verbose=0)
    with pytest.raises(ValueError, match=r"give it the ending \.keras"):
        vae.save(tmp_path / f"vae.{ending}")
    vae.save(tmp_path / "vae.keras")
    assert_same_state(vae, keras.models.load_model(tmp_path / "vae.keras"))


def test_the_saved_beta_overrides_that_of_the_constructor(make_vae, tmp_path):
    vae = make_vae(beta=4.0)
    vae.beta = 0.25
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert float(again.beta) == 0.25
    assert again.get_config()["beta"] == 4.0


@pytest.mark.parametrize("make", [pytest.param("make", marks=pytest.mark.slow), "make_with_head"])
def test_a_users_own_subclass_saves_loads_and_continues(own, x, tmp_path, make):
    make = getattr(own, make)
    vae = make()
    before = vae.fit(x, epochs=2, verbose=0).history
    assert before["loss"][-1] < before["loss"][0]
    vae.save(tmp_path / "own.keras")
    vae.save_weights(tmp_path / "own.weights.h5")
    again = keras.models.load_model(tmp_path / "own.keras")
    assert again.weight == vae.weight
    assert_same_state(vae, again)
    if vae.signature.x_shape == make().signature.x_shape:  # the fresh model is built
        fresh = make()
        fresh.load_weights(tmp_path / "own.weights.h5")
        assert_same_state(vae, fresh)
    for model in (vae, again):
        model.fit(x, epochs=1, verbose=0)
    assert_same_state(vae, again)
    assert len(make().train_on_batch(x[:8])) == 5


@pytest.mark.parametrize("make", [pytest.param("make", marks=pytest.mark.slow), "make_with_head"])
def test_a_users_own_subclass_exports(own, x, tmp_path, make):
    vae = getattr(own, make)()
    vae.fit(x[:32], verbose=0)
    vae.save(tmp_path / "own.keras")
    for name, model in (
        ("fitted", vae),
        ("loaded", keras.models.load_model(tmp_path / "own.keras")),
    ):
        model.export(tmp_path / name, verbose=False)
        served = tf.saved_model.load(tmp_path / name)
        np.testing.assert_allclose(served.serve(x[:5]), vae.predict(x[:5], verbose=0), atol=1e-6)


def test_verbs_and_save_work_before_any_fit(own, x, tmp_path):
    vae = own.make()
    with pytest.raises(ValueError, match="call the model on a batch first"):
        vae.generate(1)
    assert vae.encode(x).shape == (300, 2)
    assert vae.generate(2).shape == (2, 8, 8, 1)
    vae.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again.elbo(x), vae.elbo(x))


def test_a_generator_cannot_build_networks_of_unknown_shape(own, x):
    def data():
        yield (x[:8],)

    vae = own.make()
    with pytest.raises(ValueError, match="call the model on a batch first"):
        vae.fit(data(), verbose=0)
    vae(x[:1])
    vae.fit(data(), verbose=0)


@pytest.mark.filterwarnings("error:.*Skipping variable loading:UserWarning")
def test_load_weights_into_a_compiled_model_loads_the_optimizer_keras3_6_8(make_vae, x, tmp_path):
    vae = make_vae()
    vae.fit(x, verbose=0)
    vae.save_weights(tmp_path / "vae.weights.h5")
    other = make_vae()
    other.load_weights(tmp_path / "vae.weights.h5")
    assert_same_state(vae, other)


def test_a_file_without_generator_states_loads_and_keeps_the_generators(make_vae, tmp_path):
    """Such a file comes from plain Keras."""
    vae = make_vae()
    vae.generator_states = dict
    vae.save_weights(tmp_path / "plain.weights.h5")
    other = make_vae(seed=8)
    other.load_weights(tmp_path / "plain.weights.h5")
    np.testing.assert_array_equal(weights_of(vae), weights_of(other))
    assert int(other.data_order.state[0]) == 8


def with_dropout(make_vae, dropout, **arguments):
    return make_vae(network={"dropout": dropout, "hidden": (16, 8)}, **arguments)


def test_generators_are_found_by_their_place_keras3_e24(make_vae, x, tmp_path):
    """Models with and without dropout load the states of the generators that both have."""
    trained = with_dropout(make_vae, 0.2)
    trained.fit(x, epochs=3, verbose=0)
    trained.generate(1)
    trained.save_weights(tmp_path / "with.weights.h5")
    without = with_dropout(make_vae, 0.0, seed=9)
    without.load_weights(tmp_path / "with.weights.h5")
    states, found = trained.generator_states(), without.generator_states()
    assert set(found) < set(states)
    for place, state in found.items():
        np.testing.assert_array_equal(state, states[place], err_msg=place)
    without.save_weights(tmp_path / "without.weights.h5")
    back = with_dropout(make_vae, 0.2, seed=7)
    own = {place: state.numpy() for place, state in back.generator_states().items()}
    back.load_weights(tmp_path / "without.weights.h5")
    for place, state in back.generator_states().items():
        expected = own[place] if "dropout" in place else states[place]
        np.testing.assert_array_equal(state, expected, err_msg=place)


def test_a_class_that_gained_a_generator_loads_its_old_states(make_vae, x, tmp_path):
    class More(VAE):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            self.another = keras_vae.noise.SeedGenerator(3)  # not in the file
            self.added = keras_vae.noise.SeedGenerator(4)

    old = make_vae()
    old.fit(x, epochs=2, verbose=0)
    old.save_weights(tmp_path / "old.weights.h5")
    new = More(*networks.dense((8, 8, 1), 2, hidden=(16,)), seed=8)
    new.compile("adam")
    new.load_weights(tmp_path / "old.weights.h5")
    assert new.epochs_seen == 2
    assert new.another.peek() == (3, 0)
    for place, state in old.generator_states().items():
        np.testing.assert_array_equal(new.generator_states()[place], state)


def test_a_checkpoint_of_tensorflow_holds_the_generators_keras3_e27(make_vae, x, tmp_path):
    trained = with_dropout(make_vae, 0.2)
    trained.fit(x, epochs=2, verbose=0)
    checkpoint = tf.train.Checkpoint(model=trained, optimizer=trained.optimizer)
    path = checkpoint.save(str(tmp_path / "checkpoint"))
    again = with_dropout(make_vae, 0.2, seed=9)
    again.ensure_built()
    restored = tf.train.Checkpoint(model=again, optimizer=again.optimizer)
    restored.restore(path).assert_consumed()
    assert again.epochs_seen == 2
    assert_same_state(trained, again)
    for vae in (trained, again):
        vae.fit(x, epochs=1, verbose=0)
    assert_same_state(trained, again)


def test_two_equal_models_of_one_process_load_their_own_states(make_vae, x, tmp_path):
    one, two = (with_dropout(make_vae, 0.2, seed=seed) for seed in (1, 2))
    for name, vae, epochs in (("one", one, 1), ("two", two, 2)):
        vae.fit(x, epochs=epochs, verbose=0)
        vae.save(tmp_path / f"{name}.keras")
    for name, vae in (("two", two), ("one", one)):
        assert_same_state(vae, keras.models.load_model(tmp_path / f"{name}.keras"))


def test_the_export_equals_predict(make_vae, x, tmp_path):
    vae = make_vae()
    vae.fit(x, verbose=0)
    vae.export(tmp_path / "vae", verbose=False)
    served = tf.saved_model.load(tmp_path / "vae")
    np.testing.assert_allclose(served.serve(x[:5]), vae.predict(x[:5], verbose=0), atol=1e-6)


# Fresh processes ---------------------------------------------------------------------------

TRAIN = """
import os, sys
import keras, numpy as np
from keras_vae import VAE, datasets, networks

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.epochs_seen == 2 and batch == 5:
            print("in the third epoch", flush=True)
            import time; time.sleep(600)

keras.utils.set_random_seed(0)
(x, _), _ = datasets.load_digits(limit=300)
vae = VAE(*networks.dense((8, 8, 1), 2, hidden=(16,), dropout=0.1), seed=4)
vae.compile("adam")
callbacks = [keras.callbacks.BackupAndRestore(sys.argv[2])] if len(sys.argv) > 2 else []
callbacks += [Kill()] if "kill" in sys.argv else []
vae.fit(x, epochs=5, verbose=0, callbacks=callbacks)
np.save(sys.argv[1], np.concatenate([np.ravel(w) for w in vae.get_weights()]))
"""


@pytest.mark.slow
def test_a_killed_process_resumes_exactly_keras3_5_1(tmp_path):
    """2 epochs, SIGKILL in the third, a new process for the rest = 5 epochs in one."""
    import os

    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    root = str(pathlib.Path(keras_vae.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, script, *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    unbroken = start("unbroken.npy")
    killed = start("killed.npy", "backup", "kill")
    assert "third epoch" in killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert start("resumed.npy", "backup").wait() == 0
    assert unbroken.wait() == 0
    assert not (tmp_path / "killed.npy").exists()
    np.testing.assert_array_equal(
        np.load(tmp_path / "resumed.npy"), np.load(tmp_path / "unbroken.npy")
    )


@pytest.mark.slow
def test_a_fresh_process_loads_and_continues_exactly(own, make_vae, x, tmp_path):
    models = {"vae": make_vae(), "own": own.make()}
    for name, model in models.items():
        model.fit(x, epochs=2, verbose=0)
        model.save(tmp_path / f"{name}.keras")
        model.fit(x, epochs=2, verbose=0)
    result = run(
        """
        import keras, numpy as np
        import keras_vae, own
        (x, _), _ = keras_vae.datasets.load_digits(limit=300)
        for name in ("vae", "own"):
            model = keras.models.load_model(f"{name}.keras")
            model.fit(x, epochs=2, verbose=0)
            np.savez(name, *[np.array(v) for v in [*model.variables, *model.optimizer.variables]])
        """,
        tmp_path,
        own_folder=pathlib.Path(own.__file__).parent,
    )
    assert result.returncode == 0, result.stderr
    for name, model in models.items():
        saved = np.load(tmp_path / f"{name}.npz")
        for ours, key in zip(states_of(model), saved.files, strict=True):
            np.testing.assert_array_equal(ours, saved[key])


@pytest.mark.slow
def test_exports_run_in_a_process_without_the_library(make_vae, x, tmp_path):
    vae = make_vae(network={"batch_norm": True}, likelihood="bernoulli")
    vae.fit(x, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    z = vae.encode(x[:5])
    expected = {
        "fitted": vae.predict(x[:5], verbose=0),
        "loaded": loaded.predict(x[:5], verbose=0),
        "decoder": loaded.decoder.predict(z, verbose=0),
    }
    vae.export(tmp_path / "fitted", verbose=False)
    loaded.export(tmp_path / "loaded", verbose=False)
    loaded.decoder.export(tmp_path / "decoder", verbose=False)
    np.savez(tmp_path / "inputs", x=x[:5], z=z)
    result = run(
        """
        import sys
        sys.modules["keras_vae"] = sys.modules["keras"] = None  # plain TensorFlow
        import numpy as np, tensorflow as tf
        inputs = np.load("inputs.npz")
        for name, key in (("fitted", "x"), ("loaded", "x"), ("decoder", "z")):
            served = tf.saved_model.load(name)
            np.save(name, served.serve(inputs[key]))
        """,
        tmp_path,
    )
    assert result.returncode == 0, result.stderr
    for name, array in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), array, atol=1e-6)
