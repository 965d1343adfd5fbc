import numpy as np
import pytest
from problems import N_FEATURES, N_OUTPUTS, N_ROWS, make_problem
from scipy.special import expit

from sknn_opt import MLPRegressor
from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._network.layout import Layout, describe
from sknn_opt._network.network import Network
from sknn_opt._network.problem import Evaluator
from sknn_opt.inspection.probe import layer_buffer


@pytest.mark.parametrize("max_rows", [1, 3, 7, 20])
def test_raw_outputs_stream_over_blocks(max_rows):
    problem, theta = make_problem(hidden=(5,), activation="logistic")
    layers = problem.layout.by_layer(theta)
    (coefs, intercepts), (last_coefs, last_intercepts) = (layer.values() for layer in layers)
    expected = expit(problem.X @ coefs + intercepts) @ last_coefs + last_intercepts
    network = Network(problem.X, layers, problem.architecture, Plan(max_rows))
    np.testing.assert_allclose(network.raw_outputs(), expected, rtol=1e-12)


def test_parameters_are_read_in_place():
    problem, theta = make_problem(hidden=(5,), activation="identity")
    layers = problem.layout.by_layer(theta)
    network = Network(problem.X, layers, problem.architecture, Plan(N_ROWS))
    assert network.raw_outputs().any()
    theta[:] = 0
    np.testing.assert_array_equal(network.raw_outputs(), 0)


def test_the_backward_pass_ends_at_the_lowest_layer_that_is_trained():
    problem, _ = make_problem(hidden=(5, 4, 3))
    units = [N_FEATURES, 5, 4, 3, N_OUTPUTS]
    problem.layout = Layout(describe(units, [None] * 3, [0.0, 0.0, 1.0, 0.0]))
    theta = np.random.default_rng(0).normal(size=problem.layout.n_values)
    evaluator = Evaluator(problem, theta, Plan(N_ROWS), None)
    network = evaluator.network
    deltas = [layer_buffer(network, i, "delta", N_ROWS) for i in range(4)]
    for delta in deltas:
        delta[:] = np.nan
    _, gradient = evaluator(0, N_ROWS, 1.0)
    assert gradient.size == 4 * 3 + 3
    assert np.isfinite(gradient).all()
    assert [bool(np.isnan(delta).all()) for delta in deltas] == [True, True, False, False]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_norm_of_large_float32_gradients_is_finite():
    X = np.random.default_rng(0).normal(size=(N_ROWS, 2)) * 1e20
    models = [
        MLPRegressor(
            (), loss="absolute_error", optimizer="sgd", clip_norm=1, max_iter=1, dtype=dtype,
            random_state=0,
        ).fit(X, X[:, 0])
        for dtype in ("float32", "float64")
    ]  # fmt: skip
    one, other = models
    assert one.history_["grad_norm"][0] == pytest.approx(other.history_["grad_norm"][0], rel=1e-5)
    np.testing.assert_allclose(one.coefs_[0], other.coefs_[0], rtol=1e-5)
