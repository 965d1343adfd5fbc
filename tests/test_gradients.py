"""Gradients of whole networks against central differences, for every pair of features."""

import numpy as np
import pytest
from cases import FACTORS, HIDDEN, N_SAMPLES, make_case, name, pairwise

from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._network.problem import Evaluator


def _evaluator(case, seed):
    """Loss and gradient of a small random network; the masks of dropout are frozen."""
    problem, theta = make_case(case, seed)
    evaluator = Evaluator(problem, theta, Plan(N_SAMPLES), None)
    evaluator.network.source.mask_key = 987654321
    evaluator.network.layers["mask_key"] = 1234567 * np.arange(1, len(HIDDEN) + 2)
    return evaluator, theta, 1.0 / problem.total_weight()


def _central_differences(evaluator, theta, scale, n, step):
    numeric = np.empty(n)
    for i in range(n):
        middle = theta[i]
        theta[i] = middle + step
        above, _ = evaluator(0, N_SAMPLES, scale)
        theta[i] = middle - step
        below, _ = evaluator(0, N_SAMPLES, scale)
        numeric[i] = (above - below) / (2 * step)
        theta[i] = middle
    return numeric


@pytest.mark.parametrize("case", list(pairwise(FACTORS)), ids=name)
def test_gradient_is_that_of_central_differences(case):
    for seed in range(20):
        evaluator, theta, scale = _evaluator(case, seed)
        gradient = evaluator(0, N_SAMPLES, scale)[1].copy()
        numeric = _central_differences(evaluator, theta, scale, gradient.size, 1e-5)
        coarse = _central_differences(evaluator, theta, scale, gradient.size, 1e-4)
        # Where two steps disagree, a kink lies between: another point is taken.
        if np.abs(numeric - coarse).max() < 1e-6 * max(1.0, np.abs(numeric).max()):
            break
    else:
        pytest.fail("no point without a kink nearby was found")
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())
    assert np.abs(gradient).max() > 1e-4
