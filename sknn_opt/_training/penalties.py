"""Penalties and bounds on the weights, of the first-order optimizers."""

import math

import numpy as np

from .._compiler.declarations import inline, offset, real


@inline
def start_gradient(theta, gradient, n_parameters, n_weights, l1, l2):
    """Set the gradient to that of the L2 penalty; return the value of both penalties.

    ``l1 * sum(abs(w)) + l2 / 2 * sum(w ** 2)``. The L1 term stays out of the gradient:
    `soft_threshold` applies it after the optimizer's step, so that weights become 0.
    """
    for i in range(n_weights, n_parameters):
        gradient[i] = real(0)
    # In float64: in float32, a sum over a million weights would lose digits.
    squares = 0.0
    if l1 == 0.0:
        for i in range(n_weights):
            squares += np.float64(theta[i]) * np.float64(theta[i])
            gradient[i] = real(l2) * theta[i]
        return 0.5 * l2 * squares
    absolutes = 0.0
    for i in range(n_weights):
        squares += np.float64(theta[i]) * np.float64(theta[i])
        absolutes += np.float64(abs(theta[i]))
        gradient[i] = real(l2) * theta[i]
    return 0.5 * l2 * squares + l1 * absolutes


@inline
def bound_columns(weights, fan_in, fan_out, bound, squares):
    """Scale each unit's incoming weights down to a Euclidean norm of at most ``bound``.

    ``squares`` is a buffer of doubles, one for each unit.
    """
    for j in range(fan_out):
        squares[j] = 0.0
    for i in range(fan_in):
        row = offset(weights, i * fan_out)
        for j in range(fan_out):
            squares[j] += np.float64(row[j]) * np.float64(row[j])
    factors = squares
    for j in range(fan_out):
        # The lower bound keeps a unit without weights from a division by 0.
        factors[j] = min(1.0, bound / math.sqrt(max(squares[j], 1e-30)))
    for i in range(fan_in):
        row = offset(weights, i * fan_out)
        for j in range(fan_out):
            row[j] *= real(factors[j])
