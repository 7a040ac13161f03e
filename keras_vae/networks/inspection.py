"""What networks tell of themselves: inputs, outputs, and what the output went through last.

A network that is built when it is first called tells nothing yet.
"""

import keras

from keras_vae.checks import inner_shape, same_shape


def input_shapes(network):
    """Shapes of one example of each input of the network; an empty list where it does not know."""
    shape = getattr(network, "input_shape", None)
    shapes = shape if isinstance(shape, list) else [shape]
    return [inner_shape(shape) for shape in shapes if isinstance(shape, tuple)]


def reads_one_input(network):
    """Whether the network is known to have one input; of others it is not known."""
    return len(input_shapes(network)) == 1


def output_shapes(network):
    """Shapes of the network's outputs for one example, as a list, or None."""
    if _is_functional(network):
        no_dict(network.output)
    outputs = getattr(network, "outputs", None)
    return [inner_shape(output.shape) for output in outputs] if outputs else None


def condition(network):
    """What the network reads as its second input, in the words of `networks.dense`, or None.

    An int where an `Embedding` or a `CategoryEncoding` that reads it knows the number of classes;
    else the shape of one condition.
    """
    shapes = input_shapes(network)
    if len(shapes) < 2:
        return None
    for layer in network.layers if shapes[1] == () else ():
        size = getattr(layer, "input_dim", getattr(layer, "num_tokens", None))
        if isinstance(size, int) and layer.input is network.inputs[1]:
            return size
    return shapes[1]


def accepts_missing(network):
    """Whether the network reads NaN as a missing value: it says so, or has a layer that does."""
    layers = getattr(network, "layers", ())
    return any(getattr(each, "accepts_missing", False) for each in (network, *layers))


def first_input_shape(network):
    """Shape of x, or of z, as the network takes it, or None where it does not know yet."""
    return (input_shapes(network) or [None])[0]


def common_condition(*networks):
    """What the networks read as a condition, None if nothing.

    Raises:
        ValueError: they read different ones.
    """
    found = [condition(network) for network in networks]
    found = [each for each in found if each is not None]
    if len(found) == 2 and not agree(*found):
        raise ValueError(
            f"encoder reads condition={found[0]}, decoder condition={found[1]}; build both with "
            "the same."
        )
    known = [each for each in found if isinstance(each, int)]
    return (known or found or [None])[0]


def agree(one, other):
    """Whether two conditions may be the same: labels of unknown number, (), go with any number."""
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    return same_shape(*(() if isinstance(each, int) else each for each in (one, other)))


def check_inputs(network, name, most):
    """Refuse what is no network, or has other inputs than at most `most` in a list."""
    inputs = len(input_shapes(network))
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(
            f"{name} is {network!r}; expected a keras.Model, for example from networks.dense."
        )
    if _is_functional(network) and isinstance(network.input, dict):
        raise ValueError(
            f"{name} takes a dict, {sorted(network.input)}; build it of a list of inputs, "
            "x or z first."
        )
    if inputs > most:
        cure = "A ConditionalVAE gives two, the second a condition." if most == 1 else ""
        raise ValueError(f"{name} has {inputs} inputs; this model gives it {most}. {cure}".strip())
    for tensor in getattr(network, "inputs", None) or ():
        if tensor.shape and tensor.shape[0] is not None:
            raise ValueError(
                f"{name} takes batches of exactly {tensor.shape[0]} rows; build it without a batch "
                "size, since every call has its own number of rows."
            )


def no_dict(outputs):
    if isinstance(outputs, dict):
        raise ValueError(
            f"A network gives a dict, {sorted(outputs)}; expected one output or a pair of them."
        )
    return outputs


SQUASHING = ("sigmoid", "hard_sigmoid", "softmax")
_KEEPS_VALUES = ("Reshape", "Flatten", "Permute", "Transpose", "Squeeze", "ExpandDims", "Resizing")
_KEEPS_VALUES += ("Cropping", "UpSampling", "ZeroPadding", "Identity")


def last_activation(network):
    """Name of the activation that the network's output went through last, None if not known."""
    if _is_functional(network):
        steps = network.operations  # layers and operations such as keras.ops.sigmoid, in order
    elif isinstance(network, keras.Sequential):
        steps = network.layers
    elif isinstance(network, keras.Model):
        return None  # a subclass: the order of its layers says nothing
    else:
        name = type(network).__name__.lower()
        activation = getattr(network, "activation", None)
        return name if name in SQUASHING else getattr(activation, "__name__", None)
    steps = [step for step in steps if not type(step).__name__.startswith(_KEEPS_VALUES)]
    return last_activation(steps[-1]) if steps else None


def _is_functional(network):
    return hasattr(network, "operations")  # Keras does not export the class
