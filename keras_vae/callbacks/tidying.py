"""A traced graph, sorted: from a heap of nodes to one that reads as a chain.

- A node in a known scope stands there, without the number that a scope has when it is opened again;
  the tape's nodes stand under `backward`.
- A node in no scope stands with what it is made from, if a network reads it, else under the loss.
- A variable stands in the innermost scope of those who read it.
- For the sake of the picture two kinds of edges are left out: what `backward` and `apply_gradients`
  take straight from the networks (kept activations, weights), and what leads back.
"""

import posixpath
import re

import tensorflow as tf

_LARGE = 4096  # bytes; the value of a larger constant is not kept


def tidied(graph, paths, scopes, parts, drawn):
    """A `tf.Graph` as a GraphDef, sorted into parts.

    Args:
        graph: the FuncGraph of a traced function.
        paths: dict from the id of a captured tensor to the path of its variable.
        scopes: set of str. The scopes that mirror layers and updates.
        parts: tuple of str. The names at the top, in the order of computation.
        drawn: tuple of str. Those of the parts that are kept.
    """
    scopes = scopes | set(parts)
    nodes = _read(graph, scopes)
    _give_parts(nodes, parts)
    _place_variables(nodes, graph.captures, paths, scopes)
    return _written([node for node in nodes.values() if node.part in drawn], parts)


class _Node:
    """A node of the traced graph: what it reads, who reads it, and the name it shall have."""

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
    """{name: node} in the order of the trace, without what only returns the results."""
    results = {tensor.op.name for tensor in graph.outputs} | {"NoOp"}
    definitions = graph.as_graph_def(add_shapes=True).node
    nodes = {n.name: _Node(n, scopes) for n in definitions if n.name not in results}
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
        elif node.part not in parts and node.feeds_network:
            made_from = [parts.index(source.part) for _, source in node.edges]
            node.stand_under(parts[max(made_from, default=0)])
        elif node.part not in parts:
            node.stand_under("loss" if "loss" in parts else parts[-1])


def _place_variables(nodes, captures, paths, scopes):
    for outer, inner in captures:
        node = nodes[inner.op.name]
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
    taken = set()
    for node in nodes:
        while node.path in taken:
            node.path += "_1"
        taken.add(node.path)
    kept = set(nodes)
    for node in nodes:
        new = graph.node.add()
        new.CopyFrom(node.definition)
        new.name, new.device = node.path, new.device or device
        new.input[:] = [
            edge.replace(_name(edge), source.path, 1)
            for edge, source in node.edges
            if source in kept and _is_drawn(source.part, node.part, parts)
        ]
        new.attr.pop("_class", None)
        if new.op == "Const" and new.ByteSize() > _LARGE:
            new.attr.pop("value")
    return graph


def _is_drawn(source, target, parts):
    late = target in ("backward", "apply_gradients")
    shortcut = late and source in before_loss(parts)
    return not shortcut and parts.index(source) <= parts.index(target)


def before_loss(parts):
    """The parts that are networks: what is computed before there is a loss."""
    return parts[: parts.index("loss")] if "loss" in parts else parts


def _name(edge):
    """The node at the start of an edge: 'name', 'name:1' or '^name'."""
    return edge.removeprefix("^").split(":")[0]


def _folded(name, scopes):
    """`loss_1/Sum` as `loss/Sum`: the name without the numbers of scopes that were opened again."""
    if name.startswith("gradient_tape/"):
        return "backward/" + _folded(name.removeprefix("gradient_tape/"), scopes)
    folded = ""
    for piece in name.split("/"):
        path = f"{folded}/{piece}".lstrip("/")
        first = re.sub(r"_\d+$", "", path)
        folded = first if path not in scopes and first in scopes else path
    return folded
