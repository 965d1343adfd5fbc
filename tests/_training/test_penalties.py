import numpy as np
import pytest

from sknn_opt._compiler.declarations import address, kernel, real
from sknn_opt._training.penalties import bound_columns, start_gradient
from sknn_opt.optimizers.base import soft_threshold

DTYPES = ["float64", "float32"]


@kernel("void (real *theta, int64 n_weights, double threshold)")
def _soft_threshold(theta, n_weights, threshold):
    for i in range(n_weights):
        theta[i] = soft_threshold(theta[i], real(threshold))


@kernel("""double (real *theta, real *gradient, int64 n_parameters, int64 n_weights, double l1,
double l2)""")
def _penalise(theta, gradient, n_parameters, n_weights, l1, l2):
    return start_gradient(theta, gradient, n_parameters, n_weights, l1, l2)


@kernel("void (real *weights, int64 fan_in, int64 fan_out, double bound, double *squares)")
def _bound_columns(weights, fan_in, fan_out, bound, squares):
    bound_columns(weights, fan_in, fan_out, bound, squares)


@pytest.mark.parametrize("threshold", [0.0, 0.25, 1.0, 1e-3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_threshold(dtype, threshold):
    random = np.random.default_rng(0)
    theta = np.concatenate([[0, 0.25, -0.25, 1, -1, 0.5], random.normal(size=51)]).astype(dtype)
    expected = np.sign(theta) * np.maximum(np.abs(theta) - np.asarray(threshold, dtype), 0)
    n_weights = len(theta) - 3
    expected[n_weights:] = theta[n_weights:]  # intercepts are free
    _soft_threshold(dtype, address(theta), n_weights, threshold)
    np.testing.assert_array_equal(theta, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_threshold_keeps_what_is_not_finite(dtype):
    theta = np.array([np.nan, np.inf, -np.inf, 1] * 5, dtype)
    _soft_threshold(dtype, address(theta), len(theta), 0.5)
    np.testing.assert_array_equal(theta, [np.nan, np.inf, -np.inf, 0.5] * 5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_threshold_is_the_proximal_operator(dtype):
    # argmin over w of (w - v)² / 2 + threshold |w|, by brute force
    grid = np.linspace(-2, 2, 4001)
    for value in (-1.3, -0.4, -0.1, 0.0, 0.2, 0.35, 1.7):
        theta = np.array([value], dtype)
        _soft_threshold(dtype, address(theta), 1, 0.3)
        best = grid[np.argmin((grid - value) ** 2 / 2 + 0.3 * np.abs(grid))]
        assert theta[0] == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (0.3, 0), (0, 0.7), (0.3, 0.7)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_value_and_gradient(dtype, l1, l2):
    theta, gradient = np.random.default_rng(0).normal(size=(2, 53)).astype(dtype)
    n_weights = 50
    weights = theta[:n_weights].astype("float64")
    expected = np.zeros(len(theta))
    expected[:n_weights] = l2 * weights  # the L1 part is the soft threshold's
    before = theta.copy()
    value = _penalise(dtype, address(theta), address(gradient), len(theta), n_weights, l1, l2)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    assert value == pytest.approx(
        l1 * np.abs(weights).sum() + l2 / 2 * (weights**2).sum(), rel=tolerance
    )
    np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(theta, before)


@pytest.mark.parametrize(("l1", "l2"), [(0, 1e-4), (1e-4, 1e-4)])
@pytest.mark.parametrize("scale", [1e-3, 1e25])
def test_the_penalty_of_many_float32_weights_is_summed_in_float64(scale, l1, l2):
    theta = np.random.default_rng(0).normal(0.3, size=900_000).astype("float32")
    theta *= np.float32(scale)
    gradient, weights = np.empty_like(theta), theta.astype("float64")
    n = len(theta)
    value = _penalise("float32", address(theta), address(gradient), n, n, l1, l2)
    expected = l1 * np.abs(weights).sum() + l2 / 2 * weights @ weights
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bound_columns(dtype, scale):
    weights = np.random.default_rng(0).normal(size=(30_000, 3)) * [0.001, 1, 2] * scale
    weights = weights.astype(dtype)
    norms = np.linalg.norm(weights.astype("float64"), axis=0)
    bound, squares = norms[1] / 2, np.empty(3)
    expected = weights.astype("float64") * np.minimum(1, bound / norms)
    _bound_columns(dtype, address(weights), *weights.shape, bound, address(squares))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(weights, expected, rtol=2 * eps if dtype == "float32" else 1e-12)
