"""Training on all samples: what every full-batch optimizer has in common."""

import pickle
import threading

import numpy as np
import pytest
import sklearn.neural_network as theirs
from interrupts import interrupted_at_each_line
from scipy import sparse
from scipy.optimize import OptimizeResult
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._training import full_batch as _full_batch
from sknn_opt._training import progress as _progress
from sknn_opt._training import row_sums
from sknn_opt._training.objective import Objective
from sknn_opt._training.row_blocks import RowBlocks
from sknn_opt.optimizers import BFGS, LM, OPTIMIZERS, FullBatch, NewtonCG

FULL_BATCH = [name for name, cls in OPTIMIZERS.items() if issubclass(cls, FullBatch)]
each = pytest.mark.parametrize("optimizer", FULL_BATCH)
unfinished = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_diabetes(return_X_y=True)
X, y = scale(X[:150]), scale(y[:150])


def make(optimizer, **params):
    settings = {"hidden_layer_sizes": (4,), "activation": "tanh", "random_state": 0}
    return MLPRegressor(optimizer=optimizer, **{**settings, **params})


def gradient(model, X, y):
    """Gradient of the penalised loss of a linear or one-hidden-layer regressor, in NumPy."""
    *hidden, last = zip(model.coefs_, model.intercepts_, strict=True)
    inputs = np.tanh(X @ hidden[0][0] + hidden[0][1]) if hidden else X
    y = y.reshape(len(X), -1)
    delta = (inputs @ last[0] + last[1] - y) / len(X)
    by_weights, by_intercepts = [inputs.T @ delta], [delta.sum(axis=0)]
    if hidden:
        delta = delta @ last[0].T * (1 - inputs**2)
        by_weights.insert(0, X.T @ delta)
        by_intercepts.insert(0, delta.sum(axis=0))
    by_weights = [
        g + model.alpha / len(X) * w for g, w in zip(by_weights, model.coefs_, strict=True)
    ]
    return np.concatenate([g.ravel() for g in (*by_weights, *by_intercepts)])


@each
@unfinished
def test_float32_stays(optimizer):
    model = make(optimizer, max_iter=5).fit(X.astype(np.float32), y)
    assert {a.dtype for a in (*model.coefs_, *model.intercepts_)} == {np.dtype(np.float32)}
    wide = make(optimizer, max_iter=5).fit(X, y)
    assert model.loss_ == pytest.approx(wide.loss_, rel=1e-3)


@each
@unfinished
@pytest.mark.usefixtures("compilation_is_announced")
def test_an_entry_an_iteration(optimizer, capsys):
    model = make(optimizer, max_iter=6, verbose=True).fit(X, y)
    assert model.n_iter_ == 6
    assert {len(column) for column in model.history_.values()} == {6}
    assert model.loss_curve_[-1] == model.loss_ == pytest.approx(model.best_loss_)
    assert model.t_ == 6 * len(X)
    lines = [f"Iteration {i + 1}, loss = {loss:.8f}" for i, loss in enumerate(model.loss_curve_)]
    assert capsys.readouterr().out.splitlines()[:6] == lines
    assert model.history_["grad_norm"][-1] == pytest.approx(
        np.linalg.norm(gradient(model, X, y)), rel=1e-6
    )


@each
def test_early_stopping_restores_the_best_weights(optimizer):
    params = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 500, "tol": 1e-6}
    model = make(optimizer, **params, validation_fraction=0.3, hidden_layer_sizes=(8,)).fit(X, y)
    _, held_out = train_test_split(np.arange(len(X)), random_state=_split_state(8), test_size=0.3)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ == len(model.loss_curve_)
    assert model.best_validation_score_ == max(scores)
    assert model.score(X[held_out], y[held_out]) == pytest.approx(max(scores), rel=1e-9)


def _split_state(units):
    """The random state after the initial parameters of a network with one hidden layer."""
    state = np.random.RandomState(0)
    for fan_in, fan_out in ((X.shape[1], units), (units, 1)):
        state.uniform(size=(fan_in, fan_out))
        state.uniform(size=fan_out)
    return state


@each
@pytest.mark.parametrize(
    "bound",
    [{"max_iter": 2}, {"max_fun": 2}, {"max_time": 1e-9}],
    ids=lambda bound: next(iter(bound)),
)
def test_bounds_keep_what_is_learnt_and_warn(optimizer, bound):
    (name,) = bound
    model = make(optimizer, tol=1e-12, max_iter=400).set_params(**bound)
    with pytest.warns(ConvergenceWarning, match=rf"failed to converge after \d iteration.*{name}"):
        model.fit(X, y)
    assert model.n_iter_ <= 2
    assert np.isfinite(model.loss_)
    loss = 0.5 * np.mean((model.predict(X) - y) ** 2)
    assert loss == pytest.approx(model.loss_, rel=1e-3)


@each
def test_evaluations_are_counted_alike(optimizer, monkeypatch):
    evaluate, calls = Objective.loss_and_gradient, []
    monkeypatch.setattr(
        Objective, "loss_and_gradient", lambda *args: calls.append(1) or evaluate(*args)
    )
    with pytest.warns(ConvergenceWarning, match="max_fun=8 evaluations"):
        make(optimizer, tol=1e-12, max_fun=8).fit(X, y)
    assert 8 < len(calls) < 30


@each
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_ctrl_c_keeps_the_last_iterate(optimizer, n_jobs, monkeypatch):
    long_X, long_y = np.tile(X, (10, 1)), np.tile(y, 10)
    add, calls = RowBlocks.sum, []

    def pressed(*args, **kwargs):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return add(*args, **kwargs)

    before = threading.active_count()
    model = make(optimizer, n_jobs=n_jobs, tol=1e-12)
    with monkeypatch.context() as context:
        context.setattr(RowBlocks, "sum", pressed)
        with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
            model.fit(long_X, long_y)
    assert threading.active_count() == before
    shorter = clone(model).set_params(max_iter=model.n_iter_)
    with pytest.warns(ConvergenceWarning):
        shorter.fit(long_X, long_y)
    np.testing.assert_allclose(model.coefs_[0], shorter.coefs_[0], rtol=1e-10)


@each
@pytest.mark.parametrize("n_evaluations", [0, 1])
def test_ctrl_c_before_the_first_iteration(optimizer, n_evaluations, monkeypatch):
    evaluate, losses = Objective.loss_and_gradient, []

    def pressed(objective, x):
        if len(losses) == n_evaluations:
            raise KeyboardInterrupt
        losses.append(evaluate(objective, x))
        return losses[-1]

    monkeypatch.setattr(Objective, "loss_and_gradient", pressed)
    model = make(optimizer, early_stopping=True)
    if n_evaluations == 0:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert not hasattr(model, "coefs_")
        return
    with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
        model.fit(X, y)
    assert model.loss_ == losses[0][0]
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_) == 0
    assert model.best_validation_score_ is None


@pytest.mark.filterwarnings("ignore:Training interrupted")
@unfinished
@pytest.mark.parametrize(("optimizer", "early_stopping"), [("lbfgs", True), ("lm", False)])
def test_ctrl_c_at_any_line(optimizer, early_stopping):
    """It is raised and leaves nothing, or all that is left agrees."""
    models, outcomes = [], set()

    def train():
        models.append(make(optimizer, max_iter=2, early_stopping=early_stopping))
        models[-1].fit(X[:20], y[:20])

    for raised in interrupted_at_each_line({_full_batch.__file__, _progress.__file__}, train):
        model = models[-1]
        outcomes.add(raised)
        assert raised == (not hasattr(model, "coefs_"))
        if not raised:
            assert {len(column) for column in model.history_.values()} == {model.n_iter_}
            assert np.isfinite(model.loss_)
            assert np.isfinite(pickle.loads(pickle.dumps(model)).predict(X)).all()
    assert outcomes == {True, False}


def test_convergence_at_the_start_leaves_no_score():
    settings = {"initializer": "zeros", "hidden_layer_sizes": (), "early_stopping": True}
    model = make("lbfgs", **settings).fit(X, np.zeros(len(X)))
    assert model.n_iter_ == 0
    assert model.best_validation_score_ is None
    assert model.loss_ == 0


@each
@pytest.mark.parametrize("factors", [(1, 1e200), (1e100, 1e160)], ids=str)
def test_numbers_that_overflow_end_in_one_warning(optimizer, factors):
    model = make(optimizer)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(factors[0] * X, factors[1] * y)
    assert len(caught) == 1
    assert all(np.isfinite(array).all() for array in (*model.coefs_, *model.intercepts_))


@each
@unfinished
def test_errors_of_a_scorer_come_through(optimizer):
    class Failure(ValueError):
        pass

    def fail(model, X, y):
        raise Failure("infs or NaNs")

    with pytest.raises(Failure):
        make(optimizer, scoring=fail).fit(X, y, X_val=X, y_val=y)


class Runaway(FullBatch):
    """Multiplies the parameters by some factor in each iteration, as no method should."""

    def __init__(self, factor=1e3):
        self.factor = factor

    def minimize(self, objective, iteration, tol, max_iter):
        x = objective.vector()
        for _ in range(max_iter):
            x = x * self.factor
            iteration(x, objective.loss_and_gradient(x)[0])
        return OptimizeResult(x=x, fun=0.0, success=True)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
@pytest.mark.parametrize("factor", [1e3, 1e150])
def test_divergence_ends_training_at_once(factor):
    model = make(Runaway(factor), hidden_layer_sizes=(), max_iter=100)
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights\."):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")
    with pytest.warns(ConvergenceWarning, match="epoch 1, which scored best, are kept"):
        model.set_params(early_stopping=True).fit(X, y)
    assert model.n_iter_ <= 4
    assert model.best_validation_score_ == model.validation_scores_[0]
    first = make(Runaway(factor), hidden_layer_sizes=(), max_iter=1, early_stopping=True)
    np.testing.assert_array_equal(model.coefs_[0], first.fit(X, y).coefs_[0])


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
@pytest.mark.parametrize("optimizer", [name for name in FULL_BATCH if name != "trust-ncg"])
def test_a_loss_that_overflows_is_no_divergence(optimizer):
    with pytest.warns(ConvergenceWarning, match="training loss overflowed") as caught:
        model = make(optimizer, max_iter=5).fit(X, 1e200 * y)
    assert sum(issubclass(w.category, ConvergenceWarning) for w in caught) == 1
    assert np.isfinite(model.predict(X)).all()


@each
@unfinished
def test_warm_start_goes_on_from_the_weights(optimizer):
    model = make(optimizer, max_iter=8, warm_start=True).fit(X, y)
    first = model.loss_
    model.fit(X, y)
    assert model.n_iter_ <= 8
    assert model.loss_curve_[8] <= first
    assert len(model.loss_curve_) > 8


@each
@pytest.mark.parametrize("several", [False, True], ids=["one output", "two outputs"])
def test_linear_regression_is_ridge(optimizer, several):
    targets = np.column_stack([y, X[:, 0] ** 2]) if several else y
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    params = {"hidden_layer_sizes": (), "alpha": 3.0, "tol": 1e-6, "max_iter": 2000}
    model = make(optimizer, **params).fit(X, targets, sample_weight=weight)
    ridge = Ridge(alpha=3.0).fit(X, targets, sample_weight=weight)
    expected = ridge.coef_.T if several else ridge.coef_[:, np.newaxis]
    np.testing.assert_allclose(model.coefs_[0], expected, atol=1e-4)


@pytest.mark.parametrize("optimizer", [name for name in FULL_BATCH if name != "lm"])
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine], ids=["binary", "multiclass"])
def test_linear_classification_is_logistic_regression(optimizer, load):
    X, y = load(return_X_y=True)
    X = scale(X)
    model = MLPClassifier((), optimizer=optimizer, alpha=1.0, tol=1e-8, max_iter=2000)
    model.fit(X, y)
    expected = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(X, y).decision_function(X)
    ours = model.decision_function(X)
    if ours.ndim == 2:  # softmax does not see what all logits have in common
        ours = ours - ours.mean(axis=1, keepdims=True)
        expected = expected - expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=2e-3)


def test_newton_needs_few_iterations_for_logistic_regression():
    X, y = load_breast_cancer(return_X_y=True)
    model = MLPClassifier((), optimizer="newton-cg", alpha=1.0, tol=1e-8).fit(scale(X), y)
    assert model.n_iter_ <= 15
    assert model.history_["grad_norm"][-1] <= 1e-6


@unfinished  # scikit-learn's line search gives up
def test_multi_output_regression_ends_where_the_gradient_is_zero():
    targets = np.column_stack([y, X[:, 0] * X[:, 1], X[:, 2] ** 2])
    params = {"activation": "tanh", "random_state": 0, "alpha": 5.0, "tol": 1e-7, "max_iter": 5000}
    model = MLPRegressor((4,), solver="lbfgs", **params).fit(X, targets)
    assert np.abs(gradient(model, X, targets)).max() < 2e-5
    other = theirs.MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", **params)
    other.fit(X, targets)
    assert np.abs(gradient(other, X, targets)).max() > 1e-3


LONG_X = np.random.default_rng(0).normal(size=(3500, 4))
LONG_Y = np.sin(LONG_X[:, 0]) + LONG_X[:, 1] * LONG_X[:, 2]


@unfinished
@pytest.mark.parametrize("optimizer", ["lbfgs", "newton-cg", "lm"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
def test_result_does_not_depend_on_the_number_of_threads(optimizer, container):
    models = [
        make(optimizer, n_jobs=n_jobs, max_iter=8).fit(container(LONG_X), LONG_Y)
        for n_jobs in (1, 2, 3, None)
    ]
    for model in models[1:3]:
        np.testing.assert_array_equal(model.coefs_[0], models[0].coefs_[0])
        assert model.loss_curve_ == models[0].loss_curve_
    np.testing.assert_allclose(models[3].loss_curve_, models[0].loss_curve_, rtol=1e-6)


@unfinished
def test_n_jobs_follows_joblib(monkeypatch):
    asked = []
    monkeypatch.setattr(row_sums, "effective_n_jobs", lambda n: asked.append(n) or 1)
    make("lbfgs", max_iter=2, n_jobs=-1).fit(X, y)
    assert asked == [-1]
    monkeypatch.undo()
    with pytest.raises(ValueError, match="n_jobs == 0"):
        make("lbfgs", n_jobs=0).fit(X, y)


@unfinished
@pytest.mark.parametrize("optimizer", ["newton-cg", "trust-ncg"])
def test_relu_has_gauss_newton_products(optimizer):
    exact, gauss_newton = (
        make(OPTIMIZERS[optimizer](curvature=curvature), activation="relu", max_iter=5)
        for curvature in ("exact", "gauss_newton")
    )
    np.testing.assert_array_equal(exact.fit(X, y).coefs_[0], gauss_newton.fit(X, y).coefs_[0])


@unfinished
def test_curvature_matters_for_smooth_networks():
    exact, gauss_newton = (
        make(NewtonCG(curvature=curvature), max_iter=3).fit(X, y)
        for curvature in ("exact", "gauss_newton")
    )
    assert not np.allclose(exact.coefs_[0], gauss_newton.coefs_[0])


@unfinished
@pytest.mark.parametrize("optimizer", [BFGS(max_parameters=48), LM(max_parameters=48)], ids=repr)
def test_large_networks_are_refused(optimizer):
    n_parameters = 10 * 4 + 4 + 4 + 1
    model = make(optimizer, max_iter=2)
    with pytest.raises(ValueError, match=rf"{n_parameters} parameters.*optimizer='lbfgs'"):
        model.fit(X, y)
    model.set_params(optimizer__max_parameters=n_parameters).fit(X, y)


def test_lm_beats_lbfgs_on_a_noise_free_function():
    x = np.linspace(-2, 2, 200)[:, np.newaxis]
    losses = {}
    for optimizer in ("lm", "lbfgs"):
        params = {"alpha": 0.0, "tol": 1e-12, "max_iter": 100, "hidden_layer_sizes": (10,)}
        with pytest.warns(ConvergenceWarning):
            losses[optimizer] = np.median(
                [
                    make(optimizer, **{**params, "random_state": seed})
                    .fit(x, np.sinc(5 * x.ravel() / np.pi))
                    .loss_
                    for seed in range(3)
                ]
            )
    assert losses["lm"] < 0.1 * losses["lbfgs"]
