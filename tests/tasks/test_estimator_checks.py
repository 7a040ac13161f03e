"""scikit-learn's own checks of an estimator, in a process of their own."""

import pytest
from sklearn.utils.estimator_checks import check_estimator

from keras_vae.tasks import anomaly_detection as ad

pytestmark = pytest.mark.slow

# The bound, which judges tables, is estimated with draws that belong to a row's place among all.
SAMPLED = {"check_methods_sample_order_invariance", "check_methods_subset_invariance"}
DETECTORS = {
    "exact": (ad.VAEAnomalyDetector("squared_error", epochs=1, hidden=(8,)), set()),
    "distances": (ad.VAEAnomalyDetector("distance_and_error", epochs=1, hidden=(8,)), set()),
    "sampled": (ad.VAEAnomalyDetector(epochs=1, hidden=(8,)), SAMPLED),
    "neighbours": (ad.Neighbours(), set()),
    "pca": (ad.PCAResidual(), set()),
    "forest": (ad.IsolationForest(), set()),
    "svm": (ad.OneClassSVM(), set()),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_scikit_learns_checks_pass(name):
    detector, exceptions = DETECTORS[name]
    results = check_estimator(detector, on_fail=None, on_skip=None)
    failed = {
        result["check_name"]: str(result["exception"])[:500]
        for result in results
        if result["status"] == "failed"
    }
    assert failed.keys() == exceptions, failed
    assert sum(result["status"] == "passed" for result in results) > 30
