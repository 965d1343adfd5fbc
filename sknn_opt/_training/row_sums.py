"""Sums of loss and derivatives over the rows of a problem that this process holds."""

from functools import cached_property

import numpy as np
from joblib import effective_n_jobs

from .._compiler.blas_threads import plan_rows
from .._network.problem import Evaluator
from .._network.second_order import HessianProduct, Jacobian
from .row_blocks import RowBlocks


class RowSums:
    """Adds up loss, gradient and second derivatives at ``theta``, block by block of rows.

    Rows are computed in theta's dtype, and the sums over blocks in float64.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        May be changed in place between calls.
    n_jobs : int, default=None
        Threads that evaluate blocks of rows, each with one thread of BLAS. With None there is
        one, and large products may use threads of BLAS.
    between : callable, default=None
        Called between two blocks of rows; may raise to end the evaluation.
    plan : Plan, default=None
        How rows pass through the network; by default as suits its size.
    """

    def __init__(self, problem, theta, n_jobs=None, between=None, plan=None):
        self.problem = problem
        self.theta = theta
        self.between = between
        self._n_threads = 1 if n_jobs is None else effective_n_jobs(n_jobs)
        self._blas_jobs = None if n_jobs is None else 1
        self._open = []  # all the RowBlocks, which have threads
        self._plan = plan or problem.plan(problem.n_rows, self._blas_jobs)
        self._blocks = self._row_blocks(self._plan)
        self.evaluators = self._workers(self._blocks, Evaluator)
        self._products = {}  # the workers that multiply the Hessian, by whether it is exact

    def _row_blocks(self, plan):
        blocks = RowBlocks(self.problem.n_rows, plan, self._n_threads)
        self._open.append(blocks)
        return blocks

    def _workers(self, blocks, make, *arguments):
        return [
            make(self.problem, self.theta, blocks.plan, self.problem.row_indices, *arguments)
            for _ in range(blocks.n_workers)
        ]

    def close(self):
        """End the threads."""
        for blocks in self._open:
            blocks.close()

    def loss_and_gradient(self, scale):
        """Return the sum of the loss over all rows, without penalty, and its gradient."""
        return self._blocks.sum(self.evaluators, scale, between=self.between)

    def hessian_product(self, vector, exact, scale):
        """Return the product of ``vector`` with the Hessian or its Gauss-Newton matrix."""
        if exact not in self._products:
            workers = self._workers(self._blocks, HessianProduct, self._direction, exact)
            self._products[exact] = workers
        self._direction[:] = vector
        (total,) = self._blocks.sum(self._products[exact], scale, between=self.between)
        return total

    @cached_property
    def _direction(self):
        return np.empty(self.problem.layout.n_parameters, self.theta.dtype)

    def gauss_newton_matrix(self, scale):
        """Return the Gauss-Newton matrix of squared error."""
        blocks, workers = self._jacobians
        (total,) = blocks.sum(workers, scale, between=self.between)
        return total

    @cached_property
    def _jacobians(self):
        problem = self.problem
        n_outputs, n_parameters = problem.layout.shapes[-1][1], problem.layout.n_parameters
        # The matrix of one row: by symmetry, half of its elements are computed.
        half = n_outputs * n_parameters, n_parameters // 2 + 1
        plan = plan_rows([half], problem.n_rows, self._blas_jobs)
        max_rows = max(1, min(plan.max_rows, self._plan.max_rows // n_outputs))
        blocks = self._row_blocks(plan._replace(max_rows=max_rows))
        return blocks, self._workers(blocks, Jacobian)
