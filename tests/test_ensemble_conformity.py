"""scikit-learn's checks of estimators, on committees of both kinds."""

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    # What scikit-learn's own configuration lets pass.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def committees():
    kinds = (MLPEnsembleClassifier, MLPClassifier), (MLPEnsembleRegressor, MLPRegressor)
    for committee, network in kinds:
        small = network((10,), learning_rate_init=0.02)
        full_batch = network((5,), optimizer="lbfgs", alpha=1.0, max_iter=20)
        yield committee(small, 3)
        yield committee(make_pipeline(MinMaxScaler(), small), 2, bootstrap=True)
        yield committee(small, 2, cv=3)
        yield committee(
            [("adam", small), ("lbfgs", full_batch)],
            2,
            cv=3,
            calibrate=True,
            draws={"adam__alpha": [0.001, 0.01]},
        )


def _expected_failures(committee):
    """Names of checks, each with the reason why it cannot pass."""
    if not committee.bootstrap:
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": "repeating rows changes which are drawn"
    }


@parametrize_with_checks(list(committees()), expected_failed_checks=_expected_failures)
def test_conformity(estimator, check):
    check(estimator)
