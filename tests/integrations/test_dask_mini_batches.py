"""Training on mini-batches of Dask collections, by local steps."""

import os
import signal

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import GrowingBatch, MLPClassifier
from sknn_opt.callbacks import Checkpoint
from sknn_opt.dask import DaskMLPClassifier, DaskMLPRegressor
from sknn_opt.optimizers import OPTIMIZERS, SGD, FirstOrder

pytestmark = [
    pytest.mark.usefixtures("client"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
N, ROWS = 600, 130
X = random.normal(size=(N, 5))
LINEAR = X @ random.normal(size=(5, 3)) + 0.3 * random.normal(size=(N, 3))
CLASSES = LINEAR.argmax(axis=1)

NETWORK = {
    "hidden_layer_sizes": (6,),
    "batch_size": 50,
    "learning_rate_init": 0.02,
    "max_iter": 4,
    "tol": 1e-9,
    "random_state": 0,
}


def chunked(a, rows=ROWS):
    return da.from_array(a, chunks=(rows, *a.shape[1:]))


def fit(y=CLASSES, cls=DaskMLPClassifier, *, X=X, rows=ROWS, **changes):
    return cls(**{**NETWORK, **changes}).fit(chunked(X, rows), chunked(y, rows))


def assert_equal(first, second):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(first, name), getattr(second, name), strict=True):
            assert_array_equal(a, b)
    assert first.loss_curve_ == second.loss_curve_


def rounds_in_numpy(w, b, blocks, local_steps, batch_size, lr, n_epochs):
    """Train a linear model by local steps of plain gradient descent and outer ones."""
    velocity, losses = np.zeros(len(w) + 1), []
    sizes = np.array([len(y) for _, y in blocks])
    momentum = 1 - (sizes**2).sum() / sizes.sum() ** 2
    n_batches = max(-(-len(y) // batch_size) for _, y in blocks)
    at_once = local_steps or n_batches
    for _ in range(n_epochs):
        total = 0.0
        for first in range(0, n_batches, at_once):
            change, rows = np.zeros(len(w) + 1), 0
            for X, y in blocks:
                w_here, b_here = w.copy(), b
                starts = range(first * batch_size, (first + at_once) * batch_size, batch_size)
                seen = 0
                for start in (s for s in starts if s < len(y)):
                    x, target = X[start : start + batch_size], y[start : start + batch_size]
                    residual = x @ w_here + b_here - target
                    total += 0.5 * residual @ residual
                    w_here = w_here - lr * x.T @ residual / len(x)
                    b_here = b_here - lr * residual.mean()
                    seen += len(x)
                change += seen * np.append(w - w_here, b - b_here)
                rows += seen
            velocity = momentum * velocity + change / rows
            step = change / rows + momentum * velocity
            w, b = w - step[:-1], b - step[-1]
        losses.append(total / sum(len(y) for _, y in blocks))
    return w, b, losses


@pytest.mark.parametrize("local_steps", [None, 2])
def test_rounds_are_those_written_out(local_steps):
    y = LINEAR[:, 0]
    model = fit(
        y,
        DaskMLPRegressor,
        hidden_layer_sizes=(),
        optimizer=SGD(momentum=0.0),
        alpha=0.0,
        shuffle=False,
        initializer="zeros",
        local_steps=local_steps,
    )
    parts = [slice(start, start + ROWS) for start in range(0, N, ROWS)]
    blocks = [(X[part], y[part]) for part in parts]
    w, b, losses = rounds_in_numpy(np.zeros(5), 0.0, blocks, local_steps, 50, 0.02, 4)
    assert_allclose(model.coefs_[0].ravel(), w, rtol=1e-10)
    assert_allclose(model.intercepts_[0], b, rtol=1e-10)
    assert_allclose(model.loss_curve_, losses, rtol=1e-10)
    assert model.t_ == 4 * N


#: Those that need what no partition has, or whose states cannot be averaged.
REFUSED = {"kfac", "rprop", "schedule_free", "soap"}


@pytest.mark.parametrize(
    "name", [name for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder)]
)
def test_optimizers_learn_or_are_refused(name):
    if name in REFUSED:
        with pytest.raises(ValueError, match=r"Choose (another optimizer|optimizer='lbfgs')"):
            fit(optimizer=name)
        return
    model = fit(optimizer=name, learning_rate_init="auto", random_state=1, local_steps=1)
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.2, "input_dropout": 0.1},
        {"input_noise": 0.1, "mixup": 0.2},
        {"clip_norm": 0.5, "clip_value": 0.1},
        {"normalization": "layer", "residual": True, "hidden_layer_sizes": (5, 5)},
        {"learning_rate": "cosine", "warmup": 2},
        {"learning_rate": "invscaling", "optimizer": "sgd"},
        {"batch_size": GrowingBatch(20, 2, 1), "local_steps": 3},
        {"batch_size": "full"},
        {"class_weight": "balanced", "label_smoothing": 0.1, "trainable": [True, 0.5]},
        {"dtype": "float32", "shuffle": False, "n_jobs": 2},
    ],
)
def test_keywords_work_and_a_fit_repeats_to_the_last_bit(changes):
    first, second = (fit(**changes) for _ in range(2))
    assert_equal(first, second)
    assert first.loss_curve_[-1] < first.loss_curve_[0]
    assert {len(column) for column in first.history_.values()} == {first.n_iter_} == {4}
    assert np.isfinite(first.history_["grad_norm"]).all()
    assert first.coefs_[0].dtype == changes.get("dtype", "float64")


def test_learning_rates_are_those_of_the_schedule():
    rates = fit(learning_rate="cosine", batch_size="full").history_["learning_rate"]
    local = MLPClassifier(**{**NETWORK, "batch_size": "full"}, learning_rate="cosine")
    assert_allclose(rates, local.fit(X, CLASSES).history_["learning_rate"])


def test_units_keep_within_the_largest_norm():
    model = fit(max_norm=0.5, optimizer="sgd", learning_rate_init=0.5)
    assert np.linalg.norm(model.coefs_[0], axis=0).max() == pytest.approx(0.5)


def test_frozen_layers_stay():
    start, end = (fit(trainable=[False, True], max_iter=n) for n in (1, 4))
    assert_array_equal(start.coefs_[0], end.coefs_[0])
    assert not np.array_equal(start.coefs_[1], end.coefs_[1])


@pytest.mark.parametrize("local_steps", [None, 3])
def test_with_one_partition_training_is_plain(local_steps):
    keywords = {**NETWORK, "shuffle": False, "learning_rate": "cosine", "clip_norm": 0.3}
    distributed = fit(rows=N, **keywords, local_steps=local_steps)
    local = MLPClassifier(**keywords).fit(X, CLASSES)
    assert_allclose(distributed.coefs_[0], local.coefs_[0], rtol=0, atol=1e-11)
    for name in ("loss", "learning_rate", "grad_norm"):
        assert_allclose(distributed.history_[name], local.history_[name], rtol=1e-9)


@pytest.mark.parametrize("local_steps", [None, 1])
def test_the_network_learns_what_it_does_in_plain_training(local_steps):
    model = fit(max_iter=40, n_iter_no_change=np.inf, local_steps=local_steps)
    assert model.to_local().score(X, CLASSES) > 0.8  # 0.9 in memory


def test_sparse_chunks():
    blocks = chunked(np.where(X > 0, X, 0)).map_blocks(sparse.csr_matrix)
    dense = fit(X=np.where(X > 0, X, 0))
    model = DaskMLPClassifier(**NETWORK).fit(blocks, chunked(CLASSES))
    assert_allclose(model.coefs_[0], dense.coefs_[0], atol=1e-9)


def test_early_stopping_and_validation():
    keywords = {"max_iter": 100, "early_stopping": True, "n_iter_no_change": 3}
    model = fit(**keywords)
    assert model.n_iter_ < 100
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.8
    X_val, y_val = X[::3], CLASSES[::3]
    lazily = DaskMLPClassifier(**NETWORK).fit(
        chunked(X), chunked(CLASSES), X_val=chunked(X_val), y_val=chunked(y_val)
    )
    here = DaskMLPClassifier(**NETWORK).fit(chunked(X), chunked(CLASSES), X_val=X_val, y_val=y_val)
    assert_equal(lazily, here)
    for name in ("validation_loss", "validation_score"):
        assert_allclose(lazily.history_[name], here.history_[name], rtol=1e-12)


def test_the_time_ends_training():
    with pytest.warns(ConvergenceWarning, match=r"max_time=1e-09 seconds were over after 1 epoch"):
        model = fit(max_time=1e-9, local_steps=1)
    assert model.n_iter_ == 1
    assert 0 < model.t_ < N  # it ended after a round


def test_a_warm_start_goes_on():
    model = fit(warm_start=True)
    loss = model.loss_
    model.fit(chunked(X), chunked(CLASSES))
    assert model.loss_curve_[4] < 1.2 * loss
    assert len(model.loss_curve_) == 8


def test_divergence_is_an_error():
    with pytest.raises(ValueError, match="non-finite"):
        fit(LINEAR * 1e3, DaskMLPRegressor, optimizer="sgd", learning_rate_init=1e3)


class Killed(BaseException):
    pass


class After:
    """A callback that does something after some epochs."""

    max_propagation_depth = 0

    def __init__(self, n_epochs, action):
        self.left, self.action = n_epochs, action

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        self.left -= 1
        if self.left == 0:
            self.action()


def test_a_checkpoint_goes_on(tmp_path):
    def kill():
        raise Killed

    whole = fit()
    model = DaskMLPClassifier(**NETWORK).set_callbacks(Checkpoint(tmp_path), After(2, kill))
    with pytest.raises(Killed):
        model.fit(chunked(X), chunked(CLASSES))
    model = DaskMLPClassifier(**NETWORK).set_callbacks(Checkpoint(tmp_path))
    assert_equal(model.fit(chunked(X), chunked(CLASSES)), whole)


def test_a_killed_worker_changes_nothing(fresh_client):
    def kill():
        os.kill(next(iter(fresh_client.run(os.getpid).values())), signal.SIGKILL)

    undisturbed = fit()
    model = DaskMLPClassifier(**NETWORK).set_callbacks(After(2, kill))
    assert_equal(model.fit(chunked(X), chunked(CLASSES)), undisturbed)


SORTED = np.argsort(CLASSES, kind="stable")


@pytest.mark.parametrize(
    "y",
    [
        CLASSES,
        np.array(["no", "perhaps", "yes"])[CLASSES],
        np.eye(3, dtype=int)[CLASSES],
        np.c_[CLASSES, 2 - CLASSES],
        0.8 * np.eye(3)[CLASSES] + 0.2 / 3,
    ],
    ids=["classes", "strings", "labels", "outputs", "probabilities"],
)
def test_partitions_sorted_by_class_are_told(y, recwarn):
    is_several = y.ndim == 2 and y.max() == 2  # a partition that has two classes may not tell
    targets = "multioutput" if is_several else "auto"
    fit(y, max_iter=1, targets=targets)
    assert not [w for w in recwarn if "Partitions" in str(w.message)]
    with pytest.warns(UserWarning, match="Partitions differ in their classes.*Shuffle the rows"):
        fit(y[SORTED], X=X[SORTED], max_iter=1, targets=targets)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"normalization": "batch"}, "Choose normalization='layer'"),
        ({"averaging": "ema"}, "averaging='ema' does not apply to Dask"),
        ({"l1_ratio": 0.5}, "l1_ratio=0.5 does not apply to mini-batches"),
        ({"optimizer": "lbfgs", "local_steps": 3}, "local_steps=3 does not apply to full-batch"),
        ({"local_steps": 0}, "'local_steps' parameter of DaskMLPClassifier must be"),
    ],
)
def test_what_cannot_apply_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        fit(**changes)


def test_noise_on_sparse_features_is_refused():
    blocks = chunked(X).map_blocks(sparse.csr_matrix)
    with pytest.raises(ValueError, match=r"input_noise=0\.1 does not apply to sparse features"):
        DaskMLPClassifier(**NETWORK, input_noise=0.1).fit(blocks, chunked(CLASSES))
