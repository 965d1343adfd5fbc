import pickle

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_iris

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.activations import ACTIVATIONS, Activation, ReLU, Tanh
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, LogLoss
from sknn_opt.normalizations import BatchNorm
from sknn_opt.optimizers import LBFGS, OPTIMIZERS, SGD, Adam
from sknn_opt.schedules import SCHEDULES, InvScaling

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = load_iris(as_frame=True, return_X_y=True)
Y = Y.to_numpy()
NAMES = np.array(["setosa", "versicolor", "virginica"])
SETTINGS = {"hidden_layer_sizes": (8, 6), "max_iter": 10, "random_state": 0}

#: Class, loss and targets.
TASKS = {
    "binary": ("MLPClassifier", "log_loss", Y > 0),
    "multiclass": ("MLPClassifier", "log_loss", NAMES[Y]),
    "multilabel": ("MLPClassifier", "log_loss", np.column_stack([Y > 0, Y > 1]).astype(int)),
    "regression": ("MLPRegressor", "squared_error", Y.astype(float)),
    "two targets": ("MLPRegressor", "squared_error", np.column_stack([Y, -Y]).astype(float)),
    "poisson": ("MLPRegressor", "poisson", Y.astype(float)),
}
tasks = pytest.mark.parametrize("task", TASKS)
HAS_POISSON = "loss" in neural_network.MLPRegressor().get_params()


def fit(task, ours=True, **parameters):
    name, loss, y = TASKS[task]
    if task == "poisson" and not HAS_POISSON and not ours:
        pytest.skip("this scikit-learn has no Poisson loss")
    if ours or (HAS_POISSON and name == "MLPRegressor"):
        parameters["loss"] = loss
    cls = globals()[name] if ours else getattr(neural_network, name)
    return cls(**{**SETTINGS, **parameters}).fit(X, y)


def assert_same(a, b, y):
    for method in ("predict", "predict_proba"):
        if hasattr(a, method):
            ours, theirs = getattr(a, method)(X), getattr(b, method)(X)
            if ours.dtype.kind == "f":
                # They compute the probability of the first of two classes as 1 - p.
                np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
            else:
                np.testing.assert_array_equal(ours, theirs)
    assert a.score(X, y) == pytest.approx(b.score(X, y), rel=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"hidden_layer_sizes": ()},
        {"activation": "identity", "optimizer": "lbfgs"},
        {"activation": "sigmoid", "solver": "sgd", "early_stopping": True},
        {"activation": [Tanh(), "tanh"], "dropout": 0.3, "optimizer": "lion"},
    ],
    ids=str,
)
@tasks
def test_predictions_are_those_of_scikit_learn_both_ways(task, settings):
    network = fit(task, **settings)
    if task == "poisson" and not HAS_POISSON:
        with pytest.raises(ValueError, match="the loss Poisson"):
            network.to_sklearn()
        return
    converted = network.to_sklearn()
    back = type(network).from_sklearn(converted)
    assert type(converted).__module__.startswith("sklearn.")
    for other in (converted, pickle.loads(pickle.dumps(converted)), back):
        assert_same(network, other, TASKS[task][2])
    np.testing.assert_array_equal(converted.feature_names_in_, X.columns)
    assert back.n_features_in_ == converted.n_features_in_ == 4
    assert clone(converted).get_params() == converted.get_params()
    clone(converted).fit(X, TASKS[task][2])


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@tasks
def test_networks_of_scikit_learn_can_be_taken_over(task, solver):
    theirs = fit(task, ours=False, solver=solver, activation="tanh", alpha=0.1)
    ours = globals()[TASKS[task][0]].from_sklearn(theirs)
    y = TASKS[task][2]
    assert_same(ours, theirs, y)
    assert_same(pickle.loads(pickle.dumps(ours)), theirs, y)
    assert_same(ours.to_sklearn(), theirs, y)
    assert ours.to_sklearn().get_params() == theirs.get_params()
    assert ours.get_params().items() >= {"alpha": 0.1, "activation": "tanh"}.items()
    assert ours.optimizer == solver
    # All that fit leaves is there, so that what reads it works.
    fitted = {name for name in vars(fit(task)) if not name.startswith("_optimizer")}
    assert vars(ours).keys() >= fitted
    assert {len(column) for column in ours.history_.values()} == {len(ours.loss_curve_)}


def test_training_goes_on_after_conversion():
    theirs = fit("multiclass", ours=False, solver="sgd", tol=0)
    ours = MLPClassifier.from_sklearn(theirs).set_params(warm_start=True, max_iter=3)
    loss = ours.loss_
    ours.fit(X, NAMES[Y])
    assert len(ours.history_["loss"]) == len(ours.loss_curve_) == 13
    assert ours.loss_ < loss
    ours.partial_fit(X, NAMES[Y])
    assert ours.loss_curve_[:10] == theirs.loss_curve_
    assert len(theirs.loss_curve_) == 10


def test_conversions_share_no_arrays():
    network = fit("regression")
    converted = network.to_sklearn()
    before = converted.predict(X)
    network.coefs_[0][:] = network.intercepts_[0][:] = 0
    np.testing.assert_array_equal(converted.predict(X), before)
    back = MLPRegressor.from_sklearn(converted)
    converted.coefs_[0][:] = 0
    np.testing.assert_allclose(back.predict(X), before, rtol=1e-12)


def test_assigned_lists_of_numbers_are_converted():
    network = fit("regression", hidden_layer_sizes=(8,))
    network.coefs_ = [np.round(8 * w).astype(int).tolist() for w in network.coefs_]
    converted = network.to_sklearn()
    np.testing.assert_allclose(converted.predict(X), network.predict(X), rtol=1e-12)


@pytest.mark.parametrize("sizes", [(), (3,), (3, 3, 3)])
def test_the_fitted_network_is_converted_whatever_the_parameter_says_by_now(sizes):
    theirs = fit("regression", ours=False).set_params(hidden_layer_sizes=sizes)
    ours = MLPRegressor.from_sklearn(theirs)
    assert ours.hidden_layer_sizes == sizes
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-12)


def test_float32_is_kept():
    network = fit("regression", dtype="float32")
    converted = network.to_sklearn()
    assert {w.dtype.name for w in converted.coefs_} == {"float32"}
    np.testing.assert_allclose(converted.predict(X), network.predict(X), rtol=1e-5)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"optimizer": SGD(momentum=0.3, nesterovs_momentum=False)},
         {"solver": "sgd", "momentum": 0.3, "nesterovs_momentum": False}),
        ({"optimizer": Adam(beta_1=0.5)}, {"solver": "adam", "beta_1": 0.5}),
        ({"optimizer": LBFGS()}, {"solver": "lbfgs"}),
        ({"learning_rate": InvScaling(power_t=0.2)},
         {"learning_rate": "invscaling", "power_t": 0.2}),
        ({"activation": ReLU()}, {"activation": "relu"}),
        ({"loss": LogLoss(label_smoothing=0.1)}, {}),
        ({"batch_size": "full", "learning_rate_init": "auto"},
         {"batch_size": "auto", "learning_rate_init": 0.001}),
        ({"batch_size": np.int64(7), "alpha": 0.3, "tol": 0.1},
         {"batch_size": 7, "alpha": 0.3, "tol": 0.1}),
        ({"class_weight": "balanced", "clip_norm": 1.0, "label_smoothing": 0.0}, {}),
    ],
)  # fmt: skip
def test_parameters_are_carried_over(ours, theirs):
    converted = fit("multiclass", **ours).to_sklearn()
    defaults = neural_network.MLPClassifier().get_params()
    assert converted.get_params() == {**defaults, **SETTINGS, **theirs}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_that_it_lacks_become_its_default(name):
    converted = fit("regression", optimizer=name, max_iter=1).to_sklearn()
    assert converted.solver == (name if name in ("sgd", "adam", "lbfgs") else "adam")


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_that_it_lacks_become_its_default(name):
    converted = fit("binary", learning_rate=name, max_iter=1).to_sklearn()
    known = ("constant", "invscaling", "adaptive")
    assert converted.learning_rate == (name if name in known else "constant")


def _assert_lacking(network, *reasons):
    with pytest.raises(ValueError, match="lacks") as error:
        network.to_sklearn()
    for reason in reasons:
        assert reason in str(error.value)
    assert str(error.value).count(";") == len(reasons) - 1


KNOWN_ACTIVATIONS = {"identity", "logistic", "tanh", "relu"}


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - KNOWN_ACTIVATIONS))
def test_activations_that_it_lacks(name):
    cls = ACTIVATIONS[name]
    _assert_lacking(fit("binary", activation=name), f"the activation {cls()!r}")


@pytest.mark.parametrize("name", sorted(set(CLASSIFIER_LOSSES) - {"log_loss"}))
def test_losses_for_classes_that_it_lacks(name):
    network = MLPClassifier(**SETTINGS, loss=name).fit(X, Y)
    _assert_lacking(network, f"the loss {CLASSIFIER_LOSSES[name]()!r}")


@pytest.mark.parametrize("name", sorted(set(REGRESSOR_LOSSES) - {"squared_error", "poisson"}))
def test_losses_of_regression_that_it_lacks(name):
    network = MLPRegressor(**SETTINGS, loss=name).fit(X, Y + 1.0)
    _assert_lacking(network, f"the loss {REGRESSOR_LOSSES[name].__name__}(")


def test_everything_that_it_lacks_is_named():
    own = Activation.from_functions(lambda z: z, lambda z: 1.0 + 0.0 * z)
    settings = {"normalization": "layer", "residual": True, "loss": "focal"}
    network = MLPClassifier((4, 4), ["gelu", own], **settings, max_iter=1).fit(X, Y)
    _assert_lacking(
        network,
        "scikit-learn's MLPClassifier lacks the activation GELU()",
        "the activation FromFunctions(",
        "different activations",
        "the normalization LayerNorm()",
        "residual connections",
        "the loss Focal()",
    )


def test_each_normalization_that_it_lacks_is_named_once():
    normalization = ["layer", "batch", None, "layer"]
    network = MLPClassifier((3,) * 4, normalization=normalization, max_iter=1).fit(X, Y)
    _assert_lacking(network, "the normalization LayerNorm()")
    assert_same(*(n := fit("binary", normalization=[None] * 2), n.to_sklearn()), Y > 0)


@pytest.mark.parametrize("normalization", ["batch", [None, BatchNorm(epsilon=0.1)]])
@tasks
def test_batch_normalization_becomes_a_part_of_the_layers(task, normalization):
    if task == "poisson" and not HAS_POISSON:
        pytest.skip("this scikit-learn has no Poisson loss")
    network = fit(task, normalization=normalization)
    assert_same(network, network.to_sklearn(), TASKS[task][2])


def test_residual_connections_that_find_no_equal_widths_are_none():
    assert_same(*(n := fit("binary", residual=True), n.to_sklearn()), Y > 0)
    _assert_lacking(fit("binary", residual=True, hidden_layer_sizes=(4,)), "residual connections")


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_other_estimators_are_refused(name):
    ours, theirs = globals()[name], getattr(neural_network, name)
    others = {neural_network.MLPClassifier, neural_network.MLPRegressor} - {theirs}
    with pytest.raises(TypeError, match="Expected a fitted"):
        ours.from_sklearn(others.pop()())
    with pytest.raises(ValueError, match="not fitted"):
        ours.from_sklearn(theirs())
    with pytest.raises(ValueError, match="not fitted"):
        ours().to_sklearn()


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_converted_network_with_early_stopping_goes_on(task):
    converted = fit(task, early_stopping=True).to_sklearn()
    converted.set_params(warm_start=True, max_iter=2).fit(X, TASKS[task][2]).predict(X)
