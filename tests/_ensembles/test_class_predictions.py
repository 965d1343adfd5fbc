import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax
from sklearn.metrics import accuracy_score

from sknn_opt import MLPClassifier
from sknn_opt._ensembles.class_predictions import class_predictions
from sknn_opt._estimators.targets import learn_targets
from sknn_opt.losses import Focal, LogLoss

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.default_rng(0)
X = random.normal(size=(30, 3))
LABELS = (X > 0.3).astype(int)
OUTPUTS = np.c_[X.argmax(axis=1), X[:, 0] > 0, np.full(30, 7)]
KINDS = {
    "two": np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)],
    "three": X.argmax(axis=1) * 10,
    "labels": LABELS,
    "sparse": sparse.csr_array(LABELS),
    "probabilities": softmax(X, axis=1),
    "probabilities of two": softmax(X[:, :2], axis=1),
    "outputs": OUTPUTS,
    "outputs of text": np.array(["p", "q", "r"])[OUTPUTS % 3],
}
FAST = {"optimizer": "lbfgs", "hidden_layer_sizes": (3,), "max_iter": 10, "random_state": 0}


def of(y):
    return class_predictions(learn_targets(y, "auto", None, incremental=False))


@pytest.fixture(params=KINDS)
def fitted(request):
    y = KINDS[request.param]
    return of(y), y, MLPClassifier(**FAST).fit(X, y)


def assert_alike(ours, theirs):
    if isinstance(theirs, list):
        for pair in zip(ours, theirs, strict=True):
            assert_allclose(*pair)
    else:
        assert_allclose(ours, theirs)


def test_outputs_are_logarithms_of_probabilities(fitted):
    predictions, _, network = fitted
    output = predictions.output(network, X)
    assert output.ndim == 3
    assert_allclose(np.exp(output).sum(axis=2), 1)
    shown = predictions.shown(predictions.prediction(output))
    assert_alike(shown, network.predict_proba(X))


def test_decisions_are_those_of_the_network(fitted):
    predictions, y, network = fitted
    decoded = predictions.decode(predictions.output(network, X))
    expected = network.predict(X)
    assert sparse.issparse(decoded) == sparse.issparse(y)
    as_array = type(decoded).toarray if sparse.issparse(y) else np.asarray
    assert_array_equal(as_array(decoded), as_array(expected))


def test_the_score_is_that_of_the_network(fitted):
    predictions, y, network = fitted
    weight = random.random(len(X))
    prediction = predictions.prediction(predictions.output(network, X))
    expected = network.score(X, y, weight)
    assert_allclose(predictions.score(predictions.encode(y), prediction, weight), expected)
    if y.ndim == 1:
        assert_allclose(accuracy_score(y, network.predict(X), sample_weight=weight), expected)


@pytest.mark.parametrize("loss", [LogLoss(), Focal(gamma=1.5)])
def test_the_loss_is_that_of_training(loss, fitted):
    predictions, y, _ = fitted
    predictions = class_predictions(predictions.targets, [loss])
    weight = random.random(len(X))
    given = {"X_val": X, "y_val": y, "sample_weight_val": weight}
    history = MLPClassifier(**FAST, loss=loss, alpha=0.0).fit(X, y, **given).history_
    network = MLPClassifier(**FAST, loss=loss, alpha=0.0).fit(X, y)
    prediction = predictions.prediction(predictions.output(network, X))
    loss = predictions.loss(predictions.encode(y), prediction, weight)
    assert_allclose(loss, history["validation_loss"][-1], rtol=1e-6)


def test_they_are_made_again_from_fitted_attributes(fitted):
    predictions, y, network = fitted
    again = class_predictions(network._targets)
    assert predictions.attributes().keys() == again.attributes().keys()
    output = predictions.output(network, X)
    assert_array_equal(again.output(network, X), output)
    assert_array_equal(again.encode(y), predictions.encode(y))


def test_a_single_class_is_certain():
    y = np.full(30, "only")
    predictions = of(y)
    output = predictions.output(MLPClassifier(**FAST).fit(X, y), X)
    assert_array_equal(np.exp(output), np.ones((30, 1, 1)))
    assert_array_equal(predictions.decode(output), y)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_of_networks_in_single_precision_sum_to_one(kind):
    y, single = KINDS[kind], X.astype(np.float32)
    network = MLPClassifier(**FAST, dtype="float32").fit(single, y)
    assert_allclose(np.exp(of(y).output(network, single)).sum(axis=2), 1, rtol=1e-14)
