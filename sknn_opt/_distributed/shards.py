"""What a worker does with a block: sums of loss, gradient and curvature, and scores."""

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._compiler.memory import aligned_zeros
from .._estimators.base import BaseMLP
from .._estimators.fitting import Fit
from .._network.network import Network
from .._training.row_sums import RowSums
from .local_steps import LocalSteps


@dataclass
class Template:
    """How each block becomes a `Shard`.

    Attributes
    ----------
    estimator : MLPClassifier or MLPRegressor
        Not fitted, with a ``dtype`` and, for classes, a ``class_weight`` that hold for all blocks.
    classes : ndarray, list of ndarray, or None
        All classes, as `fit` takes them.
    seed : int or None
        That of the rows held out for early stopping; None means that none are.
    fraction : float
        Their share.
    scoring : {"accuracy", "r2", "loss"}
        Of what validation adds up the parts.
    n_jobs : int
    """

    estimator: BaseMLP
    classes: np.ndarray | list | None
    seed: int | None
    fraction: float
    scoring: str
    n_jobs: int

    def held_out(self, number, n_rows):
        """Return which rows of a block are held out; the same ones on whatever worker."""
        if self.seed is None:
            return np.zeros(n_rows, bool)
        return np.random.default_rng([self.seed, number]).random(n_rows) < self.fraction


class Shard:
    """A block as a `Problem`, at parameters that come with each task.

    Parameters
    ----------
    block : Block
    template : Template
    """

    def __init__(self, block, template):
        estimator = copy.copy(template.estimator)
        data = block.X, block.y, block.sample_weight
        fit = Fit(estimator, *data, (None, None, None), False, template.classes)
        self._fit, self._number = fit, block.number
        self.problem = fit.problem
        self._scoring, self._n_jobs = template.scoring, template.n_jobs
        is_held_out = template.held_out(block.number, len(fit.encoded))
        self.held_out = np.flatnonzero(is_held_out)
        if template.seed is not None:
            self.problem.row_indices = np.flatnonzero(~is_held_out)
        self.theta = aligned_zeros(self.problem.layout.n_values, fit.X.dtype)

    @cached_property
    def sums(self):
        return RowSums(self.problem, self.theta, self._n_jobs)

    @cached_property
    def local_steps(self):
        estimator, configuration = self._fit.estimator, self._fit.configuration
        return LocalSteps(
            self.problem,
            self.theta,
            configuration,
            estimator.shuffle,
            estimator.max_iter,
            self._number,
            self._n_jobs,
        )

    @property
    def rows(self):
        """The rows to train on."""
        rows = self.problem.row_indices
        return np.arange(self.problem.n_rows) if rows is None else rows

    def targets_of(self, rows):
        """Return the targets of ``rows``, as the loss reads them, and their sample weights."""
        weight = self._fit.sample_weight
        weight = np.ones(len(rows), self.theta.dtype) if weight is None else weight[rows]
        return np.ascontiguousarray(self.problem.y[rows]), weight

    def validate(self, rows):
        """Return sums over ``rows``: of the weight, the loss, and what the score is made of."""
        if len(rows) == 0:
            return [0.0, 0.0, 0.0]
        problem = self.problem
        parameters, plan = (
            problem.layout.by_layer(self.theta),
            problem.plan(len(rows), self._n_jobs),
        )
        raw = Network(problem.X, parameters, problem.architecture, plan, rows).raw_outputs()
        y, weight = self.targets_of(rows)
        total = float(weight.sum(dtype=np.float64))
        if not np.isfinite(raw).all():
            return [total, np.nan, np.nan]
        return [total, problem.total_loss(raw, y, weight), self._score(raw, y, weight)]

    def _score(self, raw, y, weight):
        weight = weight.astype(np.float64)
        if self._scoring == "accuracy":
            targets = self._fit.targets
            return weight @ (targets.decide(raw) == targets.truth(y)).all(axis=1)
        if self._scoring == "r2":
            return weight @ (y - self.problem.form.predictions(raw).astype(np.float64)) ** 2
        return 0.0
