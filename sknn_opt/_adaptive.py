"""Optimizers that find a step size of their own for each parameter, without Adam's moments."""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._kernel import kernel, real, shift
from ._optimizer import DECAY, NON_NEGATIVE, POSITIVE, UPDATE, FirstOrder


@kernel(UPDATE)
def _adagrad(theta, gradient, state, layout, scratch, lr, step, parameters):
    rate, epsilon = real(lr), real(parameters[0])
    for i in range(layout[0]):
        g = gradient[i]
        state[i] += g * g
        theta[i] -= rate * g / (math.sqrt(state[i]) + epsilon)


class Adagrad(FirstOrder):
    r"""Steps divided by the root of the sum of all squares so far.

    .. math::

        s \leftarrow s + g^2, \qquad
        \theta \leftarrow \theta - \eta \frac{g}{\sqrt{s} + \epsilon}

    Parameters
    ----------
    epsilon : float, default=1e-10
        Keeps the division finite.
    initial_accumulator : float, default=0
        What the sums :math:`s` start from.

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer. "Adaptive subgradient methods for online learning and
    stochastic optimization". JMLR 12, 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import Adagrad
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=Adagrad(), learning_rate_init=0.1, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _adagrad
    _n_slots = 1
    _kernel_parameters = ("epsilon",)
    _parameter_constraints = {"epsilon": POSITIVE, "initial_accumulator": NON_NEGATIVE}
    default_learning_rate = 1e-2

    def __init__(self, epsilon=1e-10, initial_accumulator=0):
        self.epsilon = epsilon
        self.initial_accumulator = initial_accumulator

    def initial_state(self, theta):
        state = super().initial_state(theta)
        with np.errstate(over="ignore"):  # infinite, in float32: the steps are 0 as well
            state[:] = self.initial_accumulator
        return state


@kernel(UPDATE)
def _adadelta(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    squares, steps = state, shift(state, n)
    rho, new, epsilon = real(parameters[0]), real(1.0 - parameters[0]), real(parameters[1])
    rate = real(lr)
    for i in range(n):
        g = gradient[i]
        squares[i] = rho * squares[i] + new * g * g
        change = math.sqrt((steps[i] + epsilon) / (squares[i] + epsilon)) * g
        steps[i] = rho * steps[i] + new * change * change
        theta[i] -= rate * change


class Adadelta(FirstOrder):
    r"""Steps as large as recent steps were, in the proportions of the gradient.

    .. math::

        s \leftarrow \rho s + (1 - \rho) g^2, \quad
        \Delta = \frac{\sqrt{d + \epsilon}}{\sqrt{s + \epsilon}} g, \quad
        d \leftarrow \rho d + (1 - \rho) \Delta^2, \quad
        \theta \leftarrow \theta - \eta \Delta

    Parameters
    ----------
    rho : float, default=0.9
        Decay of both averages.
    epsilon : float, default=1e-6
        Starts the steps, and keeps the division finite.

    References
    ----------
    M. Zeiler. "ADADELTA: An adaptive learning rate method". 2012, :arxiv:`1212.5701`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import Adadelta
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier((20,), optimizer=Adadelta(rho=0.95), tol=1e-3, random_state=0)
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _adadelta
    _n_slots = 2
    _kernel_parameters = ("rho", "epsilon")
    _parameter_constraints = {"rho": DECAY, "epsilon": POSITIVE}
    default_learning_rate = 1.0

    def __init__(self, rho=0.9, epsilon=1e-6):
        self.rho = rho
        self.epsilon = epsilon


@kernel(UPDATE)
def _rmsprop(theta, gradient, state, layout, scratch, lr, step, parameters):
    rate = real(lr)
    rho, new, epsilon = real(parameters[0]), real(1.0 - parameters[0]), real(parameters[1])
    for i in range(layout[0]):
        g = gradient[i]
        state[i] = rho * state[i] + new * g * g
        theta[i] -= rate * g / (math.sqrt(state[i]) + epsilon)


@kernel(UPDATE)
def _rmsprop_with_momentum(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    squares, mean, velocity = state, shift(state, n), shift(state, 2 * n)
    rate, momentum, centered = real(lr), real(parameters[2]), real(parameters[3])
    rho, new, epsilon = real(parameters[0]), real(1.0 - parameters[0]), real(parameters[1])
    for i in range(n):
        g = gradient[i]
        squares[i] = rho * squares[i] + new * g * g
        mean[i] = rho * mean[i] + new * g
        variance = squares[i] - centered * mean[i] * mean[i]
        variance = variance if variance > real(0) else real(0)  # below 0 by rounding alone
        velocity[i] = momentum * velocity[i] + g / (math.sqrt(variance) + epsilon)
        theta[i] -= rate * velocity[i]


class RMSprop(FirstOrder):
    r"""Steps divided by the root of an average of squares.

    .. math::

        s \leftarrow \rho s + (1 - \rho) g^2, \quad
        v \leftarrow \mu v + \frac{g}{\sqrt{s} + \epsilon}, \quad
        \theta \leftarrow \theta - \eta v

    Centered, :math:`s - \bar g^2` stands under the root, with the average :math:`\bar g` of
    the gradient, of the same decay :math:`\rho`.

    Parameters
    ----------
    rho : float, default=0.9
        Decay of the averages; torch.optim, which calls it alpha, has 0.99.
    epsilon : float, default=1e-8
        Keeps the division finite.
    momentum : float, default=0
        The coefficient :math:`\mu`.
    centered : bool, default=False
        Divide by the standard deviation of the gradient.

    References
    ----------
    T. Tieleman, G. Hinton. "Lecture 6.5: RMSprop". Coursera, Neural networks for machine
    learning, 2012.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import RMSprop
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=RMSprop(centered=True), tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _kernel_parameters = ("rho", "epsilon", "momentum", "centered")
    _parameter_constraints = {
        "rho": DECAY,
        "epsilon": POSITIVE,
        "momentum": DECAY,
        "centered": ["boolean"],
    }

    def __init__(self, rho=0.9, epsilon=1e-8, momentum=0, centered=False):
        self.rho = rho
        self.epsilon = epsilon
        self.momentum = momentum
        self.centered = centered

    @property
    def _plain(self):
        return self.momentum == 0 and not self.centered

    @property
    def _update(self):
        return _rmsprop if self._plain else _rmsprop_with_momentum

    @property
    def _n_slots(self):
        return 1 if self._plain else 3


@kernel(UPDATE)
def _rprop(theta, gradient, state, layout, scratch, lr, step, parameters):
    if lr == 0.0:
        return
    n = layout[0]
    before, size = state, shift(state, n)
    rate, inverse = real(lr), real(1.0 / lr)
    eta_minus, eta_plus = real(parameters[0]), real(parameters[1])
    step_min, step_max = real(parameters[2]), real(parameters[3])
    for i in range(n):
        g = gradient[i]
        agreement = g * before[i]
        factor = eta_plus if agreement > real(0) else real(1)
        factor = eta_minus if agreement < real(0) else factor
        g = real(0) if agreement < real(0) else g
        before[i] = g
        change = rate * size[i] * factor
        change = change if change > step_min else step_min
        change = change if change < step_max else step_max
        size[i] = change * inverse
        sign = real(1) if g > real(0) else g  # 0, or a NaN that must not go unseen
        sign = real(-1) if g < real(0) else sign
        theta[i] -= sign * change


class Rprop(FirstOrder):
    r"""Steps of sizes that grow while the gradient's sign stays and shrink when it changes.

    .. math::

        \delta \leftarrow \min(\max(f \delta, \delta_{\min}), \delta_{\max}), \quad
        f = \begin{cases} \eta_+ & g g' > 0 \\ \eta_- & g g' < 0 \\ 1 & g g' = 0 \end{cases},
        \quad \theta \leftarrow \theta - \operatorname{sign}(g) \delta

    with the gradient :math:`g'` of the step before. Where the sign changed, :math:`g` is
    set to 0: there is no step, and none back. The sizes start from the learning rate; a
    schedule scales all of them.

    A sign says little about a mini-batch: an estimator's ``batch_size="auto"`` means all
    samples here.

    Parameters
    ----------
    eta_minus : float, default=0.5
        Factor of a step size after a change of sign, between 0 and 1.
    eta_plus : float, default=1.2
        Factor of a step size otherwise, more than 1.
    step_min, step_max : float, default=1e-6, 50
        Bounds on the step sizes.

    References
    ----------
    M. Riedmiller, H. Braun. "A direct adaptive method for faster backpropagation learning:
    The RPROP algorithm". ICNN 1993. As torch.optim's, without the step back.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import Rprop
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier((20,), optimizer=Rprop(step_max=1.0), tol=1e-3, random_state=0)
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _update = _rprop
    _n_slots = 2
    _full_batch = True
    _kernel_parameters = ("eta_minus", "eta_plus", "step_min", "step_max")
    _parameter_constraints = {
        "eta_minus": [Interval(Real, 0, 1, closed="neither")],
        "eta_plus": [Interval(Real, 1, None, closed="neither")],
        "step_min": POSITIVE,
        "step_max": POSITIVE,
    }
    default_learning_rate = 1e-2

    def __init__(self, eta_minus=0.5, eta_plus=1.2, step_min=1e-6, step_max=50):
        self.eta_minus = eta_minus
        self.eta_plus = eta_plus
        self.step_min = step_min
        self.step_max = step_max

    def initial_state(self, theta):
        state = super().initial_state(theta)
        state[theta.size :] = 1  # step sizes, in units of the learning rate
        return state
