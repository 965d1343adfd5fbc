"""Adam and its descendants: steps divided by the root of an average of squares.

Adam and AMSGrad have scikit-learn's form, in which epsilon is added before the bias of
the average :math:`v` is corrected. The others are as torch.optim has them, or optax those
that torch lacks.
"""

import math

from .._compiler.declarations import inline, inline_exactly, kernel, real, shift
from .base import DECAY, NON_NEGATIVE, POSITIVE, UPDATE, FirstOrder


class _Moments(FirstOrder):
    """Base of the optimizers with Adam's three parameters."""

    _n_slots = 2
    _kernel_parameters = ("beta_1", "beta_2", "epsilon")
    _parameter_constraints = {"beta_1": DECAY, "beta_2": DECAY, "epsilon": POSITIVE}

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon


#: How many pairs of elements share a division, which takes the time in float64 only.
_n_pairs = inline_exactly(lambda n: n // 2, lambda n: 0)


@inline
def _direction(m, v, g, i, beta_1, beta_2, new_1, new_2, epsilon):
    """Blend g into the averages of element i; return numerator and denominator of its step."""
    m[i] = beta_1 * m[i] + new_1 * g
    v[i] = beta_2 * v[i] + new_2 * g * g
    return m[i], math.sqrt(v[i]) + epsilon


@kernel(UPDATE)
def _adam(theta, gradient, state, layout, scratch, lr, step, parameters):
    n, n_pairs = layout[0], _n_pairs(layout[0])
    m, v = state, shift(state, n)
    beta_1, beta_2 = real(parameters[0]), real(parameters[1])
    new_1, new_2 = real(1.0 - parameters[0]), real(1.0 - parameters[1])
    # Bounded, lest the product of two vanish. A root of v is not below it either, but for 0.
    epsilon = real(parameters[2] if parameters[2] > 2.0**-511 else 2.0**-511)
    bias_1 = 1.0 - parameters[0] ** float(step)
    bias_2 = 1.0 - parameters[1] ** float(step)
    rate = real(lr * math.sqrt(bias_2) / bias_1)
    for i in range(n_pairs):
        j = n_pairs + i
        p, q = _direction(m, v, gradient[i], i, beta_1, beta_2, new_1, new_2, epsilon)
        r, s = _direction(m, v, gradient[j], j, beta_1, beta_2, new_1, new_2, epsilon)
        common = rate / (q * s)
        theta[i] -= common * s * p
        theta[j] -= common * q * r
    for i in range(2 * n_pairs, n):
        p, q = _direction(m, v, gradient[i], i, beta_1, beta_2, new_1, new_2, epsilon)
        theta[i] -= rate * p / q


@kernel(UPDATE)
def _amsgrad(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    m, v, top = state, shift(state, n), shift(state, 2 * n)
    beta_1, beta_2, epsilon = real(parameters[0]), real(parameters[1]), real(parameters[2])
    new_1, new_2 = real(1.0 - parameters[0]), real(1.0 - parameters[1])
    bias_1 = 1.0 - parameters[0] ** float(step)
    bias_2 = 1.0 - parameters[1] ** float(step)
    rate = real(lr * math.sqrt(bias_2) / bias_1)
    for i in range(n):
        g = gradient[i]
        m[i] = beta_1 * m[i] + new_1 * g
        v[i] = beta_2 * v[i] + new_2 * g * g
        top[i] = v[i] if v[i] > top[i] else top[i]
        theta[i] -= rate * m[i] / (math.sqrt(top[i]) + epsilon)


class Adam(_Moments):
    r"""Adaptive moment estimation.

    .. math::

        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        \theta \leftarrow \theta - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
        \frac{m}{\sqrt{v} + \epsilon}

    AMSGrad divides by the root of the largest :math:`v` so far instead.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-8
        Keeps the division finite.
    amsgrad : bool, default=False
        Never let the denominator fall.

    References
    ----------
    D. Kingma, J. Ba. "Adam: A method for stochastic optimization". ICLR 2015,
    :arxiv:`1412.6980`, in the form at the end of its section 2, which is scikit-learn's.

    S. Reddi, S. Kale, S. Kumar. "On the convergence of Adam and beyond". ICLR 2018,
    :arxiv:`1904.09237`; as in torch.optim, the biases are corrected.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import Adam
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=Adam(beta_1=0.8), learning_rate_init=0.01, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _estimator_keywords = ("beta_1", "beta_2", "epsilon")
    _parameter_constraints = {**_Moments._parameter_constraints, "amsgrad": ["boolean"]}

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8, amsgrad=False):
        super().__init__(beta_1, beta_2, epsilon)
        self.amsgrad = amsgrad

    @property
    def _update(self):
        return _amsgrad if self.amsgrad else _adam

    @property
    def _n_slots(self):
        return 3 if self.amsgrad else 2


class AMSGrad(Adam):
    """Adam with ``amsgrad=True``: what the name "amsgrad" stands for.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-8
        Keeps the division finite.
    amsgrad : bool, default=True
        Never let the denominator fall.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer="amsgrad", learning_rate_init=0.01, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8, amsgrad=True):
        super().__init__(beta_1, beta_2, epsilon, amsgrad)


@kernel(UPDATE)
def _adamw(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    m, v = state, shift(state, n)
    beta_1, beta_2 = real(parameters[0]), real(parameters[1])
    new_1, new_2 = real(1.0 - parameters[0]), real(1.0 - parameters[1])
    root = math.sqrt(1.0 - parameters[1] ** float(step))
    rate = real(lr * root / (1.0 - parameters[0] ** float(step)))
    epsilon = real(parameters[2] * root)
    keep = real(1.0 - lr * parameters[3])
    first, last = 0, layout[1]
    while first < n:
        for i in range(first, last):
            g = gradient[i]
            m[i] = beta_1 * m[i] + new_1 * g
            v[i] = beta_2 * v[i] + new_2 * g * g
            theta[i] = keep * theta[i] - rate * m[i] / (math.sqrt(v[i]) + epsilon)
        first, last, keep = last, n, real(1)


class AdamW(_Moments):
    r"""Adam with decoupled weight decay.

    With :math:`m` and :math:`v` as in `Adam`, and :math:`\lambda = 0` for whatever is not
    a weight:

    .. math::

        \theta \leftarrow (1 - \eta \lambda) \theta - \eta \frac{\hat m}{\sqrt{\hat v} +
        \epsilon}, \qquad
        \hat m = \frac{m}{1 - \beta_1^t}, \quad \hat v = \frac{v}{1 - \beta_2^t}

    The penalty ``alpha`` of the estimator stays on beside it.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-8
        Keeps the division finite.
    weight_decay : float, default=1e-2
        The factor :math:`\lambda`; multiplied by the learning rate, as in torch.optim.

    References
    ----------
    I. Loshchilov, F. Hutter. "Decoupled weight decay regularization". ICLR 2019,
    :arxiv:`1711.05101`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import AdamW
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=AdamW(weight_decay=0.1),
    ...     learning_rate_init=0.01, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _adamw
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")
    _kernel_parameters = ("beta_1", "beta_2", "epsilon", "weight_decay")
    _parameter_constraints = {**_Moments._parameter_constraints, "weight_decay": NON_NEGATIVE}

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=1e-2):
        super().__init__(beta_1, beta_2, epsilon)
        self.weight_decay = weight_decay


@kernel(UPDATE)
def _adamax(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    m, u = state, shift(state, n)
    beta_1, beta_2, epsilon = real(parameters[0]), real(parameters[1]), real(parameters[2])
    new_1 = real(1.0 - parameters[0])
    rate = real(lr / (1.0 - parameters[0] ** float(step)))
    for i in range(n):
        g = gradient[i]
        m[i] = beta_1 * m[i] + new_1 * g
        faded, size = beta_2 * u[i], abs(g) + epsilon
        u[i] = faded if faded > size else size
        theta[i] -= rate * m[i] / u[i]


class Adamax(_Moments):
    r"""Adam with the largest recent gradient in place of the average of squares.

    .. math::

        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        u \leftarrow \max(\beta_2 u, |g| + \epsilon), \quad
        \theta \leftarrow \theta - \frac{\eta}{1 - \beta_1^t} \frac{m}{u}

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the average of the gradient and of the maximum.
    epsilon : float, default=1e-8
        Keeps the division finite; not in the paper, here as in torch.optim.

    References
    ----------
    D. Kingma, J. Ba. "Adam: A method for stochastic optimization". ICLR 2015,
    :arxiv:`1412.6980`, section 7.1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import Adamax
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=Adamax(), learning_rate_init=0.02, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _adamax
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")
    default_learning_rate = 2e-3


@kernel(UPDATE)
def _nadam(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    m, v, product = state, shift(state, n), shift(state, 2 * n)
    beta_1, beta_2 = real(parameters[0]), real(parameters[1])
    new_1, new_2 = real(1.0 - parameters[0]), real(1.0 - parameters[1])
    now = parameters[0] * (1.0 - 0.5 * 0.96 ** (float(step) * parameters[3]))
    ahead = parameters[0] * (1.0 - 0.5 * 0.96 ** (float(step + 1) * parameters[3]))
    so_far = float(product[0]) * now
    product[0] = real(so_far)
    root = math.sqrt(1.0 - parameters[1] ** float(step))
    epsilon = real(parameters[2] * root)
    by_g = real(lr * root * (1.0 - now) / (1.0 - so_far))
    by_m = real(lr * root * ahead / (1.0 - so_far * ahead))
    for i in range(n):
        g = gradient[i]
        m[i] = beta_1 * m[i] + new_1 * g
        v[i] = beta_2 * v[i] + new_2 * g * g
        theta[i] -= (by_g * g + by_m * m[i]) / (math.sqrt(v[i]) + epsilon)


class NAdam(_Moments):
    r"""Adam with Nesterov's momentum.

    With :math:`m` and :math:`\hat v` as in `AdamW`:

    .. math::

        \mu_t = \beta_1 (1 - \tfrac{1}{2} 0.96^{t \psi}), \quad
        \theta \leftarrow \theta - \frac{\eta}{\sqrt{\hat v} + \epsilon} \left(
        \frac{(1 - \mu_t) g}{1 - \prod_{i \le t} \mu_i} +
        \frac{\mu_{t+1} m}{1 - \prod_{i \le t + 1} \mu_i} \right)

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-8
        Keeps the division finite.
    momentum_decay : float, default=4e-3
        How fast the momentum :math:`\mu` rises to :math:`\beta_1`, :math:`\psi` above.

    References
    ----------
    T. Dozat. "Incorporating Nesterov momentum into Adam". ICLR 2016 workshop; with
    torch.optim's default learning rate and :math:`\psi`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import NAdam
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=NAdam(), learning_rate_init=0.01, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _nadam
    _n_scalars = 1
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")
    _kernel_parameters = ("beta_1", "beta_2", "epsilon", "momentum_decay")
    _parameter_constraints = {**_Moments._parameter_constraints, "momentum_decay": NON_NEGATIVE}
    default_learning_rate = 2e-3

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8, momentum_decay=4e-3):
        super().__init__(beta_1, beta_2, epsilon)
        self.momentum_decay = momentum_decay

    def initial_state(self, theta):
        state = super().initial_state(theta)
        state[-1] = 1  # the product of the momenta
        return state


@kernel(UPDATE)
def _radam(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    m, v = state, shift(state, n)
    beta_1, beta_2 = real(parameters[0]), real(parameters[1])
    new_1, new_2 = real(1.0 - parameters[0]), real(1.0 - parameters[1])
    bias_2 = 1.0 - parameters[1] ** float(step)
    limit = 2.0 / (1.0 - parameters[1]) - 1.0
    length = limit - 2.0 * float(step) * (1.0 - bias_2) / bias_2
    rate = lr / (1.0 - parameters[0] ** float(step))
    slope, offset = 0.0, 1.0  # of the denominator: plain momentum
    if length > 5.0:
        variance = (limit - 4.0) * (limit - 2.0) * length
        rate *= math.sqrt(bias_2 * (length - 4.0) * (length - 2.0) * limit / variance)
        slope, offset = 1.0, parameters[2]
    rate, slope, offset = real(rate), real(slope), real(offset)
    for i in range(n):
        g = gradient[i]
        m[i] = beta_1 * m[i] + new_1 * g
        v[i] = beta_2 * v[i] + new_2 * g * g
        theta[i] -= rate * m[i] / (slope * math.sqrt(v[i]) + offset)


class RAdam(_Moments):
    r"""Adam that starts as momentum until its average of squares can be relied on.

    With :math:`m`, :math:`v` and :math:`\hat m` as in `AdamW`:

    .. math::

        \rho_\infty = \frac{2}{1 - \beta_2} - 1, \quad
        \rho = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \quad
        r = \sqrt{\frac{(\rho - 4)(\rho - 2) \rho_\infty}
        {(\rho_\infty - 4)(\rho_\infty - 2) \rho}},

    .. math::

        \theta \leftarrow \theta - \eta r \hat m \frac{\sqrt{1 - \beta_2^t}}
        {\sqrt{v} + \epsilon} \text{ if } \rho > 5, \quad \theta - \eta \hat m \text{ else}

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-8
        Keeps the division finite.

    References
    ----------
    L. Liu et al. "On the variance of the adaptive learning rate and beyond". ICLR 2020,
    :arxiv:`1908.03265`. The paper rectifies from :math:`\rho > 4` on, torch.optim from 5.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import RAdam
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=RAdam(), learning_rate_init=0.02, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _radam
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")


@kernel(UPDATE)
def _adabelief(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    m, s = state, shift(state, n)
    beta_1, beta_2, floor = real(parameters[0]), real(parameters[1]), real(parameters[2])
    new_1, new_2 = real(1.0 - parameters[0]), real(1.0 - parameters[1])
    root = math.sqrt(1.0 - parameters[1] ** float(step))
    rate = real(lr * root / (1.0 - parameters[0] ** float(step)))
    epsilon = real(parameters[2] * root)
    for i in range(n):
        g = gradient[i]
        m[i] = beta_1 * m[i] + new_1 * g
        surprise = g - m[i]
        s[i] = beta_2 * s[i] + new_2 * surprise * surprise + floor
        theta[i] -= rate * m[i] / (math.sqrt(s[i]) + epsilon)


class AdaBelief(_Moments):
    r"""Adam with the average of squared surprises in place of squared gradients.

    With :math:`m` and :math:`\hat m` as in `AdamW`:

    .. math::

        s \leftarrow \beta_2 s + (1 - \beta_2) (g - m)^2 + \epsilon, \quad
        \theta \leftarrow \theta - \eta \frac{\hat m}{\sqrt{\hat s} + \epsilon}, \quad
        \hat s = \frac{s}{1 - \beta_2^t}

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of the squared surprises.
    epsilon : float, default=1e-16
        Keeps the division finite; optax's default, the paper's is 1e-8.

    References
    ----------
    J. Zhuang et al. "AdaBelief optimizer: Adapting stepsizes by the belief in observed
    gradients". NeurIPS 2020, :arxiv:`2010.07468`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import AdaBelief
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=AdaBelief(), learning_rate_init=0.01, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _adabelief

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-16):
        super().__init__(beta_1, beta_2, epsilon)


@kernel(UPDATE)
def _yogi(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    m, v = state, shift(state, n)
    beta_1, new_1, new_2 = real(parameters[0]), real(1.0 - parameters[0]), real(1.0 - parameters[1])
    root = math.sqrt(1.0 - parameters[1] ** float(step))
    rate = real(lr * root / (1.0 - parameters[0] ** float(step)))
    epsilon = real(parameters[2] * root)
    for i in range(n):
        g = gradient[i]
        square = g * g
        m[i] = beta_1 * m[i] + new_1 * g
        change = new_2 * square
        change = change if v[i] < square else -change if v[i] > square else real(0)
        v[i] += change
        theta[i] -= rate * m[i] / (math.sqrt(v[i]) + epsilon)


class Yogi(_Moments):
    r"""Adam whose average of squares moves by no more than a square at a time.

    With :math:`\hat m` and :math:`\hat v` as in `AdamW`:

    .. math::

        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        v \leftarrow v - (1 - \beta_2) \operatorname{sign}(v - g^2) g^2, \quad
        \theta \leftarrow \theta - \eta \frac{\hat m}{\sqrt{\hat v} + \epsilon}

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-3
        Keeps the division finite.

    References
    ----------
    M. Zaheer et al. "Adaptive methods for nonconvex optimization". NeurIPS 2018. As in
    optax, biases are corrected, and :math:`m` and :math:`v` start from 1e-6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import Yogi
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=Yogi(), learning_rate_init=0.02, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _yogi
    default_learning_rate = 1e-2

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-3):
        super().__init__(beta_1, beta_2, epsilon)

    def initial_state(self, theta):
        state = super().initial_state(theta)
        state[:] = 1e-6
        return state
