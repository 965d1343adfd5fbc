"""Training on Dask collections, beside the same training in memory."""

import os
import pickle
import re
import signal
import time

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._distributed import rounds
from sknn_opt._distributed.rounds import NoWorkersError
from sknn_opt.callbacks import Checkpoint
from sknn_opt.dask import DaskMLPClassifier, DaskMLPRegressor

pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
N = 600
X = random.normal(size=(N, 5))
LINEAR = X @ random.normal(size=(5, 3)) + random.normal(size=(N, 3))
CLASSES = LINEAR.argmax(axis=1)
SHARES = softmax(LINEAR, axis=1)
WEIGHT = random.integers(0, 4, N).astype(float)
ROWS = 130

NETWORK = {
    "hidden_layer_sizes": (6,),
    "activation": "tanh",
    "optimizer": "lbfgs",
    "alpha": 1.0,
    "max_iter": 8,
    "tol": 1e-9,
    "random_state": 0,
}
LOCAL = {DaskMLPClassifier: MLPClassifier, DaskMLPRegressor: MLPRegressor}


def chunked(a, rows=ROWS):
    return None if a is None else da.from_array(a, chunks=(rows, *a.shape[1:]))


def both(cls, y, weight=None, *, X=X, **changes):
    """Fits of the same network on a cluster and in memory."""
    keywords = {**NETWORK, **changes}
    distributed = cls(**keywords).fit(chunked(X), chunked(y), chunked(weight))
    return distributed, LOCAL[cls](**keywords).fit(X, y, weight)


def assert_same(distributed, local, atol=1e-9):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(distributed, name), getattr(local, name), strict=True):
            assert_allclose(a, b, rtol=0, atol=atol)
            assert a.dtype == b.dtype
    assert distributed.n_iter_ == local.n_iter_
    assert_allclose(distributed.loss_curve_, local.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("optimizer", ["lbfgs", "bfgs", "cg", "newton-cg", "trust-ncg"])
def test_classification_is_as_in_memory(optimizer):
    max_iter = {"lbfgs": 20, "newton-cg": 2, "trust-ncg": 2}.get(optimizer, 5)
    assert_same(*both(DaskMLPClassifier, CLASSES, optimizer=optimizer, max_iter=max_iter))


@pytest.mark.parametrize("optimizer", ["lbfgs", "newton-cg", "lm"])
@pytest.mark.parametrize("y", [LINEAR[:, 0], LINEAR], ids=["one output", "three"])
def test_regression_is_as_in_memory(optimizer, y):
    max_iter = 2 if optimizer == "newton-cg" else 6
    assert_same(*both(DaskMLPRegressor, y, WEIGHT, optimizer=optimizer, max_iter=max_iter))


@pytest.mark.parametrize(
    ("y", "changes"),
    [
        (CLASSES, {"class_weight": "balanced"}),
        (CLASSES, {"class_weight": {0: 2.0, 2: 0.5}}),
        (CLASSES, {"l1_ratio": 0.5}),
        (CLASSES, {"loss": "squared_hinge"}),
        (CLASSES, {"normalization": "layer", "hidden_layer_sizes": (5, 5), "residual": True}),
        (CLASSES, {"trainable": [False, True]}),
        (CLASSES > 0, {"label_smoothing": 0.1}),
        (np.array(["no", "perhaps", "yes"])[CLASSES], {"class_weight": "balanced"}),
        ((LINEAR > 0).astype(int), {}),
        ((LINEAR > 0.5).astype(int), {"class_weight": "balanced"}),
        (SHARES, {"class_weight": "balanced"}),
        (SHARES[:, :2] / SHARES[:, :2].sum(axis=1, keepdims=True), {}),
        (np.c_[CLASSES, CLASSES > 1], {"class_weight": "balanced"}),
        ((LINEAR > 0).astype(int), {"targets": "multioutput"}),
    ],
)
def test_keywords_are_as_in_memory(y, changes):
    distributed, local = both(DaskMLPClassifier, y, WEIGHT, **changes)
    assert_same(distributed, local)
    for ours, theirs in zip(
        *(_as_list(model.classes_) for model in (distributed, local)), strict=True
    ):
        assert ours.dtype == theirs.dtype
        assert_array_equal(ours, theirs)
    assert hasattr(distributed, "predict_proba") == hasattr(local, "predict_proba")
    for method in ("predict", "decision_function", "predict_proba"):
        if not hasattr(local, method):
            continue
        both_returned = getattr(distributed, method)(chunked(X, 70)), getattr(local, method)(X)
        for lazy, here in zip(*map(_as_list, both_returned), strict=True):
            assert (lazy.shape, lazy.dtype) == (here.shape, here.dtype)
            assert_allclose(*map(_as_numbers, (lazy.compute(), here)), rtol=1e-6, atol=1e-8)


def _as_list(a):
    return a if isinstance(a, list) else [a]


def _as_numbers(a):
    return np.unique(a, return_inverse=True)[1] if a.dtype.kind == "U" else a


@pytest.mark.parametrize("loss", ["huber", "poisson", "gaussian_nll", "quantile"])
def test_losses_are_as_in_memory(loss):
    distributed, local = both(DaskMLPRegressor, np.abs(LINEAR[:, 0]), loss=loss, max_iter=8)
    assert_same(distributed, local)
    lazy = distributed.predict(chunked(X))
    assert lazy.shape == (N,)
    assert_allclose(lazy, local.predict(X), rtol=1e-7)


def test_float32_stays():
    distributed, local = both(DaskMLPClassifier, CLASSES, X=X.astype(np.float32), max_iter=5)
    assert distributed.coefs_[0].dtype == np.float32
    assert_allclose(distributed.coefs_[0], local.coefs_[0], atol=1e-4)


def test_sparse_chunks():
    zeros = np.where(random.random(X.shape) < 0.5, X, 0)
    blocks = chunked(zeros).map_blocks(sparse.csr_matrix)
    distributed = DaskMLPClassifier(**NETWORK).fit(blocks, chunked(CLASSES))
    local = MLPClassifier(**NETWORK).fit(sparse.csr_matrix(zeros), CLASSES)
    assert_same(distributed, local)
    assert_array_equal(distributed.predict(blocks), local.predict(zeros))


@pytest.mark.parametrize("n", [1, 3, 20])
def test_the_result_is_the_same_for_all_partitions(n):
    frame = pd.DataFrame(X, columns=list("abcde"))
    order = np.argsort(CLASSES, kind="stable")  # a block need not have all classes
    frame, y = frame.iloc[order].reset_index(drop=True), pd.Series(CLASSES[order])
    distributed = DaskMLPClassifier(**NETWORK)
    distributed.fit(dd.from_pandas(frame, npartitions=n), dd.from_pandas(y, npartitions=n))
    local = MLPClassifier(**NETWORK).fit(frame, y)
    assert_same(distributed, local)
    assert_array_equal(distributed.feature_names_in_, list("abcde"))
    lazy = distributed.predict(dd.from_pandas(frame, npartitions=2))
    assert_array_equal(lazy.compute(), local.predict(frame))


def test_waiting_in_short_intervals_cancels_nothing(monkeypatch):
    expected = DaskMLPClassifier(**NETWORK).fit(chunked(X), chunked(CLASSES))
    monkeypatch.setattr(rounds, "_POLL", 1e-4)
    model = DaskMLPClassifier(**NETWORK).fit(chunked(X), chunked(CLASSES))
    assert_array_equal(model.coefs_[0], expected.coefs_[0])


def test_a_fit_repeats_to_the_last_bit():
    first, second = (both(DaskMLPClassifier, CLASSES)[0] for _ in range(2))
    assert_array_equal(first.coefs_[0], second.coefs_[0])


def test_more_than_eight_partitions_are_added_in_a_tree():
    distributed = DaskMLPRegressor(**NETWORK).fit(chunked(X, 20), chunked(LINEAR, 90))
    assert_same(distributed, MLPRegressor(**NETWORK).fit(X, LINEAR))


def test_unknown_and_empty_chunks():
    features, y = chunked(X), chunked(CLASSES)
    some = features[:, 0] > 0
    many = da.concatenate([features[some], features[features[:, 0] > 99]])
    target = da.concatenate([y[some], y[features[:, 0] > 99]])
    distributed = DaskMLPClassifier(**NETWORK).fit(many, target)
    here = X[:, 0] > 0
    local = MLPClassifier(**NETWORK).fit(X[here], CLASSES[here])
    assert_same(distributed, local)
    assert_array_equal(distributed.predict(many).compute(), local.predict(X[here]))
    # Other chunks of y: their lengths are computed.
    rechunked = chunked(CLASSES[here], 50)
    assert_same(DaskMLPClassifier(**NETWORK).fit(features[some], rechunked), local)


@pytest.mark.parametrize("scoring", [None, "loss"])
@pytest.mark.parametrize("where", [np.asarray, chunked], ids=["on the client", "on the cluster"])
@pytest.mark.parametrize(
    ("cls", "y"),
    [
        (DaskMLPClassifier, CLASSES),
        (DaskMLPClassifier, (LINEAR > 0).astype(int)),
        (DaskMLPRegressor, LINEAR),
        (DaskMLPRegressor, np.c_[LINEAR[:, 0], np.ones(N)]),
    ],
)
def test_validation_sets_are_scored_as_in_memory(cls, y, where, scoring):
    keywords = {**NETWORK, "early_stopping": True, "n_iter_no_change": 2, "scoring": scoring}
    X_val, y_val, weight = X[::3], y[::3], WEIGHT[::3]
    distributed = cls(**keywords).fit(
        chunked(X),
        chunked(y),
        X_val=where(X_val),
        y_val=where(y_val),
        sample_weight_val=where(weight),
    )
    local = LOCAL[cls](**keywords).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    assert_same(distributed, local)
    assert_allclose(distributed.validation_scores_, local.validation_scores_, atol=1e-9)
    validation = (model.history_["validation_loss"] for model in (distributed, local))
    assert_allclose(*validation, rtol=1e-9)


def test_early_stopping_holds_out_the_same_rows_again():
    keywords = {**NETWORK, "early_stopping": True, "validation_fraction": 0.3, "max_iter": 60}
    first, second = (both(DaskMLPClassifier, CLASSES, **keywords)[0] for _ in range(2))
    assert first.validation_scores_ == second.validation_scores_
    assert first.best_validation_score_ > 0.55
    assert abs(first.t_ / first.n_iter_ / N - 0.7) < 0.05
    other = both(DaskMLPClassifier, CLASSES, **{**keywords, "random_state": 1})[0]
    assert other.validation_scores_ != first.validation_scores_


def test_a_search_runs_on_the_cluster():
    search = GridSearchCV(MLPClassifier(**NETWORK), {"alpha": [0.1, 10.0]}, cv=2)
    here = clone(search).fit(X, CLASSES)
    with parallel_config("dask"):
        search.fit(X, CLASSES)
    assert_allclose(search.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])


def test_an_unfitted_estimator_is_small_to_send():
    assert len(pickle.dumps(MLPClassifier(**NETWORK))) < 2500


def test_history_times_and_callbacks_are_the_trainers():
    distributed = DaskMLPClassifier(**NETWORK).fit(chunked(X), chunked(CLASSES))
    assert {len(column) for column in distributed.history_.values()} == {8}
    distributed.set_params(max_time=1e-9)
    with pytest.warns(ConvergenceWarning, match="max_time"):
        distributed.fit(chunked(X), chunked(CLASSES))
    assert distributed.n_iter_ == 0
    with pytest.warns(ConvergenceWarning, match="max_fun=3 evaluations"):
        clone(distributed).set_params(max_time=None, max_fun=3).fit(chunked(X), chunked(CLASSES))


class Killed(BaseException):
    pass


class Killing:
    """A callback that ends a fit after some iterations."""

    max_propagation_depth = 0

    def __init__(self, after):
        self.after = after

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        self.after -= 1
        if self.after == 0:
            raise Killed


def test_a_checkpoint_goes_on(tmp_path):
    keywords = {**NETWORK, "optimizer": "lm"}
    whole = DaskMLPRegressor(**keywords).fit(chunked(X), chunked(LINEAR))
    model = DaskMLPRegressor(**keywords).set_callbacks(Checkpoint(tmp_path), Killing(5))
    with pytest.raises(Killed):
        model.fit(chunked(X), chunked(LINEAR))
    model = DaskMLPRegressor(**keywords).set_callbacks(Checkpoint(tmp_path))
    model.fit(chunked(X), chunked(LINEAR))
    assert_array_equal(model.coefs_[0], whole.coefs_[0])
    assert model.loss_curve_ == whole.loss_curve_


def test_warm_starts_go_on():
    distributed, local = both(DaskMLPClassifier, CLASSES, max_iter=5, warm_start=True)
    distributed.fit(chunked(X), chunked(CLASSES))
    assert_same(distributed, local.fit(X, CLASSES))
    with pytest.raises(ValueError, match="expecting 5 features"):
        distributed.fit(chunked(X[:, :4]), chunked(CLASSES))


def test_the_local_estimator_is_an_ordinary_one():
    distributed, local = both(DaskMLPClassifier, CLASSES)
    here = distributed.to_local()
    assert type(here) is MLPClassifier
    assert here.get_params() == local.get_params()
    assert vars(here).keys() == vars(local).keys()
    again = pickle.loads(pickle.dumps(here))
    assert_array_equal(again.predict_proba(X), here.predict_proba(X))
    assert_allclose(here.predict_proba(X), local.predict_proba(X), atol=1e-8)


def test_the_client_is_neither_cloned_nor_pickled(client):
    model = DaskMLPClassifier(**NETWORK)
    model.client = client
    model.fit(chunked(X), chunked(CLASSES))
    assert not hasattr(clone(model), "client")
    again = pickle.loads(pickle.dumps(model))
    assert not hasattr(again, "client")
    assert_array_equal(again.predict(chunked(X)), model.predict(chunked(X)))


def test_they_are_scikit_learns_estimators():
    assert is_classifier(DaskMLPClassifier())
    assert is_regressor(DaskMLPRegressor())
    parameters = MLPClassifier((3,), "tanh").get_params()
    assert DaskMLPClassifier((3,), "tanh").get_params() == parameters | {"local_steps": None}
    with pytest.raises(TypeError, match="unexpected keyword"):
        DaskMLPRegressor(class_weight="balanced")
    with pytest.raises(ValueError, match="'alpha' parameter of DaskMLPClassifier must be"):
        DaskMLPClassifier(alpha=-1).fit(chunked(X), chunked(CLASSES))
    with pytest.raises(NotFittedError):
        DaskMLPClassifier().predict(chunked(X))
    with pytest.raises(NotFittedError):
        DaskMLPClassifier().to_local()


@pytest.mark.parametrize("keyword", [{"scale_targets": True}, {"missing_targets": "ignore"}])
def test_targets_are_taken_as_they_are(keyword):
    (name,) = keyword
    with pytest.raises(ValueError, match=f"{name}=.* does not apply to Dask"):
        DaskMLPRegressor(**NETWORK, **keyword).fit(chunked(X), chunked(LINEAR))


def with_nan():
    broken = X.copy()
    broken[2 * ROWS + 3, 1] = np.nan
    return chunked(broken)


def of_widths():
    parts = [dask.delayed(X[:300]), dask.delayed(X[300:, :4])]
    return da.concatenate([da.from_delayed(part, (300, 5), float) for part in parts])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (lambda: (with_nan(), chunked(CLASSES)), r"Partition 2: Input X contains NaN"),
        (lambda: (of_widths(), chunked(CLASSES, 300)), "partition 0 has 5, partition 1 has 4"),
        (lambda: (X, chunked(CLASSES)), "X must be a dask.array or a dask.dataframe, got ndarray"),
        (lambda: (chunked(X), CLASSES), "y must be a dask.array"),
        (lambda: (chunked(X), chunked(CLASSES[:-1])), "inconsistent numbers of samples"),
        (
            lambda: (chunked(X), dd.from_pandas(pd.Series(CLASSES), npartitions=2)),
            "X has 5 partitions and y has 2",
        ),
        (lambda: (chunked(X), chunked(LINEAR[:, 0])), "Partition 0: Unknown label type"),
        (lambda: (chunked(X), chunked(CLASSES), chunked(-WEIGHT)), "Partition 0: Negative values"),
        (lambda: (chunked(X), chunked(CLASSES), chunked(0 * WEIGHT)), "at least one non-zero"),
        (lambda: (chunked(X)[X[:, 0] > 99], chunked(CLASSES)[X[:, 0] > 99]), "X has no rows"),
    ],
)
def test_bad_data_is_refused(data, says):
    model = DaskMLPClassifier(**NETWORK)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=says):
        model.fit(*data())
    assert vars(model) == before


def test_classes_that_are_not_among_those_given():
    model = DaskMLPClassifier(**NETWORK)
    with pytest.raises(ValueError, match=re.escape("`y` has classes not in `self.classes_`")):
        model.fit(chunked(X), chunked(CLASSES), classes=[0, 1])
    model.fit(chunked(X), chunked(CLASSES), classes=[0, 1, 2, 3])
    local = MLPClassifier(**NETWORK).fit(X, CLASSES, classes=[0, 1, 2, 3])
    assert_same(model, local)
    with pytest.raises(ValueError, match="y_val has classes that y does not have"):
        model.fit(chunked(X), chunked(CLASSES), X_val=chunked(X), y_val=chunked(CLASSES + 1))


@pytest.mark.parametrize(
    ("changes", "validation", "says"),
    [
        ({"scoring": "f1_macro", "early_stopping": True}, {}, "needs all validation rows"),
        ({"scoring": "loss"}, {}, "has nothing to score"),
        ({}, {"X_val": chunked(X)}, "y_val was not provided"),
        ({}, {"X_val": chunked(X[:, :2]), "y_val": chunked(CLASSES)}, "X_val has 2 columns"),
        ({"validation_fraction": 1e-9, "early_stopping": True}, {}, "validation set is too small"),
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, {}, "rows to train on have no weight"),
        ({"dropout": 0.5}, {}, "does not apply to full-batch optimizers"),
    ],
)
def test_what_cannot_apply_is_refused(changes, validation, says):
    model = DaskMLPClassifier(**{**NETWORK, **changes})
    with pytest.raises(ValueError, match=says):
        model.fit(chunked(X), chunked(CLASSES), **validation)


class OnCupy:
    """Stands for an array on a GPU."""

    ndim, shape, dtype = 2, (0, 5), np.dtype(float)


OnCupy.__module__ = "cupy"


def test_arrays_on_a_gpu_are_refused():
    X_gpu = chunked(X)
    X_gpu._meta = OnCupy()
    with pytest.raises(ValueError, match=r"cupy\.OnCupy, data on a GPU"):
        DaskMLPClassifier(**NETWORK).fit(X_gpu, chunked(CLASSES))


def test_sparse_targets_are_refused():
    y = chunked((LINEAR > 0).astype(int)).map_blocks(sparse.csr_matrix)
    with pytest.raises(ValueError, match="y is sparse"):
        DaskMLPClassifier(**NETWORK).fit(chunked(X), y)


def end_workers(client, n):
    for pid in list(client.run(os.getpid).values())[:n]:
        os.kill(pid, signal.SIGKILL)


def test_a_killed_worker_changes_nothing(fresh_client):
    y = chunked(CLASSES)
    undisturbed = DaskMLPClassifier(**NETWORK).fit(chunked(X), y)
    model = DaskMLPClassifier(**NETWORK).set_callbacks(
        Doing(4, lambda: end_workers(fresh_client, 1))
    )
    model.fit(chunked(X), y)
    assert_array_equal(model.coefs_[0], undisturbed.coefs_[0])
    assert model.loss_curve_ == undisturbed.loss_curve_


class Doing(Killing):
    """A callback that does something after some iterations."""

    def __init__(self, after, action):
        super().__init__(after)
        self.action = action

    def on_fit_task_end(self, estimator, context):
        self.after -= 1
        if self.after == 0:
            self.action()


def test_without_workers_there_is_an_error_in_time(fresh_client):
    gone = []

    def close():
        fresh_client.cluster.scale(0)
        while fresh_client.nthreads():
            time.sleep(0.05)
        gone.append(time.monotonic())

    model = DaskMLPClassifier(**NETWORK).set_callbacks(Doing(4, close))
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": "2s"}),
        pytest.raises(NoWorkersError, match="no worker for 2 seconds"),
    ):
        model.fit(chunked(X), chunked(CLASSES))
    assert time.monotonic() - gone[0] < 30
    assert not hasattr(model, "coefs_")


def test_without_a_cluster_there_is_an_error(fresh_client):
    model = DaskMLPClassifier(**NETWORK).set_callbacks(Doing(4, fresh_client.close))
    with pytest.raises(NoWorkersError, match="closed"):
        model.fit(chunked(X), chunked(CLASSES))
