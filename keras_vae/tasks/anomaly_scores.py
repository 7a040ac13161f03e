"""Anomaly scores of a trained model. A higher score means a more normal example.

    relative_error(vae, x)
    latent_distance(vae, x, vae.encode(x_normal))

Each function takes a model, an array x `(n, ...)` that the model can read, and whatever the score
needs to know about the normal examples. It returns an array `(n,)`. A score is a function of its
row and of the seed: all rows share the same noise, so neither their order nor their number matters
(up to rounding). Input that does not fit the model raises the ValueError or TypeError of the
model's own methods.

Two observations motivate the scores. log p(x) and the reconstruction error |x - x_hat|^2 measure
how simple x is before they measure how unusual it is (Nalisnick 2019). The distance to normal
examples does not have this bias if it is measured in latent space, where images of the same thing
lie close together.
"""

import math
import zlib

import keras
import numpy as np
from keras import ops
from sklearn import neighbors, preprocessing
from sklearn.mixture import GaussianMixture

from keras_vae import batching, checks, noise
from keras_vae.distributions import sum_over_values
from keras_vae.tasks import common
from keras_vae.tasks.noise import checked_clean

_EPSILON = 1e-12  # smallest argument of a logarithm or divisor
_ROWS = 1024  # that pass through the decoder at a time


def squared_error(model, x):
    """-|x - x_hat|^2, where x_hat is the reconstruction from the mean of q(z|x) (row A5).

    Simple drawings are reconstructed well whether or not the model has seen their kind. On MNIST, a
    model that was trained without ones rates ones as more normal than the digits it was trained on.
    """
    return -squares(x - model.decode(model.encode(x)))


def relative_error(model, x):
    """-|x - x_hat|^2 / |x|^2: the share of its energy that x loses in the reconstruction."""
    return squared_error(model, x) / np.maximum(squares(x), _EPSILON)


def reconstruction_probability(model, x, num_samples=16, seed=0):
    """E_q(z|x)[log p(x|z)] in nats, averaged over `num_samples` draws of z (An and Cho 2015)."""
    return _terms_of_bound(model, x, num_samples, seed)[:, 0]


def kl(model, x, num_samples=16, seed=0):
    """-KL(q(z|x) || p(z)) in nats: how far the latents lie from the prior.

    If the prior has no closed form, the divergence is averaged over `num_samples` draws of z.
    """
    return -_terms_of_bound(model, x, num_samples, seed)[:, 1]


def elbo(model, x, num_samples=16, seed=0, condition=None):
    """The lower bound on log p(x) in nats, averaged over `num_samples` draws of z."""
    log_prob, divergence = _terms_of_bound(model, x, num_samples, seed, condition).T
    return log_prob - divergence


def log_likelihood(model, x, num_samples=16, seed=0):
    """The importance-weighted estimate of log p(x) in nats, from `num_samples` draws of z.

    It is `model.log_likelihood` (Burda 2016) with the same noise for all rows.
    """

    def estimate(x):
        # In float32, the rounding would depend on the place of the row in its batch.
        weights = ops.cast(model.log_weights(x, num_samples=num_samples), "float64")
        return ops.logsumexp(weights, axis=1) - math.log(num_samples)

    return _averaged(model, "log_likelihood", estimate, x, num_samples, seed)


def corrected_elbo(model, x, num_samples=16, seed=0):
    """The lower bound plus the compressed size of x, in nats (Serra 2020). For images only.

    Simple images are likely under any model. The compressed size of the 8-bit image measures how
    simple it is. (A Bernoulli likelihood of grey values is not a density of 8-bit values: the two
    terms have the same unit but not the same scale.)

    Raises:
        ValueError: x is not an array of images in [0, 1].
    """
    x = checked_clean(x)
    sizes = [len(zlib.compress(np.uint8(255 * image).tobytes(), 9)) for image in x]
    return elbo(model, x, num_samples, seed) + 8 * np.log(2) * np.array(sizes)


def latent_distance(model, x, latents, neighbours=5):
    """Minus the mean distance from the latents of x to the nearest latents of normal examples.

    An example does not count as its own neighbour; see `mean_distance`.

    Args:
        latents: array `(m, latent_dim)`, `model.encode(x_normal)`.
        neighbours: int. Number of nearest latents to average over. Defaults to `5`.
    """
    return -mean_distance(model.encode(x), latents, neighbours)


def latent_mixture(model, x, mixture):
    """Log density of the latents of x under a mixture of normals.

    Args:
        mixture: sklearn.mixture.GaussianMixture, fitted to the latents of normal examples; see
            `fitted_mixture`.
    """
    return mixture.score_samples(flatten(model.encode(x)))


def fitted_mixture(latents, seed=0):
    """A mixture of up to 10 normals for `latent_mixture`, fitted to an array of latents."""
    components = min(10, len(latents) // 10 + 1)
    return GaussianMixture(components, reg_covar=1e-3, random_state=seed).fit(flatten(latents))


def distance_and_error(model, x, latents, neighbours=5):
    """-log(distance to the nearest latents * |x - x_hat| / |x|).

    Both factors are small if x lies on the manifold of the normal data and close to examples. The
    distance knows where the examples are but not what the decoder cannot draw. The error knows the
    opposite. Arguments as for `latent_distance`.
    """
    distance = -latent_distance(model, x, latents, neighbours)
    error = -relative_error(model, x)
    return -np.log(np.maximum(distance, _EPSILON)) - np.log(np.maximum(error, _EPSILON)) / 2


def both_distances(model, x, latents, normal, neighbours=5):
    """-log(distance to the nearest latents * distance to the nearest data) of normal examples.

    The distance between data is the distance between directions, |x/|x| - y/|y||, which does not
    depend on the strength of a stroke. Pixels hold what the code has lost; latents hold what the
    image means.

    Args:
        latents: array `(m, latent_dim)`, `model.encode(normal)`.
        normal: array `(m, ...)`, the normal examples.
        neighbours: int. Number of nearest examples to average over. Defaults to `5`.
    """
    data = mean_distance(directions(x), directions(normal), neighbours)
    distance = -latent_distance(model, x, latents, neighbours)
    return -np.log(np.maximum(distance, _EPSILON)) - np.log(np.maximum(data, _EPSILON))


# Scores for normal examples with labels ------------------------------------------------------


def class_bounds(model, x, classes, num_samples=16, seed=0):
    """The lower bound on log p(x|c) in nats for each class c, `(n, classes)`.

    The largest bound of a row is a score. The margin between the largest and the second largest is
    another one.

    Args:
        model: ConditionalVAE that reads labels.
        classes: int. Number of classes.
        num_samples: int. Draws of z for each row. Defaults to `16`.
        seed: int. Defaults to `0`.
    """
    conditions = [np.full(len(x), c) for c in range(classes)]
    return np.stack([elbo(model, x, num_samples, seed, c) for c in conditions], axis=1)


def class_distances(model, x, normal, labels, neighbours=5):
    """log(|x - x_hat|^2 / |x|^2 * latent distance * data distance) for each class, `(n, classes)`.

    The distances are those of `both_distances`. For each class, x is encoded and decoded with the
    label of the class and compared with the normal examples of the class. A class without examples
    has no column.

    Args:
        model: ConditionalVAE that reads labels.
        normal: array `(m, ...)`, the normal examples.
        labels: int array `(m,)` with values from 0.
        neighbours: int. Number of nearest examples to average over. Defaults to `5`.
    """
    energy, columns = np.maximum(squares(x), _EPSILON), []
    for c in np.unique(labels):
        examples, condition = normal[labels == c], np.full(len(x), c)
        z = model.encode(x, condition=condition)
        latents = model.encode(examples, condition=np.full(len(examples), c))
        factors = (
            squares(x - model.decode(z, condition=condition)) / energy,
            mean_distance(z, latents, neighbours),
            mean_distance(directions(x), directions(examples), neighbours),
        )
        columns.append(sum(np.log(np.maximum(factor, _EPSILON)) for factor in factors))
    return np.stack(columns, axis=1)


def class_distance(model, x, normal, labels, neighbours=5):
    """-(d1 + 2 (d1 - d2)), where d1 <= d2 are the two smallest of the `class_distances` of x.

    An example is normal if it is close to one class and much closer to it than to the next. (The
    weight 2 was chosen on MNIST digits held out from the training set; see
    `benchmarks/anomaly_detection.py`.)
    """
    d1, d2 = np.sort(class_distances(model, x, normal, labels, neighbours), axis=1)[:, :2].T
    return -(d1 + 2 * (d1 - d2))


def max_logit(model, x, classifier):
    """The largest logit of a classifier of the latents of x (Hendrycks 2022).

    Args:
        classifier: keras.Model that maps latents `(batch, values)` to logits; see
            `fitted_classifier`.
    """
    z = flatten(model.encode(x))
    # `predict` of a Keras model must not be called from several threads at once.
    logits = [np.array(classifier(z[i : i + _ROWS])) for i in range(0, len(z), _ROWS)]
    return np.concatenate(logits).max(axis=1)


def fitted_classifier(latents, labels, epochs=10, seed=0):
    """A classifier with one hidden layer, trained on latents and their labels (ints from 0)."""
    latents = flatten(latents)
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
    common.compile_with_cosine_decay(classifier, 1e-3, len(latents), epochs, 128, loss)
    data = batching.batches((latents, labels), 128, seed)
    classifier.fit(data, epochs=epochs, shuffle=False, verbose=0)
    return classifier


# Shared functions ---------------------------------------------------------------------------


def flatten(x):
    """An array `(n, ...)` as rows, `(n, values)`."""
    return np.reshape(x, (len(x), -1))


def squares(x):
    """|x|^2 of each row of an array `(n, ...)`, `(n,)`."""
    return np.sum(np.square(flatten(x), dtype="float64"), axis=1)


def directions(x):
    """x / |x| of each row of an array `(n, ...)`, `(n, values)`."""
    return preprocessing.normalize(flatten(x))


def mean_distance(points, to, neighbours):
    """Mean Euclidean distance to the nearest examples (Angiulli and Pizzuti 2002), `(n,)`.

    An example does not count as its own neighbour; otherwise the training data would look more
    normal than other data. If an example lies at the same place as the point, up to float32
    rounding, it is left out.

    Args:
        points: array `(n, ...)`.
        to: array `(m, ...)`, the examples.
        neighbours: int. Number of nearest examples to average over.

    Example:

    >>> examples = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 6.0], [9.0, 9.0]])
    >>> mean_distance(np.zeros((1, 2)), examples, neighbours=2)  # of 5 and 6
    array([5.5])
    """
    nearest = neighbors.NearestNeighbors(
        n_neighbors=min(neighbours + 1, len(to)), algorithm="brute"
    )
    distances = nearest.fit(flatten(to)).kneighbors(flatten(points))[0]
    means = distances[:, :neighbours].mean(axis=1)
    if distances.shape[1] > 1:
        itself = distances[:, 0] < 1e-4 * distances[:, -1]
        means = np.where(itself, distances[:, 1:].mean(axis=1), means)
    return means


def _terms_of_bound(model, x, num_samples, seed, condition=None):
    """E_q[log p(x|z)] and KL(q(z|x) || p(z)) of each row, from the same draws of z, `(n, 2)`."""

    def terms_of_draw(q, condition, target):
        drawn = model.infer(q, condition)
        p_x = model.likelihood(drawn.z, condition)
        log_prob = p_x.log_prob(target, model.signature.known(target))
        return ops.stack([log_prob, sum_over_values(drawn.divergence)], axis=1)

    def terms(x, condition=None):
        x, target, condition = model.signature.roles(x, condition)
        rows = model.posterior(x, condition), condition, target
        return ops.mean(model.over_samples(terms_of_draw, rows, num_samples), axis=1)

    return _averaged(model, "terms_of_bound", terms, x, num_samples, seed, condition)


def _averaged(model, name, function, x, num_samples, seed, condition=None):
    """function(x, condition) over all rows, compiled, with the same noise for all of them."""
    checks.count(num_samples, "num_samples")
    if not model.has_densities:
        model.log_weights(x)  # raises the error that explains why
    x, condition = model.signature.check(x, condition)
    model.likelihood_layer.check(x, "x")
    model.ensure_built(x, condition)
    arrays = x.astype("int32" if model.signature.integers else "float32"), condition
    batch_size = _ROWS // min(num_samples, noise.GROUP)
    name = ("anomaly_scores", name, num_samples)
    return model.over_rows(name, function, arrays, batch_size, seed=seed, shared=True)
