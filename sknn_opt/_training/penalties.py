"""Penalties and bounds on the weights, of the first-order optimizers."""

import math

from .._compiler.declarations import inline, real, shift


@inline
def start_gradient(theta, gradient, n_parameters, n_weights, l1, l2):
    """Set the gradient to that of the L2 penalty; return the value of both penalties.

    ``l1 * sum(abs(w)) + l2 / 2 * sum(w ** 2)``. The L1 term stays out of the gradient:
    `soft_threshold` applies it after the optimizer's step, so that weights become 0.
    """
    for i in range(n_weights, n_parameters):
        gradient[i] = real(0)
    squares = real(0)
    if l1 == 0.0:
        for i in range(n_weights):
            squares += theta[i] * theta[i]
            gradient[i] = real(l2) * theta[i]
        return 0.5 * l2 * squares
    absolutes = real(0)
    for i in range(n_weights):
        squares += theta[i] * theta[i]
        absolutes += abs(theta[i])
        gradient[i] = real(l2) * theta[i]
    return 0.5 * l2 * squares + l1 * absolutes


@inline
def bound_columns(weights, fan_in, fan_out, bound, squares):
    """Scale each unit's incoming weights down to a Euclidean norm of at most ``bound``."""
    for j in range(fan_out):
        squares[j] = real(0)
    for i in range(fan_in):
        row = shift(weights, i * fan_out)
        for j in range(fan_out):
            squares[j] += row[j] * row[j]
    factors = squares
    for j in range(fan_out):
        factors[j] = min(real(1), real(bound) / math.sqrt(max(squares[j], real(1e-30))))
    for i in range(fan_in):
        row = shift(weights, i * fan_out)
        for j in range(fan_out):
            row[j] *= factors[j]
