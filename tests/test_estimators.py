"""The two estimators against outside truth: scikit-learn's, or a transcription in NumPy."""

import inspect
import pickle
import tracemalloc
from itertools import pairwise, product

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.neural_network as theirs
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, average_precision_score, log_loss, make_scorer
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._training.objective import Objective
from sknn_opt._training.progress import Progress
from sknn_opt.activations import ACTIVATIONS, LeakyReLU
from sknn_opt.initializers import Constant
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Quantile
from sknn_opt.optimizers import LBFGS, OPTIMIZERS, SGD, Adagrad, Adam, FirstOrder
from sknn_opt.schedules import SCHEDULES, Adaptive, InvScaling

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N = 60
_rng = np.random.RandomState(0)
X = _rng.normal(size=(N, 5))
_linear = X @ _rng.normal(size=(5, 3)) / 2 + 0.1 * _rng.normal(size=(N, 3))
Y = {
    "binary": (_linear[:, 0] > 0).astype(int),
    "multiclass": _linear.argmax(axis=1),
    "multilabel": (_linear > 0).astype(int),
    "regression": _linear[:, 0],
    "multioutput": _linear,
    "poisson": _rng.poisson(np.exp(_linear[:, 1] / 2)).astype(float),
}
WEIGHT = _rng.uniform(0.1, 2, N)
WEIGHT[::11] = 0
CLASSIFICATION = ["binary", "multiclass", "multilabel"]
#: One of each kind; what is each optimizer's own is tested in test_optimizers.
CORE = ["sgd", "adam", "lbfgs"]
FIRST_ORDER = [name for name in CORE if issubclass(OPTIMIZERS[name], FirstOrder)]
SHAPES = {"hidden_layer_sizes": (7, 4), "random_state": 0}


def make(target, module=None, **params):
    """Our estimator for a key of ``Y``, or the one of scikit-learn's module."""
    if target == "poisson":
        params["loss"] = "poisson"
    name = "MLPClassifier" if target in CLASSIFICATION else "MLPRegressor"
    cls = globals()[name] if module is None else getattr(module, name)
    return cls(**{**SHAPES, **params})


def pair(target, **params):
    """Our estimator and scikit-learn's, alike."""
    return make(target, **params), make(target, theirs, **params)


def parameters(model):
    return [*model.coefs_, *model.intercepts_]


def assert_same_parameters(model, other, tolerance):
    for a, b in zip(parameters(model), parameters(other), strict=True):
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def assert_same_model(ours, theirs):
    assert_same_parameters(ours, theirs, 1e-6)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_", "best_loss_", "validation_scores_", "best_validation_score_"):
        expected = getattr(theirs, name)
        if expected is None:
            assert getattr(ours, name) is None, name
        else:
            assert_allclose(getattr(ours, name), expected, rtol=1e-6, err_msg=name)


def forward(model, X, activation=np.tanh):
    """Raw outputs, in NumPy."""
    for coefs, intercepts in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        X = activation(X @ coefs + intercepts)
    return X @ model.coefs_[-1] + model.intercepts_[-1]


def _relu(z):
    return np.maximum(z, 0)


# -- the same model as scikit-learn ------------------------------------------------------


def _options(keyword):
    return sorted(theirs.MLPClassifier._parameter_constraints[keyword][0].options)


STEPS = {
    f"sgd-{'nesterov' if nesterov else 'momentum'}-{rate}": {
        "solver": "sgd",
        "nesterovs_momentum": nesterov,
        "learning_rate": rate,
        "learning_rate_init": 0.02,
    }
    for nesterov, rate in product([False, True], _options("learning_rate"))
}
STEPS["adam"] = {"solver": "adam", "learning_rate_init": 0.01}

# scikit-learn does not stratify several classes, so the validation sets differ.
SETTINGS = [
    (target, weighted, early_stopping)
    for target, weighted, early_stopping in product(Y, [False, True], [False, True])
    if target != "multioutput" and not (target == "multiclass" and early_stopping)
]


@pytest.mark.parametrize("activation", _options("activation"))
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(("target", "weighted", "early_stopping"), SETTINGS)
def test_same_model_as_scikit_learn(activation, steps, target, weighted, early_stopping):
    params = {
        **STEPS[steps],
        "activation": activation,
        "early_stopping": early_stopping,
        "validation_fraction": 0.2,
        "batch_size": 25,
        "max_iter": 20,
        "n_iter_no_change": 20,
    }
    if params.get("learning_rate") == "adaptive":
        params.update(n_iter_no_change=2, tol=0.2)  # so that there are plateaus
    weight = WEIGHT if weighted else None
    ours, expected = (m.fit(X, Y[target], sample_weight=weight) for m in pair(target, **params))
    assert_same_model(ours, expected)
    assert ours.n_iter_ == 20
    rates = ours.history_["learning_rate"]
    assert (rates[-1] < rates[0]) == (params.get("learning_rate", "constant") != "constant")


@pytest.mark.parametrize("target", [t for t in Y if t != "multioutput"])
@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": 5},
        {"hidden_layer_sizes": [6, 5, 4]},
        {"shuffle": False, "batch_size": 7},
        {"batch_size": 1},
        {"batch_size": True},
        {"batch_size": "auto"},
        {"alpha": 3.0},
        {"solver": "sgd", "momentum": 0.0},
        {"solver": "sgd", "momentum": 0.5, "nesterovs_momentum": False},
        {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
    ],
    ids=str,
)
def test_same_model_with_other_settings(target, params):
    ours, expected = (m.fit(X, Y[target]) for m in pair(target, max_iter=8, **params))
    assert_same_model(ours, expected)
    assert_allclose(ours.predict(X), expected.predict(X), rtol=1e-6)
    assert_allclose(ours.score(X, Y[target]), expected.score(X, Y[target]), rtol=1e-6)
    if is_classifier(ours):
        assert_allclose(ours.predict_proba(X), expected.predict_proba(X), rtol=1e-6)
        log_proba = expected.predict_log_proba(X)
        assert_allclose(ours.predict_log_proba(X), log_proba, rtol=1e-6, atol=1e-9)
        assert_array_equal(ours.classes_, expected.classes_)


@pytest.mark.parametrize("target", [t for t in Y if t != "multioutput"])
@pytest.mark.parametrize("activation", _options("activation"))
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
def test_lbfgs_reaches_the_same_loss(target, activation, weight):
    params = {"solver": "lbfgs", "activation": activation, "alpha": 0.5, "max_iter": 25}
    ours, expected = (m.fit(X, Y[target], weight) for m in pair(target, **params))
    assert_allclose(ours.loss_, expected.loss_, rtol=1e-6)
    assert_same_parameters(ours, expected, 1e-6)
    assert ours.n_iter_ == expected.n_iter_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(
    "steps",
    [
        {"solver": "adam", "learning_rate_init": 0.02},
        {"solver": "sgd", "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate_init": 0.1, "learning_rate": "adaptive"},
        {"solver": "sgd", "learning_rate_init": 1e-6, "learning_rate": "adaptive"},
    ],
    ids=str,
)
def test_stops_and_speaks_as_scikit_learn(steps, early_stopping, capsys):
    params = {
        **steps,
        "early_stopping": early_stopping,
        "n_iter_no_change": 3,
        "tol": 0.01,
        "max_iter": 300,
        "batch_size": 16,
        "verbose": True,
    }
    ours, expected = pair("binary", **params)
    expected.fit(X, Y["binary"])
    said = capsys.readouterr().out
    ours.fit(X, Y["binary"])
    assert capsys.readouterr().out == said
    assert "Stopping." in said
    assert_same_model(ours, expected)


def test_same_model_for_a_random_state_object():
    ours, expected = pair("multiclass", max_iter=5)
    for model in (ours, expected):
        model.set_params(random_state=np.random.RandomState(3))
        model.fit(X, Y["multiclass"]).fit(X, Y["multiclass"])
    assert_same_model(ours, expected)


@pytest.mark.parametrize("steps", ["adam", "sgd-nesterov-invscaling", "sgd-momentum-adaptive"])
@pytest.mark.parametrize("target", [t for t in Y if t != "multioutput"])
def test_partial_fit_as_scikit_learn(target, steps, capsys):
    params = {**STEPS[steps], "n_iter_no_change": 2, "tol": 0.3, "batch_size": 8, "verbose": True}
    models, y, said = pair(target, **params), Y[target], []
    first = {"classes": np.arange(3 if y.ndim > 1 else len(np.unique(y)))}
    if target not in CLASSIFICATION:
        first = {}
    for model in models:
        model.partial_fit(X[:30], y[:30], **first)
        model.partial_fit(X[30:50], y[30:50], sample_weight=WEIGHT[30:50])
        for _ in range(6):
            model.partial_fit(X[40:], y[40:])
        said.append(capsys.readouterr().out)
    assert_same_model(*models)
    assert said[0] == said[1]


def test_partial_fit_takes_batches_that_lack_classes():
    X_, y = X[Y["multiclass"] > 0], Y["multiclass"][Y["multiclass"] > 0]
    models = pair("multiclass")
    for model in models:
        model.partial_fit(X_, y, classes=[0, 1, 2]).partial_fit(X_[:5], y[:5])
        assert_array_equal(model.classes_, [0, 1, 2])
    assert_same_model(*models)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 0.1},
        {"n_iter_no_change": 4, "tol": 0.05, "max_iter": 7},  # the count of stalls goes on
    ],
    ids=str,
)
def test_warm_start_as_scikit_learn(params):
    models = pair("binary", **{"max_iter": 6, "batch_size": 17, "warm_start": True, **params})
    for model in models:
        for rows in (slice(None), slice(40), slice(10, None)):
            model.fit(X[rows], Y["binary"][rows])
    assert_same_model(*models)


def test_a_warm_start_with_early_stopping_keeps_the_best_weights():
    """scikit-learn goes on training the arrays that it has noted as the best."""
    params = {"early_stopping": True, "warm_start": True, "validation_fraction": 0.3}
    ours, expected = pair("binary", learning_rate_init=0.02, max_iter=30, **params)
    for model, keeps_them in ((ours, True), (expected, False)):
        model.fit(X, Y["binary"])
        best = [p.copy() for p in parameters(model)]
        model.set_params(learning_rate_init=5.0, max_iter=3).fit(X, Y["binary"])
        assert max(model.validation_scores_[-3:]) <= model.best_validation_score_
        same = all(np.array_equal(a, b) for a, b in zip(best, parameters(model), strict=True))
        assert same == keeps_them


@pytest.mark.parametrize("target", ["binary", "regression"])
@pytest.mark.parametrize("optimizer", _options("solver"))
def test_negative_weights_are_refused_where_scikit_learn_takes_them(target, optimizer):
    weight = np.where(np.arange(N) == 3, -0.1, 1.0)
    ours, expected = pair(target, solver=optimizer, max_iter=2)
    expected.fit(X, Y[target], sample_weight=weight)
    with pytest.raises(ValueError, match="Negative values in"):
        ours.fit(X, Y[target], sample_weight=weight)


@pytest.mark.parametrize("target", ["binary", "regression"])
def test_solver_is_none_where_scikit_learn_has_adam(target):
    ours, expected = pair(target)
    assert (ours.solver, ours.optimizer, expected.solver) == (None, "adam", "adam")
    assert_same_model(
        *(m.set_params(max_iter=3, solver="adam").fit(X, Y[target]) for m in (ours, expected))
    )


def test_warm_lbfgs_goes_on_from_the_weights():
    models = pair("regression", solver="lbfgs", max_iter=4, warm_start=True)
    for model in models:
        model.fit(X, Y["regression"]).fit(X, Y["regression"])
    assert_same_parameters(*models, 1e-6)
    assert len(models[0].loss_curve_) == 8


def test_one_class_trains_as_in_scikit_learn():
    ours, expected = (m.fit(X, np.full(N, "a")) for m in pair("binary", max_iter=5))
    assert_same_model(ours, expected)
    assert_array_equal(ours.predict(X), expected.predict(X))


# -- where we differ from scikit-learn on purpose ----------------------------------------


def test_multi_output_squared_error_has_the_gradient_of_its_loss():
    """Theirs averages the loss over outputs, and sums the gradient."""
    params = {"solver": "lbfgs", "activation": "tanh", "alpha": 5.0, "tol": 1e-7}
    models = pair("multioutput", hidden_layer_sizes=(3,), max_iter=1000, **params)

    def objective(model):
        residual = forward(model, X) - Y["multioutput"]
        squares = sum((c**2).sum() for c in model.coefs_)
        return (0.5 * (residual**2).sum() + 0.5 * 5.0 * squares) / N

    def gradient(model, step=1e-6):
        derivatives = []
        for array in parameters(model):
            for i in np.ndindex(array.shape):
                old, values = array[i], []
                for sign in (1, -1):
                    array[i] = old + sign * step
                    values.append(objective(model))
                array[i] = old
                derivatives.append((values[0] - values[1]) / (2 * step))
        return np.abs(derivatives).max()

    ours, expected = (model.fit(X, Y["multioutput"]) for model in models)
    assert_allclose(ours.loss_, objective(ours), rtol=1e-10)
    assert gradient(ours) < 1e-4
    assert abs(expected.loss_ / objective(expected) - 1) > 0.1
    assert gradient(expected) > 1e-2


def test_linear_multi_output_lbfgs_is_ridge():
    params = {"optimizer": "lbfgs", "hidden_layer_sizes": (), "alpha": 5.0, "tol": 1e-9}
    model = make("multioutput", **params).fit(X, Y["multioutput"])
    ridge = Ridge(alpha=5.0).fit(X, Y["multioutput"])
    assert_allclose(model.coefs_[0], ridge.coef_.T, rtol=1e-3)
    assert_allclose(model.intercepts_[0], ridge.intercept_, rtol=1e-3)


@pytest.mark.parametrize("steps", STEPS)
def test_multi_output_squared_error_keeps_their_steps(steps):
    ours, expected = (
        m.fit(X, Y["multioutput"])
        for m in pair("multioutput", **STEPS[steps], alpha=0.0, max_iter=10, batch_size=17, tol=0)
    )
    assert_same_parameters(ours, expected, 1e-6)
    assert_allclose(ours.loss_curve_, 3 * np.array(expected.loss_curve_), rtol=1e-6)


def _validation_accuracies(module, y, seeds=10, **params):
    """Scores of models that predict one class, so that they are its share of the held out."""
    for seed in range(seeds):
        model = make("multiclass", module, random_state=seed, hidden_layer_sizes=(), max_iter=1)
        model.set_params(early_stopping=True, validation_fraction=0.2, learning_rate_init=1e-9)
        model.set_params(**params).fit(np.zeros_like(X), y)
        yield model.best_validation_score_, np.mean(y == model.predict(np.zeros_like(X)))


def test_several_classes_are_stratified():
    y = np.repeat(["a", "b", "c"], [30, 20, 10])
    assert all(np.isclose(*pair) for pair in _validation_accuracies(None, y))
    assert not all(np.isclose(*pair) for pair in _validation_accuracies(theirs, y))


@pytest.mark.parametrize(
    "y",
    [np.r_[0, np.arange(N - 1) % 3 + 1], np.arange(N) % 20],
    ids=["a class has one row", "more classes than rows held out"],
)
def test_impossible_stratification_warns_and_splits_as_scikit_learn(y):
    params = {"early_stopping": True, "validation_fraction": 0.2, "max_iter": 5}
    ours, expected = pair("multiclass", **params)
    with pytest.warns(UserWarning, match="not stratified") as caught:
        ours.fit(X, y)
    assert [w.filename for w in caught if w.category is UserWarning] == [__file__]
    assert_same_model(ours, expected.fit(X, y))


def test_lbfgs_keeps_float32():
    ours, expected = pair("regression", solver="lbfgs", max_iter=20, alpha=1.0)
    X32 = X.astype(np.float32)
    ours.fit(X32, Y["regression"])
    expected.fit(X32, Y["regression"])
    assert {p.dtype for p in parameters(ours)} == {np.dtype(np.float32)}
    assert {p.dtype for p in parameters(expected)} == {np.dtype(np.float64)}
    assert_allclose(ours.loss_, expected.loss_, rtol=1e-3)


@pytest.mark.parametrize("target", ["binary", "multiclass", "regression"])
def test_lbfgs_has_early_stopping(target):
    params = {"solver": "lbfgs", "early_stopping": True, "validation_fraction": 0.3}
    ours, expected = (
        m.fit(X, Y[target]) for m in pair(target, **params, n_iter_no_change=5, tol=1e-5)
    )
    assert len(ours.loss_curve_) == len(ours.validation_scores_) == ours.n_iter_
    assert ours.n_iter_ < expected.n_iter_
    assert ours.best_validation_score_ == max(ours.validation_scores_)
    for name in ("loss_curve_", "validation_scores_", "best_validation_score_"):
        assert not hasattr(expected, name)


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("target", ["binary", "regression"])
def test_early_stopping_restores_the_best_weights(optimizer, target):
    y = Y[target]
    model = make(
        target, optimizer=optimizer, early_stopping=True, validation_fraction=0.3, max_iter=30
    )
    model.set_params(learning_rate_init=0.3, alpha=0.0, hidden_layer_sizes=(5,), tol=0.0)
    model.fit(X, y)
    scores = model.validation_scores_
    best = int(np.argmax(scores))
    assert best + 1 < len(scores)  # else the last weights would do
    draws = np.random.RandomState(0)
    draws.uniform(size=5 * 5 + 5 + 5 + 1)  # the initial parameters come first
    stratify = y if target == "binary" else None
    _, held_out = train_test_split(
        np.arange(N), test_size=0.3, random_state=draws, stratify=stratify
    )
    assert_allclose(model.score(X[held_out], y[held_out]), scores[best])
    shorter = clone(model).set_params(max_iter=best + 1).fit(X, y)
    assert_same_parameters(model, shorter, 1e-12)


def _adam(theta, gradient, state, rate, t):
    m, v = state or (0, 0)
    m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
    rate *= np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return theta - rate * m / (np.sqrt(v) + 1e-8), (m, v)


def _sgd(theta, gradient, state, rate, t):
    v = (0 if state is None else 0.9 * state) - rate * gradient
    return theta + 0.9 * v - rate * gradient, v


def _threshold_of_adam(state, rate, t, _):
    return rate * np.sqrt(1 - 0.999**t) / (np.sqrt(state[1]) + 1e-8)


def _threshold_of_sgd(state, rate, t, velocities):
    velocities.append((0.9 * velocities[-1] if velocities else 0) + rate)
    return np.full_like(state, 0.9 * velocities[-1] + rate)


THRESHOLDS = {_adam: _threshold_of_adam, _sgd: _threshold_of_sgd}


def _full_batch_linear_regression(step, X, y, rates, l1):
    """Parameters after steps from the initial draws, each one followed by a soft threshold."""
    threshold, thresholds = THRESHOLDS[step], []
    bound = np.sqrt(6 / (X.shape[1] + 1))
    theta = np.random.RandomState(0).uniform(-bound, bound, X.shape[1] + 1)
    design, state = np.c_[X, np.ones(len(X))], None
    for t, rate in enumerate(rates, 1):
        gradient = design.T @ (design @ theta - y) / len(X)
        theta, state = step(theta, gradient, state, rate, t)
        # The step that the same rule would take for a gradient held constant at l1.
        held = threshold(state, rate, t, thresholds)[:-1] * l1
        theta[:-1] = np.sign(theta[:-1]) * np.maximum(np.abs(theta[:-1]) - held, 0)
    return theta


@pytest.mark.parametrize(
    ("schedule", "expected_rates"),
    [
        ("invscaling", 0.1 / np.r_[1, np.arange(1, 20) * N + 1] ** 0.5),
        ("adaptive", 0.1 / 5.0 ** (np.maximum(np.arange(20) - 1, 0) // 3)),
    ],
)
def test_schedules_act_on_adam(schedule, expected_rates):
    params = {"learning_rate": schedule, "learning_rate_init": 0.1, "max_iter": 20}
    params.update(hidden_layer_sizes=(), alpha=0.0)
    if schedule == "adaptive":
        params.update(tol=100.0, n_iter_no_change=2)  # a plateau every third epoch
    y = Y["regression"]
    ours = make("regression", **params).fit(X, y)
    assert_allclose(ours.history_["learning_rate"], expected_rates)
    theta = _full_batch_linear_regression(_adam, X, y, expected_rates, l1=0)
    assert_allclose(np.r_[ours.coefs_[0].ravel(), ours.intercepts_[0]], theta, rtol=1e-10)
    scheduled = make("regression", theirs, **params).fit(X, y)
    constant = make("regression", theirs, **{**params, "learning_rate": "constant"}).fit(X, y)
    assert_same_parameters(scheduled, constant, 0)


@pytest.mark.parametrize("target", CLASSIFICATION)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_probabilities_are_finite(target, dtype):
    ours, expected = pair(target, hidden_layer_sizes=(), max_iter=1)
    huge = (1e4 * X).astype(dtype)
    for model in (ours, expected):
        model.fit(X.astype(dtype), Y[target])
    raw = huge @ ours.coefs_[0] + ours.intercepts_[0]
    if target == "binary":
        log_proba = log_expit(np.c_[-raw, raw])
    else:
        log_proba = log_softmax(raw, axis=1) if target == "multiclass" else log_expit(raw)
    assert np.isfinite(ours.predict_log_proba(huge)).all()
    assert_allclose(ours.predict_log_proba(huge), log_proba, rtol=1e-4)
    assert_allclose(np.exp(ours.predict_log_proba(X)), ours.predict_proba(X), rtol=1e-5)
    with np.errstate(divide="ignore"):
        assert np.isneginf(expected.predict_log_proba(huge)).any()


@pytest.mark.parametrize("target", CLASSIFICATION)
def test_log_loss_is_not_clipped(target):
    params = {"hidden_layer_sizes": (), "alpha": 0.0, "max_iter": 1, "learning_rate_init": 1e-12}
    ours, expected = (m.fit(1e3 * X, Y[target]) for m in pair(target, **params))
    raw, y = forward(ours, 1e3 * X), Y[target].reshape(N, -1)
    if target == "multiclass":
        loss = -np.mean(np.take_along_axis(log_softmax(raw, axis=1), y, axis=1))
    else:
        loss = -np.mean(np.where(y, log_expit(raw), log_expit(-raw)).sum(axis=1))
    assert_allclose(ours.loss_, loss, rtol=1e-6)
    assert expected.loss_ < 0.9 * loss


@pytest.mark.parametrize("steps", ["adam", "sgd-nesterov-constant"])
def test_optimizer_state_ends_with_fit(steps):
    ours, expected = pair("binary", **STEPS[steps], max_iter=5)
    fresh = clone(expected)
    for model in (ours, expected, fresh):
        model.fit(X, Y["binary"])
    del fresh._optimizer
    for model in (ours, expected, fresh):
        model.partial_fit(X, Y["binary"])
    assert_same_model(ours, fresh)
    with pytest.raises(AssertionError):
        assert_same_parameters(ours, expected, 1e-6)


@pytest.mark.parametrize("steps", ["adam", "sgd-nesterov-invscaling"])
def test_optimizer_state_goes_on_through_partial_fit_and_pickles(steps):
    ours, expected = pair("binary", **STEPS[steps])
    for _ in range(3):
        ours = pickle.loads(pickle.dumps(ours.partial_fit(X, Y["binary"], classes=[0, 1])))
        expected.partial_fit(X, Y["binary"], classes=[0, 1])
    assert_same_model(ours, expected)


# -- targets, weights of classes, types --------------------------------------------------


@pytest.mark.parametrize("target", Y)
@pytest.mark.parametrize("optimizer", CORE)
def test_learns(target, optimizer):
    params = {"hidden_layer_sizes": 20, "learning_rate_init": 0.05, "max_iter": 60}
    model = make(target, optimizer=optimizer, **params).fit(X, Y[target])
    assert model.score(X, Y[target]) > (0.5 if target == "poisson" else 0.9)
    assert model.predict(X).shape == Y[target].shape


@pytest.mark.parametrize("target", CLASSIFICATION)
def test_decisions_are_log_odds_and_log_probabilities_of_several_classes(target):
    model = make(target, activation="tanh", max_iter=3).fit(X, Y[target])
    raw = decisions = forward(model, X)
    link = softmax(raw, axis=1) if target == "multiclass" else expit(raw)
    if target == "binary":
        decisions, link = raw.ravel(), np.c_[1 - link, link]
    elif target == "multiclass":
        decisions = log_softmax(raw, axis=1)
    assert_allclose(model.decision_function(X), decisions, rtol=1e-12)
    assert_allclose(model.predict_proba(X), link, rtol=1e-12)


@pytest.mark.parametrize("loss", CLASSIFIER_LOSSES)
def test_what_all_classes_share_is_in_margins_only(loss):
    model = make("multiclass", loss=loss, activation="tanh", max_iter=3).fit(X, Y["multiclass"])
    before, predicted = model.decision_function(X), model.predict(X)
    model.coefs_[-1] += np.arange(4.0)[:, np.newaxis]
    model.intercepts_[-1] += 5.0
    after = model.decision_function(X)
    if hasattr(model, "predict_proba"):
        assert_allclose(after, before, rtol=1e-9, atol=1e-12)
        assert_allclose(np.exp(after), model.predict_proba(X), rtol=1e-12)
    else:
        assert_allclose(after, forward(model, X), rtol=1e-12)
    assert_array_equal(model.predict(X), predicted)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, train_size=600, random_state=0)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_scorers_find_in_decisions_what_they_find_in_probabilities(average, digits):
    X_train, X_test, y_train, y_test = digits
    model = make("multiclass", hidden_layer_sizes=20, max_iter=20).fit(X_train, y_train)
    scorer = make_scorer(
        average_precision_score,
        response_method=("decision_function", "predict_proba"),
        average=average,
    )
    probabilities, raw = model.predict_proba(X_test), forward(model, X_test, _relu)
    expected = average_precision_score(y_test, probabilities, average=average)
    assert scorer(model, X_test, y_test) == pytest.approx(expected, rel=1e-9)
    assert average_precision_score(y_test, raw, average=average) < expected - 0.01


class _OnlyProbabilities(MLPClassifier):
    @property
    def decision_function(self):
        raise AttributeError("calibration takes predict_proba then")


class _RawOutputs(MLPClassifier):
    def decision_function(self, X):
        return forward(self, X, _relu)


def test_calibration_is_as_good_on_decisions_as_on_probabilities(digits):
    X_train, X_test, y_train, y_test = digits
    losses = {}
    for cls in (MLPClassifier, _OnlyProbabilities, _RawOutputs):
        network = cls(40, learning_rate_init=0.01, max_iter=30, random_state=0)
        model = CalibratedClassifierCV(network, cv=3, ensemble=False).fit(X_train, y_train)
        losses[cls] = log_loss(y_test, model.predict_proba(X_test))
    assert losses[MLPClassifier] < 1.1 * losses[_OnlyProbabilities]
    assert losses[_RawOutputs] > 1.3 * losses[_OnlyProbabilities]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes", "unknown"]),
        np.array(["no", "yes", "unknown"], object),
        np.array([-5, 0, 7]),
        np.array([0.0, 1.0, 2.0], np.float32),
        np.array([True, False]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("optimizer", _options("solver"))
def test_labels_of_any_type(labels, optimizer):
    y = labels[Y["multiclass"] if len(labels) == 3 else Y["binary"]]
    ours, expected = (m.fit(X, y) for m in pair("multiclass", solver=optimizer, max_iter=5))
    assert_array_equal(ours.classes_, expected.classes_)
    assert ours.predict(X).dtype == expected.predict(X).dtype
    assert_array_equal(ours.predict(X), expected.predict(X))
    assert ours.score(X, y) == expected.score(X, y)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sparse_multilabel_targets(container, early_stopping):
    params = {"max_iter": 5, "early_stopping": early_stopping}
    ours, expected = (m.fit(X, container(Y["multilabel"])) for m in pair("multilabel", **params))
    assert_same_model(ours, expected)
    assert sparse.issparse(ours.predict(X))
    assert_array_equal(ours.predict(X).toarray(), expected.predict(X).toarray())


def _stored_twice(Y):
    Y = sparse.csr_array(Y)
    return sparse.csr_array((Y.data.repeat(2), Y.indices.repeat(2), 2 * Y.indptr), Y.shape)


def _with_stored_zeros(Y):
    return sparse.csr_array((Y.ravel(), np.tile(range(3), N), range(0, 3 * N + 1, 3)), Y.shape)


#: The same labels in other types and with other numbers than 1.
INDICATORS = {
    "255": lambda Y: (255 * Y).astype(np.uint8),
    "2": lambda Y: 2 * Y,
    "-1": lambda Y: -Y,
    "bool": lambda Y: Y.astype(bool),
    "float": lambda Y: 3.0 * Y,
    "list": lambda Y: (2 * Y).tolist(),
    "frame": lambda Y: pd.DataFrame(2 * Y),
    "csr": lambda Y: sparse.csr_array(2 * Y),
    "stored twice": _stored_twice,
    "stored twice, wrapping around to 0": lambda Y: _stored_twice((128 * Y).astype(np.uint8)),
    "stored twice, coo": lambda Y: _stored_twice(Y).tocoo(),
    "stored zeros": lambda Y: _with_stored_zeros(5 * Y),
}


def _trained(Y, way, optimizer="adam", loss="log_loss", **params):
    """A network that has seen ``Y`` in training and in validation."""
    params |= {"optimizer": optimizer, "loss": loss, "max_iter": 4, "learning_rate_init": 0.01}
    if way == "early stopping":
        return make("multilabel", early_stopping=True, **params).fit(X, Y)
    model = make("multilabel", warm_start=True, **params)
    for _ in range(2):
        method = model.partial_fit if way == "partial_fit" else model.fit
        classes = {"classes": range(3)} if way == "partial_fit" else {}
        method(X, Y, X_val=X, y_val=Y, **classes)
    return model


WAYS = [
    *product(["early stopping", "warm start"], CORE, ["log_loss"]),
    *product(["early stopping"], ["adam"], list(CLASSIFIER_LOSSES)),
    *product(["partial_fit"], FIRST_ORDER, ["log_loss"]),
]


@pytest.mark.parametrize("labels", INDICATORS)
@pytest.mark.parametrize(("way", "optimizer", "loss"), WAYS)
def test_whatever_is_not_0_is_a_label(labels, way, optimizer, loss):
    plain, given = Y["multilabel"], INDICATORS[labels](Y["multilabel"])
    ours, expected = (_trained(y, way, optimizer, loss) for y in (given, plain))
    assert_same_parameters(ours, expected, 0)
    for name in ("validation_loss", "validation_score"):
        assert ours.history_[name] == expected.history_[name]
    predicted = ours.predict(X)
    assert sparse.issparse(predicted) == sparse.issparse(given)
    predicted = predicted.toarray() if sparse.issparse(predicted) else predicted
    assert_array_equal(predicted, expected.predict(X))
    assert set(np.unique(predicted)) <= {0, 1}
    assert ours.score(X, given) == expected.score(X, plain)


@pytest.mark.parametrize("labels", INDICATORS)
@pytest.mark.parametrize(
    "class_weight", ["balanced", [{0: 0.5, 1: 2.0}, {0: 1.0, 1: 3.0}, {1: 0.1}]], ids=str
)
def test_weights_of_classes_are_for_0_and_1(labels, class_weight):
    y = Y["multilabel"].copy()
    y[:20] = y[0]
    params = {"class_weight": class_weight, "scoring": "accuracy"}
    ours, expected = (
        _trained(given, "early stopping", **params) for given in (INDICATORS[labels](y), y)
    )
    assert_same_parameters(ours, expected, 0)
    assert ours.validation_scores_ == expected.validation_scores_


def test_labels_that_are_not_0_as_scikit_learn():
    params = {"max_iter": 5, "early_stopping": True}
    ours, expected = (m.fit(X, 255 * Y["multilabel"]) for m in pair("multilabel", **params))
    assert_same_model(ours, expected)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_every_sample_may_have_every_label(convert):
    model = make("multilabel", max_iter=50, learning_rate_init=0.1)
    every = np.ones((N, 2), int)
    model.fit(X, convert(every))
    predicted = model.predict(X)
    assert_array_equal(predicted.toarray() if sparse.issparse(predicted) else predicted, every)
    assert model.score(X, convert(7 * every)) == 1


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("target", ["binary", "multiclass"])
def test_class_weight_equals_repeated_rows(target, optimizer):
    y = Y[target]
    rows = np.repeat(np.arange(N), y + 1)
    params = {"optimizer": optimizer, "learning_rate_init": 0.05, "max_iter": 15, "alpha": 0.1}
    weighted = make(target, class_weight={c: c + 1 for c in set(y)}, batch_size=N, **params)
    repeated = make(target, batch_size=len(rows), **params)
    assert_same_parameters(weighted.fit(X, y), repeated.fit(X[rows], y[rows]), 1e-8)


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("target", CLASSIFICATION)
def test_balanced_equals_the_explicit_weights(target, optimizer):
    y = Y[target].copy()
    y[:20] = y[0]
    columns = y.T if y.ndim == 2 else [y]
    weights = []
    for column in columns:
        labels = np.unique(column)
        totals = [WEIGHT[column == label].sum() for label in labels]
        shares = WEIGHT.sum() / (len(labels) * np.array(totals))
        weights.append(dict(zip(labels, shares, strict=True)))
    explicit = weights if y.ndim == 2 else weights[0]
    balanced, explicit, unweighted = (
        make(target, optimizer=optimizer, class_weight=w, max_iter=5).fit(X, y, WEIGHT)
        for w in ("balanced", explicit, None)
    )
    assert_same_parameters(balanced, explicit, 1e-12)
    assert balanced.loss_ != unweighted.loss_


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("target", ["multiclass", "multilabel"])
def test_class_weight_multiplies_sample_weight(target, optimizer):
    y = Y[target]
    if target == "multiclass":
        class_weight = {0: 0.5, 2: 3.0}  # a class that is not named weighs 1
        factor = np.choose(y, [0.5, 1.0, 3.0])
    else:
        class_weight = [{0: 0.5, 1: 2.0}, {0: 1.0, 1: 1.0}, {0: 3.0, 1: 0.1}]
        factor = np.prod(
            [np.where(c, w[1], w[0]) for c, w in zip(y.T, class_weight, strict=True)], axis=0
        )
    model = make(target, optimizer=optimizer, class_weight=class_weight, max_iter=5)
    expected = make(target, optimizer=optimizer, max_iter=5)
    assert_same_parameters(model.fit(X, y), expected.fit(X, y, factor), 1e-12)
    assert_same_parameters(model.fit(X, y, WEIGHT), expected.fit(X, y, factor * WEIGHT), 1e-12)


@pytest.mark.parametrize("optimizer", FIRST_ORDER)
def test_partial_fit_takes_a_dict_and_refuses_balanced(optimizer):
    y = Y["binary"]
    model = make("binary", optimizer=optimizer, class_weight={0: 1.0, 1: 4.0})
    expected = make("binary", optimizer=optimizer)
    for _ in range(2):
        model.partial_fit(X, y, classes=[0, 1])
        expected.partial_fit(X, y, sample_weight=np.where(y, 4.0, 1.0), classes=[0, 1])
    assert_same_parameters(model, expected, 1e-12)
    model.set_params(class_weight="balanced")
    with pytest.raises(ValueError, match=r"'balanced' is not supported for partial_fit.*dict"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("target", CLASSIFICATION)
def test_a_batch_may_lack_what_class_weight_names(target):
    rows = Y["binary"] == 0
    y, class_weight = Y[target][rows], {1: 4.0}
    if target == "multilabel":
        y[:, 1] = 0
        class_weight = [{1: 1.0}, {1: 4.0}, {0: 1.0}]
    model = make(target, class_weight=class_weight)
    expected = make(target)
    weight = np.where(y == 1, 4.0, 1.0) if target == "multiclass" else None
    for m, w in ((model, None), (expected, weight)):
        m.partial_fit(X[rows], y, w, classes=np.unique(Y[target]) if y.ndim == 1 else range(3))
    assert_same_parameters(model, expected, 1e-12)


def test_class_weight_is_not_in_validation_scores():
    y = np.repeat([0, 1], [40, 20])
    weighted = _validation_accuracies(None, y, class_weight={0: 1.0, 1: 7.0})
    assert list(weighted) == list(_validation_accuracies(None, y))


DTYPES = ["float32", "float64", np.float32, np.float64]


def test_that_dtypes_are_those_of_the_estimator():
    names, types, _ = MLPClassifier._parameter_constraints["dtype"]
    assert {*names.options, *types.options} == {*DTYPES, *map(np.dtype, ("float32", "float64"))}


@pytest.mark.parametrize("dtype", [None, *DTYPES])
@pytest.mark.parametrize("given", [np.float32, np.float64, np.float16, np.int64, np.int8, bool])
@pytest.mark.parametrize("optimizer", CORE)
def test_dtype(dtype, given, optimizer):
    X_ = (2 * X).astype(given)
    expected = np.dtype(dtype or (given if given is np.float32 else np.float64))
    model = make("binary", optimizer=optimizer, dtype=dtype, max_iter=3).fit(X_, Y["binary"])
    assert {p.dtype for p in parameters(model)} == {expected}
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        assert getattr(model, method)(X_).dtype == expected
        assert getattr(model, method)(X).dtype == expected
    regressor = make("regression", optimizer=optimizer, dtype=dtype, max_iter=3)
    assert regressor.fit(X_, Y["regression"]).predict(X).dtype == expected


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("target", Y)
def test_float32_is_close_to_float64(target, optimizer):
    models = [
        make(target, optimizer=optimizer, dtype=dtype, activation="tanh", max_iter=10, alpha=0.1)
        for dtype in ("float32", "float64")
    ]
    single, double = (m.fit(X, Y[target], WEIGHT) for m in models)
    assert_same_parameters(single, double, 1e-3)
    assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize(
    ("params", "diverges"),
    [
        ({"initializer": Constant(1e300)}, True),
        ({"optimizer": Adagrad(initial_accumulator=1e300)}, False),
        ({"optimizer": "sgd", "learning_rate_init": 1e300}, True),
        ({"epsilon": 1e300}, False),
        ({"clip_norm": 1e300, "max_norm": 1e300}, False),
        ({"alpha": 1e300}, True),
    ],
    ids=str,
)
def test_parameters_that_overflow_float32_are_those_of_float64(params, diverges):
    models = [
        make("regression", dtype=dtype, max_iter=3, **params) for dtype in ("float32", "float64")
    ]
    if diverges:
        for model in models:
            with pytest.raises(ValueError, match=r"^Solver produced non-finite"):
                model.fit(X, Y["regression"])
    else:
        single, double = (model.fit(X, Y["regression"]) for model in models)
        assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-4)


# -- what is fitted stays as it was fitted -----------------------------------------------


@pytest.mark.parametrize("target", Y)
def test_predictions_follow_no_parameter(target):
    """What was fitted predicts, whatever has become of the parameters since."""
    model = make(target, max_iter=3, warm_start=True).fit(X, Y[target])
    methods = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
    methods = [method for method in methods if hasattr(model, method)]
    before = [getattr(model, method)(X) for method in methods]
    score = model.score(X, Y[target])
    for name in model.get_params():
        setattr(model, name, "something else")
    for method, expected in zip(methods, before, strict=True):
        assert_array_equal(getattr(model, method)(X), expected)
    assert model.score(X, Y[target]) == score


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (MLPRegressor(4, loss=Quantile([0.1, 0.9])), {"loss__q": 0.5}),
        (MLPRegressor(4, LeakyReLU(0.5)), {"activation__slope": 0.0}),
        (MLPRegressor((4, 4), [LeakyReLU(0.5)] * 2), {}),
    ],
    ids=str,
)
def test_predictions_follow_no_parameter_of_an_object(model, changes):
    model = clone(model).set_params(max_iter=3, random_state=0)
    y = Y["regression"]
    before, score = model.fit(X, y).predict(X), model.score(X, y)
    if changes:
        model.set_params(**changes)
    else:
        model.activation[0].slope = 0.0
    assert_array_equal(model.predict(X), before)
    assert model.score(X, y) == score


@pytest.mark.parametrize("target", CLASSIFICATION)
def test_probabilities_are_those_of_the_fitted_loss(target):
    margins = make(target, loss="hinge", max_iter=2).fit(X, Y[target])
    expected = margins.decision_function(X)
    margins.set_params(loss="log_loss")
    assert not hasattr(margins, "predict_proba")
    assert not hasattr(margins, "predict_log_proba")
    assert_array_equal(margins.decision_function(X), expected)
    with pytest.raises(AttributeError, match="predict_proba"):
        margins.predict_proba(X)
    assert hasattr(clone(margins), "predict_proba")

    network = make(target, max_iter=2).fit(X, Y[target])
    expected = network.predict_proba(X)
    assert_array_equal(network.set_params(loss="hinge").predict_proba(X), expected)
    assert not hasattr(clone(network), "predict_proba")


# -- the L1 penalty ----------------------------------------------------------------------


def _zeros(model):
    return sum((c == 0).sum() for c in model.coefs_)


SPARSE_X = np.random.RandomState(1).normal(size=(N, 12))  # only the first three features count
SPARSE_Y = SPARSE_X[:, :3] @ [1.0, -1.0, 0.5]


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("target", [*CLASSIFICATION, "regression", "multioutput"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_l1_makes_weights_exactly_zero(optimizer, target, dtype):
    model = make(target, optimizer=optimizer, dtype=dtype, alpha=40.0, l1_ratio=0.9, max_iter=100)
    model.set_params(learning_rate_init=0.01).fit(X, Y[target])
    assert _zeros(model) > 5
    assert all((b != 0).all() for b in model.intercepts_)
    assert _zeros(model.set_params(l1_ratio=0.0).fit(X, Y[target])) == 0


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "lbfgs", "tol": 1e-8},
        {"optimizer": "sgd", "tol": 0.0, "learning_rate_init": 0.1, "momentum": 0.0},
    ],
    ids=str,
)
def test_l1_reaches_the_solution_of_elastic_net(params, l1_ratio):
    model = make("regression", hidden_layer_sizes=(), alpha=6.0, l1_ratio=l1_ratio, **params)
    model.set_params(max_iter=2000, n_iter_no_change=np.inf).fit(SPARSE_X, SPARSE_Y)
    expected = ElasticNet(alpha=6.0 / N, l1_ratio=l1_ratio, tol=1e-12, max_iter=10**5)
    expected.fit(SPARSE_X, SPARSE_Y)

    def objective(w, b):
        residual = SPARSE_X @ w + b - SPARSE_Y
        penalty = l1_ratio * np.abs(w).sum() + (1 - l1_ratio) / 2 * (w**2).sum()
        return (0.5 * (residual**2).sum() + 6.0 * penalty) / N

    coefs = model.coefs_[0].ravel()
    best = objective(expected.coef_, expected.intercept_)
    assert_allclose(objective(coefs, model.intercepts_[0]), best, rtol=1e-6)
    assert_allclose(model.loss_, best, rtol=1e-6)
    assert_array_equal(coefs == 0, expected.coef_ == 0)
    assert 0 < (coefs == 0).sum() < len(coefs)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("target", ["binary", "multiclass"])
def test_lbfgs_with_l1_reaches_the_solution_of_logistic_regression(target, l1_ratio):
    score = SPARSE_X[:, :3] @ [[1.0, -1.0, 0.5], [-1.0, 0.5, 1.0], [0.0, 1.0, -1.0]]
    y = score.argmax(axis=1) if target == "multiclass" else (score[:, 0] > 0.3).astype(int)
    alpha, tol = 2.0, 1e-5
    model = make(target, optimizer="lbfgs", hidden_layer_sizes=(), alpha=alpha, l1_ratio=l1_ratio)
    model.set_params(tol=1e-7, max_iter=2000).fit(SPARSE_X, y)
    expected = LogisticRegression(
        C=1 / alpha, l1_ratio=l1_ratio, solver="saga", tol=1e-10, max_iter=10**5, random_state=0
    ).fit(SPARSE_X, y)

    def objective(model, coefs):
        loss = -model.predict_log_proba(SPARSE_X)[np.arange(N), y].mean()
        penalty = l1_ratio * np.abs(coefs).sum() + (1 - l1_ratio) / 2 * (coefs**2).sum()
        return loss + alpha * penalty / N

    coefs = model.coefs_[0]
    assert_allclose(objective(model, coefs), objective(expected, expected.coef_), rtol=1e-7)
    assert_array_equal(coefs == 0, expected.coef_.T == 0)

    # Karush-Kuhn-Tucker: the gradient of the smooth part balances the L1 norm's.
    delta = model.predict_proba(SPARSE_X) - np.eye(coefs.shape[1] + (target == "binary"))[y]
    gradient = SPARSE_X.T @ delta[:, -coefs.shape[1] :] + alpha * (1 - l1_ratio) * coefs
    l1 = alpha * l1_ratio / N
    assert 0 < (coefs == 0).sum() < coefs.size
    assert (np.abs(gradient[coefs == 0]) / N <= l1 + tol).all()
    assert_allclose((gradient / N + l1 * np.sign(coefs))[coefs != 0], 0, atol=tol)
    assert_allclose(delta.mean(axis=0), 0, atol=tol)


@pytest.mark.parametrize(("optimizer", "step"), [("sgd", _sgd), ("adam", _adam)])
def test_steps_are_followed_by_a_soft_threshold(optimizer, step):
    alpha, rate = 30.0, 0.05
    params = {"optimizer": optimizer, "learning_rate_init": rate, "max_iter": 40}
    params["n_iter_no_change"] = np.inf
    model = make("regression", hidden_layer_sizes=(), alpha=alpha, l1_ratio=1.0, **params)
    model.fit(SPARSE_X, SPARSE_Y)
    theta = _full_batch_linear_regression(step, SPARSE_X, SPARSE_Y, np.full(40, rate), alpha / N)
    assert_allclose(np.r_[model.coefs_[0].ravel(), model.intercepts_[0]], theta, rtol=1e-9)
    assert _zeros(model) > 0


# -- inputs ------------------------------------------------------------------------------


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def _in_records(a):
    """Elements that stand at odd addresses."""
    records = np.zeros(len(a), np.dtype([("tag", "u1"), ("values", a.dtype, a.shape[1:])]))
    records["values"] = a
    return records["values"]


ARRAYS = {
    "read-only": _read_only,
    "Fortran order": np.asfortranarray,
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "every third column": lambda a: np.repeat(a, 3, axis=-1)[..., ::3],
    "rows backwards": lambda a: a[::-1].copy()[::-1],
    "all backwards": lambda a: np.flip(np.flip(a).copy()),
    "columns of a wider array": lambda a: np.repeat(a, 2, axis=-1)[..., : a.shape[-1]],
    "inside records": _in_records,
    "big endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "list": np.ndarray.tolist,
}


@pytest.mark.parametrize("layout", ARRAYS)
@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_any_layout(layout, optimizer, dtype):
    params = {"optimizer": optimizer, "max_iter": 5, "batch_size": 17}
    X_, y, weight = X.astype(dtype), _linear.astype(dtype), WEIGHT.astype(dtype)
    if layout == "columns of a wider array":
        given = [np.repeat(X_, 2, axis=1)[:, :5], y, weight]
        X_ = given[0].copy()
    else:
        given = [ARRAYS[layout](a) for a in (X_, y, weight)]
    if layout in ("list", "big endian"):  # scikit-learn takes both for float64
        params["dtype"] = dtype
    before = [np.array(a) for a in given]
    model = make("multioutput", **params).fit(*given)
    expected = make("multioutput", **params).fit(X_, y, weight)
    assert_same_parameters(model, expected, 1e-5 if dtype is np.float32 else 1e-12)
    assert_allclose(model.predict(given[0]), expected.predict(X_), rtol=1e-4, atol=1e-5)
    for array, values in zip(given, before, strict=True):
        assert_array_equal(array, values)


X_WITH_ZEROS = np.where(np.abs(X) < 0.6, 0, X)


def _unsorted(csr):
    csr = csr.copy()
    for start, stop in pairwise(csr.indptr):
        csr.indices[start:stop] = csr.indices[start:stop][::-1].copy()
        csr.data[start:stop] = csr.data[start:stop][::-1].copy()
    csr.has_sorted_indices = False
    return csr


def _wide_indices(csr):
    csr = csr.copy()
    csr.indices, csr.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    return csr


def _duplicates(csr):
    arrays = np.repeat(csr.data / 2, 2), np.repeat(csr.indices, 2), 2 * csr.indptr
    return sparse.csr_array(arrays, shape=csr.shape)


SPARSE = {
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "unsorted": _unsorted,
    "int64 indices": _wide_indices,
    "duplicates": _duplicates,
}


@pytest.mark.parametrize("container", SPARSE)
@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("target", ["multiclass", "regression"])
def test_sparse_equals_dense(container, optimizer, target):
    X_ = SPARSE[container](sparse.csr_array(X_WITH_ZEROS))
    params = {"optimizer": optimizer, "max_iter": 10, "batch_size": 17}
    model, expected = (make(target, **params).fit(x, Y[target], WEIGHT) for x in (X_, X_WITH_ZEROS))
    assert_same_parameters(model, expected, 1e-10)
    assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-10)
    assert_allclose(model.predict(X_), expected.predict(X_WITH_ZEROS), rtol=1e-9)
    assert_allclose(model.predict(X_WITH_ZEROS), expected.predict(X_), rtol=1e-9)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_sparse_float32_partial_fit_and_early_stopping(early_stopping):
    X_ = X_WITH_ZEROS.astype(np.float32)
    models = []
    for x in (X_, sparse.csr_array(X_)):
        model = make("binary", early_stopping=early_stopping, max_iter=5).fit(x, Y["binary"])
        models.append(model.set_params(early_stopping=False).partial_fit(x, Y["binary"]))
    assert_same_parameters(*models, 1e-4)
    assert models[1].coefs_[0].dtype == np.float32


@pytest.mark.parametrize("optimizer", CORE)
def test_csr_is_not_densified(optimizer):
    wide = sparse.random_array((200, 100_000), density=1e-4, format="csr", rng=0)
    y = np.arange(200) % 2
    model = make("binary", optimizer=optimizer, hidden_layer_sizes=(1,), max_iter=1)
    model.set_params(early_stopping=True)
    model.fit(wide[:, :50], y)  # what is made only once does not count
    tracemalloc.start()
    try:
        model.fit(wide, y).predict_proba(wide)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A dense copy would take 200 times the weights, L-BFGS takes some 40.
    assert peak < 60 * model.coefs_[0].nbytes


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("target", ["binary", "multioutput"])
def test_data_frames(frame, target):
    names = list("abcde")
    series = pd.Series if frame is pd.DataFrame else pl.Series
    y = Y[target]
    labels = np.array(["no", "yes"])
    given = series(labels[y]) if target == "binary" else frame(dict(zip("uvw", y.T, strict=True)))
    frames = frame(dict(zip(names, X.T, strict=True)))
    model = make(target, max_iter=5).fit(frames, given, sample_weight=series(WEIGHT))
    expected = make(target, max_iter=5).fit(X, y, WEIGHT)
    assert_same_parameters(model, expected, 1e-12)
    assert_array_equal(model.feature_names_in_, names)
    predicted = expected.predict(X)
    assert_array_equal(
        model.predict(frames), labels[predicted] if target == "binary" else predicted
    )
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frames[names[::-1]])


def test_integers_are_trained_on_as_floats():
    X_ = np.round(3 * X).astype(int)
    for data in (X_, X_.tolist(), sparse.csr_array(X_), pd.DataFrame(X_)):
        model, expected = (
            make("regression", max_iter=5).fit(x, np.round(Y["regression"]).astype(int))
            for x in (data, X_.astype(float))
        )
        assert_same_parameters(model, expected, 1e-10)


@pytest.mark.parametrize("optimizer", FIRST_ORDER)
def test_batches_without_weight_are_skipped(optimizer):
    weight = np.ones(N)
    weight[15:30] = 0
    params = {"optimizer": optimizer, "shuffle": False, "batch_size": 15, "max_iter": 4}
    model = make("regression", **params, alpha=1.0).fit(X, Y["regression"], weight)
    kept = weight > 0
    expected = make("regression", **params, alpha=1.0).fit(X[kept], Y["regression"][kept])
    assert_same_parameters(model, expected, 1e-12)
    assert_allclose(model.loss_curve_, expected.loss_curve_)


# -- the course of training --------------------------------------------------------------


def _interrupt(monkeypatch, n_iter):
    """Press Ctrl-C when an epoch or iteration has ended."""
    add = Progress.add

    def pressed(progress, *args, **kwargs):
        add(progress, *args, **kwargs)
        if progress.n_iter == n_iter:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "add", pressed)


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupted_fit_is_kept(optimizer, early_stopping, monkeypatch):
    model = make("binary", optimizer=optimizer, early_stopping=early_stopping, max_iter=20)
    expected = clone(model).set_params(max_iter=3).fit(X, Y["binary"])
    _interrupt(monkeypatch, 3)
    with pytest.warns(UserWarning, match="^Training interrupted by user.$") as caught:
        model.fit(X, Y["binary"])
    assert caught[0].filename == __file__
    assert_same_parameters(model, expected, 1e-12)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert model.validation_scores_ == expected.validation_scores_
    assert_array_equal(model.predict(X), expected.predict(X))


@pytest.mark.parametrize("optimizer", FIRST_ORDER)
def test_interrupted_partial_fit_is_kept(optimizer, monkeypatch):
    model = make("regression", optimizer=optimizer).partial_fit(X, Y["regression"])
    expected = clone(model).partial_fit(X, Y["regression"]).partial_fit(X, Y["regression"])
    _interrupt(monkeypatch, 1)
    with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
        model.partial_fit(X, Y["regression"])
    assert_same_parameters(model, expected, 1e-12)


@pytest.mark.parametrize("n_evaluations", range(4, 9))
def test_interrupted_line_search_goes_back(n_evaluations, monkeypatch):
    evaluate, losses = Objective.loss_and_gradient, []

    def pressed(objective, x):
        losses.append(evaluate(objective, x))
        if len(losses) == n_evaluations:
            raise KeyboardInterrupt
        return losses[-1]

    monkeypatch.setattr(Objective, "loss_and_gradient", pressed)
    model = make("binary", optimizer="lbfgs")
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, Y["binary"])
    expected = clone(model).set_params(max_iter=model.n_iter_).fit(X, Y["binary"])
    assert_same_parameters(model, expected, 1e-12)
    assert model.n_iter_ < n_evaluations


@pytest.mark.usefixtures("compilation_is_announced")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_lbfgs_is_verbose(early_stopping, capsys):
    params = {"optimizer": "lbfgs", "early_stopping": early_stopping, "n_iter_no_change": 2}
    model = make("binary", **params, tol=0.1, verbose=True).fit(X, Y["binary"])
    lines = []
    for i, loss in enumerate(model.loss_curve_):
        lines.append(f"Iteration {i + 1}, loss = {loss:.8f}")
        if early_stopping:
            lines.append(f"Validation score: {model.validation_scores_[i]:f}")
    said = capsys.readouterr().out.splitlines()
    assert said[: len(lines)] == lines
    assert ["did not improve" in line for line in said[len(lines) :]] == [True] * early_stopping


def test_warnings_point_to_the_caller():
    for optimizer in CORE:
        with pytest.warns(match=r"(?i)max_iter|maximum iterations") as caught:
            make("regression", optimizer=optimizer, max_iter=2).fit(X, Y["regression"])
        assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="larger than sample size. It is going to be clipped") as w:
        make("regression", batch_size=N + 1).fit(X, Y["regression"])
    assert w[0].filename == __file__


@pytest.mark.parametrize(("target", "scale"), [("regression", 1e150), ("poisson", 1.0)])
def test_an_explosion_without_a_score_does_not_leave_the_untrained_network(target, scale):
    params = {"solver": "sgd", "learning_rate_init": 1e12, "activation": "identity"}
    model = make(target, **params, early_stopping=True)
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights\."):
        model.fit(scale * X, Y[target])
    assert not hasattr(model, "coefs_")


def test_outputs_that_overflow_have_no_score():
    params = {"solver": "sgd", "learning_rate_init": 1e12, "activation": "identity"}
    data = {"X": X, "y": Y["poisson"], "X_val": X, "y_val": Y["poisson"]}
    model = make("poisson", **params, max_iter=1)
    expected = clone(model).fit(**data)
    with pytest.warns(ConvergenceWarning, match="the validation loss was not finite"):
        model.set_params(early_stopping=True).fit(**data)
    assert np.isnan(model.validation_scores_).all()
    assert_same_parameters(model, expected, 0.0)


def test_max_fun_limits_the_evaluations():
    few, many = (
        make("regression", optimizer="lbfgs", max_fun=n, max_iter=100).fit(X, Y["regression"])
        for n in (10, 10_000)
    )
    assert 1 <= few.n_iter_ <= 10 < many.n_iter_


# -- names, objects, arguments -----------------------------------------------------------


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_keywords_of_scikit_learn(name):
    ours = inspect.signature(globals()[name]).parameters
    expected = inspect.signature(getattr(theirs, name)).parameters
    assert set(expected) <= set(ours)
    differing = {"solver": None, "learning_rate_init": "auto"}
    for keyword, parameter in expected.items():
        assert ours[keyword].default == differing.get(keyword, parameter.default), keyword
    positional = [p.name for p in ours.values() if p.kind is not p.KEYWORD_ONLY]
    assert positional == ["hidden_layer_sizes", "activation"]


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_positional_arguments(cls):
    model = cls((5,), "tanh")
    assert (model.hidden_layer_sizes, model.activation) == ((5,), "tanh")
    with pytest.raises(TypeError, match="positional"):
        cls((5,), "tanh", "adam")


@pytest.mark.parametrize("base", [MLPClassifier, MLPRegressor])
def test_subclasses_may_have_fewer_arguments(base):
    class Small(base):
        def __init__(self, alpha=1.0):
            super().__init__((4,), alpha=alpha, max_iter=2, random_state=0)

    model = clone(Small(alpha=0.5)).fit(X, Y["binary"])
    assert model.get_params() == {"alpha": 0.5}
    expected = base((4,), alpha=0.5, max_iter=2, random_state=0).fit(X, Y["binary"])
    assert_same_parameters(model, expected, 0)


@pytest.mark.parametrize("sizes", [(), [], 3, (3,), [3, 2], np.array([3, 2]), np.int64(3)], ids=str)
def test_hidden_layer_sizes(sizes):
    model = make("multiclass", hidden_layer_sizes=sizes, max_iter=1).fit(X, Y["multiclass"])
    units = [5, *np.atleast_1d(np.array(sizes, int)), 3]
    assert [c.shape for c in model.coefs_] == list(pairwise(units))
    assert [b.shape for b in model.intercepts_] == [(n,) for n in units[1:]]
    assert model.n_layers_ == len(units)


@pytest.mark.parametrize("optimizer", CORE)
def test_solver_is_the_name_of_scikit_learn_for_optimizer(optimizer):
    expected = make("regression", optimizer=optimizer, max_iter=3).fit(X, Y["regression"])
    cls = OPTIMIZERS[optimizer]
    for choice in ("adam", optimizer, cls()):
        model = make("regression", solver=optimizer, optimizer=choice, max_iter=3)
        assert_same_parameters(model.fit(X, Y["regression"]), expected, 0)
        assert hasattr(model, "partial_fit") == issubclass(cls, FirstOrder)
    for other, other_cls in OPTIMIZERS.items():
        contradicting = [other_cls()] if other == "adam" else [other, other_cls()]
        for choice in contradicting if other != optimizer else ():
            model = make("regression", solver=optimizer, optimizer=choice)
            with pytest.raises(ValueError, match="contradict each other"):
                model.fit(X, Y["regression"])


@pytest.mark.parametrize("choice", ["sgd", "adam", "lbfgs", SGD(), Adam(), LBFGS()], ids=str)
def test_automatic_learning_rate(choice):
    auto, explicit = (
        make("binary", optimizer=choice, learning_rate_init=rate, max_iter=3)
        for rate in ("auto", 0.001)
    )
    assert_same_parameters(auto.fit(X, Y["binary"]), explicit.fit(X, Y["binary"]), 0)


@pytest.mark.parametrize(
    ("keyword", "registry"),
    [
        ("activation", ACTIVATIONS),
        ("optimizer", OPTIMIZERS),
        ("learning_rate", SCHEDULES),
        ("loss", CLASSIFIER_LOSSES),
        ("loss", REGRESSOR_LOSSES),
    ],
    ids=["activation", "optimizer", "learning_rate", "classifier loss", "regressor loss"],
)
def test_objects_stand_for_names(keyword, registry):
    target = "binary"
    if registry is REGRESSOR_LOSSES:
        target = "poisson"
    elif registry is OPTIMIZERS:
        target = "regression"  # which is all that LM learns
    for name, cls in registry.items():
        instance = cls()
        before = repr(instance), vars(instance).copy()
        sizes = {} if name == "rprop" else {"batch_size": 17}  # which takes all rows or none
        by_name, by_object = (
            make(target, max_iter=4, **sizes).set_params(**{keyword: choice})
            for choice in (name, instance)
        )
        y = Y[target] + 1 if name == "gamma" else Y[target]
        assert_same_parameters(clone(by_object).fit(X, y), by_name.fit(X, y), 0)
        by_object.fit(X, y)
        assert (repr(instance), vars(instance)) == before


@pytest.mark.parametrize(
    ("instance", "keywords"),
    [
        ({"optimizer": SGD(momentum=0.3)}, {"optimizer": "sgd", "momentum": 0.3}),
        (
            {"optimizer": SGD(nesterovs_momentum=False)},
            {"optimizer": "sgd", "nesterovs_momentum": False},
        ),
        (
            {"optimizer": Adam(beta_1=0.5, beta_2=0.9, epsilon=0.1)},
            {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
        ),
        ({"optimizer": LBFGS(gtol=0.05)}, {"optimizer": "lbfgs", "tol": 0.05}),
        (
            {"learning_rate": InvScaling(power_t=0.3)},
            {"learning_rate": "invscaling", "power_t": 0.3},
        ),
        ({"learning_rate": Adaptive()}, {"learning_rate": "adaptive"}),
    ],
    ids=str,
)
def test_objects_keep_their_own_parameters(instance, keywords):
    shared = {"max_iter": 30, "alpha": 0.5}
    expected = make("regression", **shared, **keywords).fit(X, Y["regression"])
    (keyword, component), *_ = instance.items()
    model = make("regression", **shared, **instance).fit(X, Y["regression"])
    assert_same_parameters(model, expected, 0)
    assert model.n_iter_ == expected.n_iter_
    nested = make("regression", **shared, **{keyword: type(component)()})
    nested.set_params(**{f"{keyword}__{k}": v for k, v in component.get_params().items()})
    assert_same_parameters(nested.fit(X, Y["regression"]), expected, 0)


@pytest.mark.parametrize("optimizer", CORE)
def test_a_seed_gives_the_same_model_each_time(optimizer):
    model = make("multiclass", optimizer=optimizer, max_iter=4)
    first = parameters(model.fit(X, Y["multiclass"]))
    second = parameters(model.fit(X, Y["multiclass"]))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    other = model.set_params(random_state=1).fit(X, Y["multiclass"])
    assert not np.array_equal(first[0], other.coefs_[0])


# -- fitted attributes -------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("target", Y)
def test_fitted_attributes(optimizer, early_stopping, target):
    params = {"early_stopping": early_stopping, "validation_fraction": 0.2, "max_iter": 5}
    ours, expected = (make(target, m, **params) for m in (None, theirs))
    ours.set_params(optimizer=optimizer).fit(X, Y[target])
    expected.fit(X, Y[target])
    public = {name for name in vars(expected) if name.endswith("_") and name[0] != "_"}
    assert public <= set(vars(ours))
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(expected, name)
    n_rows = 48 if early_stopping else N
    assert ours.n_iter_ == len(ours.loss_curve_) == 5
    assert ours.t_ == 5 * n_rows
    assert ours.loss_ == ours.loss_curve_[-1]
    assert all(isinstance(loss, float) for loss in ours.loss_curve_)
    if early_stopping:
        assert ours.best_loss_ is None
        assert ours.best_validation_score_ == max(ours.validation_scores_)
        assert len(ours.validation_scores_) == 5
    else:
        assert ours.best_loss_ == min(ours.loss_curve_)
        assert ours.validation_scores_ is ours.best_validation_score_ is None


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_history(optimizer, early_stopping):
    model = make("multiclass", optimizer=optimizer, early_stopping=early_stopping, max_iter=6)
    history = model.set_params(learning_rate_init=0.002).fit(X, Y["multiclass"]).history_
    assert history.keys() >= {"loss", "learning_rate", "grad_norm", "time"}
    assert {len(column) for column in history.values()} == {6}
    assert history["loss"] == model.loss_curve_
    assert np.all(np.diff(history["time"]) >= 0)
    rate = 0.002 if optimizer in FIRST_ORDER else np.nan
    assert_array_equal(history["learning_rate"], np.full(6, rate))
    model.set_params(warm_start=True).fit(X, Y["multiclass"])
    assert {len(column) for column in model.history_.values()} == {12}
    assert np.all(np.diff(model.history_["time"]) >= 0)
    assert history["loss"] == model.history_["loss"][:6]


@pytest.mark.parametrize("optimizer", CORE)
def test_history_has_the_norm_of_the_last_gradient(optimizer):
    """Of a linear model on a full batch, so that it can be computed from the weights."""
    alpha, y = 2.0, Y["regression"]
    params = {"optimizer": optimizer, "hidden_layer_sizes": (), "alpha": alpha, "max_iter": 4}
    model = make("regression", **params, learning_rate_init=0.1).fit(X, y)
    # Steps leave the weights at which their gradient was taken; L-BFGS reports them.
    at = make("regression", **params, learning_rate_init=0.1)
    at.set_params(max_iter=3 if optimizer in FIRST_ORDER else 4).fit(X, y)
    delta = forward(at, X) - y[:, np.newaxis]
    by_coefs = (X.T @ delta + alpha * at.coefs_[0]) / N
    norm = np.sqrt((by_coefs**2).sum() + delta.mean() ** 2)
    assert_allclose(model.history_["grad_norm"][-1], norm, rtol=1e-9)


def test_lbfgs_loss_curve_is_the_objective_after_each_iteration():
    model = make("binary", optimizer="lbfgs", alpha=1.0, max_iter=8).fit(X, Y["binary"])
    losses = [
        make("binary", theirs, solver="lbfgs", alpha=1.0, max_iter=k).fit(X, Y["binary"]).loss_
        for k in range(1, 9)
    ]
    assert_allclose(model.loss_curve_, losses, rtol=1e-6)


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("layout", ["read-only", "Fortran order", "all backwards", "list"])
def test_predict_reads_what_was_assigned_to_coefs(optimizer, layout):
    model = make("regression", optimizer=optimizer, activation="tanh", max_iter=2)
    model.fit(X, Y["regression"])
    model.coefs_[1][:] = np.round(8 * model.coefs_[1])
    model.intercepts_[0][2] += 1
    assert_allclose(model.predict(X), forward(model, X).ravel(), rtol=1e-10)
    model.coefs_[0] = np.round(8 * model.coefs_[0])
    assert_allclose(model.predict(X), forward(model, X).ravel(), rtol=1e-10)
    model.coefs_ = [ARRAYS[layout](1 - c) for c in model.coefs_]
    model.intercepts_ = [ARRAYS[layout](1 - b) for b in model.intercepts_]
    assert_allclose(model.predict(X), forward(model, X).ravel(), rtol=1e-10)
    model.coefs_ = [np.array(c).astype(int) for c in model.coefs_]
    assert_allclose(model.predict(X), forward(model, X).ravel(), rtol=1e-10)


@pytest.mark.parametrize("optimizer", CORE)
def test_warm_start_goes_on_from_assigned_weights(optimizer):
    model = make("regression", optimizer=optimizer, max_iter=2, warm_start=True)
    model.fit(X, Y["regression"])
    given = [np.zeros_like(c) for c in model.coefs_]
    model.coefs_ = given
    model.set_params(learning_rate_init=1e-300, max_iter=1).fit(X, Y["regression"])
    if optimizer in FIRST_ORDER:
        assert all(np.abs(c).max() < 1e-290 for c in model.coefs_)
    assert all(not c.any() for c in given)  # and does not train them in place


def test_scores_are_those_of_the_metric():
    model = make("binary", max_iter=5).fit(X, Y["binary"])
    expected = accuracy_score(Y["binary"], model.predict(X), sample_weight=WEIGHT)
    assert model.score(X, Y["binary"], WEIGHT) == expected


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_memory_mapped_array_is_read_where_it_is(optimizer, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 400)).astype(np.float32)
    y = (X[:, :3].sum(axis=1) > 0).astype(int)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    settings = {"optimizer": optimizer, "early_stopping": True, "max_iter": 2, "random_state": 0}
    in_memory = MLPClassifier((8,), **settings).fit(X, y)
    tracemalloc.start()
    try:
        model = MLPClassifier((8,), **settings).fit(mapped, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes / 2
    for a, b in zip(model.coefs_, in_memory.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.validation_scores_ == in_memory.validation_scores_


@pytest.mark.parametrize("again", ["fit", "partial_fit"])
def test_targets_of_another_kind_are_refused_later(again):
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(40, 3)), np.arange(40) % 4
    indicators = np.eye(4, dtype=int)[codes]
    for first, second in ((codes, indicators), (indicators, codes)):
        model = MLPClassifier((3,), max_iter=2, warm_start=True, random_state=0).fit(X, first)
        with pytest.raises(ValueError, match=r"fitted with multilabel input|same classes"):
            getattr(model, again)(X, second)


def test_balanced_weights_with_sample_weights_are_those_of_repeated_rows():
    rng = np.random.default_rng(0)
    X, repeats = rng.normal(size=(60, 3)), rng.integers(1, 4, 60)
    y = (X[:, 0] + rng.normal(size=60) > 0.8).astype(int)
    settings = {"class_weight": "balanced", "optimizer": "lbfgs", "tol": 1e-9, "random_state": 0}
    weighted = MLPClassifier((), **settings).fit(X, y, sample_weight=repeats)
    repeated = MLPClassifier((), **settings).fit(np.repeat(X, repeats, 0), np.repeat(y, repeats))
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-4)


def test_lists_that_leave_a_keyword_off_are_no_use_of_it():
    X, y = np.arange(20.0)[:, np.newaxis], np.arange(20) % 2
    for off in ([0.0, 0.0], np.zeros(2)):
        MLPClassifier((2, 2), dropout=off, optimizer="lbfgs", max_iter=500).fit(X / 20, y)


def test_classes_that_y_lacks():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    network = MLPClassifier((4,), max_iter=3, tol=1, n_iter_no_change=1, random_state=0)
    network.fit(X, y, classes=[2, 0, 1])
    np.testing.assert_array_equal(network.classes_, [0, 1, 2])
    assert network.predict_proba(X).shape == (40, 3)
    assert network.out_activation_ == "softmax"
    network.set_params(warm_start=True).fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="has classes not in"):
        clone(network).fit(X, y + 1, classes=[0, 1])
    with pytest.raises(ValueError, match="warm_start can only be used"):
        network.fit(X, y, classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match="classes does not apply to multilabel"):
        clone(network).fit(X, np.c_[y, 1 - y], classes=[0, 1])
    with pytest.raises(ValueError, match="contains None"):
        clone(network).fit(X, y, classes=[0, None])


def test_classes_named_change_nothing_where_y_has_all():
    X, y = load_iris(return_X_y=True)
    plain, named = (MLPClassifier((4,), max_iter=5, tol=1, random_state=0) for _ in range(2))
    plain.fit(X, y)
    named.fit(X, y, classes=[0, 1, 2])
    for a, b in zip(plain.coefs_, named.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
