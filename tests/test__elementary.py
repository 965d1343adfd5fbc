import numpy as np
import pytest

from sknn_opt._elementary import exp, logistic, tanh
from sknn_opt._kernel import address, kernel

DTYPES = [np.float64, np.float32]
IN_PLACE = "void (real *x, int64 n)"


@kernel(IN_PLACE)
def _exp(x, n):
    for i in range(n):
        x[i] = exp(x[i])


@kernel(IN_PLACE)
def _tanh(x, n):
    for i in range(n):
        x[i] = tanh(x[i])


@kernel(IN_PLACE)
def _logistic(x, n):
    for i in range(n):
        x[i] = logistic(x[i])


def _exact_logistic(x):
    return 1 / (1 + np.exp(-x))


#: Kernel, exact function, bound of the error in units in the last place.
FUNCTIONS = {
    "exp": (_exp, np.exp, 2),
    "tanh": (_tanh, np.tanh, 3),
    "logistic": (_logistic, _exact_logistic, 3),
}


def evaluate(function, x):
    x = np.array(x)
    function(x.dtype, address(x), x.size)
    return x


def _arguments(dtype):
    """Everywhere: dense where the results are neither 0 nor infinite, and all magnitudes."""
    random = np.random.default_rng(0)
    info = np.finfo(dtype)
    limit = np.log(float(info.max)) + 50
    magnitudes = np.exp(random.uniform(np.log(float(info.tiny)), np.log(limit), 50_000))
    return np.concatenate(
        [
            np.linspace(-limit, limit, 200_001),
            random.uniform(-1, 1, 100_000),
            random.normal(scale=5, size=100_000),
            magnitudes,
            -magnitudes,
        ]
    ).astype(dtype)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_error_in_units_in_the_last_place(dtype, name):
    function, exact, bound = FUNCTIONS[name]
    x = _arguments(dtype)
    got = evaluate(function, x)
    with np.errstate(over="ignore", under="ignore"):
        reference = exact(x.astype(np.longdouble))
        rounded = reference.astype(dtype)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])
    if name == "logistic":
        # Documented: what is below the smallest normal number may come out as 0.
        subnormal = rounded < np.finfo(dtype).tiny
        assert np.all(got[subnormal] < np.finfo(dtype).tiny)
        assert np.all(got[subnormal] >= 0)
        finite &= ~subnormal
    units = np.spacing(np.abs(rounded[finite])).astype(np.longdouble)
    error = np.abs(got[finite] - reference[finite]) / units
    worst = error.argmax()
    assert error[worst] <= bound, x[finite][worst]


def test_that_the_arguments_reach_everything():
    for dtype in DTYPES:
        x = _arguments(dtype)
        with np.errstate(over="ignore", under="ignore"):
            y = np.exp(x)
        assert np.any(y == np.inf)
        assert np.any(y == 0)
        assert np.any((y > 0) & (y < np.finfo(dtype).tiny))


SPECIAL = {
    "exp": [(np.nan, np.nan), (np.inf, np.inf), (-np.inf, 0), (0, 1), (-0.0, 1)],
    "tanh": [(np.nan, np.nan), (np.inf, 1), (-np.inf, -1), (0, 0), (-0.0, 0)],
    "logistic": [(np.nan, np.nan), (np.inf, 1), (-np.inf, 0), (0, 0.5), (-0.0, 0.5)],
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(dtype, name):
    x, expected = np.array(SPECIAL[name] * 5, dtype).T  # enough for the vector and the scalar loop
    np.testing.assert_array_equal(evaluate(FUNCTIONS[name][0], x), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_subnormal_arguments(dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    x = np.array([smallest, -smallest, 5 * smallest, np.finfo(dtype).tiny / 2], dtype)
    np.testing.assert_array_equal(evaluate(_exp, x), 1)
    np.testing.assert_array_equal(evaluate(_tanh, x), x)
    np.testing.assert_array_equal(evaluate(_logistic, x), 0.5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_of_exp(dtype):
    largest = np.log(np.finfo(dtype).max.astype(np.longdouble)).astype(dtype)
    steps = np.arange(-3, 4).astype(dtype) * np.spacing(largest)
    with np.errstate(over="ignore"):
        overflows = np.exp((largest + steps).astype(np.longdouble)).astype(dtype) == np.inf
    assert overflows.any()
    assert not overflows.all()
    np.testing.assert_array_equal(evaluate(_exp, largest + steps) == np.inf, overflows)


@pytest.mark.parametrize("dtype", DTYPES)
def test_symmetry(dtype):
    x = np.abs(_arguments(dtype)[::50])
    np.testing.assert_array_equal(evaluate(_tanh, -x), -evaluate(_tanh, x))
    np.testing.assert_allclose(
        evaluate(_logistic, -x) + evaluate(_logistic, x), 1, rtol=4 * np.finfo(dtype).eps
    )
