"""Scores of a trained model: how normal x is. Higher is more normal.

    relative_error(vae, x)
    latent_distance(vae, x, vae.encode(x_normal))

Each is a function of a model, an array x `(n, ...)` as the model reads it, and what else the score
needs of the normal examples; it gives an array `(n,)`. The same x gives the same bits; where z is
drawn, a row's noise is that of its place in x, and its score moves with it, within the error of the
draws. A ValueError or TypeError of the model's own verbs says what does not fit it.

Two thoughts lead here. log p(x) and the error of the reconstruction |x - x_hat|^2 say how simple x
is before they say how strange (Nalisnick 2019). A distance to normal examples does not, where it is
taken in latent space, where images that show the same lie together.
"""

import zlib

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from sklearn import neighbors, preprocessing
from sklearn.mixture import GaussianMixture

from keras_vae import batching
from keras_vae.distributions import kl_divergence
from keras_vae.tasks import common
from keras_vae.tasks.noise import checked_clean

_LEAST = 1e-12  # of what a logarithm is taken of


def squared_error(model, x):
    """-|x - x_hat|^2, x_hat the reconstruction at the mean of q(z|x): the Report's (row A5).

    Simple drawings are reconstructed well, seen or not: on MNIST, a 1 that was never trained passes
    for more normal than what was.
    """
    return -squares(x - model.decode(model.encode(x)))


def relative_error(model, x):
    """-|x - x_hat|^2 / |x|^2: the share of its energy that x loses."""
    return squared_error(model, x) / np.maximum(squares(x), _LEAST)


def reconstruction_probability(model, x, num_samples=16, seed=0):
    """E_q(z|x)[log p(x|z)] in nats, the mean over `num_samples` draws of z (An and Cho 2015)."""
    return _terms(model, x, num_samples, seed)[:, 0]


def kl(model, x, num_samples=16, seed=0):
    """-KL(q(z|x) || p(z)) in nats: how far from the prior the latents lie.

    In closed form where the prior has one, else the mean over `num_samples` draws of z.
    """
    return -_terms(model, x, num_samples, seed)[:, 1]


def elbo(model, x, num_samples=16, seed=0, condition=None):
    """The bound on log p(x) in nats, the mean over `num_samples` draws of z."""
    probability, divergence = _terms(model, x, num_samples, seed, condition).T
    return probability - divergence


def corrected_elbo(model, x, num_samples=16, seed=0):
    """The bound, and what x costs when it is compressed, in nats (Serra 2020): for images.

    What is simple is likely under any model. The compressed size, of 8-bit values, says how simple.
    (A Bernoulli on grey values is no density of such values: the two terms share a unit, but not a
    scale.) A ValueError says that x is no image in [0, 1].
    """
    x = checked_clean(x)
    sizes = [len(zlib.compress(np.uint8(255 * image).tobytes(), 9)) for image in x]
    return elbo(model, x, num_samples, seed) + 8 * np.log(2) * np.array(sizes)


def latent_distance(model, x, latents, neighbours=5):
    """Minus the mean distance to the nearest of the normal examples' latents, `encode(x_normal)`.

    As `mean_distance` has it, an example is no neighbour of its own.

    Args:
        latents: array `(m, latent_dim)`.
        neighbours: int. How many count. Defaults to `5`.
    """
    return -mean_distance(model.encode(x), latents, neighbours)


def latent_mixture(model, x, mixture):
    """log density of the latents under a mixture of normals that was fitted to normal examples'.

    Args:
        mixture: sklearn.mixture.GaussianMixture, fitted to `model.encode(x_normal)`.
    """
    return mixture.score_samples(model.encode(x))


def fitted_mixture(latents, seed=0):
    """A mixture of up to 10 normals, fitted to latents `(n, latent_dim)`, for `latent_mixture`."""
    components = min(10, len(latents) // 10 + 1)
    return GaussianMixture(components, reg_covar=1e-3, random_state=seed).fit(latents)


def distance_and_error(model, x, latents, neighbours=5):
    """-log(distance to the nearest latents * |x - x_hat| / |x|).

    What lies on the manifold of the normal data and among its examples has little of both: the
    first knows where examples are and not what the decoder cannot draw, the second the reverse.
    """
    distance = -latent_distance(model, x, latents, neighbours)
    error = -relative_error(model, x)
    return -np.log(np.maximum(distance, _LEAST)) - np.log(np.maximum(error, _LEAST)) / 2


def both_distances(model, x, latents, normal, neighbours=5):
    """-log(distance to the nearest latents * distance to the nearest data), of normal examples.

    In the data it is the distance of directions, |x/|x| - y/|y||, which the strength of a stroke
    does not change. Pixels know what the code forgot, latents what an image shows.

    Args:
        latents: array `(m, latent_dim)`, `encode(normal)`.
        normal: array `(m, ...)`.
    """
    data = mean_distance(directions(x), directions(normal), neighbours)
    distance = -latent_distance(model, x, latents, neighbours)
    return -np.log(np.maximum(distance, _LEAST)) - np.log(np.maximum(data, _LEAST))


# Where the normal examples have labels ------------------------------------------------------


def class_bounds(model, x, classes, num_samples=16, seed=0):
    """The bound on log p(x|c) in nats for each class c, `(n, classes)`, by a ConditionalVAE.

    `classes` is their number. Their largest is a score, and so is what it has over the second.
    """
    conditions = [np.full(len(x), c) for c in range(classes)]
    return np.stack([elbo(model, x, num_samples, seed, c) for c in conditions], axis=1)


def class_distances(model, x, normal, labels, neighbours=5):
    """log(|x - x_hat|^2 / |x|^2 * latent distance * data distance), to each class `(n, classes)`.

    The distances are those of `both_distances`. For each class, x is encoded and decoded as one of
    it and compared with its normal examples; a class without any has no column.

    Args:
        model: ConditionalVAE of labels.
        normal: array `(m, ...)`.
        labels: int array `(m,)`, from 0.
    """
    energy, columns = np.maximum(squares(x), _LEAST), []
    for c in np.unique(labels):
        examples, condition = normal[labels == c], np.full(len(x), c)
        z = model.encode(x, condition=condition)
        latents = model.encode(examples, condition=np.full(len(examples), c))
        factors = (
            squares(x - model.decode(z, condition=condition)) / energy,
            mean_distance(z, latents, neighbours),
            mean_distance(directions(x), directions(examples), neighbours),
        )
        columns.append(sum(np.log(np.maximum(factor, _LEAST)) for factor in factors))
    return np.stack(columns, axis=1)


def class_distance(model, x, normal, labels, neighbours=5):
    """-(d1 + 2 (d1 - d2)), d1 and d2 the two least of `class_distances`.

    Normal is what is near to a class, and much nearer to it than to the next. (The weight 2 is from
    MNIST, of digits held out of a training set, as `benchmarks/anomaly_detection.py` has them.)
    """
    d1, d2 = np.sort(class_distances(model, x, normal, labels, neighbours), axis=1)[:, :2].T
    return -(d1 + 2 * (d1 - d2))


def max_logit(model, x, classifier):
    """The largest logit that a classifier gives to the latents of x (Hendrycks 2022).

    Args:
        classifier: keras.Model, latents `(batch, latent_dim)` to logits, as `fitted_classifier`
            gives it.
    """
    return classifier.predict(model.encode(x), 4096, verbose=0).max(axis=1)


def fitted_classifier(latents, labels, epochs=10, seed=0):
    """A network of one hidden layer, trained to tell the labels, an int array from 0."""
    with common.initial_weights_from(seed):
        classifier = keras.Sequential(
            [
                keras.Input(latents.shape[1:]),
                keras.layers.Dense(512, activation="relu"),
                keras.layers.Dropout(0.5, seed=seed),
                keras.layers.Dense(int(labels.max()) + 1),
            ]
        )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    common.compile_falling(classifier, 1e-3, len(latents), epochs, 128, loss)
    data = batching.batches((latents, labels), 128, seed)
    classifier.fit(data, epochs=epochs, shuffle=False, verbose=0)
    return classifier


# What they share --------------------------------------------------------------------------


def squares(x):
    """|x|^2 of each row of an array `(n, ...)`, `(n,)`."""
    return np.sum(np.square(x), axis=tuple(range(1, np.ndim(x))))


def directions(x):
    """x / |x| of each row of an array `(n, ...)`, `(n, values)`."""
    return preprocessing.normalize(x.reshape(len(x), -1))


def mean_distance(points, to, neighbours):
    """The mean Euclidean distance to the nearest examples (Angiulli and Pizzuti 2002), `(n,)`.

    An example is no neighbour of its own, or what was learned from would be called normal for it.
    So one example that lies on a point, within the rounding of float32, is left out.

    Args:
        points: array `(n, values)`.
        to: array `(m, values)`, the examples.
        neighbours: int. How many of them count.

    Example:

    >>> examples = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 6.0], [9.0, 9.0]])
    >>> mean_distance(np.zeros((1, 2)), examples, neighbours=2)  # of 5 and 6
    array([5.5])
    """
    nearest = neighbors.NearestNeighbors(
        n_neighbors=min(neighbours + 1, len(to)), algorithm="brute"
    )
    distances = nearest.fit(to).kneighbors(points)[0]
    means = distances[:, :neighbours].mean(axis=1)
    if distances.shape[1] > 1:
        itself = distances[:, 0] < 1e-4 * distances[:, -1]
        means = np.where(itself, distances[:, 1:].mean(axis=1), means)
    return means


def _terms(model, x, num_samples, seed, condition=None):
    """E_q[log p(x|z)] and KL(q(z|x) || p(z)) of each row, `(n, 2)`."""

    def terms(samples, x, condition=None):
        q, p = model.posterior(x, condition), model.prior(condition)

        def log_prob():
            z = model.sampling((q.mean, q.log_var))
            return model.likelihood(z, condition).log_prob(x)

        def divergence():
            return ops.sum(kl_divergence(q, p, model.sampling((q.mean, q.log_var))), axis=1)

        both = [model.over_samples(term, samples) for term in (log_prob, divergence)]
        return ops.stack([tf.reduce_mean(each, axis=0) for each in both], axis=1)

    model.elbo(x, condition=condition)  # says what does not fit the model
    numbers = [np.array(num_samples)]
    return model.over_rows("anomaly terms", terms, x, condition, seed=seed, numbers=numbers)
