"""What scikit-learn's callbacks learn of the fit of a committee."""

import threading

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    TabularMLPClassifier,
)

pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")

from sklearn.callback import ScoringMonitor

from sknn_opt.callbacks import Checkpoint

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
X = random.normal(size=(40, 2))
Y = (X[:, 0] > 0).astype(int)
TABLE = pd.DataFrame({"number": X[:, 0], "word": random.choice(["a", "b"], 40)})
WEIGHT = random.uniform(0.5, 1.5, 40)
NETWORK = {"hidden_layer_sizes": (3,), "max_iter": 4}


class Log:
    """Notes each task: whose it is, its name, and the rows and weights that it is told of."""

    def __init__(self):
        self.begun, self.ended, self.life = [], [], []
        self._lock = threading.Lock()

    def setup(self, estimator, context):
        self.life.append("setup")

    def teardown(self, estimator, context):
        self.life.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        weights = None if metadata is None else metadata["sample_weight"]
        assert len(X) == len(y)
        assert weights is None or len(weights) == len(X)
        with self._lock:
            self.begun.append((context.estimator_name, context.task_name, len(X)))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.last_fitted = fitted_estimator
        with self._lock:
            self.ended.append((context.estimator_name, context.task_name, context.task_id))


class PropagatedLog(Log):
    max_propagation_depth = 1


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_network_is_a_task(n_jobs):
    members = [
        ("plain", MLPRegressor(**NETWORK)),
        ("scaled", make_pipeline(StandardScaler(), MLPRegressor(**NETWORK))),
    ]
    log = Log()
    model = MLPEnsembleRegressor(members, 2, cv=2, n_jobs=n_jobs).set_callbacks(log)
    model.fit(X, Y, sample_weight=WEIGHT)
    assert log.life == ["setup", "teardown"]
    names = ["plain, fold 1", "scaled, fold 1", "plain, fold 2", "scaled, fold 2"]
    assert log.begun[0][1:] == ("fit", 40)
    assert sorted(log.begun[1:]) == sorted(("MLPEnsembleRegressor", name, 20) for name in names)
    ends = sorted(log.ended[:-1], key=lambda end: end[2])
    assert ends == [("MLPEnsembleRegressor", name, i) for i, name in enumerate(names)]
    assert log.ended[-1][1] == "fit"
    assert np.array_equal(log.last_fitted.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("committee", "n_networks", "n_epochs"),
    [
        (MLPEnsembleClassifier(MLPClassifier(**NETWORK), 3), 3, 12),
        (MLPEnsembleClassifier(MLPClassifier(**NETWORK), 2, snapshots=2), 2, 8),
        (TabularMLPClassifier([("a", MLPClassifier(**NETWORK))], n_folds=2), 2, None),
    ],
    ids=["seeds", "snapshots", "table"],
)
def test_callbacks_that_propagate_see_the_epochs(committee, n_networks, n_epochs):
    log = PropagatedLog()
    model = clone(committee).set_callbacks(log).fit(X, Y)
    ends = [name for name, _, _ in log.ended]
    # The task of a network ends once, as its own.
    own = [end for end in log.ended if end[0] == type(model).__name__]
    assert own == [(type(model).__name__, "fit", 0)]
    networks = [end for end in log.ended if end[:2] == ("MLPClassifier", "fit")]
    assert len(networks) == n_networks
    if n_epochs is not None:
        assert ends.count("MLPClassifier") == n_networks + n_epochs
    for network in model.estimators_:
        assert not [name for name in vars(network) if "callback" in name]


def test_a_scoring_monitor_has_the_score_of_the_committee():
    monitor = ScoringMonitor(scoring="accuracy")
    model = TabularMLPClassifier("fast", n_folds=2, random_state=0).set_callbacks(monitor)
    model.fit(TABLE, Y)
    (entry,) = monitor.get_logs().data
    assert entry["accuracy"] == model.score(TABLE, Y)


def test_networks_for_which_no_time_is_left_are_no_tasks():
    log = Log()
    model = TabularMLPClassifier("fast", n_folds=2, max_time=1e-6, random_state=0)
    with pytest.warns(match="max_time"):
        model.set_callbacks(log).fit(TABLE, Y)
    assert [name for _, name, _ in log.ended] == ["steps, fold 1", "steps, fold 2", "fit"]


class Fails(Log):
    def on_fit_task_end(self, estimator, context):
        raise RuntimeError("no more")


def test_after_an_error_callbacks_are_torn_down_and_the_committee_is_as_it_was():
    log = Fails()
    model = MLPEnsembleClassifier(MLPClassifier(**NETWORK), 2).set_callbacks(log)
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(X, Y)
    assert log.life == ["setup", "teardown"]
    assert vars(model) == before


def test_checkpoints_are_for_networks(tmp_path):
    with pytest.raises(TypeError, match="of the network itself"):
        MLPEnsembleClassifier().set_callbacks(Checkpoint(tmp_path)).fit(X, Y)
