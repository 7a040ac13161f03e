"""The computation of a model as a graph that a person can read (lecture row T1).

Keras 3 writes no graph for a subclassed model (KERAS3 T1). `tidy_graph` traces a step, without
running it, in scopes that mirror the model; `tidying` makes of it what TensorBoard draws.
"""

import contextlib

import tensorflow as tf
from keras import ops

from keras_vae.callbacks.paths import (
    layers_by_path,
    optimizers,
    paths_of_handles,
    variables_by_path,
)
from keras_vae.callbacks.tidying import before_loss, tidied


def tidy_graph(model, view="training", x=None, y=None):
    """A graph whose top-level names are the model's parts. Nothing runs, no state changes.

    Args:
        model: a model of this library; compiled, for its training step.
        view: str. `"training"`, one step: all of `model.parts`; `"inference"`, x to p(x|z): the
            parts before the loss; `"generation"`, p(z) to p(x|z). Defaults to `"training"`.
        x, y: arrays, as `fit` takes them, for their shapes and dtypes. Default to floats of the
            shape that the encoder expects, and to no y.

    Returns:
        `tf.compat.v1.GraphDef`, for `tf.summary.graph` or `plotting.model_graph`.

    Raises:
        ValueError: the view is unknown, or the model not compiled or not built.
        TypeError: the model has no such view: an Autoencoder has no p(z).
    """
    views = {  # what is traced, the parts to sort its nodes into, those to draw
        "training": (model.train_step, model.parts, model.parts),
        "inference": (model.test_step, model.parts, before_loss(model.parts)),
        "generation": (_generation(model), *2 * [("input", "prior", "decoder")]),
    }
    if view not in views:
        raise ValueError(f"view is {view!r}; expected one of {list(views)}.")
    if view == "training" and getattr(model, "optimizer", None) is None:
        raise ValueError("The model has no optimizer to show; compile it first.")
    model.ensure_built(x, y)
    step, parts, drawn = views[view]
    specs = [tf.TensorSpec((None, *model.x_shape), getattr(x, "dtype", "float32"), name="x")]
    if y is not None:
        specs.append(tf.TensorSpec((None, *y.shape[1:]), y.dtype, name="y"))
    elif model.condition is not None:
        shape = model.condition_shape
        specs.append(tf.TensorSpec((None, *shape), "float32" if shape else "int32", name="y"))

    def function(*data):
        return step(data if len(data) > 1 else data[0])

    with _one_scope_each(model) as scopes:
        graph = tf.function(function, autograph=False).get_concrete_function(*specs).graph
    return tidied(graph, paths_of_handles(model), scopes, parts, drawn)


def _generation(model):
    def step(data):
        condition = model.roles(*data)[2] if isinstance(data, tuple) else None
        rows = 1 if condition is None else ops.shape(condition)[0]
        with tf.name_scope("prior"):
            z = model.prior(condition).sample(tf.zeros(2, "int64"), (rows, *model.latent_shape))
        return model.likelihood(z, condition).mean

    return step


@contextlib.contextmanager
def _one_scope_each(model):
    """While tracing: one absolute scope for each layer, and one for the update of each variable.

    Keras opens two for a layer, `hidden` and `hidden_1` (KERAS3 T5), and none for an update. Gives
    the set of the scopes that were opened.
    """
    scopes, patched = set(), []

    def patch(owner, name, scope_of):
        function = getattr(owner, name)

        def in_scope(*args, **kwargs):
            with tf.name_scope(scope_of(*args)) as scope:
                scopes.add(scope.rstrip("/"))
                return function(*args, **kwargs)

        patched.append((owner, name, vars(owner).get(name)))
        vars(owner)[name] = in_scope

    try:
        for path, layer in layers_by_path(model).items():
            patch(layer, "call", lambda *_, path=path: f"{path}/")
        paths = {id(v.value): path for path, v in variables_by_path(model).items()}

        def scope_of_update(gradient, variable, learning_rate):
            return f"apply_gradients/{paths.get(id(variable), 'other')}/"

        for optimizer in optimizers(model):
            patch(optimizer, "update_step", scope_of_update)
        yield scopes
    finally:
        for owner, name, before in reversed(patched):
            vars(owner)[name] = before
            if before is None:
                del vars(owner)[name]
