"""Bases of the optimizers, and the signature of the kernels that take a step."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._component import Component
from ._kernel import Call

UPDATE = """void (real *theta, real *gradient, real *state, int64 *layout, real *scratch,
double lr, int64 step, double *parameters)"""

call_update = Call(UPDATE)

# Constraints that many optimizers share.
DECAY = [Interval(Real, 0, 1, closed="left")]
POSITIVE = [Interval(Real, 0, None, closed="neither")]
NON_NEGATIVE = [Interval(Real, 0, None, closed="left")]


class Optimizer(Component):
    """Base of all optimizers.

    What ``isinstance`` can ask for. An own optimizer derives from `FirstOrder` or `FullBatch`.
    """


class FirstOrder(Optimizer):
    """Base of the optimizers that step along one gradient of a mini-batch.

    The kernel ``_update`` changes the parameters ``theta`` in place; ``step`` counts from
    1. ``state`` holds ``_n_slots`` vectors of theta's length, then ``_n_scalars`` numbers;
    ``scratch`` is for the kernel to use within a step. ``layout``, described in
    ``sknn_opt._layout.Layout``, says where weights and intercepts are.

    Decoupled weight decay multiplies the weights, and nothing but the weights, by
    ``1 - lr * weight_decay`` in each step.
    """

    _update = None
    _n_slots = 0
    _n_scalars = 0

    #: Whether a step needs the gradient of all samples.
    _full_batch = False

    #: Whether it predicts by an average of its iterates.
    _averages = False

    #: What learning_rate_init="auto" stands for.
    default_learning_rate = 1e-3

    def initial_state(self, theta):
        """Return the state before the first step, a vector."""
        return np.zeros(self._n_slots * theta.size + self._n_scalars, theta.dtype)

    def scratch_size(self, layout):
        """Number of reals that ``scratch`` holds."""
        return 0

    def prediction_parameters(self, theta, state):
        """Return the parameters to predict with; ``theta`` but for a few optimizers."""
        return theta

    def training_parameters(self, theta, state):
        """Undo `prediction_parameters`, to go on training."""
        return theta


class Stop(Exception):
    """Ends a minimization at the last iterate, with a warning or, without a text, not."""


class FullBatch(Optimizer):
    """Base of the optimizers that work on the loss of all samples."""

    #: Whether it minimizes within bounds, which is how an L1 penalty is met.
    _takes_bounds = False

    def check(self, problem):
        """Raise ValueError where it cannot train the network on its loss and penalty."""
        if problem.alpha * problem.l1_ratio > 0 and not self._takes_bounds:
            raise ValueError(
                f"{type(self).__name__} needs a smooth objective, which an L1 penalty is not: "
                "set l1_ratio to 0, or choose optimizer='lbfgs' or a first-order optimizer "
                "such as 'adam'."
            )

    def _check_size(self, problem):
        """Raise ValueError where a matrix of the parameters would be too large."""
        n_parameters = problem.layout.n_parameters
        if n_parameters > self.max_parameters:
            raise ValueError(
                f"{type(self).__name__} works on a matrix of n_parameters x n_parameters, and "
                f"the network has {n_parameters} parameters, more than max_parameters="
                f"{self.max_parameters}. Choose optimizer='lbfgs', which takes memory in "
                "proportion to n_parameters; fewer hidden units; or a larger max_parameters."
            )

    def minimize(self, objective, iteration, tol, max_iter):
        """Minimize an ``sknn_opt._objective.Objective`` from ``objective.vector()`` on.

        Parameters
        ----------
        objective : Objective
        iteration : callable
            Called as ``iteration(x, loss)`` after each iteration; raises to stop.
        tol : float
            What a tolerance that is None stands for.
        max_iter : int

        Returns
        -------
        result : scipy.optimize.OptimizeResult
        """
        raise NotImplementedError
