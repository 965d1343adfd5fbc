"""Steps on the mini-batches of one block."""

import numpy as np

from .._training.compiled_steps import CompiledSteps
from .._training.optimizer_state import OptimizerState


class LocalSteps:
    """Takes steps on the rows of one block.

    Each call says where it starts from, and the order of the rows follows from a seed, the
    block's number and the epoch: it does not matter which worker has taken the steps before.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        Changed in place.
    configuration : Configuration
    shuffle : bool
    max_iter : int
    number : int
        That of the block.
    n_jobs : int
    """

    def __init__(self, problem, theta, configuration, shuffle, max_iter, number, n_jobs):
        n_rows = problem.n_rows
        rows = np.arange(n_rows) if problem.row_indices is None else problem.row_indices
        self._rows, self._order = rows, rows.astype(np.int64)
        self._shuffle, self._number, self._drawn = shuffle, number, None
        start = theta[: problem.layout.n_parameters]
        self.state = OptimizerState.fresh(configuration.optimizer, problem.layout, start, 0)
        self.compiled = CompiledSteps(
            problem,
            theta,
            optimizer=configuration.optimizer,
            state=self.state,
            rates=configuration.rates(),
            batch_size=configuration.batch_size(n_rows),
            max_iter=max_iter,
            order=self._order,
            limits=configuration.limits(),
            averaging=None,
            augmentation=configuration.augmentation,
            n_jobs=n_jobs,
        )

    def take(self, vectors, clock, seed, samples_seen, first, last):
        """Take those of the steps ``first`` to ``last - 1`` that the epoch of this block has.

        Parameters
        ----------
        vectors : ndarray
            The optimizer's state.
        clock : dict
            What else an `OptimizerState` counts.
        seed, samples_seen : int
        first, last : int
        """
        self.state.vectors[:] = vectors
        vars(self.state).update(clock)
        self._draw(seed, clock["epoch"])
        self.compiled.go_on()
        self.compiled.begin_epoch(samples_seen)
        last = min(last, self.compiled.n_batches)
        if first < last:
            self.compiled.take(first, last)
            self.compiled.note()

    def _draw(self, seed, epoch):
        """Draw the order of the rows in an epoch, and the seed of what is random in its steps."""
        if self._drawn == (seed, epoch):
            return
        random = np.random.default_rng([seed, self._number, epoch])
        self.state.seed = int(random.integers(np.iinfo(np.int32).max))
        if self._shuffle:
            self._order[:] = random.permutation(self._rows)
        self._drawn = seed, epoch
