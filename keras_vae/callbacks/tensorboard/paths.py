"""Layers, variables and optimizers of a model, by their place in it.

Keras does not put a network's name into the paths of its variables: encoder and decoder may both
have a `norm/gamma` (KERAS3 T8, T15). Here the path says where a variable is: `encoder/norm/gamma`.
"""

from keras_vae.optimizers import PerTerm, unwrapped


def variables_by_path(model):
    """{path: variable}, such as 'encoder/hidden_1/kernel'; the model's own by their names."""
    places = {id(v): (v.name, v) for v in model.weights}
    for path, layer in layers_by_path(model).items():  # the innermost owner comes last
        for variable in layer.variables:
            name = variable.path.split(f"{layer.name}/", 1)[-1]
            places[id(variable)] = f"{path}/{name}", variable
    paths = {}
    for path, variable in places.values():
        path = path.replace(":", "_")
        while path in paths:  # two layers of one name in a network
            path += "_1"
        paths[path] = variable
    return paths


def layers_by_path(model):
    """{path: layer}; a network that is a part of the model bears the name of the part."""
    paths = {}

    def add(layer, path):
        paths[path] = layer
        for child in getattr(layer, "layers", ()):
            add(child, f"{path}/{child.name}")

    part_of = {id(getattr(model, part, None)): part for part in model.parts}
    for layer in model.layers:
        add(layer, part_of.get(id(layer), layer.name))
    return paths


def optimizers(model):
    """{term: optimizer} without loss scaling; a single one stands under `""`."""
    optimizer = unwrapped(getattr(model, "optimizer", None))
    if isinstance(optimizer, PerTerm):
        return dict(optimizer.by_term)
    return {} if optimizer is None else {"": optimizer}


def paths_of_handles(model):
    """{id of a handle that a graph captures: path of its variable below its owner}.

    A slot of an optimizer is called `momentum`, without the path of the weight that it belongs to.
    Iteration and learning rate of an optimizer in a `PerTerm` stand under its term.
    """
    weights = {f"{v.path.replace('/', '_')}_" for v in model.trainable_variables}
    weights = sorted(weights, key=len, reverse=True)
    owners = [("", model, [*model.variables, *model.metrics_variables])]
    if (outer := getattr(model, "optimizer", None)) is not None:
        owners.append(("", outer, outer.variables))
    owners += [(term, each, each.variables) for term, each in optimizers(model).items()]
    paths = {}
    for term, owner, variables in owners:
        for variable in variables:
            path = variable.path.removeprefix(f"{owner.name}/").replace(":", "_")
            if term and variable.name in ("iteration", "learning_rate"):
                path = f"{term}/{path}"
            prefix = next((p for p in weights if owner is not model and path.startswith(p)), "")
            paths[id(variable.value.handle)] = path.removeprefix(prefix)
    return paths
