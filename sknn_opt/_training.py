"""Training: epochs of mini-batches in compiled code, or a full-batch minimizer.

A `Problem` is what is to be learnt, a `Record` what training leaves behind. Both trainers
change ``theta`` and the record, and nothing of the estimator.
"""

import time
import warnings

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from ._inputs import Input
from ._kernel import address
from ._network import OBJECTIVE, RUN, Network, batch_gradient, train_batches
from .penalties import penalise

#: Rows of a block wherever all rows are passed through a network at once.
BLOCK_ROWS = 1024

#: Seconds between two chances for Ctrl-C.
_LONGEST_CALL = 0.2


class Problem:
    """Data, network and loss, as both trainers see them.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_columns)
        Targets as the loss reads them, of X's dtype.
    sample_weight : ndarray of shape (n_samples,) or None
        Of X's dtype.
    rows : ndarray of int64 or None
        The rows to train on; None means all.
    loss : Loss
    form : Form
        The loss's kernels for this kind of target.
    activations : list of Activation
    layout : Layout
    alpha, l1_ratio : float
    """

    def __init__(self, X, y, sample_weight, rows, loss, form, activations, layout, alpha, l1_ratio):
        self.X = X
        self.y = y
        self.sample_weight = sample_weight
        self.rows = rows
        self.loss = loss
        self.form = form
        self.activations = activations
        self.layout = layout
        self.alpha = alpha
        self.l1_ratio = l1_ratio

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
        theta : ndarray of shape (n_parameters,)
        held_out : ndarray of int64
            Rows of ``X``.
        score : callable
            Maps raw outputs on these rows to a float, higher being better.
        """
        block = min(BLOCK_ROWS, len(held_out))
        network = Network(*self.layout.views(theta), self.activations, block)
        source = Input(self.X, block, held_out)

        def validation_score():
            raw = network.raw_outputs(source)
            return float(score(raw)) if np.isfinite(raw).all() else np.nan

        return validation_score


class Batches:
    """Loss and gradient over blocks of rows, at the parameters in ``theta``.

    ``theta`` may be changed in place between calls; the gradient is left in ``gradient``,
    which has the same layout.
    """

    def __init__(self, problem, theta, max_rows, order):
        self.dtype = theta.dtype
        self.theta = theta
        self.gradient = np.zeros_like(theta)
        self.source = Input(problem.X, max_rows, order)
        self.network = Network(
            *problem.layout.views(theta),
            problem.activations,
            max_rows,
            problem.layout.views(self.gradient),
        )
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
        self._alive = problem, order, parameters, y_block, weight_block
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

    def __init__(self, optimizer, theta):
        self.optimizer = type(optimizer).__name__
        self.vectors = np.zeros((optimizer._n_slots, theta.size), theta.dtype)
        self.step = 0
        self.epoch = 0
        self.rate_factor = 1.0  # what plateaus have made of the learning rate

    def fits(self, optimizer, theta):
        return (
            self.optimizer == type(optimizer).__name__
            and self.vectors.shape == (optimizer._n_slots, theta.size)
            and self.vectors.dtype == theta.dtype
        )

    def copy(self):
        twin = object.__new__(OptimizerState)
        twin.__dict__ = {**self.__dict__, "vectors": self.vectors.copy()}
        return twin


class MiniBatches:
    """Trains by steps on mini-batches.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_parameters,)
        Changed in place.
    record : Record
    score : callable or None
        Returns the validation score at ``theta``.
    optimizer : FirstOrder
    state : OptimizerState
        Changed in place.
    schedule : Schedule
    learning_rate : float
        The rate that the schedule multiplies.
    batch_size, max_iter : int
    shuffle : bool
    random_state : RandomState
    """

    def __init__(
        self,
        problem,
        theta,
        record,
        score,
        optimizer,
        state,
        schedule,
        learning_rate,
        batch_size,
        max_iter,
        shuffle,
        random_state,
    ):
        self.problem = problem
        self.theta = theta
        self.record = record
        self.state = state
        self.schedule = schedule
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.score = score
        self.order = problem.rows
        if shuffle:
            rows = np.arange(problem.n_rows) if problem.rows is None else problem.rows
            self.order = rows.astype(np.int64)
        self.batches = Batches(problem, theta, batch_size, self.order)
        self.n_batches = -(-problem.n_rows // batch_size)
        self._batches_per_call = 8
        self.run = self._bind(optimizer, batch_size)

    def _bind(self, optimizer, batch_size):
        problem, batches, dtype = self.problem, self.batches, self.theta.dtype
        parameters = optimizer.kernel_parameters()
        run = np.zeros(1, RUN)
        fields = run[0]
        fields["n_rows"], fields["batch_size"] = problem.n_rows, batch_size
        fields["theta"], fields["gradient"] = address(self.theta), address(batches.gradient)
        fields["layout"] = address(problem.layout.table)
        fields["state"] = address(self.state.vectors)
        fields["update"] = optimizer._update.address(dtype)
        fields["parameters"] = address(parameters)
        fields["batch_gradient"] = batch_gradient.address(dtype)
        fields["alpha"], fields["l1_ratio"] = problem.alpha, problem.l1_ratio
        fields["step"] = self.state.step
        self._alive = parameters
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
            warnings.warn("Training interrupted by user.", stacklevel=5)

    def partial_fit(self):
        """Train for one epoch."""
        self.record.start(self.theta)
        try:
            self._epoch()
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
            return
        if self.record.has_stalled:
            self._ends_at_plateau()

    def _epoch(self):
        if self.shuffle:
            shuffled = np.arange(len(self.order))
            self.random_state.shuffle(shuffled)
            self.order[:] = self.order[shuffled]
        rates = self._learning_rates()
        run = self.run[0]
        run["loss"] = run["rows_seen"] = 0.0
        first, rates_address = 0, address(rates)
        while first < self.n_batches:
            last = min(first + self._batches_per_call, self.n_batches)
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
        self.state.step = int(run["step"])
        self.state.epoch += 1
        self.record.add(
            self.theta,
            run["loss"] / run["rows_seen"],
            rates[-1],
            run["gradient_norm"],
            self.problem.n_rows,
            self.score,
        )

    def _learning_rates(self):
        """The rate of each step of the epoch that comes."""
        if self.schedule._unit == "samples":
            # As in scikit-learn, a new optimizer starts from the initial rate.
            now = self.record.samples_seen if self.state.epoch else 0
        else:
            now = self.state.epoch + np.arange(self.n_batches) / self.n_batches
        factor = self.learning_rate * self.state.rate_factor
        rates = np.empty(self.n_batches)
        rates[:] = factor * self.schedule(now, self.max_iter)
        self._last_rate = rates[-1]
        return rates

    def _ends_at_plateau(self):
        message = self.record.stall_message()
        factor = self.schedule.after_plateau(self._last_rate)
        if factor is None:
            self.record.say(f"{message} {self.schedule._last_words}")
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
    theta : ndarray of shape (n_parameters,)
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
