"""Training on mini-batches: each partition takes steps of its own, and their mean is a step.

A round sends the parameters and the optimizer's state to all blocks, lets each take some steps
on its rows, and adds up what these have changed. Nothing stays on a worker between two rounds
but buffers: a worker that dies takes nothing along that the next round needs.
"""

import numpy as np

from .._compiler.memory import overwrite
from .._training.epochs import EpochTrainer
from . import tasks

#: That of the outer steps, as Douillard et al. found best, and with few blocks less.
_LARGEST_MOMENTUM = 0.9


#: What of a state tells the time.
_CLOCK = ("step", "epoch", "rate_factor", "n_growths")


class _OutOfTime(Exception):
    pass


class LocalTrainer(EpochTrainer):
    """Trains by outer steps along the mean of what local steps on the blocks have changed.

    Parameters
    ----------
    *observed
        The problem of all rows, theta, progress and callbacks.
    rounds : Rounds
    n_rows_of_blocks : list of int
    local_steps : int or None
        Between two outer steps; None means an epoch of local steps.
    max_norm : float
        Bound on each unit's incoming weights; inf is none.
    **of_epochs
        See `EpochTrainer`.

    Attributes
    ----------
    velocity : ndarray of shape (n_parameters,)
        Of the outer steps.
    """

    def __init__(self, *observed, rounds, n_rows_of_blocks, local_steps, max_norm, **of_epochs):
        # Batches are from one block: the largest takes most steps and can have the largest ones.
        super().__init__(*observed, n_rows=max(n_rows_of_blocks), incremental=False, **of_epochs)
        self._rounds = rounds
        self._local_steps = local_steps
        self._max_norm = max_norm
        self.velocity = np.zeros(self.problem.layout.n_parameters)
        self._momentum = min(_LARGEST_MOMENTUM, 1 - 1 / effective_number(n_rows_of_blocks))
        self._sums = np.zeros(2)  # of the epoch so far: rows and their loss
        self._gradient_norm = np.nan  # that of the last round, the mean over the blocks

    def to_dict(self):
        """Return what training goes on with after an epoch, to be given to `restore`."""
        return {
            "theta": self.theta,
            "velocity": self.velocity,
            "optimizer": self.state.to_dict(),
        }

    def restore(self, values):
        """Go on where another trainer of the same problem was."""
        overwrite(self.theta, values["theta"])
        overwrite(self.velocity, values["velocity"])
        self.state.restore(values["optimizer"])

    def show(self):
        """Each outer step changes ``theta`` itself."""

    def loss_so_far(self):
        rows, loss = self._sums
        return loss / rows if rows > 0 else None

    def epoch(self):
        self.callbacks.begin()
        n_batches = -(-self.n_rows // self._batch_size())
        at_once = min(self._local_steps or n_batches, n_batches)
        rates = self.rates.of_epoch(self.state, self.progress.samples_seen, n_batches)
        self._sums = np.zeros(2)
        last = 0
        try:
            for first in range(0, n_batches, at_once):
                self._round(first, first + at_once)
                last = min(first + at_once, n_batches)
                yield rates[last - 1]
        except _OutOfTime:
            if last == 0:
                return
        self.state.epoch += 1
        n_samples = int(self._sums[0])
        self.progress.add(self.loss_so_far(), rates[last - 1], self._gradient_norm, n_samples)
        self.callback_stops = self.callbacks.end()

    def _round(self, first, last):
        """Let each block take these steps of its epoch, and step along the mean change."""
        state = self.state
        change, vectors, rows, loss, norm, step = self._rounds.sum(
            tasks.take_steps,
            self.theta.copy(),
            state.vectors.copy(),
            {name: getattr(state, name) for name in _CLOCK},
            state.seed,
            self.progress.samples_seen,
            first,
            last,
            between=self._between,
        )
        if rows == 0:
            return
        self._step(change / rows)
        state.vectors[:] = vectors / rows
        state.step = round(step / rows)
        self._sums += rows, loss
        self._gradient_norm = norm / rows

    def _step(self, gradient):
        """Take Nesterov's step; ``gradient`` points to where the local steps came from.

        The mean of the steps that P blocks take side by side is as long as those of one block,
        where in plain training they would have followed each other. A momentum of 1 - 1/P makes
        up for it: a change that persists is gone P times. With one block, training is plain.
        """
        self.velocity = self._momentum * self.velocity + gradient
        step = gradient + self._momentum * self.velocity
        self.theta[: len(step)] -= step.astype(self.theta.dtype)
        if self._max_norm < np.inf:
            self._constrain()

    def _constrain(self):
        """Scale down the units whose incoming weights have a norm above the bound."""
        layout = self.problem.layout
        for is_trained, layer in zip(layout.is_trained, layout.by_layer(self.theta), strict=True):
            if is_trained:
                norms = np.linalg.norm(layer["coefs"], axis=0)
                layer["coefs"] *= np.minimum(1, self._max_norm / np.maximum(norms, 1e-300))

    def _between(self):
        """Give up a round when the time is over; the first one may finish, so that there is one."""
        if self.progress.is_out_of_time and (self.progress.n_iter or self._sums[0]):
            raise _OutOfTime


def effective_number(sizes):
    """Return how many blocks of the same size are as many as these."""
    sizes = np.array(sizes, np.float64)
    return float(sizes.sum() ** 2 / (sizes @ sizes))
