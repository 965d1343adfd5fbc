"""Activation functions of the hidden layers.

An activation is a class with its hyperparameters and two kernels, or three where it is
twice differentiable; `ACTIVATIONS`, at the foot, maps names to classes.
"""

from numbers import Real

from sklearn.utils._param_validation import Interval

from ._activation import BACKWARD, FORWARD, Activation, call_backward, call_forward
from ._compiler.declarations import inline, inline_exactly, kernel, real
from ._compiler.elementary import exp as _exp
from ._compiler.elementary import expm1 as _expm1
from ._compiler.elementary import logistic as _logistic
from ._compiler.elementary import normal as _normal
from ._compiler.elementary import softplus as _softplus
from ._compiler.elementary import tanh as _tanh
from ._components import Registry

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "HardTanh",
    "Identity",
    "LeakyReLU",
    "Logistic",
    "Mish",
    "ReLU",
    "SiLU",
    "Softplus",
    "Softsign",
    "Tanh",
    "call_backward",
    "call_forward",
]


class Identity(Activation):
    r"""No activation: the layers merge into one linear map.

    .. math:: f(z) = z

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="identity", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """


@kernel(FORWARD)
def _logistic_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        a[i] = _logistic(a[i])


@kernel(BACKWARD)
def _logistic_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] *= a[i] * (real(1) - a[i])


@kernel(BACKWARD)
def _logistic_curvature(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] *= a[i] * (real(1) - a[i]) * (real(1) - real(2) * a[i])


class Logistic(Activation):
    r"""Logistic sigmoid, with values in (0, 1).

    .. math:: f(z) = \frac{1}{1 + e^{-z}}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="logistic", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _logistic_forward
    _backward = _logistic_backward
    _curvature = _logistic_curvature
    _auto_factor = 2.0


@kernel(FORWARD)
def _tanh_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        a[i] = _tanh(a[i])


@kernel(BACKWARD)
def _tanh_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] *= real(1) - a[i] * a[i]


@kernel(BACKWARD)
def _tanh_curvature(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        # As a product, since 1 - a² would lose digits where a is near 1.
        delta[i] *= real(-2) * a[i] * ((real(1) - a[i]) * (real(1) + a[i]))


class Tanh(Activation):
    r"""Hyperbolic tangent, with values in (-1, 1).

    .. math:: f(z) = \tanh z

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="tanh", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _tanh_forward
    _backward = _tanh_backward
    _curvature = _tanh_curvature


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

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="relu", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _relu_forward
    _backward = _relu_backward


@kernel(FORWARD)
def _hard_tanh_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        x = a[i]
        x = real(-1) if x < real(-1) else x
        a[i] = real(1) if x > real(1) else x


@kernel(BACKWARD)
def _hard_tanh_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] = real(0) if abs(a[i]) == real(1) else delta[i]


class HardTanh(Activation):
    r"""Piecewise linear form of tanh; its derivative at -1 and 1 is taken as 0.

    .. math:: f(z) = \max(-1, \min(1, z))

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="hard_tanh", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _hard_tanh_forward
    _backward = _hard_tanh_backward


@kernel(FORWARD)
def _softsign_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        # Beyond these bounds f rounds to -1 and 1; infinity over infinity would be NaN.
        x = a[i]
        x = real(-1e20) if x < real(-1e20) else x
        x = real(1e20) if x > real(1e20) else x
        a[i] = x / (real(1) + abs(x))


@kernel(BACKWARD)
def _softsign_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        root = real(1) - abs(a[i])
        delta[i] *= root * root


class Softsign(Activation):
    r"""Like tanh, with values in (-1, 1), but slower to saturate.

    .. math:: f(z) = \frac{z}{1 + |z|}

    References
    ----------
    X. Glorot, Y. Bengio. "Understanding the difficulty of training deep feedforward neural
    networks". AISTATS 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="softsign", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _softsign_forward
    _backward = _softsign_backward


@kernel(FORWARD)
def _leaky_relu_forward(z, a, rows, units, parameters):
    slope = real(parameters[0])
    for i in range(rows * units):
        # 0 times an infinity would be NaN.
        below = slope * a[i] if slope > real(0) else real(0)
        a[i] = below if a[i] < real(0) else a[i]


@kernel(BACKWARD)
def _leaky_relu_backward(z, a, delta, rows, units, parameters):
    slope = real(parameters[0])
    for i in range(rows * units):
        delta[i] *= real(1) if a[i] > real(0) else slope


class LeakyReLU(Activation):
    r"""Rectified linear unit with a slope below 0, which is also its derivative at 0.

    .. math:: f(z) = \max(0, z) + s \min(0, z)

    Parameters
    ----------
    slope : float, default=0.01
        The slope :math:`s` at negative z, not negative itself.

    References
    ----------
    A. Maas, A. Hannun, A. Ng. "Rectifier nonlinearities improve neural network acoustic
    models". ICML 2013.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.activations import LeakyReLU
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation=LeakyReLU(slope=0.1), optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _leaky_relu_forward
    _backward = _leaky_relu_backward
    _kernel_parameters = ("slope",)
    _parameter_constraints = {"slope": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, slope=0.01):
        self.slope = slope

    @property
    def _negative_slope(self):
        return self.slope


@kernel(FORWARD)
def _elu_forward(z, a, rows, units, parameters):
    alpha, scale = real(parameters[0]), real(parameters[1])
    for i in range(rows * units):
        x = a[i]
        below = alpha * _expm1(x)
        a[i] = scale * (below if x < real(0) else x)


@kernel(BACKWARD)
def _elu_backward(z, a, delta, rows, units, parameters):
    alpha, scale = real(parameters[0]), real(parameters[1])
    for i in range(rows * units):
        delta[i] *= scale if a[i] > real(0) else a[i] + scale * alpha


class ELU(Activation):
    r"""Exponential linear unit; its derivative at 0 is taken as alpha.

    .. math:: f(z) = \max(0, z) + \alpha (e^{\min(0, z)} - 1)

    Parameters
    ----------
    alpha : float, default=1.0
        The limit at negative infinity is :math:`-\alpha`; not negative.

    References
    ----------
    D.-A. Clevert, T. Unterthiner, S. Hochreiter. "Fast and accurate deep network learning by
    exponential linear units (ELUs)". ICLR 2016, :arxiv:`1511.07289`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.activations import ELU
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation=ELU(alpha=0.5), optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _elu_forward
    _backward = _elu_backward
    _scale = 1.0
    _kernel_parameters = ("alpha", "_scale")
    _parameter_constraints = {"alpha": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, alpha=1.0):
        self.alpha = alpha


class SELU(Activation):
    r"""Scaled exponential linear unit: keeps mean 0 and variance 1 through the layers.

    .. math:: f(z) = \lambda (\max(0, z) + \alpha (e^{\min(0, z)} - 1))

    with :math:`\alpha = 1.6733` and :math:`\lambda = 1.0507`. Its authors draw the initial
    weights by "lecun_normal" and standardize the inputs.

    References
    ----------
    G. Klambauer et al. "Self-normalizing neural networks". NeurIPS 2017,
    :arxiv:`1706.02515`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="selu", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _elu_forward
    _backward = _elu_backward
    _alpha = 1.6732632423543772
    _scale = 1.0507009873554805
    _kernel_parameters = ("_alpha", "_scale")


@inline
def _damped(x, factor):
    """x times a factor that outruns it towards 0: 0 and not NaN once x is infinite."""
    return real(0) if factor == real(0) else x * factor


@kernel(FORWARD)
def _gelu_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        # Further down the other factor is 0, which must not meet an infinity.
        x = real(-40) if z[i] < real(-40) else z[i]
        below, _ = _normal(x)
        a[i] = x * below


@kernel(BACKWARD)
def _gelu_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        below, density = _normal(z[i])
        delta[i] *= below + _damped(z[i], density)


@kernel(BACKWARD)
def _gelu_curvature(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        _, density = _normal(z[i])
        delta[i] *= _damped(real(2) - z[i] * z[i], density)


class GELU(Activation):
    r"""Gaussian error linear unit, in its exact form.

    .. math:: f(z) = z \Phi(z) = \frac{z}{2} \left(1 + \mathrm{erf} \frac{z}{\sqrt 2}\right)

    References
    ----------
    D. Hendrycks, K. Gimpel. "Gaussian error linear units (GELUs)". 2016,
    :arxiv:`1606.08415`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="gelu", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _in_place = False
    _forward = _gelu_forward
    _backward = _gelu_backward
    _curvature = _gelu_curvature


@inline
def _logistic_pair(x):
    """The logistic functions of x and -x, each as exact as can be."""
    e = _exp(-abs(x))
    larger = real(1) / (real(1) + e)
    smaller = e / (real(1) + e)
    return (larger, smaller) if x > real(0) else (smaller, larger)


@kernel(FORWARD)
def _silu_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        x = real(-750) if z[i] < real(-750) else z[i]
        above, _ = _logistic_pair(x)
        a[i] = x * above


@kernel(BACKWARD)
def _silu_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        above, below = _logistic_pair(z[i])
        delta[i] *= above + _damped(z[i], above * below)


@kernel(BACKWARD)
def _silu_curvature(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        above, below = _logistic_pair(z[i])
        delta[i] *= _damped(real(2) - z[i] * (above - below), above * below)


class SiLU(Activation):
    r"""Sigmoid linear unit, also known as swish.

    .. math:: f(z) = \frac{z}{1 + e^{-z}}

    References
    ----------
    S. Elfwing, E. Uchibe, K. Doya. "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning". Neural Networks 107, 2018,
    :arxiv:`1702.03118`.

    P. Ramachandran, B. Zoph, Q. Le. "Searching for activation functions". 2017,
    :arxiv:`1710.05941`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="silu", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _in_place = False
    _forward = _silu_forward
    _backward = _silu_backward
    _curvature = _silu_curvature


def _mish_pair(x):
    """tanh(log(1 + exp(x))) and the derivative of x times it, for x >= -750."""
    # From x = 22 on, both round to 1. No factor may be drawn into the fractions: the largest
    # terms are near the end of float32.
    x = real(22) if x > real(22) else x
    e = _exp(x)
    n = e * (e + real(2))
    m = n + real(2)
    return n / m, (n * m + real(4) * x * e * (e + real(1))) / (m * m)


_mish = inline_exactly(_mish_pair, _mish_pair)


@kernel(FORWARD)
def _mish_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        x = real(-750) if z[i] < real(-750) else z[i]
        gate, _ = _mish(x)
        a[i] = x * gate


@kernel(BACKWARD)
def _mish_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        _, derivative = _mish(real(-750) if z[i] < real(-750) else z[i])
        delta[i] *= derivative


@kernel(BACKWARD)
def _mish_curvature(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        # A fraction of polynomials in exp(z): above 0 in exp(-z), which does not overflow.
        x = z[i]
        e = _exp(-abs(x))
        m = (real(2) * e + real(2)) * e + real(1)
        q = ((real(2) * e + real(2)) * e - real(3)) * e - real(2)
        outer = e * e
        if not x > real(0):
            m = (e + real(2)) * e + real(2)
            q = real(2) - ((real(2) * e + real(3)) * e - real(2)) * e
            outer = e
        inner = real(2) * (real(1) + e) * m + x * q
        delta[i] *= _damped(real(4) * inner / (m * m * m), outer)


class Mish(Activation):
    r"""Smooth and not monotonic, much like SiLU.

    .. math:: f(z) = z \tanh(\log(1 + e^z))

    References
    ----------
    D. Misra. "Mish: A self regularized non-monotonic activation function". BMVC 2020,
    :arxiv:`1908.08681`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="mish", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _in_place = False
    _forward = _mish_forward
    _backward = _mish_backward
    _curvature = _mish_curvature


@kernel(FORWARD)
def _softplus_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        a[i] = _softplus(a[i])


@kernel(BACKWARD)
def _softplus_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] *= -_expm1(-a[i])


@kernel(BACKWARD)
def _softplus_curvature(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] *= -_expm1(-a[i]) * _exp(-a[i])


class Softplus(Activation):
    r"""Smooth form of the rectified linear unit.

    .. math:: f(z) = \log(1 + e^z)

    References
    ----------
    C. Dugas et al. "Incorporating second-order functional knowledge for better option
    pricing". NeurIPS 2000.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), activation="softplus", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _softplus_forward
    _backward = _softplus_backward
    _curvature = _softplus_curvature


ACTIVATIONS = Registry(
    {
        "identity": Identity,
        "logistic": Logistic,
        "tanh": Tanh,
        "relu": ReLU,
        "hard_tanh": HardTanh,
        "softsign": Softsign,
        "leaky_relu": LeakyReLU,
        "elu": ELU,
        "selu": SELU,
        "gelu": GELU,
        "silu": SiLU,
        "mish": Mish,
        "softplus": Softplus,
    },
    aliases={"sigmoid": "logistic", "swish": "silu"},
)
