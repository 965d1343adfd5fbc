import itertools

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit

from sknn_opt._inputs import Input
from sknn_opt._network import Layout, Network
from sknn_opt._training import Batches, Problem
from sknn_opt.activations import ACTIVATIONS, Identity, Logistic
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES

N_ROWS, N_FEATURES, N_OUTPUTS = 7, 4, 3

#: Targets by type: as many outputs as the network has, but for "binary".
TARGETS = {
    "binary": lambda random: random.integers(2, size=(N_ROWS, 1)),
    "multiclass": lambda random: random.integers(N_OUTPUTS, size=(N_ROWS, 1)),
    "multilabel-indicator": lambda random: random.integers(2, size=(N_ROWS, N_OUTPUTS)),
    "continuous": lambda random: random.poisson(1.5, size=(N_ROWS, N_OUTPUTS)),
}

LOSSES = [
    pytest.param(cls, target_type, id=f"{name}-{target_type}")
    for name, cls in itertools.chain(CLASSIFIER_LOSSES.items(), REGRESSOR_LOSSES.items())
    for target_type in cls._forms
]


def make_problem(
    loss="squared_error",
    target_type="continuous",
    activation="tanh",
    hidden=(5, 2),
    is_sparse=False,
    weighted=False,
    rows=None,
    dtype="float64",
):
    """A small network and its data; return the problem and random parameters."""
    random = np.random.default_rng(7)
    X = random.normal(size=(N_ROWS, N_FEATURES)).astype(dtype)
    if is_sparse:
        X[random.random(X.shape) < 0.5] = 0
        X = sparse.csr_matrix(X)
    y = TARGETS[target_type](random).astype(dtype)
    weight = random.uniform(0.1, 2, N_ROWS).astype(dtype) if weighted else None
    n_outputs = 1 if target_type == "binary" else N_OUTPUTS
    layout = Layout([N_FEATURES, *hidden, n_outputs])
    loss = REGRESSOR_LOSSES[loss]() if isinstance(loss, str) else loss()
    activations = [ACTIVATIONS[activation]() for _ in hidden]
    problem = Problem(
        X, y, weight, rows, loss, loss.form(target_type), activations, layout, 0.0, 0.0
    )
    return problem, random.normal(scale=0.7, size=layout.n_parameters).astype(dtype)


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


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "CSR"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("loss", "target_type"), LOSSES)
def test_gradient_is_that_of_finite_differences(loss, target_type, activation, is_sparse, weighted):
    problem, theta = make_problem(
        loss, target_type, activation, is_sparse=is_sparse, weighted=weighted
    )
    batches = Batches(problem, theta, 3, None)
    scale = 1 / problem.total_weight()
    batches.loss_and_gradient(scale)
    gradient = batches.gradient.copy()
    expected = finite_differences(lambda: batches.loss_and_gradient(scale), theta)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_that_every_type_of_target_is_tested():
    forms = [*CLASSIFIER_LOSSES.values(), *REGRESSOR_LOSSES.values()]
    assert set().union(*(cls._forms for cls in forms)) == set(TARGETS)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 2, 6)])
def test_loss_is_that_of_numpy(hidden, weighted):
    problem, theta = make_problem(hidden=hidden, weighted=weighted, activation="logistic")
    a = problem.X
    *inner, last = zip(*problem.layout.views(theta), strict=True)
    for coefs, intercepts in inner:
        a = expit(a @ coefs + intercepts)
    residual = a @ last[0] + last[1] - problem.y
    weight = np.ones(N_ROWS) if problem.sample_weight is None else problem.sample_weight
    expected = 0.5 * weight @ (residual**2).sum(axis=1)
    loss = Batches(problem, theta, N_ROWS, None).loss_and_gradient(0.25)
    assert loss == pytest.approx(0.25 * expected, rel=1e-12)


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "CSR"])
@pytest.mark.parametrize(("loss", "target_type"), LOSSES)
def test_blocks_of_any_size_give_the_same_sum(loss, target_type, is_sparse):
    problem, theta = make_problem(loss, target_type, is_sparse=is_sparse, weighted=True)
    at_once = Batches(problem, theta, N_ROWS, None)
    expected = at_once.loss_and_gradient(0.3)
    for block in range(1, N_ROWS):
        batches = Batches(problem, theta, block, None)
        assert batches.loss_and_gradient(0.3) == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(batches.gradient, at_once.gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "CSR"])
def test_an_order_picks_rows_with_their_targets_and_weights(is_sparse):
    problem, theta = make_problem(is_sparse=is_sparse, weighted=True)
    order = np.array([5, 0, 5, 3])
    picked = Batches(problem, theta, 3, order)
    loss = picked.loss_and_gradient(1.0)
    problem.X, problem.y = problem.X[order], problem.y[order]
    problem.sample_weight = problem.sample_weight[order]
    copied = Batches(problem, theta, 4, None)
    assert loss == pytest.approx(copied.loss_and_gradient(1.0), rel=1e-12)
    np.testing.assert_allclose(picked.gradient, copied.gradient, rtol=1e-10, atol=1e-12)


def test_weights_are_repetitions():
    problem, theta = make_problem()
    problem.sample_weight = np.array([2.0, 0, 1, 0, 3, 1, 0])
    weighted = Batches(problem, theta, N_ROWS, None)
    loss = weighted.loss_and_gradient(1.0)
    repeated = np.repeat(np.arange(N_ROWS), problem.sample_weight.astype(int))
    problem.sample_weight = None
    plain = Batches(problem, theta, N_ROWS, repeated)
    assert loss == pytest.approx(plain.loss_and_gradient(1.0), rel=1e-12)
    np.testing.assert_allclose(weighted.gradient, plain.gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("loss", "target_type"), LOSSES)
def test_float32_is_close_to_float64(loss, target_type):
    results = []
    for dtype in ("float64", "float32"):
        problem, theta = make_problem(loss, target_type, weighted=True, dtype=dtype)
        batches = Batches(problem, theta, 3, None)
        results.append((batches.loss_and_gradient(1.0), batches.gradient))
        assert batches.gradient.dtype == dtype
    (loss_64, gradient_64), (loss_32, gradient_32) = results
    assert loss_32 == pytest.approx(loss_64, rel=1e-5)
    np.testing.assert_allclose(gradient_32, gradient_64, rtol=1e-4, atol=1e-4)


def test_layout_table():
    table = [4 * 5 + 5 * 2 + 5 + 2, 4 * 5 + 5 * 2, 2, 0, 4, 5, 20, 5, 2]
    np.testing.assert_array_equal(Layout([4, 5, 2]).table, table)
    assert Layout([4, 5, 2]).table.dtype == np.int64


@pytest.mark.parametrize("units", [(4, 1), (4, 5, 2), (1, 1, 1, 1), (3, 6, 2, 5)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_layout_packs_what_views_show(units, dtype):
    layout = Layout(units)
    assert layout.shapes == list(itertools.pairwise(units))
    theta = np.arange(layout.n_parameters, dtype=dtype)
    coefs, intercepts = layout.views(theta)
    assert [c.shape for c in coefs] == layout.shapes
    assert [b.shape for b in intercepts] == [(n,) for n in units[1:]]
    packed = layout.pack(coefs, intercepts, dtype)
    assert packed.dtype == dtype
    assert not np.shares_memory(packed, theta)
    np.testing.assert_array_equal(packed, theta)
    fortran = layout.pack([np.asfortranarray(c) for c in coefs], intercepts, dtype)
    np.testing.assert_array_equal(fortran, theta)

    coefs[-1][...] = -1
    intercepts[0][...] = -2
    assert np.count_nonzero(theta == -1) == coefs[-1].size
    assert np.count_nonzero(theta == -2) == intercepts[0].size
    assert np.all(theta[layout.n_weights :][: units[1]] == -2)


@pytest.mark.parametrize("offset", range(4))
def test_layout_offsets_point_at_the_weights(offset):
    layout = Layout([3, 6, 2, 5, 4])
    start, fan_in, fan_out = layout.table[3 + 3 * offset :][:3]
    theta = np.arange(layout.n_parameters)
    coefs = layout.views(theta)[0][offset]
    np.testing.assert_array_equal(theta[start:][: fan_in * fan_out], coefs.ravel())
    assert coefs.shape == (fan_in, fan_out)


@pytest.mark.parametrize("max_rows", [1, 3, 7, 20])
def test_raw_outputs_stream_over_blocks(max_rows):
    problem, theta = make_problem(hidden=(5,), activation="logistic")
    (coefs, last_coefs), (intercepts, last_intercepts) = problem.layout.views(theta)
    expected = expit(problem.X @ coefs + intercepts) @ last_coefs + last_intercepts
    network = Network(*problem.layout.views(theta), [Logistic()], max_rows)
    source = Input(problem.X, max_rows)
    np.testing.assert_allclose(network.raw_outputs(source), expected, rtol=1e-12)


def test_parameters_are_read_in_place():
    problem, theta = make_problem(hidden=(5,), activation="identity")
    network = Network(*problem.layout.views(theta), [Identity()], N_ROWS)
    source = Input(problem.X, N_ROWS)
    assert network.raw_outputs(source).any()
    theta[:] = 0
    np.testing.assert_array_equal(network.raw_outputs(source), 0)


@pytest.mark.parametrize("place", ["weights", "X"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_is_not_lost(activation, place):
    problem, theta = make_problem(activation=activation)
    if place == "X":
        problem.X[0, 0] = np.nan
    else:
        theta[0] = np.nan
    batches = Batches(problem, theta, N_ROWS, None)
    assert np.isnan(batches.loss_and_gradient(1.0))
    assert np.isnan(batches.gradient).any()
