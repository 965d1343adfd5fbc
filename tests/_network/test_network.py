import numpy as np
import pytest
from problems import N_ROWS, make_problem
from scipy.special import expit

from sknn_opt import MLPRegressor
from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._network.network import Network


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
