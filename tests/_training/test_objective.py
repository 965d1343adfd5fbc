import threading

import numpy as np
import pytest
from problems import make_problem
from scipy.special import log_expit

from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._training.objective import Objective
from sknn_opt._training.row_sums import RowSums
from sknn_opt.activations import ACTIVATIONS, Activation
from sknn_opt.losses import LogLoss

PENALTIES = {"none": (0.0, 0.0), "L2": (2.0, 0.0), "both": (2.0, 0.3), "L1": (2.0, 1.0)}
ROWS = np.array([5, 0, 3, 6, 2])

every_penalty = pytest.mark.parametrize(("alpha", "l1_ratio"), PENALTIES.values(), ids=PENALTIES)


@pytest.fixture
def make():
    """A function that makes an objective over several blocks, whose threads are ended."""
    made = []

    def make(alpha=0.0, l1_ratio=0.0, n_jobs=1, between=None, max_rows=2, **params):
        problem, theta = make_problem(**params)
        problem.alpha, problem.l1_ratio = alpha, l1_ratio
        sums = RowSums(problem, theta, n_jobs, between, Plan(max_rows))
        made.append(Objective(problem, theta, sums))
        return made[-1]

    before = set(threading.enumerate())
    yield make
    for objective in made:
        objective.close()
    assert set(threading.enumerate()) == before


def raw_outputs(problem, theta):
    """In NumPy, of the rows to train on."""
    a = problem.X if problem.row_indices is None else problem.X[problem.row_indices]
    *inner, last = problem.layout.by_layer(theta)
    for layer in inner:
        a = np.tanh(a @ layer["coefs"] + layer["intercepts"])
    return a @ last["coefs"] + last["intercepts"]


def data(problem):
    """Targets and weights of the rows to train on."""
    rows = slice(None) if problem.row_indices is None else problem.row_indices
    y = problem.y[rows]
    return y, np.ones(len(y)) if problem.sample_weight is None else problem.sample_weight[rows]


def penalised_loss(problem, theta):
    """In NumPy, of squared error."""
    y, weight = data(problem)
    w = theta[: problem.layout.n_weights]
    norms = problem.l1_ratio * np.abs(w).sum() + (1 - problem.l1_ratio) / 2 * (w @ w)
    squares = ((raw_outputs(problem, theta) - y) ** 2).sum(axis=1)
    return (0.5 * weight @ squares + problem.alpha * norms) / weight.sum()


def differences(function, x, step=1e-6):
    """Central differences of a function, by the elements of ``x``, along the last axis."""
    columns = []
    for i in range(x.size):
        moved = np.zeros_like(x)
        moved[i] = step
        columns.append((function(x + moved) - function(x - moved)) / (2 * step))
    return np.stack(columns, axis=-1)


@every_penalty
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [None, ROWS], ids=["all rows", "rows"])
@pytest.mark.parametrize("hidden", [(), (5, 2)], ids=["linear", "deep"])
def test_loss_is_that_of_numpy(make, hidden, rows, weighted, alpha, l1_ratio):
    objective = make(alpha, l1_ratio, hidden=hidden, rows=rows, weighted=weighted)
    theta = objective.theta.copy()
    loss, _ = objective.loss_and_gradient(objective.vector())
    assert type(loss) is float
    assert loss == pytest.approx(penalised_loss(objective.problem, theta), rel=1e-12)
    np.testing.assert_array_equal(objective.theta, theta)


@every_penalty
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_that_of_finite_differences(make, weighted, alpha, l1_ratio):
    objective = make(alpha, l1_ratio, weighted=weighted, rows=ROWS)
    # With both parts of each weight away from 0, where an optimizer may pass.
    x = objective.vector() + np.random.default_rng(0).uniform(0.1, 1, objective.vector().size)
    _, gradient = objective.loss_and_gradient(x)
    expected = differences(lambda x: objective.loss_and_gradient(x)[0], x)
    assert gradient.dtype == "float64"
    np.testing.assert_allclose(gradient, expected, atol=1e-7 * np.abs(expected).max())


@every_penalty
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_vector_stands_for_theta(make, dtype, alpha, l1_ratio):
    objective = make(alpha, l1_ratio, dtype=dtype)
    objective.theta[2] = 0
    theta, x, bounds = objective.theta.copy(), objective.vector(), objective.bounds()
    objective.theta[:] = np.nan
    objective.assign(x)
    np.testing.assert_array_equal(objective.theta, theta)
    assert (x.dtype, objective.theta.dtype) == ("float64", dtype)
    n_weights = objective.problem.layout.n_weights
    if l1_ratio == 0:
        assert bounds is None
        np.testing.assert_array_equal(x, theta)
    else:
        positive, negative, rest = np.split(x, [n_weights, 2 * n_weights])
        assert (positive * negative == 0).all()
        assert bounds == [(0, None)] * (2 * n_weights) + [(None, None)] * len(rest)
        assert x[: 2 * n_weights].min() == 0


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("rows", [None, ROWS], ids=["all rows", "rows"])
def test_hessian_products(make, rows, alpha, weighted, exact):
    objective = make(alpha, weighted=weighted, rows=rows)
    x = objective.vector()
    if exact:
        hessian = differences(lambda x: objective.loss_and_gradient(x)[1], x)
    else:
        hessian = _gauss_newton(objective, x)
    product = objective.hessian_product(exact)
    objective.theta[:] = np.nan
    for vector in np.random.default_rng(0).normal(size=(3, x.size)):
        expected = hessian @ vector
        tolerance = 1e-7 * np.abs(expected).max()
        np.testing.assert_allclose(product(x, vector), expected, rtol=1e-5, atol=tolerance)


def _gauss_newton(objective, x):
    """Of squared error, from a Jacobian of finite differences; with the L2 penalty."""
    problem = objective.problem
    jacobian = differences(lambda x: raw_outputs(problem, x), x)
    _, weight = data(problem)
    matrix = np.einsum("ikp,ikq,i->pq", jacobian, jacobian, weight)
    matrix[np.diag_indices(problem.layout.n_weights)] += problem.alpha
    return matrix / weight.sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("rows", [None, ROWS], ids=["all rows", "rows"])
@pytest.mark.parametrize("max_rows", [1, 6, 100])
def test_gauss_newton_matrix(make, max_rows, rows, alpha, weighted):
    objective = make(alpha, max_rows=max_rows, weighted=weighted, rows=rows)
    x = objective.vector()
    compute = objective.gauss_newton_matrix()
    for _ in range(2):
        matrix = compute(x)
        objective.theta[:] = np.nan
    expected = _gauss_newton(objective, x)
    np.testing.assert_allclose(matrix, expected, rtol=1e-7, atol=1e-8 * np.abs(expected).max())
    np.testing.assert_array_equal(matrix, matrix.T)
    assert matrix.dtype == "float64"


def _logistic_regression(make, **params):
    return make(2.0, loss=LogLoss, target_type="binary", hidden=(), weighted=True, **params)


def test_log_loss_is_that_of_numpy(make):
    objective = _logistic_regression(make)
    problem, theta = objective.problem, objective.theta.copy()
    y, weight = data(problem)
    raw, w = raw_outputs(problem, theta), theta[:-1]
    likelihood = np.where(y, log_expit(raw), log_expit(-raw)).ravel()
    expected = (w @ w - weight @ likelihood) / weight.sum()
    assert objective.loss_and_gradient(theta)[0] == pytest.approx(expected, rel=1e-12)


def test_linear_models_have_no_curvature_but_that_of_the_loss(make):
    for params in ({}, {"loss": LogLoss, "target_type": "binary"}):
        objective = make(2.0, hidden=(), **params)
        x = objective.vector()
        vector = np.random.default_rng(0).normal(size=x.size)
        exact, approximate = (objective.hessian_product(e)(x, vector) for e in (True, False))
        np.testing.assert_allclose(exact, approximate, rtol=1e-12, atol=1e-14)


def _cube(z):
    return z * z * z


def _cube_derivative(z):
    return 3 * z * z


@pytest.mark.parametrize(
    ("params", "bends"),
    [
        ({"activation": "tanh"}, True),
        ({"activation": "identity"}, True),  # a product of weights
        ({"activation": "relu"}, False),
        ({"activation": "cube"}, False),
        ({"loss": "huber"}, False),
        ({"loss": "poisson"}, True),
    ],
    ids=str,
)
def test_gauss_newton_stands_in_where_there_is_no_hessian(make, monkeypatch, params, bends):
    cube = Activation.from_functions(_cube, _cube_derivative)
    monkeypatch.setitem(ACTIVATIONS, "cube", lambda: cube)
    objective = make(1.0, **params)
    x = objective.vector()
    vector = np.random.default_rng(0).normal(size=x.size)
    exact, approximate = (objective.hessian_product(e)(x, vector) for e in (True, False))
    assert np.array_equal(exact, approximate) != bends


def _derivatives(objective):
    x = objective.vector()
    vector = np.random.default_rng(0).normal(size=x.size)
    return [
        *objective.loss_and_gradient(x),
        objective.hessian_product(exact=True)(x, vector),
        objective.hessian_product(exact=False)(x, vector),
        objective.gauss_newton_matrix()(x),
    ]


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "CSR"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_do_not_depend_on_the_number_of_threads(make, dtype, is_sparse):
    params = {"max_rows": 1, "alpha": 1.0, "dtype": dtype, "is_sparse": is_sparse, "weighted": True}
    expected = _derivatives(make(**params))
    for n_jobs in (2, 3, 5):
        results = _derivatives(make(n_jobs=n_jobs, **params))
        for ours, single in zip(results, expected, strict=True):
            np.testing.assert_array_equal(ours, single)


def test_float32_is_close_to_float64(make):
    results = [_derivatives(make(1.0, dtype=dtype)) for dtype in ("float64", "float32")]
    for double, single in zip(*results, strict=True):
        assert np.asarray(single).dtype == "float64"
        np.testing.assert_allclose(single, double, atol=1e-5 * np.abs(double).max())


def test_evaluations_are_counted_and_the_first_loss_is_kept(make):
    objective = make()
    x = objective.vector()
    assert (objective.n_evaluations, objective.first_loss) == (0, None)
    losses = [objective.loss_and_gradient(factor * x)[0] for factor in (1, 2, 3)]
    product, matrix = objective.hessian_product(True), objective.gauss_newton_matrix()
    product(x, x)
    matrix(x)
    assert (objective.n_evaluations, objective.first_loss) == (3, losses[0])


@every_penalty
def test_gradient_norms(make, alpha, l1_ratio):
    objective = make(alpha, l1_ratio)
    problem = objective.problem
    points = [factor * objective.vector() for factor in (1, 2, 3)]
    norms = []
    for x in points:
        objective.loss_and_gradient(x)
        smooth = problem.alpha, problem.l1_ratio
        problem.alpha, problem.l1_ratio = alpha * (1 - l1_ratio), 0.0
        theta = objective.theta.copy()
        gradient = differences(lambda theta: penalised_loss(problem, theta), theta)
        problem.alpha, problem.l1_ratio = smooth
        norms.append(np.linalg.norm(gradient))
    for i in (1, 1):  # a point may come again, as one that no step improves
        assert objective.gradient_norm(points[i]) == pytest.approx(norms[i], rel=1e-7)
    assert np.isnan(objective.gradient_norm(points[0]))


class Enough(Exception):
    pass


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    "evaluate",
    [
        lambda objective, x: objective.loss_and_gradient(x),
        lambda objective, x: objective.hessian_product(exact=True)(x, x),
        lambda objective, x: objective.gauss_newton_matrix()(x),
    ],
    ids=["gradient", "product", "matrix"],
)
def test_an_evaluation_may_be_ended_between_blocks(make, evaluate, n_jobs):
    calls = []

    def between():
        calls.append(0)
        if len(calls) == 3:
            raise Enough

    objective = make(n_jobs=n_jobs, between=between)
    with pytest.raises(Enough):
        evaluate(objective, objective.vector())
    assert len(calls) == 3
    assert objective.n_evaluations == 0
