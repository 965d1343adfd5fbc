"""The tasks of a round. Each returns a list of what is added up over the blocks."""

from contextlib import contextmanager

import numpy as np

from .shards import Shard


@contextmanager
def _shard(block, template, theta=None):
    """Give the `Shard` of a block, at the parameters ``theta``."""
    with block.made(Shard, template) as shard:
        if theta is not None:
            shard.theta[:] = theta
        yield shard


def count(block, template):
    """Return the number of rows to train on, their weight in the loss, and those held out."""
    with _shard(block, template) as shard:
        weight = shard.problem.total_weight() if shard.problem.n_rows else 0.0
        return [shard.problem.n_rows, weight, len(shard.held_out)]


def loss_and_gradient(block, template, theta, scale):
    with _shard(block, template, theta) as shard:
        if shard.problem.n_rows == 0:
            return [0.0, np.zeros(shard.problem.layout.n_parameters)]
        return shard.sums.loss_and_gradient(scale)


def take_steps(block, template, theta, vectors, clock, seed, samples_seen, first, last):
    """Take local steps of an epoch, from ``theta`` and from an optimizer's state.

    Returns sums over the rows that they train on: of what the steps have changed, the new
    state, 1, the loss, the last gradient's norm, and the number of steps so far.
    """
    with _shard(block, template, theta) as shard:
        n_parameters = shard.problem.layout.n_parameters
        nothing = [np.zeros(n_parameters), np.zeros(vectors.size), 0.0, 0.0, 0.0, 0.0]
        if shard.problem.n_rows == 0:
            return nothing
        steps, compiled = shard.local_steps, shard.local_steps.compiled
        steps.take(vectors, clock, seed, samples_seen, first, last)
        rows = float(compiled.rows_seen)
        if rows == 0:
            return nothing
        change = theta[:n_parameters].astype(np.float64) - shard.theta[:n_parameters]
        state = steps.state.vectors.astype(np.float64)
        norm, step = float(compiled.gradient_norm), steps.state.step
        return [rows * change, rows * state, rows, float(compiled.loss), rows * norm, rows * step]


def hessian_product(block, template, theta, scale, vector, exact):
    with _shard(block, template, theta) as shard:
        if shard.problem.n_rows == 0:
            return [np.zeros(shard.problem.layout.n_parameters)]
        return [shard.sums.hessian_product(vector, exact, scale)]


def gauss_newton_matrix(block, template, theta, scale):
    with _shard(block, template, theta) as shard:
        if shard.problem.n_rows == 0:
            return [np.zeros((shard.problem.layout.n_parameters,) * 2)]
        return [shard.sums.gauss_newton_matrix(scale)]


def _validation_rows(shard, is_apart):
    return shard.rows if is_apart else shard.held_out


def validate(block, template, theta, is_apart):
    """Return sums of weight, loss and score over held-out rows, or over a block of only such."""
    with _shard(block, template, theta) as shard:
        return shard.validate(_validation_rows(shard, is_apart))


def target_sums(block, template, is_apart):
    """Return the weight of the validation rows and the weighted sum of their targets."""
    with _shard(block, template) as shard:
        y, weight = shard.targets_of(_validation_rows(shard, is_apart))
        return [weight.sum(dtype=np.float64), weight.astype(np.float64) @ y]


def target_squares(block, template, is_apart, mean):
    """Return the weighted sum of the squares of the targets' distances from their mean."""
    with _shard(block, template) as shard:
        y, weight = shard.targets_of(_validation_rows(shard, is_apart))
        return [weight.astype(np.float64) @ (y - mean) ** 2]
