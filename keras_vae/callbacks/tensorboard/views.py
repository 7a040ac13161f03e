"""Numbers, pictures and texts that show a model. `examples` is `model.fit_examples` or None."""

import contextlib
import math
import os

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hparams

from keras_vae import metrics, plotting
from keras_vae.callbacks.tensorboard.paths import optimizers, variables_by_path
from keras_vae.distributions import Normal, kl_divergence

_BATCH = 128  # rows at a time: there must be memory left for them beside the training
_MOST = 64  # latents with a curve of their own
_ROWS = 16  # latents in a traversal
_THUMBNAIL = 64  # largest side of a thumbnail, in pixels
_HOOKS = ("objective", "prior", "posterior", "infer", "likelihood", "regulariser", "codes")
_COMMON = ("model", "latents", "parameters", "dtype", "likelihood", "prior", "beta", "seed")
_COMMON += ("optimizer", "learning_rate", "epochs", "steps")


def number(variable):
    """The value of a scalar variable, under a distribution strategy too."""
    return float(np.array(ops.convert_to_tensor(variable)))


def latents(model, examples):
    """The latents of the examples: a dict of arrays `(n, latent_dim)`.

    It has `codes`; `mean` and `log_var` if q(z|x) is normal; and `kl`, in nats, if p(z) is too.
    """
    x, _, condition = model.signature.roles(examples.x, examples.y)

    def parameters(x, condition=None):
        q = model.posterior(x, condition)
        p = model.prior(condition) if model.has_prior else None
        if not isinstance(q, Normal):
            return ops.zeros((ops.shape(x)[0], 0, 1))
        kl = [kl_divergence(q, p)] if isinstance(p, Normal) else []
        return ops.stack([q.mean, q.log_var, *kl], axis=1)

    x, condition = model.signature.check(x, condition)
    found = {"codes": model.encode(x, _BATCH, condition=condition)}
    if found["codes"].dtype.kind in "iu":  # indices into a codebook; level 0 has the vectors
        found["codes"] = model.encode(x, _BATCH, condition=condition, level=0)
    if model.has_posterior:
        rows = model.over_rows("parameters of q", parameters, (x, condition), _BATCH)
        found |= dict(zip(("mean", "log_var", "kl"), np.moveaxis(rows, 1, 0), strict=False))
    return {name: values.reshape(len(values), -1) for name, values in found.items()}


def state(model):
    """The learning rate of each optimizer, and beta and capacity if the model has them."""
    by_term = optimizers(model).items()
    rates = {f"learning_rate{_suffix(term, '_')}": each.learning_rate for term, each in by_term}
    found = rates | {name: getattr(model, name, None) for name in ("beta", "capacity")}
    return {name: number(value) for name, value in found.items() if value is not None}


def _suffix(term, separator):
    """Nothing for the optimizer of the loss, which is the only one of most models."""
    return "" if term in ("", "loss") else f"{separator}{term}"


def scalars(found):
    """Active units, and the KL of each of the first 64 latents. `found` comes from `latents`."""
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


def pictures(model, examples, found):
    """What the model does with images or signals, as arrays `(height, width, channels)` in [0, 1].

    - `reconstructions`: originals in the first row, reconstructions in the last.
    - `generated`: draws from the prior.
    - `manifold`, of two latents: what they decode to over the quantiles of N(0, 1).
    - `traversal`, of other numbers: in each row one of the latents that vary most moves alone.

    Examples with an unknown label are left out. Once a training has diverged there are no pictures.
    `found` is what `latents` returns for the examples, or None.
    """
    signature, shown = model.signature, {}
    if not plotting.is_drawn(signature.x_shape):
        return {}
    x, target, condition, codes = _drawable(signature, examples, found)
    if x is not None:
        x_hat = model.reconstruct(x[:16], condition=_rows(condition, len(x[:16])))
        if not np.all(np.isfinite(x_hat)):
            return {}
        rows = [x[:16], x_hat] if target is x else [x[:16], target[:16], x_hat]
        rows = np.concatenate(rows, dtype="float32")
        shown["reconstructions"] = plotting.picture(rows, len(x_hat), x, target)
    if condition is None and isinstance(signature.condition, int):
        condition = np.arange(signature.condition)
    first = None if condition is None else condition[0]
    if model.has_prior and (condition is not None or not signature.reads_condition):
        draws = model.generate(64, seed=0, condition=_rows(condition, 64))
        shown["generated"] = plotting.picture(draws, 16, x, target)
        if signature.latent_shape == (2,):
            z = plotting.latent_grid(plotting.prior_quantiles(15))
            shown["manifold"] = plotting.picture(
                model.decode(z, _BATCH, condition=first), 15, x, target
            )
        elif signature.latent_shape == codes.shape[1:]:
            line = plotting.prior_quantiles(11)
            varied = np.sort(np.argsort(-codes.var(axis=0), kind="stable")[:_ROWS])
            z = plotting.traversals(codes[0], line, varied)
            images = model.decode(z, _BATCH, condition=first)
            shown["traversal"] = plotting.picture(images, len(line), x, target)
    return shown


def _drawable(signature, examples, found):
    """x, target, condition and codes of the examples whose label is known, if labels are read."""
    nothing = None, None, None, np.zeros((1, *signature.latent_shape), "float32")
    if examples is None:
        return nothing
    x, target, condition = signature.roles(examples.x, examples.y)
    if signature.second != "label":
        return x, target, condition, found["codes"]
    known = condition >= 0
    if not known.any():
        return nothing
    return x[known], x[known], condition[known], found["codes"][known]


def _rows(condition, n):
    """The first n conditions, repeated from the start if there are fewer."""
    return None if condition is None else np.resize(condition, (n, *condition.shape[1:]))


def write_hparams(model, params, trial):
    """Write the settings of a training; TensorBoard adds the scalars of the runs in its folder.

    TensorBoard takes the columns of its table from one training, so all list the common settings.
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
    """Numbers and names in which trainings differ: of the model, the optimizer and `fit`."""
    values = {"model": type(model).__name__, "dtype": model.dtype_policy.name}
    values["latents"] = int(np.prod(model.signature.latent_shape))
    values["parameters"] = model.count_params()
    owners = {"": model}
    for term, optimizer in optimizers(model).items():
        name = f"optimizer{_suffix(term, '.')}"
        values[name], owners[f"{name}."] = type(optimizer).__name__, optimizer
    for prefix, owner in owners.items():
        with contextlib.suppress(NotImplementedError):  # networks, schedules without a config
            for name, value in owner.get_config().items():
                if isinstance(value, dict) and "class_name" in value:
                    value = value["class_name"]
                is_network = isinstance(getattr(owner, name, None), keras.Model)
                if not is_network and name not in ("name", "trainable", "dtype", "learning_rate"):
                    values[prefix + name] = value
    values |= state(model) | {name: params.get(name) for name in ("epochs", "steps")}
    return {k: v for k, v in values.items() if isinstance(v, (bool, int, float, str))}


def texts(model, missing):
    """The model's summary, the formula of its loss, and what could not be written, as Markdown."""
    lines = []
    model.summary(print_fn=lambda text, **_: lines.extend(text.splitlines()), expand_nested=True)
    mro = type(model).__mro__
    owner = next(cls for cls in mro if "formula" in vars(cls))
    changed = [name for cls in mro[: mro.index(owner)] for name in _HOOKS if name in vars(cls)]
    loss = f"    {model.formula}\n\nIn nats for each example, averaged over examples."
    if changed:
        loss += f" `{type(model).__name__}` has its own {', '.join(changed)}."
    values = {"model": "\n".join(f"    {line}" for line in lines), "loss": loss}
    left_out = "\n".join(f"- {reason}" for reason in missing)
    return values | ({"left_out": left_out} if missing else {})


def write_projector(folder, found, examples, labels=None, metadata=None):
    """Write the projector's files into the folder of a run: codes, labels, thumbnails."""
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(tensor_name="latents", tensor_path="latents.tsv")
    codes, y = found["codes"], examples.y
    codes = np.pad(codes, [(0, 0), (0, max(0, 3 - codes.shape[1]))])  # it shows three columns
    _write(folder, "latents.tsv", "\n".join("\t".join(f"{v:.6g}" for v in code) for code in codes))
    if labels is None and y is not None and y.dtype.kind in "iu" and y.size == len(y):
        labels = y.ravel()
    if metadata is not None or labels is not None:  # the file must be in this folder
        embedding.metadata_path = "labels.tsv"
        if metadata is not None:
            tf.io.gfile.copy(metadata, os.path.join(folder, "labels.tsv"), overwrite=True)
        else:
            lines = (" ".join(str(label).split()) for label in labels[: len(codes)])
            _write(folder, "labels.tsv", "\n".join(lines))
    if plotting.is_image(examples.x.shape[1:]):
        step = -(-max(examples.x.shape[1:3]) // _THUMBNAIL)
        images = examples.x[:, ::step, ::step].astype("float32")
        sheet = plotting.picture(images, math.ceil(math.sqrt(len(images))), *2 * [images], gap=0)
        png = tf.io.encode_png(tf.cast(255 * sheet, "uint8"))
        _write(folder, "thumbnails.png", png.numpy())
        embedding.sprite.image_path = "thumbnails.png"
        embedding.sprite.single_image_dim.extend([images.shape[2], images.shape[1]])
    projector.visualize_embeddings(folder, config)


def _write(folder, name, content):
    """Write under a temporary name, then rename: TensorBoard may be reading the file."""
    path = os.path.join(folder, name)
    with tf.io.gfile.GFile(f"{path}.part", "wb") as file:
        file.write(content)
    tf.io.gfile.rename(f"{path}.part", path, overwrite=True)
