"""The likelihood of normal distributions, beside SciPy's and on data of known spread."""

import pickle

import numpy as np
import pytest
from evaluation import evaluate
from scipy.stats import norm
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score

from sknn_opt import MLPRegressor
from sknn_opt._training.full_batch import FullBatchTrainer
from sknn_opt.inspection import mc_dropout_predict
from sknn_opt.losses import GaussianNLL

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def _rows(dtype="float64"):
    """Return the loss, its form, and targets, raw outputs and weights of some rows."""
    random = np.random.default_rng(3)
    arrays = random.normal(size=(9, 3)), random.normal(size=(9, 6)), random.uniform(size=9)
    return GaussianNLL(), GaussianNLL().form("continuous"), *(a.astype(dtype) for a in arrays)


def _data(n_rows=1000, seed=0):
    """Two targets with noise of their own: features, targets, means and deviations."""
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, size=(n_rows, 1))
    means = np.column_stack([np.sin(3 * X[:, 0]), X[:, 0]])
    deviations = np.column_stack([0.1 * np.exp(1.5 * X[:, 0]), 0.3 - 0.2 * X[:, 0]])
    return X, means + deviations * random.normal(size=means.shape), means, deviations


def _network(**parameters):
    settings = {"hidden_layer_sizes": (20,), "activation": "tanh", "random_state": 0}
    return MLPRegressor(loss="gaussian_nll", **settings | parameters)


def _mean_loss(model, X, y, weight=None):
    mean, std = model.predict(X, return_std=True)
    rows = -norm.logpdf(y, mean, std).reshape(len(y), -1).sum(axis=1)
    return np.average(rows, weights=weight)


def test_the_formula_of_torch():
    """Its ``gaussian_nll_loss(mean, y, variance, full=True)``."""
    loss, form, y, raw, weight = _rows()
    mean, variance = raw[:, :3], np.exp(raw[:, 3:])
    expected = 0.5 * (np.log(variance) + (mean - y) ** 2 / variance) + 0.5 * np.log(2 * np.pi)
    total, _ = evaluate(loss, form, y, raw, weight)
    assert total == pytest.approx((weight[:, np.newaxis] * expected).sum(), rel=1e-13)


@pytest.mark.parametrize("beta", [0.3, 0.5, 1.0])
def test_beta_multiplies_the_gradient_and_leaves_the_loss(beta):
    plain, form, y, raw, weight = _rows()
    loss = GaussianNLL(beta)
    expected, gradient = evaluate(plain, form, y, raw, weight)
    total, delta = evaluate(loss, form, y, raw, weight)
    assert total == expected
    share = np.tile(np.exp(beta * raw[:, 3:]), 2)
    np.testing.assert_allclose(delta, share * gradient, rtol=1e-12)
    if beta == 1:
        residual = weight[:, np.newaxis] * (raw[:, :3] - y)
        np.testing.assert_allclose(delta[:, :3], residual, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(evaluate(loss.unweighted(), form, y, raw, weight)[1], gradient)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_logarithms_of_variances(dtype):
    loss, form, y, raw, _ = _rows(dtype)
    weight = np.ones(len(y), dtype)
    raw[:, 3] = 1e4
    total, delta = evaluate(loss, form, y, raw, weight)
    assert np.isfinite(total)
    assert np.isfinite(delta).all()
    assert form.standard_deviations(raw)[0, 0] == np.inf
    raw[:, 3] = -1e4
    total, delta = evaluate(loss, form, y, raw, weight)
    assert total == np.inf
    assert not np.isnan(delta).any()
    assert form.standard_deviations(raw)[0, 0] == 0


@pytest.mark.parametrize(
    ("optimizer", "beta", "resolved"),
    [("adam", "auto", 0.5), ("sgd", 0.0, 0.0), ("adam", 1, 1), ("lbfgs", "auto", 0.0),
     ("newton-cg", 0, 0)],
)  # fmt: skip
def test_beta_is_that_of_the_optimizer(optimizer, beta, resolved):
    X, y, *_ = _data(30)
    loss = GaussianNLL(beta)
    model = _network(optimizer=optimizer, max_iter=2).set_params(loss=loss).fit(X, y)
    assert model._fitted_loss.beta == resolved
    assert loss.beta == beta


@pytest.mark.parametrize("optimizer", ["lbfgs", "newton-cg", "bfgs"])
def test_full_batch_optimizers_refuse_another_beta(optimizer, monkeypatch):
    monkeypatch.delattr(FullBatchTrainer, "fit")
    X, y, *_ = _data(30)
    model = _network(optimizer=optimizer).set_params(loss=GaussianNLL(0.5))
    with pytest.raises(ValueError, match=r"GaussianNLL\(beta=0.5\) does not apply to full-batch"):
        model.fit(X, y)


def test_lm_is_for_the_squared_error():
    X, y, *_ = _data(30)
    with pytest.raises(ValueError, match="LM minimizes the squared error"):
        _network(optimizer="lm").fit(X, y)


def test_without_features_it_is_the_mean_and_the_deviation_of_the_sample():
    random = np.random.default_rng(0)
    y, weight = random.normal([3, -1], [2, 0.5], size=(200, 2)), random.uniform(size=200)
    model = _network(hidden_layer_sizes=(), optimizer="lbfgs", tol=1e-10)
    model.fit(np.zeros((200, 1)), y, weight)
    mean, std = model.predict([[0.0]], return_std=True)
    expected = np.average(y, axis=0, weights=weight)
    np.testing.assert_allclose(mean[0], expected, rtol=1e-5)
    variance = np.average((y - expected) ** 2, axis=0, weights=weight)
    np.testing.assert_allclose(std[0], np.sqrt(variance), rtol=1e-5)
    assert model.loss_ == pytest.approx(_mean_loss(model, np.zeros((200, 1)), y, weight))


@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "adam", "learning_rate_init": 0.01, "max_iter": 300, "tol": 0},
        {"optimizer": "lbfgs", "max_iter": 400},
        {"optimizer": "trust-ncg", "max_iter": 100},
    ],
    ids=lambda parameters: parameters["optimizer"],
)
def test_deviations_are_those_of_the_data(parameters):
    X, y, *_ = _data(3000)
    model = _network(**parameters).fit(X, y)
    X, y, means, deviations = _data(seed=1)
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == (1000, 2)
    assert model.n_outputs_ == 4
    assert np.abs(mean - means).mean() < 0.04
    assert np.abs(std / deviations - 1).mean() < 0.08
    # The best that any network can do is the likelihood of the truth.
    best = -norm.logpdf(y, means, deviations).sum(axis=1).mean()
    assert _mean_loss(model, X, y) < best + 0.05
    inside = np.abs(y - mean) < norm.ppf(0.95) * std
    np.testing.assert_allclose(inside.mean(axis=0), 0.9, atol=0.03)


def test_one_target_has_vectors():
    X, y, *_ = _data(50)
    model = _network(max_iter=3).fit(X, y[:, 0])
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == (50,)
    np.testing.assert_array_equal(mean, model.predict(X))
    assert mean.flags.owndata or mean.base.nbytes == mean.nbytes  # nothing else is kept alive
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(X, return_std=True), (mean, std))
    assert model.score(X, y[:, 0]) == r2_score(y[:, 0], mean)


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "poisson"])
def test_other_networks_have_no_deviations(loss):
    X, y, *_ = _data(30)
    model = _network(max_iter=2).set_params(loss=loss)
    with pytest.raises(NotFittedError):
        model.predict(X, return_std=True)
    model.fit(X, np.abs(y))
    with pytest.raises(ValueError, match=r"has learnt none. Fit it with loss='gaussian_nll'"):
        model.predict(X, return_std=True)


def test_deviations_that_overflow_come_with_a_warning():
    X, y, *_ = _data(50)
    model = _network(hidden_layer_sizes=(), max_iter=3).fit(X, y)
    model.intercepts_[0][2] = 1e5
    with pytest.warns(RuntimeWarning, match="standard deviations overflow float64") as caught:
        _, std = model.predict(X, return_std=True)
    assert [warning.filename for warning in caught] == [__file__]
    assert np.isinf(std[:, 0]).all()


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_validation_is_by_the_likelihood(optimizer):
    X, y, *_ = _data(200)
    X_val, y_val, *_ = _data(seed=1)
    weight = np.random.default_rng(0).uniform(size=len(y_val))
    held_out = {"X_val": X_val, "y_val": y_val, "sample_weight_val": weight}
    settings = {"max_iter": 60, "optimizer": optimizer, "learning_rate_init": 0.05, "alpha": 1.0}
    model = _network(**settings).fit(X, y, **held_out)
    expected = _mean_loss(model, X_val, y_val, weight)
    assert model.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-12)
    assert model.history_["validation_score"][-1] == pytest.approx(-expected, rel=1e-12)
    early = _network(**settings, early_stopping=True, n_iter_no_change=100).fit(X, y, **held_out)
    expected = _mean_loss(early, X_val, y_val, weight)
    assert early.best_validation_score_ == pytest.approx(-expected, rel=1e-12)
    assert early.best_validation_score_ == max(early.validation_scores_)
    by_name = _network(**settings, early_stopping=True, n_iter_no_change=100, scoring="loss")
    assert by_name.fit(X, y, **held_out).validation_scores_ == early.validation_scores_
    by_r2 = _network(**settings, scoring="r2").fit(X, y, **held_out)
    expected = by_r2.score(X_val, y_val, weight)
    assert by_r2.history_["validation_score"][-1] == pytest.approx(expected, rel=1e-12)


def test_a_likelihood_is_that_of_one_row_too():
    X, y, *_ = _data(30)
    one = {"X_val": X[:1], "y_val": y[:1]}
    model = _network(max_iter=2).fit(X, y, **one)
    assert np.isfinite(model.history_["validation_score"]).all()
    with pytest.raises(ValueError, match="R² needs at least two samples"):
        _network(max_iter=2, scoring="r2").fit(X, y, **one)


def test_dropout_gives_the_spread_of_the_means():
    X, y, *_ = _data(50)
    model = _network(max_iter=20, dropout=0.3).fit(X, y)
    mean, std = mc_dropout_predict(model, X, n_samples=20, random_state=0)
    assert mean.shape == std.shape == y.shape
    assert (std > 0).all()
