"""metrics.ndcg(recommender.recommend(users, 10), held_out)"""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import ndcg_score

from keras_vae import metrics


def test_it_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    chosen, scores = rng.random((30, 20)) < 0.3, rng.random((30, 20))
    chosen[3] = False  # a user without a choice counts for nothing
    for k in (1, 5, 20):
        top = np.argsort(-scores, axis=1)[:, :k]
        found = metrics.ndcg(top, sparse.csr_matrix(chosen.astype(float)))
        some = chosen.any(axis=1)
        assert found == pytest.approx(ndcg_score(chosen[some], scores[some], k=k))


def test_the_best_list_has_1_and_a_list_without_a_hit_0():
    chosen = sparse.csr_matrix(np.eye(4)[:, [0, 1, 2, 3]])
    assert metrics.ndcg(np.arange(4)[:, None], chosen) == 1
    assert metrics.ndcg(np.full((4, 2), -1), chosen) == 0
    late = metrics.ndcg(np.array([[9, i] for i in range(4)]), chosen)
    assert late == pytest.approx(1 / np.log2(3))


def test_lists_of_other_users_are_refused():
    with pytest.raises(ValueError, match="recommended has 2 users, chosen 3 with 1 choices"):
        metrics.ndcg(np.zeros((2, 1), int), sparse.csr_matrix(([1.0], ([0], [0])), shape=(3, 2)))
