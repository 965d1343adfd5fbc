"""Training on mini-batches: whole epochs in compiled code."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._compiler.memory import aligned_copy, aligned_zeros, overwrite
from ..schedules import Schedule, WarmUp
from .compiled_steps import CompiledSteps
from .epochs import EpochTrainer
from .optimizer_state import Optimizer
from .statistics import mean_statistics


@dataclass
class Rates:
    """The learning rate of each step.

    Attributes
    ----------
    initial : float
        The rate that the schedule multiplies.
    schedule : Schedule
    warm_up : WarmUp or None
    max_iter : int
    """

    initial: float
    schedule: Schedule
    warm_up: WarmUp | None
    max_iter: int

    def of_epoch(self, state, samples_seen, n_batches):
        """Return the rates of the epoch that comes, one a batch."""
        rates = np.full(n_batches, self.initial * state.rate_factor)
        unit, warm_up = self.schedule._unit, self.warm_up
        if unit == "epochs" or warm_up is not None:
            now = state.epoch + np.arange(n_batches) / n_batches
        if unit == "epochs":
            rates *= self.schedule(now, self.max_iter)
        if unit == "samples":
            # As in scikit-learn, a new optimizer starts from the initial rate.
            rates *= self.schedule(samples_seen if state.epoch else 0, self.max_iter)
        if warm_up is not None:
            rates *= warm_up(now, self.max_iter)
        return rates


class Limits(NamedTuple):
    """Bounds on the gradient and on each unit's incoming weights; inf is none."""

    clip_value: float = np.inf
    clip_norm: float = np.inf
    max_norm: float = np.inf


class MiniBatchTrainer(EpochTrainer):
    """Trains by steps on mini-batches.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        Changed in place. Parameters to predict with, before and after.
    progress : Progress
    callbacks : CallbackRunner
    optimizer : FirstOrder
    state : OptimizerState
        Changed in place.
    rates : Rates
    batch_size : FixedBatch or GrowingBatch
        Maps a time and the number of rows to the size of batches.
    max_iter : int
    shuffle : bool
    random_state : RandomState
    limits : Limits
    averaging : Averaging or None
    augmentation : Augmentation
    incremental : bool
        Whether it is one epoch of many, for which the average's raw weights are kept.
    n_jobs : int or None
        Bound on the threads of BLAS for large products.
    """

    def __init__(
        self,
        problem,
        theta,
        progress,
        callbacks,
        *,
        optimizer: Optimizer,
        state,
        rates,
        batch_size,
        max_iter,
        shuffle,
        random_state,
        limits,
        averaging,
        augmentation,
        incremental,
        n_jobs=None,
    ):
        super().__init__(
            problem,
            theta,
            progress,
            callbacks,
            state=state,
            rates=rates,
            batch_size=batch_size,
            n_rows=problem.n_rows,
            max_iter=max_iter,
            incremental=incremental,
        )
        self.optimizer = optimizer
        self.shuffle = shuffle
        self.random_state = random_state
        self.averaging = averaging
        self.n_jobs = n_jobs
        self.order = problem.row_indices
        if shuffle:
            rows = np.arange(problem.n_rows) if self.order is None else self.order
            self.order = rows.astype(np.int64)
        self.trained = self._training_parameters()
        self._batches_before = state.n_batches
        self._statistics_before = theta[problem.layout.statistics].copy()
        self.steps = CompiledSteps(
            problem,
            self.trained,
            optimizer=optimizer,
            state=state,
            rates=rates,
            batch_size=batch_size,
            max_iter=max_iter,
            order=self.order,
            limits=limits,
            averaging=averaging,
            augmentation=augmentation,
            n_jobs=n_jobs,
        )

    def _training_parameters(self):
        """Return the vector that is trained: theta, or another one if theta only predicts."""
        theta, state, layout = self.theta, self.state, self.problem.layout
        predicting = theta[: layout.n_parameters]
        if self.averaging is not None:
            # If a user has assigned other weights since, training goes on from those.
            if state.average is not None and np.array_equal(state.average, predicting):
                state.trained[layout.frozen] = theta[layout.frozen]
                return state.trained
            state.average, state.n_batches = aligned_copy(predicting), 0
        start = self.optimizer.training_parameters(predicting, state.vectors, layout)
        if self.averaging is None and start is predicting:
            return theta
        trained = aligned_copy(theta)
        trained[: predicting.size] = start
        return trained

    def to_dict(self):
        """Return what training goes on with after an epoch, to be given to `restore`."""
        return {
            "theta": self.theta,
            "trained": self.trained,
            "order": self.order,
            "optimizer": {**self.state.to_dict(), "trained": None},
        }

    def restore(self, values):
        """Go on where another trainer of the same problem was."""
        overwrite(self.trained, values["trained"])
        overwrite(self.theta, values["theta"])
        if self.order is not None:
            if not np.array_equal(np.sort(self.order), np.sort(values["order"])):
                raise ValueError("The order of rows in a checkpoint is not one of these rows.")
            overwrite(self.order, values["order"])
        self.state.restore(values["optimizer"])
        self.steps.go_on()

    def conclude(self):
        theta = super().conclude()
        if self.averaging is not None and self.problem.architecture.uses_batch_statistics:
            self._renew_statistics(theta)
        return theta

    def fit(self):
        try:
            super().fit()
        finally:
            self.state.trained = self.trained if self.averaging is not None else None

    def epoch(self, batches_per_call=None):
        """Train for one epoch, in calls that are short enough for Ctrl-C.

        Yields the learning rate of the last step after each call, of so many batches or of as
        many as the time allows.
        """
        self.callbacks.begin()
        steps = self.steps
        if self.shuffle:
            self.random_state.shuffle(self.order)
        rates = steps.begin_epoch(self.progress.samples_seen)
        first = 0
        try:
            while first < steps.n_batches:
                last = min(first + (batches_per_call or steps.affordable), steps.n_batches)
                steps.take(first, last)
                first = last
                yield rates[first - 1]
                if self.progress.is_out_of_time and steps.rows_seen > 0:
                    break
        finally:
            # However the epoch ends, a later call goes on from the steps that were taken.
            self._note_steps(first)
        self.state.epoch += 1
        self.show()
        self.progress.add(
            self.loss_so_far(),
            rates[first - 1],
            steps.gradient_norm,
            steps.n_samples(first),
        )
        self.callback_stops = self.callbacks.end()

    def loss_so_far(self):
        steps = self.steps
        return steps.loss / steps.rows_seen if steps.rows_seen > 0 else None

    def _note_steps(self, n_done):
        self.steps.note()
        self.state.n_batches += n_done
        if self.averaging is None or not 0 < n_done < self.steps.n_batches:
            return
        shares = self.steps.shares
        if not shares[:n_done].any():
            # This average takes the parameters at the ends of epochs, and the epoch ends here.
            newest = self.trained[: self.state.average.size]
            self.state.average += shares[-1] * (newest - self.state.average)

    def show(self):
        if self.trained is self.theta:
            return
        layout, optimizer, state = self.problem.layout, self.optimizer, self.state
        n_parameters, n_weights = layout.n_parameters, layout.n_weights
        trained = self.trained[:n_parameters]
        self.theta[n_parameters:] = self.trained[n_parameters:]
        if self.averaging is not None:
            self.theta[:n_parameters] = state.average
        else:
            self.theta[:n_parameters] = optimizer.prediction_parameters(
                trained, state.vectors, layout
            )
        if self.problem.l1 > 0:
            # An average of weights that are 0 by now is not quite 0.
            iterate = optimizer.iterate(trained, state.vectors, layout)
            self.theta[:n_weights][iterate[:n_weights] == 0] = 0

    def _renew_statistics(self, theta):
        """Replace batch normalization's running statistics by those of the averaged parameters.

        The statistics that training leaves behind belong to the parameters of its last steps, not
        to their average. New ones are computed over the batches of the last epoch. If earlier
        calls have seen other data, these are blended with the previous statistics, in the
        proportion in which that many batches of training would replace them.
        """
        problem, before = self.problem, self._statistics_before
        # Time counts the epochs that are over, and the last of them started one earlier.
        batch_size = self._batch_size(later=0 if self.batch_size.counts_plateaus else -1)
        plan = problem.plan(batch_size, self.n_jobs, at_once=True)
        mean = mean_statistics(problem, theta, plan, self.order)
        shares = np.ones_like(mean)
        if self._batches_before > 0:
            n_batches = self.state.n_batches - self._batches_before
            momenta = aligned_zeros(problem.layout.n_values, theta.dtype)
            for spec, array in problem.layout.arrays_in(momenta):
                if not spec.trained:
                    array[:] = problem.architecture.normalizations[spec.layer].momentum
            shares -= (1 - momenta[problem.layout.statistics]) ** n_batches
        theta[problem.layout.statistics] = before + shares * (mean - before)
