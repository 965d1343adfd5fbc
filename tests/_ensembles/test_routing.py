import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.default_rng(0)
X = random.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
WEIGHT = random.random(40)
GROUPS = np.arange(40) % 5
SHORT = {"hidden_layer_sizes": (3,), "max_iter": 3}


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


class Spy(MLPRegressor):
    __init__ = MLPRegressor.__init__
    weights = []

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        self.weights.append((sample_weight, sample_weight_val))
        return super().fit(
            X, y, sample_weight, X_val=X_val, y_val=y_val, sample_weight_val=sample_weight_val
        )


@pytest.fixture
def weights():
    Spy.weights.clear()
    return Spy.weights


def test_without_routing_networks_get_the_weights_and_encoders_do_not(weights):
    pipeline = make_pipeline(StandardScaler(), Spy(**SHORT))
    model = MLPEnsembleRegressor(pipeline, 1, cv=2).fit(X, Y, WEIGHT)
    assert_array_equal(weights[0][0], WEIGHT[20:])
    assert_array_equal(weights[0][1], WEIGHT[:20])
    assert_allclose(model.estimators_[0][0].mean_, X[20:].mean(axis=0))


def test_without_routing_nothing_else_is_taken():
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        MLPEnsembleRegressor().fit(X, Y, groups=GROUPS)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("requests", [True, False])
def test_networks_get_weights_if_they_request_them(weights, requests):
    network = Spy(**SHORT).set_fit_request(sample_weight=requests)
    MLPEnsembleRegressor(network, 1, cv=2).fit(X, Y, sample_weight=WEIGHT)
    assert (weights[0][0] is not None) == (weights[0][1] is not None) == requests


@pytest.mark.usefixtures("routing")
def test_encoders_get_weights_if_they_request_them():
    pipeline = make_pipeline(
        StandardScaler().set_fit_request(sample_weight=True),
        MLPRegressor(**SHORT).set_fit_request(sample_weight=True),
    )
    model = MLPEnsembleRegressor(pipeline, 1, cv=2).fit(X, Y, sample_weight=WEIGHT)
    expected = np.average(X[20:], axis=0, weights=WEIGHT[20:])
    assert_allclose(model.estimators_[0][0].mean_, expected)


@pytest.mark.usefixtures("routing")
def test_a_request_under_another_name(weights):
    network = Spy(**SHORT).set_fit_request(sample_weight="trust")
    MLPEnsembleRegressor(network, 1, cv=2).fit(X, Y, trust=WEIGHT)
    assert_array_equal(weights[0][0], WEIGHT[20:])


@pytest.mark.usefixtures("routing")
def test_weights_that_nobody_has_spoken_about():
    with pytest.raises(UnsetMetadataPassedError):
        MLPEnsembleRegressor(MLPRegressor(**SHORT), 1).fit(X, Y, sample_weight=WEIGHT)


@pytest.mark.usefixtures("routing")
def test_the_default_network_requests_weights():
    model = MLPEnsembleRegressor(n_estimators=1, random_state=0)
    plain, weighted = (model.fit(X, Y, weight).predict(X) for weight in (None, WEIGHT))
    assert not np.array_equal(plain, weighted)


@pytest.mark.usefixtures("routing")
def test_splitters_get_groups():
    model = MLPEnsembleClassifier(MLPClassifier(**SHORT), 1, cv=GroupKFold(5), random_state=0)
    model.fit(X, Y, groups=GROUPS)
    assert len(model.estimators_) == 5
    folds = list(GroupKFold(5).split(X, Y, GROUPS))
    expected = MLPEnsembleClassifier(MLPClassifier(**SHORT), 1, cv=folds, random_state=0)
    assert_array_equal(model.oof_prediction_, expected.fit(X, Y).oof_prediction_)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("name", ["X_val", "classes"])
def test_what_the_committee_chooses_itself(name):
    network = MLPClassifier(**SHORT).set_fit_request(**{name: True})
    with pytest.raises(ValueError, match=f"{name} is routed to the networks"):
        MLPEnsembleClassifier(network, 1).fit(X, Y, **{name: X})


@pytest.mark.usefixtures("routing")
def test_a_search_routes_to_the_committee_and_its_members(weights):
    pairs = [("a", Spy(**SHORT).set_fit_request(sample_weight=True))]
    model = MLPEnsembleRegressor(pairs, 1).set_fit_request(sample_weight=True)
    model.set_score_request(sample_weight=True)
    search = GridSearchCV(model, {"estimator__a__alpha": [0.1, 1.0]}, cv=2, refit=False)
    search.fit(X, Y, sample_weight=WEIGHT)
    assert len(weights) == 4
    assert all(len(fitted) == 20 for fitted, _ in weights)
