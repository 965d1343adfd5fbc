import itertools

import numpy as np
import pytest
from problems import N_ROWS, TARGETS, loss_and_gradient, make_problem
from scipy.special import expit

from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._network.problem import Evaluator
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES

LOSSES = [
    pytest.param(cls, target_type, id=f"{name}-{target_type}")
    for name, cls in itertools.chain(CLASSIFIER_LOSSES.items(), REGRESSOR_LOSSES.items())
    for target_type in (
        *cls()._forms,
        *(f"{t}, some missing" for t in cls()._forms if t == "continuous"),
    )
]


def finite_differences(function, theta, step=1e-6):
    """Central differences of ``function()``, which reads ``theta``."""
    gradient = np.empty_like(theta)
    for i, value in enumerate(theta.copy()):
        theta[i] = value + step
        above = function()
        theta[i] = value - step
        gradient[i] = (above - function()) / (2 * step)
        theta[i] = value
    return gradient


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("loss", "target_type"), LOSSES)
def test_gradient_is_that_of_finite_differences(loss, target_type, activation):
    problem, theta = make_problem(loss, target_type, activation)
    evaluator = Evaluator(problem, theta, Plan(N_ROWS), None)
    scale = 1 / problem.total_weight()
    gradient = evaluator(0, N_ROWS, scale)[1].copy()
    expected = finite_differences(lambda: evaluator(0, N_ROWS, scale)[0], theta)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_that_every_type_of_target_is_tested():
    forms = [*CLASSIFIER_LOSSES.values(), *REGRESSOR_LOSSES.values()]
    types = set().union(*(cls()._forms for cls in forms))
    assert types | {"continuous, some missing"} == set(TARGETS)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 2, 6)])
def test_loss_is_that_of_numpy(hidden, weighted):
    problem, theta = make_problem(hidden=hidden, weighted=weighted, activation="logistic")
    a = problem.X
    *inner, last = problem.layout.by_layer(theta)
    for layer in inner:
        a = expit(a @ layer["coefs"] + layer["intercepts"])
    residual = a @ last["coefs"] + last["intercepts"] - problem.y
    weight = np.ones(N_ROWS) if problem.sample_weight is None else problem.sample_weight
    expected = 0.5 * weight @ (residual**2).sum(axis=1)
    loss, _ = loss_and_gradient(problem, theta, 0.25)
    assert loss == pytest.approx(0.25 * expected, rel=1e-12)


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "CSR"])
@pytest.mark.parametrize(("loss", "target_type"), LOSSES)
def test_blocks_of_any_size_give_the_same_sum(loss, target_type, is_sparse):
    problem, theta = make_problem(loss, target_type, is_sparse=is_sparse, weighted=True)
    expected_loss, expected_gradient = loss_and_gradient(problem, theta, 0.3)
    for block in range(1, N_ROWS):
        loss, gradient = loss_and_gradient(problem, theta, 0.3, block)
        assert loss == pytest.approx(expected_loss, rel=1e-12)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "CSR"])
def test_an_order_picks_rows_with_their_targets_and_weights(is_sparse):
    problem, theta = make_problem(is_sparse=is_sparse, weighted=True)
    order = np.array([5, 0, 5, 3])
    loss, gradient = loss_and_gradient(problem, theta, block=3, order=order)
    problem.X, problem.y = problem.X[order], problem.y[order]
    problem.sample_weight = problem.sample_weight[order]
    expected_loss, expected_gradient = loss_and_gradient(problem, theta)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


def test_weights_are_repetitions():
    problem, theta = make_problem()
    problem.sample_weight = np.array([2.0, 0, 1, 0, 3, 1, 0])
    loss, gradient = loss_and_gradient(problem, theta)
    repeated = np.repeat(np.arange(N_ROWS), problem.sample_weight.astype(int))
    problem.sample_weight = None
    expected_loss, expected_gradient = loss_and_gradient(problem, theta, order=repeated)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("loss", "target_type"), LOSSES)
def test_float32_is_close_to_float64(loss, target_type):
    results = []
    for dtype in ("float64", "float32"):
        problem, theta = make_problem(loss, target_type, weighted=True, dtype=dtype)
        results.append(loss_and_gradient(problem, theta, block=3))
        assert Evaluator(problem, theta, Plan(3), None).gradient.dtype == dtype
    (loss_64, gradient_64), (loss_32, gradient_32) = results
    assert loss_32 == pytest.approx(loss_64, rel=1e-5)
    np.testing.assert_allclose(gradient_32, gradient_64, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("place", ["weights", "X"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_is_not_lost(activation, place):
    problem, theta = make_problem(activation=activation)
    if place == "X":
        problem.X[0, 0] = np.nan
    else:
        theta[0] = np.nan
    loss, gradient = loss_and_gradient(problem, theta)
    assert np.isnan(loss)
    assert np.isnan(gradient).any()
