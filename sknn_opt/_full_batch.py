"""Training on the loss of all samples at once."""

import warnings
from contextlib import closing, nullcontext

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import ConvergenceWarning

from ._objective import Objective
from ._optimizer import Stop
from ._row_blocks import one_blas_thread


class FullBatch:
    """Trains by a minimizer on the loss of all samples.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        Changed in place.
    record : Record
    validation : callable or None
        Returns the validation loss and score at ``theta``.
    tasks : Tasks
    optimizer : sknn_opt.optimizers.FullBatch
    tol : float
    max_iter, max_fun : int
    n_jobs : int or None
        Number of threads. None leaves the parallelism to BLAS.

    Attributes
    ----------
    state : None
        There is nothing to go on with but the parameters.
    """

    state = None

    def __init__(
        self,
        problem,
        theta,
        record,
        validation,
        tasks,
        optimizer,
        tol,
        max_iter,
        max_fun,
        n_jobs,
    ):
        self.problem = problem
        self.theta = theta
        self.record = record
        self.validation = validation
        self.tasks = tasks
        self.optimizer = optimizer
        self.tol = tol
        self.max_iter = max_iter
        self.max_fun = max_fun
        self.n_jobs = n_jobs

    def fit(self):
        """Minimize until the optimizer or the record ends it."""
        self.record.start(self.theta, self.validation)
        self.accepted = self.theta.copy()
        n_threads = 1 if self.n_jobs is None else effective_n_jobs(self.n_jobs)
        self.objective = Objective(self.problem, self.theta, n_threads, self._between)
        failure = None
        try:
            with (
                nullcontext() if self.n_jobs is None else one_blas_thread(),
                closing(self.objective),
                np.errstate(over="ignore", invalid="ignore"),  # there are warnings of our own
            ):
                result = self.optimizer.minimize(
                    self.objective, self._iteration, self.tol, self.max_iter
                )
            self.objective.assign(result.x)
            self.record.loss = float(result.fun)
            if not result.success:
                failure = f"(status={result.status}): {result.message.rstrip('.')}."
        except (KeyboardInterrupt, Stop) as stop:
            if self.objective.first_loss is None:
                raise  # an interrupt before there is a loss to show
            self.theta[:] = self.accepted
            if self.record.n_iter == 0:
                self.record.loss = self.objective.first_loss
            if isinstance(stop, Stop):
                failure = stop.args[0]
            else:
                warnings.warn("Training interrupted by user.", stacklevel=5)
        # Of a loss that overflows the record warns.
        if failure and np.isfinite(self.record.loss):
            name = type(self.optimizer).__name__
            warnings.warn(
                f"{name} failed to converge after {self.record.n_iter} iteration(s) {failure} "
                "Increase max_iter, max_fun or max_time, raise tol, or scale the features "
                "(StandardScaler) and targets.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _iteration(self, x, loss):
        self.objective.assign(x)
        self.accepted[:] = self.theta
        self.record.add(
            loss,
            np.nan,  # a line search has no learning rate
            self.objective.gradient_norm(x),
            self.problem.n_rows,
        )
        if self.tasks.end() or self.record.has_diverged:
            raise Stop(None)
        # Without early stopping, convergence is for the minimizer to judge.
        if self.record.early_stopping and self.record.has_stalled:
            self.record.say(f"{self.record.stall_message()} Stopping.")
            raise Stop(None)
        if self.objective.n_evaluations > self.max_fun:
            raise Stop(f"as max_fun={self.max_fun} evaluations of the loss were reached.")
        self._check_time()

    def _between(self):
        self.tasks.begin()
        self._check_time()

    def _check_time(self):
        """The first evaluation may end whatever time it takes: there is a loss to show."""
        if self.objective.n_evaluations > 0 and self.record.is_out_of_time:
            raise Stop(f"as max_time={self.record.max_time} seconds were over.")
