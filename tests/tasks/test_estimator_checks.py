"""scikit-learn's own checks of estimators. They are slow and run in a process of their own."""

import pytest
from sklearn.utils.estimator_checks import check_estimator

from keras_vae.tasks import anomaly_detection as ad
from keras_vae.tasks import imputation

pytestmark = pytest.mark.slow

ESTIMATORS = {
    "vae imputer": imputation.VAEImputer(
        latent_dim=1, hidden=(4,), steps=5, models=1, num_samples=5
    ),
    "column means": imputation.ColumnMeans(),
    "nearest": imputation.Neighbours(3),
    "probabilistic pca": imputation.ProbabilisticPCA(1),
    "squared_error": ad.VAEAnomalyDetector("squared_error", epochs=1, hidden=(8,)),
    "distances": ad.VAEAnomalyDetector("distance_and_error", epochs=1, hidden=(8,)),
    "elbo": ad.VAEAnomalyDetector("elbo", epochs=1, hidden=(8,)),
    "log_likelihood": ad.VAEAnomalyDetector("log_likelihood", epochs=1, hidden=(8,)),
    "neighbours": ad.Neighbours(),
    "pca": ad.PCAResidual(),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learns_checks_pass(name):
    results = check_estimator(ESTIMATORS[name], on_fail=None, on_skip=None)
    failed = {
        result["check_name"]: str(result["exception"])[:500]
        for result in results
        if result["status"] == "failed"
    }
    assert not failed
    assert sum(result["status"] == "passed" for result in results) > 30
