"""Hessian-vector products and Jacobians against differences of what they derive."""

import numpy as np
import pytest
from cases import FACTORS, N_SAMPLES, form_of, make_case, name, pairwise

from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._network.network import Network
from sknn_opt._network.problem import Evaluator
from sknn_opt._network.second_order import HessianProduct, Jacobian
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES

_STILL = {
    "normalization": [None, "layer", ("layer", None, "layer")],
    "dropout": [0.0],
    "input_dropout": [0.0],
}
_CURVED = {
    **FACTORS,
    **_STILL,
    "loss": [
        (loss, kind)
        for loss, kind in FACTORS["loss"]
        if form_of(loss(), kind).hessian_product is not None
    ],
}
_SMOOTH = {
    **_CURVED,
    "loss": [(loss, kind) for loss, kind in _CURVED["loss"] if loss.is_twice_differentiable],
    "activation": [
        *(n for n, activation in ACTIVATIONS.items() if activation().is_twice_differentiable),
        "a list",
    ],
}


def _product(problem, theta, vector, exact):
    plan, direction = Plan(N_SAMPLES), vector.astype(theta.dtype)
    curvature = HessianProduct(problem, theta, plan, None, direction, exact)
    (product,) = curvature(0, N_SAMPLES, 1.0)
    return product


def _raw_outputs(problem, theta):
    layers = problem.layout.by_layer(theta)
    return Network(problem.X, layers, problem.architecture, Plan(N_SAMPLES)).raw_outputs()


def _jacobian(problem, theta, step=1e-5):
    """Derivatives of the raw outputs by central differences: (n_samples, n_outputs, n)."""
    columns = []
    for i in range(problem.layout.n_parameters):
        outputs = []
        for sign in (1, -1):
            there = theta.copy()
            there[i] += sign * step
            outputs.append(_raw_outputs(problem, there))
        columns.append((outputs[0] - outputs[1]) / (2 * step))
    return np.stack(columns, axis=-1)


def _loss_gradients(problem, theta, vector, step=1e-5):
    """Central differences along a direction of the gradient."""
    gradients = []
    for sign in (1, -1):
        there = theta.copy()
        there[: vector.size] += sign * step * vector
        gradients.append(Evaluator(problem, there, Plan(N_SAMPLES), None)(0, N_SAMPLES, 1.0)[1])
    return (gradients[0] - gradients[1]) / (2 * step)


@pytest.mark.parametrize("case", list(pairwise(_SMOOTH)), ids=name)
def test_exact_product_is_that_of_differences_of_the_gradient(case):
    problem, theta = make_case(case, 0)
    vector = np.random.default_rng(1).standard_normal(problem.layout.n_parameters)
    product = _product(problem, theta, vector, exact=True)
    expected = _loss_gradients(problem, theta, vector)
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(product, expected, rtol=1e-5, atol=tolerance)
    assert np.abs(product).max() > 1e-3


_PLAIN = {"normalization": None, "residual": False, "dropout": 0.0, "input_dropout": 0.0}
_PLAIN |= {"container": "dense", "weighted": True, "frozen": ()}


@pytest.mark.parametrize("activation", _SMOOTH["activation"])
@pytest.mark.parametrize("loss", _SMOOTH["loss"], ids=lambda loss: f"{loss[0].__name__}-{loss[1]}")
def test_exact_product_of_every_loss_with_every_activation(loss, activation):
    test_exact_product_is_that_of_differences_of_the_gradient(
        {**_PLAIN, "loss": loss, "activation": activation}
    )


@pytest.mark.parametrize("case", list(pairwise(_CURVED)), ids=name)
def test_gauss_newton_product_is_that_of_the_jacobian(case):
    problem, theta = make_case(case, 0)
    vector = np.random.default_rng(1).standard_normal(problem.layout.n_parameters)
    product = _product(problem, theta, vector, exact=False)
    jacobian = _jacobian(problem, theta)
    tangent = np.ascontiguousarray(jacobian @ vector)
    weight = problem.sample_weight
    weight = np.ones(N_SAMPLES) if weight is None else weight
    raw, parameters = _raw_outputs(problem, theta), problem.loss_parameters()
    problem.form.hessian_product(
        "float64", *(a.ctypes.data for a in (raw, problem.y, weight, tangent)), *raw.shape, 1.0,
        parameters.ctypes.data,
    )  # fmt: skip
    expected = np.einsum("ikp,ik->p", jacobian, tangent)
    tolerance = 1e-5 * max(np.abs(expected).max(), 1e-3)
    np.testing.assert_allclose(product, expected, rtol=1e-5, atol=tolerance)


def test_that_all_losses_with_curvature_are_tested():
    tested = {loss.__name__ for loss, _ in _CURVED["loss"]}
    registered = {*CLASSIFIER_LOSSES.values(), *REGRESSOR_LOSSES.values()}
    assert {cls.__name__ for cls in registered} - tested == {"AbsoluteError", "Hinge", "Quantile"}


_NUMBERS = {
    **_CURVED,
    "loss": [
        (REGRESSOR_LOSSES["squared_error"], kind)
        for kind in ("continuous", "continuous, some missing")
    ],
}


@pytest.mark.parametrize("case", list(pairwise(_NUMBERS)), ids=name)
def test_gauss_newton_matrix_is_that_of_the_jacobian(case):
    problem, theta = make_case(case, 0)
    (matrix,) = Jacobian(problem, theta, Plan(N_SAMPLES), None)(0, N_SAMPLES, 0.5)
    weight = problem.sample_weight
    weight = np.ones(N_SAMPLES) if weight is None else weight
    jacobian = _jacobian(problem, theta) * ~np.isnan(problem.y)[:, :, np.newaxis]
    expected = 0.5 * np.einsum("ikp,ikq,i->pq", jacobian, jacobian, weight)
    np.testing.assert_allclose(matrix, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
