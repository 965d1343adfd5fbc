"""What full-batch optimizers minimize: the loss of all samples with its penalty."""

from contextlib import nullcontext
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Sums(Protocol):
    """What an objective asks of whatever adds up the training rows, at the parameters in theta.

    Each sum is of float64 and multiplied by ``scale``.
    """

    def loss_and_gradient(self, scale: float) -> tuple[float, np.ndarray]: ...

    def hessian_product(self, vector: np.ndarray, exact: bool, scale: float) -> np.ndarray: ...

    def gauss_newton_matrix(self, scale: float) -> np.ndarray: ...

    def close(self) -> None: ...


class Objective:
    r"""The penalised loss as a function of a vector of float64, with its derivatives.

    The vector is the trained part of :math:`\theta`, the network's parameters, except with an
    L1 penalty. That has a kink, and so each weight is split into two parts that are not
    negative, :math:`w = w^+ - w^-`, on whose sum the penalty is linear: the vector then holds
    all :math:`w^+`, all :math:`w^-` and the other parameters.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        Holds the parameters at which the objective was last evaluated.
    sums : Sums
        Adds up the rows, at the parameters in ``theta``.
    outside : callable, default=nullcontext
        Returns the context of each evaluation, in which the minimizer holds nothing.
    """

    def __init__(self, problem, theta, sums: Sums, outside=nullcontext):
        self.problem = problem
        self.theta = theta
        self._sums = sums
        self._outside = outside
        self.n_evaluations = 0
        self.first_loss = None
        self.memory = {}  # what a minimizer notes to go on with after a kill
        self._norms = {}  # of the gradients, by the hash of the point
        self.scale = 1.0 / problem.total_weight()
        self.l1 = problem.l1 * self.scale
        self.l2 = problem.l2 * self.scale
        self._trained = theta[: problem.layout.n_parameters]
        self._weights = slice(0, problem.layout.n_weights)

    def go_on(self, loss, n_evaluations, memory):
        """Take over what an earlier run has come to."""
        self.first_loss, self.n_evaluations, self.memory = loss, n_evaluations, memory

    def close(self):
        """End what the sums hold, such as threads, and let go of the data."""
        self._sums.close()
        del self._sums

    def vector(self):
        """Return the vector that stands for ``theta``."""
        theta = self._trained.astype(np.float64)
        if self.l1 == 0:
            return theta
        weights, rest = np.split(theta, [self._weights.stop])
        return np.concatenate([weights.clip(min=0), -weights.clip(max=0), rest])

    def bounds(self):
        """Return the bounds on the vector's elements, as SciPy wants them, or None."""
        if self.l1 == 0:
            return None
        n_weights = self._weights.stop
        n_rest = self._trained.size - n_weights
        return [(0, None)] * (2 * n_weights) + [(None, None)] * n_rest

    def assign(self, x):
        """Let ``theta`` be what the vector ``x`` stands for."""
        if self.l1 > 0:
            n_weights = self._weights.stop
            positive, negative, rest = np.split(x, [n_weights, 2 * n_weights])
            x = np.concatenate([positive - negative, rest])
        self._trained[:] = x

    def loss_and_gradient(self, x):
        """Return the penalised loss and its gradient, of float64."""
        self.assign(x)
        loss, gradient = self.smooth_part()
        self.n_evaluations += 1
        self._norms[hash(x.tobytes())] = np.linalg.norm(gradient)
        if self.l1 > 0:
            n_weights = self._weights.stop
            by_weights, rest = np.split(gradient, [n_weights])
            loss += self.l1 * x[: 2 * n_weights].sum()
            gradient = np.concatenate([by_weights + self.l1, self.l1 - by_weights, rest])
        if self.first_loss is None:
            self.first_loss = float(loss)
        return float(loss), gradient

    def smooth_part(self):
        """Return the loss with its L2 penalty at ``theta``, and the gradient of both."""
        with self._outside():
            loss, gradient = self._sums.loss_and_gradient(self.scale)
        weights = self.theta[self._weights].astype(np.float64)
        loss += 0.5 * self.l2 * (weights @ weights)
        gradient[self._weights] += self.l2 * weights
        return loss, gradient

    def gradient_norm(self, x):
        """Return the norm of the gradient by theta at ``x``, the last iterate or a trial.

        Points before ``x`` are forgotten. An L1 penalty does not count.
        """
        # A line search evaluates several points, and the last one need not be the iterate.
        key = hash(x.tobytes())
        self._norms = {key: self._norms.get(key, np.nan)}
        return self._norms[key]

    def hessian_product(self, exact):
        """Return the function that multiplies the Hessian at ``x`` with a vector.

        Without ``exact``, or where the network or its loss is not twice differentiable, it
        is the Gauss-Newton matrix instead of the Hessian.
        """
        problem = self.problem
        exact = exact and all(
            component.is_twice_differentiable
            for component in (problem.loss, *problem.architecture.activations)
        )

        def product(x, vector):
            self.assign(x)
            with self._outside():
                total = self._sums.hessian_product(vector, exact, self.scale)
            total[self._weights] += self.l2 * vector[self._weights]
            return total

        return product

    def gauss_newton_matrix(self):
        """Return the function that computes the Gauss-Newton matrix of squared error."""
        weights = np.diag_indices(self.problem.layout.n_weights)

        def matrix(x):
            self.assign(x)
            with self._outside():
                total = self._sums.gauss_newton_matrix(self.scale)
            total[weights] += self.l2
            return total

        return matrix
