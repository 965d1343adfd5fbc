"""Training: epochs of mini-batches in compiled code, or a full-batch minimizer.

A `Problem` is what is to be learnt, a `Record` what training leaves behind. Both trainers
change ``theta`` and the record, and nothing of the estimator.
"""

import copy
import time
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from ._inputs import Input
from ._kernel import address
from ._network import (
    OBJECTIVE,
    RUN,
    Architecture,
    Layout,
    Network,
    batch_gradient,
    train_batches,
)
from .penalties import penalise

#: Rows of a block wherever all rows are passed through a network at once.
BLOCK_ROWS = 1024

#: Seconds between two chances for Ctrl-C.
_LONGEST_CALL = 0.2


@dataclass
class Problem:
    """Data, network and loss, as both trainers see them.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_columns)
        Targets as the loss reads them, of X's dtype.
    sample_weight : ndarray of shape (n_samples,) or None
        Of X's dtype.
    loss : Loss
    form : Form
        The loss's kernels for this kind of target.
    architecture : Architecture
    layout : Layout
    alpha, l1_ratio : float
    rows : ndarray of int64 or None
        The rows to train on; None means all.
    """

    X: object
    y: np.ndarray
    sample_weight: np.ndarray | None
    loss: object
    form: object
    architecture: Architecture
    layout: Layout
    alpha: float
    l1_ratio: float
    rows: np.ndarray | None = None

    @property
    def n_rows(self):
        """Number of rows to train on."""
        return self.X.shape[0] if self.rows is None else len(self.rows)

    def total_weight(self):
        """Sum of the sample weights of the training rows."""
        if self.sample_weight is None:
            return float(self.n_rows)
        rows = slice(None) if self.rows is None else self.rows
        return float(self.sample_weight[rows].sum(dtype=np.float64))

    def validate(self, theta, held_out, score):
        """Return a function without arguments: the score at what ``theta`` holds then.

        Parameters
        ----------
        theta : ndarray of shape (n_values,)
        held_out : ndarray of int64
            Rows of ``X``.
        score : callable
            Maps raw outputs on these rows to a float, higher being better.
        """
        block = min(BLOCK_ROWS, len(held_out))
        network = Network(self.layout.views(theta), self.architecture, block)
        source = Input(self.X, block, held_out)

        def validation_score():
            raw = network.raw_outputs(source)
            return float(score(raw)) if np.isfinite(raw).all() else np.nan

        return validation_score


class Batches:
    """Loss and gradient over blocks of rows, at the parameters in ``theta``.

    ``theta`` may be changed in place between calls; the gradient is left in ``gradient``.
    """

    def __init__(self, problem, theta, max_rows, order):
        layout, architecture = problem.layout, problem.architecture
        self.dtype = theta.dtype
        self.gradient = np.zeros(layout.n_parameters, theta.dtype)
        self.source = Input(problem.X, max_rows, order, architecture.input_dropout)
        self.source.allow_gradient()
        self.network = Network(
            layout.views(theta), architecture, max_rows, layout.views(self.gradient)
        )
        if self.network.residual_input:
            self.source.allow_residual()
        self.objective = np.zeros(1, OBJECTIVE)
        parameters = problem.loss.kernel_parameters()
        y_block = np.empty((max_rows, problem.y.shape[1]), self.dtype)
        weight_block = np.empty(max_rows, self.dtype)
        fields = self.objective[0]
        fields["evaluate"] = problem.form.evaluate.address(self.dtype)
        fields["parameters"] = address(parameters)
        fields["y"], fields["n_columns"] = address(problem.y), problem.y.shape[1]
        fields["sample_weight"] = address(problem.sample_weight)
        fields["order"] = address(order)
        fields["y_block"], fields["weight_block"] = address(y_block), address(weight_block)
        self._alive = problem, theta, order, parameters, y_block, weight_block
        self.arguments = (
            self.source.address,
            address(self.network.layers),
            self.network.n_layers,
            address(self.objective),
        )

    def loss_and_gradient(self, scale):
        """Return ``scale`` times the sum of weight times loss; leave its gradient."""
        loss = 0.0
        n_rows, block = self.source.n_rows, self.network.max_rows
        for start in range(0, n_rows, block):
            rows = min(block, n_rows - start)
            loss += batch_gradient(
                self.dtype, *self.arguments, start, rows, scale, float(start > 0)
            )
        return scale * loss


class Record:
    """The history of training, and whether it still makes progress.

    Parameters
    ----------
    tol : float
    n_iter_no_change : int or inf
    verbose : bool or int
    validates : bool
        Whether progress is judged by a validation score rather than by the loss.
    previous : dict
        Fitted attributes to go on from; empty at the first fit.
    """

    def __init__(self, tol, n_iter_no_change, verbose, validates, previous):
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.verbose = verbose
        self.history = {
            name: list(previous.get("history_", {}).get(name, ()))
            for name in ("loss", "learning_rate", "grad_norm", "time")
        }
        self.validation_scores = None
        self.best_loss = previous.get("best_loss_", np.inf)
        self.best_score = None
        if validates:
            self.validation_scores = list(previous.get("validation_scores_") or ())
            self.best_score = previous.get("best_validation_score_")
            self.best_score = -np.inf if self.best_score is None else self.best_score
            self.best_loss = None
        elif self.best_loss is None:
            self.best_loss = np.inf
        self.loss = previous.get("loss_")
        self.stalled = previous.get("_no_improvement_count", 0)
        self.samples_seen = previous.get("t_", 0)
        self.n_iter = 0
        self.best_theta = None
        self._seconds_before = self.history["time"][-1] if self.history["time"] else 0.0
        self._start = time.perf_counter()

    def start(self, theta):
        """Note the parameters from which training starts, the best ones so far."""
        if self.validation_scores is not None:
            self.best_theta = theta.copy()

    def add(self, theta, loss, learning_rate, grad_norm, n_samples, score=None):
        """Add an epoch or iteration, ``score`` being a function that returns its score."""
        self.n_iter += 1
        self.loss = loss
        self.samples_seen += n_samples
        # The comparisons below are written so that a NaN is no improvement.
        entry = loss, learning_rate, grad_norm, self.seconds
        for column, value in zip(self.history.values(), entry, strict=True):
            column.append(float(value))
        if self.verbose:
            print(f"Iteration {self.n_iter}, loss = {loss:.8f}")
        if self.validation_scores is None:
            self.stalled = 0 if loss <= self.best_loss - self.tol else self.stalled + 1
            if loss < self.best_loss:
                self.best_loss = loss
            return
        value = score()
        self.validation_scores.append(value)
        if self.verbose:
            print(f"Validation score: {value:f}")
        self.stalled = 0 if value >= self.best_score + self.tol else self.stalled + 1
        if value > self.best_score:
            self.best_score = value
            self.best_theta = theta.copy()

    @property
    def seconds(self):
        return self._seconds_before + time.perf_counter() - self._start

    @property
    def has_stalled(self):
        return self.stalled > self.n_iter_no_change

    def stall_message(self):
        what = "Training loss" if self.validation_scores is None else "Validation score"
        return (
            f"{what} did not improve more than tol={self.tol:f} for "
            f"{self.n_iter_no_change} consecutive epochs."
        )

    def say(self, message):
        if self.verbose:
            print(message)

    def fitted_attributes(self):
        """What training leaves on the estimator."""
        return {
            "history_": self.history,
            "loss_curve_": self.history["loss"],
            "loss_": self.loss,
            "best_loss_": self.best_loss,
            "validation_scores_": self.validation_scores,
            "best_validation_score_": self.best_score,
            "n_iter_": self.n_iter,
            "t_": self.samples_seen,
            "_no_improvement_count": self.stalled,
        }


class OptimizerState:
    """What a first-order optimizer carries from step to step, and the schedule's clock."""

    def __init__(self, optimizer, theta, seed):
        self.optimizer = type(optimizer).__name__
        self.vectors = optimizer.initial_state(theta)
        self.seed = seed  # of dropout
        self.step = 0
        self.epoch = 0
        self.rate_factor = 1.0  # what plateaus have made of the learning rate

    def fits(self, optimizer, theta):
        """Whether this optimizer can go on from here with parameters like ``theta``."""
        fresh = optimizer.initial_state(theta)
        return (
            self.optimizer == type(optimizer).__name__
            and self.vectors.shape == fresh.shape
            and self.vectors.dtype == fresh.dtype
        )

    def copy(self):
        twin = copy.copy(self)
        twin.vectors = self.vectors.copy()
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
        now = state.epoch + np.arange(n_batches) / n_batches
        clock = now
        if self.schedule._unit == "samples":
            # As in scikit-learn, a new optimizer starts from the initial rate.
            clock = samples_seen if state.epoch else 0
        rates = np.empty(n_batches)
        rates[:] = self.initial * state.rate_factor * self.schedule(clock, self.max_iter)
        if self.warm_up is not None:
            rates *= self.warm_up(now, self.max_iter)
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
    score : callable or None
        Returns the validation score at ``theta``.
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
    """

    def __init__(
        self,
        problem,
        theta,
        record,
        score,
        optimizer,
        state,
        rates,
        batch_size,
        max_iter,
        shuffle,
        random_state,
        limits,
    ):
        self.problem = problem
        self.theta = theta
        self.record = record
        self.score = score
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
        n_parameters = problem.layout.n_parameters
        # Where the optimizer predicts with other parameters than it trains.
        self.trained = theta.copy()
        self.trained[:n_parameters] = optimizer.training_parameters(
            theta[:n_parameters], state.vectors
        )
        self.batches = Batches(problem, self.trained, self._block_rows(), self.order)
        self._batches_per_call = 8
        self.run = self._bind(limits)

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
        columns = np.empty(max(fan_out for _, fan_out in layout.shapes), dtype)
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
        fields["seed"], fields["step"] = self.state.seed, self.state.step
        self._alive = parameters, scratch, columns
        self._run_address = address(run)
        return run

    def fit(self):
        """Train until the record stalls or ``max_iter`` epochs are done."""
        self.record.start(self.theta)
        try:
            for _ in range(self.max_iter):
                self._epoch()
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
            self._show()
            warnings.warn("Training interrupted by user.", stacklevel=5)

    def partial_fit(self):
        """Train for one epoch."""
        self.record.start(self.theta)
        self._epoch()
        if self.record.has_stalled:
            self._ends_at_plateau()

    def _epoch(self):
        n_rows = self.problem.n_rows
        if self.shuffle:
            shuffled = np.arange(n_rows)
            self.random_state.shuffle(shuffled)
            self.order[:] = self.order[shuffled]
        run = self.run[0]
        batch_size = self.batch_size(self.state.epoch, n_rows)
        n_batches = -(-n_rows // batch_size)
        rates = self.rates.of_epoch(self.state, self.record.samples_seen, n_batches)
        run["batch_size"], run["loss"], run["rows_seen"] = batch_size, 0.0, 0.0
        self._run_batches(n_batches, rates)
        self.state.step = int(run["step"])
        self.state.epoch += 1
        self._show()
        self._last_rate = rates[-1]
        self.record.add(
            self.theta,
            run["loss"] / run["rows_seen"],
            self._last_rate,
            run["gradient_norm"],
            n_rows,
            self.score,
        )

    def _run_batches(self, n_batches, rates):
        """Run in calls that are short enough for Ctrl-C."""
        first, rates_address = 0, address(rates)
        while first < n_batches:
            last = min(first + self._batches_per_call, n_batches)
            start = time.perf_counter()
            train_batches(
                self.theta.dtype,
                *self.batches.arguments,
                self._run_address,
                rates_address + first * rates.itemsize,
                first,
                last,
            )
            seconds = time.perf_counter() - start
            affordable = int((last - first) * _LONGEST_CALL / max(seconds, 1e-9))
            self._batches_per_call = min(max(affordable, 1), 16 * (last - first))
            first = last

    def _show(self):
        """Let ``theta`` be what predicts."""
        n_parameters = self.problem.layout.n_parameters
        self.theta[n_parameters:] = self.trained[n_parameters:]
        self.theta[:n_parameters] = self.optimizer.prediction_parameters(
            self.trained[:n_parameters], self.state.vectors
        )

    def _ends_at_plateau(self):
        message = self.record.stall_message()
        schedule = self.rates.schedule
        factor = schedule.after_plateau(self._last_rate)
        if factor is None:
            self.record.say(f"{message} {schedule._last_words}")
            return True
        self.state.rate_factor *= factor
        self.record.say(f"{message} Setting learning rate to {self._last_rate * factor:f}")
        self.record.stalled = 0
        return False


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
            positive, negative, rest = np.split(x, self._split_at())
            x = np.concatenate([positive - negative, rest])
        self.theta[:] = x

    def _split_at(self):
        n_weights = self.problem.layout.n_weights
        return [n_weights, 2 * n_weights]

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
