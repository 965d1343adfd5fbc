"""The statistics that batch normalization predicts with, over the batches of an epoch."""

import copy
from dataclasses import replace

import numpy as np

from .._network.problem import Evaluator


def mean_statistics(problem, theta, plan, order):
    """Return the mean of batch normalization's statistics over all batches; changes theta's."""
    architecture = problem.architecture.without_dropout()
    architecture = architecture._replace(
        normalizations=[_without_memory(n) for n in architecture.normalizations]
    )
    evaluator = Evaluator(replace(problem, architecture=architecture), theta, plan, order)
    statistics = theta[problem.layout.statistics]
    total, n_rows = np.zeros(statistics.size), 0
    for start, rows in evaluator.network.blocks():
        if rows > 1:  # a single row has no variance
            evaluator.network.forward(start, rows)
            total += rows * statistics
            n_rows += rows
    return total / n_rows if n_rows > 0 else statistics


def _without_memory(normalization):
    """Return batch normalization whose running statistics are those of the last batch alone."""
    if normalization is None or not normalization.uses_batch_statistics:
        return normalization
    return copy.copy(normalization).set_params(momentum=1.0)
