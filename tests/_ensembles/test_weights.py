from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax

from sknn_opt._ensembles.losses import log_loss, squared_error
from sknn_opt._ensembles.weights import PICKS, greedy_weights, temperature, tempered

random = np.random.default_rng(0)
Y = random.normal(size=(200, 1))


def loss_of(y, prediction):
    return squared_error(y, prediction, None)


def test_members_that_average_out_are_weighed_alike():
    error = random.normal(size=Y.shape)
    weights = greedy_weights([Y + error, Y - error, Y + 5], partial(loss_of, Y))
    assert_array_equal(weights, [0.5, 0.5, 0.0])


def test_weights_are_those_of_a_plain_transcription():
    predictions = [Y + random.normal(scale=s, size=Y.shape) for s in (0.5, 0.6, 0.7, 2.0)]
    picked, paths = [], []
    for _ in range(PICKS):
        means = [np.mean([*picked, one], axis=0) for one in predictions]
        losses = [loss_of(Y, mean) for mean in means]
        picked.append(predictions[int(np.argmin(losses))])
        paths.append((min(losses), len(picked)))
    best = picked[: min(paths)[1]]
    expected = [sum(one is other for one in best) / len(best) for other in predictions]
    weights = greedy_weights(predictions, partial(loss_of, Y))
    assert_allclose(weights, expected)
    assert_allclose(weights.sum(), 1)


def test_a_mean_is_not_worse_than_its_best_member():
    predictions = [Y + random.normal(scale=s, size=Y.shape) for s in (0.5, 0.6, 0.7)]
    weights = greedy_weights(predictions, partial(loss_of, Y))
    mixed = sum(w * p for w, p in zip(weights, predictions, strict=True))
    assert loss_of(Y, mixed) <= min(loss_of(Y, p) for p in predictions)


def test_a_single_member_has_all_the_weight():
    assert_array_equal(greedy_weights([Y + 1], partial(loss_of, Y)), [1.0])


def test_losses_that_are_no_numbers_still_give_weights():
    weights = greedy_weights([Y, Y], lambda prediction: np.nan)
    assert_allclose(weights.sum(), 1)


def test_a_loss_that_is_no_number_is_the_worst():
    def loss(mean):
        return np.nan if (mean > 3).any() else loss_of(Y, mean)

    assert_array_equal(greedy_weights([Y + 200, Y + 0.1, Y + 200], loss), [0, 1, 0])


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_that_logits_were_divided_by(true_temperature):
    logits = random.normal(scale=2.0, size=(40_000, 1, 3))
    thresholds = softmax(logits, axis=2).cumsum(axis=2)
    y = (random.random((40_000, 1, 1)) > thresholds).sum(axis=2)
    distorted = log_softmax(true_temperature * logits, axis=2)
    found = temperature(distorted, partial(log_loss, np.eye(3)[y], sample_weight=None))
    assert_allclose(found, true_temperature, rtol=0.03)


def test_temperatures_change_no_decision():
    log_probabilities = log_softmax(random.normal(size=(50, 1, 4)), axis=2)
    for t in (0.2, 1.0, 5.0):
        changed = tempered(log_probabilities, t)
        assert_allclose(np.exp(changed).sum(axis=2), 1)
        assert_array_equal(changed.argmax(axis=2), log_probabilities.argmax(axis=2))
