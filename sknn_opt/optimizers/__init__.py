"""Optimizers: first-order ones with a kernel for a step, full-batch ones through SciPy.

`OPTIMIZERS`, at the foot, maps names to classes. Learning rates come from the estimator.
The kernels see layers only where a step depends on them.
"""

import math
from numbers import Real

from sklearn.utils._param_validation import Interval

from .._compiler.declarations import kernel, real, shift
from .._components import Registry
from .adam import AdaBelief, Adam, Adamax, AdamW, AMSGrad, NAdam, RAdam, Yogi
from .base import DECAY, NON_NEGATIVE, UPDATE, FirstOrder, FullBatch, Optimizer, call_update
from .gradient import Adadelta, Adagrad, RMSprop, Rprop
from .levenberg_marquardt import LM
from .matrix import LAMB, Muon
from .scipy import BFGS, CG, LBFGS, NewtonCG, TrustNCG

__all__ = [
    "BFGS",
    "CG",
    "LAMB",
    "LBFGS",
    "LM",
    "OPTIMIZERS",
    "SGD",
    "AMSGrad",
    "AdaBelief",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "FirstOrder",
    "FullBatch",
    "Lion",
    "Muon",
    "NAdam",
    "NewtonCG",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "ScheduleFree",
    "TrustNCG",
    "Yogi",
    "call_update",
]


@kernel(UPDATE)
def _sgd(theta, gradient, velocity, layout, scratch, lr, step, parameters):
    momentum, rate = real(parameters[0]), real(lr * (1.0 - parameters[2]))
    # Nesterov's step is momentum v - rate g, the other one v.
    by_velocity, by_gradient = real(1), real(0)
    if parameters[1] != 0.0:
        by_velocity, by_gradient = momentum, rate
    keep = real(1.0 - lr * parameters[3])
    first, last = 0, layout[1]
    while first < layout[0]:
        for i in range(first, last):
            g = gradient[i]
            velocity[i] = momentum * velocity[i] - rate * g
            theta[i] = keep * theta[i] + (by_velocity * velocity[i] - by_gradient * g)
        first, last, keep = last, layout[0], real(1)


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

    _update = _sgd
    _n_slots = 1
    _estimator_keywords = ("momentum", "nesterovs_momentum")
    _kernel_parameters = ("momentum", "nesterovs_momentum", "dampening", "weight_decay")
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


@kernel(UPDATE)
def _lion(theta, gradient, m, layout, scratch, lr, step, parameters):
    beta_1, new_1 = real(parameters[0]), real(1.0 - parameters[0])
    beta_2, new_2 = real(parameters[1]), real(1.0 - parameters[1])
    rate, keep = real(lr), real(1.0 - lr * parameters[2])
    first, last = 0, layout[1]
    while first < layout[0]:
        for i in range(first, last):
            g = gradient[i]
            direction = beta_1 * m[i] + new_1 * g
            m[i] = beta_2 * m[i] + new_2 * g
            # Neither sign is 0, or a NaN that must not go unseen.
            change = rate if direction > real(0) else direction
            change = -rate if direction < real(0) else change
            theta[i] = keep * theta[i] - change
        first, last, keep = last, layout[0], real(1)


class Lion(FirstOrder):
    r"""Steps along the sign of an average of gradients, all of one size.

    With :math:`\lambda = 0` for whatever is not a weight:

    .. math::

        c = \beta_1 m + (1 - \beta_1) g, \quad
        \theta \leftarrow (1 - \eta \lambda) \theta - \eta \operatorname{sign}(c), \quad
        m \leftarrow \beta_2 m + (1 - \beta_2) g

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

    _update = _lion
    _n_slots = 1
    _kernel_parameters = ("beta_1", "beta_2", "weight_decay")
    _parameter_constraints = {"beta_1": DECAY, "beta_2": DECAY, "weight_decay": NON_NEGATIVE}
    default_learning_rate = 1e-4

    def __init__(self, beta_1=0.9, beta_2=0.99, weight_decay=0):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.weight_decay = weight_decay


@kernel(UPDATE)
def _schedule_free(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    v, z, scalars = state, shift(state, n), shift(state, 2 * n)
    largest = lr if lr > float(scalars[0]) else float(scalars[0])
    total = float(scalars[1]) + largest * largest
    scalars[0], scalars[1] = real(largest), real(total)
    share = largest * largest / total if total > 0.0 else 0.0
    by_y, by_z = real(1.0 - share), real(share)
    by_change = real(1.0 - parameters[0] * (1.0 - share))
    beta_2, new_2 = real(parameters[1]), real(1.0 - parameters[1])
    bias_2 = math.sqrt(1.0 - parameters[1] ** float(step))
    rate, epsilon = real(lr * bias_2), real(1e-8 * bias_2)
    decay = real(lr * parameters[2])
    first, last = 0, layout[1]
    while first < n:
        for i in range(first, last):
            g, y = gradient[i], theta[i]
            v[i] = beta_2 * v[i] + new_2 * g * g
            change = rate * g / (math.sqrt(v[i]) + epsilon) + decay * y
            theta[i] = by_y * y + by_z * z[i] - by_change * change
            z[i] -= change
        first, last, decay = last, n, real(0)


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

    It needs no schedule but a warm-up.

    Parameters
    ----------
    beta_1 : float, default=0.9
        How near to the average gradients are taken, between 0 and 1, both excluded.
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

    _update = _schedule_free
    _averages = True
    _n_slots = 2
    _n_scalars = 2
    _kernel_parameters = ("beta_1", "beta_2", "weight_decay")
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

    def initial_state(self, theta):
        state = super().initial_state(theta)
        self._iterate(theta, state)[:] = theta
        return state

    @staticmethod
    def _iterate(theta, state):
        return state[theta.size : 2 * theta.size]

    def prediction_parameters(self, theta, state):
        return (theta - (1 - self.beta_1) * self._iterate(theta, state)) / self.beta_1

    def training_parameters(self, theta, state):
        return self.beta_1 * theta + (1 - self.beta_1) * self._iterate(theta, state)


OPTIMIZERS = Registry(
    {
        "sgd": SGD,
        "adagrad": Adagrad,
        "adadelta": Adadelta,
        "rmsprop": RMSprop,
        "rprop": Rprop,
        "adam": Adam,
        "amsgrad": AMSGrad,
        "adamw": AdamW,
        "adamax": Adamax,
        "nadam": NAdam,
        "radam": RAdam,
        "adabelief": AdaBelief,
        "yogi": Yogi,
        "lion": Lion,
        "lamb": LAMB,
        "muon": Muon,
        "schedule_free": ScheduleFree,
        "lbfgs": LBFGS,
        "bfgs": BFGS,
        "cg": CG,
        "newton-cg": NewtonCG,
        "trust-ncg": TrustNCG,
        "lm": LM,
    }
)
