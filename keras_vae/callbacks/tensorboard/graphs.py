"""The computation of a model as a graph that people can read (lecture row T1).

Keras 3 writes no graph for a subclassed model (KERAS3 T1). `tidy_graph` traces a step without
running it, with a name scope for each layer; `tidying` sorts the result into the model's parts.
"""

import contextlib

import tensorflow as tf
from keras import ops

from keras_vae import noise
from keras_vae.callbacks.tensorboard.paths import (
    layers_by_path,
    optimizers,
    paths_of_handles,
    variables_by_path,
)
from keras_vae.callbacks.tensorboard.tidying import before_loss, tidied


def tidy_graph(model, view="training", x=None, y=None):
    """The graph of a model, with the model's parts as its top-level names.

    The model is traced, not run: none of its weights or other states changes.

    Args:
        model: a model of this library; compiled, if its training step is to be drawn.
        view: str. `"training"` shows one training step, with all of `model.parts`; `"inference"`
            the way from x to p(x|z), with the parts before the loss that it needs; `"generation"`
            the way from p(z) to p(x|z), with the parts `input` (if there is a condition), `prior`
            and `decoder`. These two end in the part `likelihood`. Defaults to `"training"`.
        x, y: arrays as passed to `fit`. Only their shapes and dtypes are used. Default to what the
            networks expect.

    Returns:
        `tf.compat.v1.GraphDef`, for `tf.summary.graph` or `plotting.model_graph`.

    Raises:
        ValueError: the view is unknown, or the model is not compiled or cannot be built.
        TypeError: the model has no such view: an Autoencoder has no p(z).
    """
    views = {  # the function to trace, and its parts
        "training": (model.train_step, model.parts),
        "inference": (_to_likelihood(model, view), (*before_loss(model.parts), "likelihood")),
        "generation": (_to_likelihood(model, view), ("input", "prior", "decoder", "likelihood")),
    }
    if view not in views:
        raise ValueError(f"view is {view!r}; expected one of {list(views)}.")
    if view == "training" and getattr(model, "optimizer", None) is None:
        raise ValueError("The model has no optimizer to show; compile it first.")
    model.ensure_built(x, y)
    step, parts = views[view]
    found = model.signature.specs(getattr(x, "dtype", None), y)
    specs = [tf.TensorSpec(*spec, name=name) for spec, name in zip(found, "xy", strict=False)]

    def function(*data):
        return step(data if len(data) > 1 else data[0])

    with _one_scope_each(model) as scopes:
        graph = tf.function(function, autograph=False).get_concrete_function(*specs).graph
    return tidied(graph, paths_of_handles(model), scopes, parts)


def _to_likelihood(model, view):
    """A step from x, or from p(z), to p(x|z)."""

    def step(data):
        x, y = data if isinstance(data, tuple) else (data, None)
        x, _, condition = model.signature.roles(model.signature.cast(x), y)
        with model.noise_scope(0):
            if view == "generation":
                with tf.name_scope("prior"):
                    rows = 1 if condition is None else ops.shape(condition)[0]
                    shape = (rows, *model.signature.latent_shape)
                    z = model.prior(condition).sample(noise.current().stream("prior"), shape)
                    latents = [model.lower(z, condition)]
            elif model.has_posterior:
                condition = model.infer_condition(x, condition)
                drawn = model.infer(model.posterior(x, condition), condition)
                latents = [drawn.z, *drawn.above]
            else:
                latents = model.codes(x, condition)[:1]
            p_x = model.likelihood(latents[0], condition)
            with tf.name_scope("likelihood"):  # the identity is a box where nothing is computed
                return tf.identity(p_x.point), *latents[1:]

    return step


@contextlib.contextmanager
def _one_scope_each(model):
    """Within it, tracing opens one absolute scope for each layer and each variable's update.

    Keras opens two for a layer, `hidden` and `hidden_1` (KERAS3 T5), and none for an update. Yields
    the set of the scopes that were opened.
    """
    scopes, patched = set(), []

    def patch(owner, name, value):
        patched.append((owner, name, vars(owner).get(name)))
        vars(owner)[name] = value

    def patch_method(owner, name, scope_of):
        method = getattr(owner, name)

        def in_scope(*args, **kwargs):
            with tf.name_scope(scope_of(*args)) as scope:
                scopes.add(scope.rstrip("/"))
                return method(*args, **kwargs)

        patch(owner, name, in_scope)

    try:
        for path, layer in layers_by_path(model).items():
            patch_method(layer, "call", lambda *_, path=path: f"{path}/")
        paths = {id(v.value): path for path, v in variables_by_path(model).items()}

        def scope_of_update(gradient, variable, learning_rate):
            return f"apply_gradients/{paths.get(id(variable), 'other')}/"

        for term, optimizer in optimizers(model).items():
            patch(optimizer, "name", term or "update")  # its scope; `adam_1` is a matter of chance
            patch_method(optimizer, "update_step", scope_of_update)
        yield scopes
    finally:
        for owner, name, before in reversed(patched):
            vars(owner)[name] = before
            if before is None:
                del vars(owner)[name]
