from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPEnsembleRegressor, MLPRegressor
from sknn_opt._ensembles.encodings import Encodings
from sknn_opt._ensembles.folds import Data, make_folds
from sknn_opt._ensembles.members import make_members
from sknn_opt._ensembles.routing import Routing
from sknn_opt._ensembles.training import Task

random = np.random.default_rng(0)
X = random.normal(size=(40, 3))
Y = X[:, 0]


class Counting(TransformerMixin, BaseEstimator):
    """Passes features on, and counts how often it is used."""

    fits, transforms = [], []

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y):
        self.fits.append((self.factor, len(X), y))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        self.transforms.append(self.factor)
        return self.factor * X


@pytest.fixture
def counting():
    Counting.fits.clear()
    Counting.transforms.clear()
    return Counting


def named(*factors):
    return [
        (f"m{i}", make_pipeline(Counting(factor), MLPRegressor((3,), optimizer="lbfgs")))
        for i, factor in enumerate(factors)
    ]


def test_members_that_agree_share_the_encoding_of_a_fold(counting):
    MLPEnsembleRegressor(named(1.0, 2.0, 1.0), 6, cv=4, n_jobs=3).fit(X, Y)
    assert sorted(factor for factor, *_ in counting.fits) == [1.0] * 4 + [2.0] * 4
    assert {rows for _, rows, _ in counting.fits} == {30}
    assert len(counting.transforms) == 16  # rows to train on and held-out rows


def test_predictions_encode_once_what_members_share(counting):
    model = MLPEnsembleRegressor(named(1.0, 1.0), 4).fit(X, Y)
    counting.transforms.clear()
    model.predict(X)
    assert len(counting.transforms) == 1
    assert len({id(pipeline[0]) for pipeline in model.estimators_}) == 1


def encodings_of(factors, n_members, cv):
    data, pairs = Data(X, Y), named(*factors)
    folds = make_folds(cv, data, False, {})
    members = make_members(pairs, n_members, [folds] * len(pairs), None, np.random.RandomState(0))
    tasks = [Task(member, fold) for fold in folds for member in members]
    return Encodings(data, tasks, Routing(None, pairs, X, {})), tasks


def test_an_encoding_is_dropped_after_its_last_use():
    encodings, tasks = encodings_of([1.0], 3, 2)
    for i, task in enumerate(tasks):
        encodings.take(task)
        assert len(encodings._made) == (i % 3 < 2)


def test_an_encoding_is_dropped_when_its_last_user_is_left_out(counting):
    encodings, tasks = encodings_of([1.0], 2, 2)
    encodings.take(tasks[0])
    encodings.leave_out(tasks[1])
    assert encodings._made == {}
    for task in tasks[2:]:
        encodings.leave_out(task)
    assert len(counting.fits) == 1


def test_threads_wait_for_an_encoding_that_is_being_made(counting):
    encodings, tasks = encodings_of([1.0], 12, 2)
    with ThreadPoolExecutor(12) as pool:
        taken = list(pool.map(encodings.take, tasks))
    assert len(counting.fits) == 2
    assert len({id(one.train) for one in taken}) == 2


def test_encoders_are_fitted_to_the_rows_that_are_trained_on():
    data = Data(X, Y)
    folds = make_folds(2, data, False, {})
    pairs = [("", make_pipeline(StandardScaler(), MLPRegressor()))]
    members = make_members(pairs, 1, [folds], None, np.random.RandomState(0))
    task = Task(members[0], folds[1])
    encoding = Encodings(data, [task], Routing(None, pairs, X, {})).take(task)
    assert_allclose(encoding.encoder[0].mean_, X[folds[1].train].mean(axis=0))
    expected = StandardScaler().fit(X[folds[1].train]).transform(X[folds[1].held_out])
    assert_array_equal(encoding.held_out, expected)


def test_a_network_takes_features_as_they_are():
    data, pairs = Data(X, Y), [("", MLPRegressor())]
    folds = make_folds(None, data, False, {})
    (member,) = make_members(pairs, 1, [folds], None, np.random.RandomState(0))
    task = Task(member, folds[0])
    encoding = Encodings(data, [task], Routing(None, pairs, X, {})).take(task)
    assert encoding.encoder is encoding.held_out is None
    assert_array_equal(encoding.train, X)
