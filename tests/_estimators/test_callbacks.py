"""Callbacks of our own, and scikit-learn's, around every optimizer."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._estimators.callbacks import watched
from sknn_opt.optimizers import OPTIMIZERS

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = load_iris(return_X_y=True)
X = scale(X)
optimizers = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def make(optimizer="adam", **parameters):
    cls = MLPRegressor if optimizer == "lm" else MLPClassifier
    settings = {"hidden_layer_sizes": (4,), "max_iter": 6, "tol": 0.0, "random_state": 0}
    return cls(optimizer=optimizer, **settings | parameters)


class Diary:
    """Writes down which hook is called, and with what; asks to stop after some tasks."""

    def __init__(self, stops_after=np.inf):
        self.stops_after = stops_after
        self.entries, self.scores, self.data = [], [], []

    def setup(self, estimator, context):
        self.entries.append("setup")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.entries.append(f"begin {context.task_name}")
        self.data.append((X, y, metadata))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.entries.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X, y))
            return context.task_id + 1 >= self.stops_after

    def teardown(self, estimator, context):
        self.entries.append("teardown")


class Follower(Diary):
    max_propagation_depth = None


@optimizers
def test_one_task_an_epoch_or_iteration(optimizer):
    first, second = Diary(), Diary()
    model = make(optimizer).set_callbacks(first, second).fit(X, Y)
    epochs = ["begin epoch", "end epoch"] * len(model.loss_curve_)
    assert len(model.loss_curve_) > 0
    assert first.entries == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert second.entries == first.entries


@optimizers
def test_a_callback_may_stop(optimizer, recwarn):
    diary = Diary(stops_after=3)
    model = make(optimizer).set_callbacks(diary, Diary()).fit(X, Y)
    assert diary.entries.count("end epoch") == model.n_iter_ == 3
    assert diary.entries[-2:] == ["end fit", "teardown"]
    assert diary.scores[-1] == model.score(X, Y)
    assert not recwarn.list


@optimizers
def test_the_fitted_estimator_is_that_of_a_training_that_ends_there(optimizer):
    diary = Diary()
    make(optimizer, learning_rate_init=0.01).set_callbacks(diary).fit(X, Y)
    for n in (1, 3):
        shorter = make(optimizer, learning_rate_init=0.01, max_iter=n).fit(X, Y)
        assert diary.scores[n - 1] == pytest.approx(shorter.score(X, Y), rel=1e-9)


@optimizers
def test_callbacks_change_nothing(optimizer):
    alone = make(optimizer).fit(X, Y)
    watched = make(optimizer).set_callbacks(Diary()).fit(X, Y)
    for a, b in zip(alone.coefs_, watched.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert vars(alone).keys() == vars(watched).keys() - {"_skl_callbacks"}


def test_without_callbacks_nothing_is_prepared(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError

    for name in ("call_on_fit_task_begin", "call_on_fit_task_end", "subcontext"):
        monkeypatch.setattr(f"sklearn.callback._callback_context.CallbackContext.{name}", fail)
    for optimizer in ("adam", "lbfgs"):
        make(optimizer).fit(X, Y)


def test_averages_and_best_parameters_are_seen_as_they_are():
    diary = Diary()
    model = make(averaging="ema", max_iter=4).set_callbacks(diary).fit(X, Y)
    assert diary.scores[-1] == model.score(X, Y)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_callbacks_see_the_rows_that_are_trained_on(optimizer):
    weight = np.arange(150.0) + 1
    diary = Diary()
    settings = {"early_stopping": True, "initializer": "zeros", "hidden_layer_sizes": ()}
    make(optimizer, **settings).set_callbacks(diary).fit(X, Y, weight)
    rows, _ = train_test_split(np.arange(150), test_size=0.1, random_state=0, stratify=Y)
    features, targets, metadata = diary.data[-1]
    np.testing.assert_array_equal(features, X[rows])
    np.testing.assert_array_equal(targets, Y[rows])
    np.testing.assert_array_equal(metadata["sample_weight"], weight[rows])


def test_partial_fit_is_a_fit_of_one_epoch():
    diary = Diary()
    model = make().set_callbacks(diary)
    for _ in range(2):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    once = ["setup", "begin fit", "begin epoch", "end epoch", "end fit", "teardown"]
    assert diary.entries == 2 * once


@pytest.mark.parametrize("hook", ["on_fit_task_begin", "on_fit_task_end"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_errors_of_callbacks_leave_the_estimator_as_it_was(hook, optimizer):
    class Failing(Diary):
        pass

    def fail(self, estimator, context):
        if context.task_id == 2:
            raise ZeroDivisionError

    setattr(Failing, hook, fail)
    model = make(optimizer).fit(X, Y)
    coefs, diary = model.coefs_, Failing()
    with pytest.raises(ZeroDivisionError):
        model.set_callbacks(diary).fit(X, Y)
    assert model.coefs_ is coefs
    assert diary.entries[-1] == "teardown"
    assert not hasattr(model, "_callback_fit_ctx")


def test_callbacks_are_propagated():
    diary = Follower()
    pipeline = make_pipeline(StandardScaler(), make(max_iter=2)).set_callbacks(diary).fit(X, Y)
    assert diary.entries.count("end epoch") == 2
    assert not hasattr(pipeline[-1], "_callback_fit_ctx")
    diary = Follower()
    search = GridSearchCV(make(max_iter=2), {"alpha": [0, 1]}, cv=2).set_callbacks(diary)
    search.fit(X, Y)
    assert diary.entries.count("end epoch") == (2 * 2 + 1) * 2


@optimizers
def test_scikit_learns_own_callbacks(optimizer, capsys):
    monitor = callback.ScoringMonitor(scoring="r2" if optimizer == "lm" else "accuracy")
    model = make(optimizer).set_callbacks(callback.ProgressBar(), monitor).fit(X, Y)
    assert "MLP" in capsys.readouterr().out
    fit, *epochs = (list(row.values())[-1] for row in monitor.get_logs().data)
    assert len(epochs) == model.n_iter_
    assert fit == model.score(X, Y)


def test_a_network_with_callbacks_is_cloned_and_pickled():
    model = make().set_callbacks(Diary())
    assert clone(model)._skl_callbacks == model._skl_callbacks
    model.fit(X, Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_what_is_no_callback_is_refused(cls):
    with pytest.raises(TypeError, match="FitCallback"):
        cls().set_callbacks("progress")


# -- watchers ----------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_watcher_sees_each_epoch_and_may_end_training(optimizer):
    seen, model = [], make(optimizer, max_iter=9, tol=0.0)

    def watch(attributes):
        seen.append(attributes()["coefs_"][0].copy())
        return len(seen) == 4

    with watched(model, watch):
        model.fit(X, Y)
    assert model.n_iter_ == len(seen) == 4
    np.testing.assert_array_equal(seen[-1], model.coefs_[0])
    assert not hasattr(model, "_watch")
    assert model.fit(X, Y).n_iter_ > 4


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_an_interrupt_is_raised_to_a_watcher(optimizer):
    model = make(optimizer)

    def interrupt(attributes):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), watched(model, interrupt):
        model.fit(X, Y)
    assert vars(model) == vars(make(optimizer))


def test_a_watcher_and_callbacks_see_the_same_epochs():
    diary, epochs = Diary(), []
    model = make(max_iter=3).set_callbacks(diary)
    with watched(model, lambda attributes: epochs.append(attributes()["n_iter_"])):
        model.fit(X, Y)
    assert epochs == [1, 2, 3]


def test_all_works_without_scikit_learns_callbacks():
    code = """
import sys
import sklearn.callback, sklearn.metrics, sklearn.model_selection, sklearn.neural_network

present = sys.modules["sklearn.callback"]
sys.modules["sklearn.callback"] = None  # as if it were not there
from sknn_opt import MLPClassifier
sys.modules["sklearn.callback"] = present

assert not hasattr(MLPClassifier, "set_callbacks")
X, y = [[0.0], [1.0], [2.0], [3.0]] * 5, [0, 0, 1, 1] * 5
for optimizer in ("adam", "lbfgs"):
    MLPClassifier((2,), optimizer=optimizer, max_iter=2, random_state=0).fit(X, y).predict(X)
MLPClassifier((2,)).partial_fit(X, y, classes=[0, 1])
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
