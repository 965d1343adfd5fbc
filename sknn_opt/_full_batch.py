"""Full-batch training by SciPy's minimizers."""

import warnings

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from ._kernel import address
from ._problem import BLOCK_ROWS, Batches
from .penalties import penalise


class FullBatch:
    """Trains by a minimizer of SciPy on the loss of all samples.

    An L1 penalty is handled by splitting each weight into two non-negative parts, see
    `sknn_opt.optimizers.LBFGS`. SciPy works in float64; the loss is computed in theta's
    dtype.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        Changed in place.
    record : Record
    score : callable or None
        Returns the validation score at ``theta``.
    optimizer : sknn_opt.optimizers.FullBatch
    tol : float
    max_iter, max_fun : int
    """

    def __init__(self, problem, theta, record, score, optimizer, tol, max_iter, max_fun):
        self.problem = problem
        self.theta = theta
        self.record = record
        self.optimizer = optimizer
        self.options = optimizer.scipy_options(tol, max_iter, max_fun)
        self.score = score
        self.batches = Batches(problem, theta, min(BLOCK_ROWS, problem.n_rows), problem.rows)
        self.scale = 1.0 / problem.total_weight()
        self.l1 = problem.alpha * problem.l1_ratio * self.scale
        self.l2 = problem.alpha * (1.0 - problem.l1_ratio) * self.scale

    def fit(self):
        """Minimize until SciPy or the record ends it."""
        record, theta = self.record, self.theta
        record.start(theta)
        self.accepted = theta.copy()
        start, bounds = theta.astype(np.float64), None
        if self.l1 > 0:
            weights, rest = np.split(start, [self.problem.layout.n_weights])
            start = np.concatenate([weights.clip(min=0), -weights.clip(max=0), rest])
            bounds = [(0, None)] * (2 * weights.size) + [(None, None)] * rest.size
        try:
            result = minimize(
                self._loss_and_gradient,
                start,
                method=self.optimizer._scipy_method,
                jac=True,
                bounds=bounds,
                callback=self._iteration,
                options=self.options,
            )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
            theta[:] = self.accepted
            return
        self._assign(result.x)
        record.loss = float(result.fun)
        if result.status != 0 and not self._stops():
            name = type(self.optimizer).__name__
            warnings.warn(
                f"{name} failed to converge after {record.n_iter} iteration(s) "
                f"(status={result.status}): {result.message}. Increase max_iter or max_fun, "
                "raise tol, or scale the features (StandardScaler) and targets.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _loss_and_gradient(self, x):
        self._assign(x)
        loss = self.batches.loss_and_gradient(self.scale)
        n_weights = self.problem.layout.n_weights
        gradient = self.batches.gradient
        loss += penalise(
            self.theta.dtype, address(self.theta), address(gradient), n_weights, self.l1, self.l2
        )
        gradient = gradient.astype(np.float64)
        self.gradient_norm = np.linalg.norm(gradient)
        if self.l1 > 0:
            by_weights, rest = np.split(gradient, [n_weights])
            gradient = np.concatenate([by_weights + self.l1, self.l1 - by_weights, rest])
            loss += self.l1 * (x[: 2 * n_weights].sum() - np.abs(self.theta[:n_weights]).sum())
        return loss, gradient

    def _assign(self, x):
        """Let ``theta`` be what SciPy's vector stands for."""
        if self.l1 > 0:
            n_weights = self.problem.layout.n_weights
            positive, negative, rest = np.split(x, [n_weights, 2 * n_weights])
            x = np.concatenate([positive - negative, rest])
        self.theta[:] = x

    def _iteration(self, intermediate_result):
        self._assign(intermediate_result.x)
        self.accepted[:] = self.theta
        self.record.add(
            self.theta,
            float(intermediate_result.fun),
            np.nan,  # a line search has no learning rate
            self.gradient_norm,
            self.problem.n_rows,
            self.score,
        )
        if self._stops():
            self.record.say(f"{self.record.stall_message()} Stopping.")
            raise StopIteration

    def _stops(self):
        """Without validation, convergence is for the minimizer to judge."""
        return self.score is not None and self.record.has_stalled
