"""Activation functions of the hidden layers.

An activation is a class with its hyperparameters and a rule for one number, directly above
it; `ACTIVATIONS`, at the foot, maps names to classes.
"""

from typing import NamedTuple

from ._compiler.declarations import (
    Call,
    Kernel,
    inline,
    inline_exactly,
    inline_template,
    instantiate,
    kernel,
    named_doubles,
    real,
    user_function,
)
from ._compiler.elementary import exp as _exp
from ._compiler.elementary import expm1 as _expm1
from ._compiler.elementary import logistic as _logistic
from ._compiler.elementary import normal as _normal
from ._compiler.elementary import softplus as _softplus
from ._compiler.elementary import tanh as _tanh
from ._components import NON_NEGATIVE, Component, Registry, Rule

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
    "OfInput",
    "OfOutput",
    "ReLU",
    "SiLU",
    "Softplus",
    "Softsign",
    "Tanh",
]

FORWARD = "void (real *a, real *slope, real *curvature, int64 n, double *parameters)"
BACKWARD = "void (real *source, real *delta, int64 n, double *parameters)"

call_forward = Call(FORWARD)
call_backward = Call(BACKWARD)

# In the templates of kernels below: an activation's rules and its parameters by name.
_function = _derivatives = _parameters = None


def _predict(a, slope, curvature, n, parameters):
    p = _parameters(parameters)
    for i in range(n):
        a[i] = _function(a[i], p)[0]


def _forward(a, slope, curvature, n, parameters):
    p = _parameters(parameters)
    for i in range(n):
        f = _function(a[i], p)
        a[i], slope[i] = f[0], f[1]


def _forward_twice(a, slope, curvature, n, parameters):
    p = _parameters(parameters)
    for i in range(n):
        a[i], slope[i], curvature[i] = _function(a[i], p)


@kernel(BACKWARD)
def _multiply(source, delta, n, parameters):
    for i in range(n):
        delta[i] *= source[i]


def _overwrite(a, slope, curvature, n, parameters):
    p = _parameters(parameters)
    for i in range(n):
        a[i] = _function(a[i], p)


def _slopes_from_output(source, delta, n, parameters):
    p = _parameters(parameters)
    for i in range(n):
        delta[i] *= _derivatives(source[i], p)[0]


def _curvatures_from_output(source, delta, n, parameters):
    p = _parameters(parameters)
    for i in range(n):
        delta[i] *= _derivatives(source[i], p)[1]


#: For rectifiers, near 0 on one side, whose variance the He initializers make up for.
_FOR_RECTIFIERS = ("he_normal", "glorot_uniform")


class ActivationKernels(NamedTuple):
    """What a layer calls.

    ``predict``, ``forward`` and ``forward_twice`` overwrite z with a. ``forward`` stores beside
    it what ``backward`` reads, ``forward_twice`` also what ``second`` reads: f' and f'', by which
    these multiply delta, or nothing, if both follow from a.
    """

    predict: Kernel
    forward: Kernel
    forward_twice: Kernel | None
    backward: Kernel
    second: Kernel | None


class OfInput(Rule):
    """An activation by a rule for f and its derivatives at z.

    In training the forward pass stores the derivatives, so the rule is evaluated once a step.

    Parameters
    ----------
    function : inline function
        Maps z and the activation's parameters, by their names, to f, f' and f''.
    twice : bool, default=True
        Whether there is an f''; otherwise the rule returns f and f' alone.
    """

    stores_derivatives = True

    def __init__(self, function, twice=True):
        self.function = function
        self.twice = twice

    def _make_kernels(self, parameters):
        helpers = {"_function": self.function, "_parameters": named_doubles(*parameters)}
        twice = None
        if self.twice:
            twice = instantiate(_forward_twice, FORWARD, **helpers)
        return ActivationKernels(
            predict=instantiate(_predict, FORWARD, **helpers),
            forward=instantiate(_forward, FORWARD, **helpers),
            forward_twice=twice,
            backward=_multiply,
            second=_multiply if self.twice else None,
        )


class OfOutput(Rule):
    """An activation whose derivatives follow from its output a.

    This saves the buffer of the derivatives. It suits derivatives that take a few operations.

    Parameters
    ----------
    function : inline function
        Maps z and the activation's parameters to f.
    derivatives : inline function
        Maps a and the parameters to a tuple of f' and f''.
    twice : bool, default=True
        Whether there is an f''; otherwise it returns a tuple of f' alone.
    """

    stores_derivatives = False

    def __init__(self, function, derivatives, twice=True):
        self.function = function
        self.derivatives = derivatives
        self.twice = twice

    def _make_kernels(self, parameters):
        names = named_doubles(*parameters)
        helpers = {"_derivatives": self.derivatives, "_parameters": names}
        values = instantiate(_overwrite, FORWARD, _function=self.function, _parameters=names)
        second = instantiate(_curvatures_from_output, BACKWARD, **helpers) if self.twice else None
        return ActivationKernels(
            predict=values,
            forward=values,
            forward_twice=values if self.twice else None,
            backward=instantiate(_slopes_from_output, BACKWARD, **helpers),
            second=second,
        )


class Activation(Component):
    """Base of the activation functions :math:`a = f(z)`.

    ``_rule`` is an `OfInput` or an `OfOutput`; None stands for the identity. If in doubt, choose
    `OfInput`.
    """

    _rule = None

    #: The bound of the "auto" initializer is sqrt(_auto_factor / (fan_in + fan_out)).
    _auto_factor = 6.0

    #: The slope at z < 0 that the He initializers allow for.
    _negative_slope = 0.0

    #: Names of the initializers that suit it, the best one first; a diagnosis tries them in turn.
    _suited_initializers = ("glorot_uniform", "he_normal", "lecun_normal")

    @property
    def is_linear(self):
        return self._rule is None

    @property
    def is_twice_differentiable(self):
        """Whether second derivatives exist everywhere and are known."""
        return self.is_linear or self._rule.twice

    @property
    def stores_derivatives(self):
        """Whether the backward pass reads derivatives that the forward pass has stored."""
        return not self.is_linear and self._rule.stores_derivatives

    def kernels(self):
        """Return the ``ActivationKernels``; the identity has none."""
        return self._rule.kernels(self._kernel_parameters)

    @staticmethod
    def from_functions(f, df):
        """Make an activation from plain Python functions of one number.

        Numba compiles them when a network first uses them, once for each process and floating
        type. They may use arithmetic, branches, `math` and NumPy's functions of scalars, and
        must not raise. If they can be imported, the activation can be pickled.

        Parameters
        ----------
        f : function
            Maps z to the activation.
        df : function
            Maps z to the derivative of ``f``.

        Returns
        -------
        activation : Activation

        Examples
        --------
        >>> import math
        >>> from sknn_opt.activations import Activation
        >>> def gaussian(z):
        ...     return math.exp(-z * z)
        >>> def gaussian_derivative(z):
        ...     return -2 * z * math.exp(-z * z)
        >>> activation = Activation.from_functions(gaussian, gaussian_derivative)
        """
        return FromFunctions(f, df)


_value = _derivative = None  # in the rule below: a user's functions


def _user_rule(z, p):
    return _value(z), _derivative(z)


class FromFunctions(Activation):
    """A user's own activation; see `Activation.from_functions`."""

    _parameter_constraints = {"f": [callable], "df": [callable]}

    def __init__(self, f, df):
        self.f = f
        self.df = df

    @property
    def _rule(self):
        functions = {"_value": user_function(self.f, 1), "_derivative": user_function(self.df, 1)}
        return OfInput(inline_template(_user_rule, **functions), twice=False)


class Identity(Activation):
    r"""No activation: all layers together are one linear map.

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


@inline
def _logistic_function(z, p):
    return _logistic(z)


@inline
def _logistic_derivatives(a, p):
    slope = a * (real(1) - a)
    return slope, slope * (real(1) - real(2) * a)


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

    _rule = OfOutput(_logistic_function, _logistic_derivatives)
    _auto_factor = 2.0


@inline
def _tanh_function(z, p):
    return _tanh(z)


@inline
def _tanh_derivatives(a, p):
    # The second derivative has (1 - a)(1 + a), since 1 - a² would lose digits where a is near 1.
    return real(1) - a * a, real(-2) * a * ((real(1) - a) * (real(1) + a))


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

    _rule = OfOutput(_tanh_function, _tanh_derivatives)


@inline
def _relu(z, p):
    # A comparison with NaN is false, so NaN stays NaN: divergence has to be noticed.
    return real(0) if z < real(0) else z


@inline
def _relu_derivative(a, p):
    return (real(0) if a == real(0) else real(1),)


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

    _rule = OfOutput(_relu, _relu_derivative, twice=False)
    _suited_initializers = _FOR_RECTIFIERS


@inline
def _hard_tanh(z, p):
    z = real(-1) if z < real(-1) else z
    return real(1) if z > real(1) else z


@inline
def _hard_tanh_derivative(a, p):
    return (real(0) if abs(a) == real(1) else real(1),)


class HardTanh(Activation):
    r"""Tanh approximated by straight lines; its derivative at -1 and 1 is taken as 0.

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

    _rule = OfOutput(_hard_tanh, _hard_tanh_derivative, twice=False)


@inline
def _softsign(z, p):
    # Beyond these bounds f rounds to -1 or 1. They keep out infinity, whose ratio to itself
    # would be NaN.
    z = real(-1e20) if z < real(-1e20) else z
    z = real(1e20) if z > real(1e20) else z
    return z / (real(1) + abs(z))


@inline
def _softsign_derivative(a, p):
    root = real(1) - abs(a)  # 1 / (1 + |z|), whose square is the derivative
    return (root * root,)


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

    _rule = OfOutput(_softsign, _softsign_derivative, twice=False)


@inline
def _leaky_relu(z, p):
    # With a slope of 0, an infinite z would make the product NaN.
    below = real(p.slope) * z if p.slope > 0.0 else real(0)
    return below if z < real(0) else z


@inline
def _leaky_relu_derivative(a, p):
    return (real(1) if a > real(0) else real(p.slope),)


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

    _rule = OfOutput(_leaky_relu, _leaky_relu_derivative, twice=False)
    _suited_initializers = _FOR_RECTIFIERS
    _parameter_constraints = {"slope": NON_NEGATIVE}

    def __init__(self, slope=0.01):
        self.slope = slope

    @property
    def _negative_slope(self):
        return self.slope


@inline
def _scaled_elu(z, alpha, scale):
    below = alpha * _expm1(z)
    return scale * (below if z < real(0) else z)


@inline
def _scaled_elu_derivative(a, alpha, scale):
    # Below 0 the derivative is scale * alpha * exp(z), which is the output plus its bound.
    return (scale if a > real(0) else a + scale * alpha,)


@inline
def _elu(z, p):
    return _scaled_elu(z, real(p.alpha), real(1))


@inline
def _elu_derivative(a, p):
    return _scaled_elu_derivative(a, real(p.alpha), real(1))


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

    _rule = OfOutput(_elu, _elu_derivative, twice=False)
    _suited_initializers = _FOR_RECTIFIERS
    _parameter_constraints = {"alpha": NON_NEGATIVE}

    def __init__(self, alpha=1.0):
        self.alpha = alpha


@inline
def _selu_constants():
    """Return alpha and the scale that keep a mean of 0 and a variance of 1 as they are."""
    return real(1.6732632423543772), real(1.0507009873554805)


@inline
def _selu(z, p):
    alpha, scale = _selu_constants()
    return _scaled_elu(z, alpha, scale)


@inline
def _selu_derivative(a, p):
    alpha, scale = _selu_constants()
    return _scaled_elu_derivative(a, alpha, scale)


class SELU(Activation):
    r"""Scaled exponential linear unit, which keeps mean 0 and variance 1 through the layers.

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

    _rule = OfOutput(_selu, _selu_derivative, twice=False)
    _suited_initializers = ("lecun_normal",)


@inline
def _damped(x, factor):
    """Return x times a factor that falls to 0 faster than x grows.

    Where the factor has underflowed to 0 the product is 0, even if x is infinite.
    """
    return real(0) if factor == real(0) else x * factor


@inline
def _gelu(z, p):
    # Below -40 Φ(z) and the density are 0 in float64 too; times -infinity they would be NaN.
    z = real(-40) if z < real(-40) else z
    below, density = _normal(z)
    slope = below + _damped(z, density)
    return z * below, slope, _damped(real(2) - z * z, density)


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

    _rule = OfInput(_gelu)
    _suited_initializers = _FOR_RECTIFIERS


@inline
def _logistic_pair(x):
    """Return the logistic functions of x and -x, each to full precision.

    Subtracting one of them from 1 would leave the other one without digits when it is small.
    """
    e = _exp(-abs(x))
    larger = real(1) / (real(1) + e)
    smaller = e / (real(1) + e)
    return (larger, smaller) if x > real(0) else (smaller, larger)


@inline
def _silu(z, p):
    # Below -750 exp(z) is 0 in float64 too; times -infinity it would be NaN.
    z = real(-750) if z < real(-750) else z
    above, below = _logistic_pair(z)
    second = _damped(real(2) - z * (above - below), above * below)
    return z * above, above + _damped(z, above * below), second


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

    _rule = OfInput(_silu)
    _suited_initializers = _FOR_RECTIFIERS


def _mish_pair(x):
    """tanh(log(1 + exp(x))) and the derivative of x times it, for x >= -750."""
    # From x = 22 on, both round to 1. The largest terms below are close to the largest float32,
    # so the compiler must not multiply a factor into the fractions.
    x = real(22) if x > real(22) else x
    e = _exp(x)
    n = e * (e + real(2))
    m = n + real(2)
    return n / m, (n * m + real(4) * x * e * (e + real(1))) / (m * m)


_mish_exactly = inline_exactly(_mish_pair, _mish_pair)


@inline
def _mish_second(z):
    """The second derivative: a fraction of polynomials in exp(z).

    Above 0 it is expanded by powers of exp(-z), which cannot overflow.
    """
    e = _exp(-abs(z))
    m = (real(2) * e + real(2)) * e + real(1)
    q = ((real(2) * e + real(2)) * e - real(3)) * e - real(2)
    outer = e * e
    if not z > real(0):
        m = (e + real(2)) * e + real(2)
        q = real(2) - ((real(2) * e + real(3)) * e - real(2)) * e
        outer = e
    inner = real(2) * (real(1) + e) * m + z * q
    return _damped(real(4) * inner / (m * m * m), outer)


@inline
def _mish(z, p):
    x = real(-750) if z < real(-750) else z
    gate, derivative = _mish_exactly(x)
    return x * gate, derivative, _mish_second(z)


class Mish(Activation):
    r"""Smooth and not monotonic, similar to SiLU.

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

    _rule = OfInput(_mish)
    _suited_initializers = _FOR_RECTIFIERS


@inline
def _softplus_rule(z, p):
    above, below = _logistic_pair(z)
    return _softplus(z), above, above * below


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

    _rule = OfInput(_softplus_rule)


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
