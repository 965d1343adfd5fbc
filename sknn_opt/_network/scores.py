"""Scores: derivatives of the loss by the raw outputs, for targets that the network itself draws.

Where a loss is the negative log likelihood of a distribution, the network predicts one, and the
second moments of the scores are its Fisher matrix. Only these moments matter, so that a normal
number may stand for one of another distribution with the same mean and variance.
"""

import math

import numpy as np

from .._compiler.declarations import Call, inline, instantiate, kernel, real
from .._compiler.elementary import exp, logistic
from .random_stream import standard_normal, uniform

SCORE = """void (real *raw, real *roots, real *delta, int64 rows, int64 outputs, int64 key,
int64 first, double *parameters)"""

call_score = Call(SCORE)

_score = None  # in the template of kernels below: the rule for one output


def _scores(raw, roots, delta, rows, outputs, key, first, parameters):
    """Write each row's score, times its root, for the rows that are numbered from ``first`` on."""
    for i in range(rows):
        number = (first + i) * outputs
        for j in range(outputs):
            place = i * outputs + j
            delta[place] = roots[i] * _score(raw[place], key, number + j)


@inline
def _normal(raw, key, number):
    return standard_normal(key, number)


@inline
def _bernoulli(raw, key, number):
    p = logistic(raw)
    return p - real(1) if uniform(key, number) < p else p


@inline
def _poisson(raw, key, number):
    return exp(real(0.5) * raw) * standard_normal(key, number)


@inline
def _gamma(raw, key, number):
    # Of half the deviance, the gamma distribution is the exponential one; NaN stays NaN.
    return real(1.0 + math.log(uniform(key, number))) + real(0) * raw


@inline
def _score_of_class(raw, root, delta, start, end, rank):
    """Write the score of a class that is drawn by a ``rank`` between 0 and 1."""
    top = raw[start]
    for j in range(start, end):
        top = raw[j] if raw[j] > top else top
    total = real(0)
    for j in range(start, end):
        delta[j] = exp(raw[j] - top)
        total += delta[j]
    drawn, below = start, 0.0
    for j in range(start, end):
        # An output without probability is never drawn, even if rounding leaves a rest.
        drawn = j if below < rank * total and delta[j] > real(0) else drawn
        below += delta[j]
        delta[j] *= root / total
    delta[drawn] -= root


@kernel(SCORE)
def _categorical(raw, roots, delta, rows, outputs, key, first, parameters):
    for i in range(rows):
        rank = uniform(key, first + i)
        _score_of_class(raw, roots[i], delta, i * outputs, (i + 1) * outputs, rank)


@kernel(SCORE)
def _categorical_of_each(raw, roots, delta, rows, outputs, key, first, parameters):
    n = np.int64(parameters[0])
    for i in range(rows):
        start = i * outputs
        for k in range(n):
            end = start + np.int64(parameters[1 + k])
            rank = uniform(key, (first + i) * n + k)
            _score_of_class(raw, roots[i], delta, start, end, rank)
            start = end


@kernel(SCORE)
def _normal_with_variance(raw, roots, delta, rows, outputs, key, first, parameters):
    n_targets = outputs // 2
    for i in range(rows):
        for j in range(n_targets):
            mean, spread = i * outputs + j, i * outputs + n_targets + j
            r = standard_normal(key, (first + i) * n_targets + j)
            delta[mean] = roots[i] * r * exp(real(-0.5) * raw[spread])
            delta[spread] = roots[i] * real(0.5) * (real(1) - r * r)


#: By the names that `Form.distribution` has.
SCORES = {
    "normal": instantiate(_scores, SCORE, _score=_normal),
    "normal with variance": _normal_with_variance,
    "bernoulli": instantiate(_scores, SCORE, _score=_bernoulli),
    "categorical": _categorical,
    "categorical, of each output": _categorical_of_each,
    "poisson": instantiate(_scores, SCORE, _score=_poisson),
    "gamma": instantiate(_scores, SCORE, _score=_gamma),
}
