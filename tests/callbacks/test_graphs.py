"""`plotting.model_graph(callbacks.tidy_graph(vae))`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, networks
from keras_vae.callbacks import tidy_graph
from tests.callbacks.models import MODELS, make, state_of

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
    """The names one level below a scope."""
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
    assert all("/" in name for name in names), "something is loose at the top"
    between = {(top(a), top(b)) for a, b in edges(graph) if top(a) != top(b)}
    assert {a for a, _ in edges(graph)} <= set(names), "an edge begins nowhere"
    order = {part: i for i, part in enumerate(parts)}
    assert all(order[a] < order[b] for a, b in between), "not a chain from bottom to top"
    late, early = {"backward", "apply_gradients"}, set(FORWARD)
    assert not any(a in early and b in late for a, b in between)
    for part in set(parts) - {"input", "prior"}:
        assert any(b == part for _, b in between), f"{part} hangs in the air"


@pytest.mark.parametrize(
    ("name", "setting"),
    [*((name, "plain") for name in MODELS), *(("conv", s) for s in SETTINGS if s != "plain")],
)
def test_every_view_of_every_model_is_tidy_keras3_t1_t5(name, setting):
    model = make(name, **SETTINGS[setting])
    graph = tidy_graph(model)
    check_is_tidy(graph, model.parts)
    check_is_tidy(tidy_graph(model, "inference"), model.parts[: model.parts.index("loss")])
    variables = {node.name for node in graph.node if node.op == "VarHandleOp"}
    for part in ("encoder", "decoder"):
        network = getattr(model, part)
        layers = [x for x in network.layers if not isinstance(x, keras.layers.InputLayer)]
        between = {name for name in inside(graph, part) if name.startswith(("Cast", "add"))}
        assert inside(graph, part) - between == {layer.name for layer in layers}
        for layer in layers:  # those of a recurrent layer stand in its cell
            own = {name for name in variables if name.startswith(f"{part}/{layer.name}/")}
            names = {name.split("/")[-1] for name in own}
            assert {weight.name for weight in layer.weights} <= names


def test_the_check_fails_on_the_graph_as_traced():
    """The law's own control: what TensorFlow gives is no chain of parts (KERAS3 T4)."""
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
    check_is_tidy(generation, ("input", "prior", "decoder"))
    assert "y" in inside(generation, "input")
    for view in (graph, generation):
        between = {(top(a), top(b)) for a, b in edges(view)}
        assert ("input", "decoder") in between, "the decoder does not read the condition"


def test_a_network_that_a_model_names_among_its_parts_stands_at_the_top():
    graph = tidy_graph(make("two players"))
    assert inside(graph, "critic") == {"score"}
    assert "scale" in inside(graph, "loss")
    assert {"critic", "scale"} <= inside(graph, "apply_gradients")


def test_generation_goes_from_the_prior_to_the_decoder():
    graph = tidy_graph(make("dense"), "generation")
    check_is_tidy(graph, ("prior", "decoder"))


def test_a_model_that_generates_nothing_says_so():
    with pytest.raises(TypeError, match="has no p"):
        tidy_graph(make("autoencoder"), "generation")


@pytest.mark.parametrize("name", MODELS)
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


def test_a_failed_trace_leaves_the_layers_as_they_were():
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


def test_under_a_strategy(strategy):
    with strategy.scope():
        model = VAE(*networks.dense((8, 8, 1), 2, hidden=(4,)))
        model.compile("adam")
    graph = tidy_graph(model)
    check_is_tidy(graph, model.parts)
    assert len({node.device for node in graph.node}) == 2


def test_a_shared_layer_is_left_as_it_was():
    shared = keras.layers.Dense(4, name="shared")
    x, z = keras.Input((6,)), keras.Input((6,))
    heads = [keras.layers.Dense(6)(shared(x)) for _ in range(2)]
    model = VAE(keras.Model(x, heads), keras.Model(z, keras.layers.Dense(6)(shared(z))))
    model.compile("adam")
    tidy_graph(model)
    assert "call" not in vars(shared)


def test_bad_input_gets_a_sentence():
    with pytest.raises(ValueError, match="view is 'test'; expected one of"):
        tidy_graph(make("dense"), "test")
    with pytest.raises(ValueError, match="compile it first"):
        tidy_graph(MODELS["dense"]())
    assert tidy_graph(MODELS["dense"](), "inference").node
