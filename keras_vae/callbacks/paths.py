"""Layers and variables of a model by their place in it, as Keras names neither.

A functional network's variables do not carry its name: encoder and decoder may both have a
`norm/gamma` (KERAS3 T8, T15). Here the place is the name: `encoder/norm/gamma`.
"""

import re


def variables_by_path(model):
    """{path: variable} of all layers, as 'encoder/hidden_1/kernel'."""
    paths = {
        id(variable): (path, variable.path.split(f"{layer.name}/", 1)[-1], variable)
        for path, layer in layers_by_path(model).items()  # the innermost owner comes last
        for variable in layer.variables
    }
    return {f"{path}/{name}".replace(":", "_"): variable for path, name, variable in paths.values()}


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


def paths_of_handles(model):
    """{id of what a graph captures: Keras's path of that variable}, without the owner's name."""
    optimizer = getattr(model, "optimizer", None)
    known = [*model.variables, *model.metrics_variables, *getattr(optimizer, "variables", ())]
    owners = rf"^({re.escape(model.name)}|{re.escape(getattr(optimizer, 'name', ''))})/"
    return {id(v.value.handle): re.sub(owners, "", v.path).replace(":", "_") for v in known}
