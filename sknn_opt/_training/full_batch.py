"""Training on the loss of all samples at once."""

from collections.abc import Callable
from contextlib import closing
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.exceptions import ConvergenceWarning

from .._compiler.blas_threads import HeldThreads, thread_number
from .._compiler.memory import overwrite
from .._network.problem import Problem
from .._warnings import warn
from ..optimizers.base import Stop
from .objective import Objective


@runtime_checkable
class Minimizer(Protocol):
    """What full-batch training asks of an optimizer."""

    def check(self, problem: Problem) -> None: ...

    def largest_product(self, n_parameters: int) -> float: ...

    def minimize(
        self,
        objective: Objective,
        iteration: Callable[[np.ndarray, float], None],
        tol: float,
        max_iter: int,
    ) -> OptimizeResult: ...


class FullBatchTrainer:
    """Trains by a minimizer on the loss of all samples.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        Changed in place.
    progress : Progress
    callbacks : CallbackRunner
    optimizer : sknn_opt.optimizers.FullBatch
    tol : float
    max_iter, max_fun : int
    n_jobs : int or None
        Number of threads that evaluate blocks of rows, each with one thread of BLAS. With None
        there is one, and large products may use threads of BLAS.
    make_sums : callable
        Makes the `Sums` of the objective, such as `RowSums`, from ``problem``, ``theta``,
        ``n_jobs`` and a function to be called between two parts of a sum, which may raise.

    Attributes
    ----------
    state : None
        A later call needs nothing but the parameters.
    """

    state = None

    def __init__(
        self,
        problem,
        theta,
        progress,
        callbacks,
        *,
        optimizer: Minimizer,
        tol,
        max_iter,
        max_fun,
        n_jobs,
        make_sums,
    ):
        self.problem = problem
        self.theta = theta
        self.progress = progress
        self.callbacks = callbacks
        self.optimizer = optimizer
        self.tol = tol
        self.max_iter = max_iter
        self.max_fun = max_fun
        self.n_jobs = n_jobs
        self.make_sums = make_sums
        self.is_interrupted = False
        self._memory, self._n_evaluations = {}, 0  # of an earlier run

    def fit(self):
        """Minimize until the optimizer or the progress ends it."""
        self.accepted = self.theta.copy()
        size = self.optimizer.largest_product(self.problem.layout.n_parameters)
        self._threads = HeldThreads(thread_number(self.n_jobs, size))
        sums = self.make_sums(self.problem, self.theta, self.n_jobs, self._between)
        self.objective = Objective(self.problem, self.theta, sums, self._threads.paused)
        if self.progress.n_iter > 0:
            self.objective.go_on(self.progress.loss, self._n_evaluations, self._memory)
        try:
            with (
                self._threads,
                closing(self.objective),
                np.errstate(over="ignore", invalid="ignore"),  # there are warnings of our own
            ):
                result = self._minimize()
        except (KeyboardInterrupt, Stop) as stop:
            is_kept = isinstance(stop, Stop) or self.callbacks.keeps_interrupted
            if self.objective.first_loss is None or not is_kept:
                raise  # an interrupt before there is a loss to show, or a watcher's
            self._end_early(stop)
        else:
            self.objective.assign(result.x)
            self.progress.loss = float(result.fun)
            if not result.success:
                self._warn(f"(status={result.status}): {result.message.rstrip('.')}.")
        finally:
            self._threads.release()  # an interrupt may have kept it from starting above

    def _end_early(self, stop):
        """Go back to the last iterate, and say why."""
        self.theta[:] = self.accepted
        if self.progress.n_iter == 0:
            self.progress.loss = self.objective.first_loss
        if isinstance(stop, KeyboardInterrupt):
            self.is_interrupted = True
            warn("Training interrupted by user.")
        elif stop.args[0]:
            self._warn(stop.args[0])

    def _warn(self, failure):
        # If the loss has overflowed, `Progress.conclude` warns of that instead.
        if np.isfinite(self.progress.loss):
            name = type(self.optimizer).__name__
            warn(
                f"{name} failed to converge after {self.progress.n_iter} iteration(s) {failure} "
                "Increase max_iter, max_fun or max_time, raise tol, or scale the features "
                "(StandardScaler) and, in regression, the targets (scale_targets=True).",
                ConvergenceWarning,
            )

    def _minimize(self):
        n_left = self.max_iter
        if self.progress.n_iter > 0:  # the last iteration before a kill is judged after it
            n_left -= self.progress.n_iter
            self._check_progress()
        if n_left == 0:
            raise Stop("as max_iter was reached.")
        return self.optimizer.minimize(self.objective, self._iteration, self.tol, n_left)

    def conclude(self):
        """Return the parameters to keep; see `Progress.conclude`."""
        return self.progress.conclude()

    def to_dict(self):
        """Return what training goes on with after an iteration, to be given to `restore`."""
        return {
            "theta": self.theta,
            "n_evaluations": self.objective.n_evaluations,
            "memory": self.objective.memory,
        }

    def restore(self, values):
        """Go on where another trainer of the same problem was."""
        overwrite(self.theta, values["theta"])
        self._n_evaluations, self._memory = values["n_evaluations"], values["memory"]

    def _iteration(self, x, loss):
        with self._threads.paused():
            self._end_iteration(x, loss)

    def _end_iteration(self, x, loss):
        self.objective.assign(x)
        self.accepted[:] = self.theta
        self.progress.add(
            loss,
            np.nan,  # a line search has no learning rate
            self.objective.gradient_norm(x),
            self.problem.n_rows,
        )
        if self.callbacks.end():
            raise Stop(None)
        self._check_progress()

    def _check_progress(self):
        if self.progress.has_diverged:
            raise Stop(None)
        # Without early stopping the minimizer itself decides when it has converged.
        if self.progress.early_stopping and self.progress.has_stalled:
            self.progress.say(f"{self.progress.stall_message()} Stopping.")
            raise Stop(None)
        if self.objective.n_evaluations > self.max_fun:
            raise Stop(f"as max_fun={self.max_fun} evaluations of the loss were reached.")
        self._check_time()

    def _between(self):
        self.callbacks.begin()
        self._check_time()

    def _check_time(self):
        """Raise if the time is over; the first evaluation may finish, so that there is a loss."""
        if self.objective.n_evaluations > 0 and self.progress.is_out_of_time:
            raise Stop(f"as max_time={self.progress.max_time} seconds were over.")
