"""What there is to see of a model, from its public names alone: numbers, pictures, texts.

Most is a dict from a tag to a value, for `TensorBoard` to write. `examples` is what `fit` keeps for
callbacks, `model.fit_examples`: at most 1,000 rows, or None.
"""

import contextlib
import math
import os

import numpy as np
import tensorflow as tf
from keras import ops
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hparams

from keras_vae import metrics, plotting
from keras_vae.callbacks.paths import optimizers, variables_by_path
from keras_vae.distributions import Normal, kl_divergence

_BATCH = 128  # rows at a time: large images must fit beside a training
_MOST = 64  # latents with a curve of their own
_ROWS = 16  # latents in a traversal
_THUMBNAIL = 64  # pixels, at most
_HOOKS = ("objective", "roles", "prior", "posterior", "likelihood", "kl", "code")
_COMMON = ("model", "latents", "parameters", "dtype", "likelihood", "prior", "beta", "seed")
_COMMON += ("optimizer", "learning_rate", "epochs", "steps")


def number(variable):
    """A scalar variable as a number; under a distribution strategy too."""
    return float(np.array(ops.convert_to_tensor(variable)))


def latents(model, examples):
    """Of the examples: `codes`, and `mean`, `log_var` and `kl` where q(z|x) is normal.

    Returns:
        dict of arrays `(n, latent_dim)`; kl, in nats, where p(z) is normal too.
    """
    x, _, condition = model.roles(examples.x, examples.y)

    def parameters(x, condition=None):
        q, p = model.posterior(x, condition), _prior(model, condition)
        if not isinstance(q, Normal):
            raise TypeError("q(z|x) is not normal.")
        kl = [kl_divergence(q, p)] if isinstance(p, Normal) else []
        return ops.stack([q.mean, q.log_var, *kl], axis=1)

    found = {"codes": model.encode(x, batch_size=_BATCH, condition=condition)}
    with contextlib.suppress(TypeError, AttributeError):  # no q(z|x), or none that is normal
        rows = model.over_rows("parameters of q", parameters, x, condition, _BATCH)
        found |= dict(zip(("mean", "log_var", "kl"), np.moveaxis(rows, 1, 0), strict=False))
    return {name: values.reshape(len(values), -1) for name, values in found.items()}


def _prior(model, condition=None):
    try:
        return model.prior(condition)
    except (TypeError, AttributeError):
        return None


def state(model):
    """What moves a training and is in no log: learning rates, and beta if there is one."""
    first, *others = optimizers(model)
    values = {"learning_rate": number(first.learning_rate)}
    values |= {f"learning_rate_{other.name}": number(other.learning_rate) for other in others}
    return values | ({"beta": number(model.beta)} if hasattr(model, "beta") else {})


def scalars(found):
    """Active units, and the KL of each of the first 64 latents; `found` is what `latents` gives."""
    values = {"epoch_active_units": metrics.active_units(found["codes"])}
    if "kl" in found:
        kl = found["kl"].mean(axis=0)[:_MOST]
        values |= {f"kl_by_latent/z{i:02d}": value for i, value in enumerate(kl, start=1)}
    return values


def histograms(model, found):
    """Weights by their place in the model; mean and log-variance of q(z|x) of the examples."""
    values = {
        f"weights/{path}": np.array(ops.convert_to_tensor(variable))
        for path, variable in variables_by_path(model).items()
        if "float" in variable.dtype
    }
    return values | {f"posterior/{k}": found[k] for k in ("mean", "log_var") if k in found}


def pictures(model, examples):
    """Arrays `(height, width, channels)` in [0, 1], ink dark: what the model makes of images.

    Originals above their reconstructions; draws from the prior; the manifold of two latents, or a
    traversal: in each row one latent, of those that vary most, goes through the quantiles of
    N(0, 1); the others stay those of the first example. None after a training that diverged.
    """
    if not _is_image(model.x_shape):
        return {}
    shown, condition, codes, x = {}, None, np.zeros((1, *model.latent_shape), "float32"), 0
    if examples is not None:
        x, target, condition = model.roles(examples.x, examples.y)
        codes = model.encode(x, batch_size=_BATCH, condition=condition)
        if not np.all(np.isfinite(codes)):
            return {}
        x_hat = model.decode(codes[:16], condition=_rows(condition, len(codes[:16])))
        rows = [x] if target is x else [x, target]
        rows = np.concatenate([*(row[:16] for row in rows), x_hat], dtype="float32")
        shown["reconstructions"] = plotting.tiled(rows, columns=len(x_hat))
    if _prior(model, _rows(condition, 1)) is not None:
        draws = model.generate(64, seed=0, condition=_rows(condition, 64))
        shown["generated"] = plotting.tiled(draws, columns=16)
        if model.latent_shape == (2,):
            z = plotting.latent_grid(plotting.prior_quantiles(15))
            images = model.decode(z, condition=_same(condition, len(z)))
            shown["manifold"] = plotting.tiled(images, 15)
        elif len(model.latent_shape) == 1:
            line = plotting.prior_quantiles(11)
            varied = np.sort(np.argsort(-codes.var(axis=0), kind="stable")[:_ROWS])
            z = np.tile(codes[0], (len(varied), len(line), 1))
            for row, latent in zip(z, varied, strict=True):
                row[:, latent] = line
            z = z.reshape(-1, *model.latent_shape)
            images = model.decode(z, batch_size=_BATCH, condition=_same(condition, len(z)))
            shown["traversal"] = plotting.tiled(images, len(line))
    return {name: _on_paper(picture, x) for name, picture in shown.items()}


def _is_image(shape):
    return len(shape) == 3 and shape[-1] in (1, 3)


def _on_paper(picture, x):
    """In [0, 1] by the range of x, where x is not; ink dark where there is one channel."""
    low, high = min(0, np.min(x)), max(1, np.max(x))
    picture = np.clip((picture - low) / (high - low), 0, 1)
    return 1 - picture if picture.shape[-1] == 1 else picture


def _rows(condition, n):
    """The first n conditions, begun anew where there are fewer."""
    return None if condition is None else np.resize(condition, (n, *condition.shape[1:]))


def _same(condition, n):
    return None if condition is None else _rows(condition[:1], n)


def write_hparams(model, params, trial):
    """Settings into the folder of a training; TensorBoard joins them with the scalars below it.

    It takes the columns from one training for all: the common ones stand in each.
    """
    settings = _settings(model, params)
    columns = dict.fromkeys([*_COMMON, *settings])
    finals = [
        hparams.Metric(f"epoch_{name}", group=run, display_name=f"{name}, {run}")
        for run in ("validation", "train")
        for name in model.loss_names
    ]
    hparams.hparams_config([hparams.HParam(name) for name in columns], finals)
    hparams.hparams(settings, trial_id=trial)


def _settings(model, params):
    """Numbers and names by which trainings differ: the model's, the optimizer's, `fit`'s."""
    values = {"model": type(model).__name__, "dtype": model.dtype_policy.name}
    values["latents"] = int(np.prod(model.latent_shape))
    values["parameters"] = model.count_params()
    first = optimizers(model)[0]
    values["optimizer"] = type(first).__name__
    for prefix, owner in (("", model), ("optimizer.", first)):
        with contextlib.suppress(NotImplementedError):  # networks, schedules without a config
            for name, value in owner.get_config().items():
                if isinstance(value, dict) and "class_name" in value:
                    value = value["class_name"]
                if name not in ("name", "trainable", "dtype", "encoder", "decoder"):
                    values[f"{prefix}{name}"] = value
    values.pop("optimizer.learning_rate", None)
    values |= state(model) | {name: params.get(name) for name in ("epochs", "steps")}
    return {k: v for k, v in values.items() if isinstance(v, (bool, int, float, str))}


def texts(model, missing):
    """The model's summary, its loss as a formula, and what is left out, as Markdown."""
    lines = []
    model.summary(print_fn=lambda text, **_: lines.extend(text.splitlines()), expand_nested=True)
    mro = type(model).__mro__
    owner = next(cls for cls in mro if "formula" in vars(cls))
    changed = [name for cls in mro[: mro.index(owner)] for name in _HOOKS if name in vars(cls)]
    loss = f"    {owner.formula}\n\nIn nats for each example, averaged over examples."
    if changed:
        loss += f" `{type(model).__name__}` has its own {', '.join(changed)}."
    values = {"model": "\n".join(f"    {line}" for line in lines), "loss": loss}
    if missing:
        values["left_out"] = "\n".join(f"- {reason}" for reason in missing)
    return values


def write_projector(folder, found, examples, labels=None, metadata=None):
    """The files of the projector, in the folder of a run: codes, labels, thumbnails."""
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(tensor_name="latents", tensor_path="latents.tsv")
    codes, y = found["codes"], examples.y
    _write(folder, "latents.tsv", "\n".join("\t".join(f"{v:.6g}" for v in code) for code in codes))
    if labels is None and y is not None and y.dtype.kind in "iu" and y.size == len(y):
        labels = y.ravel()
    if metadata is not None or labels is not None:  # a file must lie in this folder
        embedding.metadata_path = "labels.tsv"
        if metadata is None:
            text = "\n".join(" ".join(str(label).split()) for label in labels[: len(codes)])
        else:
            with tf.io.gfile.GFile(metadata) as file:
                text = file.read()
        _write(folder, "labels.tsv", text)
    if _is_image(examples.x.shape[1:]):
        step = -(-max(examples.x.shape[1:3]) // _THUMBNAIL)
        images = examples.x[:, ::step, ::step].astype("float32")
        sheet = plotting.tiled(images, columns=math.ceil(math.sqrt(len(images))), gap=0)
        sheet = tf.cast(255 * _on_paper(sheet, images), "uint8")
        _write(folder, "thumbnails.png", tf.io.encode_png(sheet).numpy())
        embedding.sprite.image_path = "thumbnails.png"
        embedding.sprite.single_image_dim.extend([images.shape[2], images.shape[1]])
    projector.visualize_embeddings(folder, config)


def _write(folder, name, content):
    """To a temporary name, then renamed: TensorBoard may be reading."""
    path = os.path.join(folder, name)
    with tf.io.gfile.GFile(f"{path}.part", "wb") as file:
        file.write(content)
    tf.io.gfile.rename(f"{path}.part", path, overwrite=True)
