"""Scores of drawn targets have a mean of 0, and the Fisher matrix as their second moments."""

import numpy as np
import pytest
from scipy.linalg import block_diag

from sknn_opt._compiler.declarations import address
from sknn_opt._network.scores import SCORES
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES

N = 200_000
#: Two outputs, of one and of three classes.
CLASSES = np.array([2.0, 1.0, 3.0])
RAW = np.array([0.3, -1.0, 0.8, 0.1])
P = 1 / (1 + np.exp(-RAW))


def _covariance(raw):
    p = np.exp(raw) / np.exp(raw).sum()
    return np.diag(p) - np.outer(p, p)


FISHER = {
    "normal": np.eye(4),
    "normal with variance": np.diag([*np.exp(-RAW[2:]), 0.5, 0.5]),
    "bernoulli": np.diag(P * (1 - P)),
    "categorical": _covariance(RAW),
    "categorical, of each output": block_diag(*map(_covariance, (RAW[:1], RAW[1:]))),
    "poisson": np.diag(np.exp(RAW)),
    "gamma": np.eye(4),
}


def draw(name, raw, dtype="float64", roots=None, key=1234567890123, first=0):
    raw = np.ascontiguousarray(raw, dtype)
    roots = np.ones(len(raw), dtype) if roots is None else roots.astype(dtype)
    scores = np.full_like(raw, np.nan)
    SCORES[name](
        raw.dtype, *map(address, (raw, roots, scores)), *raw.shape, key, first, address(CLASSES)
    )
    return scores


def test_that_every_distribution_is_tested():
    losses = [*CLASSIFIER_LOSSES.values(), *REGRESSOR_LOSSES.values()]
    named = {loss().form(kind).distribution for loss in losses for kind in loss()._forms}
    assert named - {None} == set(FISHER) == set(SCORES)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FISHER)
def test_moments(name, dtype):
    scores = draw(name, np.tile(RAW, (N, 1)), dtype).astype(float)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(scores.T @ scores / N, FISHER[name], atol=0.04)


@pytest.mark.parametrize("name", FISHER)
def test_a_row_has_its_number_and_its_root(name):
    raw = np.random.default_rng(0).normal(size=(20, 4))
    roots = np.random.default_rng(1).uniform(0, 2, 20)
    whole = draw(name, raw)
    np.testing.assert_array_equal(draw(name, raw[7:], first=7), whole[7:])
    np.testing.assert_allclose(draw(name, raw, roots=roots), roots[:, np.newaxis] * whole)
    assert (draw(name, raw, key=1) != whole).any()


@pytest.mark.parametrize("name", set(FISHER) - {"normal"})
def test_nan_stays_nan(name):
    raw = np.full((3, 4), np.nan)
    assert np.isnan(draw(name, raw)[:, :2]).all()


def test_a_class_without_probability_is_not_drawn():
    raw = np.tile([0.0, -800.0, 0.0, -np.inf], (1000, 1))
    scores = draw("categorical", raw)
    np.testing.assert_array_equal(scores[:, [1, 3]], 0)
    np.testing.assert_array_equal(np.abs(scores[:, [0, 2]]), 0.5)
