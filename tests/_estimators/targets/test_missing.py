"""Targets of regression of which some are missing."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import streams
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from sknn_opt import MLPRegressor
from sknn_opt._estimators.targets import score_known, with_missing, without_missing
from sknn_opt.inspection import check_gradients, diagnose, find_learning_rate
from sknn_opt.inspection.skills import measure_skills
from sknn_opt.losses import REGRESSOR_LOSSES, Loss, Quantile
from sknn_opt.optimizers import OPTIMIZERS, SGD, FirstOrder

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N = 60
_rng = np.random.default_rng(0)
X = _rng.normal(size=(N, 4))
WHOLE = np.exp(0.5 * X @ _rng.normal(size=(4, 3)))
MISSING = _rng.random((N, 3)) < 0.3
MISSING[5] = True
Y = np.where(MISSING, np.nan, WHOLE)
WEIGHT = _rng.uniform(0.1, 2, N)
CORE = ["sgd", "adam", "lbfgs", "newton-cg", "lm"]


def make(optimizer="adam", **parameters):
    settings = {"max_iter": 6, "random_state": 0, "tol": 0.0, "alpha": 0.1}
    settings |= {"missing_targets": "ignore"}
    return MLPRegressor((5,), "tanh", optimizer=optimizer, **{**settings, **parameters})


def assert_same(model, other, tolerance=1e-9):
    for mine, others in zip(
        model.coefs_ + model.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        assert_allclose(mine, others, rtol=tolerance, atol=tolerance)
    assert_allclose(model.loss_curve_, other.loss_curve_, rtol=max(tolerance, 1e-14))


def of_outputs(model, k=3):
    """The columns of the last layer that belong to each output."""
    coefs, intercepts = model.coefs_[-1], model.intercepts_[-1]
    return [(coefs[:, j::k], intercepts[j::k]) for j in range(k)]


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_without_a_hidden_layer_each_output_learns_from_its_own_samples(loss):
    # The loss is a mean over all samples: those whose target is missing weigh in the mean, but add
    # nothing to it. As weights of 0 they would not count in it.
    steps = {"optimizer": SGD(momentum=0.0), "batch_size": N, "max_iter": 30, "shuffle": False}
    settings = {"loss": loss, "initializer": "zeros", "learning_rate_init": 0.05, "alpha": 0.0}
    joint = MLPRegressor((), missing_targets="ignore", tol=0.0, **steps, **settings)
    joint.fit(X, Y, WEIGHT)
    losses = 0.0
    for j, (coefs, intercepts) in enumerate(of_outputs(joint)):
        known = ~MISSING[:, j]
        share = WEIGHT[known].sum() / WEIGHT.sum()
        alone = MLPRegressor((), tol=0.0, **steps, **settings)
        alone.set_params(learning_rate_init=0.05 * share, batch_size=int(known.sum()))
        alone.fit(X[known], Y[known, j], WEIGHT[known])
        assert_allclose(coefs, alone.coefs_[0], rtol=1e-9, atol=1e-12)
        assert_allclose(intercepts, alone.intercepts_[0], rtol=1e-9, atol=1e-12)
        losses = losses + share * np.array(alone.loss_curve_)
    assert_allclose(joint.loss_curve_, losses, rtol=1e-9)


@pytest.mark.parametrize(("optimizer", "tolerance"), [("lm", 1e-8), ("newton-cg", 1e-4)])
def test_a_linear_network_is_a_ridge_regression_of_each_output(optimizer, tolerance):
    alpha = 2.0
    joint = MLPRegressor((), optimizer=optimizer, alpha=alpha, tol=1e-9, max_iter=2000)
    joint.set_params(missing_targets="ignore", random_state=0).fit(X, Y)
    for j in range(3):
        known = ~MISSING[:, j]
        ridge = Ridge(alpha=alpha).fit(X[known], Y[known, j])
        assert_allclose(joint.predict(X)[:, j], ridge.predict(X), atol=tolerance)


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
@pytest.mark.parametrize("optimizer", CORE)
def test_where_nothing_is_missing_nothing_changes(optimizer, loss):
    if optimizer == "lm" and loss != "squared_error":
        return
    if optimizer == "newton-cg" and loss in ("absolute_error", "quantile"):
        return  # without curvature
    settings = {"loss": loss, "early_stopping": True}
    model = make(optimizer, **settings).fit(X, WHOLE, WEIGHT)
    plain = make(optimizer, missing_targets="error", **settings).fit(X, WHOLE, WEIGHT)
    assert_same(model, plain, 0)
    assert model.validation_scores_ == plain.validation_scores_
    assert model.score(X, WHOLE, WEIGHT) == plain.score(X, WHOLE, WEIGHT)


@pytest.mark.parametrize("optimizer", CORE)
def test_an_output_without_targets_stays_as_it_was_drawn(optimizer):
    y = Y.copy()
    y[:, 2] = np.nan
    y[0, 2] = 0.0  # of a sample without weight
    model = make(optimizer, alpha=0.0).fit(X, y, np.r_[0.0, WEIGHT[1:]])
    drawn = make("sgd", alpha=0.0, max_iter=1, learning_rate_init=1e-300).fit(X, WHOLE)
    assert_array_equal(model.coefs_[-1][:, 2], drawn.coefs_[-1][:, 2])
    assert model.intercepts_[-1][2] == drawn.intercepts_[-1][2]
    assert not np.array_equal(model.coefs_[-1][:, 1], drawn.coefs_[-1][:, 1])


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("features", [np.asarray, sparse.csr_array])
def test_all_optimizers_learn_what_is_known(features, optimizer):
    settings = {"alpha": 1e-3, "max_iter": 300, "scale_targets": True, "n_iter_no_change": 300}
    if issubclass(OPTIMIZERS[optimizer], FirstOrder):
        settings["learning_rate_init"] = 0.05
    model = make(optimizer, **settings).fit(features(X), Y)
    assert model.score(features(X), Y) > 0.95
    assert r2_score(WHOLE, model.predict(features(X))) > 0.6


def test_a_batch_without_any_target_leaves_the_penalty_alone():
    settings = {"optimizer": SGD(momentum=0.0), "learning_rate_init": 0.1, "alpha": 0.5}
    model = make(**settings).partial_fit(X, Y)
    before = [c.copy() for c in model.coefs_], [b.copy() for b in model.intercepts_]
    model.set_params(batch_size=20).partial_fit(X[:20], np.full((20, 3), np.nan), WEIGHT[:20])
    factor = 1 - 0.1 * 0.5 / WEIGHT[:20].sum()
    for after, coefs in zip(model.coefs_, before[0], strict=True):
        assert_allclose(after, factor * coefs, rtol=1e-12)
    for after, intercepts in zip(model.intercepts_, before[1], strict=True):
        assert_array_equal(after, intercepts)
    squares = sum((c**2).sum() for c in before[0])
    assert model.loss_ == pytest.approx(0.5 * 0.5 * squares / WEIGHT[:20].sum(), rel=1e-12)


def _scores(y, predictions, weight=None):
    return [
        r2_score(y[k, j], predictions[k, j], sample_weight=None if weight is None else weight[k])
        for j, k in enumerate(~np.isnan(y).T)
    ]


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
def test_the_score_is_that_of_what_is_known(weight):
    held_out = {"X_val": X, "y_val": Y, "sample_weight_val": weight}
    model = make(max_iter=30, early_stopping=True, n_iter_no_change=30)
    model.fit(X, Y, **held_out)
    expected = np.mean(_scores(Y, model.predict(X), weight))
    assert model.score(X, Y, weight) == pytest.approx(expected, rel=1e-12)
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-12)
    for container in CONTAINERS.values():
        assert model.score(X, container(Y), weight) == pytest.approx(expected, rel=1e-6)
    assert model.score(X, Y, 2.0) == pytest.approx(model.score(X, Y), rel=1e-12)
    for wrong, words in ((Y[:, 0], "is for several"), (Y[:, :2], "NaN"), (WHOLE[:, :2], "output")):
        with pytest.raises(ValueError, match=words):
            model.score(X, wrong)
    residuals = np.where(MISSING, 0, model.predict(X) - WHOLE)
    rows = 0.5 * (residuals**2).sum(axis=1)
    best = model.history_["validation_loss"][model.best_iter_ - 1]
    assert best == pytest.approx(np.average(rows, weights=weight), rel=1e-12)


def test_outputs_that_cannot_be_scored_are_left_out():
    y = np.array([[1.0, np.nan, 2.0], [2.0, np.nan, np.nan], [4.0, 3.0, 1.0]])
    predictions = np.array([[1.0, 0.0, 2.0], [2.5, 0.0, 0.0], [3.0, 3.0, 0.0]])

    def r2(*arrays):
        return r2_score(*arrays[:2], sample_weight=arrays[2])

    expected = np.mean(_scores(y[:, [0, 2]], predictions[:, [0, 2]]))
    assert score_known(r2, y, predictions, None) == pytest.approx(expected)
    weight = np.array([1.0, 2.0, 0.0])
    expected = r2_score(y[:2, 0], predictions[:2, 0], sample_weight=weight[:2])
    assert score_known(r2, y, predictions, weight) == pytest.approx(expected)
    assert np.isnan(score_known(r2, y[:1], predictions[:1], None))


def test_scaled_targets_have_the_scale_of_what_is_known():
    shifted = 1e3 + 50 * Y
    model = make(scale_targets=True, max_iter=200, n_iter_no_change=200, learning_rate_init=0.02)
    model.fit(X, shifted, WEIGHT)
    for j, known in enumerate(~MISSING.T):
        mean = np.average(shifted[known, j], weights=WEIGHT[known])
        variance = np.average((shifted[known, j] - mean) ** 2, weights=WEIGHT[known])
        assert model.target_mean_[j] == pytest.approx(mean, rel=1e-9)
        assert model.target_scale_[j] == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert model.score(X, shifted) > 0.8
    assert_allclose(model.to_sklearn().predict(X), model.predict(X), rtol=1e-8)


def test_learnt_variances():
    model = make(loss="gaussian_nll", max_iter=100, n_iter_no_change=100, early_stopping=True)
    mean, std = model.fit(X, Y).predict(X, return_std=True)
    assert mean.shape == std.shape == Y.shape
    assert np.isfinite([mean, std]).all()


def test_the_users_own_loss():
    own = Loss.from_functions(lambda y, z: 0.5 * (z - y) ** 2, lambda y, z: z - y)
    assert_same(make(loss=own).fit(X, Y), make().fit(X, Y), 1e-12)


def test_kept_through_calls_and_pickles():
    model = make(warm_start=True).fit(X, Y, X_val=X, y_val=Y)
    loaded = pickle.loads(pickle.dumps(model))
    for again in (model, loaded):
        again.fit(X, Y).partial_fit(X, Y, X_val=X, y_val=Y)
    assert_same(model, loaded, 0)


CONTAINERS = {
    "float32": lambda y: y.astype(np.float32),
    "list": np.ndarray.tolist,
    "list with None": lambda y: [[None if np.isnan(v) else v for v in row] for row in y],
    "pandas": pd.DataFrame,
    "pandas with NA": lambda y: pd.DataFrame(y).astype("Float64"),
    "polars": lambda y: pl.DataFrame(np.where(np.isnan(y), 0, y)).with_columns(
        pl.when(pl.Series(~np.isnan(y[:, j]))).then(pl.col(f"column_{j}")).alias(f"column_{j}")
        for j in range(y.shape[1])
    ),
    "objects": lambda y: y.astype(object),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_missing_targets_in_any_container(container):
    y = CONTAINERS[container](Y)
    model = make().fit(X, y)
    assert_same(model, make().fit(X, Y), 1e-5 if container == "float32" else 1e-12)


def test_there_and_back():
    filled, missing = without_missing(Y)
    assert_array_equal(filled, np.where(MISSING, 0, WHOLE))
    assert_array_equal(with_missing(filled, missing), Y)
    counts = np.arange(6).reshape(3, 2)
    assert_array_equal(with_missing(*without_missing(counts)), counts)
    assert with_missing(counts, None) is counts


@pytest.mark.parametrize(
    ("y", "settings", "words"),
    [
        (Y, {"missing_targets": "error"}, "Input y contains NaN"),
        (Y[:, 0], {}, "is for several. Leave out the samples without a target"),
        (Y[:, :1], {}, "is for several"),
        (np.where(MISSING, np.inf, WHOLE), {}, "Input y contains infinity"),
        (np.where(MISSING, np.nan, 1e300), {"dtype": "float32"}, "too large"),
        (np.c_[Y, np.full(N, np.nan)], {}, r"missing in these columns of y: \[3\]"),
        (-Y, {"loss": "poisson"}, "valid range of the loss 'poisson'"),
        (-Y, {"loss": "gamma"}, "valid range of the loss 'gamma'"),
        (Y, {"loss": Quantile([0.1, 0.9])}, "y should be a 1d array"),
        (Y, {"scoring": "r2", "early_stopping": True}, "cannot score.*NaN"),
        (np.full((N, 2), "a"), {}, "must be numbers, but y holds <U1"),
    ],
    ids=range(11),
)
def test_what_is_refused(y, settings, words):
    model = make(**settings)
    with pytest.raises(ValueError, match=words):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")


def test_a_column_may_be_missing_in_a_batch_but_not_where_its_scale_is_learnt():
    y = Y.copy()
    y[:, 1] = np.nan
    make().partial_fit(X, y).partial_fit(X, Y)
    make(scale_targets=True).partial_fit(X, Y).partial_fit(X, y)
    make(warm_start=True).fit(X, Y).fit(X, y)
    with pytest.raises(ValueError, match=r"missing in these columns of y: \[1\]"):
        make(scale_targets=True).partial_fit(X, y)


def test_validation_sets_in_which_too_little_is_known():
    y = np.full((5, 3), np.nan)
    y[[0, 1, 2], [0, 1, 2]] = 1.0
    with pytest.raises(ValueError, match="R² needs at least two samples, X_val has 1"):
        make().fit(X, Y, X_val=X[:5], y_val=y)
    make(scoring="loss").fit(X, Y, X_val=X[:5], y_val=y)


def test_inspection():
    model = make(max_iter=50, n_iter_no_change=50)
    assert check_gradients(model, X, Y, WEIGHT).passed
    assert find_learning_rate(model, X, Y).suggestion > 0
    assert diagnose(model, X, Y).findings == []
    far = diagnose(model, X, Y + 1e3).findings
    assert [finding.name for finding in far] == ["unscaled_targets"]
    model.fit(X, Y, WEIGHT)
    held_out = X[:30], Y[:30], WEIGHT[:30]
    skills = measure_skills(model, (X, Y, WEIGHT), held_out)
    assert skills.training_score == model.score(X, Y, WEIGHT)
    linear, constants = [], []
    for j, known in enumerate(~MISSING.T):
        ridge, constant = Ridge(), DummyRegressor()
        scale = X.std(axis=0)
        for fitted, features in ((ridge, X / scale), (constant, X)):
            fitted.fit(features[known], Y[known, j], WEIGHT[known])
        tested = known[:30]
        truth, weights = Y[:30][tested, j], WEIGHT[:30][tested]
        linear.append(ridge.score((X[:30] / scale)[tested], truth, weights))
        constants.append(constant.score(X[:30][tested], truth, weights))
    assert skills.linear_score == pytest.approx(np.mean(linear), rel=1e-9)
    expected = (np.mean(linear) - np.mean(constants)) / (1 - np.mean(constants))
    assert skills.linear == pytest.approx(expected, rel=1e-9)
    diagnose(model, X, Y, X_val=X[:30], y_val=Y[:30])


def test_mixtures_with_a_missing_target_have_none():
    settings = {"optimizer": SGD(momentum=0.0), "initializer": "zeros", "learning_rate_init": 0.1}
    model = make(mixup=0.4, alpha=0.0, shuffle=False, batch_size=N, **settings)
    model.set_params(hidden_layer_sizes=()).partial_fit(X, Y)
    share, other = streams.mixture(model._optimizer_state_["seed"], 0, 0.4, N)
    # Of zeros the network predicts zeros: residuals are minus the targets.
    residuals = -np.nan_to_num(share * Y + (1 - share) * Y[other])
    mixed = share * X + (1 - share) * X[other]
    assert_allclose(model.coefs_[0], -0.1 * mixed.T @ residuals / N, rtol=1e-9, atol=1e-12)
    assert_allclose(model.intercepts_[0], -0.1 * residuals.mean(axis=0), rtol=1e-9, atol=1e-12)
    assert model.loss_ == pytest.approx(0.5 * (residuals**2).sum() / N, rel=1e-9)
