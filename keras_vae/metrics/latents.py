"""What the latents carry, without knowledge of the factors behind the data.

With q(z) = mean over x of q(z|x), the aggregate posterior (Hoffman and Johnson 2016; Chen 2018):

    mean KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z))
                            = I(x; z) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j))
"""

import numpy as np

_ROWS = 64  # draws that are compared with all posteriors at a time


def active_units(means, threshold=0.01):
    """Number of latents that carry information (Burda 2016, section 5.3).

    A unit is active if the variance, over the data, of its posterior mean is above the threshold.

    Args:
        means: array `(n, latent_dim)`, as `vae.encode(x)` gives it.
        threshold: float. Defaults to `0.01`.
    """
    return int(np.sum(np.var(np.asarray(means, "float64"), axis=0) > threshold))


def kl_decomposition(means, log_vars, seed=0, max_draws=2000):
    """The parts of the mean KL(q(z|x) || N(0, I)) over n examples, in nats.

    The n examples are taken as all data there are: q(z) is the mixture of their n posteriors, and
    the mutual information is at most log n. The parts are means over draws z ~ q(z|x), one for each
    of `max_draws` examples; the KL itself is in closed form.

    Args:
        means, log_vars: arrays `(n, latent_dim)`, of the posteriors q(z|x).
        seed: int. Fixes the draws. Defaults to `0`.
        max_draws: int. Draws; their cost is `max_draws * n * latent_dim`. Defaults to `2000`.

    Returns:
        dict of floats: `kl`, `mutual_information`, `total_correlation`, `dimension_wise_kl`, and
        `marginal_kl` = KL(q(z) || p(z)), the sum of the latter two.

    Raises:
        ValueError: the arrays do not have one shape `(n, latent_dim)`.

    Example:

    >>> parts = kl_decomposition(np.zeros((5, 2)), np.zeros((5, 2)))
    >>> abs(parts["mutual_information"]) < 1e-9
    True
    """
    means, log_vars = np.asarray(means, "float64"), np.asarray(log_vars, "float64")
    if means.shape != log_vars.shape or means.ndim != 2 or not len(means):
        raise ValueError(
            f"means has shape {means.shape} and log_vars {log_vars.shape}; expected both to be "
            "(n, latent_dim)."
        )
    generator = np.random.default_rng(seed)
    n = len(means)
    chosen = generator.permutation(n)[:max_draws]
    noise = generator.standard_normal((len(chosen), means.shape[1]))
    z = means[chosen] + np.exp(0.5 * log_vars[chosen]) * noise
    log_p = _log_normal(z, 0.0, 0.0)
    log_q_given_x = _log_normal(z, means[chosen], log_vars[chosen]).sum(axis=1)
    log_q, log_q_of_each = np.empty(len(z)), np.empty(z.shape)
    for start in range(0, len(z), _ROWS):
        rows = slice(start, start + _ROWS)
        densities = _log_normal(z[rows, np.newaxis], means, log_vars)  # (rows, n, latent_dim)
        log_q[rows] = _log_mean_exp(densities.sum(axis=2))
        log_q_of_each[rows] = _log_mean_exp(densities)
    total_correlation = float(np.mean(log_q - log_q_of_each.sum(axis=1)))
    dimension_wise = float(np.mean(np.sum(log_q_of_each - log_p, axis=1)))
    kl = 0.5 * np.sum(means**2 + np.exp(log_vars) - 1 - log_vars, axis=1)
    return {
        "kl": float(kl.mean()),
        "mutual_information": float(np.mean(log_q_given_x - log_q)),
        "total_correlation": total_correlation,
        "dimension_wise_kl": dimension_wise,
        "marginal_kl": total_correlation + dimension_wise,
    }


def _log_normal(z, mean, log_var):
    return -0.5 * (np.log(2 * np.pi) + log_var + (z - mean) ** 2 * np.exp(-log_var))


def _log_mean_exp(values):
    """log of the mean of exp(values) over axis 1."""
    highest = values.max(axis=1, keepdims=True)
    return np.log(np.exp(values - highest).mean(axis=1)) + highest[:, 0]
