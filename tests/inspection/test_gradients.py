import math

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.activations import ACTIVATIONS, Activation
from sknn_opt.inspection import check_gradients
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Loss
from sknn_opt.normalizations import NORMALIZATIONS, BatchNorm

pytestmark = pytest.mark.usefixtures("one_blas_thread")

_rng = np.random.default_rng(0)
X = _rng.normal(size=(12, 4))
TARGETS = {
    "binary": np.arange(12) % 2,
    "binary-probabilities": _rng.dirichlet(np.ones(2), 12),
    "multiclass": np.arange(12) % 3,
    "multiclass-probabilities": _rng.dirichlet(np.ones(3), 12),
    "multiclass-multioutput": np.column_stack([np.arange(12) % 3, np.arange(12) % 2]),
    "multilabel-indicator": _rng.integers(2, size=(12, 3)),
    "continuous": _rng.uniform(0.5, 2, size=(12, 2)),
}
Y = TARGETS["multiclass"]
LOSSES = [
    pytest.param(estimator, name, kind, id=f"{name}-{kind}")
    for estimator, registry in (
        (MLPClassifier, CLASSIFIER_LOSSES),
        (MLPRegressor, REGRESSOR_LOSSES),
    )
    for name, loss in registry.items()
    for kind in loss()._forms
    if (kind == "continuous") == (estimator is MLPRegressor)
]


def passes(estimator, X=X, y=Y, weight=None):
    check = check_gradients(estimator.set_params(random_state=1), X, y, weight, n_checks=20)
    assert check.passed == (check.error <= 1e-6), check
    return check.passed


@pytest.mark.parametrize(("estimator", "loss", "kind"), LOSSES)
def test_every_loss_passes(estimator, loss, kind):
    assert passes(estimator((5, 5), "tanh", loss=loss, alpha=0.1), X, TARGETS[kind])


@pytest.mark.parametrize("normalization", [None, *NORMALIZATIONS])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_normalization_pass(activation, normalization):
    assert passes(MLPClassifier((6, 6), activation, normalization=normalization, residual=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_layer_sizes": ()},
        {"dropout": 0.5, "input_dropout": 0.5},
        {"dtype": "float32"},
        {"early_stopping": True, "validation_fraction": 0.4},
        {"optimizer": "lbfgs", "alpha": 5.0, "l1_ratio": 0.5},
        {"class_weight": {0: 3.0}},
        {"class_weight": "balanced"},
        {"activation": ["gelu", "tanh"]},
        {"normalization": ["layer", BatchNorm(momentum=0.3)]},
        {"normalization": [None, "batch"]},
        {"warm_start": True, "verbose": True},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fitted", [False, True])
def test_every_setting_passes(changes, fitted, capsys):
    estimator = MLPClassifier(**{"hidden_layer_sizes": (5, 4), "max_iter": 5, **changes})
    if fitted:
        estimator.fit(X, Y)
        capsys.readouterr()
    assert passes(estimator)
    assert capsys.readouterr().out == ""


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_almost_vanished_weights_pass():
    # Kinks lie on both sides of each weight, and derivatives are near what differences resolve.
    estimator = MLPClassifier((5, 4), random_state=1, max_iter=1, optimizer="lbfgs").fit(X, Y)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        for arrays in (estimator.coefs_, estimator.intercepts_):
            size = 10 ** rng.uniform(-9, -2)
            for i, array in enumerate(arrays):
                kept = rng.random(array.shape) < 0.3 if array.ndim > 1 else True
                arrays[i] = size * rng.normal(size=array.shape) * kept
        assert passes(estimator)


@pytest.mark.parametrize("weight", [None, np.arange(12.0)], ids=["", "weighted"])
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix, np.asfortranarray])
def test_every_input_passes(container, weight):
    zeros = np.where(_rng.random(X.shape) < 0.5, 0, X)
    assert passes(MLPClassifier((5,), residual=True), container(zeros), Y, weight)


def _sine(z):
    return math.sin(z)


def _wrong(z):
    return 1.001 * math.cos(z)


def test_a_wrong_activation_is_found_in_the_layers_that_it_reaches():
    activations = ["tanh", Activation.from_functions(_sine, _wrong), "tanh"]
    check = check_gradients(MLPClassifier((5, 5, 5), activations, random_state=0), X, Y)
    assert not check.passed
    # What is above a layer does not see its derivative.
    errors = [layer.error for layer in check.layers]
    np.testing.assert_allclose(errors[:2], 1e-3, rtol=0.5)
    assert max(errors[2:]) < 1e-7
    assert "DISAGREE" in repr(check)


def test_a_wrong_loss_is_found_in_all_layers():
    loss = Loss.from_functions(lambda y, p: (y - p) ** 2, lambda y, p: 2.1 * (p - y))
    check = check_gradients(MLPRegressor((5,), loss=loss, alpha=0, random_state=0), X, Y)
    np.testing.assert_allclose([layer.error for layer in check.layers], 0.1 / 2.1, rtol=0.1)


def test_kinks_are_counted_and_not_compared():
    rows = np.vstack([np.zeros(4), X])
    # The row of zeros brings every unit exactly to its kink.
    estimator = MLPClassifier((5,), initializer="he_normal", random_state=0)
    check = check_gradients(estimator, rows, [0, *Y])
    assert check.passed
    assert [layer.n_kinks for layer in check.layers] == [5, 0]


def test_more_rows_than_a_block_and_unscaled_features():
    X, y = load_digits(return_X_y=True)
    assert check_gradients(MLPClassifier((9,), random_state=0), X, y, n_checks=5).passed
    assert check_gradients(MLPClassifier((9,), random_state=0), 1000 * X, y, n_checks=5).passed


def test_the_report_lists_each_layer():
    check = check_gradients(MLPClassifier((7, 5), random_state=0, normalization="batch"), X, Y)
    assert [layer.n_parameters for layer in check.layers] == [7 * (4 + 3), 5 * (7 + 3), 3 * (5 + 1)]
    assert [layer.n_checked for layer in check.layers] == [49, 50, 18]
    assert [line.split()[:2] for line in repr(check).splitlines()[2:]] == [
        ["0", "49"],
        ["1", "50"],
        ["2", "18"],
    ]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fitted_estimators_are_checked_where_they_are_and_stay_so():
    estimator = MLPClassifier((5,), max_iter=3, dtype="float32").fit(X, Y)
    estimator.coefs_[1][:] = 0
    before = {name: repr(value) for name, value in vars(estimator).items()}
    check = check_gradients(estimator, X[:2], Y[:2])
    assert check.passed
    assert check.layers[0].largest < 1e-3 < check.layers[1].largest
    assert {name: repr(value) for name, value in vars(estimator).items()} == before


def test_pipelines_are_refused_with_advice():
    with pytest.raises(TypeError, match=r"pipeline\[:-1\]"):
        check_gradients(make_pipeline(MLPClassifier()), X, Y)
