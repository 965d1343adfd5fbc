import pickle
import re
import tracemalloc

import numpy as np
import pytest
import sklearn.neural_network
from interrupts import interrupted_at_each_line
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._compiler.blas_threads import BLOCK_ROWS
from sknn_opt._training import compiled_steps, mini_batch
from sknn_opt._training import epochs as _epochs
from sknn_opt._training import progress as _progress
from sknn_opt.optimizers import SGD
from sknn_opt.schedules import Schedule

ignores_convergence = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def regression():
    X, y = make_regression(60, 5, n_informative=3, noise=5, random_state=0)
    return X / X.std(axis=0), y / y.std()


SKIPPING = {
    "first": slice(0, 10),
    "middle": slice(20, 30),
    "last": slice(50, 60),
}


@ignores_convergence
@pytest.mark.parametrize("rows", SKIPPING.values(), ids=SKIPPING)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_minibatch_without_weight_is_skipped(regression, optimizer, rows):
    X, y = regression
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    weight[rows] = 0
    kept = weight > 0

    def fit(X, y, weight):
        return MLPRegressor(
            4, optimizer=optimizer, batch_size=10, shuffle=False, max_iter=3, random_state=0
        ).fit(X, y, weight)

    skipped, without = fit(X, y, weight), fit(X[kept], y[kept], weight[kept])
    for ours, theirs in zip(skipped.coefs_, without.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(skipped.loss_curve_, without.loss_curve_, rtol=1e-12)
    norms = (e.history_["grad_norm"] for e in (skipped, without))
    np.testing.assert_allclose(*norms, rtol=1e-12)


@ignores_convergence
def test_gradient_norm_is_that_of_the_last_step(regression):
    X, y = regression
    alpha, n = 3.0, len(y)
    fitted = MLPRegressor(
        (), optimizer="sgd", momentum=0.0, nesterovs_momentum=False, batch_size=n,
        alpha=alpha, learning_rate_init=0.1, max_iter=5, random_state=0, shuffle=False,
    )  # fmt: skip
    before = fitted.set_params(max_iter=4).fit(X, y)
    w, b = before.coefs_[0].copy(), before.intercepts_[0].copy()
    residual = X @ w + b - y[:, np.newaxis]
    gradient = np.append(X.T @ residual / n + alpha / n * w, residual.mean())
    after = fitted.set_params(max_iter=5).fit(X, y)
    assert after.history_["grad_norm"][-1] == pytest.approx(np.linalg.norm(gradient), rel=1e-10)
    step = np.append(w - after.coefs_[0], b - after.intercepts_[0])
    np.testing.assert_allclose(step, 0.1 * gradient, rtol=1e-10)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_max_iter_warns(regression, optimizer):
    message = {"lbfgs": "LBFGS failed to converge after 2 iteration"}.get(
        optimizer, re.escape("Maximum iterations (2) reached")
    )
    estimator = MLPRegressor(4, optimizer=optimizer, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        estimator.fit(*regression)
    assert caught[0].filename == __file__
    assert estimator.n_iter_ == 2


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_convergence_does_not_warn(regression, optimizer):
    estimator = MLPRegressor(
        4, optimizer=optimizer, tol=0.5, n_iter_no_change=2, max_iter=50, random_state=0
    ).fit(*regression)  # a warning is an error
    assert estimator.n_iter_ < 50


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_adaptive_rate_falls_at_each_plateau(regression, optimizer):
    estimator = MLPRegressor(
        4, optimizer=optimizer, learning_rate="adaptive", learning_rate_init=0.1, tol=1e3,
        n_iter_no_change=2, random_state=0,
    ).fit(*regression)  # fmt: skip
    # Nothing improves by tol but the first epoch; 8 reductions lead below 1e-6.
    epochs = [4] + 8 * [3]
    rates = np.repeat(0.1 * 0.2 ** np.arange(9), epochs)
    np.testing.assert_allclose(estimator.history_["learning_rate"], rates, rtol=1e-12)


def test_an_adaptive_rate_ends_as_that_of_sklearn(regression):
    parameters = {
        "hidden_layer_sizes": 4,
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.05,
        "tol": 1e-3,
        "n_iter_no_change": 3,
        "max_iter": 500,
        "random_state": 0,
    }
    ours = MLPRegressor(**parameters).fit(*regression)
    theirs = sklearn.neural_network.MLPRegressor(**parameters).fit(*regression)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.history_["learning_rate"][-1] == pytest.approx(
        theirs._optimizer.learning_rate, rel=1e-12
    )


class Declining(Schedule):
    """A schedule of another rate for each step."""

    def __call__(self, time, max_iter):
        return 1 / (1 + np.asarray(time))


class OnlyAt(Schedule):
    """A schedule of one step; what it is asked for is kept in a list."""

    def __init__(self, moment, asked=None):
        self.moment = moment
        self.asked = asked

    def __call__(self, time, max_iter):
        self.asked.append((list(time), max_iter))
        return np.isclose(time, self.moment).astype(float)


@ignores_convergence
def test_a_schedule_gives_the_rate_of_each_step(regression):
    X, y = regression
    asked = []
    parameters = {
        "hidden_layer_sizes": 4,
        "optimizer": SGD(momentum=0.0),
        "batch_size": 20,
        "shuffle": False,
        "random_state": 0,
        "learning_rate_init": 0.1,
    }
    one_step = MLPRegressor(learning_rate=OnlyAt(1 + 2 / 3, asked), max_iter=3, **parameters)
    one_step.fit(X, y)
    assert [max_iter for _, max_iter in asked] == [3, 3, 3]
    np.testing.assert_allclose([times for times, _ in asked], np.arange(9).reshape(3, 3) / 3)
    assert one_step.history_["learning_rate"] == [0.0, 0.1, 0.0]
    expected = MLPRegressor(**parameters, max_iter=1).fit(X[40:], y[40:])
    assert_same_parameters(one_step, expected, rtol=1e-12)


def assert_same_parameters(ours, theirs, rtol=0.0):
    pairs = zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=rtol, atol=0)


@ignores_convergence
@pytest.mark.parametrize("longest_call", [0.0, 1e-5, 1e9])
@pytest.mark.parametrize("learning_rate", ["constant", Declining()], ids=str)
def test_an_epoch_may_take_any_number_of_calls(
    regression, monkeypatch, longest_call, learning_rate
):
    X, y = regression
    calls = []

    def counted(dtype, *arguments):
        calls.append(arguments[-2:])
        return train_batches(dtype, *arguments)

    train_batches = compiled_steps.train_batches

    def fit():
        calls.clear()
        return MLPRegressor(
            4, batch_size=1, max_iter=3, learning_rate=learning_rate, random_state=0, l1_ratio=0.5
        ).fit(X, y)

    monkeypatch.setattr(compiled_steps, "train_batches", counted)
    monkeypatch.setattr(compiled_steps, "_LONGEST_CALL", 1e9)
    expected = fit()
    assert calls[-2:] == [(0, len(y)), (0, len(y))]
    monkeypatch.setattr(compiled_steps, "_LONGEST_CALL", longest_call)
    sliced = fit()
    if longest_call == 0:
        assert calls[-len(y) :] == [(i, i + 1) for i in range(len(y))]
    assert_same_parameters(sliced, expected)
    for column in ("loss", "grad_norm", "learning_rate"):
        assert sliced.history_[column] == expected.history_[column]


def peak_bytes(function, *arguments):
    """The most memory that a call holds at a time beyond what it found."""
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@ignores_convergence
@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [("lbfgs", "dense"), ("lbfgs", "Fortran"), ("lbfgs", "CSR"), ("newton-cg", "dense"),
     ("newton-cg", "CSR"), ("lm", "dense"), ("lm", "CSR")],
)  # fmt: skip
def test_full_batch_memory_does_not_grow_with_activations(optimizer, kind):
    n_hidden, n = 50, 8 * BLOCK_ROWS
    random = np.random.default_rng(0)
    X, y = random.normal(size=(n, 4)), random.normal(size=n)
    few = n // 4
    if kind == "CSR":
        X = sparse.csr_matrix(X)
    if kind == "Fortran":
        X = np.asfortranarray(X)
    parts = {rows: (X if rows == n else X[:rows].copy(), y[:rows]) for rows in (few, n)}
    estimator = MLPRegressor(n_hidden, optimizer=optimizer, max_iter=1, random_state=0)
    estimator.fit(*parts[few])
    for function in (lambda X, y: estimator.fit(X, y), lambda X, y: estimator.predict(X)):
        peaks = {rows: peak_bytes(function, *part) for rows, part in parts.items()}
        per_row = (peaks[n] - peaks[few]) / (n - few)
        # Targets, predictions and checks take some words a row, activations 8 * n_hidden,
        # tangents and the rows of a Jacobian several times as much.
        assert per_row < 100


@ignores_convergence
@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_predict_leaves_no_state(make, regression):
    X, y = regression
    estimator = make(4, max_iter=2, random_state=0).fit(X, y > 0)
    before = {name: id(value) for name, value in vars(estimator).items()}
    expected = estimator.predict(X)
    for rows in (slice(None), slice(7), slice(1)):
        np.testing.assert_array_equal(estimator.predict(X[rows]), expected[rows])
    assert {name: id(value) for name, value in vars(estimator).items()} == before


@ignores_convergence
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "lbfgs", "tol": 1e-9},
        {"optimizer": SGD(momentum=0.0), "tol": 0.0, "learning_rate_init": 0.1},
    ],
    ids=lambda parameters: str(parameters["optimizer"]),
)
def test_a_linear_model_is_that_of_elastic_net(regression, parameters, l1_ratio):
    X, y = regression
    strength, n = 0.3, len(y)
    ours = MLPRegressor(
        (), alpha=strength * n, l1_ratio=l1_ratio, batch_size=n, random_state=0, **parameters
    ).fit(X, y)
    theirs = ElasticNet(alpha=strength, l1_ratio=l1_ratio, tol=1e-12, max_iter=10_000).fit(X, y)
    assert 0 < np.count_nonzero(theirs.coef_) < len(theirs.coef_)
    np.testing.assert_array_equal(ours.coefs_[0].ravel() == 0, theirs.coef_ == 0)
    np.testing.assert_allclose(ours.coefs_[0].ravel(), theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercepts_[0], theirs.intercept_, atol=1e-5)


@ignores_convergence
def test_l1_is_a_soft_threshold_after_the_step(regression):
    X, y = regression
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    lr, alpha, l1_ratio, n = 0.05, 40.0, 0.7, len(y)
    fitted = MLPRegressor(
        (), optimizer=SGD(momentum=0), alpha=alpha, l1_ratio=l1_ratio, batch_size=n, shuffle=False,
        learning_rate_init=lr, max_iter=1, random_state=0,
    )  # fmt: skip
    stepped = clone(fitted).set_params(alpha=alpha * (1 - l1_ratio), l1_ratio=0.0)
    w = stepped.fit(X, y, weight).coefs_[0]
    expected = np.sign(w) * np.maximum(np.abs(w) - lr * alpha * l1_ratio / weight.sum(), 0)
    np.testing.assert_allclose(fitted.fit(X, y, weight).coefs_[0], expected, rtol=1e-12)
    np.testing.assert_allclose(fitted.intercepts_[0], stepped.intercepts_[0], rtol=1e-12)


@ignores_convergence
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_early_stopping_leaves_the_best_parameters(optimizer):
    X, y = make_classification(80, 5, flip_y=0.3, random_state=0)
    estimator = MLPClassifier(
        20, optimizer=optimizer, early_stopping=True, validation_fraction=0.3, max_iter=60,
        n_iter_no_change=5, learning_rate_init=0.05, random_state=0,
    ).fit(X, y)  # fmt: skip
    scores = np.array(estimator.validation_scores_)
    assert len(scores) == estimator.n_iter_ < 60
    assert estimator.best_validation_score_ == scores.max()
    best = int(scores.argmax()) + 1
    assert best < len(scores)
    until_then = estimator.set_params(max_iter=best).fit(X, y)
    assert until_then.best_validation_score_ == until_then.validation_scores_[-1] == scores.max()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_max_time_keeps_what_is_learnt(optimizer):
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier((5,), optimizer=optimizer, batch_size=1, max_time=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_time=1e-09 seconds were over after 1 epoch"):
        model.fit(X / 16, y)
    assert model.n_iter_ == 1
    assert model.t_ < len(X)  # the epoch ended early
    assert {len(column) for column in model.history_.values()} == {1}
    assert np.isfinite([model.loss_, *model.history_["grad_norm"]]).all()
    with pytest.warns(ConvergenceWarning, match="max_time"):
        model.partial_fit(X / 16, y)
    assert all(np.isfinite(c).all() for c in model.coefs_)


def test_time_that_is_not_used_up_changes_nothing():
    X, y = load_digits(return_X_y=True)
    params = {"tol": 1.0, "n_iter_no_change": 2, "random_state": 0}
    with_bound = MLPClassifier((5,), max_time=1000, **params).fit(X, y)
    without = MLPClassifier((5,), **params).fit(X, y)
    np.testing.assert_array_equal(with_bound.coefs_[0], without.coefs_[0])


# -- divergence --------------------------------------------------------------------------


class Exploding(Schedule):
    """A rate that suits, but from an epoch on one that does not."""

    def __init__(self, epoch, rate=1e6):
        self.epoch = epoch
        self.rate = rate

    def __call__(self, time, max_iter):
        return np.where(np.asarray(time) < self.epoch, 1.0, self.rate)


@pytest.fixture
def epochs(monkeypatch):
    """The losses of the epochs that training has come to."""
    losses, add = [], _progress.Progress.add

    def noted(progress, loss, *args):
        losses.append(loss)
        add(progress, loss, *args)

    monkeypatch.setattr(_progress.Progress, "add", noted)
    return losses


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("averaging", [None, "ema", "swa"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_divergence_ends_training_at_once(regression, optimizer, averaging, dtype, epochs):
    model = MLPRegressor(
        4, optimizer=optimizer, averaging=averaging, learning_rate=Exploding(2),
        learning_rate_init=0.01, dtype=dtype, random_state=0,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights\."):
        model.fit(*regression)
    assert len(epochs) <= 4
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("averaging", [None, "ema", "swa"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_best_epoch_before_divergence_is_kept(regression, optimizer, averaging):
    model = MLPRegressor(
        4, optimizer=optimizer, averaging=averaging, learning_rate=Exploding(3),
        early_stopping=True, learning_rate_init=0.01, validation_fraction=0.3, random_state=0,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match="diverged after .* epoch 3, which scored best"):
        model.fit(*regression)
    assert model.n_iter_ <= 5
    assert model.best_validation_score_ == model.validation_scores_[2]
    until_then = clone(model).set_params(max_iter=3)
    with pytest.warns(ConvergenceWarning, match="max|Max"):
        until_then.fit(*regression)
    # The share of the last quarter of max_iter epochs is another one.
    if averaging != "swa":
        assert_same_parameters(model, until_then)


def test_an_explosion_to_finite_numbers_is_divergence(regression):
    """The targets grow in partial_fit's calls, so that no parameter overflows."""
    X, y = regression
    model = MLPRegressor((), optimizer="sgd", random_state=0).partial_fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match=r"^Solver produced non-finite"):
        model.partial_fit(X, 1e5 * y)
    assert pickle.dumps(model) == before
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        model.set_params(warm_start=True, max_iter=3).fit(X, 1e5 * y)  # a training of its own


def test_a_loss_that_overflows_is_no_divergence(regression):
    X, y = regression
    params = {"clip_value": 1.0, "max_iter": 4, "random_state": 0}
    model = MLPRegressor((), optimizer="sgd", **params)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, 1e160 * y)
    said = [str(warning.message) for warning in caught]
    assert sum("loss overflowed" in message for message in said) == 1
    assert caught[0].filename == caught[-1].filename == __file__
    assert model.loss_curve_ == [np.inf] * 4
    # Clipped gradients are signs, whatever the size of the residuals.
    expected = MLPRegressor((), optimizer="sgd", **params)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        expected.fit(X, 1e12 * y)
    assert_same_parameters(model, expected)


# -- Ctrl-C ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("n_calls", [0, 1, 4])
def test_ctrl_c_in_the_first_epoch(regression, method, n_calls, monkeypatch):
    X, y = regression
    train_batches, ends = compiled_steps.train_batches, []

    def pressed(dtype, *arguments):
        if len(ends) == n_calls:
            raise KeyboardInterrupt
        train_batches(dtype, *arguments)
        ends.append(arguments[-1])

    params = {"batch_size": 1, "shuffle": False, "random_state": 0}
    model = MLPRegressor(4, **params, alpha=0.0)
    with monkeypatch.context() as patched:
        patched.setattr(compiled_steps, "train_batches", pressed)
        patched.setattr(compiled_steps, "_LONGEST_CALL", 0.0)
        train = getattr(model, method)
        if n_calls == 0:
            with pytest.raises(KeyboardInterrupt):
                train(X, y)
            assert not hasattr(model, "coefs_")
            return
        with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
            train(X, y)
    seen = ends[-1]
    assert seen < len(y)
    expected = MLPRegressor(4, **params, alpha=0.0).partial_fit(X[:seen], y[:seen])
    assert_same_parameters(model, expected, rtol=1e-12)
    assert model.loss_ == model.best_loss_ == pytest.approx(expected.loss_, rel=1e-12)
    assert model.n_iter_ == len(model.loss_curve_) == 0


TRAINING = compiled_steps, _epochs, mini_batch, _progress


@pytest.mark.filterwarnings("ignore:Training interrupted")
@ignores_convergence
@pytest.mark.parametrize(
    ("method", "early_stopping"), [("fit", False), ("fit", True), ("partial_fit", False)]
)
def test_ctrl_c_at_any_line(regression, method, early_stopping):
    X, y = regression
    models = []

    def train():
        models.append(MLPRegressor(2, early_stopping=early_stopping, max_iter=2, random_state=0))
        getattr(models[-1], method)(X, y)

    outcomes = set()
    for raised in interrupted_at_each_line({m.__file__ for m in TRAINING}, train):
        outcomes.add(raised)
        assert_whole(models[-1], raised, X)
    assert outcomes == {True, False}


def assert_whole(model, raised, X):
    """An interrupt was raised and left nothing; or all that it left agrees."""
    assert raised == (not hasattr(model, "coefs_"))
    if raised:
        return
    n_epochs = len(model.loss_curve_)
    assert model.n_iter_ == n_epochs
    assert {len(column) for column in model.history_.values()} == {n_epochs}
    assert np.isfinite(model.loss_)
    if model.early_stopping:
        assert len(model.validation_scores_) == n_epochs
        best = model.best_validation_score_
        assert best is None or best in model.validation_scores_
    else:
        assert model.best_loss_ == min([*model.loss_curve_, model.loss_])
    assert np.isfinite(pickle.loads(pickle.dumps(model)).predict(X)).all()
