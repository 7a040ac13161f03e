"""What a model refuses, each with one sentence: what was received, what is expected, what to do."""

import math
import numbers

import keras
import numpy as np

from keras_vae import batching, likelihoods


def inner_shape(shape):
    """A shape without its batch axis."""
    return tuple(shape)[1:]


def known_input_shape(network):
    """Shape of one example that the network takes, or None where it does not know yet."""
    shape = getattr(network, "input_shape", None)
    return inner_shape(shape) if isinstance(shape, tuple) else None


def known_output_shapes(network):
    """Shapes of the network's outputs for one example, as a list, or None."""
    if _is_functional(network):
        check_no_dict(network.output)
    outputs = getattr(network, "outputs", None)
    return [inner_shape(output.shape) for output in outputs] if outputs else None


def check_network(network, name):
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(
            f"{name} is {network!r}; expected a keras.Model, for example from networks.dense."
        )


def check_no_dict(outputs):
    if isinstance(outputs, dict):
        raise ValueError(
            f"A network gives a dict, {sorted(outputs)}; expected one output or a pair of them."
        )


def check_code_shapes(shapes, expected):
    """The encoder's outputs: one of an Autoencoder, two of equal shape of a VAE."""
    if len(shapes) != expected:
        meaning = {1: "one output, z", 2: "two outputs, mean and log-variance of q(z|x)"}[expected]
        cure = {
            1: "networks.dense(..., variational=False) makes such an encoder.",
            2: "The model draws z itself: leave sampling out of the encoder. "
            "(Or encoder and decoder are swapped.)",
        }[expected]
        raise ValueError(
            f"encoder has {len(shapes)} output{'s' * (len(shapes) != 1)}; "
            f"this model needs {meaning}. {cure}"
        )
    if len(set(shapes)) != 1:
        raise ValueError(
            f"encoder gives mean and log-variance of shapes {shapes[0]} and {shapes[1]}; "
            "they must be equal."
        )


def check_code_fits_decoder(code_shape, decoder_shape):
    if not _same(code_shape, decoder_shape):
        raise ValueError(
            f"encoder gives latents of shape {code_shape}, but decoder takes {decoder_shape}; "
            "build both with the same latent_dim."
        )


def check_decoder_output(decoder, output_shape, x_shape, likelihood):
    """Shape of the decoder's output, and that it is logits where logits are needed."""
    needed = likelihood.parameter_shape(x_shape)
    if not _same(output_shape, needed):
        raise ValueError(
            f"decoder gives shape {output_shape}, but a {type(likelihood).__name__} likelihood of "
            f"data of shape {x_shape} needs {needed}; pass the same likelihood= to the builder."
        )
    activation = _last_activation(decoder)
    if isinstance(likelihood, likelihoods.Bernoulli) and activation in _SQUASHING:
        raise ValueError(
            f"decoder ends in a {activation}, but a Bernoulli likelihood needs logits; "
            "remove the last activation."
        )


_SQUASHING = ("sigmoid", "hard_sigmoid", "softmax")
_KEEPS_VALUES = ("Reshape", "Flatten", "Permute", "Transpose", "Squeeze", "ExpandDims", "Resizing")
_KEEPS_VALUES += ("Cropping", "UpSampling", "ZeroPadding", "Identity")


def _last_activation(network):
    """Name of the activation that the network's output went through last, None if not known."""
    if _is_functional(network):
        steps = network.operations  # layers and operations such as keras.ops.sigmoid, in order
    elif isinstance(network, keras.Sequential):
        steps = network.layers
    elif isinstance(network, keras.Model):
        return None  # a subclass: the order of its layers says nothing
    else:
        name = type(network).__name__.lower()
        return name if name in _SQUASHING else _name_of(getattr(network, "activation", None))
    steps = [step for step in steps if not type(step).__name__.startswith(_KEEPS_VALUES)]
    return _last_activation(steps[-1]) if steps else None


def _is_functional(network):
    return hasattr(network, "operations")  # Keras does not export the class


def _name_of(activation):
    return getattr(activation, "__name__", None)


def check_compiled(model):
    """`loss=` and `metrics=` would be ignored by the step, without a word (KERAS3 1.2)."""
    if not model.compiled:
        raise ValueError(
            f"This {type(model).__name__} is not compiled; call compile(optimizer='adam') first."
        )
    try:
        config = model.get_compile_config()
    except (NotImplementedError, TypeError):
        return  # an optimizer or a schedule of the user's own that has no config
    for name in ("loss", "metrics", "weighted_metrics"):
        if config.get(name) is not None:
            raise ValueError(
                f"compile() was given {name}=, which this {type(model).__name__} would ignore: "
                f"it brings its own loss. Compile without {name}."
            )


def check_input(array, shape, name):
    """The rank and size of an array of examples, against the shape that a network takes."""
    if shape is not None and not _same(inner_shape(array.shape), shape):
        expected = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{name} has shape {array.shape}; expected (n, {expected}), "
            "one example along the first axis."
        )


def check_target(array, shape, name):
    if not _same(inner_shape(array.shape), shape):
        raise ValueError(
            f"{name} has shape {array.shape}; as the target it must have the shape of the data, "
            f"{('n', *shape)}. Labels are no targets of this model: leave them out."
        )


def check_finite(array, name, accepts_missing=False):
    """NaN and infinity are refused; NaN is let through where it means 'missing'."""
    if array.dtype.kind != "f":
        return
    ignoring_nan = accepts_missing and not np.isnan(array).all()
    low = np.nanmin(array) if ignoring_nan else np.min(array)
    high = np.nanmax(array) if ignoring_nan else np.max(array)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name} holds NaN or infinity; remove or replace these values.")


def unpacked(data, name):
    """x, y, sample_weight of a tuple of one to three."""
    if isinstance(data, (tuple, list)) and not 1 <= len(data) <= 3:
        raise ValueError(
            f"{name} is a tuple of {len(data)}; expected x, (x, y) or (x, y, sample_weight)."
        )
    return keras.utils.unpack_x_y_sample_weight(data)


def check_lengths(**arrays):
    """All arrays that are given have the same number of rows."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ValueError(f"{sizes} rows; they must be as many.")


def check_weight_shape(sample_weight):
    shape = tuple(sample_weight.shape)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(f"sample_weight has shape {shape}; expected (n,), one weight an example.")


def check_weights(sample_weight, name):
    check_weight_shape(sample_weight)
    check_finite(sample_weight, name)
    if sample_weight.min() < 0:
        raise ValueError(f"{name} has values below 0; weights are never negative.")


def weights_of_classes(class_weight, y):
    """`class_weight` as one weight for each example, by its integer label."""
    if y is None or y.ndim != 1 or y.dtype.kind not in "iu":
        raise ValueError(
            "class_weight needs an array of integer labels, shape (n,), as y; "
            "give sample_weight, one weight an example, instead."
        )
    return np.array([class_weight.get(int(label), 1.0) for label in y], "float32")


def split_point(rows, validation_split):
    """Where the last fraction of the rows begins, as Keras cuts it."""
    cut = math.floor(rows * (1 - validation_split))
    if not 0 < cut < rows:
        raise ValueError(
            f"validation_split is {validation_split}, which leaves {rows - cut} of {rows} examples "
            "to validate on; both parts need at least one."
        )
    return cut


def check_count(number, name, least):
    is_int = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    if not is_int or number < least:
        raise ValueError(f"{name} is {number!r}; expected an int of at least {least}.")


def checked_seed(seed):
    """The seed as Python's int, or None."""
    if seed is None:
        return None
    check_count(seed, "seed", least=0)
    if seed >= 2**32:
        raise ValueError(f"seed is {seed}; expected an int below 2**32.")
    return int(seed)


def check_condition(model, condition, rows):
    """A condition for a model that reads one: as many rows as the data."""
    if condition is None:
        return
    if model.roles(None, condition)[2] is None:
        raise TypeError(f"This {type(model).__name__} reads no condition; leave it out.")
    if len(condition) != rows:
        raise ValueError(f"condition has {len(condition)} rows; expected {rows}, one an example.")


def check_beta(beta):
    try:
        value = float(beta)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"beta is {beta!r}; expected a number of at least 0.")
    return value


def check_in_memory(x, name="x"):
    if not batching.is_array(x):
        raise TypeError(
            f"{name} is a {type(x).__name__}; expected an array of examples, shape (n, ...)."
        )


def _same(shape, expected):
    return len(shape) == len(expected) and all(
        None in (m, n) or m == n for m, n in zip(shape, expected, strict=True)
    )
