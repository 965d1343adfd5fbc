"""Loss and score on validation rows that are spread over the blocks."""

import numpy as np

from . import tasks


class DistributedValidation:
    """Loss and score of the network whose parameters ``theta`` holds.

    Parameters
    ----------
    rounds : Rounds
    theta : ndarray of shape (n_values,)
        May be changed in place between calls.
    scoring : {"accuracy", "r2", "loss"}
    is_apart : bool
        Whether the blocks are a validation set, rather than the held-out rows in them that count.
    """

    def __init__(self, rounds, theta, scoring, is_apart):
        self._rounds, self._theta = rounds, theta
        self._scoring, self._is_apart = scoring, is_apart
        if scoring == "r2":
            weight, total = rounds.sum(tasks.target_sums, is_apart)
            (self._squares,) = rounds.sum(tasks.target_squares, is_apart, total / weight)

    def __call__(self):
        """Return the mean loss, without penalty, and the score; NaN if raw outputs overflow."""
        theta = self._theta.copy()
        weight, loss, parts = self._rounds.sum(tasks.validate, theta, self._is_apart)
        loss = loss / weight
        if self._scoring == "loss":
            return loss, -loss
        if self._scoring == "accuracy":
            return loss, parts / weight
        return loss, self._r2(parts)

    def _r2(self, residuals):
        """Return R² as `sklearn.metrics.r2_score` does, the mean over the outputs."""
        if not np.isfinite(residuals).all():
            return np.nan
        constant = self._squares == 0
        shares = residuals / np.where(constant, 1.0, self._squares)
        return float(np.where(constant, residuals == 0, 1.0 - shares).mean())
