"""How good a list of recommended items is."""

import numpy as np


def ndcg(recommended, chosen):
    """Normalised discounted cumulative gain of the first k items, the mean over users.

        DCG = sum over hits of 1 / log2(place + 1),   NDCG = DCG / that of the best list

    (Järvelin and Kekäläinen 2002, with a gain of 1 for each chosen item.)

    Args:
        recommended: int array `(users, k)`, the best item first; -1 for none.
        chosen: SciPy sparse matrix `(users, items)`, whose stored values are the held-out choices.

    Returns:
        float in [0, 1], over the users who have a held-out choice.

    Raises:
        ValueError: there are not equally many users, or none has a choice.

    Example:

    >>> from scipy import sparse
    >>> chosen = sparse.csr_matrix([[1, 0, 0], [0, 0, 1]])
    >>> float(ndcg(np.array([[0], [1]]), chosen))  # a hit, and none
    0.5
    """
    recommended, chosen = np.asarray(recommended), chosen.tocsr()
    users, k = recommended.shape
    if chosen.shape[0] != users or not chosen.nnz:
        raise ValueError(
            f"recommended has {users} users, chosen {chosen.shape[0]} with {chosen.nnz} choices; "
            "expected equally many users, and a choice."
        )
    gains = 1 / np.log2(np.arange(2, k + 2))
    best = np.concatenate([[0], np.cumsum(gains)])
    found = []
    for user in range(users):
        own = chosen.indices[chosen.indptr[user] : chosen.indptr[user + 1]]
        if len(own):
            hits = np.isin(recommended[user], own)
            found.append((hits * gains).sum() / best[min(len(own), k)])
    return np.mean(found)
