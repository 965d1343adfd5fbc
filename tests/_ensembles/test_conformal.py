import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sknn_opt._ensembles.conformal import (
    KEPT_SCORES,
    conforming_weight,
    effective_number,
    least_weight,
    summarize,
    upper_ends,
)

random = np.random.default_rng(0)


def p_values(targets, means, scales, scores):
    """Vovk's definition, term by term: one p-value for each possible target."""
    n = sum(map(len, scores))
    conforming = sum(
        (fold[:, np.newaxis] >= np.abs(targets - mean) / scale).sum(axis=0)
        for fold, mean, scale in zip(scores, means, scales, strict=True)
    )
    return (conforming + 1) / (n + 1)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_intervals_are_the_hulls_of_vovks_sets(coverage):
    scores = [np.abs(random.normal(size=n)) for n in (13, 12, 12)]
    summaries = [summarize(one, np.ones(len(one))) for one in scores]
    means, scales = random.normal(scale=0.2, size=(3, 5)), random.uniform(0.5, 2, size=(3, 5))
    least = least_weight(coverage, 37)
    high = upper_ends(means, scales, summaries, least)
    low = -upper_ends(-means, scales, summaries, least)
    targets = np.linspace(-8, 8, 160_001)
    for j in range(5):
        in_set = p_values(targets, means[:, j], scales[:, j], scores) > 1 - coverage
        expected = targets[in_set][[0, -1]]
        assert_allclose([low[j], high[j]], expected, atol=2e-4)


def test_conforming_rows_are_those_with_scores_as_large():
    scores, weight = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 2.0, 4.0, 8.0])
    summary = summarize(scores, weight)
    asked = np.array([[0.0, 1.0, 1.5], [2.0, 2.5, 3.5]])
    assert_array_equal(conforming_weight(summary, asked), [[15, 15, 13], [13, 1, 0]])


def test_a_summary_is_short_and_makes_sets_larger_rather_than_smaller():
    scores, weight = random.normal(size=12_345), random.random(12_345)
    summary = summarize(scores, weight)
    assert len(summary[0]) <= KEPT_SCORES
    asked = np.linspace(-5, 5, 300)
    exact = (weight * (scores >= asked[:, np.newaxis])).sum(axis=1)
    found = conforming_weight(summary, asked)
    assert (found >= exact - 1e-9).all()
    assert_allclose(found, exact, atol=2 * weight.sum() / KEPT_SCORES)


def test_a_summary_of_few_scores_is_exact():
    scores = random.normal(size=KEPT_SCORES)
    assert_array_equal(summarize(scores, np.ones(KEPT_SCORES))[0], np.sort(scores))


@pytest.mark.parametrize(("coverage", "n", "conforming"), [(0.9, 99, 10), (0.9, 9, 1), (0.5, 3, 2)])
def test_the_number_of_rows_that_have_to_conform(coverage, n, conforming):
    least = least_weight(coverage, n)
    assert conforming - 1 <= least < conforming
    assert least > conforming - 1  # one row fewer is not enough, whatever the rounding


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 1.5, np.nan])
def test_coverages_that_cannot_be(coverage):
    with pytest.raises(ValueError, match="between 0 and 1"):
        least_weight(coverage, 100)


def test_too_few_rows_for_a_coverage():
    assert least_weight(0.9, 9) >= 0
    with pytest.raises(
        ValueError, match="at least 99 held-out rows of equal weight, and there are 50"
    ):
        least_weight(0.99, 50)


def test_the_effective_number_of_rows():
    assert effective_number(None, 7) == 7
    assert_allclose(effective_number(np.full(7, 0.3), 7), 7)
    assert_allclose(effective_number(np.array([1.0, 1.0, 0.0, 0.0]), 4), 2)
    assert_allclose(effective_number(np.full(7, 1e-300), 7), 7)
