import math
import pickle
import threading

import numba
import numpy as np
import pytest
from scipy.special import erfcx, expit
from sklearn.base import clone

from sknn_opt import MLPRegressor
from sknn_opt._compiler.declarations import address
from sknn_opt.activations import ACTIVATIONS, ELU, SELU, Activation, LeakyReLU
from sknn_opt.initializers import INITIALIZERS

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-14, "float32": 1e-6}


def _leaky_relu(slope):
    return (
        lambda z: np.where(z < 0, slope * z if slope else 0.0, z),
        lambda z: np.where(z > 0, 1.0, slope),
        (0,),
    )


def _elu(alpha, scale=1.0):
    return (
        lambda z: scale * np.where(z < 0, alpha * np.expm1(np.minimum(z, 0)), z),
        lambda z: scale * np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))),
        (0,),
    )


def _gated(gate, derivative_of_gate):
    """z times a gate that falls faster than z grows."""

    def function(z):
        return np.maximum(z, -1e4) * gate(z)

    def derivative(z):
        return gate(z) + np.clip(z, -1e4, 1e4) * derivative_of_gate(z)

    return function, derivative, ()


def _normal_density(z):
    return np.exp(-np.square(np.clip(z, -1e4, 1e4)) / 2) / math.sqrt(2 * math.pi)


def _normal_cdf(z):
    tail = _normal_density(z) * math.sqrt(math.pi / 2) * erfcx(np.abs(z) / math.sqrt(2))
    return np.where(z < 0, tail, 1 - tail)


def _logistic(z):
    return np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))


def _softplus(z):
    return np.logaddexp(0, z)


def _squared_sech(z):
    return 4 * expit(2 * z) * expit(-2 * z)


def _second_of_mish(z):
    gate = np.tanh(_softplus(z))
    slope = expit(z) * _squared_sech(_softplus(z))
    return slope * (2 + np.clip(z, -1e4, 1e4) * (expit(-z) - 2 * gate * expit(z)))


#: Function, derivative, and points where the derivative has a jump or a kink.
REFERENCES = {
    "identity": (lambda z: z, np.ones_like, ()),
    "logistic": (expit, lambda z: expit(z) * expit(-z), ()),
    "tanh": (np.tanh, _squared_sech, ()),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype), (0,)),
    "hard_tanh": (lambda z: np.clip(z, -1, 1), lambda z: 1.0 * (np.abs(z) < 1), (-1, 1)),
    "softsign": (
        lambda z: np.clip(z, -1e20, 1e20) / (1 + np.clip(np.abs(z), 0, 1e20)),
        lambda z: 1 / (1 + np.abs(z)) ** 2,
        (0,),
    ),
    "leaky_relu": _leaky_relu(0.01),
    "elu": _elu(1.0),
    "selu": _elu(1.6732632423543772, 1.0507009873554805),
    "gelu": _gated(_normal_cdf, _normal_density),
    "silu": _gated(_logistic, lambda z: expit(z) * expit(-z)),
    "mish": _gated(
        lambda z: np.tanh(_softplus(z)),
        lambda z: expit(z) * _squared_sech(_softplus(z)),
    ),
    "softplus": (_softplus, expit, ()),
}

#: Second derivative, for those that have one everywhere and are not linear.
SECOND_DERIVATIVES = {
    "logistic": lambda z: -expit(z) * expit(-z) * np.tanh(z / 2),
    "tanh": lambda z: -2 * np.tanh(z) * _squared_sech(z),
    "gelu": lambda z: _normal_density(z) * (2 - np.square(np.clip(z, -1e4, 1e4))),
    "silu": lambda z: expit(z) * expit(-z) * (2 - np.clip(z, -1e4, 1e4) * np.tanh(z / 2)),
    "mish": _second_of_mish,
    "softplus": lambda z: expit(z) * expit(-z),
}

#: What a kernel that sees a alone can know of z.
INVERSES = {
    "logistic": lambda a: np.log(a) - np.log1p(-a),
    "tanh": np.arctanh,
}

#: An activation and its reference.
CASES = {name: (ACTIVATIONS[name](), *reference) for name, reference in REFERENCES.items()}
CASES |= {
    "leaky_relu, steep": (LeakyReLU(1.5), *_leaky_relu(1.5)),
    "leaky_relu, flat": (LeakyReLU(0), *_leaky_relu(0.0)),
    "elu, large": (ELU(2.5), *_elu(2.5)),
    "elu, flat": (ELU(0), *_elu(0.0)),
}

Z = np.concatenate([np.linspace(-8, 8, 120), [-0.0, 0.0, 1e-300, -1e-300, 30, -30]]).reshape(6, 21)
WIDE = np.concatenate([Z.ravel(), np.linspace(-1e4, 1e4, 127), np.linspace(-800, 800, 127)])
WIDE = WIDE.astype("float32").astype("float64").reshape(4, -1)  # whose squares are exact

every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_case = pytest.mark.parametrize(
    ("activation", "function", "derivative", "kinks"), CASES.values(), ids=CASES
)


def test_that_every_activation_is_tested():
    assert set(REFERENCES) == set(ACTIVATIONS)


def passed(activation, z, kernel):
    """Return a, and what the backward pass reads for f' and f'': what is stored, or a."""
    a = z.copy()
    slope = curvature = a
    if activation.stores_derivatives:
        slope, curvature = np.empty((2, *z.shape), z.dtype)
    if not activation.is_linear:
        run, parameters = getattr(activation.kernels(), kernel), activation.kernel_parameters()
        run(z.dtype, *map(address, (a, slope, curvature)), z.size, address(parameters))
    return a, slope, curvature


def multiplied(activation, kernel, source, delta):
    delta = delta.copy()
    if not activation.is_linear:
        run, parameters = getattr(activation.kernels(), kernel), activation.kernel_parameters()
        run(delta.dtype, address(source), address(delta), delta.size, address(parameters))
    return delta


def forward(activation, z):
    return passed(activation, z, "predict")[0]


def backward(activation, z, delta):
    return multiplied(activation, "backward", passed(activation, z, "forward")[1], delta)


def curvature(activation, z, delta):
    return multiplied(activation, "second", passed(activation, z, "forward_twice")[2], delta)


@every_case
@every_dtype
def test_values(dtype, activation, function, derivative, kinks):
    z = WIDE.astype(dtype)
    a = forward(activation, z)
    assert a.dtype == dtype
    expected = function(z.astype("float64"))
    atol = np.finfo(dtype).smallest_normal
    np.testing.assert_allclose(a, expected, rtol=TOLERANCE[dtype], atol=atol)


@every_case
@every_dtype
def test_backward_multiplies_by_the_derivative(dtype, activation, function, derivative, kinks):
    z = WIDE.astype(dtype)
    delta = np.random.default_rng(0).normal(size=z.shape).astype(dtype)
    got = backward(activation, z, delta)
    expected = delta * derivative(z.astype("float64"))
    np.testing.assert_allclose(got, expected, rtol=0, atol=10 * TOLERANCE[dtype])


@every_case
def test_derivative_is_that_of_finite_differences(activation, function, derivative, kinks):
    step, kinks = 1e-6, np.array(kinks)
    z = Z[np.abs(Z[..., np.newaxis] - kinks).min(axis=-1, initial=np.inf) > step][np.newaxis]
    difference = forward(activation, z + step) - forward(activation, z - step)
    derivative = backward(activation, z, np.ones_like(z))
    np.testing.assert_allclose(derivative, difference / (2 * step), rtol=0, atol=1e-8)


@every_case
@every_dtype
def test_extremes(dtype, activation, function, derivative, kinks):
    largest = np.finfo(dtype).max
    z = np.array([[np.nan, np.inf, -np.inf, largest, -largest]], dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = function(z.astype("float64")).astype(dtype)
    np.testing.assert_allclose(forward(activation, z), expected, rtol=TOLERANCE[dtype])
    delta = backward(activation, z, np.ones_like(z))
    assert np.isfinite(delta[0, 1:]).all()
    np.testing.assert_array_equal(delta[0, 1:3], delta[0, 3:])


@every_case
@every_dtype
def test_training_computes_what_predicts(dtype, activation, function, derivative, kinks):
    z, delta = WIDE.astype(dtype), np.ones(WIDE.shape, dtype)
    tolerance = {"rtol": 4 * np.finfo(dtype).eps, "atol": np.finfo(dtype).smallest_normal}
    a, slope, _ = passed(activation, z, "forward")
    np.testing.assert_allclose(a, forward(activation, z), **tolerance)
    if activation.is_twice_differentiable and not activation.is_linear:
        again, stored, _ = passed(activation, z, "forward_twice")
        np.testing.assert_allclose(again, a, **tolerance)
        slopes = [multiplied(activation, "backward", one, delta) for one in (slope, stored)]
        np.testing.assert_allclose(*slopes, **tolerance)


@every_case
def test_twice_differentiable_where_the_derivative_is_smooth(
    activation, function, derivative, kinks
):
    assert activation.is_twice_differentiable == (not kinks)


def test_that_every_second_derivative_is_tested():
    kernels = {
        name
        for name, cls in ACTIVATIONS.items()
        if not cls().is_linear and cls().kernels().second is not None
    }
    assert set(SECOND_DERIVATIVES) == kernels
    of_output = {name for name in kernels if not ACTIVATIONS[name]().stores_derivatives}
    assert set(INVERSES) == of_output


every_second_derivative = pytest.mark.parametrize("name", SECOND_DERIVATIVES)


@every_second_derivative
@every_dtype
def test_curvature_multiplies_by_the_second_derivative(dtype, name):
    z = WIDE.astype(dtype)
    delta = np.random.default_rng(0).normal(size=z.shape).astype(dtype)
    expected = delta * SECOND_DERIVATIVES[name](z.astype("float64"))
    got = curvature(ACTIVATIONS[name](), z, delta)
    np.testing.assert_allclose(got, expected, rtol=0, atol=10 * TOLERANCE[dtype])


@every_second_derivative
@every_dtype
def test_relative_error_of_curvature(dtype, name):
    """At most 16 eps, tails included; near a root, of the lesser value 0.25 to its sides."""
    activation, exact = ACTIVATIONS[name](), SECOND_DERIVATIVES[name]
    z = np.concatenate([np.linspace(-limit, limit, 5000) for limit in (8, 100, 760)])
    z = z.astype(dtype)[np.newaxis]
    seen = z if activation.stores_derivatives else forward(activation, z)
    seen = seen.astype(np.longdouble)
    with np.errstate(divide="ignore", under="ignore", over="ignore"):
        if not activation.stores_derivatives:
            seen = np.clip(INVERSES[name](seen), -1e4, 1e4)
        expected = exact(seen)
        sides = np.abs([exact(seen - 0.25), exact(seen + 0.25)]).min(axis=0)
    info = np.finfo(dtype)
    got = curvature(activation, z, np.ones_like(z))
    # A factor may be subnormal, and so coarse, while the other one is at most 2000.
    excess = np.abs(got - expected) - 2000 * info.smallest_subnormal.astype("longdouble")
    excess -= 16 * info.eps * np.maximum(np.abs(expected), sides)
    assert excess.max() <= 0, z.flat[excess.argmax()]


@every_second_derivative
def test_second_derivative_is_that_of_finite_differences(name):
    activation, step, ones = ACTIVATIONS[name](), 1e-5, np.ones_like(Z)
    difference = backward(activation, Z + step, ones) - backward(activation, Z - step, ones)
    got = curvature(activation, Z, ones)
    np.testing.assert_allclose(got, difference / (2 * step), rtol=0, atol=1e-9)


@every_second_derivative
@every_dtype
def test_curvature_at_extremes(dtype, name):
    largest = np.finfo(dtype).max
    z = np.tile([np.nan, np.inf, -np.inf, largest, -largest], (1, 7)).astype(dtype)
    expected = np.tile([np.nan, 0, 0, 0, 0], (1, 7))
    got = curvature(ACTIVATIONS[name](), z, np.ones_like(z))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("name", "z", "expected"),
    [
        ("relu", [0.0, -0.0], [0, 0]),
        ("hard_tanh", [-1.0, 1.0], [0, 0]),
        ("leaky_relu", [0.0, -0.0], [0.01, 0.01]),
    ],
)
def test_derivatives_at_kinks(name, z, expected):
    delta = backward(ACTIVATIONS[name](), np.array([z]), np.ones((1, 2)))
    np.testing.assert_array_equal(delta, [expected])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_rule_or_none(name):
    activation = ACTIVATIONS[name]()
    assert isinstance(activation, Activation)
    assert activation.is_linear == (name == "identity")


@pytest.mark.parametrize(("alias", "name"), [("sigmoid", "logistic"), ("swish", "silu")])
def test_aliases(alias, name):
    assert alias in ACTIVATIONS.names
    assert ACTIVATIONS[alias] is ACTIVATIONS[name]


@pytest.mark.parametrize("activation", [LeakyReLU(-0.1), LeakyReLU(np.inf), ELU(-1), ELU("1")])
def test_parameters_are_validated(activation):
    with pytest.raises(ValueError, match="must be a float in the range"):
        MLPRegressor((2,), activation=activation).fit([[0.0], [1.0]], [0.0, 1.0])


def test_selu_keeps_mean_0_and_variance_1():
    z = np.linspace(-12, 12, 100_001)
    density = _normal_density(z) * (z[1] - z[0])
    a = forward(SELU(), z[np.newaxis])
    assert np.sum(density * a) == pytest.approx(0, abs=1e-8)
    assert np.sum(density * a**2) == pytest.approx(1, abs=1e-8)


def _swish(z):
    return z / (1 + math.exp(-z))


def _swish_derivative(z):
    s = 1 / (1 + math.exp(-z))
    return s * (1 + z * (1 - s))


def _of_text(z):
    return z.upper()


def _to_nothing(z):
    pass


def _of_two(z, y):
    return z + y


USER = Activation.from_functions(_swish, _swish_derivative)


@every_dtype
def test_from_functions(dtype):
    z = Z.astype(dtype)
    ours = forward(ACTIVATIONS["silu"](), z)
    np.testing.assert_allclose(forward(USER, z), ours, rtol=TOLERANCE[dtype], atol=1e-30)
    delta = np.random.default_rng(0).normal(size=z.shape).astype(dtype)
    ours = backward(ACTIVATIONS["silu"](), z, delta)
    np.testing.assert_allclose(backward(USER, z, delta), ours, rtol=0, atol=10 * TOLERANCE[dtype])


def test_from_functions_is_compiled_once_for_each_pair():
    twins = [
        clone(USER),
        pickle.loads(pickle.dumps(USER)),
        Activation.from_functions(_swish, _swish_derivative),
    ]
    for twin in twins:
        assert twin.get_params() == {"f": _swish, "df": _swish_derivative}
        assert all(a is b for a, b in zip(twin.kernels(), USER.kernels(), strict=True))
    swapped = Activation.from_functions(_swish_derivative, _swish)
    assert not {*swapped.kernels()[:2]} & {*USER.kernels()[:2]}


def test_that_nothing_is_known_of_the_curvature_of_a_users_function():
    assert USER.kernels().second is None
    assert not USER.is_twice_differentiable


def test_a_race_of_threads_makes_one_kernel():
    def own(z):
        return z

    barrier, made = threading.Barrier(8), []

    def ask():
        barrier.wait()
        made.append(Activation.from_functions(own, own).kernels().forward)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(map(id, made))) == 1


def test_a_users_functions_are_not_cached_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    factor = 2.0

    def scaled(z):
        return factor * z

    double = Activation.from_functions(scaled, scaled)
    factor = 3.0
    assert forward(double, np.ones((1, 1))) == 3
    assert backward(double, np.ones((1, 1)), np.ones((1, 1))) == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_dtype
def test_a_fit_with_a_users_activation(dtype):
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(dtype)
    own, ours = (
        MLPRegressor((5, 4), activation=activation, max_iter=5, random_state=0).fit(X, X[:, 0])
        for activation in (USER, "silu")
    )
    assert own.coefs_[0].dtype == dtype
    expected = ours.predict(X)
    np.testing.assert_allclose(own.predict(X), expected, rtol=0, atol=100 * TOLERANCE[dtype])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(own)).predict(X), own.predict(X))
    assert "FromFunctions(df=<function _swish_derivative" in repr(own)


def test_pickle_says_which_function_it_cannot_find():
    activation = Activation.from_functions(lambda z: z, _swish)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(activation)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (_of_text, TypeError, "'_of_text' .*\n.*Unknown attribute 'upper' of type float64"),
        (_to_nothing, TypeError, "'_to_nothing' .*\n.*No conversion from none to float64"),
        (_of_two, TypeError, "'_of_two' for 1 argument.* function takes 2 arguments"),
        (math.tanh, TypeError, "'tanh' .* not a function"),
        ("tanh", ValueError, "'f' parameter of FromFunctions must be a callable"),
    ],
)
def test_functions_that_numba_cannot_compile(f, error, message):
    estimator = MLPRegressor((2,), activation=Activation.from_functions(f, _swish))
    with pytest.raises(error, match=message):
        estimator.fit([[0.0], [1.0]], [0.0, 1.0])
    assert not hasattr(estimator, "coefs_")


def test_a_function_that_numba_has_compiled_already():
    activation = Activation.from_functions(numba.njit(_swish), _swish_derivative)
    np.testing.assert_array_equal(forward(activation, Z), forward(USER, Z))


def test_suited_initializers_are_known_and_the_first_one_is_the_one_that_is_published():
    first = dict.fromkeys(ACTIVATIONS, "glorot_uniform")  # Glorot and Bengio 2010
    first |= dict.fromkeys(["relu", "leaky_relu", "elu", "gelu", "silu", "mish"], "he_normal")
    first["selu"] = "lecun_normal"  # Klambauer et al. 2017
    suited = {name: cls._suited_initializers for name, cls in ACTIVATIONS.items()}
    assert {name: names[0] for name, names in suited.items()} == first
    assert set().union(*suited.values()) <= set(INITIALIZERS)
