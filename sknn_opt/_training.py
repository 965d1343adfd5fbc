"""Training on mini-batches: whole epochs in compiled code."""

import copy
import time
import warnings
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._kernel import address
from ._network import (
    RUN,
    batch_gradient,
    clip,
    constrain,
    forward_block,
    renew_masks,
    train_batches,
    update_average,
)
from ._problem import BLOCK_ROWS, Batches

#: Seconds between two chances for Ctrl-C.
_LONGEST_CALL = 0.2


class OptimizerState:
    """What a first-order optimizer carries from step to step, and the schedule's clock."""

    def __init__(self, optimizer, theta, seed):
        self.optimizer = type(optimizer).__name__
        self.vectors = optimizer.initial_state(theta)
        self.seed = seed  # of dropout
        self.step = 0
        self.epoch = 0
        self.n_batches = 0  # in which there may have been nothing to learn
        self.average = None  # of the parameters, where there is one: then it predicts,
        self.trained = None  # and training goes on from these
        self.rate_factor = 1.0  # what plateaus have made of the learning rate

    def fits(self, optimizer, theta, n_parameters):
        """Whether this optimizer can go on from here with parameters like ``theta``."""
        predicting = theta[:n_parameters]
        pairs = [(self.vectors, optimizer.initial_state(predicting))]
        if self.average is not None:
            pairs += [(self.average, predicting), (self.trained, theta)]
        return self.optimizer == type(optimizer).__name__ and all(
            mine.shape == other.shape and mine.dtype == other.dtype for mine, other in pairs
        )

    def copy(self):
        twin = copy.copy(self)
        twin.vectors = self.vectors.copy()
        twin.average = None if self.average is None else self.average.copy()
        return twin


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
    schedule: object
    warm_up: object
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


class MiniBatches:
    """Trains by steps on mini-batches.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        Changed in place. Parameters to predict with, before and after.
    record : Record
    validation : callable or None
        Returns the validation loss and score at ``theta``.
    tasks : Tasks
    optimizer : FirstOrder
    state : OptimizerState
        Changed in place.
    rates : Rates
    batch_size : callable
        Maps an epoch and the number of rows to the size of its batches.
    max_iter : int
    shuffle : bool
    random_state : RandomState
    limits : Limits
    averaging : Averaging or None
    """

    def __init__(
        self,
        problem,
        theta,
        record,
        validation,
        tasks,
        optimizer,
        state,
        rates,
        batch_size,
        max_iter,
        shuffle,
        random_state,
        limits,
        averaging,
    ):
        self.problem = problem
        self.theta = theta
        self.record = record
        self.validation = validation
        self.tasks = tasks
        self.optimizer = optimizer
        self.state = state
        self.rates = rates
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.order = problem.rows
        if shuffle:
            rows = np.arange(problem.n_rows) if problem.rows is None else problem.rows
            self.order = rows.astype(np.int64)
        self.averaging = averaging
        self.trained = self._training_parameters()
        self._batches_before = state.n_batches
        self._statistics_before = theta[problem.layout.n_parameters :].copy()
        self.batches = Batches(problem, self.trained, self._block_rows(), self.order)
        self._batches_per_call = 8
        # The learning rate of each step of an epoch, and its share in the average.
        self._steps = np.zeros((2, 0))
        #: Called with its learning rate after each step, by those who want to watch.
        self.after_step = None
        self.run = self._bind(limits)

    def _training_parameters(self):
        """Return what is trained: theta, or what goes with it where theta only predicts."""
        theta, state = self.theta, self.state
        predicting = theta[: self.problem.layout.n_parameters]
        if self.averaging is not None:
            # Weights that a user has assigned since are trained themselves.
            if state.average is not None and np.array_equal(state.average, predicting):
                return state.trained.copy()
            state.average, state.n_batches = predicting.copy(), 0
        start = self.optimizer.training_parameters(predicting, state.vectors)
        if self.averaging is None and start is predicting:
            return theta
        trained = theta.copy()
        trained[: predicting.size] = start
        return trained

    def _block_rows(self):
        """Rows that pass through the network at once: a batch, or a part of a large one."""
        n_rows = self.problem.n_rows
        # Batches never shrink, so the last epoch has the largest ones.
        largest = self.batch_size(self.state.epoch + self.max_iter - 1, n_rows)
        normalization = self.problem.architecture.normalization
        if normalization is not None and normalization._over_batch:
            return largest
        return min(largest, BLOCK_ROWS)

    def _bind(self, limits):
        problem, batches, dtype = self.problem, self.batches, self.theta.dtype
        layout, optimizer = problem.layout, self.optimizer
        parameters = optimizer.kernel_parameters()
        scratch = np.empty(optimizer.scratch_size(layout), dtype)
        columns = np.empty(max(fan_out for _, fan_out in layout.shapes))
        run = np.zeros(1, RUN)
        fields = run[0]
        fields["n_rows"], fields["max_rows"] = problem.n_rows, batches.network.max_rows
        fields["theta"], fields["gradient"] = address(self.trained), address(batches.gradient)
        fields["layout"], fields["scratch"] = address(layout.table), address(scratch)
        fields["state"] = address(self.state.vectors)
        fields["update"] = optimizer._update.address(dtype)
        fields["parameters"] = address(parameters)
        fields["batch_gradient"] = batch_gradient.address(dtype)
        fields["columns"] = address(columns)
        fields["alpha"], fields["l1_ratio"] = problem.alpha, problem.l1_ratio
        for name, bound in limits._asdict().items():
            fields[name] = bound
        if problem.architecture.input_dropout > 0 or any(problem.architecture.dropout):
            fields["renew_masks"] = renew_masks.address(dtype)
        if min(limits.clip_value, limits.clip_norm) < np.inf:
            fields["clip"] = clip.address(dtype)
        if problem.alpha * problem.l1_ratio > 0 or limits.max_norm < np.inf:
            fields["constrain"] = constrain.address(dtype)
        fields["seed"], fields["step"] = self.state.seed, self.state.step
        if self.averaging is not None:
            fields["average"] = address(self.state.average)
            fields["update_average"] = update_average.address(dtype)
        self._alive = parameters, scratch, columns
        self._run_address = address(run)
        return run

    def fit(self):
        """Train until the record stalls or ``max_iter`` epochs are done."""
        self.record.start(self.theta, self.validation)
        try:
            for _ in range(self.max_iter):
                stops = self._epoch()
                if self.record.has_diverged:
                    break
                if self.record.is_out_of_time:
                    self._warn_of_time()
                    break
                if stops:
                    break
                if self.record.has_stalled and self._ends_at_plateau():
                    break
            else:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and "
                    "the optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=5,
                )
        except KeyboardInterrupt:
            self._end_at_interrupt()

    def partial_fit(self):
        """Train for one epoch."""
        self.record.start(self.theta, self.validation)
        try:
            self._epoch()
        except KeyboardInterrupt:
            self._end_at_interrupt()
            return
        finally:
            self.state.trained = self.trained if self.averaging is not None else None
        if self.record.is_out_of_time:
            self._warn_of_time()
        if self.record.has_stalled:
            self._ends_at_plateau()

    def renew_statistics(self, theta):
        """Let batch normalization predict by the statistics of these parameters.

        Those that training left behind belong to others than their average. The batches are
        those of the last epoch; where earlier calls have seen other data, the new mean is
        blended with theirs, by as much as so many batches of training would.
        """
        problem, before = self.problem, self._statistics_before
        batch_size = self.batch_size(0, problem.n_rows)
        momentum = problem.architecture.normalization.momentum
        mean = _mean_statistics(problem, theta, batch_size, self.order)
        share = 1.0
        if self._batches_before > 0:
            share -= (1.0 - momentum) ** (self.state.n_batches - self._batches_before)
        theta[problem.layout.n_parameters :] = before + share * (mean - before)

    def _warn_of_time(self):
        warnings.warn(
            f"Stochastic Optimizer: max_time={self.record.max_time} seconds were over after "
            f"{self.record.n_iter} epoch(s) and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=6,
        )

    def _epoch(self):
        """Train for one epoch; return whether a callback asks to stop."""
        self.tasks.begin()
        n_rows = self.problem.n_rows
        if self.shuffle:
            self.random_state.shuffle(self.order)
        run = self.run[0]
        batch_size = self.batch_size(self.state.epoch, n_rows)
        n_batches = -(-n_rows // batch_size)
        run["batch_size"], run["loss"], run["rows_seen"] = batch_size, 0.0, 0.0
        if self._steps.shape[1] != n_batches:
            self._steps = np.zeros((2, n_batches))
            self._steps_address = address(self._steps)
        rates, shares = self._steps
        rates[:] = self.rates.of_epoch(self.state, self.record.samples_seen, n_batches)
        if self.averaging is not None:
            shares[:] = self.averaging.shares(
                self.state.n_batches, self.state.epoch, n_batches, self.rates.max_iter
            )
        n_batches = self._run_batches(n_batches)
        self.state.epoch += 1
        self._show()
        self._last_rate = rates[n_batches - 1]
        self.record.add(
            run["loss"] / run["rows_seen"],
            self._last_rate,
            run["gradient_norm"],
            min(n_batches * batch_size, n_rows),
        )
        return self.tasks.end()

    def _run_batches(self, n_batches):
        """Run in calls that are short enough for Ctrl-C; return how many there was time for."""
        first, (rates, shares) = 0, self._steps
        rates_address = self._steps_address
        shares_address = rates_address + rates.nbytes
        try:
            while first < n_batches:
                batches = self._batches_per_call if self.after_step is None else 1
                last = min(first + batches, n_batches)
                start = time.perf_counter()
                train_batches(
                    self.theta.dtype,
                    *self.batches.arguments,
                    self._run_address,
                    rates_address + first * rates.itemsize,
                    shares_address + first * shares.itemsize,
                    first,
                    last,
                )
                seconds = time.perf_counter() - start
                affordable = int((last - first) * _LONGEST_CALL / max(seconds, 1e-9))
                self._batches_per_call = min(max(affordable, 1), 16 * (last - first))
                if self.after_step is not None:
                    self.after_step(rates[first])
                first = last
                if self.record.is_out_of_time and self.run[0]["rows_seen"] > 0:
                    break
        finally:
            # However it ends: what has been trained is to be gone on from.
            self.state.step = int(self.run[0]["step"])
            self.state.n_batches += first
            if self.averaging is not None and 0 < first < n_batches and not shares[:first].any():
                # The average is one over ends of epochs, and this one ends here.
                newest = self.trained[: self.state.average.size]
                self.state.average += shares[-1] * (newest - self.state.average)
        return first

    def _show(self):
        """Let ``theta`` be what predicts."""
        if self.trained is self.theta:
            return
        n_parameters = self.problem.layout.n_parameters
        self.theta[n_parameters:] = self.trained[n_parameters:]
        if self.averaging is not None:
            self.theta[:n_parameters] = self.state.average
            return
        self.theta[:n_parameters] = self.optimizer.prediction_parameters(
            self.trained[:n_parameters], self.state.vectors
        )

    def _end_at_interrupt(self):
        """Keep what is learnt; where that is nothing, raise the interrupt again."""
        if self.record.n_iter == 0:
            loss, rows_seen = self.run[0][["loss", "rows_seen"]]
            if rows_seen == 0:
                raise
            self.record.loss = loss / rows_seen
        self._show()
        warnings.warn("Training interrupted by user.", stacklevel=6)

    def _ends_at_plateau(self):
        message = self.record.stall_message()
        schedule = self.rates.schedule
        # Without the factor of a warm-up, which is no sign that the rate is too small.
        factor = schedule.after_plateau(self.rates.initial * self.state.rate_factor)
        if factor is None:
            self.record.say(f"{message} {schedule._last_words}")
            return True
        self.state.rate_factor *= factor
        self.record.say(f"{message} Setting learning rate to {self._last_rate * factor:f}")
        self.record.stalled = 0
        return False


def _mean_statistics(problem, theta, batch_size, order):
    """Return the mean of batch normalization's statistics over all batches; changes theta's."""
    normalization = problem.architecture.normalization
    architecture = problem.architecture._replace(
        # Each batch leaves its own statistics.
        normalization=type(normalization)(**{**normalization.get_params(), "momentum": 1.0}),
        dropout=[0.0] * len(problem.architecture.dropout),
        input_dropout=0.0,
    )
    batches = Batches(replace(problem, architecture=architecture), theta, batch_size, order)
    source, layers, n_layers, _ = batches.arguments
    statistics = theta[problem.layout.n_parameters :]
    total, n_rows = np.zeros(statistics.size), 0
    for start in range(0, problem.n_rows, batch_size):
        rows = min(batch_size, problem.n_rows - start)
        if rows > 1:  # a single row has no variance
            forward_block(theta.dtype, source, layers, n_layers, start, rows)
            total += rows * statistics
            n_rows += rows
    return total / n_rows if n_rows > 0 else statistics
