"""Training on mini-batches: whole epochs in compiled code."""

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._compiler.blas_threads import BLOCK_ROWS, Plan
from .._compiler.declarations import address
from .._compiler.memory import aligned_copy, aligned_zeros, overwrite
from .._network.passes import batch_gradient
from .._network.problem import Evaluator
from .._warnings import warn
from ..schedules import Schedule, WarmUp
from .curvature import Observation, fade_moments, observe_curvature
from .epoch import RUN, clip, constrain, mix, renew_streams, train_batches, update_average
from .optimizer_state import Optimizer
from .statistics import mean_statistics

#: Seconds that one call of compiled code may take, in which Ctrl-C has to wait.
_LONGEST_CALL = 0.2


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


class MiniBatchTrainer:
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
        self.problem = problem
        self.theta = theta
        self.progress = progress
        self.callbacks = callbacks
        self.optimizer = optimizer
        self.state = state
        self.rates = rates
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.limits = limits
        self.averaging = averaging
        self.augmentation = augmentation
        self.incremental = incremental
        self.n_jobs = n_jobs
        self.order = problem.row_indices
        if shuffle:
            rows = np.arange(problem.n_rows) if self.order is None else self.order
            self.order = rows.astype(np.int64)
        self.trained = self._training_parameters()
        self._batches_before = state.n_batches
        self._statistics_before = theta[problem.layout.statistics].copy()
        self.evaluator = Evaluator(
            problem,
            self.trained,
            Plan(self._largest_block()),
            self.order,
            augmentation=augmentation,
        )
        # The learning rate of each step of an epoch, and its share in the average.
        self._steps = np.zeros((2, 0))
        self._batches_per_call = 8
        self.run = np.zeros(1, RUN)
        self._bind()
        self._callback_stops = False
        self.is_interrupted = False

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

    def _largest_block(self):
        """Return the largest number of rows that pass at once: a batch, or a part of it."""
        # Batches may grow but never shrink, so the last epoch has the largest ones. Buffers that
        # these turn out not to need are never written to, so they take no memory.
        largest = self._batch_size(later=self.max_iter - 1)
        if self.problem.architecture.uses_batch_statistics:
            return largest
        return min(largest, BLOCK_ROWS)

    def _plan_of(self, batch_size):
        """Plan how a batch passes through the network: as a whole, or in blocks."""
        problem = self.problem
        return problem.plan(
            batch_size,
            self.n_jobs,
            at_once=problem.architecture.uses_batch_statistics,
            other=self.optimizer.largest_product(problem.layout, self._largest_block()),
        )

    def _batch_size(self, later=0):
        """Return the size of batches now, or after so many more epochs or plateaus."""
        now = self.state.n_growths if self.batch_size.counts_plateaus else self.state.epoch
        return self.batch_size(max(now + later, 0), self.problem.n_rows)

    def _bind(self):
        """Fill in what the compiled loop reads."""
        problem, optimizer, keep = self.problem, self.optimizer, self.evaluator.network.keep
        layout, dtype, state = problem.layout, self.theta.dtype, self.state
        kernels = optimizer.kernels()
        update = kernels.with_l1 if problem.l1 > 0 else kernels.plain
        values = {
            "n_rows": problem.n_rows,
            "theta": address(self.trained),
            "gradient": address(self.evaluator.gradient),
            "n_parameters": layout.n_parameters,
            "n_weights": layout.n_weights,
            "layout": layout.address,
            "state": address(state.vectors),
            "scratch": keep(np.empty(optimizer.scratch_size(layout), dtype)),
            "update": update.address(dtype),
            "parameters": keep(optimizer.kernel_parameters()),
            "batch_gradient": batch_gradient.address(dtype),
            "columns": keep(np.empty(max(fan_out for _, fan_out in layout.shapes))),
            "alpha": problem.alpha,
            "l1_ratio": problem.l1_ratio,
            "average": address(state.average),
            "seed": state.seed,
            "step": state.step,
            **self.limits._asdict(),
        }
        for name, value in values.items():
            self.run[0][name] = value
        self._bind_stages()
        self._run_address = address(self.run)

    def _bind_stages(self):
        limits, fields = self.limits, self.run[0]
        fields["clips"] = min(limits.clip_value, limits.clip_norm) < np.inf
        renews = self.problem.architecture.drops or self.augmentation.input_noise > 0
        before = [mix] if self.augmentation.mixup > 0 else []
        before += [renew_streams] if renews else []
        if self.optimizer.fisher is not None:
            before.append(fade_moments)
            observation = Observation(
                self.evaluator, self.problem, self.optimizer, self.state.vectors
            )
            fields["observe"] = observe_curvature.address(self.theta.dtype)
            fields["observation"] = observation.address
        between = [clip] if fields["clips"] else []
        after = [constrain] if limits.max_norm < np.inf else []
        after += [update_average] if self.averaging is not None else []
        fields["n_before"], fields["n_between"] = len(before), len(between)
        fields["n_after"] = len(after)
        stages = [stage.address(self.theta.dtype) for stage in (*before, *between, *after)]
        fields["stages"] = self.evaluator.network.keep(np.array(stages, np.int64))

    def fit(self):
        """Train until the progress stalls or ``max_iter`` epochs are done."""
        try:
            # The last epoch before a kill is judged after it.
            while self.progress.n_iter == 0 or not self._is_over():
                for _ in self.epoch():
                    pass
        except KeyboardInterrupt:
            self._end_at_interrupt()
        finally:
            self.state.trained = self.trained if self.averaging is not None else None

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
        if self._callback_stops or (progress.has_stalled and not self._leaves_plateau()):
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
        self.run["step"], self.run["seed"] = self.state.step, self.state.seed

    def conclude(self):
        """Return the parameters to keep; see `Progress.conclude`."""
        theta = self.progress.conclude()
        if self.averaging is not None and self.problem.architecture.uses_batch_statistics:
            self._renew_statistics(theta)
        return theta

    def epoch(self, batches_per_call=None):
        """Train for one epoch, in calls that are short enough for Ctrl-C.

        Yields the learning rate of the last step after each call, of so many batches or of as
        many as the time allows.
        """
        self.callbacks.begin()
        n_rows, run = self.problem.n_rows, self.run[0]
        if self.shuffle:
            self.random_state.shuffle(self.order)
        batch_size = self._batch_size()
        n_batches = -(-n_rows // batch_size)
        if run["batch_size"] != batch_size:
            self._plan = self._plan_of(batch_size)
            run["batch_size"], run["max_rows"] = batch_size, self._plan.max_rows
        run["loss"], run["rows_seen"] = 0.0, 0.0
        rates = self._prepare_steps(n_batches)
        first = 0
        try:
            while first < n_batches:
                last = min(first + (batches_per_call or self._batches_per_call), n_batches)
                self._train(first, last)
                first = last
                yield rates[first - 1]
                if self.progress.is_out_of_time and run["rows_seen"] > 0:
                    break
        finally:
            # However the epoch ends, a later call goes on from the steps that were taken.
            self._note_steps(first, n_batches)
        self.state.epoch += 1
        self._show()
        self.progress.add(
            run["loss"] / run["rows_seen"],
            rates[first - 1],
            run["gradient_norm"],
            min(first * batch_size, n_rows),
        )
        self._callback_stops = self.callbacks.end()

    def _prepare_steps(self, n_batches):
        """Compute the rates of an epoch's steps, which are returned, and their shares."""
        if self._steps.shape[1] != n_batches:
            self._steps = np.zeros((2, n_batches))
            self._steps_address = address(self._steps)
        rates, shares = self._steps
        rates[:] = self.rates.of_epoch(self.state, self.progress.samples_seen, n_batches)
        if self.averaging is not None:
            shares[:] = self.averaging.shares(
                self.state.n_batches, self.state.epoch, n_batches, self.rates.max_iter
            )
        return rates

    def _train(self, first, last):
        """Take the steps of these batches, and note how many the next call can take."""
        rates, _ = self._steps
        place = self._steps_address + first * rates.itemsize
        start = time.perf_counter()
        self._plan.run(
            train_batches,
            self.theta.dtype,
            *self.evaluator.arguments,
            self._run_address,
            place,
            place + rates.nbytes,
            first,
            last,
        )
        seconds = time.perf_counter() - start
        affordable = int((last - first) * _LONGEST_CALL / max(seconds, 1e-9))
        self._batches_per_call = min(max(affordable, 1), 16 * (last - first))

    def _note_steps(self, n_done, n_batches):
        self.state.step = int(self.run[0]["step"])
        self.state.n_batches += n_done
        if self.averaging is None or not 0 < n_done < n_batches:
            return
        _, shares = self._steps
        if not shares[:n_done].any():
            # This average takes the parameters at the ends of epochs, and the epoch ends here.
            newest = self.trained[: self.state.average.size]
            self.state.average += shares[-1] * (newest - self.state.average)

    def _show(self):
        """Copy the parameters that predict to ``theta``."""
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

    def _end_at_interrupt(self):
        """Keep what is learnt so far; if that is nothing, raise the interrupt again."""
        if not self.callbacks.keeps_interrupted:
            raise
        if self.progress.n_iter == 0:
            loss, rows_seen = self.run[0][["loss", "rows_seen"]]
            if rows_seen == 0:
                raise
            self.progress.loss = loss / rows_seen
        self._show()
        self.is_interrupted = True
        warn("Training interrupted by user.")

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
        if not self.batch_size.counts_plateaus or self._batch_size() == self.problem.n_rows:
            return None
        self.state.n_growths += 1
        return f"Setting batch size to {self._batch_size()}"

    def _lower_rate(self):
        """Return what has changed, in words, or None."""
        # A rate that is small because of the warm-up is no reason to end training.
        factor = self.rates.schedule.after_plateau(self.rates.initial * self.state.rate_factor)
        if factor is None:
            return None
        self.state.rate_factor *= factor
        rate = self.progress.history["learning_rate"][-1] * factor
        return f"Setting learning rate to {rate:f}"

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
