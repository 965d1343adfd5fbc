"""scale_targets beside scikit-learn's TransformedTargetRegressor and scaling by hand."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPRegressor
from sknn_opt.inspection import (
    check_gradients,
    hidden_activations,
    input_gradients,
    mc_dropout_predict,
)
from sknn_opt.kernels import inline, kernel, real
from sknn_opt.losses import LINK, Loss, Quantile, Separable, Tweedie

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
X = random.normal(size=(120, 3))
#: Far from unit scale.
Y = 1e6 + 1e5 * (np.tanh(X[:, 0]) + 0.1 * random.normal(size=120))
TWO = np.column_stack([Y, 1e-3 * X[:, 1] - 7])
AMOUNTS = random.gamma(3, 100 * np.exp(X[:, 0]))
MEAN, STD = Y.mean(), Y.std()


def network(**parameters):
    settings = {"hidden_layer_sizes": (8,), "activation": "tanh", "max_iter": 20}
    return MLPRegressor(**settings | {"random_state": 0} | parameters)


def scaled_network(**parameters):
    return network(scale_targets=True, **parameters)


def standardised(y):
    return StandardScaler().fit_transform(y.reshape(len(y), -1)).reshape(y.shape)


def assert_same_weights(model, other):
    for mine, its in zip(model.coefs_ + model.intercepts_, other.coefs_ + other.intercepts_,
                         strict=True):  # fmt: skip
        np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize("y", [Y, TWO], ids=["one target", "two targets"])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"dropout": 0.2, "optimizer": "sgd"},
        {"optimizer": "lbfgs"},
        {"optimizer": "lm"},
        {"loss": "huber", "optimizer": "newton-cg"},
        {"loss": Quantile(0.7), "averaging": "ema"},
    ],
    ids=str,
)
def test_a_transformed_target_regressor_does_the_same(parameters, y):
    theirs = TransformedTargetRegressor(network(**parameters), transformer=StandardScaler())
    theirs.fit(X, y)
    ours = scaled_network(**parameters).fit(X, y)
    assert_same_weights(ours, theirs.regressor_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.loss_curve_ == theirs.regressor_.loss_curve_
    assert ours.score(X, y) == theirs.score(X, y)
    np.testing.assert_array_equal(ours.target_mean_, theirs.transformer_.mean_)
    np.testing.assert_array_equal(ours.target_scale_, theirs.transformer_.scale_)


def test_early_stopping_is_the_same_too():
    settings = {"early_stopping": True, "learning_rate_init": 0.05, "n_iter_no_change": 3}
    theirs = TransformedTargetRegressor(network(**settings), transformer=StandardScaler())
    ours, theirs = scaled_network(**settings).fit(X, Y), theirs.fit(X, Y)
    assert_same_weights(ours, theirs.regressor_)
    np.testing.assert_allclose(ours.validation_scores_, theirs.regressor_.validation_scores_)


def test_what_it_is_for():
    settings = {"hidden_layer_sizes": (50,), "max_iter": 200, "learning_rate_init": 0.01}
    assert network(**settings).fit(X, Y).score(X, Y) < -50
    assert scaled_network(**settings).fit(X, Y).score(X, Y) > 0.95


def test_float32_is_close_to_float64():
    double, single = (scaled_network(dtype=t).fit(X, TWO) for t in ("float64", "float32"))
    assert single.predict(X).dtype == np.float32
    np.testing.assert_allclose(single.predict(X), double.predict(X), rtol=1e-5)


def test_without_it_nothing_is_scaled():
    model = network(max_iter=1).fit(X, Y)
    assert model.target_mean_ is model.target_scale_ is None
    refitted = scaled_network(max_iter=1).fit(X, Y).set_params(scale_targets=False).fit(X, Y)
    assert refitted.target_mean_ is refitted.target_scale_ is None
    np.testing.assert_array_equal(refitted.predict(X), model.predict(X))


def test_weights_are_repetitions():
    weight = np.arange(len(Y)) % 3
    settings = {"optimizer": "lbfgs", "tol": 1e-8, "max_iter": 5}
    model = scaled_network(**settings).fit(X, TWO, weight)
    repeated = np.repeat(np.arange(len(Y)), weight)
    other = scaled_network(**settings).fit(X[repeated], TWO[repeated])
    np.testing.assert_allclose(model.target_mean_, other.target_mean_, rtol=1e-12)
    np.testing.assert_allclose(model.target_scale_, other.target_scale_, rtol=1e-9)
    np.testing.assert_allclose(model.predict(X), other.predict(X), rtol=1e-6)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie", Tweedie(1.2)], ids=str)
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_log_links_divide_by_the_mean_alone(loss, optimizer):
    mean = AMOUNTS.mean()
    settings = {"loss": loss, "optimizer": optimizer, "learning_rate_init": 0.01}
    by_hand = network(**settings).fit(X, AMOUNTS / mean)
    model = scaled_network(**settings).fit(X, AMOUNTS)
    assert_same_weights(model, by_hand)
    assert (model.target_mean_, model.target_scale_) == ([0.0], [mean])
    np.testing.assert_allclose(model.predict(X), mean * by_hand.predict(X), rtol=1e-12)
    assert model.score(X, AMOUNTS) == pytest.approx(by_hand.score(X, AMOUNTS / mean), rel=1e-10)


@pytest.mark.parametrize("target", [AMOUNTS, np.column_stack([AMOUNTS, X[:, 0]])], ids=["1", "2"])
def test_standard_deviations_are_on_the_scale_of_the_targets(target):
    settings = {"loss": "gaussian_nll", "learning_rate_init": 0.01}
    by_hand = network(**settings).fit(X, standardised(target))
    model = scaled_network(**settings).fit(X, target)
    assert_same_weights(model, by_hand)
    (mean, std), (scaled_mean, scaled_std) = (
        m.predict(X, return_std=True) for m in (model, by_hand)
    )
    scale = target.std(axis=0)
    np.testing.assert_allclose(mean, scale * scaled_mean + target.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(std, scale * scaled_std, rtol=1e-12)
    np.testing.assert_array_equal(mean, model.predict(X))


def test_a_list_of_quantiles():
    loss = Quantile([0.1, 0.5, 0.9])
    by_hand = network(loss=loss).fit(X, standardised(Y))
    model = scaled_network(loss=loss).fit(X, Y, X_val=X[:30], y_val=Y[:30])
    np.testing.assert_allclose(model.predict(X), STD * by_hand.predict(X) + MEAN, rtol=1e-12)
    assert model.score(X, Y) == pytest.approx(STD * by_hand.score(X, standardised(Y)), rel=1e-9)
    score = model.history_["validation_score"][-1]
    assert score == pytest.approx(model.score(X[:30], Y[:30]), rel=1e-12)


@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error", "loss"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_losses_are_on_the_scale_of_training_and_scores_on_the_users(scoring, optimizer):
    held_out = {"X_val": X[:40], "y_val": Y[:40]}
    by_hand = {"X_val": X[:40], "y_val": (Y[:40] - MEAN) / STD}
    model = scaled_network(scoring=scoring, optimizer=optimizer).fit(X, Y, **held_out)
    scaled = network(scoring=scoring, optimizer=optimizer).fit(X, standardised(Y), **by_hand)
    for name in ("loss", "validation_loss", "grad_norm"):
        np.testing.assert_allclose(model.history_[name], scaled.history_[name], rtol=1e-9)
    expected = {
        None: model.score(X[:40], Y[:40]),
        "neg_mean_absolute_error": -mean_absolute_error(Y[:40], model.predict(X[:40])),
        "loss": -model.history_["validation_loss"][-1],
    }[scoring]
    assert model.history_["validation_score"][-1] == pytest.approx(expected, rel=1e-12)


def test_a_warm_start_keeps_the_scale():
    by_hand = network(warm_start=True).fit(X, standardised(Y)).fit(X, (2 * Y - MEAN) / STD)
    model = scaled_network(warm_start=True).fit(X, Y)
    mean, scale = model.target_mean_, model.target_scale_
    model = pickle.loads(pickle.dumps(model)).fit(X, 2 * Y)
    np.testing.assert_array_equal([model.target_mean_, model.target_scale_], [mean, scale])
    np.testing.assert_allclose(model.predict(X), STD * by_hand.predict(X) + MEAN, rtol=1e-9)


def test_partial_fit_keeps_the_scale_of_the_first_call():
    mean, std = Y[:50].mean(), Y[:50].std()
    by_hand, model = network(), scaled_network()
    for rows in (slice(50), slice(50, None)):
        by_hand.partial_fit(X[rows], (Y[rows] - mean) / std)
        model = pickle.loads(pickle.dumps(model.partial_fit(X[rows], Y[rows])))
    np.testing.assert_allclose(model.predict(X), std * by_hand.predict(X) + mean, rtol=1e-12)
    np.testing.assert_allclose(model.target_scale_, [std], rtol=1e-12)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_it_cannot_be_changed_on_the_way(method, before):
    model = network(scale_targets=before, warm_start=True, max_iter=1).fit(X, Y)
    model.set_params(scale_targets=not before)
    with pytest.raises(ValueError, match=f"trained with scale_targets={before}. Set it back"):
        getattr(model, method)(X, Y)


def test_other_losses_on_the_way():
    model = scaled_network(warm_start=True, max_iter=2).fit(X, AMOUNTS)
    model.set_params(loss="huber").fit(X, AMOUNTS)
    with pytest.raises(ValueError, match=r"Poisson\(\) has a log link.*Fit a clone"):
        model.set_params(loss="poisson").fit(X, AMOUNTS)
    clone(model).fit(X, AMOUNTS)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("several", [False, True])
def test_conversion_folds_the_scale_into_the_last_layer(loss, several):
    y = np.column_stack([AMOUNTS, Y]) if several else AMOUNTS
    model = scaled_network(loss=loss).fit(X, y)
    coefs = [c.copy() for c in model.coefs_]
    theirs = model.to_sklearn()
    np.testing.assert_allclose(theirs.predict(X), model.predict(X), rtol=1e-9)
    for mine, before in zip(model.coefs_, coefs, strict=True):
        np.testing.assert_array_equal(mine, before)
    back = MLPRegressor.from_sklearn(theirs)
    assert back.target_scale_ is None
    np.testing.assert_allclose(back.predict(X), model.predict(X), rtol=1e-9)


def test_input_gradients_are_those_of_the_predictions():
    model = scaled_network().fit(X, TWO)
    step = 1e-6
    gradients = input_gradients(model, X)
    for j in range(3):
        shift = step * np.eye(3)[j]
        expected = (model.predict(X + shift) - model.predict(X - shift)) / (2 * step)
        np.testing.assert_allclose(gradients[:, :, j], expected, rtol=1e-4, atol=1e-6 * STD)
    np.testing.assert_array_equal(input_gradients(model, X, target=1), gradients[:, 1])


def test_what_else_looks_into_a_network():
    model = scaled_network(dropout=0.1, learning_rate_init=0.05).fit(X, Y)
    mean, std = mc_dropout_predict(model, X, random_state=0)
    assert np.abs(mean - model.predict(X)).max() < STD
    assert 0.01 * STD < std.mean() < STD
    assert hidden_activations(model, X).shape == (120, 8)
    assert check_gradients(model, X, Y).passed
    assert check_gradients(scaled_network(), X, TWO).passed


def test_targets_that_do_not_vary():
    model = scaled_network(max_iter=50, optimizer="lbfgs").fit(X, np.full(120, 1e6))
    assert model.target_scale_ == [1.0]
    np.testing.assert_allclose(model.predict(X), 1e6, rtol=1e-6)
    model = scaled_network(loss="poisson", max_iter=3).fit(X, np.zeros(120))
    assert model.target_scale_ == [1.0]


def test_numbers_of_outputs_must_agree():
    with pytest.raises(ValueError, match="y_val has 2 outputs, but y has 1"):
        scaled_network().fit(X, Y, X_val=X, y_val=TWO)
    model = scaled_network(warm_start=True, max_iter=1).fit(X, Y)
    with pytest.raises(ValueError, match="y has 2 outputs, but those to which it was scaled are 1"):
        model.fit(X, TWO)


def test_targets_are_checked_before_they_are_scaled():
    with pytest.raises(ValueError, match="out of the valid range of the loss 'poisson'"):
        scaled_network(loss="poisson").fit(X, -AMOUNTS)
    with pytest.raises(ValueError, match=r"too large for float64\. Divide y by a constant"):
        scaled_network().fit(X, 1e200 * Y)


def test_predictions_that_overflow_come_with_a_warning():
    model = scaled_network(hidden_layer_sizes=(), dtype="float32", max_iter=2).fit(X, 1e30 * Y)
    with pytest.warns(RuntimeWarning, match="predictions overflow float32"):
        model.predict(1e30 * X)


@kernel(LINK)
def _square_link(raw, rows, outputs):
    for i in range(rows * outputs):
        raw[i] *= raw[i]


@inline
def _square(y, z, p):
    residual = z * z - y
    return real(0.5) * residual * residual, real(2) * z * residual


class _SquareLink(Loss):
    _forms = {"continuous": Separable(_square, _square_link, "square", twice=False)}
    is_twice_differentiable = False


def test_a_link_that_is_not_known_is_refused():
    network(loss=_SquareLink(), max_iter=2).fit(X, np.abs(X[:, 0]))
    with pytest.raises(ValueError, match=r"scale_targets=True does not apply to _SquareLink\(\)"):
        scaled_network(loss=_SquareLink()).fit(X, Y)
