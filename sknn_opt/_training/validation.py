"""Judging a network on held-out data while it trains."""

from dataclasses import dataclass

import numpy as np

from .._network.inputs import Features
from .._network.network import Network


@dataclass
class ValidationSet:
    """Data that is not trained on.

    Attributes
    ----------
    X : ndarray or CSR matrix
    y : ndarray
        As scorers read it.
    targets : ndarray of shape (n_samples, n_columns)
        As the loss reads it, of X's dtype.
    sample_weight : ndarray of shape (n_samples,) or None
    row_indices : ndarray of int64, default=None
        The rows of ``X`` that the others belong to; None means all.
    """

    X: Features
    y: np.ndarray
    targets: np.ndarray
    sample_weight: np.ndarray | None
    row_indices: np.ndarray | None = None

    def __len__(self):
        return len(self.targets)

    def features(self):
        """Return the features of these samples alone."""
        return self.X if self.row_indices is None else self.X[self.row_indices]


class Validation:
    """Loss and score on a `ValidationSet`, of the network whose parameters ``theta`` holds.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        May be changed in place between calls.
    data : ValidationSet
    score : callable
        Maps raw outputs and their loss to a score, higher being better.
    n_jobs : int, default=None
        Bound on the threads of BLAS for large products.
    """

    def __init__(self, problem, theta, data, score, n_jobs=None):
        plan = problem.plan(len(data), n_jobs)
        parameters = problem.layout.by_layer(theta)
        self._network = Network(data.X, parameters, problem.architecture, plan, data.row_indices)
        self._problem = problem
        self._targets = np.ascontiguousarray(data.targets)
        weight = data.sample_weight
        self._weight = np.ones(len(data), theta.dtype) if weight is None else weight
        self._score = score

    def __call__(self):
        """Return the mean loss, without penalty, and the score; NaN if raw outputs overflow."""
        raw = self._network.raw_outputs()
        if not np.isfinite(raw).all():
            return np.nan, np.nan
        loss = self._problem.mean_loss(raw, self._targets, self._weight)
        return loss, float(self._score(raw, loss))
