"""Adam and its descendants: steps divided by the root of an average of squares.

Adam and AMSGrad have scikit-learn's form, in which epsilon is added before the bias of
the average :math:`v` is corrected. The others are as torch.optim has them, or optax those
that torch lacks.
"""

import math
from numbers import Real

from sklearn.utils._param_validation import Interval

from .._compiler.declarations import at, inline, kernel, offset, real
from .._components import DECAY, NON_NEGATIVE, POSITIVE
from .base import (
    UPDATE,
    Elementwise,
    FirstOrder,
    WholeStep,
    arrays_at,
    blend,
    both,
    run_of_arrays,
    soft_threshold,
)


class _Moments(FirstOrder):
    """Base of the optimizers with Adam's three parameters."""

    _parameter_constraints = {"beta_1": DECAY, "beta_2": DECAY, "epsilon": POSITIVE}

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon


# The constants of the rules below: shares of the averages, rate, epsilon, and ``held``, the
# value that the average m of a constant gradient of 1 would have reached by now.


@inline
def _adam_constants(lr, t, p, scalars):
    bias_1, bias_2 = 1.0 - p.beta_1**t, 1.0 - p.beta_2**t
    rate = lr * math.sqrt(bias_2) / bias_1
    return both(p.beta_1), both(p.beta_2), real(rate), real(p.epsilon), real(bias_1)


@inline
def _adam(g, slots, c):
    beta_1, beta_2, rate, epsilon, held = c
    m, v = blend(slots[0], g, beta_1), blend(slots[1], g * g, beta_2)
    size = math.sqrt(v) + epsilon
    return rate * m / size, rate * held / size, (m, v)


@inline
def _amsgrad(g, slots, c):
    beta_1, beta_2, rate, epsilon, held = c
    m, v = blend(slots[0], g, beta_1), blend(slots[1], g * g, beta_2)
    top = v if v > slots[2] else slots[2]
    size = math.sqrt(top) + epsilon
    return rate * m / size, rate * held / size, (m, v, top)


class Adam(_Moments):
    r"""Adaptive moment estimation: momentum over the root of an average of squares.

    .. math::

        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        \theta \leftarrow \theta - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
        \frac{m}{\sqrt{v} + \epsilon}

    With ``amsgrad`` the root is that of the largest :math:`v` so far, see `AMSGrad`.

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

    _plain = Elementwise(_adam, _adam_constants, n_slots=2)
    _with_maximum = Elementwise(_amsgrad, _adam_constants, n_slots=3)

    @property
    def _rule(self):
        return self._with_maximum if self.amsgrad else self._plain


class AMSGrad(Adam):
    r"""Adam whose denominator never falls.

    With :math:`m` and :math:`v` as in `Adam`:

    .. math::

        u \leftarrow \max(u, v), \qquad
        \theta \leftarrow \theta - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
        \frac{m}{\sqrt{u} + \epsilon}

    It is the same as ``Adam(amsgrad=True)``.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-8
        Keeps the division finite.
    amsgrad : bool, default=True
        Never let the denominator fall.

    References
    ----------
    S. Reddi, S. Kale, S. Kumar. "On the convergence of Adam and beyond". ICLR 2018,
    :arxiv:`1904.09237`; as in torch.optim, the biases are corrected.

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


@inline
def _unbiased_constants(lr, t, p, scalars):
    """Adam's, but with epsilon added to the root after its bias is corrected, as in most papers."""
    # Multiplied out: instead of dividing each root by the bias, epsilon and the rate take it.
    bias_1, root = 1.0 - p.beta_1**t, math.sqrt(1.0 - p.beta_2**t)
    rate = lr * root / bias_1
    return both(p.beta_1), both(p.beta_2), real(rate), real(p.epsilon * root), real(bias_1)


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

    _rule = Elementwise(_adam, _unbiased_constants, n_slots=2)
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")
    _parameter_constraints = {**_Moments._parameter_constraints, "weight_decay": NON_NEGATIVE}

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=1e-2):
        super().__init__(beta_1, beta_2, epsilon)
        self.weight_decay = weight_decay


@inline
def _adamax_constants(lr, t, p, scalars):
    bias_1 = 1.0 - p.beta_1**t
    return both(p.beta_1), real(p.beta_2), real(lr / bias_1), real(p.epsilon), real(bias_1)


@inline
def _adamax(g, slots, c):
    beta_1, beta_2, rate, epsilon, held = c
    m, faded, size = blend(slots[0], g, beta_1), beta_2 * slots[1], abs(g) + epsilon
    u = faded if faded > size else size
    return rate * m / u, rate * held / u, (m, u)


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

    _rule = Elementwise(_adamax, _adamax_constants, n_slots=2)
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")
    default_learning_rate = 2e-3


@inline
def _momentum_at(t, p):
    return p.beta_1 * (1.0 - 0.5 * 0.96 ** (t * p.momentum_decay))


@inline
def _nadam_advance(lr, t, p, scalars):
    """Update the product of the momenta so far."""
    scalars[0] = real(float(scalars[0]) * _momentum_at(t, p))


@inline
def _nadam_constants(lr, t, p, scalars):
    now, ahead = _momentum_at(t, p), _momentum_at(t + 1.0, p)
    product = float(scalars[0])
    root = math.sqrt(1.0 - p.beta_2**t)
    by_g = lr * root * (1.0 - now) / (1.0 - product)
    by_m = lr * root * ahead / (1.0 - product * ahead)
    beta_1, beta_2, epsilon = both(p.beta_1), both(p.beta_2), real(p.epsilon * root)
    return beta_1, beta_2, real(by_g), real(by_m), epsilon, real(1.0 - p.beta_1**t)


@inline
def _nadam(g, slots, c):
    beta_1, beta_2, by_g, by_m, epsilon, held = c
    m, v = blend(slots[0], g, beta_1), blend(slots[1], g * g, beta_2)
    size = math.sqrt(v) + epsilon
    return (by_g * g + by_m * m) / size, (by_g + by_m * held) / size, (m, v)


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

    _rule = Elementwise(_nadam, _nadam_constants, n_slots=2, advance=_nadam_advance, n_scalars=1)
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")
    _parameter_constraints = {**_Moments._parameter_constraints, "momentum_decay": NON_NEGATIVE}
    default_learning_rate = 2e-3

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8, momentum_decay=4e-3):
        super().__init__(beta_1, beta_2, epsilon)
        self.momentum_decay = momentum_decay

    def initial_state(self, layout, theta):
        state = super().initial_state(layout, theta)
        state[-1] = 1  # the product of the momenta
        return state


@inline
def _radam_constants(lr, t, p, scalars):
    bias_1, bias_2 = 1.0 - p.beta_1**t, 1.0 - p.beta_2**t
    # The length of the average of squares, in steps, and its limit. At 5 steps its variance is
    # known well enough to divide by it.
    limit = 2.0 / (1.0 - p.beta_2) - 1.0
    length = limit - 2.0 * t * (1.0 - bias_2) / bias_2
    rate = lr / bias_1
    # The denominator is slope * root + epsilon, so these make it 1: plain momentum.
    slope, epsilon = 0.0, 1.0
    if length > 5.0:
        variance = (limit - 4.0) * (limit - 2.0) * length
        rate *= math.sqrt(bias_2 * (length - 4.0) * (length - 2.0) * limit / variance)
        slope, epsilon = 1.0, p.epsilon
    beta_1, beta_2 = both(p.beta_1), both(p.beta_2)
    return beta_1, beta_2, real(rate), real(slope), real(epsilon), real(bias_1)


@inline
def _radam(g, slots, c):
    beta_1, beta_2, rate, slope, epsilon, held = c
    m, v = blend(slots[0], g, beta_1), blend(slots[1], g * g, beta_2)
    size = slope * math.sqrt(v) + epsilon
    return rate * m / size, rate * held / size, (m, v)


class RAdam(_Moments):
    r"""Adam that starts as plain momentum, until its average of squares is reliable.

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

    _rule = Elementwise(_radam, _radam_constants, n_slots=2)
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")


@inline
def _adabelief_constants(lr, t, p, scalars):
    beta_1, beta_2, rate, epsilon, held = _unbiased_constants(lr, t, p, scalars)
    return beta_1, beta_2, rate, epsilon, held, real(p.epsilon)


@inline
def _adabelief(g, slots, c):
    beta_1, beta_2, rate, epsilon, held, floor = c
    m = blend(slots[0], g, beta_1)
    surprise = g - m
    s = blend(slots[1], surprise * surprise, beta_2) + floor
    size = math.sqrt(s) + epsilon
    return rate * m / size, rate * held / size, (m, s)


class AdaBelief(_Moments):
    r"""Adam that divides by how far gradients deviate from their average.

    With :math:`m` and :math:`\hat m` as in `AdamW`:

    .. math::

        s \leftarrow \beta_2 s + (1 - \beta_2) (g - m)^2 + \epsilon, \quad
        \theta \leftarrow \theta - \eta \frac{\hat m}{\sqrt{\hat s} + \epsilon}, \quad
        \hat s = \frac{s}{1 - \beta_2^t}

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its squared deviation.
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

    _rule = Elementwise(_adabelief, _adabelief_constants, n_slots=2)

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-16):
        super().__init__(beta_1, beta_2, epsilon)


@inline
def _yogi(g, slots, c):
    beta_1, beta_2, rate, epsilon, held = c
    square = g * g
    m, v, change = blend(slots[0], g, beta_1), slots[1], beta_2[1] * square
    v += change if v < square else -change if v > square else real(0)
    size = math.sqrt(v) + epsilon
    return rate * m / size, rate * held / size, (m, v)


class Yogi(_Moments):
    r"""Adam whose average of squares changes by at most one square a step.

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

    _rule = Elementwise(_yogi, _unbiased_constants, n_slots=2)
    default_learning_rate = 1e-2

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-3):
        super().__init__(beta_1, beta_2, epsilon)

    def initial_state(self, layout, theta):
        state = super().initial_state(layout, theta)
        state[:] = 1e-6
        return state


@kernel(UPDATE)
def _schedule_free(theta, gradient, state, layout, scratch, lr, step, parameters, l1):
    table, arrays = at(layout, 0), arrays_at(at(layout, 0).arrays)
    # The loop moves y, where gradients are taken, and z; the average x follows from both.
    v, z, scalars = state, offset(state, table.stride), offset(state, 2 * table.stride)
    # Weighted by the squares of the largest rates so far, the average counts steps of a warm-up
    # less, but not those of a falling rate.
    largest = lr if lr > float(scalars[0]) else float(scalars[0])
    total = float(scalars[1]) + largest * largest
    scalars[0], scalars[1] = real(largest), real(total)
    share = largest * largest / total if total > 0.0 else 0.0
    by_y, by_z = real(1.0 - share), real(share)
    by_change = real(1.0 - parameters[0] * (1.0 - share))
    beta_2, new_2 = both(parameters[1])
    bias_2 = math.sqrt(1.0 - parameters[1] ** float(step))
    row = 0
    while row < table.n_arrays:
        array = at(arrays, row)
        first = array.offset
        last, row = run_of_arrays(layout, row)
        rate, epsilon = real(lr * array.rate * bias_2), real(1e-8 * bias_2)
        decay = real(lr * array.rate * parameters[2] * array.decays)
        weight = real(l1 * array.decays)
        for i in range(first, last):
            g, y = gradient[i], theta[i]
            v[i] = beta_2 * v[i] + new_2 * g * g
            size = math.sqrt(v[i]) + epsilon
            change = rate * g / size + decay * y
            theta[i] = by_y * y + by_z * z[i] - by_change * change
            z[i] -= change
        # A loop of its own, which leaves the one above without a branch when there is no L1. The
        # threshold acts on the iterate z, and on y as far as y follows it.
        if weight > real(0):
            for i in range(first, last):
                after = soft_threshold(z[i], rate * weight / (math.sqrt(v[i]) + epsilon))
                theta[i] += by_change * (after - z[i])
                z[i] = after


class ScheduleFree(FirstOrder):
    r"""AdamW that averages its iterates instead of lowering its learning rate.

    Gradients :math:`g` are taken at :math:`y`, between the iterate :math:`z` and its average
    :math:`x`, which is what predicts. With :math:`\hat v` as in `AdamW`, :math:`\lambda = 0`
    for whatever is not a weight, and the largest learning rate so far, :math:`\eta_{\max}`:

    .. math::

        z \leftarrow z - \eta \left( \frac{g}{\sqrt{\hat v} + 10^{-8}} + \lambda y \right),
        \quad x \leftarrow (1 - c) x + c z, \quad
        c = \frac{\eta_{\max}^2}{\sum_{i \le t} \eta_{\max, i}^2}, \quad
        y = (1 - \beta_1) z + \beta_1 x

    It needs no schedule, but profits from a warm-up.

    Parameters
    ----------
    beta_1 : float, default=0.9
        How close to the average the gradients are taken: more than 0 and less than 1.
    beta_2 : float, default=0.999
        Decay of the average of squared gradients.
    weight_decay : float, default=0
        The factor :math:`\lambda`.

    References
    ----------
    A. Defazio et al. "The road less scheduled". NeurIPS 2024, :arxiv:`2405.15682`. As
    optax's schedule_free_adamw.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import ScheduleFree
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=ScheduleFree(), learning_rate_init=0.02, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _rule = WholeStep(_schedule_free, n_slots=2, n_scalars=2)
    averages_iterates = True
    _parameter_constraints = {
        "beta_1": [Interval(Real, 0, 1, closed="neither")],
        "beta_2": DECAY,
        "weight_decay": NON_NEGATIVE,
    }
    default_learning_rate = 2.5e-3

    def __init__(self, beta_1=0.9, beta_2=0.999, weight_decay=0):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.weight_decay = weight_decay

    def initial_state(self, layout, theta):
        state = super().initial_state(layout, theta)
        self.iterate(theta, state, layout)[:] = theta
        return state

    def iterate(self, theta, state, layout):
        slots, _ = self.slots(layout, state)
        return slots[1, : layout.n_parameters]

    def prediction_parameters(self, theta, state, layout):
        return (theta - (1 - self.beta_1) * self.iterate(theta, state, layout)) / self.beta_1

    def training_parameters(self, theta, state, layout):
        return self.beta_1 * theta + (1 - self.beta_1) * self.iterate(theta, state, layout)
