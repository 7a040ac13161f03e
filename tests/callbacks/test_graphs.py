"""`plotting.model_graph(callbacks.tidy_graph(vae))`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, networks, optimizers
from keras_vae.callbacks import tidy_graph
from tests import kinds
from tests.callbacks.models import MODELS, make, state_of

slow = pytest.mark.slow
SETTINGS = {
    "plain": {},
    "XLA": {"jit_compile": True},
    "float16": {"policy": "mixed_float16"},
    "bfloat16": {"policy": "mixed_bfloat16"},
    "many steps a call": {"steps_per_execution": 4},
    "another optimizer": {"optimizer": "adamw"},
}
FORWARD = ("input", "encoder", "sampling", "decoder")
ALL = (*FORWARD, "loss", "backward", "apply_gradients", "metrics")


def top(name):
    return name.split("/")[0]


def inside(graph, scope):
    """The names on the level below a scope."""
    depth = scope.count("/") + 1
    names = (node.name.split("/") for node in graph.node if node.name.startswith(f"{scope}/"))
    return {name[depth] for name in names}


def edges(graph):
    for node in graph.node:
        for edge in node.input:
            yield edge.removeprefix("^").split(":")[0], node.name


def check_is_tidy(graph, parts):
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    assert {top(name) for name in names} == set(parts)
    assert all("/" in name for name in names), "a node is at the top level"
    between = {(top(a), top(b)) for a, b in edges(graph) if top(a) != top(b)}
    assert not any(
        edge.startswith("^") and top(edge[1:]) != top(node.name)
        for node in graph.node
        for edge in node.input
    )
    assert {a for a, _ in edges(graph)} <= set(names), "an edge has no source"
    order = {part: i for i, part in enumerate(parts)}
    assert all(order[a] < order[b] for a, b in between), "the parts are no chain"
    assert all(a == "loss" for a, b in between if b == "backward")
    assert all(a == "backward" for a, b in between if b == "apply_gradients")
    for part in set(parts) - {"input", "prior"}:  # these have no input
        assert any(b == part for _, b in between), f"{part} has no input"


def check_inference_is_tidy(graph, model):
    """It goes from x to p(x|z), without networks that judge and priors of lower levels."""
    absent = {"critic", "discriminator", "down"}
    absent |= set() if model.has_posterior else {"sampling"}
    networks_ = model.parts[: model.parts.index("loss")]
    check_is_tidy(graph, (*(part for part in networks_ if part not in absent), "likelihood"))


FAST = ("conv", "two players", "subclass", "float16")


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        pytest.param(*both, marks=() if set(both) & set(FAST) and both[0] in FAST else slow)
        for both in (
            *((name, "plain") for name in MODELS),
            *(("conv", s) for s in SETTINGS if s != "plain"),
        )
    ],
)
def test_every_view_of_every_model_is_tidy_keras3_t1_t5(name, setting):
    model = make(name, **SETTINGS[setting])
    graph = tidy_graph(model)
    check_is_tidy(graph, model.parts)
    check_inference_is_tidy(tidy_graph(model, "inference"), model)
    variables = {node.name for node in graph.node if node.op == "VarHandleOp"}
    for part in ("encoder", "decoder"):
        network = getattr(model, part)
        layers = [x for x in network.layers if not isinstance(x, keras.layers.InputLayer)]
        between = {name for name in inside(graph, part) if name.startswith(("Cast", "add"))}
        assert inside(graph, part) - between == {layer.name for layer in layers}
        for layer in layers:  # the weights of a recurrent layer are in its cell
            own = {name for name in variables if name.startswith(f"{part}/{layer.name}/")}
            names = {name.split("/")[-1] for name in own}
            assert {weight.name for weight in layer.weights} <= names


def test_the_check_fails_on_the_graph_as_traced():
    """Negative control: TensorFlow's own graph is not a chain of parts (KERAS3 T4)."""
    model = make("dense")
    model.ensure_built()
    spec = tf.TensorSpec((None, 8, 8, 1))
    graph = tf.function(model.train_step).get_concrete_function(spec).graph
    with pytest.raises(AssertionError):
        check_is_tidy(graph.as_graph_def(), model.parts)


def test_the_parts_of_a_vae_are_those_of_the_lecture():
    model = make("dense")
    assert model.parts == ALL
    graph = tidy_graph(model)
    assert {"reconstruction", "kl", "beta"} <= inside(graph, "loss")
    assert inside(graph, "metrics") >= {"loss", "reconstruction_loss", "kl_loss", "elbo"}
    assert inside(graph, "apply_gradients") >= {"encoder", "decoder"}
    assert {"encoder", "sampling", "decoder", "loss"} <= inside(graph, "backward")


@pytest.mark.parametrize("known", [True, False])
def test_a_condition_is_an_input(digits, known):
    model = make("conditional")
    x, y = digits if known else (None, None)
    graph = tidy_graph(model, "training", x, y)
    check_is_tidy(graph, model.parts)
    assert inside(graph, "input") >= {"x", "y"}
    generation = tidy_graph(model, "generation", x, y)
    check_is_tidy(generation, ("input", "prior", "decoder", "likelihood"))
    assert "y" in inside(generation, "input")
    for view in (graph, generation):
        between = {(top(a), top(b)) for a, b in edges(view)}
        assert ("input", "decoder") in between, "the decoder does not read the condition"


def test_a_network_in_the_parts_of_a_model_is_at_the_top_level():
    graph = tidy_graph(make("two players"))
    assert inside(graph, "critic") == {"score"}
    assert "scale" in inside(graph, "loss")
    assert {"critic", "scale"} <= inside(graph, "apply_gradients")


def per_term(**arguments):
    both = {"loss": optimizers.Adam(), "critic_loss": keras.optimizers.Adam()}
    return make("two players", optimizer=optimizers.PerTerm(both), **arguments)


def test_each_optimizer_updates_its_weights_under_their_names():
    model = per_term()
    graph = tidy_graph(model)
    check_is_tidy(graph, model.parts)
    updates = inside(graph, "apply_gradients")
    assert {"encoder", "decoder", "critic", "scale", "loss", "critic_loss"} <= updates
    assert "ResourceApplyAdam" in inside(graph, "apply_gradients/encoder/hidden_1/kernel")
    keras_update = inside(graph, "apply_gradients/critic/score/kernel")
    assert "ResourceApplyAdam" not in keras_update
    assert "AssignSubVariableOp" in keras_update
    for term in ("loss", "critic_loss"):
        assert {"iteration", "learning_rate"} <= inside(graph, f"apply_gradients/{term}")


@slow
def test_the_graph_of_several_optimizers_with_loss_scaling_is_tidy():
    model = per_term(policy="mixed_float16")
    check_is_tidy(tidy_graph(model), model.parts)


@pytest.mark.parametrize("several", [False, True])
def test_a_graph_is_the_same_whatever_else_the_process_has_made(several):
    """Keras numbers optimizers: `adam`, `adam_1`."""
    graphs = [tidy_graph(per_term() if several else make("two players")) for _ in range(2)]
    updates = [
        {node.name for node in graph.node if top(node.name) == "apply_gradients"}
        for graph in graphs
    ]
    assert updates[0] == updates[1]
    assert {"momentum", "velocity"} <= inside(graphs[0], "apply_gradients/critic/score/bias")


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_inference_and_generation_end_in_the_likelihood(likelihood):
    model = VAE(*networks.dense((8, 8, 1), 2, likelihood=likelihood), likelihood=likelihood)
    graphs = tidy_graph(model, "inference"), tidy_graph(model, "generation")
    check_is_tidy(graphs[0], (*FORWARD, "likelihood"))
    check_is_tidy(graphs[1], ("prior", "decoder", "likelihood"))
    for graph in graphs:
        assert not any(top(source) == "likelihood" != top(name) for source, name in edges(graph))


def test_networks_that_generation_runs_before_the_decoder_are_in_the_prior():
    """Networks of lower levels, and the encoder if p(z) depends on it."""
    ladder, vamp = kinds.ladder(), kinds.KINDS["vamp"][0]()
    expected = ((ladder, {"down", "sampling"}, "down"), (vamp, {"encoder"}, "encoder"))
    for model, networks_, name in expected:
        graph = tidy_graph(model, "generation")
        check_is_tidy(graph, ("prior", "decoder", "likelihood"))
        assert networks_ <= inside(graph, "prior")
        network = getattr(model, name)
        layers = {layer.name for layer in network.layers if layer.weights}
        assert layers <= inside(graph, f"prior/{name}")
        for layer in layers:
            assert {"kernel", "bias"} <= inside(graph, f"prior/{name}/{layer}")
    assert "pseudo_inputs" in inside(graph, "prior")


def test_constants_and_weights_are_in_the_scope_of_their_first_reader():
    graph = tidy_graph(kinds.KINDS["VQ"][0](), "inference")
    assert inside(graph, "input") == {"x"}
    assert "codebook" in inside(graph, "encoder")


def test_a_constant_that_no_result_depends_on_is_not_drawn():
    unread = tf.zeros(1000)

    class Reader(VAE):
        def objective(self, x, y=None, training=False):
            tf.reduce_sum(unread, name="of_unread")
            return super().objective(x, y, training)

    model = Reader(*networks.dense((8, 8, 1), 2, hidden=(4,)))
    model.compile("adam")
    graph = tidy_graph(model)
    check_is_tidy(graph, model.parts)
    assert not any("of_unread" in node.name for node in graph.node)


def test_generation_without_a_prior_is_refused():
    with pytest.raises(TypeError, match="has no p"):
        tidy_graph(make("autoencoder"), "generation")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ("conv", "two players") else slow) for n in MODELS]
)
def test_drawing_changes_nothing(name):
    model = make(name)
    model.ensure_built()
    before, calls = state_of(model), vars(model.encoder.layers[1]).get("call")
    random = np.random.get_state()[1].copy()
    for view in ("training", "inference"):
        tidy_graph(model, view)
    after = state_of(model)
    assert len(before) == len(after)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert vars(model.encoder.layers[1]).get("call") is calls
    assert np.array_equal(random, np.random.get_state()[1])


def test_a_failed_trace_does_not_change_the_layers():
    model = make("dense")
    model.objective = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        tidy_graph(model)
    assert "call" not in vars(model.encoder)
    assert "update_step" not in vars(model.optimizer)


def test_nodes_know_their_device():
    graph = tidy_graph(make("dense"))
    assert {node.device for node in graph.node} == {tf.zeros(()).device}
    with tf.device("CPU:1"):
        graph = tidy_graph(make("dense"))
    assert {node.device[-5:] for node in graph.node} == {"CPU:1"}


def test_the_graph_under_a_strategy_is_tidy(strategy):
    with strategy.scope():
        model = VAE(*networks.dense((8, 8, 1), 2, hidden=(4,)))
        model.compile("adam")
    graph = tidy_graph(model)
    check_is_tidy(graph, model.parts)
    assert len({node.device for node in graph.node}) == 2


def test_drawing_does_not_change_a_shared_layer():
    shared = keras.layers.Dense(4, name="shared")
    x, z = keras.Input((6,)), keras.Input((6,))
    heads = [keras.layers.Dense(6)(shared(x)) for _ in range(2)]
    model = VAE(keras.Model(x, heads), keras.Model(z, keras.layers.Dense(6)(shared(z))))
    model.compile("adam")
    tidy_graph(model)
    assert "call" not in vars(shared)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="view is 'test'; expected one of"):
        tidy_graph(make("dense"), "test")
    with pytest.raises(ValueError, match="compile it first"):
        tidy_graph(MODELS["dense"]())
    assert tidy_graph(MODELS["dense"](), "inference").node
