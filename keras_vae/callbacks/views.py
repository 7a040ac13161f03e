"""What there is to see of a model, from its public names alone: numbers, pictures, texts.

Everything is a dict from a tag to a value, for `TensorBoard` to write. `examples` is what `fit`
keeps for callbacks, `(x, y, of)` of at most 1,000 rows, or None.
"""

import contextlib
import math
import os

import numpy as np
import tensorflow as tf
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hparams

from keras_vae import metrics, plotting
from keras_vae.callbacks.paths import variables_by_path
from keras_vae.distributions import Normal, kl_divergence

_HOOKS = ("objective", "roles", "prior", "posterior", "likelihood", "kl", "code")
_THUMBNAIL = 64  # pixels, at most


def _inner_optimizer(model):
    """The model's optimizer, without the loss scaling that float16 wraps around it."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _has_densities(model):
    return "elbo" in model.loss_names


def latents(model, examples):
    """Codes `(n, latent_dim)` of the examples, and q(z|x), None for a model that has none."""
    x, _, condition = model.roles(examples.x, examples.y)
    codes = model.encode(x, condition=condition)
    q = model.posterior(x.astype("float32"), condition) if _has_densities(model) else None
    return codes, q


def state(model):
    """What moves a training and is in no log: the learning rate, and beta if there is one."""
    values = {"learning_rate": float(_inner_optimizer(model).learning_rate)}
    return values | ({"beta": float(model.beta)} if hasattr(model, "beta") else {})


def scalars(model, examples):
    """Active units, and the KL of each latent where it has a closed form, in nats."""
    codes, q = latents(model, examples)
    values = {"epoch_active_units": metrics.active_units(codes)}
    p = model.prior(model.roles(*examples[:2])[2]) if _has_densities(model) else None
    if isinstance(q, Normal) and isinstance(p, Normal):
        kl = np.mean(kl_divergence(q, p), axis=0).ravel()
        values |= {f"kl_by_latent/z{i:02d}": value for i, value in enumerate(kl, start=1)}
    return values


def histograms(model, examples):
    """Weights by their place in the model, mean and log-variance of q(z|x) of the examples."""
    values = {
        f"weights/{path}": np.array(variable)
        for path, variable in variables_by_path(model).items()
        if "float" in variable.dtype
    }
    if examples is not None:
        _, q = latents(model, examples)
        if isinstance(q, Normal):
            values |= {"posterior/mean": q.mean.numpy(), "posterior/log_var": q.log_var.numpy()}
    return values


def pictures(model, examples):
    """Arrays `(height, width, channels)` in [0, 1], ink dark: what the model makes of images.

    Originals above their reconstructions; draws from the prior; the manifold of two latents, or a
    traversal: in row i, latent i goes through the quantiles of the prior, the others stay those of
    the first example. None after a training that diverged.
    """
    if not _is_image(model.x_shape):
        return {}
    shown, condition, start = {}, None, np.zeros((1, *model.latent_shape), "float32")
    if examples is not None:
        x, target, condition = model.roles(*examples[:2])
        codes = model.encode(x[:16], condition=_rows(condition, len(x[:16])))
        if not np.all(np.isfinite(codes)):
            return {}
        x_hat = model.decode(codes, condition=_rows(condition, len(codes)))
        rows = [x] if target is x else [x, target]
        rows = np.concatenate([*(row[: len(codes)] for row in rows), x_hat])
        shown["reconstructions"] = plotting.tiled(rows, columns=len(codes))
        start = codes[:1]
    if _has_densities(model):
        draws = model.generate(64, seed=0, condition=_rows(condition, 64))
        shown["generated"] = plotting.tiled(draws, columns=16)
    if len(model.latent_shape) == 1 and _has_densities(model):
        (latent_dim,) = model.latent_shape
        if latent_dim == 2:
            name, columns = "manifold", 15
            z = plotting.latent_grid(plotting.prior_quantiles(columns))
        else:
            name, columns = "traversal", 11
            z = np.repeat(start, latent_dim * columns, axis=0)
            for i in range(latent_dim):
                z[i * columns : (i + 1) * columns, i] = plotting.prior_quantiles(columns)
        first = None if condition is None else _rows(condition[:1], len(z))
        shown[name] = plotting.tiled(model.decode(z, condition=first), columns)
    return {name: _ink_dark(picture) for name, picture in shown.items()}


def _is_image(shape):
    return len(shape) == 2 or (len(shape) == 3 and shape[-1] in (1, 3))


def _ink_dark(picture):
    """As on paper where there is one channel; colours as they are."""
    return np.clip(1 - picture if picture.shape[-1] == 1 else picture, 0, 1)


def _rows(condition, n):
    """The first n conditions, begun anew where there are fewer."""
    return None if condition is None else np.resize(condition, (n, *condition.shape[1:]))


def write_hparams(model, params, trial):
    """Settings into the folder of a training; TensorBoard joins them with the scalars below it."""
    settings = _settings(model, params)
    columns = [hparams.HParam(name) for name in settings]
    metrics_ = [
        hparams.Metric(f"epoch_{name}", group=run, display_name=f"{name}, {run}")
        for run in ("validation", "train")
        for name in model.loss_names
    ]
    hparams.hparams_config(columns, metrics_)
    hparams.hparams(settings, trial_id=trial)


def _settings(model, params):
    """Numbers and names by which trainings differ: the model's, the optimizer's, `fit`'s."""
    values = {"model": type(model).__name__, "dtype": model.dtype_policy.name}
    values["latents"] = int(np.prod(model.latent_shape))
    values["parameters"] = model.count_params()
    with contextlib.suppress(NotImplementedError):  # networks without a config of their own
        for name, value in model.get_config().items():
            if isinstance(value, dict) and "class_name" in value:
                value = value["class_name"]
            if name not in ("name", "trainable", "dtype", "encoder", "decoder"):
                values[name] = value
    optimizer = _inner_optimizer(model)
    values["optimizer"] = type(optimizer).__name__
    for name, value in optimizer.get_config().items():
        if name != "name":
            values[name if name == "learning_rate" else f"optimizer.{name}"] = value
    values |= state(model) | {name: params.get(name) for name in ("epochs", "steps")}
    return {k: v for k, v in values.items() if isinstance(v, (bool, int, float, str))}


def texts(model, missing):
    """The model's summary, its loss as a formula, and what is left out, as Markdown."""
    lines = []
    model.summary(print_fn=lambda text, **_: lines.append(text), expand_nested=True)
    mro = type(model).__mro__
    owner = next(cls for cls in mro if "formula" in vars(cls))
    changed = [name for cls in mro[: mro.index(owner)] for name in _HOOKS if name in vars(cls)]
    loss = f"    {owner.formula}\n\nIn nats for each example, averaged over examples."
    if changed:
        loss += f" `{type(model).__name__}` has its own {', '.join(changed)}."
    values = {"model": _code("\n".join(lines)), "loss": loss}
    if missing:
        values["left_out"] = "\n".join(f"- {reason}" for reason in missing)
    return values


def _code(text):
    return "\n".join(f"    {line}" for line in text.splitlines())


def write_projector(folder, model, examples, labels=None, metadata=None):
    """The files of the projector, in the folder of a run: codes, labels, thumbnails."""
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(tensor_name="latents", tensor_path="latents.tsv")
    codes, _ = latents(model, examples)
    codes = codes.reshape(len(codes), -1)
    _write(folder, "latents.tsv", "\n".join("\t".join(f"{v:.6g}" for v in code) for code in codes))
    if labels is None and examples.y is not None and examples.y.dtype.kind in "iu":
        labels = examples.y.reshape(len(codes), -1)[:, 0]
    if metadata is not None:
        embedding.metadata_path = os.path.abspath(metadata)
    elif labels is not None:
        embedding.metadata_path = "labels.tsv"
        lines = [" ".join(str(label).split()) for label in labels[: len(codes)]]
        _write(folder, "labels.tsv", "\n".join(lines))
    if _is_image(model.x_shape):
        step = -(-max(model.x_shape[:2]) // _THUMBNAIL)
        images = np.asarray(examples.x)[:, ::step, ::step]
        sheet = _ink_dark(plotting.tiled(images, columns=math.ceil(math.sqrt(len(images))), gap=0))
        png = tf.io.encode_png(tf.cast(255 * sheet, "uint8"))
        _write(folder, "thumbnails.png", png.numpy())
        embedding.sprite.image_path = "thumbnails.png"
        embedding.sprite.single_image_dim.extend([images.shape[2], images.shape[1]])
    projector.visualize_embeddings(folder, config)


def _write(folder, name, content):
    """To a temporary name, then renamed: TensorBoard may be reading."""
    path = os.path.join(folder, name)
    with open(f"{path}.part", "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    os.replace(f"{path}.part", path)
