"""What a model refuses when it is made: an encoder, a decoder and a likelihood that do not fit.

encoder: x -> mean and log-variance of q(z|x), or one z; decoder: z -> `likelihood.parameter_shape`.
Of a conditional model both may read a condition as a second input.
"""

import keras

from keras_vae import likelihoods, priors
from keras_vae.models.checks import inner_shape, same_shape


def known_input_shapes(network):
    """Shapes of one example of each input of the network; an empty list where it does not know."""
    shape = getattr(network, "input_shape", None)
    shapes = shape if isinstance(shape, list) else [shape]
    return [inner_shape(shape) for shape in shapes if isinstance(shape, tuple)]


def first_input_shape(network):
    """Shape of x, or of z, as the network takes it, or None where it does not know yet."""
    return (known_input_shapes(network) or [None])[0]


def common_condition(*networks):
    """What the networks read as a condition, in the words of `networks.dense`, None if nothing.

    An int where an `Embedding` or a `CategoryEncoding` that reads it knows the number of classes;
    else the shape of one condition.
    """
    found = [known_condition(network) for network in networks]
    found = [condition for condition in found if condition is not None]
    if len(found) == 2 and not _agree(*found):
        raise ValueError(
            f"encoder reads condition={found[0]}, decoder condition={found[1]}; build both with "
            "the same."
        )
    numbers = [condition for condition in found if isinstance(condition, int)]
    return (numbers or found or [None])[0]


def known_condition(network):
    shapes = known_input_shapes(network)
    if len(shapes) < 2:
        return None
    for layer in network.layers if shapes[1] == () else ():
        size = getattr(layer, "input_dim", getattr(layer, "num_tokens", None))
        if isinstance(size, int) and layer.input is network.inputs[1]:
            return size
    return shapes[1]


def _agree(one, other):
    """Whether two conditions may be the same: labels of unknown number, (), go with any number."""
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    return same_shape(*(() if isinstance(each, int) else each for each in (one, other)))


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


def check_inputs(network, name, most):
    """One input, x or z; two where the model reads a condition."""
    shapes = known_input_shapes(network)
    if _is_functional(network) and isinstance(network.input, dict):
        raise ValueError(
            f"{name} takes a dict, {sorted(network.input)}; build it of a list of inputs, "
            "x or z first."
        )
    if len(shapes) > most:
        cure = {1: "A ConditionalVAE gives two, the second a condition.", 2: "No model gives more."}
        raise ValueError(
            f"{name} has {len(shapes)} inputs; this model gives it {most}. {cure[most]}"
        )


def check_prior(prior, model, name="prior"):
    """The prior's latents and its condition, against the networks'."""
    if not isinstance(prior, priors.Prior):
        raise TypeError(
            f"{name} is a {type(prior).__name__}; expected a keras_vae.priors layer. "
            "(To decode latents of your own: decode(z).)"
        )
    if prior.latent_dim is not None and model.latent_shape not in (None, (prior.latent_dim,)):
        raise ValueError(
            f"{name} is over {prior.latent_dim} latents, but decoder takes {model.latent_shape}."
        )
    if prior.condition is not None and model.max_inputs == 1:
        raise ValueError(
            f"{name} reads a condition, which a {type(model).__name__} does not give it."
        )
    both = prior.condition is not None and model.condition is not None
    if both and not _agree(prior.condition, model.condition):
        raise ValueError(
            f"{name} reads condition={prior.condition}, but the networks read "
            f"condition={model.condition}; make both with the same."
        )


def check_condition_is_read(model):
    """Of a conditional model one part at least must read the condition, as far as one can tell."""
    inputs = [len(known_input_shapes(network)) for network in (model.encoder, model.decoder)]
    if inputs == [1, 1] and model.prior_layer.condition is None:
        raise ValueError(
            f"Neither encoder nor decoder nor prior of this {type(model).__name__} reads a "
            "condition; build the networks with condition=, or take a VAE."
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
