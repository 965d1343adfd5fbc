import numpy as np
import pytest
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.optimizers import SGD, Adam

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


def _pipeline():
    network = MLPClassifier((8,), max_iter=20, learning_rate_init=0.02, random_state=0)
    return make_pipeline(StandardScaler(), network)


def _parameters(**values):
    return {f"mlpclassifier__{name}": value for name, value in values.items()}


SEARCHES = {
    "grid": lambda n_jobs: GridSearchCV(
        _pipeline(),
        _parameters(optimizer=["adam", "lbfgs"], activation=["relu", "tanh"], alpha=[1e-4, 10]),
        cv=FOLDS,
        n_jobs=n_jobs,
    ),
    "nested grid": lambda n_jobs: GridSearchCV(
        _pipeline(),
        [
            _parameters(optimizer=[SGD()], optimizer__momentum=[0.0, 0.9]),
            _parameters(optimizer=[Adam()], optimizer__beta_1=[0.5, 0.9]),
        ],
        cv=FOLDS,
        n_jobs=n_jobs,
    ),
    "randomized": lambda n_jobs: RandomizedSearchCV(
        _pipeline(),
        _parameters(
            alpha=loguniform(1e-5, 1),
            hidden_layer_sizes=[(4,), (8, 4), ()],
            batch_size=[10, 50],
            solver=["sgd", "adam"],
        ),
        n_iter=6,
        cv=FOLDS,
        random_state=0,
        n_jobs=n_jobs,
    ),
    "halving over max_iter": lambda n_jobs: HalvingGridSearchCV(
        _pipeline(),
        _parameters(learning_rate_init=[1e-4, 0.01, 0.1], alpha=[1e-4, 10]),
        resource="mlpclassifier__max_iter",
        min_resources=5,
        max_resources=45,
        cv=FOLDS,
        random_state=0,
        n_jobs=n_jobs,
    ),
}

BACKENDS = {
    "loky, 1 job": ("loky", 1),
    "loky, 2 jobs": ("loky", 2),
    "threading, 1 job": ("threading", 1),
    "threading, 2 jobs": ("threading", 2),
}


@pytest.fixture(scope="module")
def sequential():
    """Each search, fitted without joblib's backends."""
    return {name: make(None).fit(X, Y) for name, make in SEARCHES.items()}


def _scores(search):
    return {
        key: value
        for key, value in search.cv_results_.items()
        if key.startswith(("split", "mean_test", "std_test", "rank_test"))
    }


@pytest.mark.parametrize(("backend", "n_jobs"), BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("name", SEARCHES)
def test_every_backend_finds_the_same(sequential, name, backend, n_jobs):
    with parallel_config(backend):
        search = SEARCHES[name](n_jobs).fit(X, Y)
    expected = sequential[name]
    assert str(search.best_params_) == str(expected.best_params_)
    assert search.best_score_ == pytest.approx(expected.best_score_, abs=1e-6)
    scores = _scores(search)
    assert len(scores) > 4
    for key, value in _scores(expected).items():
        np.testing.assert_allclose(scores[key], value, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        search.predict_proba(X), expected.predict_proba(X), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_has_something_to_find(sequential, name):
    search = sequential[name]
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0.02
    assert search.best_score_ > 0.9
    assert search.best_estimator_.score(X, Y) > 0.9


def test_halving_gives_more_epochs_to_fewer_candidates(sequential):
    search = sequential["halving over max_iter"]
    assert search.n_resources_ == [5, 15]
    assert search.n_candidates_ == [6, 2]


@pytest.mark.parametrize(("backend", "n_jobs"), BACKENDS.values(), ids=BACKENDS)
def test_outputs_of_a_regressor_are_the_same(backend, n_jobs):
    network = MLPRegressor((8,), max_iter=20, early_stopping=True, random_state=0)
    regressor = make_pipeline(StandardScaler(), network)
    expected = cross_val_predict(regressor, X[:, :3], X[:, 3], cv=3)
    with parallel_config(backend):
        got = cross_val_predict(regressor, X[:, :3], X[:, 3], cv=3, n_jobs=n_jobs)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
