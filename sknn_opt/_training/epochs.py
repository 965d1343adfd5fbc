"""Epoch after epoch, until training is over."""

from abc import ABC, abstractmethod

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._warnings import warn


class EpochTrainer(ABC):
    """Base of what trains epoch by epoch; how an epoch trains, subclasses say.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        Changed in place. Parameters to predict with, before and after.
    progress : Progress
    callbacks : CallbackRunner
    state : OptimizerState
        Changed in place.
    rates : Rates
    batch_size : FixedBatch or GrowingBatch
        Maps a time and the number of rows to the size of batches.
    n_rows : int
        From which a batch is taken.
    max_iter : int
    incremental : bool
        Whether it is one epoch of many.
    """

    def __init__(
        self,
        problem,
        theta,
        progress,
        callbacks,
        *,
        state,
        rates,
        batch_size,
        n_rows,
        max_iter,
        incremental,
    ):
        self.problem = problem
        self.theta = theta
        self.progress = progress
        self.callbacks = callbacks
        self.state = state
        self.rates = rates
        self.batch_size = batch_size
        self.n_rows = n_rows
        self.max_iter = max_iter
        self.incremental = incremental
        self.callback_stops = False
        self.is_interrupted = False

    @abstractmethod
    def epoch(self):
        """Train for one epoch, and add it to the progress; a generator of its parts."""

    @abstractmethod
    def show(self):
        """Copy the parameters that predict to ``theta``."""

    @abstractmethod
    def loss_so_far(self):
        """Return the loss of the epoch that has begun, or None if nothing is learnt in it yet."""

    def fit(self):
        """Train until the progress stalls or ``max_iter`` epochs are done."""
        try:
            # The last epoch before a kill is judged after it.
            while self.progress.n_iter == 0 or not self._is_over():
                for _ in self.epoch():
                    pass
        except KeyboardInterrupt:
            self._end_at_interrupt()

    def _is_planned(self):
        """Whether training was to last until ``max_iter``, and so has come to its end there."""
        is_end = self.rates.schedule.ends_at(self.rates.max_iter)
        return is_end and self.progress.n_iter_no_change == np.inf

    def _is_over(self):
        """Whether the epoch that has ended was the last one."""
        progress = self.progress
        if progress.has_diverged:
            return True
        if progress.is_out_of_time:
            warn(
                f"Stochastic Optimizer: max_time={progress.max_time} seconds were over after "
                f"{progress.n_iter} epoch(s) and the optimization hasn't converged yet.",
                ConvergenceWarning,
            )
            return True
        if self.callback_stops or (progress.has_stalled and not self._leaves_plateau()):
            return True
        if progress.n_iter < self.max_iter:
            return False
        if not (self.incremental or self._is_planned()):
            warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached "
                "and the optimization hasn't converged yet.",
                ConvergenceWarning,
            )
        return True

    def _end_at_interrupt(self):
        """Keep what is learnt so far; if that is nothing, raise the interrupt again."""
        if not self.callbacks.keeps_interrupted:
            raise
        if self.progress.n_iter == 0:
            loss = self.loss_so_far()
            if loss is None:
                raise
            self.progress.loss = loss
        self.show()
        self.is_interrupted = True
        warn("Training interrupted by user.")

    def conclude(self):
        """Return the parameters to keep; see `Progress.conclude`."""
        return self.progress.conclude()

    def _leaves_plateau(self):
        """Let the batch grow or else the learning rate fall; return False where neither does."""
        change = self._grow_batch() or self._lower_rate()
        self.progress.say(
            f"{self.progress.stall_message()} {change or self.rates.schedule._last_words}"
        )
        if change is None:
            return False
        self.progress.stalled = 0
        return True

    def _grow_batch(self):
        """Return what has changed, in words, or None."""
        if not self.batch_size.counts_plateaus or self._batch_size() == self.n_rows:
            return None
        self.state.n_growths += 1
        return f"Setting batch size to {self._batch_size()}"

    def _batch_size(self, later=0):
        return size_of_batches(self.batch_size, self.state, self.n_rows, later)

    def _lower_rate(self):
        """Return what has changed, in words, or None."""
        # A rate that is small because of the warm-up is no reason to end training.
        factor = self.rates.schedule.after_plateau(self.rates.initial * self.state.rate_factor)
        if factor is None:
            return None
        self.state.rate_factor *= factor
        rate = self.progress.history["learning_rate"][-1] * factor
        return f"Setting learning rate to {rate:f}"


def size_of_batches(batch_size, state, n_rows, later=0):
    """Return the size of batches now, or after so many more epochs or plateaus."""
    now = state.n_growths if batch_size.counts_plateaus else state.epoch
    return batch_size(max(now + later, 0), n_rows)
