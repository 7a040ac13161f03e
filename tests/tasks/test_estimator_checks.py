"""scikit-learn's own checks of an estimator, in a process of their own."""

import pytest
from sklearn.utils.estimator_checks import check_estimator

from keras_vae.tasks import anomaly_detection as ad

pytestmark = pytest.mark.slow
DETECTORS = [
    ad.VAEAnomalyDetector(epochs=1, hidden=(8,)),
    ad.Neighbours(),
    ad.PCAResidual(),
    ad.IsolationForest(),
    ad.OneClassSVM(),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: type(detector).__name__)
def test_scikit_learns_checks_pass(detector):
    results = check_estimator(detector, on_fail=None, on_skip=None)
    failed = {
        r["check_name"]: str(r["exception"])[:500] for r in results if r["status"] == "failed"
    }
    assert failed == {}
    assert sum(result["status"] == "passed" for result in results) > 30
