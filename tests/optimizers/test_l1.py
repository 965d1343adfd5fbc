"""An L1 penalty in the optimizer's own metric ends where Lasso does."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, Lasso
from sklearn.preprocessing import scale

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.optimizers import (
    LAMB,
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    FirstOrder,
    RMSprop,
    ScheduleFree,
)

pytestmark = pytest.mark.usefixtures("one_blas_thread")

X, y = load_diabetes(return_X_y=True)
X, y = scale(X), scale(y)
N = len(y)
STRENGTH = 0.1
LASSO = Lasso(STRENGTH, tol=1e-14, max_iter=10**5).fit(X, y)

#: Optimizers with a metric, learning rates that are large enough, and how near they come.
RATES = {
    "sgd": (SGD(), 0.02),
    "sgd, heavy ball": (SGD(nesterovs_momentum=False), 0.02),
    "sgd, dampened": (SGD(nesterovs_momentum=False, dampening=0.5), 0.02),
    "sgd, no momentum": (SGD(momentum=0), 0.05),
    "adagrad": (Adagrad(), 0.3),
    "adadelta": (OPTIMIZERS["adadelta"](), 1.0),
    "rmsprop": (RMSprop(), 0.01),
    "rmsprop, momentum": (RMSprop(momentum=0.9), 1e-3),
    "rmsprop, centered": (RMSprop(centered=True), 0.01),
    "rmsprop, epsilon inside": (RMSprop(epsilon=1e-2, epsilon_inside=True), 0.01),
    "adam": (Adam(), 0.02),
    "amsgrad": (Adam(amsgrad=True), 0.02),
    "adamw": (AdamW(weight_decay=0), 0.02),
    "adamax": (OPTIMIZERS["adamax"](), 0.02),
    "nadam": (OPTIMIZERS["nadam"](), 0.02),
    "radam": (OPTIMIZERS["radam"](), 0.02),
    "adabelief": (OPTIMIZERS["adabelief"](), 0.02),
    "yogi": (OPTIMIZERS["yogi"](), 0.02),
    "lamb": (LAMB(weight_decay=0), 0.05),
}
AVERAGED = {"schedule_free": (ScheduleFree(), 0.05)}
WITHOUT_METRIC = {"kfac", "lion", "muon", "rprop", "soap"}


NAMES = sorted(name for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder))


def test_that_every_optimizer_is_tested():
    tested = {name.partition(",")[0] for name in (*RATES, *AVERAGED)} | WITHOUT_METRIC
    assert tested == set(NAMES)


def fit(optimizer, rate, **parameters):
    parameters = {"l1_ratio": 1.0, "alpha": STRENGTH * N, **parameters}
    return MLPRegressor(
        (),
        optimizer=optimizer,
        learning_rate_init=rate,
        learning_rate="cosine",
        batch_size="full",
        max_iter=2000,
        n_iter_no_change=np.inf,
        initializer="zeros",
        **parameters,
    ).fit(X, y)


@pytest.mark.parametrize("name", RATES)
def test_full_batch_training_ends_where_lasso_does(name):
    coefs = fit(*RATES[name]).coefs_[0].ravel()
    np.testing.assert_array_equal(coefs == 0, LASSO.coef_ == 0)
    np.testing.assert_allclose(coefs, LASSO.coef_, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_the_threshold_is_by_the_learning_rate_of_the_layer(name):
    settings = {"max_iter": 20, "l1_ratio": 0.7, "batch_size": "full", "learning_rate": "cosine"}
    models = [
        MLPRegressor(
            (), optimizer=name, alpha=0.1 * N, learning_rate_init=rate, trainable=trainable,
            n_iter_no_change=np.inf, random_state=0, **settings,
        ).fit(X, y)
        for rate, trainable in [(0.04, [0.5]), (0.02, None)]
    ]  # fmt: skip
    half, plain = (model.coefs_[0].ravel() for model in models)
    np.testing.assert_allclose(half, plain, rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(half == 0, plain == 0)
    assert plain.any()


@pytest.mark.parametrize("averaging", ["ema", "swa"])
def test_what_is_0_at_the_end_is_0_in_the_average(averaging):
    coefs = fit("adam", 0.02, averaging=averaging).coefs_[0].ravel()
    np.testing.assert_array_equal(coefs == 0, LASSO.coef_ == 0)
    np.testing.assert_allclose(coefs, LASSO.coef_, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", AVERAGED)
def test_averages_of_iterates(name):
    coefs = fit(*AVERAGED[name]).coefs_[0].ravel()
    np.testing.assert_array_equal(coefs == 0, LASSO.coef_ == 0)
    np.testing.assert_allclose(coefs, LASSO.coef_, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad"])
def test_elastic_net(name):
    optimizer, rate = RATES[name]
    expected = ElasticNet(STRENGTH, l1_ratio=0.5, tol=1e-14, max_iter=10**5).fit(X, y)
    coefs = fit(optimizer, rate, l1_ratio=0.5).coefs_[0].ravel()
    np.testing.assert_array_equal(coefs == 0, expected.coef_ == 0)
    np.testing.assert_allclose(coefs, expected.coef_, rtol=0, atol=1e-7)


def adam_step(w, g, t, m, v, lr, threshold, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """A step of Adam and the threshold by its own denominators, written out."""
    m[:] = beta_1 * m + (1 - beta_1) * g
    v[:] = beta_2 * v + (1 - beta_2) * g**2
    rate = lr * np.sqrt(1 - beta_2**t) / (np.sqrt(v) + epsilon)
    w = w - rate / (1 - beta_1**t) * m
    return np.sign(w) * np.maximum(np.abs(w) - rate * threshold, 0)


def test_mini_batches_against_steps_written_out():
    # The threshold of a batch is that of its own sum of weights; intercepts are free.
    weight = np.random.default_rng(0).uniform(0.5, 2, N)
    network = MLPRegressor(
        (), optimizer="adam", alpha=12.0, l1_ratio=1.0, batch_size=100, shuffle=False, max_iter=2,
        learning_rate_init=0.05, initializer="zeros",
    )  # fmt: skip
    with pytest.warns(match="Maximum iterations"):
        network.fit(X, y, weight)
    w, b, t = np.zeros(10), np.zeros(1), 0
    states = np.zeros((2, 10)), np.zeros((2, 1))
    for _ in range(2):
        for start in range(0, N, 100):
            rows = slice(start, start + 100)
            total, t = weight[rows].sum(), t + 1
            residual = weight[rows] * (X[rows] @ w + b - y[rows]) / total
            w = adam_step(w, X[rows].T @ residual, t, *states[0], 0.05, 12.0 / total)
            b = adam_step(b, residual.sum(keepdims=True), t, *states[1], 0.05, 0.0)
    np.testing.assert_allclose(network.coefs_[0].ravel(), w, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(network.intercepts_[0], b, rtol=1e-12)
    assert 0 < np.count_nonzero(w) < 10


def test_a_deep_network_becomes_sparse():
    classes = (y > 0).astype(int)
    network = MLPClassifier((20,), alpha=2.0, l1_ratio=1.0, max_iter=50, random_state=0)
    with pytest.warns(match="Maximum iterations"):
        network.fit(X, classes)
    share = np.mean(np.concatenate([w.ravel() for w in network.coefs_]) == 0)
    assert 0.2 < share < 0.98
    assert network.score(X, classes) > 0.7
