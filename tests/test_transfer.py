"""Frozen layers and rates by layer, against networks and minimizers that know of neither."""

import copy
import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from sknn_opt import MLPRegressor
from sknn_opt._network.layout import PARAMETERS
from sknn_opt.initializers import FromEstimator
from sknn_opt.inspection import check_gradients, diagnose, find_learning_rate
from sknn_opt.optimizers import LBFGS, OPTIMIZERS, FirstOrder, NewtonCG

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = (scale(a[:90]) for a in load_diabetes(return_X_y=True))
X = np.ascontiguousarray(X[:, :5])
FIRST_ORDER = [name for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder)]
FULL_BATCH = [name for name in OPTIMIZERS if name not in FIRST_ORDER]
HIDDEN = (5, 5)  # layers of one shape, which only their place tells apart
N_LAYERS = 3
NO_END = {"tol": 0.0, "n_iter_no_change": np.inf}


def make(**parameters):
    settings = {"hidden_layer_sizes": HIDDEN, "activation": "tanh", "random_state": 0, **NO_END}
    return MLPRegressor(**settings | parameters)


def pretrained(**parameters):
    return make(max_iter=5, batch_size=30, learning_rate_init=0.05, **parameters).fit(X, Y)


def start_of(model, **parameters):
    """An estimator like a fitted one that starts from it."""
    return clone(model).set_params(initializer=FromEstimator(model), **parameters)


def frozen(*layers):
    return [i not in layers for i in range(N_LAYERS)]


def arrays(model, layer):
    """All fitted arrays of a layer."""
    found = [model.coefs_[layer], model.intercepts_[layer]]
    for name in PARAMETERS[2:]:
        found += getattr(model, f"{name}_")[layer : layer + 1]
    return found


def assert_frozen(before, after, trainable):
    for layer, rate in enumerate(trainable):
        pairs = list(zip(arrays(before, layer), arrays(after, layer), strict=True))
        for mine, other in pairs:
            assert mine.dtype == other.dtype
            assert rate or np.array_equal(mine, other)
        assert not rate or not np.array_equal(*pairs[0])  # an intercept may find back


# -- what is frozen stays as it is -------------------------------------------------------------

FROZEN = [(0,), (1,), (2,), (0, 2)]


@pytest.mark.parametrize("layers", FROZEN, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_frozen_layers_stay_to_the_last_bit(optimizer, dtype, layers):
    trainable = frozen(*layers)
    settings = {"normalization": "layer", "dtype": dtype, "residual": True}
    before = pretrained(**settings)
    more = {"optimizer": OPTIMIZERS[optimizer](), "alpha": 1.0}
    if optimizer in FIRST_ORDER:
        more |= {"max_norm": 0.1, "clip_norm": 0.1, "dropout": 0.2, "l1_ratio": 0.5}
        more |= {"early_stopping": True}
        more["batch_size"] = "auto" if optimizer == "rprop" else 30
        if "weight_decay" in more["optimizer"].get_params():
            more["optimizer"].set_params(weight_decay=0.5)
    after = start_of(before, trainable=trainable, **more).fit(X, Y)
    assert_frozen(before, after, trainable)


@pytest.mark.parametrize("averaging", [None, "ema", "swa"])
@pytest.mark.parametrize("layers", FROZEN, ids=str)
def test_running_statistics_of_frozen_layers_stay(layers, averaging):
    before = pretrained(normalization="batch")
    trainable = frozen(*layers)
    after = start_of(before, trainable=trainable, averaging=averaging, max_iter=3).fit(X, Y)
    assert_frozen(before, after, trainable)
    assert after.n_parameters_ == before.n_parameters_


@pytest.mark.parametrize("averaging", [None, "ema"])
@pytest.mark.parametrize("optimizer", FIRST_ORDER)
def test_what_is_frozen_may_change_between_calls(optimizer, averaging):
    if OPTIMIZERS[optimizer].averages_iterates:
        averaging = None
    batch_size = "auto" if optimizer == "rprop" else 30
    model = make(optimizer=optimizer, averaging=averaging, batch_size=batch_size)
    for trainable in (None, frozen(0), frozen(1), frozen(0, 2), [0.5, 0, 2.0], None):
        model.set_params(trainable=trainable)
        for _ in range(2):
            before = copy.deepcopy(model)
            model = pickle.loads(pickle.dumps(model.partial_fit(X, Y)))
            if hasattr(before, "coefs_"):
                assert_frozen(before, model, trainable or [True] * N_LAYERS)


def test_weights_that_were_assigned_to_a_frozen_layer_stay():
    model = make(averaging="ema", trainable=frozen(1)).partial_fit(X, Y)
    model.coefs_[1] = assigned = np.full((5, 5), 0.1)
    model.partial_fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[1], assigned)


# -- what is trained is trained as if the rest were no network ---------------------------------


def hidden_values(model, X, n_layers):
    """What the first layers make of X, in NumPy."""
    for i in range(n_layers):
        X = X @ model.coefs_[i] + model.intercepts_[i]
        if model.running_means_:
            X = (X - model.running_means_[i]) / np.sqrt(model.running_variances_[i] + 1e-5)
            X = model.normalization_scales_[i] * X + model.normalization_shifts_[i]
        X = np.tanh(X)
    return X


def without_first_layer(model):
    """A network of the layers above the first one, and its features."""
    features = np.ascontiguousarray(hidden_values(model, X, 1))
    upper = clone(model).set_params(hidden_layer_sizes=HIDDEN[1:]).fit(features, Y)
    for name in PARAMETERS:
        setattr(upper, f"{name}_", getattr(model, f"{name}_")[1:])
    return upper, features


VARIANTS = {
    "plain": {},
    "clipped": {"clip_norm": 0.2, "max_norm": 1.0, "alpha": 3.0},
    "normalized": {"normalization": "batch"},
    "averaged": {"averaging": "ema"},
    "l1": {"l1_ratio": 1.0, "alpha": 0.5},
}

#: The gradient of intercepts before batch normalization is rounding, which these make large.
AMPLIFY_ROUNDING = {"adagrad", "lion", "lamb"}

#: Gradients of all rows of a softmax sum to 0, which in an eigenbasis is a coordinate of rounding.
IN_EIGENBASIS = {"soap"}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("optimizer", FIRST_ORDER)
def test_layers_above_a_frozen_one_train_as_a_network_of_their_own(optimizer, variant):
    cls, normalized = OPTIMIZERS[optimizer], variant == "normalized"
    if cls.averages_iterates and variant == "averaged":
        pytest.skip("it averages itself")
    if optimizer in IN_EIGENBASIS:
        pytest.skip("it makes rounding large")
    if normalized and (cls.needs_all_samples or optimizer in AMPLIFY_ROUNDING):
        pytest.skip("it takes all samples, or makes rounding large")
    lower = pretrained(normalization="batch" if normalized else None)
    upper, features = without_first_layer(lower)
    settings = {"optimizer": optimizer, "max_iter": 4, "shuffle": False, **VARIANTS[variant]}
    settings["batch_size"] = "auto" if cls.needs_all_samples else 30
    expected = start_of(upper, **settings, trainable=[0.5, True]).fit(features, Y)
    whole = start_of(lower, **settings, trainable=[False, 0.5, True]).fit(X, Y)
    for name in PARAMETERS:
        pairs = zip(getattr(whole, f"{name}_")[1:], getattr(expected, f"{name}_"), strict=True)
        for mine, other in pairs:
            np.testing.assert_allclose(mine, other, rtol=1e-8, atol=1e-10)
    for name in ("loss", "grad_norm"):
        np.testing.assert_allclose(whole.history_[name], expected.history_[name], rtol=1e-8)


def test_a_frozen_first_layer_of_sparse_features():
    features = X * (np.abs(X) > 0.5)
    start = pretrained()
    models = [
        start_of(start, trainable=frozen(0), input_dropout=0.2).fit(container(features), Y)
        for container in (np.asarray, sparse.csr_array)
    ]
    np.testing.assert_allclose(models[1].coefs_[1], models[0].coefs_[1], rtol=1e-9, atol=1e-12)


def test_a_factor_multiplies_the_step():
    start = pretrained()
    settings = {"optimizer": "sgd", "batch_size": "full", "max_iter": 1, "momentum": 0.0}
    plain = start_of(start, **settings).fit(X, Y)
    scaled = start_of(start, **settings, trainable=[0.1, 0, 3]).fit(X, Y)
    for layer, factor in enumerate([0.1, 0, 3]):
        for name in ("coefs_", "intercepts_"):
            before, after, other = (getattr(model, name)[layer] for model in (start, scaled, plain))
            np.testing.assert_allclose(after - before, factor * (other - before), atol=1e-14)


def loss_and_gradient(coefs, intercepts, alpha):
    """Penalised loss of the tanh network in NumPy, without the penalty of None in ``alpha``."""
    values = [X]
    for w, b in zip(coefs, intercepts, strict=True):
        values.append(np.tanh(values[-1] @ w + b))
    raw = values[-2] @ coefs[-1] + intercepts[-1]
    delta = (raw - Y[:, np.newaxis]) / len(X)
    loss, gradients = len(X) * 0.5 * np.square(delta).sum(), []
    for i in reversed(range(len(coefs))):
        gradients.append((values[i].T @ delta + alpha[i] * coefs[i], delta.sum(axis=0)))
        loss += 0.5 * alpha[i] * np.square(coefs[i]).sum()
        delta = delta @ coefs[i].T * (1 - values[i] ** 2)
    return loss, gradients[::-1]


@pytest.mark.parametrize("layers", [(), *FROZEN], ids=str)
def test_lbfgs_minimizes_over_what_is_not_frozen_as_scipy_does(layers):
    start, alpha = pretrained(), 0.3
    kept = [i for i in range(N_LAYERS) if i not in layers]
    coefs, intercepts = copy.deepcopy(start.coefs_), copy.deepcopy(start.intercepts_)
    moved = [array for i in kept for array in (coefs[i], intercepts[i])]
    penalties = [alpha / len(X) * (i in kept) for i in range(N_LAYERS)]

    def objective(x):
        for array in moved:
            array[...], x = x[: array.size].reshape(array.shape), x[array.size :]
        loss, gradients = loss_and_gradient(coefs, intercepts, penalties)
        return loss, np.concatenate([g.ravel() for i in kept for g in gradients[i]])

    # Few iterations, before rounding may lead to another of several minima.
    options = {"gtol": 1e-8, "ftol": 1e-15, "maxiter": 10, "maxcor": 10}
    x = np.concatenate([array.ravel() for array in moved])
    expected = minimize(objective, x, method="L-BFGS-B", jac=True, options=options)
    settings = {"optimizer": LBFGS(gtol=1e-8, ftol=1e-15), "alpha": alpha}
    ours = start_of(start, trainable=frozen(*layers), max_iter=10, **settings).fit(X, Y)
    assert ours.loss_ == pytest.approx(expected.fun, rel=1e-9)
    ours = start_of(start, trainable=frozen(*layers), max_iter=2000, **settings).fit(X, Y)
    _, gradients = loss_and_gradient(ours.coefs_, ours.intercepts_, penalties)
    for i, both in enumerate(gradients):
        largest = max(np.abs(gradient).max() for gradient in both)
        assert (largest < 1e-5) == (i in kept)


@pytest.mark.parametrize("optimizer", [*FULL_BATCH, NewtonCG(curvature="gauss_newton")], ids=str)
def test_an_output_layer_alone_is_ridge_regression(optimizer):
    start = pretrained()
    settings = {"optimizer": optimizer, "alpha": 2.0, "tol": 1e-9, "max_iter": 1000}
    ours = start_of(start, trainable=frozen(0, 1), **settings).fit(X, Y)
    expected = Ridge(2.0).fit(hidden_values(start, X, 2), Y)
    np.testing.assert_allclose(ours.coefs_[2].ravel(), expected.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercepts_[2], expected.intercept_, atol=1e-5)
    assert_frozen(start, ours, frozen(0, 1))


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_an_output_layer_alone_with_an_l1_penalty_is_the_lasso(optimizer):
    start = pretrained()
    settings = {"optimizer": optimizer, "alpha": 0.05 * len(X), "l1_ratio": 1.0, "tol": 1e-10}
    if optimizer == "adam":
        settings |= {"batch_size": "full", "learning_rate": "cosine", "learning_rate_init": 0.05}
    model = start_of(start, trainable=frozen(0, 1), max_iter=4000, **settings)
    coefs = model.fit(X, Y).coefs_[2].ravel()
    expected = Lasso(0.05, tol=1e-14, max_iter=10**5).fit(hidden_values(start, X, 2), Y).coef_
    np.testing.assert_allclose(coefs, expected, atol=1e-5)
    np.testing.assert_array_equal(coefs == 0, expected == 0)
    assert 0 < np.count_nonzero(expected) < 5


# -- partial_fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize("averaging", [None, "ema"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon", "schedule_free"])
def test_other_frozen_layers_mean_a_fresh_optimizer(optimizer, averaging):
    if OPTIMIZERS[optimizer].averages_iterates:
        averaging = None
    model = make(optimizer=optimizer, averaging=averaging, shuffle=False, batch_size=30)
    model.set_params(trainable=frozen(0)).partial_fit(X, Y).partial_fit(X, Y)
    # The frozen layers have the same shapes as before.
    expected = start_of(model, trainable=frozen(1)).partial_fit(X, Y).partial_fit(X, Y)
    model.set_params(trainable=frozen(1)).partial_fit(X, Y).partial_fit(X, Y)
    for layer in range(N_LAYERS):
        for mine, other in zip(arrays(model, layer), arrays(expected, layer), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_other_factors_leave_the_optimizer_as_it_is():
    settings = {"optimizer": "adam", "shuffle": False, "batch_size": "full"}
    model = make(**settings, trainable=[1.0, 1.0, 1.0]).partial_fit(X, Y)
    plain = make(**settings).partial_fit(X, Y)
    before = copy.deepcopy(model)
    model.set_params(trainable=[0.5, 2.0, 1.0]).partial_fit(X, Y)
    plain.partial_fit(X, Y)
    for layer, factor in enumerate([0.5, 2.0, 1.0]):
        for old, mine, other in zip(
            *(arrays(one, layer) for one in (before, model, plain)), strict=True
        ):
            np.testing.assert_allclose(mine - old, factor * (other - old), atol=1e-14)


def test_schedules_count_the_epochs_in_which_other_layers_were_frozen():
    models = [make(learning_rate="exponential", warmup=3) for _ in range(2)]
    for trainable in (None, None, frozen(0), frozen(0), frozen(1), None):
        models[0].set_params(trainable=trainable)
        for model in models:
            model.partial_fit(X, Y)
    rates, expected = (model.history_["learning_rate"] for model in models)
    assert rates == expected


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_warm_start_may_freeze_layers(optimizer):
    model = make(optimizer=optimizer, warm_start=True, max_iter=3).fit(X, Y)
    before = copy.deepcopy(model)
    model.set_params(trainable=frozen(0, 1)).fit(X, Y)
    assert_frozen(before, model, frozen(0, 1))


# -- around it -----------------------------------------------------------------------------------


def test_true_is_the_plain_learning_rate():
    plain, all_true = (make(trainable=t, max_iter=3).fit(X, Y) for t in (None, np.ones(3, bool)))
    for layer in range(N_LAYERS):
        for mine, other in zip(arrays(all_true, layer), arrays(plain, layer), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_a_search_over_what_is_frozen():
    start = pretrained()
    grid = {"trainable": [None, frozen(0), [0.1, 0.5, 1.0]], "optimizer": ["adam", "sgd"]}
    search = GridSearchCV(start_of(start, max_iter=3), grid, cv=2, error_score="raise").fit(X, Y)
    assert search.best_estimator_.initializer.fitted is start


def test_inspection_sees_frozen_layers_too():
    start = pretrained(normalization="batch")
    model = start_of(start, trainable=frozen(0, 1), max_iter=3).fit(X, Y)
    before = copy.deepcopy(model)
    assert check_gradients(model, X, Y).passed
    layers = diagnose(model, X, Y).statistics
    assert (layers["gradients"] > 0).all()
    assert layers["update_ratio"][:2].tolist() == [0, 0]
    assert layers["update_ratio"][2] > 0
    assert find_learning_rate(model, X, Y, n_steps=20).suggestion > 0
    assert_frozen(before, model, [False] * N_LAYERS)
