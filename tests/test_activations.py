import numpy as np
import pytest
from scipy.special import expit

from sknn_opt._kernel import address
from sknn_opt.activations import ACTIVATIONS, Activation

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-14, "float32": 1e-6}

#: Function, derivative, and points where the function has a kink.
REFERENCES = {
    "identity": (lambda z: z, np.ones_like, ()),
    "logistic": (expit, lambda z: expit(z) * expit(-z), ()),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2, ()),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype), (0,)),
}

Z = np.concatenate([np.linspace(-8, 8, 120), [-0.0, 0.0, 1e-300, -1e-300, 30, -30]]).reshape(6, 21)


def test_that_every_activation_is_tested():
    assert set(REFERENCES) == set(ACTIVATIONS)


def forward(activation, z):
    """Return z, which an activation in place overwrites, and a."""
    z = z.copy()
    a = z if activation._in_place else np.empty_like(z)
    if activation._forward is not None:
        parameters = activation.kernel_parameters()
        activation._forward(z.dtype, address(z), address(a), *z.shape, address(parameters))
    return z, a


def backward(activation, z, delta):
    z, a = forward(activation, z)
    delta = delta.copy()
    if activation._backward is not None:
        parameters = activation.kernel_parameters()
        activation._backward(
            z.dtype, address(z), address(a), address(delta), *z.shape, address(parameters)
        )
    return delta


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values(dtype, name):
    function, _, _ = REFERENCES[name]
    z = Z.astype(dtype)
    a = forward(ACTIVATIONS[name](), z)[1]
    assert a.dtype == dtype
    atol = np.finfo(dtype).smallest_normal
    np.testing.assert_allclose(a, function(z), rtol=TOLERANCE[dtype], atol=atol)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_backward_multiplies_by_the_derivative(dtype, name):
    _, derivative, _ = REFERENCES[name]
    z = Z.astype(dtype)
    delta = np.random.default_rng(0).normal(size=z.shape).astype(dtype)
    got = backward(ACTIVATIONS[name](), z, delta)
    np.testing.assert_allclose(got, delta * derivative(z), rtol=0, atol=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_that_of_finite_differences(name):
    activation, step = ACTIVATIONS[name](), 1e-6
    kinks = np.array(REFERENCES[name][2])
    z = Z[np.abs(Z[..., np.newaxis] - kinks).min(axis=-1, initial=np.inf) > step][np.newaxis]
    difference = forward(activation, z + step)[1] - forward(activation, z - step)[1]
    derivative = backward(activation, z, np.ones_like(z))
    np.testing.assert_allclose(derivative, difference / (2 * step), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_extremes(dtype, name):
    z = np.array([[np.nan, np.inf, -np.inf, *np.array([1, -1]) * np.finfo(dtype).max]], dtype)
    a = forward(ACTIVATIONS[name](), z)[1]
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(a, REFERENCES[name][0](z))
    delta = backward(ACTIVATIONS[name](), z, np.ones_like(z))
    assert np.isfinite(delta[0, 3:]).all()


def test_the_derivative_of_relu_at_0_is_0():
    delta = backward(ACTIVATIONS["relu"](), np.array([[0.0, -0.0]]), np.ones((1, 2)))
    np.testing.assert_array_equal(delta, 0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_both_kernels_or_none(name):
    activation = ACTIVATIONS[name]()
    assert isinstance(activation, Activation)
    assert (activation._forward is None) == (activation._backward is None) == (name == "identity")
