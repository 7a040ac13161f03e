"""Ways to fill missing values, NaN, with a trained model (lecture row A7).

    importance_weighted(vae, x)                     # (n, ...): one filling, the expected values
    importance_weighted(vae, x, num_draws=20)       # (20, n, ...): multiple imputation

Each function takes a model and an array x `(n, ...)` with NaN where a value is missing. Known
values come back untouched, to the bit. With `num_draws` it gives draws from what the way takes
p(x_missing | x_known) to be, so that an analysis can be repeated on each of them.

A model that was trained on complete data reads `start` in place of what is missing; a model whose
encoder has `missing=` reads NaN itself.
"""

import functools
import math

import numpy as np
import tensorflow as tf
from keras import ops

from keras_vae import checks, noise
from keras_vae.distributions import MultivariateNormal
from keras_vae.models.base import BaseModel
from keras_vae.tasks import common

_VALUES = 2**20  # that the decoder gives at a time


def _rows(model, samples=1):
    """How many rows at a time: of each, the decoder decodes `samples`."""
    return max(1, _VALUES // (math.prod(model.signature.x_shape) * samples))


def one_pass(model, x, num_draws=None, *, start=0.0, seed=None, condition=None):
    """Encodes the known values and decodes: E[x | z] at the mean of q(z | x_known).

    It is as good as the encoder is on incomplete data: train it with `missing="mask"` on data with
    holes, `fit(x_with_nan)`, or on complete data with holes made for it, `fit(x_with_nan, x)`.

    Args:
        model: a trained VAE or Autoencoder.
        x: array `(n, ...)`, with NaN where a value is missing.
        num_draws: int. How many fillings are drawn, z from q(z | x_known), x from p(x|z). Defaults
            to `None`: one filling, the expected values.
        start: float, or array of the shape of one example. What a model that was trained on
            complete data reads in place of a missing value. Defaults to `0.0`.
        seed: int. Fixes the draws. Defaults to `None`, the model's own seed.
        condition: array of n conditions, for a model that reads one. Defaults to `None`.

    Returns:
        array `(n, ...)` with the values of x where they are known; `(num_draws, n, ...)` of draws.

    Raises:
        ValueError, TypeError: x, condition or another argument does not fit the model.
    """

    def points(x, condition):
        return model.likelihood(_encoded(model, x, start, condition), condition).point

    def draws(x, condition):
        return _decoded(model, _posterior(model, x, start, condition), condition, num_draws)

    name = ("one_pass", _key(start))
    return _fill(model, name, points, draws, x, num_draws, 1, start, seed, condition)


def pseudo_gibbs(model, x, num_draws=None, *, steps=20, start=0.0, seed=None, condition=None):
    """Puts the reconstruction in place of what is missing, and does so again and again.

        z ~ q(z | x_filled),  x_missing ~ p(x|z)         (Rezende 2014, appendix F)

    It is the Thesis's loop, which reconstructs without noise: a single filling does the same.
    Its draws follow p(x_missing | x_known) only as far as q(z|x) is the true posterior.

    Args:
        steps: int. How often. Defaults to `20`. (The Thesis: once in every epoch.)
        Others, Returns, Raises: as of `one_pass`.
    """
    steps, given = checks.count(steps, "steps"), x
    x, condition, start = _checked(model, x, num_draws, start, condition)
    missing = np.isnan(x)
    chains = []
    for chain in range(num_draws or 1):
        filled = np.where(missing, start, x)
        for step in range(steps):

            def again(x, condition=None):
                if num_draws is None:
                    return model.likelihood(model.codes(x, condition)[0], condition).point
                drawn = model.infer(model.posterior(x, condition), condition)
                p_x = model.likelihood(drawn.z, condition)
                return p_x.sample(noise.current().stream("x"))

            name = ("pseudo_gibbs", num_draws is None)
            arrays, call = (filled, condition), chain * steps + step
            values = model.over_rows(name, again, arrays, _rows(model), seed=seed, call=call)
            filled = np.where(missing, values, x)
        chains.append(filled)
    return _with_known(given, chains[0] if num_draws is None else np.stack(chains))


def importance_weighted(
    model,
    x,
    num_draws=None,
    *,
    num_samples=100,
    proposal="encoder",
    start=0.0,
    seed=None,
    condition=None,
):
    """The mean of p(x_missing | x_known), from weighted draws of z (Mattei and Frellsen 2019).

        E[x_missing | x_known] ~ sum_k w_k E[x|z_k] / sum_k w_k
        w_k = p(x_known|z_k) p(z_k) / q(z_k|x_known),   z_k ~ q(z|x_known)

    With more samples it tends to the truth under the model, whatever q is: the slower, the further
    q is from the true posterior. `effective_samples` says how many of them count.

    Args:
        num_draws: int. Draws, from a choice among the z_k by their weights. Defaults to `None`.
        num_samples: int. K. Defaults to `100`.
        proposal: `"encoder"`, the z_k are drawn from the encoder's q; or `"gradient"`, from the
            normal distribution around the most probable z, as of `gradient`. Defaults to
            `"encoder"`.
        Others, Returns, Raises: as of `one_pass`.
    """
    num_samples = checks.count(num_samples, "num_samples")

    def weighted(x, condition, of):
        q = _proposal(model, x, start, condition, proposal)
        values = model.over_samples(
            functools.partial(_log_weight_and, model, of), (q, condition, x), num_samples
        )
        return values[..., 0], values[..., 1:]

    def points(x, condition):
        log_weights, expectations = weighted(x, condition, lambda z, p_x: p_x.expectation)
        weights = ops.softmax(log_weights, axis=1)
        mean = ops.sum(weights[..., None] * expectations, axis=1)
        p_x = model.likelihood(_encoded(model, x, start, condition), condition)  # for its shape
        return p_x.decide(ops.reshape(mean, (-1, *p_x.expectation.shape[1:])))

    def draws(x, condition):
        log_weights, z = weighted(x, condition, lambda z, p_x: z)
        ends = ops.cumsum(ops.softmax(log_weights, axis=1), axis=1)[:, None, :-1]
        uniform = noise.current().stream("choice").uniform((ops.shape(x)[0], num_draws))
        chosen = ops.sum(ops.cast(uniform[..., None] > ends, "int32"), axis=-1)
        z = ops.reshape(tf.gather(z, chosen, batch_dims=1), (-1, *model.signature.latent_shapes[0]))
        return _drawn(model, z, condition, num_draws)

    name = ("importance_weighted", proposal, num_samples, _key(start))
    return _fill(model, name, points, draws, x, num_draws, num_samples, start, seed, condition)


def gradient(
    model,
    x,
    num_draws=None,
    *,
    steps=100,
    learning_rate=0.05,
    start=0.0,
    seed=None,
    condition=None,
):
    """Finds the z that explains the known values best, by gradient steps, and decodes it.

        z* = argmax log p(x_known | z) + log p(z)

    The encoder only says where to start. Draws come from the normal distribution around z* whose
    precision is the curvature there, -d^2 log p(x_known, z) / dz^2 (Laplace's approximation), and
    which is in no direction wider than N(0, I).

    Args:
        steps: int. Number of steps of Adam. Defaults to `100`.
        learning_rate: float. Its learning rate, in latent space. Defaults to `0.05`.
        Others, Returns, Raises: as of `one_pass`.
    """
    settings = (
        checks.count(steps, "steps"),
        checks.number(learning_rate, "learning_rate", above=True),
    )

    def points(x, condition):
        z = _most_probable(model, x, start, condition, *settings)
        return model.likelihood(_lower(model, z, condition), condition).point

    def draws(x, condition):
        q = _around_most_probable(model, x, start, condition, *settings)
        return _decoded(model, q, condition, num_draws)

    name = ("gradient", *settings, _key(start))
    return _fill(model, name, points, draws, x, num_draws, 1, start, seed, condition)


def effective_samples(
    model, x, *, num_samples=100, proposal="encoder", start=0.0, seed=None, condition=None
):
    """How many of the K samples of `importance_weighted` count: (sum w)^2 / sum w^2, `(n,)`.

    Near 1 a single sample decides, and the filling is noise; near K the proposal is the posterior
    (Kong 1992). Args, Raises: as of `importance_weighted`.
    """
    num_samples = checks.count(num_samples, "num_samples")
    x, condition, start = _checked(model, x, None, start, condition)

    def effective(x, condition=None):
        q = _proposal(model, x, start, condition, proposal)
        take = functools.partial(_log_weight_and, model, lambda z, p_x: z[:, :0])
        log_weights = model.over_samples(take, (q, condition, x), num_samples)[..., 0]
        weights = ops.softmax(log_weights, axis=1)
        return 1 / ops.sum(ops.square(weights), axis=1)

    name = ("effective_samples", proposal, num_samples, _key(start))
    return model.over_rows(name, effective, (x, condition), _rows(model, num_samples), seed=seed)


# What the ways share -----------------------------------------------------------------------


def _checked(model, x, num_draws, start, condition):
    """x as float32 with NaN, the condition, and `start` as an array, all fit for the model."""
    if not isinstance(model, BaseModel):
        raise TypeError(f"model is {model!r}; expected a trained model of keras_vae.")
    if num_draws is not None:
        checks.count(num_draws, "num_draws")
    x = checks.array(x)
    checks.example_shape(x, model.signature.x_shape, "x")
    checks.finite(x, "x", accepts_missing=True)
    model.likelihood_layer.check(x, "x")
    condition = model.signature.check_conditions(condition, len(x))
    model.ensure_built(x, condition)
    start = np.asarray(start, "float32")
    if start.shape not in ((), x.shape[1:]):
        raise ValueError(
            f"start has shape {start.shape}; expected a number, or one example, {x.shape[1:]}."
        )
    checks.finite(start[None], "start")
    return x.astype("float32"), condition, start


def _key(start):
    return np.asarray(start, "float32").tobytes()


def _fill(model, name, points, draws, x, num_draws, samples, start, seed, condition):
    """x with its missing values from `points`, or, num_draws times, from `draws`."""
    given = x
    x, condition, _ = _checked(model, x, num_draws, start, condition)
    function = points if num_draws is None else draws
    values = model.over_rows(
        ("filling", *name, num_draws),
        lambda x, condition=None: function(x, condition),
        (x, condition),
        _rows(model, max(samples, num_draws or 1)),
        seed=seed,
    )
    return _with_known(given, values if num_draws is None else values.swapaxes(0, 1))


def _with_known(given, values):
    """The values where x as it was given has NaN, else its own, in its own precision."""
    given = np.asarray(given)
    given = given if given.dtype.kind == "f" else given.astype("float32")
    return np.where(np.isnan(given), values, given).astype(given.dtype)


def _read(model, x, start):
    """x as the encoder of this model reads it."""
    return x if model.signature.accepts_missing else ops.where(ops.isnan(x), start, x)


def _encoded(model, x, start, condition):
    return model.codes(_read(model, x, np.float32(start)), condition)[0]


def _posterior(model, x, start, condition):
    return model.posterior(_read(model, x, np.float32(start)), condition)


def _lower(model, z, condition):
    with noise.none():  # a model with several levels takes the means of the lower ones
        return model.lower(z, condition)


def _most_probable(model, x, start, condition, steps, learning_rate):
    z = model.codes(_read(model, x, np.float32(start)), condition)[-1]
    joint = functools.partial(_log_joint, model, x, condition)
    return common.climb(joint, z, steps, learning_rate)


def _log_joint(model, x, condition, z):
    """log p(x_known, z) of each row, in nats."""
    p_x = model.likelihood(_lower(model, z, condition), condition)
    return p_x.log_prob(x, ~ops.isnan(x)) + model.prior(condition).log_prob(z)


def _around_most_probable(model, x, start, condition, steps=100, learning_rate=0.05):
    """Laplace's approximation of p(z | x_known)."""
    z = _most_probable(model, x, start, condition, steps, learning_rate)
    with tf.GradientTape() as outer:
        outer.watch(z)
        with tf.GradientTape() as inner:
            inner.watch(z)
            value = _log_joint(model, x, condition, z)
        slope = inner.gradient(value, z)
    curvature = -outer.batch_jacobian(slope, z)
    symmetric = 0.5 * (curvature + tf.linalg.matrix_transpose(curvature))
    precision, directions = tf.linalg.eigh(symmetric)
    scaled = directions * tf.maximum(precision, 1.0)[:, None]
    precision = scaled @ tf.linalg.matrix_transpose(directions)
    return MultivariateNormal(z, tf.linalg.cholesky(precision))


def _proposal(model, x, start, condition, proposal):
    if proposal == "encoder":
        return _posterior(model, x, start, condition)
    if proposal == "gradient":
        return _around_most_probable(model, x, start, condition)
    raise ValueError(f"proposal is {proposal!r}; expected 'encoder' or 'gradient'.")


def _log_weight_and(model, of, q, condition, x):
    """log w of one draw of z, and beside it `of(z, p(x|z))`: `(batch, 1 + k)`."""
    drawn = model.infer(q, condition)
    p_x = model.likelihood(drawn.z, condition)
    log_weight = p_x.log_prob(x, ~ops.isnan(x)) + drawn.log_ratio
    value = of(drawn.z, p_x)
    flat = ops.reshape(value, (-1, math.prod(value.shape[1:])))
    return ops.concatenate([log_weight[:, None], flat], axis=1)


def _decoded(model, q, condition, num_draws):
    """num_draws draws of x for each row, z ~ q, x ~ p(x|z): `(batch, num_draws, ...)`."""

    def draw(q, condition):
        p_x = model.likelihood(model.infer(q, condition).z, condition)
        return p_x.sample(noise.current().stream("x"))

    return model.over_samples(draw, (q, condition), num_draws)


def _drawn(model, z, condition, num_draws):
    """A draw of x for each z, `(batch * num_draws, ...)`: `(batch, num_draws, ...)`."""
    if condition is not None:
        condition = ops.repeat(condition, num_draws, axis=0)
    values = model.likelihood(z, condition).sample(noise.current().stream("x"))
    return ops.reshape(values, (-1, num_draws, *values.shape[1:]))
