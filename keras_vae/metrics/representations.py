"""Whether each latent stands for one factor of the data, where the factors are known.

Codes are arrays `(n, latents)`, usually the means `vae.encode(x)`; factors are integers `(n, k)`,
as `datasets.load_sprites` gives them. The scores do not change if latents are permuted, change
their sign or are scaled. Compare scores only for the same examples, the same kind of codes (means
or draws) and the same settings.
"""

import numpy as np


def mutual_information(codes, factors, bins=20):
    """I(latent; factor) in nats: array `(latents, k)`, from histograms.

    Args:
        codes: array `(n, latents)`.
        factors: integers `(n, k)`, or `(n,)` for one factor.
        bins: int. Bins of equal width over the range of each latent. Defaults to `20`.

    Raises:
        ValueError: the arrays do not belong together, codes are not finite, or factors not whole.

    Example:

    >>> mutual_information([[0.0], [0.0], [1.0], [1.0]], [[0], [0], [1], [1]]).round(3)
    array([[0.693]])
    """
    codes, factors = _checked(codes, factors, bins=bins)
    binned = np.stack([_binned(latent, bins) for latent in codes.T], axis=1)
    values = [np.unique(factor, return_inverse=True)[1] for factor in factors.T]
    return np.array([[_information(latent, value) for value in values] for latent in binned.T])


def mutual_information_gap(codes, factors, bins=20):
    """The mutual information gap (Chen 2018): 1 if one latent alone knows each factor.

    For each factor, the latent that knows most of it minus the second, as a share of what there is
    to know, H(factor); the mean over the factors.

    Args: as of `mutual_information`; factors with a single value are left out.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: as `mutual_information`; or no factor varies, or there is a single latent.
    """
    information = mutual_information(codes, factors, bins)
    if len(information) < 2:
        raise ValueError("codes has one latent; a gap needs at least 2.")
    _, factors = _checked(codes, factors)
    entropies = np.array([_information(factor, factor) for factor in factors.T])
    varies = entropies > 0
    if not varies.any():
        raise ValueError("Each factor has a single value; expected factors that vary.")
    second, first = np.sort(information, axis=0)[-2:, varies]
    return float(np.mean((first - second) / entropies[varies]))


def factor_vae_score(codes, factors, votes=2000, batch=64, seed=0):
    """The score of Factor-VAE (Kim and Mnih 2018, section 4): accuracy of a majority vote.

    A vote: fix one value of one factor, take `batch` examples that have it, and name the latent
    whose variance among them is lowest, in units of its variance over all. The factor that most
    votes for a latent came from is the latent's; the score is the share of further votes from which
    the fixed factor is named rightly. Constant latents are left out; without any other, the score
    is chance.

    Args:
        codes: array `(n, latents)`.
        factors: integers `(n, k)`.
        votes: int. Votes to learn from, and half as many to be scored on. Defaults to `2000`.
        batch: int. Examples of a vote. Defaults to `64`.
        seed: int. Defaults to `0`.

    Returns:
        float in [0, 1]; chance is 1 / k.

    Raises:
        ValueError: as `mutual_information`; or no factor varies.
    """
    codes, factors = _checked(codes, factors, votes=votes, batch=batch)
    alive = np.ptp(codes, axis=0) > 0
    varying = [k for k in range(factors.shape[1]) if np.ptp(factors[:, k])]
    if not varying:
        raise ValueError("Each factor has a single value; expected factors that vary.")
    if not alive.any():
        return 1 / len(varying)  # nothing to vote with
    scaled = codes[:, alive] / codes[:, alive].std(axis=0)
    rows_of = {k: [np.flatnonzero(factors[:, k] == v) for v in np.unique(factors[:, k])]
               for k in varying}  # fmt: skip
    generator = np.random.default_rng(seed)
    counts = np.zeros((2, scaled.shape[1], factors.shape[1]), int)
    for vote in range(votes + votes // 2):
        k = varying[generator.integers(len(varying))]
        rows = rows_of[k][generator.integers(len(rows_of[k]))]
        latent = scaled[generator.choice(rows, batch)].var(axis=0).argmin()
        counts[int(vote >= votes), latent, k] += 1
    learned, held_out = counts
    right = held_out[np.arange(len(learned)), learned.argmax(axis=1)].sum()
    return float(right / held_out.sum())


def dci(codes, factors, test_share=0.2, seed=0, trees=20):
    """Disentanglement, completeness and informativeness (Eastwood and Williams 2018).

    A random forest predicts each factor from the codes. Its importances say which latents it used.

        disentanglement   each latent is used for one factor: 1 - entropy over the factors
        completeness      each factor needs one latent: 1 - entropy over the latents
        informativeness   the share of held-out examples whose factor is predicted rightly, where 0
                          is the share of the most frequent value

    Args:
        codes: array `(n, latents)`.
        factors: integers `(n, k)`.
        test_share: float. Share of the examples that are held out. Defaults to `0.2`.
        seed: int. Of split and forests. Defaults to `0`.
        trees: int. Trees of a forest. Defaults to `20`.

    Returns:
        dict of floats `disentanglement`, `completeness` and `informativeness`, and `importance`, an
        array `(latents, k)` whose columns sum to 1, or 0 if no latent is of use.

    Raises:
        ValueError: as `mutual_information`; or no factor varies.
    """
    from sklearn.ensemble import RandomForestClassifier

    codes, factors = _checked(codes, factors)
    factors = factors[:, np.ptp(factors, axis=0) > 0]
    if not factors.size:
        raise ValueError("Each factor has a single value; expected factors that vary.")
    order = np.random.default_rng(seed).permutation(len(codes))
    cut = max(1, int(len(codes) * test_share))
    test, train = order[:cut], order[cut:]
    importance, informativeness = [], []
    for factor in factors.T:
        forest = RandomForestClassifier(trees, max_features=None, random_state=seed, n_jobs=-1)
        forest.fit(codes[train], factor[train])
        importance.append(forest.feature_importances_)
        guessed = np.bincount(factor[train]).argmax()
        chance = np.mean(factor[test] == guessed)
        right = forest.score(codes[test], factor[test])
        informativeness.append(max(0.0, (right - chance) / max(1 - chance, 1e-12)))
    importance = np.array(importance).T  # (latents, k)
    of_latent = importance.sum(axis=1)
    disentangled = 1 - _entropy(importance, axis=1) / np.log(max(2, importance.shape[1]))
    complete = 1 - _entropy(importance, axis=0) / np.log(max(2, importance.shape[0]))
    used = of_latent.sum()  # 0 if no forest found a use for any latent
    return {
        "disentanglement": float(np.sum(disentangled * of_latent) / used) if used else 0.0,
        "completeness": float(complete.mean()),
        "informativeness": float(np.mean(informativeness)),
        "importance": importance,
    }


def _checked(codes, factors, **counts):
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or count < 2:
            raise ValueError(f"{name} is {count!r}; expected an int of at least 2.")
    codes, factors = np.asarray(codes, "float64"), np.asarray(factors)
    factors = factors[:, np.newaxis] if factors.ndim == 1 else factors
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or not codes.size:
        raise ValueError(
            f"codes has shape {codes.shape} and factors {factors.shape}; expected (n, latents) and "
            "(n, k)."
        )
    if not np.isfinite(codes).all():
        raise ValueError("codes has values that are not finite.")
    if factors.dtype.kind not in "iub":
        raise ValueError(
            f"factors has dtype {factors.dtype}; expected integers, a number for each value."
        )
    return codes, factors.astype("int64")


def _binned(values, bins):
    low, high = values.min(), values.max()
    place = (values - low) / (high - low) * bins if high > low else np.zeros(len(values))
    return np.minimum(place.astype("int64"), bins - 1)


def _information(a, b):
    """I(a; b) of two arrays of integers from 0, in nats."""
    joint = np.histogram2d(a, b, bins=(np.arange(a.max() + 2), np.arange(b.max() + 2)))[0] / len(a)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / independent[seen])))


def _entropy(weights, axis):
    """Entropy of weights that are made to sum to 1 along the axis; of none, the largest."""
    total = weights.sum(axis=axis, keepdims=True)
    uniform = np.full_like(weights, 1 / weights.shape[axis])
    shares = np.divide(weights, total, out=uniform, where=total > 0)
    return -np.sum(shares * np.log(np.where(shares > 0, shares, 1)), axis=axis)
