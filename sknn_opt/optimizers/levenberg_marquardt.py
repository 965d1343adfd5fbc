"""Levenberg-Marquardt: least squares between Gauss-Newton and gradient descent."""

from numbers import Integral

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import OptimizeResult
from sklearn.utils._param_validation import Interval

from .._components import NON_NEGATIVE, POSITIVE
from .base import FullBatch

# At this damping steps are so short that rounding hides what they change: the loss cannot be
# resolved below its present value.
_LARGEST_DAMPING = 1e16

# Damping is in proportion to a parameter's effect on the outputs. This share of the largest
# effect is the least that counts: the parameters of a saturated unit have next to no effect,
# and would otherwise be thrown far off, since next to nothing damped them.
_LEAST_SCALE = 0.03


class LM(FullBatch):
    r"""Levenberg-Marquardt: damped Gauss-Newton, for regression with squared error.

    With the Jacobian :math:`J` and the residuals :math:`r` of all samples and outputs, times
    the roots of the sample weights over their sum, and the penalty
    :math:`\frac{\lambda}{2} |w|^2` on the weights, each iteration solves

    .. math::

        (J^T J + \lambda I_w + \mu D) \, h = -(J^T r + \lambda w), \qquad
        \theta \leftarrow \theta + h

    :math:`D` holds the largest diagonal elements of :math:`J^T J + \lambda I_w` so far (Moré),
    none of them below 0.03 of the largest one. The damping
    :math:`\mu` falls by up to a factor of 3 after a step that lowers the loss as predicted,
    and grows, faster each time, after a step that does not lower the loss (Nielsen). Such a
    step is not taken.

    Time grows with :math:`n p^2` and memory with :math:`p^2`, for :math:`p` parameters: the
    method of choice for small smooth networks.

    Parameters
    ----------
    damping : float, default=1e-3
        The first :math:`\mu`.
    gtol : float, default=None
        Stop where the largest element of the gradient is at most this. None is the
        estimator's ``tol``.
    max_parameters : int, default=3000
        Networks with more parameters are refused.

    References
    ----------
    D. W. Marquardt. "An algorithm for least-squares estimation of nonlinear parameters".
    SIAM Journal on Applied Mathematics 11(2), 1963.

    J. J. Moré. "The Levenberg-Marquardt algorithm: implementation and theory". Lecture Notes
    in Mathematics 630, 1978.

    H. B. Nielsen. "Damping parameter in Marquardt's method". Technical University of
    Denmark, IMM-REP-1999-05.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> from sknn_opt.optimizers import LM
    >>> X = np.linspace(-2, 2, 100).reshape(-1, 1)
    >>> y = np.sin(3 * X[:, 0])
    >>> model = MLPRegressor((10,), "tanh", optimizer=LM(damping=0.01), alpha=0, random_state=0)
    >>> print(model.fit(X, y).score(X, y) > 0.999)
    True
    """

    _parameter_constraints = {
        "damping": POSITIVE,
        "gtol": [*NON_NEGATIVE, None],
        "max_parameters": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, damping=1e-3, gtol=None, max_parameters=3000):
        self.damping = damping
        self.gtol = gtol
        self.max_parameters = max_parameters

    def check(self, problem):
        super().check(problem)
        if not problem.loss.is_least_squares(problem.form):
            raise ValueError(
                "LM minimizes the squared error of regression only. Choose optimizer='lbfgs' or "
                "'newton-cg' for classification and for other losses."
            )
        self._check_size(problem)

    def largest_product(self, n_parameters):
        return n_parameters**3 / 6  # Cholesky's decomposition

    def minimize(self, objective, iteration, tol, max_iter):
        gtol = tol if self.gtol is None else self.gtol
        matrix = objective.gauss_newton_matrix()
        x = objective.vector()
        loss, gradient = objective.loss_and_gradient(x)
        memory = {"damping": self.damping, "growth": 2.0, "scale": np.zeros_like(x)}
        memory |= objective.memory
        damping, growth, scale = memory["damping"], memory["growth"], memory["scale"]
        normal = None  # the matrix at x
        for _ in range(max_iter):
            if np.abs(gradient).max() <= gtol:
                return _result(x, loss, 0, "The gradient is small enough.")
            if normal is None:  # it stays valid after a step that is not taken
                normal = matrix(x)
                scale = np.maximum(scale, np.diag(normal))
            diagonal = damping * np.maximum(scale, _LEAST_SCALE * scale.max())
            step = _solve(normal, diagonal, gradient)
            if step is not None:
                predicted = -(gradient @ step) - 0.5 * (step @ normal @ step)
                trial = x + step
                trial_loss, trial_gradient = objective.loss_and_gradient(trial)
                gain = (loss - trial_loss) / predicted if predicted > 0 else -1.0
            if step is not None and gain > 0:
                x, loss, gradient, normal = trial, trial_loss, trial_gradient, None
                damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
                growth = 2.0
            else:
                damping *= growth
                growth *= 2.0
                if damping > _LARGEST_DAMPING:
                    return _result(x, loss, 2, "No step lowers the loss any more.")
            objective.memory = {"damping": damping, "growth": growth, "scale": scale}
            iteration(x, loss)
        return _result(x, loss, 1, "Maximum number of iterations has been exceeded.")


def _solve(matrix, diagonal, gradient):
    """Return the step, or None where the damped matrix is not positive definite."""
    damped = matrix.copy()
    damped[np.diag_indices_from(damped)] += diagonal
    try:
        factor = cho_factor(damped, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return None
    return cho_solve(factor, -gradient, check_finite=False)


def _result(x, loss, status, message):
    return OptimizeResult(x=x, fun=loss, status=status, success=status == 0, message=message)
