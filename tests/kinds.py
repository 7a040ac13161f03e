"""Small versions of models that the lecture needs and the library does not have yet.

They run through `tests/test_models.py`. If one needs more than about forty lines, the interface of
`BaseModel` lacks something.
"""

import keras
import numpy as np
from keras import ops

from keras_vae import VAE, Autoencoder, ConditionalVAE, networks, priors
from keras_vae.distributions import Distribution, Normal, NormalMixture, kl_divergence
from keras_vae.likelihoods import Likelihood
from keras_vae.models.base import BaseModel
from keras_vae.models.signature import Signature
from keras_vae.models.vae import Draw
from keras_vae.noise import Sampling

registered = keras.saving.register_keras_serializable(package="kinds")


def serialized(**layers):
    return {name: keras.saving.serialize_keras_object(layer) for name, layer in layers.items()}


def head(inputs, outputs, hidden=16, name=None, heads=2):
    """A small dense network with several outputs of one size."""
    x = keras.Input((inputs,))
    h = keras.layers.Dense(hidden, activation="tanh")(x)
    return keras.Model(x, [keras.layers.Dense(outputs)(h) for _ in range(heads)], name=name)


@registered
class Adversarial(BaseModel):
    """A discriminator tells codes from draws of p(z); the encoder learns to fool it (Makhzani)."""

    loss_names = ("loss", "reconstruction_loss", "discriminator_loss")
    parts = ("input", "encoder", "sampling", "decoder", "discriminator", *BaseModel.parts[3:])

    def __init__(self, encoder, decoder, discriminator, likelihood="bernoulli", seed=None, **kw):
        super().__init__(encoder, decoder, likelihood, seed, **kw)
        self.discriminator = discriminator
        self.prior_layer = priors.StandardNormal()
        self.sampling = Sampling(seed=seed, dtype="float32", name="sampling")

    def prior(self, condition=None, training=False):
        return self.prior_layer.distribution(condition)

    def codes(self, x, condition=None, training=False):
        return (self.encoder(x, training=training),)

    def players(self):
        weights = self.discriminator.trainable_variables
        own = {id(variable) for variable in weights}
        rest = [variable for variable in self.trainable_variables if id(variable) not in own]
        return {"loss": rest, "discriminator_loss": weights}

    def objective(self, x, y=None, training=False):
        (z,) = self.codes(x, None, training)
        reconstruction_loss = -self.likelihood(z, None, training).log_prob(x)
        with keras.name_scope("sampling"):
            drawn = self.prior().sample(self.sampling.stream(training), ops.shape(z))
        fake, real = (
            ops.cast(self.discriminator(z, training=training), "float32")[:, 0] for z in (z, drawn)
        )
        return {
            "loss": reconstruction_loss + ops.softplus(-fake),
            "reconstruction_loss": reconstruction_loss,
            "discriminator_loss": ops.softplus(-real) + ops.softplus(fake),
        }

    def get_config(self):
        return {**super().get_config(), **serialized(discriminator=self.discriminator)}


@registered
class Ladder(VAE):
    """Two levels: q(z1|x) q(z2|z1) and p(z2) p(z1|z2) p(x|z1) (Burda 2016, section 5)."""

    parts = ("input", "encoder", "sampling", "up", "sampling_top", "down", *VAE.parts[3:])

    def __init__(self, encoder, decoder, up, down, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        self.up, self.down = up, down
        self.sampling_top = Sampling(seed=self.seed, dtype="float32", name="sampling_top")
        self.signature.latent_shapes.append((up.output_shape[0][-1],))

    def infer(self, posterior, condition=None, training=False):
        q1, p2 = posterior, self.prior(condition, training)
        z1 = self.sampling((q1.mean, q1.log_var), training=training)
        q2 = Normal(*self.up(z1, training=training))
        z2 = self.sampling_top((q2.mean, q2.log_var), training=training)
        p1 = Normal(*self.down(z2, training=training))
        ratio = p1.log_prob(z1) - q1.log_prob(z1)  # no closed form: p1 depends on z1
        divergence = ops.concatenate([-ratio[:, None], kl_divergence(q2, p2)], axis=-1)
        return Draw(z1, divergence, ratio + p2.log_prob(z2) - q2.log_prob(z2), above=(z2,))

    def lower(self, z, condition=None, training=False):
        p1 = Normal(*self.down(z, training=training))
        return self.sampling((p1.mean, p1.log_var), training=training)

    def get_config(self):
        return {**super().get_config(), **serialized(up=self.up, down=self.down)}


def each_class(function, y, classes):
    """function(labels) for each class, with labels all of this class: (batch, classes, ...)."""
    return ops.stack([function(ops.full(ops.shape(y), c, "int32")) for c in range(classes)], axis=1)


@registered
class SemiSupervised(ConditionalVAE):
    """M2 (Kingma 2014): the loss sums over the classes where a label is -1, unknown."""

    loss_names = (*VAE.loss_names, "classification_loss")
    parts = ("input", "classifier", *VAE.parts[1:])
    signature = Signature(second="label")

    def __init__(self, encoder, decoder, classifier, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        self.classifier = classifier

    def classify(self, x, training=False):
        return ops.log_softmax(ops.cast(self.classifier(x, training=training), "float32"))

    def infer_condition(self, x, condition, training=False):
        best = ops.cast(ops.argmax(self.classify(x, training), axis=-1), "int32")
        return ops.where(condition < 0, best, ops.cast(condition, "int32"))

    def objective(self, x, y=None, training=False):
        x, _, y = self.signature.roles(x, y)
        log_q, bound = self.classify(x, training), super().objective

        def both_terms(c):
            terms = bound(x, c, training)
            return ops.stack([terms["reconstruction_loss"], terms["kl_loss"]], axis=1)

        known, given = ops.cast(y >= 0, "float32")[:, None], ops.one_hot(y, log_q.shape[1])
        weight = known * given + (1 - known) * ops.exp(log_q)  # q(y|x), (batch, classes)
        terms = ops.sum(weight[..., None] * each_class(both_terms, y, log_q.shape[1]), axis=1)
        label_kl = np.log(log_q.shape[1]) + ops.sum((1 - known) * ops.exp(log_q) * log_q, axis=1)
        rec, kl, wrong = terms[:, 0], terms[:, 1] + label_kl, -ops.sum(given * log_q, axis=1)
        terms = rec + self.beta * kl + wrong, rec, kl, -rec - kl, wrong
        return dict(zip(self.loss_names, terms, strict=True))

    def log_weights(self, x, y=None, num_samples=1, training=False):
        x, _, y = self.signature.roles(x, y)
        weights, classes = super().log_weights, self.signature.condition
        each = each_class(lambda c: weights(x, c, num_samples, training), y, classes)
        mask = (ops.one_hot(y, classes) > 0) | (y < 0)[:, None]
        return ops.logsumexp(ops.where(mask[..., None], each, -np.inf), 1) - np.log(classes)

    def get_config(self):
        return {**super().get_config(), **serialized(classifier=self.classifier)}


@registered
class Categorical(Likelihood):
    """Tokens of shape (t,) from logits of shape (t, classes)."""

    integers = True

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes

    def parameter_shape(self, x_shape):
        return (*x_shape, self.classes)

    def distribution(self, outputs):
        return Tokens(lambda before: outputs, outputs.shape[1], ops.shape(outputs)[0])

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}


class Tokens(Distribution):
    """p(x|z) = prod_t p(x_t | x_<t, z); `logits` is a function of the tokens, shifted by one."""

    def __init__(self, logits, length, rows):
        self.logits, self.length, self.rows = logits, length, rows

    def log_prob(self, x, mask=None):
        logits = ops.cast(self.logits(ops.pad(x[:, :-1], [[0, 0], [1, 0]])), "float32")
        chosen = ops.take_along_axis(ops.log_softmax(logits), ops.cast(x, "int32")[..., None], -1)
        return ops.sum(chosen[..., 0], axis=1)

    def _write(self, pick):
        x = ops.zeros((self.rows, self.length), "int32")
        for t in range(self.length):
            logits = ops.cast(self.logits(ops.pad(x[:, :-1], [[0, 0], [1, 0]])), "float32")
            x = ops.concatenate([x[:, :t], pick(logits[:, t])[:, None], x[:, t + 1 :]], axis=1)
        return x

    @property
    def mode(self):
        return self._write(lambda logits: ops.cast(ops.argmax(logits, axis=-1), "int32"))

    def sample(self, seed, shape=None):
        def pick(logits):
            gumbel = -ops.log(-ops.log(seed.uniform(ops.shape(logits)) + 1e-20) + 1e-20)
            return ops.cast(ops.argmax(logits + gumbel, axis=-1), "int32")

        return self._write(pick)


@registered
class TeacherForcing(VAE):
    """The decoder reads z and the previous tokens (Bowman 2016)."""

    signature = Signature(decoder_reads_x=True)

    def likelihood(self, z, condition=None, training=False):
        def logits(before):
            return self.decoder([z, before], training=training)

        return Tokens(logits, self.signature.x_shape[0], ops.shape(z)[0])


@registered
class Vamp(VAE):
    """p(z) = mean of q(z|u) over pseudo-inputs u, which are learned (Tomczak 2018)."""

    parts = ("input", "encoder", "sampling", "decoder", *VAE.parts[4:])

    def __init__(self, *args, components=5, **kwargs):
        super().__init__(*args, **kwargs)
        self.components = components
        self.pseudo_inputs = self.add_weight(
            (components, *self.signature.x_shape),
            keras.initializers.RandomNormal(seed=self.seed),
            name="pseudo_inputs",
        )

    def prior(self, condition=None, training=False):
        q = self.posterior(ops.sigmoid(self.pseudo_inputs), None, training)
        logits = ops.zeros((1, self.components))
        return NormalMixture(logits, q.mean[None], q.log_var[None])

    def get_config(self):
        return {**super().get_config(), "components": self.components}


@registered
class VQ(Autoencoder):
    """A code is the nearest vector of a codebook (van den Oord 2017); `encode` gives its index."""

    loss_names = (*Autoencoder.loss_names, "codebook_loss")

    def __init__(self, *args, vectors=8, **kwargs):
        super().__init__(*args, **kwargs)
        self.vectors = vectors
        shape = self.signature.latent_shapes[0]
        self.signature.latent_shapes.append(shape[:-1])
        start = keras.initializers.RandomNormal(0.0, 1.0, seed=self.seed)
        self.codebook = self.add_weight((vectors, shape[-1]), start, name="codebook")

    def codes(self, x, condition=None, training=False):
        e = ops.cast(self.encoder(x, training=training), "float32")
        distances = ops.sum((e[..., None, :] - self.codebook) ** 2, axis=-1)
        numbers = ops.cast(ops.argmin(distances, axis=-1), "int32")
        return e + ops.stop_gradient(self.lower(numbers) - e), e, numbers

    def lower(self, z, condition=None, training=False):
        return ops.take(self.codebook, z, axis=0)

    def objective(self, x, y=None, training=False):
        z, e, numbers = self.codes(x, None, training)
        reconstruction_loss = -self.likelihood(z, None, training).log_prob(x)
        vector, stop = self.lower(numbers), ops.stop_gradient
        distance = (stop(e) - vector) ** 2 + 0.25 * (e - stop(vector)) ** 2
        codebook_loss = ops.sum(distance, axis=(1, 2, 3))
        loss = reconstruction_loss + codebook_loss
        return dict(zip(self.loss_names, (loss, reconstruction_loss, codebook_loss), strict=True))

    def get_config(self):
        return {**super().get_config(), "vectors": self.vectors}


class PlanarFlow(Distribution):
    """z = z0 + u tanh(w z0 + b), z0 normal (Rezende 2015, eq. 10); only draws have a density."""

    def __init__(self, base, u, w, b):
        self.base, self.u, self.w, self.b = base, u, w, b

    def sample_and_log_prob(self, seed, shape=None):
        z0 = self.base.sample(seed)
        h = ops.tanh(ops.sum(self.w * z0, axis=-1, keepdims=True) + self.b)
        slope = ops.sum(self.u * self.w, axis=-1) * (1 - h[:, 0] ** 2)
        return z0 + self.u * h, self.base.log_prob(z0) - ops.log(ops.abs(1 + slope) + 1e-6)


@registered
class FlowPosterior(VAE):
    """The encoder gives a normal, and u, w and b of the flow that transforms it: five outputs."""

    signature = Signature(encoder_outputs=None)

    def posterior(self, x, condition=None, training=False):
        outputs = (ops.cast(out, "float32") for out in self.encoder(x, training=training))
        mean, log_var, u, w, b = outputs
        return PlanarFlow(Normal(mean, log_var), u, w, b)


# One model of each kind ----------------------------------------------------------------------


def dense(latent_dim=2, **arguments):
    return networks.dense((8, 8, 1), latent_dim, hidden=(16,), **arguments)


def image_network(outputs, name):
    x = keras.Input((8, 8, 1))
    h = keras.layers.Dense(16, activation="tanh")(keras.layers.Flatten()(x))
    return keras.Model(x, [keras.layers.Dense(n)(h) for n in outputs], name=name)


def blocks():
    x, z = keras.Input((8, 8, 1)), keras.Input((2, 2, 3))
    encoder = keras.layers.Conv2D(3, 4, strides=4)(x)
    return keras.Model(x, encoder), keras.Model(z, keras.layers.Conv2DTranspose(1, 4, strides=4)(z))


LENGTH, WORDS, CLASSES = 4, 10, 4


def token_networks(teacher=False):
    x = keras.Input((LENGTH,), dtype="int32")
    h = keras.layers.Flatten()(keras.layers.Embedding(WORDS, 8)(x))
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    z, before = keras.Input((2,)), keras.Input((LENGTH,), dtype="int32")
    h = keras.layers.RepeatVector(LENGTH)(z)
    if teacher:
        h = keras.layers.Concatenate()([h, keras.layers.Embedding(WORDS, 8)(before)])
    h = keras.layers.SimpleRNN(16, return_sequences=True, unroll=True)(h)
    return encoder, keras.Model([z, before] if teacher else z, keras.layers.Dense(WORDS)(h))


def tokens(rows=300):
    """Sequences of consecutive numbers."""
    start = np.random.default_rng(0).integers(1, WORDS - LENGTH, (rows, 1))
    return (start + np.arange(LENGTH)).astype("int32")


def with_holes(x):
    return np.where(np.random.default_rng(0).random(x.shape) < 0.3, np.nan, x).astype("float32")


def few_labels(y):
    return np.where(np.arange(len(y)) < 100, y % CLASSES, -1)


def up_and_down(bottom):
    return head(bottom, 2, name="up"), head(2, bottom, name="down")


def ladder():
    return Ladder(*dense(4), *up_and_down(4), seed=1)


def semi_supervised():
    classifier = image_network([CLASSES], "classifier")
    return SemiSupervised(*dense(condition=CLASSES), classifier, seed=1)


def adversarial():
    discriminator = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    )
    return Adversarial(*dense(variational=False), discriminator, seed=1)


def flow():
    return FlowPosterior(image_network([2, 2, 2, 2, 1], "encoder"), dense()[1], seed=1)


KINDS = {  # name -> (makes the model, turns digits x, y into the data of `fit`)
    "adversarial": (adversarial, lambda x, y: (x,)),
    "ladder": (ladder, lambda x, y: (x,)),
    "semi-supervised": (semi_supervised, lambda x, y: (x, few_labels(y))),
    "tokens": (
        lambda: TeacherForcing(
            *token_networks(teacher=True), likelihood=Categorical(WORDS), seed=1
        ),
        lambda x, y: (tokens(len(x)),),
    ),
    "vamp": (lambda: Vamp(*dense(), seed=1), lambda x, y: (x,)),
    "missing": (lambda: VAE(*dense(missing="mask"), seed=1), lambda x, y: (with_holes(x),)),
    "VQ": (lambda: VQ(*blocks(), seed=1), lambda x, y: (x,)),
    "flow": (flow, lambda x, y: (x,)),
}
