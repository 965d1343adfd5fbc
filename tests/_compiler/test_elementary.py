from decimal import Decimal

import numpy as np
import pytest

from sknn_opt._compiler.declarations import address, kernel
from sknn_opt._compiler.elementary import exp, expm1, log, log1p, logistic, normal, softplus, tanh

DTYPES = [np.float64, np.float32]
IN_PLACE = "void (real *x, int64 n)"


@kernel(IN_PLACE)
def _exp(x, n):
    for i in range(n):
        x[i] = exp(x[i])


@kernel(IN_PLACE)
def _expm1(x, n):
    for i in range(n):
        x[i] = expm1(x[i])


@kernel(IN_PLACE)
def _tanh(x, n):
    for i in range(n):
        x[i] = tanh(x[i])


@kernel(IN_PLACE)
def _logistic(x, n):
    for i in range(n):
        x[i] = logistic(x[i])


@kernel(IN_PLACE)
def _log(x, n):
    for i in range(n):
        x[i] = log(x[i])


@kernel(IN_PLACE)
def _log1p(x, n):
    for i in range(n):
        x[i] = log1p(x[i])


@kernel(IN_PLACE)
def _softplus(x, n):
    for i in range(n):
        x[i] = softplus(x[i])


@kernel(IN_PLACE)
def _normal_cdf(x, n):
    for i in range(n):
        x[i] = normal(x[i])[0]


@kernel(IN_PLACE)
def _normal_density(x, n):
    for i in range(n):
        x[i] = normal(x[i])[1]


def _exact_logistic(x):
    return 1 / (1 + np.exp(-x))


def _exact_softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


#: Kernel, exact function, bound of the error in units in the last place, and what takes all
#: numbers to the arguments for which the function is made.
FUNCTIONS = {
    "exp": (_exp, np.exp, 2, lambda x: x),
    "expm1": (_expm1, np.expm1, 2, lambda x: -np.abs(x)),
    "tanh": (_tanh, np.tanh, 3, lambda x: x),
    "logistic": (_logistic, _exact_logistic, 3, lambda x: x),
    "log": (_log, np.log, 2, np.abs),
    "log1p": (_log1p, np.log1p, 2, lambda x: np.abs(x) % 1),
    "softplus": (_softplus, _exact_softplus, 2, lambda x: x),
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
    function, exact, bound, within_domain = FUNCTIONS[name]
    x = within_domain(_arguments(dtype))
    got = evaluate(function, x)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
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
    "expm1": [(np.nan, np.nan), (-np.inf, -1), (0, 0), (-0.0, 0)],
    "tanh": [(np.nan, np.nan), (np.inf, 1), (-np.inf, -1), (0, 0), (-0.0, 0)],
    "logistic": [(np.nan, np.nan), (np.inf, 1), (-np.inf, 0), (0, 0.5), (-0.0, 0.5)],
    "log": [
        (np.nan, np.nan),
        (np.inf, np.inf),
        (-np.inf, np.nan),
        (-1, np.nan),
        (0, -np.inf),
        (-0.0, -np.inf),
        (1, 0),
    ],
    "log1p": [(np.nan, np.nan), (0, 0), (-0.0, 0)],
    "softplus": [(np.nan, np.nan), (np.inf, np.inf), (-np.inf, 0)],
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
    np.testing.assert_array_equal(evaluate(_log1p, np.abs(x)), np.abs(x))
    np.testing.assert_array_equal(evaluate(_expm1, -np.abs(x)), -np.abs(x))
    np.testing.assert_allclose(
        evaluate(_log, np.abs(x)), np.log(np.abs(x)), rtol=2 * np.finfo(dtype).eps
    )


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


def _exact_normal(x):
    """Distribution function and density to 25 digits."""
    x = Decimal(float(x))
    t = abs(x)
    density = (-t * t / 2).exp() / Decimal("6.2831853071795864769252867666").sqrt()
    if t < 2:
        term = total = t
        for k in range(3, 99, 2):
            term *= t * t / k
            total += term
        tail = Decimal("0.5") - density * total
    else:
        fraction = t
        for k in range(300, 0, -1):
            fraction = t + k / fraction
        tail = density / fraction
    return (tail if x < 0 else 1 - tail), density


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_distribution(dtype):
    random = np.random.default_rng(0)
    limit = {np.float64: 37, np.float32: 12.5}[dtype]  # where subnormal results begin
    x = np.concatenate([random.uniform(-limit, limit, 120), random.normal(size=80)]).astype(dtype)
    got = np.array([evaluate(_normal_cdf, x), evaluate(_normal_density, x)]).T
    for values, exact in zip(got, map(_exact_normal, x), strict=True):
        for value, true, bound in zip(values, exact, (8, 3), strict=True):
            unit = Decimal(float(np.spacing(dtype(true))))
            assert abs(Decimal(float(value)) - true) <= bound * unit


@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values_of_the_normal_distribution(dtype):
    largest = np.finfo(dtype).max
    x = np.array([np.nan, np.inf, -np.inf, largest, -largest, 0, -0.0], dtype)
    np.testing.assert_array_equal(evaluate(_normal_cdf, x), [np.nan, 1, 0, 1, 0, 0.5, 0.5])
    density = dtype(1 / np.sqrt(2 * np.pi))
    expected = [np.nan, 0, 0, 0, 0, density, density]
    np.testing.assert_array_equal(evaluate(_normal_density, x), expected)
