"""scikit-learn's checks of estimators, on several configurations of both classes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.optimizers import OPTIMIZERS

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    # What scikit-learn's own configuration lets pass.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

# Unpenalized, L-BFGS separates the classes until probabilities round to 0 and 1; and after
# many iterations it has made a difference of rounding visible.
_LBFGS = {"optimizer": "lbfgs", "alpha": 1.0, "max_iter": 20}
_EARLY_STOPPING = {"early_stopping": True, "validation_fraction": 0.3}

# scikit-learn's checks do not scale features. Where those of regression are around 100, a rate
# that trains on the others lets the loss explode, which is an error.
_SGD = {"optimizer": "sgd", "learning_rate_init": 0.02, "clip_norm": 1.0}

CONFIGURATIONS = [
    {},
    {**_SGD, "learning_rate": "adaptive"},
    _LBFGS,
    {**_EARLY_STOPPING, "learning_rate_init": 0.05},
    {**_LBFGS, **_EARLY_STOPPING},
    {"dtype": "float32"},
    {**_SGD, "alpha": 0.01, "l1_ratio": 0.5},
    {**_LBFGS, "l1_ratio": 0.5, "max_iter": 15},
    {"hidden_layer_sizes": (), "learning_rate_init": 0.05},
    {"optimizer": "schedule_free", "normalization": "layer", "learning_rate_init": 0.02},
    {"optimizer": "muon", "activation": "gelu", "initializer": "orthogonal", "residual": True},
]
ESTIMATORS = [
    *(MLPClassifier(**{"hidden_layer_sizes": (20,), **params}) for params in CONFIGURATIONS),
    MLPClassifier((20,), class_weight="balanced", learning_rate_init=0.01),
    MLPClassifier((20,), class_weight="balanced", **_LBFGS),
    MLPClassifier((20,), loss="hinge", learning_rate_init=0.01),
    MLPRegressor((20,), loss="huber", learning_rate_init=0.01),
    MLPRegressor((20,), scale_targets=True, learning_rate_init=0.01),
    *(MLPRegressor(**{"hidden_layer_sizes": (20,), **params}) for params in CONFIGURATIONS),
]

_USING_PARTIAL_FIT = [
    "check_fit_score_takes_y",
    "check_n_features_in_after_fitting",
    "check_estimators_partial_fit_n_features",
]
_COMPARING_WEIGHTS = [
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
]


def _expected_failures(estimator):
    """Names of checks, each with the reason why it cannot pass."""
    reasons = {}
    balanced = getattr(estimator, "class_weight", None) == "balanced"
    if estimator.early_stopping:
        reasons |= dict.fromkeys(
            _COMPARING_WEIGHTS, "repeating rows changes which rows are held out for validation"
        )
    if estimator.dtype == "float32":
        reasons |= dict.fromkeys(
            _COMPARING_WEIGHTS, "the tolerance of 1e-7 is finer than the rounding of float32"
        )
    if hasattr(estimator, "partial_fit") and estimator.early_stopping:
        reasons |= dict.fromkeys(
            _USING_PARTIAL_FIT, "partial_fit refuses early_stopping, as scikit-learn's does"
        )
        if is_classifier(estimator):
            reasons["check_class_weight_classifiers"] = (
                "class_weight is not part of the validation score that picks the best weights"
            )
    if hasattr(estimator, "partial_fit") and balanced:
        reasons |= dict.fromkeys(
            _USING_PARTIAL_FIT, "partial_fit refuses 'balanced', as SGDClassifier's does"
        )
    return reasons


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=_expected_failures)
def test_conformity(estimator, check):
    check(estimator)


#: One optimizer of each kind; the others have tests of their own in test_optimizers.
CORE = ["sgd", "adam", "lbfgs"]


def test_that_every_kind_of_optimizer_is_checked():
    assert {estimator.optimizer for estimator in ESTIMATORS} >= set(CORE)
    assert set(CORE) <= set(OPTIMIZERS)


_rng = np.random.RandomState(0)
X = _rng.normal(size=(40, 5))
_linear = X @ _rng.normal(size=(5, 3))
Y = {
    "binary": (MLPClassifier, "log_loss", _linear[:, 0] > 0),
    "multiclass": (MLPClassifier, "log_loss", _linear.argmax(axis=1)),
    "multilabel": (MLPClassifier, "log_loss", _linear > 0),
    "regression": (MLPRegressor, "squared_error", _linear[:, 0]),
    "multioutput": (MLPRegressor, "squared_error", _linear),
    "poisson": (MLPRegressor, "poisson", _rng.poisson(np.exp(_linear[:, 0] / 2))),
}


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-3)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("target", Y)
@pytest.mark.parametrize("optimizer", CORE)
def test_weights_equal_repeated_rows(optimizer, target, l1_ratio, dtype, tolerance, container):
    cls, loss, y = Y[target]
    weight = np.arange(len(X)) % 4
    rows = np.repeat(np.arange(len(X)), weight)
    params = {"optimizer": optimizer, "loss": loss, "l1_ratio": l1_ratio, "dtype": dtype}
    params |= {"alpha": 1.0, "max_iter": 15, "random_state": 0, "learning_rate_init": 0.01}
    weighted = cls((6,), "tanh", batch_size=len(X), **params)
    repeated = cls((6,), "tanh", batch_size=len(rows), **params)
    weighted.fit(container(X), y, weight)
    repeated.fit(container(X[rows]), y[rows])
    pairs = [(weighted.coefs_, repeated.coefs_), (weighted.intercepts_, repeated.intercepts_)]
    for ours, expected in pairs:
        for a, b in zip(ours, expected, strict=True):
            assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)
    assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=tolerance)
