"""What the keywords of networks and steps do, against NumPy."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, train_test_split

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._network.passes import batch_gradient
from sknn_opt._training.epoch import train_batches
from sknn_opt.activations import LeakyReLU
from sknn_opt.losses import Hinge, Quantile
from sknn_opt.normalizations import BatchNorm, LayerNorm
from sknn_opt.optimizers import SGD, AdamW
from sknn_opt.schedules import Step

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.default_rng(0)
X = random.normal(size=(60, 4))
Y = np.tanh(X @ random.normal(size=(4, 2)))

ONE_STEP = {
    "hidden_layer_sizes": (5,),
    "optimizer": SGD(momentum=0.0),
    "learning_rate_init": 0.5,
    "batch_size": "full",
    "max_iter": 1,
    "alpha": 0.0,
    "random_state": 0,
}


def step(model):
    """Change of all parameters by one step from the initial ones."""
    after = np.concatenate([p.ravel() for p in model.coefs_ + model.intercepts_])
    still = MLPRegressor(**{**ONE_STEP, "learning_rate_init": 1e-300}).fit(X, Y)
    return after - np.concatenate([p.ravel() for p in still.coefs_ + still.intercepts_])


def test_a_list_of_activations_and_residual_connections():
    model = MLPRegressor(
        (4, 4, 3, 3), activation=["tanh", "logistic", "tanh", "logistic"], residual=True,
        max_iter=3, random_state=0,
    ).fit(X, Y)  # fmt: skip
    a = X
    functions = [np.tanh, expit, np.tanh, expit]
    for w, b, f in zip(model.coefs_[:-1], model.intercepts_[:-1], functions, strict=True):
        out = f(a @ w + b)
        a = out + a if w.shape[0] == w.shape[1] else out
    np.testing.assert_allclose(
        model.predict(X), a @ model.coefs_[-1] + model.intercepts_[-1], rtol=1e-10
    )


def test_clipping():
    free = step(MLPRegressor(**ONE_STEP).fit(X, Y))
    length = np.linalg.norm(free)
    by_norm = step(MLPRegressor(**ONE_STEP, clip_norm=0.1 * length / 0.5).fit(X, Y))
    np.testing.assert_allclose(by_norm, 0.1 * free, rtol=1e-9, atol=1e-15)
    bound = np.quantile(np.abs(free), 0.7) / 0.5
    by_value = step(MLPRegressor(**ONE_STEP, clip_value=bound).fit(X, Y))
    np.testing.assert_allclose(by_value, np.clip(free, -0.5 * bound, 0.5 * bound), rtol=1e-9)
    both = step(MLPRegressor(**ONE_STEP, clip_value=bound, clip_norm=0.01).fit(X, Y))
    np.testing.assert_allclose(
        both, 0.005 * by_value / np.linalg.norm(by_value), rtol=1e-9, atol=1e-15
    )
    for parameters in ({"clip_norm": 1e-3}, {"clip_value": 1e-3}):
        model = MLPRegressor(**ONE_STEP, **parameters).fit(X, Y)
        assert model.history_["grad_norm"][0] == pytest.approx(length / 0.5, rel=1e-10)


def test_max_norm_bounds_each_units_incoming_weights():
    free = MLPRegressor(**ONE_STEP).fit(X, Y)
    bound = 0.8
    model = MLPRegressor(**ONE_STEP, max_norm=bound).fit(X, Y)
    for w, expected in zip(model.coefs_, free.coefs_, strict=True):
        norms = np.linalg.norm(expected, axis=0)
        assert norms.max() > bound
        np.testing.assert_allclose(w, expected * np.minimum(1, bound / norms), rtol=1e-10)


def test_warm_up_is_composed_with_the_schedule():
    settings = {**ONE_STEP, "max_iter": 8, "learning_rate": Step(step_size=3, gamma=0.1)}
    plain = MLPRegressor(**settings).fit(X, Y).history_["learning_rate"]
    np.testing.assert_allclose(plain, 0.5 * 0.1 ** np.array([0, 0, 0, 1, 1, 1, 2, 2]))
    for warmup in (4, 0.5):
        rates = MLPRegressor(**settings, warmup=warmup).fit(X, Y).history_["learning_rate"]
        share = np.array(rates) / plain
        assert np.all(np.diff(share[:5]) > 0)
        np.testing.assert_allclose(share[4:], 1)


def test_dropout_is_for_training_only():
    digits = load_digits()
    data = train_test_split(digits.data / 16, digits.target, random_state=0)
    X_train, X_test, y_train, y_test = data
    model = MLPClassifier(
        (100, 50), dropout=[0.5, 0.2], input_dropout=0.1, max_iter=40, random_state=0,
        learning_rate_init=0.005,
    ).fit(X_train, y_train)  # fmt: skip
    assert model.score(X_test, y_test) > 0.95
    np.testing.assert_array_equal(model.predict_proba(X_test), model.predict_proba(X_test))
    again = MLPClassifier(**model.get_params()).fit(X_train, y_train)
    np.testing.assert_array_equal(again.coefs_[0], model.coefs_[0])


def test_large_batches_are_made_of_blocks():
    many = np.tile(X, (50, 1)), np.tile(Y, (50, 1))
    settings = {**ONE_STEP, "max_iter": 3}
    once, often = (MLPRegressor(**settings).fit(*data) for data in ((X, Y), many))
    for a, b in zip(once.coefs_, often.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_margin_losses_have_no_probabilities():
    model = MLPClassifier(3, loss="hinge", max_iter=2).fit(X, Y[:, 0] > 0)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "predict_log_proba")
    with pytest.raises(AttributeError, match="predict_proba"):
        model.predict_proba(X)
    assert not hasattr(model.set_params(loss="focal"), "predict_proba")
    assert hasattr(clone(model), "predict_proba")


def test_quantiles_never_cross():
    q = [0.05, 0.5, 0.95]
    model = MLPRegressor(8, loss=Quantile(q), max_iter=30, random_state=0).fit(X, Y[:, 0])
    predictions = model.predict(X)
    assert predictions.shape == (len(X), 3)
    assert np.all(np.diff(predictions, axis=1) >= 0)
    residual = Y[:, :1] - predictions
    pinball = np.maximum(residual * q, residual * (np.array(q) - 1)).mean()
    assert model.score(X, Y[:, 0]) == pytest.approx(-pinball, rel=1e-10)


def test_one_search_over_everything_compiles_the_engine_once(monkeypatch):
    y = (Y[:, 0] > 0).astype(int)
    MLPClassifier(3, max_iter=1).fit(X, y)
    made = dict(train_batches._made), dict(batch_gradient._made)
    grid = [
        {
            "optimizer": ["adam", "nadam", "lion"],
            "activation": ["relu", "gelu"],
            "initializer": ["he_normal", "orthogonal"],
            "dropout": [0.0, 0.3],
            "batch_size": [10, "full"],
        },
        {"loss": ["hinge", "focal"], "optimizer": ["lbfgs", "muon"]},
        {
            "optimizer": [AdamW()],
            "optimizer__weight_decay": [0.0, 0.1],
            "learning_rate": [Step()],
            "learning_rate__gamma": [0.1, 0.5],
        },
        {"loss": [Hinge()], "loss__margin": [0.5, 1.0]},
        {"activation": [LeakyReLU()], "activation__slope": [0.0, 0.1]},
        {"normalization": [None, "layer", ["batch"], LayerNorm()]},
        {"normalization": [BatchNorm()], "normalization__momentum": [0.1, 0.5]},
    ]
    search = GridSearchCV(MLPClassifier(4, max_iter=2, random_state=0), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert made == (train_batches._made, batch_gradient._made)


def test_a_randomized_search_takes_distributions():
    from scipy.stats import loguniform, uniform

    search = RandomizedSearchCV(
        MLPRegressor(4, optimizer=SGD(), max_iter=5, random_state=0),
        {"optimizer__momentum": uniform(0, 1), "alpha": loguniform(1e-5, 1), "dropout": [0, 0.1]},
        n_iter=5,
        random_state=0,
        cv=2,
    ).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
