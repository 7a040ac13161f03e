"""Layers, variables and optimizers of a model, by their place in it.

A functional network's variables do not carry its name: encoder and decoder may both have a
`norm/gamma` (KERAS3 T8, T15). Here the place is the name: `encoder/norm/gamma`.
"""

import re


def variables_by_path(model):
    """{path: variable}, as 'encoder/hidden_1/kernel'; the model's own by their names alone."""
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
    """{path: layer}: the networks under the names of their parts, whatever their own names."""
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
    """Those that update weights: without loss scaling, each of several; none if not compiled."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return [] if optimizer is None else getattr(optimizer, "optimizers", [optimizer])


def paths_of_handles(model):
    """{id of what a graph captures: Keras's path of that variable}, without the owner's name."""
    optimizer = getattr(model, "optimizer", None)
    known = [*model.variables, *model.metrics_variables, *getattr(optimizer, "variables", ())]
    owners = rf"^({re.escape(model.name)}|{re.escape(getattr(optimizer, 'name', ''))})/"
    return {id(v.value.handle): re.sub(owners, "", v.path).replace(":", "_") for v in known}
