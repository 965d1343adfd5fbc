"""The steps of an epoch, taken in compiled code."""

import time

import numpy as np

from .._compiler.blas_threads import BLOCK_ROWS, Plan
from .._compiler.declarations import address
from .._network.passes import batch_gradient
from .._network.problem import Evaluator
from .curvature import Observation, fade_moments, observe_curvature
from .epoch import RUN, clip, constrain, mix, renew_streams, train_batches, update_average
from .epochs import size_of_batches
from .optimizer_state import Optimizer

#: Seconds that one call of compiled code may take, in which Ctrl-C has to wait.
_LONGEST_CALL = 0.2


class CompiledSteps:
    """Takes steps on mini-batches of the rows of a problem that this process holds.

    Parameters
    ----------
    problem : Problem
    trained : ndarray of shape (n_values,)
        The parameters, changed in place.
    optimizer : FirstOrder
    state : OptimizerState
        Its vectors are changed in place.
    rates : Rates
    batch_size : FixedBatch or GrowingBatch
        Maps a time and the number of rows to the size of batches.
    max_iter : int
    order : ndarray of int64 or None
        The rows of an epoch, which may be put into another order between two epochs; None
        means all rows as they are.
    limits : Limits
    averaging : Averaging or None
    augmentation : Augmentation
    n_jobs : int or None
        Bound on the threads of BLAS for large products.

    Attributes
    ----------
    n_batches : int
        Of the epoch that has begun.
    shares : ndarray of shape (n_batches,)
        Those of the newest parameters in their average, after each of its steps.
    affordable : int
        How many steps one call should take.
    """

    def __init__(
        self,
        problem,
        trained,
        *,
        optimizer: Optimizer,
        state,
        rates,
        batch_size,
        max_iter,
        order,
        limits,
        averaging,
        augmentation,
        n_jobs,
    ):
        self.problem = problem
        self.trained = trained
        self.optimizer = optimizer
        self.state = state
        self.rates = rates
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.order = order
        self.limits = limits
        self.averaging = averaging
        self.augmentation = augmentation
        self.n_jobs = n_jobs
        self.n_batches = 0
        self.affordable = 8
        self._evaluator = Evaluator(
            problem, trained, Plan(self._largest_block()), order, augmentation=augmentation
        )
        # The learning rate of each step of an epoch, and its share in the average.
        self._steps = np.zeros((2, 0))
        self._run = np.zeros(1, RUN)
        self._bind()

    @property
    def shares(self):
        return self._steps[1]

    @property
    def loss(self):
        """The sum of the loss over the rows of the epoch that have been trained on."""
        return self._run[0]["loss"]

    @property
    def rows_seen(self):
        return self._run[0]["rows_seen"]

    @property
    def gradient_norm(self):
        return self._run[0]["gradient_norm"]

    def n_samples(self, n_steps):
        """Return how many samples the first steps of the epoch train on."""
        return min(n_steps * int(self._run[0]["batch_size"]), self.problem.n_rows)

    def _largest_block(self):
        """Return the largest number of rows that pass at once: a batch, or a part of it."""
        # Batches may grow but never shrink, so the last epoch has the largest ones. Buffers that
        # these turn out not to need are never written to, so they take no memory.
        largest = self._size_of_batches(later=self.max_iter - 1)
        if self.problem.architecture.uses_batch_statistics:
            return largest
        return min(largest, BLOCK_ROWS)

    def _size_of_batches(self, later=0):
        return size_of_batches(self.batch_size, self.state, self.problem.n_rows, later)

    def _plan_of(self, batch_size):
        """Plan how a batch passes through the network: as a whole, or in blocks."""
        problem = self.problem
        return problem.plan(
            batch_size,
            self.n_jobs,
            at_once=problem.architecture.uses_batch_statistics,
            other=self.optimizer.largest_product(problem.layout, self._largest_block()),
        )

    def _bind(self):
        """Fill in what the compiled loop reads."""
        problem, optimizer, keep = self.problem, self.optimizer, self._evaluator.network.keep
        layout, dtype, state = problem.layout, self.trained.dtype, self.state
        kernels = optimizer.kernels()
        update = kernels.with_l1 if problem.l1 > 0 else kernels.plain
        values = {
            "n_rows": problem.n_rows,
            "theta": address(self.trained),
            "gradient": address(self._evaluator.gradient),
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
            **self.limits._asdict(),
        }
        for name, value in values.items():
            self._run[0][name] = value
        self.go_on()
        self._bind_stages()
        self._run_address = address(self._run)

    def _bind_stages(self):
        limits, fields = self.limits, self._run[0]
        fields["clips"] = min(limits.clip_value, limits.clip_norm) < np.inf
        renews = self.problem.architecture.drops or self.augmentation.input_noise > 0
        before = [mix] if self.augmentation.mixup > 0 else []
        before += [renew_streams] if renews else []
        if self.optimizer.fisher is not None:
            before.append(fade_moments)
            observation = Observation(
                self._evaluator, self.problem, self.optimizer, self.state.vectors
            )
            fields["observe"] = observe_curvature.address(self.trained.dtype)
            fields["observation"] = observation.address
        between = [clip] if fields["clips"] else []
        after = [constrain] if limits.max_norm < np.inf else []
        after += [update_average] if self.averaging is not None else []
        fields["n_before"], fields["n_between"] = len(before), len(between)
        fields["n_after"] = len(after)
        stages = [stage.address(self.trained.dtype) for stage in (*before, *between, *after)]
        fields["stages"] = self._evaluator.network.keep(np.array(stages, np.int64))

    def go_on(self):
        """Count steps, and draw random numbers, from where the state is."""
        self._run["step"], self._run["seed"] = self.state.step, self.state.seed

    def note(self):
        """Let the state know how many steps there have been."""
        self.state.step = int(self._run[0]["step"])

    def begin_epoch(self, samples_seen):
        """Return the learning rates of the steps of the epoch that comes.

        ``samples_seen`` is the number before it, which a schedule may count.
        """
        run, batch_size = self._run[0], self._size_of_batches()
        self.n_batches = -(-self.problem.n_rows // batch_size)
        if run["batch_size"] != batch_size:
            self._plan = self._plan_of(batch_size)
            run["batch_size"], run["max_rows"] = batch_size, self._plan.max_rows
        run["loss"], run["rows_seen"] = 0.0, 0.0
        if self._steps.shape[1] != self.n_batches:
            self._steps = np.zeros((2, self.n_batches))
            self._steps_address = address(self._steps)
        rates, shares = self._steps
        rates[:] = self.rates.of_epoch(self.state, samples_seen, self.n_batches)
        if self.averaging is not None:
            shares[:] = self.averaging.shares(
                self.state.n_batches, self.state.epoch, self.n_batches, self.rates.max_iter
            )
        return rates

    def take(self, first, last):
        """Take the steps ``first`` to ``last - 1`` of the epoch, and note how long that takes."""
        rates = self._steps[0]
        place = self._steps_address + first * rates.itemsize
        start = time.perf_counter()
        self._plan.run(
            train_batches,
            self.trained.dtype,
            *self._evaluator.arguments,
            self._run_address,
            place,
            place + rates.nbytes,
            first,
            last,
        )
        seconds = time.perf_counter() - start
        affordable = int((last - first) * _LONGEST_CALL / max(seconds, 1e-9))
        self.affordable = min(max(affordable, 1), 16 * (last - first))
