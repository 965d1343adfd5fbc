"""The shortest tests that touch everything once: ``pytest -m smoke``.

For a first look at another platform, or at other versions of what the package stands on.
"""

import pickle

import numpy as np
import pytest
import sklearn.neural_network as theirs
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPRegressor
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.averaging import AVERAGINGS
from sknn_opt.compression import distill, prune, quantize
from sknn_opt.initializers import INITIALIZERS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS, SGD
from sknn_opt.preprocessing import TabularEncoder
from sknn_opt.schedules import SCHEDULES

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
X = random.normal(size=(40, 3))
CLASSES = X.argmax(axis=1)
NUMBERS = np.exp(X @ [0.5, -0.5, 0.2])
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}

REGISTRIES = {
    "activation": ACTIVATIONS,
    "averaging": AVERAGINGS,
    "initializer": INITIALIZERS,
    "learning_rate": SCHEDULES,
    "loss": REGRESSOR_LOSSES,
    "normalization": NORMALIZATIONS,
    "optimizer": OPTIMIZERS,
}
EVERY_NAME = [(MLPRegressor, key, name) for key, names in REGISTRIES.items() for name in names]
EVERY_NAME += [(MLPClassifier, "loss", name) for name in CLASSIFIER_LOSSES]


def targets(cls):
    return CLASSES if cls is MLPClassifier else NUMBERS


@pytest.mark.parametrize(("cls", "keyword", "name"), EVERY_NAME)
def test_every_component_trains_predicts_and_is_pickled(cls, keyword, name):
    others = {} if keyword == "optimizer" else {"optimizer": "sgd"}
    model = cls(**{**SMALL, **others, keyword: name})
    untrained = clone(model).set_params(learning_rate_init=1e-300, max_iter=1)
    model.fit(X, targets(cls))
    if model.optimizer in ("sgd", "adam"):
        untrained.fit(X, targets(cls))
        # All zeros are a saddle point: only the intercepts of the output layer move.
        assert not np.array_equal(model.intercepts_[-1], untrained.intercepts_[-1])
    assert np.isfinite(model.loss_curve_).all()
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_equals_scikit_learn(cls, solver, dtype):
    parameters = {**SMALL, "solver": solver, "activation": "tanh", "learning_rate_init": 0.01}
    expected = getattr(theirs, cls.__name__)(**parameters)
    features = X.astype(dtype)
    ours = cls(**parameters).fit(features, targets(cls))
    expected.fit(features, targets(cls))
    predict = "predict_proba" if cls is MLPClassifier else "predict"
    tolerance = 1e-7 if dtype == "float64" else 1e-3
    predictions = getattr(ours, predict)(features)
    assert_allclose(predictions, getattr(expected, predict)(features), tolerance, tolerance)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_sparse_features_are_trained_on_as_dense_ones(cls, container):
    model = cls(**SMALL).fit(container(X), targets(cls))
    dense = cls(**SMALL).fit(X, targets(cls))
    assert_allclose(model.predict(container(X)), dense.predict(X), 1e-9)


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_partial_fit_goes_on_through_pickles(cls):
    first = {"classes": [0, 1, 2]} if cls is MLPClassifier else {}
    model = cls(**SMALL).partial_fit(X, targets(cls), **first)
    loaded = pickle.loads(pickle.dumps(model))
    for one in (model, loaded):
        one.partial_fit(X, targets(cls))
    assert_array_equal(loaded.coefs_[0], model.coefs_[0])
    assert len(model.loss_curve_) == 2


def test_search_over_an_optimizers_parameters():
    model = MLPClassifier(**{**SMALL, "optimizer": SGD(), "learning_rate_init": 0.2})
    grid = {"mlpclassifier__optimizer__momentum": [0.0, 0.9]}
    pipeline = make_pipeline(StandardScaler(), model)
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, CLASSES)
    assert search.best_params_["mlpclassifier__optimizer__momentum"] == 0.9
    assert search.score(X, CLASSES) > 0.5


def test_smaller_networks():
    committee = MLPEnsembleClassifier(MLPClassifier(**SMALL), 2, random_state=0).fit(X, CLASSES)
    student = distill(MLPClassifier(**SMALL), committee, X, CLASSES, hard_weight=0.2)
    smallest = pickle.loads(pickle.dumps(quantize(prune(student, 0.5, X, CLASSES))))
    assert smallest.predict_proba(X).shape == (40, 3)
    assert_array_equal(smallest.classes_, [0, 1, 2])


def test_a_raw_table():
    table = np.column_stack([X, CLASSES]).astype(object)
    table[:, 2] = np.datetime64("2020-01-01", "h") + (24 * X[:, 2]).astype(int)
    table[:, 3] = np.take(["a", "b", "c"], CLASSES)
    table[:5, 1] = table[-5:, 3] = None
    model = MLPClassifier(**{**SMALL, "learning_rate_init": 0.05, "max_iter": 30})
    pipeline = make_pipeline(TabularEncoder(random_state=0), model).fit(table, CLASSES)
    assert pipeline[0].kinds_ == ["numeric", "numeric", "datetime", "categorical"]
    assert pipeline.score(table, CLASSES) > 0.8
