"""What a model refuses when it is made: an encoder, a decoder and a likelihood that do not fit.

encoder: x -> mean and log-variance of q(z|x), or one z; decoder: z -> `likelihood.parameter_shape`.
"""

import keras

from keras_vae import likelihoods
from keras_vae.models.checks import inner_shape, same_shape


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
    if not same_shape(code_shape, decoder_shape):
        raise ValueError(
            f"encoder gives latents of shape {code_shape}, but decoder takes {decoder_shape}; "
            "build both with the same latent_dim."
        )


def check_decoder_output(decoder, output_shape, x_shape, likelihood):
    """Shape of the decoder's output, and that it is logits where logits are needed."""
    needed = likelihood.parameter_shape(x_shape)
    if not same_shape(output_shape, needed):
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
