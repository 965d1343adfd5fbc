"""Optimizers that came before Adam, and Lion: momentum, signs, a step size for each parameter."""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from .._compiler.declarations import inline, real
from .._components import DECAY, NON_NEGATIVE, POSITIVE
from .base import Elementwise, FirstOrder, blend, both, sign


@inline
def _sgd_advance(lr, t, p, scalars):
    """Update the velocity that a constant gradient of -1 would have led to by now."""
    scalars[0] = real(p.momentum * float(scalars[0]) + lr * (1.0 - p.dampening))


@inline
def _sgd_constants(lr, t, p, scalars):
    rate, held = lr * (1.0 - p.dampening), float(scalars[0])
    # One formula for both forms: Nesterov's step is momentum * v - rate * g, the plain one v.
    by_v, by_g = 1.0, 0.0
    if p.nesterovs_momentum != 0.0:
        by_v, by_g = p.momentum, rate
    return real(p.momentum), real(rate), real(by_v), real(by_g), real(by_v * held + by_g)


@inline
def _sgd(g, slots, c):
    momentum, rate, by_v, by_g, held = c
    v = momentum * slots[0] - rate * g
    return -(by_v * v - by_g * g), held, (v,)


class SGD(FirstOrder):
    r"""Stochastic gradient descent with momentum.

    With :math:`\lambda = 0` for whatever is not a weight:

    .. math::

        v \leftarrow \mu v - \eta (1 - \tau) g, \qquad
        \theta \leftarrow (1 - \eta \lambda) \theta + v \quad\text{or, Nesterov's,}\quad
        (1 - \eta \lambda) \theta + \mu v - \eta (1 - \tau) g

    The velocity :math:`v` contains the learning rate, as in scikit-learn: a change of the
    rate acts on new gradients only.

    Parameters
    ----------
    momentum : float, default=0.9
        The coefficient :math:`\mu`, between 0 and 1.
    nesterovs_momentum : bool, default=True
        Look ahead along the velocity.
    dampening : float, default=0
        Scales the new gradient by :math:`1 - \tau`. Equal to ``momentum``, it makes the
        velocity an exponential average of gradients.
    weight_decay : float, default=0
        Decoupled: the factor :math:`\lambda`, multiplied by the learning rate.

    References
    ----------
    I. Sutskever et al. "On the importance of initialization and momentum in deep learning".
    ICML 2013.

    I. Loshchilov, F. Hutter. "Decoupled weight decay regularization". ICLR 2019,
    :arxiv:`1711.05101`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import SGD
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=SGD(momentum=0.5),
    ...     learning_rate_init=0.05, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _rule = Elementwise(_sgd, _sgd_constants, n_slots=1, advance=_sgd_advance, n_scalars=1)
    _estimator_keywords = ("momentum", "nesterovs_momentum")
    _parameter_constraints = {
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "dampening": DECAY,
        "weight_decay": NON_NEGATIVE,
    }

    def __init__(self, momentum=0.9, nesterovs_momentum=True, dampening=0, weight_decay=0):
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.dampening = dampening
        self.weight_decay = weight_decay


@inline
def _lion_constants(lr, t, p, scalars):
    return both(p.beta_1), both(p.beta_2), real(lr)


@inline
def _lion(g, slots, c):
    beta_1, beta_2, rate = c
    direction, m = blend(slots[0], g, beta_1), blend(slots[0], g, beta_2)
    return rate * sign(direction), rate, (m,)


class Lion(FirstOrder):
    r"""Steps of one size along the sign of an average of gradients.

    With :math:`\lambda = 0` for whatever is not a weight:

    .. math::

        c = \beta_1 m + (1 - \beta_1) g, \quad
        \theta \leftarrow (1 - \eta \lambda) \theta - \eta \operatorname{sign}(c), \quad
        m \leftarrow \beta_2 m + (1 - \beta_2) g

    An L1 penalty's threshold is the plain learning rate times the penalty: a step by the sign
    has no scale. `Adam` and `SGD`, unlike it, end at the minimum of loss and penalty.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Weight of the average in a step.
    beta_2 : float, default=0.99
        Decay of the average.
    weight_decay : float, default=0
        The factor :math:`\lambda`; optax has 1e-3.

    References
    ----------
    X. Chen et al. "Symbolic discovery of optimization algorithms". NeurIPS 2023,
    :arxiv:`2302.06675`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import Lion
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=Lion(weight_decay=0.1),
    ...     learning_rate_init=0.005, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _rule = Elementwise(_lion, _lion_constants, n_slots=1)
    _parameter_constraints = {"beta_1": DECAY, "beta_2": DECAY, "weight_decay": NON_NEGATIVE}
    default_learning_rate = 1e-4

    def __init__(self, beta_1=0.9, beta_2=0.99, weight_decay=0):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.weight_decay = weight_decay


@inline
def _adagrad_constants(lr, t, p, scalars):
    return real(lr), real(p.epsilon)


@inline
def _adagrad(g, slots, c):
    rate, epsilon = c
    squares = slots[0] + g * g
    size = math.sqrt(squares) + epsilon
    return rate * g / size, rate / size, (squares,)


class Adagrad(FirstOrder):
    r"""Gradients divided by the root of the sum of all their squares so far.

    .. math::

        s \leftarrow s + g^2, \qquad
        \theta \leftarrow \theta - \eta \frac{g}{\sqrt{s} + \epsilon}

    Parameters
    ----------
    epsilon : float, default=1e-10
        Keeps the division finite.
    initial_accumulator : float, default=0
        Initial value of the sums :math:`s`.

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

    _rule = Elementwise(_adagrad, _adagrad_constants, n_slots=1)
    _parameter_constraints = {"epsilon": POSITIVE, "initial_accumulator": NON_NEGATIVE}
    default_learning_rate = 1e-2

    def __init__(self, epsilon=1e-10, initial_accumulator=0):
        self.epsilon = epsilon
        self.initial_accumulator = initial_accumulator

    def initial_state(self, layout, theta):
        state = super().initial_state(layout, theta)
        with np.errstate(over="ignore"):  # infinite, in float32: the steps are 0 as well
            state[:] = self.initial_accumulator
        return state


@inline
def _adadelta_constants(lr, t, p, scalars):
    return both(p.rho), real(p.epsilon), real(lr)


@inline
def _adadelta(g, slots, c):
    rho, epsilon, rate = c
    squares = blend(slots[0], g * g, rho)
    unit = math.sqrt((slots[1] + epsilon) / (squares + epsilon))
    change = unit * g
    return rate * change, rate * unit, (squares, blend(slots[1], change * change, rho))


class Adadelta(FirstOrder):
    r"""Steps in the unit of the parameters, as large as recent ones were.

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
        Gives the first steps their size, and keeps the division finite.

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

    _rule = Elementwise(_adadelta, _adadelta_constants, n_slots=2)
    _parameter_constraints = {"rho": DECAY, "epsilon": POSITIVE}
    default_learning_rate = 1.0

    def __init__(self, rho=0.9, epsilon=1e-6):
        self.rho = rho
        self.epsilon = epsilon


@inline
def _rmsprop_constants(lr, t, p, scalars):
    # A constant gradient of 1 would have led to a momentum of this size by now.
    held = (1.0 - p.momentum**t) / (1.0 - p.momentum)
    inside, outside = (p.epsilon, 0.0) if p.epsilon_inside else (0.0, p.epsilon)
    return (
        real(lr), both(p.rho), real(inside), real(outside), real(p.momentum), real(p.centered),
        real(held),
    )  # fmt: skip


@inline
def _rmsprop(g, slots, c):
    rate, rho, inside, outside, _, _, _ = c
    squares = blend(slots[0], g * g, rho)
    size = math.sqrt(squares + inside) + outside
    return rate * g / size, rate / size, (squares,)


@inline
def _rmsprop_with_momentum(g, slots, c):
    rate, rho, inside, outside, momentum, centered, held = c
    squares, mean = blend(slots[0], g * g, rho), blend(slots[1], g, rho)
    variance = squares - centered * mean * mean
    # Rounding may bring the difference below 0, where it has no root.
    variance = variance if variance > real(0) else real(0)
    size = math.sqrt(variance + inside) + outside
    velocity = momentum * slots[2] + g / size
    return rate * velocity, rate * held / size, (squares, mean, velocity)


class RMSprop(FirstOrder):
    r"""Gradients divided by the root of a running average of their squares.

    .. math::

        s \leftarrow \rho s + (1 - \rho) g^2, \quad
        v \leftarrow \mu v + \frac{g}{\sqrt{s} + \epsilon}, \quad
        \theta \leftarrow \theta - \eta v

    If ``centered``, the root is that of :math:`s - \bar g^2`, where :math:`\bar g` is an
    average of the gradient with the same decay :math:`\rho`. With ``epsilon_inside`` the
    divisor is :math:`\sqrt{s + \epsilon}`, as in some textbooks.

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
    epsilon_inside : bool, default=False
        Add ``epsilon`` under the root. It is then in the unit of a squared gradient: where
        gradients are 0 the divisor is its root, so that 1e-8 inside is as large as 1e-4
        outside.

    References
    ----------
    T. Tieleman, G. Hinton. "Lecture 6.5: RMSprop". Coursera, Neural networks for machine
    learning, 2012.

    I. Goodfellow, Y. Bengio, A. Courville. "Deep learning". MIT Press, 2016, algorithm 8.5,
    with epsilon under the root.

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

    _plain = Elementwise(_rmsprop, _rmsprop_constants, n_slots=1)
    _with_momentum = Elementwise(_rmsprop_with_momentum, _rmsprop_constants, n_slots=3)
    _parameter_constraints = {
        "rho": DECAY,
        "epsilon": POSITIVE,
        "momentum": DECAY,
        "centered": ["boolean"],
        "epsilon_inside": ["boolean"],
    }

    def __init__(self, rho=0.9, epsilon=1e-8, momentum=0, centered=False, epsilon_inside=False):
        self.rho = rho
        self.epsilon = epsilon
        self.momentum = momentum
        self.centered = centered
        self.epsilon_inside = epsilon_inside

    @property
    def _rule(self):
        return self._with_momentum if self.momentum or self.centered else self._plain


@inline
def _rprop_constants(lr, t, p, scalars):
    # Sizes are kept in units of the learning rate, which a schedule may bring to 0 and back:
    # then no parameter moves, and the sizes stay.
    step_min, step_max, inverse = p.step_min, p.step_max, 1.0 / lr
    if lr == 0.0:
        step_min = step_max = inverse = 0.0
    return (
        real(lr), real(inverse), real(p.eta_minus), real(p.eta_plus), real(step_min),
        real(step_max),
    )  # fmt: skip


@inline
def _rprop(g, slots, c):
    rate, inverse, eta_minus, eta_plus, step_min, step_max = c
    before, size = slots
    agreement = g * before
    factor = eta_plus if agreement > real(0) else real(1)
    factor = eta_minus if agreement < real(0) else factor
    stays = rate == real(0)
    # After a change of sign the gradient counts as 0, also for the comparison in the next step.
    after = real(0) if agreement < real(0) else g
    change = rate * size * factor
    change = change if change > step_min else step_min
    change = change if change < step_max else step_max
    step = sign(after) * change
    return step, rate, (before if stays else after, size if stays else change * inverse)


class Rprop(FirstOrder):
    r"""Step sizes that grow while the gradient keeps its sign and shrink when it changes.

    .. math::

        \delta \leftarrow \min(\max(f \delta, \delta_{\min}), \delta_{\max}), \quad
        f = \begin{cases} \eta_+ & g g' > 0 \\ \eta_- & g g' < 0 \\ 1 & g g' = 0 \end{cases},
        \quad \theta \leftarrow \theta - \operatorname{sign}(g) \delta

    with the gradient :math:`g'` of the previous step. Where the sign has changed, :math:`g`
    is set to 0, so the parameter stays for one step. The sizes start from the learning
    rate; a schedule scales all of them.

    The sign of a mini-batch's gradient is mostly noise, so an estimator's
    ``batch_size="auto"`` means all samples here.

    An L1 penalty's threshold is the plain learning rate times the penalty: a step by the sign
    has no scale. `Adam` and `SGD`, unlike it, end at the minimum of loss and penalty.

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

    _rule = Elementwise(_rprop, _rprop_constants, n_slots=2)
    needs_all_samples = True
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

    def initial_state(self, layout, theta):
        state = super().initial_state(layout, theta)
        self.slots(layout, state)[0][1] = 1  # step sizes, in units of the learning rate
        return state
