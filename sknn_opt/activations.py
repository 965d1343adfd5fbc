"""Activation functions of the hidden layers.

An activation is a class with its hyperparameters and two kernels; `ACTIVATIONS`, at the
foot, maps names to classes.
"""

from ._component import Component, Registry
from ._elementary import logistic as _logistic
from ._elementary import tanh as _tanh
from ._kernel import Call, kernel, real

FORWARD = "void (real *z, real *a, int64 rows, int64 units, double *parameters)"
BACKWARD = "void (real *z, real *a, real *delta, int64 rows, int64 units, double *parameters)"

call_forward = Call(FORWARD)
call_backward = Call(BACKWARD)


class Activation(Component):
    """Base of the activation functions :math:`a = f(z)`.

    Kernels work on blocks of ``rows * units`` contiguous elements. ``_forward`` writes
    ``a``; ``_backward`` multiplies ``delta``, the derivative of the loss by ``a``, with
    :math:`f'(z)`. Both are None for the identity.
    """

    #: Whether ``a`` overwrites ``z``: then both kernels read and write ``a`` alone.
    _in_place = True
    _forward = None
    _backward = None

    #: The bound of the "auto" initializer is sqrt(_auto_factor / (fan_in + fan_out)).
    _auto_factor = 6.0


class Identity(Activation):
    r"""No activation: the layers merge into one linear map.

    .. math:: f(z) = z
    """


@kernel(FORWARD)
def _logistic_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        a[i] = _logistic(a[i])


@kernel(BACKWARD)
def _logistic_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] *= a[i] * (real(1) - a[i])


class Logistic(Activation):
    r"""Logistic sigmoid, with values in (0, 1).

    .. math:: f(z) = \frac{1}{1 + e^{-z}}
    """

    _forward = _logistic_forward
    _backward = _logistic_backward
    _auto_factor = 2.0


@kernel(FORWARD)
def _tanh_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        a[i] = _tanh(a[i])


@kernel(BACKWARD)
def _tanh_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] *= real(1) - a[i] * a[i]


class Tanh(Activation):
    r"""Hyperbolic tangent, with values in (-1, 1).

    .. math:: f(z) = \tanh z
    """

    _forward = _tanh_forward
    _backward = _tanh_backward


@kernel(FORWARD)
def _relu_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        # Written so that NaN stays NaN: divergence has to be seen.
        a[i] = real(0) if a[i] < real(0) else a[i]


@kernel(BACKWARD)
def _relu_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] = real(0) if a[i] == real(0) else delta[i]


class ReLU(Activation):
    r"""Rectified linear unit; its derivative at 0 is taken as 0.

    .. math:: f(z) = \max(0, z)
    """

    _forward = _relu_forward
    _backward = _relu_backward


ACTIVATIONS = Registry({"identity": Identity, "logistic": Logistic, "tanh": Tanh, "relu": ReLU})
