import threading
import time
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor
from sknn_opt._ensembles.folds import Data, Fold
from sknn_opt._ensembles.reports import Reports
from sknn_opt._ensembles.training import Training

pytestmark = pytest.mark.usefixtures("one_blas_thread")

random = np.random.default_rng(0)
X = random.normal(size=(60, 3))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
SHORT = {"hidden_layer_sizes": (4,), "max_iter": 3}
quietly = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def arrays(model):
    networks = [getattr(one, "steps", [(None, one)])[-1][1] for one in model.estimators_]
    return [network.coefs_[0] for network in networks]


def assert_equal_networks(one, other):
    for mine, its in zip(arrays(one), arrays(other), strict=True):
        assert_array_equal(mine, its)


COMMITTEES = [
    MLPEnsembleClassifier(MLPClassifier(**SHORT), 3, bootstrap=True),
    MLPEnsembleClassifier(
        make_pipeline(StandardScaler(), MLPClassifier(**SHORT, dropout=0.2)),
        3,
        cv=3,
        calibrate=True,
        draws={"mlpclassifier__alpha": [0.0, 1.0, 2.0]},
    ),
    MLPEnsembleRegressor([("a", MLPRegressor(**SHORT)), ("b", MLPRegressor(**SHORT))], 3, cv=2),
]


@quietly
@pytest.mark.parametrize("committee", COMMITTEES, ids=["bootstrap", "folds", "named"])
def test_results_do_not_depend_on_the_number_of_threads(committee):
    committee = clone(committee).set_params(random_state=0)
    one, several = (clone(committee).set_params(n_jobs=n).fit(X, Y) for n in (1, 4))
    assert_equal_networks(one, several)
    assert_array_equal(one.member_weights_, several.member_weights_)
    assert_array_equal(one.predict(X), several.predict(X))
    other = clone(committee).set_params(random_state=1).fit(X, Y)
    assert not np.array_equal(arrays(one)[0], arrays(other)[0])


@quietly
def test_networks_differ():
    model = MLPEnsembleClassifier(MLPClassifier(**SHORT, random_state=7), 4, cv=2).fit(X, Y)
    starts = {array.tobytes() for array in arrays(model)}
    assert len(starts) == 8
    assert len({network.random_state for network in model.estimators_}) == 8


@quietly
def test_networks_are_those_that_users_would_fit():
    folds = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(**SHORT))
    weight = random.random(60)
    model = MLPEnsembleRegressor(pipeline, 2, cv=folds, random_state=0).fit(X, X[:, 0], weight)
    for fitted, (train, held_out) in zip(model.estimators_, [*folds, *folds], strict=True):
        scaler = StandardScaler().fit(X[train])
        network = clone(fitted[-1]).fit(
            scaler.transform(X[train]),
            X[train, 0],
            weight[train],
            X_val=scaler.transform(X[held_out]),
            y_val=X[held_out, 0],
            sample_weight_val=weight[held_out],
        )
        assert_array_equal(fitted[-1].coefs_[0], network.coefs_[0])
        assert network.early_stopping
        assert network.scoring == "loss"


@quietly
def test_the_users_scoring_is_kept():
    network = MLPClassifier(**SHORT, scoring="accuracy", early_stopping=True)
    model = MLPEnsembleClassifier(network, 1, cv=2).fit(X, Y)
    assert model.estimators_[0].scoring == "accuracy"


@quietly
def test_without_folds_networks_stop_as_they_would_alone():
    network = MLPClassifier(**SHORT, early_stopping=True)
    model = MLPEnsembleClassifier(network, 2, random_state=0).fit(X, Y)
    alone = clone(model.estimators_[0]).fit(X, Y)
    assert_array_equal(model.estimators_[0].coefs_[0], alone.coefs_[0])


@quietly
def test_the_bootstrap_draws_rows_with_their_weights():
    rows = []

    class Spy(MLPRegressor):
        def fit(self, X, y, sample_weight=None, **others):
            rows.append((X[:, 0], y, sample_weight))
            return super().fit(X, y, sample_weight, **others)

        __init__ = MLPRegressor.__init__

    weight = random.random(60)
    y = 2 * X[:, 0]
    MLPEnsembleRegressor(Spy(**SHORT), 3, bootstrap=True).fit(X, y, weight)
    assert len({tuple(x) for x, *_ in rows}) == 3
    by_feature = dict(zip(X[:, 0], weight, strict=True))
    for x, targets, weights in rows:
        assert len(np.unique(x)) < len(x) == 60
        assert_array_equal(targets, 2 * x)
        assert_array_equal(weights, [by_feature[value] for value in x])


def test_a_warning_is_shown_once_and_says_for_how_many():
    model = MLPEnsembleClassifier(MLPClassifier(**SHORT), 3, cv=2, n_jobs=2)
    with pytest.warns(ConvergenceWarning) as shown:
        model.fit(X, Y)
    assert len(shown) == 1
    assert str(shown[0].message).startswith("6 of 6 networks: Stochastic Optimizer: Maximum")
    assert shown[0].filename == __file__


def test_threads_leave_the_filters_of_warnings_alone():
    before = list(warnings.filters)
    with pytest.warns(ConvergenceWarning):
        MLPEnsembleClassifier(MLPClassifier(**SHORT), 4, n_jobs=4).fit(X, Y)
    assert warnings.filters == before


class Stopper(MLPRegressor):
    """Fails at once where its alpha is 1, and otherwise trains on and on."""

    __init__ = MLPRegressor.__init__
    n_epochs = []

    def fit(self, X, y, *args, **others):
        if self.alpha == 1:
            time.sleep(0.3)
            raise RuntimeError("no such luck")
        super().fit(X, y, *args, **others)
        self.n_epochs.append(self.n_iter_)
        return self


@quietly
def test_an_error_stops_the_other_networks_and_leaves_the_committee_as_it_was():
    endless = {"max_iter": 10**9, "tol": 0.0, "n_iter_no_change": np.inf}
    pair = [("good", Stopper((4,), **endless)), ("bad", Stopper((4,), alpha=1))]
    model = MLPEnsembleRegressor(pair, 2, n_jobs=2)
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="no such luck"):
        model.fit(X, X[:, 0])
    assert vars(model) == before
    deadline = time.monotonic() + 60
    while not Stopper.n_epochs and time.monotonic() < deadline:
        time.sleep(0.01)
    assert Stopper.n_epochs


@quietly
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_ctrl_c_ends_the_committee_rather_than_a_network(optimizer, monkeypatch):
    n_fits = []

    def interrupted(fit):
        def wrapped(self, *args, **others):
            n_fits.append(self)
            if len(n_fits) == 2:
                raise_at_epoch(self, 2)
            return fit(self, *args, **others)

        return wrapped

    def raise_at_epoch(network, epoch):
        watch, calls = network._watch, []

        def interrupt(attributes):
            calls.append(attributes)
            if len(calls) == epoch:
                raise KeyboardInterrupt
            return watch(attributes)

        network._watch = interrupt

    monkeypatch.setattr(MLPClassifier, "fit", interrupted(MLPClassifier.fit))
    model = MLPEnsembleClassifier(MLPClassifier((4,), optimizer=optimizer, max_iter=5), 4)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert len(n_fits) == 2
    assert not hasattr(model, "estimators_")


def test_threads_know_scikit_learns_configuration():
    from sklearn import config_context, get_config

    seen = []

    class Spy(MLPRegressor):
        __init__ = MLPRegressor.__init__

        def fit(self, X, y, **others):
            seen.append((get_config()["assume_finite"], threading.current_thread()))
            return super().fit(X, y, **others)

    network = Spy((3,), optimizer="lbfgs")
    with config_context(assume_finite=True):
        MLPEnsembleRegressor(network, 3, n_jobs=2).fit(X, X[:, 0])
    assert [finite for finite, _ in seen] == [True] * 3
    assert threading.main_thread() not in {thread for _, thread in seen}


def test_tasks_come_fold_by_fold(monkeypatch):
    order = []

    def note(self, config, number, task, encodings):
        order.append(task)
        return [task], []

    monkeypatch.setattr(Training, "_fit_with", note)
    folds = [Fold(i, np.arange(3), np.arange(3, 5)) for i in range(2)]
    members = [MemberStandIn(name, folds) for name in "ab"]
    data = Data(X, Y)
    reports = Reports(None, None, data)
    results = Training(data, None, None, reports, False, None).run(members, None)
    assert [(task.member.view, task.fold.number) for task in order] == [
        ("a", 0),
        ("b", 0),
        ("a", 1),
        ("b", 1),
    ]
    names = [[(task.member.view, task.fold.number) for task in member] for member in results]
    assert names == [[("a", 0), ("a", 1)], [("b", 0), ("b", 1)]]


class MemberStandIn:
    def __init__(self, view, folds):
        self.view = view
        self.folds = folds
