"""The signature of a model: what x, the second argument of `fit`, z and the decoder's input are.

    x ---- encoder ----> latents, by level: the decoder's first, the top one last
    z ---- decoder ----> what the likelihood needs        second: target, condition or label

A class declares what its models read. `read_networks` adds the shapes that the networks know, and
refuses networks that do not fit each other; all else here says, once, which data fit.
"""

import collections
import copy

import keras
import numpy as np
from keras import ops

from keras_vae import checks, likelihoods, priors
from keras_vae.checks import inner_shape, same_shape
from keras_vae.networks import inspection

SECOND = ("target", "condition", "label")
Roles = collections.namedtuple("Roles", ["x", "target", "condition"])
_OUTPUTS = {
    1: "one output, z. networks.dense(..., variational=False) makes such an encoder.",
    2: "two outputs, mean and log-variance of q(z|x). The model draws z itself: leave sampling out "
    "of the encoder. (Or encoder and decoder are swapped.)",
}


class Signature:
    """What a model reads, and what fits it.

    Args:
        second: str. What the second argument of `fit` is: `"target"`, what is to be explained where
            it is not x itself (denoising); `"condition"`; or `"label"`, a condition that is -1
            where it is unknown. Defaults to `"target"`.
        encoder_outputs: int. How many outputs of equal shape the encoder has: 2, mean and
            log-variance; 1, z itself; or None, what only the model knows. Defaults to `2`.
        decoder_reads_x: bool. The decoder reads x beside z (teacher forcing). Defaults to `False`.
        accepts_missing: bool. NaN in x means that a value is missing. An encoder that begins with
            `networks.ReadValues` makes it true. Defaults to `False`.

    Attributes:
        x_shape: tuple, or None while no network knows it. One example; None for any length.
        latent_shapes: list of tuples, one for each level; the decoder's is the first, that of
            `encode` and of p(z) the last. A model of several levels appends its own.
        condition: what the model reads as a condition, as `networks.dense` is told: an int, the
            number of classes; a shape; None, nothing, or not known yet.
    """

    x_shape = None
    condition = None
    integers = False

    def __init__(
        self, second="target", encoder_outputs=2, decoder_reads_x=False, accepts_missing=False
    ):
        if second not in SECOND:
            raise ValueError(f"second is {second!r}; expected one of {SECOND}.")
        self.second = second
        self.encoder_outputs = encoder_outputs
        self.decoder_reads_x = decoder_reads_x
        self.accepts_missing = accepts_missing
        self.latent_shapes = [None]

    # What belongs to what ------------------------------------------------------------------

    @property
    def reads_condition(self):
        return self.second != "target"

    @property
    def latent_shape(self):
        """Shape of one latent of the top level, without the batch; None while it is unknown."""
        return self.latent_shapes[-1]

    @property
    def condition_shape(self):
        """Shape of one condition, () of a label; None where there is none, or none is known."""
        return () if isinstance(self.condition, int) else self.condition

    def roles(self, x, y=None):
        """(x, target, condition), from x and the second argument of `fit`: arrays or tensors."""
        if not self.reads_condition:
            return Roles(x, x if y is None else y, None)
        if y is None and self.second == "label":
            unknown = (np.full, np.shape) if isinstance(x, np.ndarray) else (ops.full, ops.shape)
            y = unknown[0](unknown[1](x)[:1], -1, "int32")
        if y is None:
            raise ValueError(
                "This model reads a condition, and there is none: call fit(x, condition), and the "
                "verbs with condition=."
            )
        return Roles(x, x, y)

    def known(self, target):
        """The mask of a target: True where a value is known; None where all are."""
        return ~ops.isnan(target) if self.accepts_missing else None

    def cast(self, x):
        """x as the networks read it: float32, or whole numbers where the likelihood wants them.

        Keras leaves integer images as they are (KERAS3 7.4); in half precision it would round
        tokens that are given as floats.
        """
        return ops.cast(x, "int32" if self.integers else "float32")

    def specs(self, x_dtype=None, y=None):
        """(shape, dtype) of x, and of y if there is one, with the batch: for tracing."""
        x_dtype = x_dtype or ("int32" if self.integers else "float32")
        found = [((None, *self.x_shape), x_dtype)]
        if y is not None:
            found.append(((None, *inner_shape(y.shape)), y.dtype))
        elif self.condition is not None:
            shape = self.condition_shape
            found.append(((None, *shape), "float32" if shape else "int32"))
        return found

    # Networks ------------------------------------------------------------------------------

    def read_networks(self, encoder, decoder, likelihood):
        """A copy that knows what the networks know; refuses those that do not fit each other.

        Raises:
            ValueError: the networks do not fit each other, or not the likelihood.
        """
        self = copy.copy(self)
        self.accepts_missing = self.accepts_missing or inspection.accepts_missing(encoder)
        self.integers = likelihood.integers and not self.accepts_missing  # ints have no NaN
        most = 1 + self.reads_condition
        inspection.check_inputs(encoder, "encoder", most)
        inspection.check_inputs(decoder, "decoder", most + self.decoder_reads_x)
        self.x_shape = inspection.first_input_shape(encoder)
        self.latent_shapes = [inspection.first_input_shape(decoder)]
        if self.reads_condition:
            reading = [encoder] if self.decoder_reads_x else [encoder, decoder]
            self.condition = inspection.common_condition(*reading)
        codes, outputs = inspection.output_shapes(encoder), inspection.output_shapes(decoder)
        if codes is not None:
            self._check_codes(codes)
        if self.x_shape is not None and outputs is not None:
            self._check_output(decoder, outputs[0], likelihood)
        self.is_known = None not in (self.x_shape, codes, self.latent_shapes[0], outputs)
        return self

    def read_pass(self, model, x, condition):
        """What a first pass over zeros tells of networks that do not know their shapes."""
        codes = keras.tree.flatten(inspection.no_dict(model.run(model.encoder, x, condition)))
        self.x_shape = inner_shape(x.shape)
        self.latent_shapes[0] = self.latent_shapes[0] or inner_shape(codes[0].shape)
        self._check_codes([inner_shape(code.shape) for code in codes])
        if not self.decoder_reads_x:
            z = ops.zeros((1, *self.latent_shapes[0]))
            outputs = model.run(model.decoder, z, condition)
            self._check_output(model.decoder, inner_shape(outputs.shape), model.likelihood_layer)
        if condition is not None and self.condition is None:
            self.condition = inner_shape(condition.shape)
        self.is_known = True

    def read_prior(self, prior):
        """Check the model's prior, which may know a condition that the networks do not tell."""
        self.check_prior(prior)
        if self.condition in (None, ()):
            self.condition = prior.condition or self.condition

    def check_prior(self, prior, name="prior", condition=None):
        """The prior's latents and what it reads, against the networks' and against a condition."""
        if not isinstance(prior, priors.Prior):
            raise TypeError(
                f"{name} is a {type(prior).__name__}; expected a keras_vae.priors layer. "
                "(To decode latents of your own: decode(z).)"
            )
        if prior.latent_dim is not None and self.latent_shape not in (None, (prior.latent_dim,)):
            raise ValueError(
                f"{name} is over {prior.latent_dim} latents, but decoder takes {self.latent_shape}."
            )
        if prior.condition is not None and not self.reads_condition:
            raise ValueError(f"{name} reads a condition, which this model does not give it.")
        both = prior.condition is not None and self.condition is not None
        if both and not inspection.agree(prior.condition, self.condition):
            raise ValueError(
                f"{name} reads condition={prior.condition}, but the networks read "
                f"condition={self.condition}; make both with the same."
            )
        if prior.condition is not None:
            checks.conditions(condition, prior.condition, "condition")

    def _check_codes(self, shapes):
        expected, decoders = self.encoder_outputs, self.latent_shapes[0]
        if expected is None:
            return
        if len(shapes) != expected:
            raise ValueError(
                f"encoder has {len(shapes)} output{'s' * (len(shapes) != 1)}; this model needs "
                f"{_OUTPUTS.get(expected, f'{expected} outputs.')}"
            )
        if len(set(shapes)) != 1:
            raise ValueError(
                f"encoder gives mean and log-variance of shapes {shapes[0]} and {shapes[1]}; "
                "they must be equal."
            )
        if decoders is not None and not same_shape(shapes[0], decoders):
            raise ValueError(
                f"encoder gives latents of shape {shapes[0]}, but decoder takes {decoders}; "
                "build both with the same latent_dim."
            )

    def _check_output(self, decoder, shape, likelihood):
        """Shape of the decoder's output, and that it is logits where logits are needed."""
        needed = likelihood.parameter_shape(self.x_shape)
        if not same_shape(shape, needed):
            raise ValueError(
                f"decoder gives shape {shape}, but a {type(likelihood).__name__} likelihood of "
                f"data of shape {self.x_shape} needs {needed}; pass the same likelihood= to the "
                "builder."
            )
        activation = inspection.last_activation(decoder)
        if isinstance(likelihood, likelihoods.Bernoulli) and activation in inspection.SQUASHING:
            raise ValueError(
                f"decoder ends in a {activation}, but a Bernoulli likelihood needs logits; "
                "remove the last activation."
            )

    # Data ----------------------------------------------------------------------------------

    def check_shapes(self, x, y):
        """Of a batch, when a step is traced. Values are looked at when `fit` begins."""
        checks.example_shape(x, self.x_shape, "x")
        condition = self.roles(x, y).condition
        checks.conditions(condition, self.condition, "y, the condition,", values=False)

    def check(self, x, condition=None):
        """x, and the condition of each row, as arrays that the networks can read.

        Raises:
            ValueError, TypeError: they do not fit the model.
        """
        x = self._check_example(checks.array(x), "x", self.x_shape)
        return x, self.check_conditions(condition, len(x))

    def check_conditions(self, condition, rows, one_for_all=False):
        """The condition as an array, one for each of `rows`; None where the model reads none.

        With `one_for_all` a single condition may stand for all rows, and no label may be unknown.
        """
        if not self.reads_condition:
            if condition is not None:
                raise TypeError("This model reads no condition; leave it out.")
            return None
        if condition is None:
            condition = self.roles(np.empty(rows)).condition  # a model that needs one says so here
        if one_for_all and np.ndim(condition) == len(self.condition_shape or ()):
            condition = np.repeat(np.asarray(condition)[np.newaxis], rows, axis=0)
        condition = checks.array(condition, "condition")
        if len(condition) != rows:
            raise ValueError(
                f"condition has {len(condition)} rows; expected {rows}, one an example."
            )
        self._check_condition(condition, "condition", known=one_for_all)
        return condition

    def check_data(self, x, y, likelihood, of=""):
        """Arrays x and y that a model is to be trained or evaluated on."""
        x, target, condition = self.roles(x, y)
        self._check_example(x, f"{of}x", self.x_shape)
        if target is not x:
            what = "the shape of x, as it is the target. Labels are no targets: leave them out"
            self._check_example(target, f"{of}y", inner_shape(x.shape), what)
        likelihood.check(target, f"{of}x" if target is x else f"{of}y")
        self._check_condition(condition, f"{of}y, the condition,")

    def check_latents(self, z):
        """z of the top level, `(n, ...)`, as an array."""
        return self._check_example(checks.array(z, "z"), "z", self.latent_shape, missing=False)

    def _check_example(self, array, name, shape, what=None, missing=True):
        checks.example_shape(array, shape, name, what)
        checks.finite(array, name, missing and self.accepts_missing)
        return array

    def _check_condition(self, condition, name, known=False):
        checks.conditions(
            condition, self.condition, name, unknown=self.second == "label" and not known
        )
