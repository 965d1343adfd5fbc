import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._ensembles.predictions import (
    ClassPredictions,
    NumberMixture,
    NumberPredictions,
    ProbabilityMixture,
)
from sknn_opt.losses import GaussianNLL, Quantile, SquaredError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.default_rng(0)
X = random.normal(size=(30, 3))
LABELS = (X > 0.3).astype(int)
KINDS = {
    "two": np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)],
    "three": X.argmax(axis=1) * 10,
    "labels": LABELS,
    "sparse": sparse.csr_array(LABELS),
}
FAST = {"optimizer": "lbfgs", "hidden_layer_sizes": (3,), "max_iter": 10, "random_state": 0}


@pytest.fixture(params=KINDS)
def fitted(request):
    y = KINDS[request.param]
    return ClassPredictions.of(y), y, MLPClassifier(**FAST).fit(X, y)


def test_outputs_are_logarithms_of_probabilities(fitted):
    predictions, _, network = fitted
    output = predictions.output(network, X)
    assert output.ndim == 3
    assert_allclose(np.exp(output).sum(axis=2), 1)
    shown = predictions.shown(predictions.prediction(output))
    assert_allclose(shown, network.predict_proba(X))


def test_decisions_are_those_of_the_network(fitted):
    predictions, y, network = fitted
    decoded = predictions.decode(predictions.output(network, X))
    expected = network.predict(X)
    assert sparse.issparse(decoded) == sparse.issparse(y)
    as_array = sparse.csr_array.toarray if sparse.issparse(y) else np.asarray
    assert_array_equal(as_array(decoded), as_array(expected))


def test_the_score_is_the_accuracy(fitted):
    predictions, y, network = fitted
    weight = random.random(len(X))
    prediction = predictions.prediction(predictions.output(network, X))
    expected = accuracy_score(y, network.predict(X), sample_weight=weight)
    assert_allclose(predictions.score(predictions.encode(y), prediction, weight), expected)


def test_they_are_made_again_from_fitted_attributes(fitted):
    predictions, y, network = fitted
    attributes = predictions.attributes()
    again = ClassPredictions(*attributes.values())
    output = predictions.output(network, X)
    assert_array_equal(again.output(network, X), output)
    assert_array_equal(again.encode(y), predictions.encode(y))


def test_a_single_class_is_certain():
    y = np.full(30, "only")
    predictions = ClassPredictions.of(y)
    output = predictions.output(MLPClassifier(**FAST).fit(X, y), X)
    assert_array_equal(np.exp(output), np.ones((30, 1, 1)))
    assert_array_equal(predictions.decode(output), y)


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
