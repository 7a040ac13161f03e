"""Sort a traced graph into the parts of a model, so that it reads as a chain.

- A node traced in the scope of a part stays there; the number of a scope that was opened again is
  removed. The gradient tape's nodes go under `backward`.
- A node outside of all parts goes under the loss. But if a network reads it, it goes with the last
  network that it is computed from or, if there is none, with its first reader.
- A variable goes into the innermost scope that contains all its readers.
- Four kinds of edges would clutter the picture and are left out: to `backward`, all but the loss's
  (activations); to `apply_gradients`, all but `backward`'s (weights); to an earlier part; control.
"""

import posixpath
import re

import tensorflow as tf

_LARGE = 4096  # bytes; the values of larger constants are dropped


def tidied(graph, paths, scopes, parts):
    """A `tf.Graph` as a GraphDef whose top-level names are the parts of a model.

    Args:
        graph: FuncGraph of a traced function.
        paths: dict from the id of a captured tensor to the path of its variable.
        scopes: set of str. The scopes of layers and updates.
        parts: tuple of str, in the order of computation.
    """
    scopes = {*scopes, *parts, *(f"{part}/{scope}" for part in parts for scope in scopes)}
    nodes = _read(graph, scopes)
    _give_parts(nodes, parts)
    _place_variables(nodes, graph.captures, paths, scopes)
    return _written(nodes.values(), parts)


class _Node:
    """A node of the traced graph: its sources, its readers and its future name."""

    def __init__(self, definition, scopes):
        self.definition = definition
        self.path = _folded(definition.name, scopes)
        self.part = self.path.split("/")[0]
        self.edges, self.readers = [], []  # edges: (as the definition has it, source)
        self.feeds_network = False

    def stand_under(self, part):
        self.part = part
        if not self.path.startswith(f"{part}/"):
            self.path = f"{part}/{self.path}"


def _read(graph, scopes):
    """{name: node} of the nodes that the results depend on, in the order of tracing."""
    definitions = {n.name: n for n in graph.as_graph_def(add_shapes=True).node}
    results = {tensor.op.name for tensor in graph.outputs} | {"NoOp"}
    # A function also waits for what it reads, needed or not.
    effects = [op.name for op in graph.control_outputs if op.type != "ReadVariableOp"]
    needed, todo = set(), [*results, *effects]
    while todo:
        if (name := todo.pop()) not in needed and name in definitions:
            needed.add(name)
            waits = "^" if name in results else " "
            todo += [_name(e) for e in definitions[name].input if e[0] != waits]
    nodes = {
        name: _Node(definition, scopes)
        for name, definition in definitions.items()
        if name in needed - results
    }
    for node in nodes.values():
        edges = [edge for edge in node.definition.input if _name(edge) in nodes]
        node.edges = [(edge, nodes[_name(edge)]) for edge in edges]
        for _, source in node.edges:
            source.readers.append(node)
    return nodes


def _give_parts(nodes, parts):
    networks = before_loss(parts)
    for node in reversed(nodes.values()):
        if node.feeds_network or node.part in networks:
            for _, source in node.edges:
                source.feeds_network = True
    for node in nodes.values():  # sources come first
        if node.definition.op == "Placeholder" and "/" not in node.definition.name:
            node.stand_under("input")  # an argument
        elif node.part not in parts and not node.feeds_network:
            node.stand_under("loss" if "loss" in parts else parts[-1])
        elif node.part not in parts:
            sources = {source.part for _, source in node.edges}
            if made_from := [part for part in networks if part in sources]:
                node.stand_under(made_from[-1])
    for node in reversed(nodes.values()):  # constants and variables, and what is made of them alone
        if node.part not in parts:
            readers = {reader.part for reader in node.readers}
            node.stand_under(next(part for part in parts if part in readers))


def _place_variables(nodes, captures, paths, scopes):
    for outer, inner in captures:
        if (node := nodes.get(inner.op.name)) is None:
            continue  # no result depends on it
        near = [reader.path for reader in node.readers if reader.part == node.part]
        scope = posixpath.commonpath(near or [node.path])
        while scope not in scopes:
            scope = posixpath.dirname(scope)
        path = paths.get(id(outer), inner.op.name).split("/")
        while len(path) > 1 and path[0] in scope.split("/"):
            path.pop(0)
        node.path, node.definition.device = "/".join([scope, *path]), outer.device
        if id(outer) in paths:
            node.definition.op = "VarHandleOp"


def _written(nodes, parts):
    graph = tf.compat.v1.GraphDef()
    device = tf.zeros(()).device  # where TensorFlow computes by default
    nodes = [node for node in nodes if node.readers or node.definition.op != "Placeholder"]
    taken, kept = set(), set(nodes)
    for node in nodes:
        while node.path in taken:
            node.path += "_1"
        taken.add(node.path)
    for node in nodes:
        new = graph.node.add()
        new.CopyFrom(node.definition)
        new.name, new.device = node.path, new.device or device
        new.input[:] = [
            edge.replace(_name(edge), source.path, 1)
            for edge, source in node.edges
            if source in kept and _is_drawn(edge, source.part, node.part, parts)
        ]
        new.attr.pop("_class", None)
        if new.op == "Const" and new.ByteSize() > _LARGE:
            new.attr.pop("value")
    return graph


def _is_drawn(edge, source, target, parts):
    only = {"backward": "loss", "apply_gradients": "backward"}.get(target, source)
    forward = parts.index(source) < parts.index(target) and source == only
    return source == target or (forward and not edge.startswith("^"))


def before_loss(parts):
    """The input and the networks: the parts that are computed before the loss."""
    return parts[: parts.index("loss")] if "loss" in parts else parts


def _name(edge):
    """The name of an edge's source; edges are written 'name', 'name:1' or '^name'."""
    return edge.removeprefix("^").split(":")[0]


def _folded(name, scopes):
    """The name without the numbers of reopened scopes: `loss_1/Sum` becomes `loss/Sum`."""
    if name.startswith("gradient_tape/"):
        return "backward/" + _folded(name.removeprefix("gradient_tape/"), scopes)
    folded = ""
    for piece in name.split("/"):
        path = f"{folded}/{piece}".lstrip("/")
        first = re.sub(r"_\d+$", "", path)
        folded = first if path not in scopes and first in scopes else path
    return folded
