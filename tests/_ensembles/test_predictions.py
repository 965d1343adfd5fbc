import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

from sknn_opt import MLPRegressor
from sknn_opt._ensembles.predictions import (
    NumberMixture,
    NumberPredictions,
    ProbabilityMixture,
)
from sknn_opt.losses import GaussianNLL, Quantile, SquaredError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.default_rng(0)
X = random.normal(size=(30, 3))
FAST = {"optimizer": "lbfgs", "hidden_layer_sizes": (3,), "max_iter": 10, "random_state": 0}


def test_a_mixture_of_probabilities_is_their_weighted_mean():
    outputs = log_softmax(random.normal(size=(4, 10, 2, 3)), axis=3)
    weights = np.array([0.5, 2.0, 1.0, 0.1])
    mixture = ProbabilityMixture()
    for weight, output in zip(weights, outputs, strict=True):
        mixture.add(weight, output)
    assert_allclose(np.exp(mixture.output), np.average(np.exp(outputs), axis=0, weights=weights))


def test_a_mixture_of_tiny_probabilities_keeps_them():
    mixture = ProbabilityMixture()
    for _ in range(2):
        mixture.add(0.5, np.array([-2000.0, 0.0]))
    assert_allclose(mixture.output, [-2000.0, 0.0])


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_a_mixture_of_numbers_is_their_weighted_mean_and_variance(offset):
    numbers, own = random.normal(size=(5, 20, 2)), random.random((5, 20, 2))
    weights = random.random(5)
    mixture = NumberMixture()
    for weight, *output in zip(weights, numbers + offset, own, strict=True):
        mixture.add(weight, np.stack(output, axis=2))
    mean = np.average(numbers, axis=0, weights=weights)
    variance = np.average((numbers - mean) ** 2 + own, axis=0, weights=weights)
    tolerance = 1e-12 if offset == 0 else 1e-5
    assert_allclose(mixture.output[:, :, 0] - offset, mean, atol=tolerance)
    assert_allclose(mixture.output[:, :, 1], variance, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("loss", [SquaredError(), GaussianNLL()])
def test_numbers(outputs, loss):
    y = X[:, :outputs].squeeze()
    network = MLPRegressor(**FAST, loss=loss).fit(X, y)
    has_variances = isinstance(loss, GaussianNLL)
    predictions = NumberPredictions(has_variances, [loss])
    output = predictions.output(network, X)
    prediction = predictions.prediction(output)
    assert prediction.shape == predictions.encode(y).shape == (30, outputs)
    assert_array_equal(predictions.shown(prediction), network.predict(X))
    std = network.predict(X, return_std=True)[1] if has_variances else np.zeros(y.shape)
    assert_allclose(predictions.shown(output[:, :, 1]), std**2)
    assert_allclose(predictions.score(predictions.encode(y), prediction, None), network.score(X, y))


def test_several_quantiles_of_one_target():
    loss = Quantile([0.2, 0.8])
    network = MLPRegressor(**FAST, loss=loss).fit(X, X[:, 0])
    predictions = NumberPredictions(False, [loss])
    prediction = predictions.prediction(predictions.output(network, X))
    assert prediction.shape == (30, 2)
    y = predictions.encode(X[:, 0])
    assert_allclose(predictions.score(y, prediction, None), network.score(X, X[:, 0]))
    assert_allclose(predictions.loss(y, prediction, None), -network.score(X, X[:, 0]))


def test_predictions_that_overflow_leave_no_nan():
    network = MLPRegressor(**FAST, loss="poisson").fit(X, X[:, 0] ** 2)
    network.intercepts_[-1][:] = 1e4
    predictions = NumberPredictions(False, [SquaredError()])
    with pytest.warns(RuntimeWarning, match="predictions overflow"):
        alone = network.predict(X)
    assert np.isinf(alone).all()
    with pytest.warns(RuntimeWarning, match="predictions overflow"):
        high = predictions.output(network, X)
    mixture = predictions.mixture()
    for output in (high, -high, np.zeros_like(high), high):
        mixture.add(0.25, output)
    mean, variance = np.moveaxis(mixture.output, -1, 0)
    assert (mean > 1e300).all()
    assert np.isfinite(mean).all()
    assert np.isposinf(variance).all()
