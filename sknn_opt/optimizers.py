"""Optimizers: first-order ones with a kernel for a step, full-batch ones through SciPy.

`OPTIMIZERS`, at the foot, maps names to classes. Learning rates come from the estimator.
"""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._component import Component, Registry
from ._kernel import Call, kernel, real, shift

UPDATE = """void (real *theta, real *gradient, real *state, int64 *layout, real *scratch,
double lr, int64 step, double *parameters)"""

call_update = Call(UPDATE)

_DECAY = [Interval(Real, 0, 1, closed="left")]


class Optimizer(Component):
    """Base of all optimizers."""


class FirstOrder(Optimizer):
    """Base of the optimizers that step along one gradient of a mini-batch.

    The kernel ``_update`` changes the parameters ``theta`` in place; ``step`` counts from
    1. ``state`` holds ``_n_slots`` vectors of theta's length, zero at the start; ``scratch``
    is for the kernel to use within a step. ``layout``, described in
    `sknn_opt._network.Layout`, says where weights and intercepts are.
    """

    _update = None
    _n_slots = 0

    #: Whether a step needs the gradient of all samples.
    _full_batch = False

    def initial_state(self, theta):
        """Return the state before the first step."""
        return np.zeros((self._n_slots, theta.size), theta.dtype)

    def scratch_size(self, layout):
        """Number of reals that ``scratch`` holds."""
        return 0

    def prediction_parameters(self, theta, state):
        """Return the parameters to predict with; ``theta`` but for a few optimizers."""
        return theta

    def training_parameters(self, theta, state):
        """Undo `prediction_parameters`, to go on training."""
        return theta

    #: What learning_rate_init="auto" stands for.
    default_learning_rate = 1e-3


class FullBatch(Optimizer):
    """Base of the optimizers that work on the loss of all samples."""


@kernel(UPDATE)
def _sgd(theta, gradient, state, layout, scratch, lr, step, parameters):
    velocity = state
    rate = real(lr)
    momentum = real(parameters[0])
    nesterov = parameters[1] != 0.0
    for i in range(layout[0]):
        velocity[i] = momentum * velocity[i] - rate * gradient[i]
        if nesterov:
            theta[i] += momentum * velocity[i] - rate * gradient[i]
        else:
            theta[i] += velocity[i]


class SGD(FirstOrder):
    r"""Stochastic gradient descent with momentum.

    .. math::

        v \leftarrow \mu v - \eta g, \qquad
        \theta \leftarrow \theta + v \quad\text{or, Nesterov's,}\quad
        \theta \leftarrow \theta + \mu v - \eta g

    Parameters
    ----------
    momentum : float, default=0.9
        The coefficient :math:`\mu`, between 0 and 1.
    nesterovs_momentum : bool, default=True
        Look ahead along the velocity.

    References
    ----------
    I. Sutskever et al. "On the importance of initialization and momentum in deep learning".
    ICML 2013.
    """

    _update = _sgd
    _n_slots = 1
    _estimator_keywords = ("momentum", "nesterovs_momentum")
    _kernel_parameters = ("momentum", "nesterovs_momentum")
    _parameter_constraints = {
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
    }

    def __init__(self, momentum=0.9, nesterovs_momentum=True):
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum


@kernel(UPDATE)
def _adam(theta, gradient, state, layout, scratch, lr, step, parameters):
    n = layout[0]
    m = state
    v = shift(state, n)
    beta_1 = real(parameters[0])
    beta_2 = real(parameters[1])
    epsilon = real(parameters[2])
    bias_1 = 1.0 - parameters[0] ** float(step)
    bias_2 = 1.0 - parameters[1] ** float(step)
    rate = real(lr * math.sqrt(bias_2) / bias_1)
    for i in range(n):
        g = gradient[i]
        m[i] = beta_1 * m[i] + (real(1) - beta_1) * g
        v[i] = beta_2 * v[i] + (real(1) - beta_2) * g * g
        theta[i] -= rate * m[i] / (math.sqrt(v[i]) + epsilon)


class Adam(FirstOrder):
    r"""Adaptive moment estimation.

    .. math::

        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        \theta \leftarrow \theta - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
        \frac{m}{\sqrt{v} + \epsilon}

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-8
        Keeps the division finite.

    References
    ----------
    D. Kingma, J. Ba. "Adam: A method for stochastic optimization". ICLR 2015,
    :arxiv:`1412.6980`, in the form at the end of its section 2.
    """

    _update = _adam
    _n_slots = 2
    _estimator_keywords = ("beta_1", "beta_2", "epsilon")
    _kernel_parameters = ("beta_1", "beta_2", "epsilon")
    _parameter_constraints = {
        "beta_1": _DECAY,
        "beta_2": _DECAY,
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon


class LBFGS(FullBatch):
    """Limited-memory BFGS, by SciPy's L-BFGS-B.

    An L1 penalty makes it a problem with bounds: every weight is the difference of two
    non-negative ones, ``w = w⁺ - w⁻``, on whose sum the penalty is linear. The bounds are
    active at the solution wherever a weight is exactly 0.

    Parameters
    ----------
    history_size : int, default=10
        Number of past steps from which the curvature is estimated.
    gtol : float, default=None
        Stop where the largest element of the projected gradient is at most this. None is
        the estimator's ``tol``.

    References
    ----------
    R. H. Byrd, P. Lu, J. Nocedal. "A limited memory algorithm for bound constrained
    optimization". SIAM Journal on Scientific Computing 16(5), 1995.
    """

    _scipy_method = "L-BFGS-B"
    _parameter_constraints = {
        "history_size": [Interval(Integral, 1, None, closed="left")],
        "gtol": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(self, history_size=10, gtol=None):
        self.history_size = history_size
        self.gtol = gtol

    def scipy_options(self, tol, max_iter, max_fun):
        """Options of ``scipy.optimize.minimize``."""
        return {
            "maxcor": self.history_size,
            "gtol": tol if self.gtol is None else self.gtol,
            "maxiter": max_iter,
            "maxfun": max_fun,
        }


OPTIMIZERS = Registry({"sgd": SGD, "adam": Adam, "lbfgs": LBFGS})
