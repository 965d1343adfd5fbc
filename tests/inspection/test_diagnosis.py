import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler, scale

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.initializers import Normal
from sknn_opt.inspection import diagnose
from sknn_opt.inspection.remedies import FAULTS
from sknn_opt.inspection.skills import measure_skills
from sknn_opt.normalizations import BatchNorm
from sknn_opt.optimizers import OPTIMIZERS

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = load_digits(return_X_y=True)
X, Y = scale(X[:500]), Y[:500]
CANCER, IS_BENIGN = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
DIABETES, PROGRESS = scale(DIABETES), scale(PROGRESS)


def network(*args, **parameters):
    return MLPClassifier(*args, **{"random_state": 0, "max_iter": 15, **parameters})


VANISHING, EXPLODING, DEAD = "vanishing_gradients", "exploding_gradients", "dead_units"
SATURATED, SYMMETRIC = "saturated_units", "symmetric_units"
HIGH, LOW = "high_learning_rate", "low_learning_rate"

#: Networks with a fault from the start: its name, the network, how many layers show it.
FAULTY = {
    "shrinking tanh": (VANISHING, network((32,) * 15, "tanh", initializer=Normal(0.05)), 15),
    "deep logistic": (VANISHING, network((32,) * 6, "logistic"), 6),
    "deep relu": (VANISHING, network((32,) * 15), 15),
    "large weights": (EXPLODING, network((32,) * 8, initializer=Normal(0.7)), 8),
    "chaotic tanh": (EXPLODING, network((32,) * 12, "tanh", initializer=Normal(1.0)), 12),
    "very large weights": (EXPLODING, network((32,), initializer=Normal(10.0)), 2),
    "very large weights, linear": (EXPLODING, network((), initializer=Normal(100.0)), 1),
    "overflow": (EXPLODING, network((32,) * 8, initializer=Normal(1e200)), 9),
    "growing activations": (EXPLODING, network((16,) * 24, residual=True), 24),
    "narrow relu": (DEAD, network((4,) * 25), None),
    "wide tanh": (SATURATED, network((32, 32), "tanh", initializer=Normal(2.0)), 2),
    "wide hard_tanh": (SATURATED, network((32,), "hard_tanh", initializer=Normal(2.0)), 1),
    "wide logistic": (SATURATED, network((32,), "logistic", initializer=Normal(3.0)), 1),
    "zeros": (SYMMETRIC, network((16, 16), initializer="zeros"), 2),
    "constant": (SYMMETRIC, network((16, 16), initializer="constant"), 2),
    "fast adam": (HIGH, network((32,), learning_rate_init=0.5), 2),
    "fast sgd": (HIGH, network((32,) * 4, optimizer="sgd", learning_rate_init=5.0), 5),
    "slow adam": (LOW, network((32,), learning_rate_init=1e-7), 2),
    "slow sgd": (LOW, network((32,), optimizer="sgd", learning_rate_init=1e-6), 2),
}
BY_SCALING = {"unscaled_inputs", "unscaled_targets"}
every_fault = pytest.mark.parametrize("case", FAULTY)


def find(name, *arguments):
    """The finding of this name, or None."""
    findings = {finding.name: finding for finding in diagnose(*arguments).findings}
    return findings.get(name)


def test_that_there_is_a_network_with_each_fault():
    tables = FAULTY, FAULTY_AFTER_TRAINING, FAULTY_ON_OTHER_DATA
    tested = {name for table in tables for name, *_ in table.values()}
    assert tested == set(FAULTS) - BY_SCALING


@every_fault
def test_the_fault_is_found_and_each_remedy_mends_it(case):
    name, estimator, n_layers = FAULTY[case]
    finding = find(name, estimator, X, Y)
    assert n_layers in (None, len(finding.layers))
    assert finding.changes
    for change in finding.changes:
        assert all(f"{keyword}={value!r}" in finding.remedy for keyword, value in change.items())
        assert find(name, clone(estimator).set_params(**change), X, Y) is None


@pytest.mark.parametrize(
    "case", ["shrinking tanh", "large weights", "zeros", "fast sgd", "slow adam", "wide tanh"]
)
def test_the_first_remedy_lets_a_network_learn(case):
    name, estimator, _ = FAULTY[case]

    def accuracy(change):
        try:
            return clone(estimator).set_params(**change).fit(X, Y).score(X, Y)
        except ValueError:  # diverged
            return 0.0

    best_known, *_ = find(name, estimator, X, Y).changes
    assert accuracy({}) < accuracy(best_known) - 0.2


#: Networks in which training leads to a fault; it is that of the fitted network.
FAULTY_AFTER_TRAINING = {
    "relu": (DEAD, network((32,) * 3, learning_rate_init=0.3)),
    "sgd": (DEAD, network((32,) * 2, optimizer="sgd", learning_rate_init=3.0)),
    "small batches": (DEAD, network((32,) * 6, learning_rate_init=0.1, batch_size=10)),
    "tanh": (SATURATED, network((32,) * 2, "tanh", learning_rate_init=0.5)),
    "penalty": (
        "strong_penalty",
        network((32,) * 3, alpha=100, max_iter=200),
    ),
}


@pytest.mark.parametrize("case", FAULTY_AFTER_TRAINING)
def test_remedies_for_what_training_leads_to(case):
    name, estimator = FAULTY_AFTER_TRAINING[case]
    assert find(name, estimator, X, Y) is None
    finding = find(name, estimator.fit(X, Y), X, Y)
    assert finding.changes
    for change in finding.changes:
        assert find(name, clone(estimator).set_params(**change).fit(X, Y), X, Y) is None


OVER, UNDER = "overfitting", "underfitting"


def _mislabelled():
    rng = np.random.RandomState(0)
    return X, np.where(rng.rand(len(Y)) < 0.3, rng.randint(10, size=len(Y)), Y)


#: Data whose second half is for validation.
HALVED = {
    "digits": (X, Y),
    "mislabelled digits": _mislabelled(),
    "diabetes": (DIABETES, PROGRESS),
    "noise": (
        np.random.RandomState(0).normal(size=(400, 20)),
        np.random.RandomState(1).randint(2, size=400),
    ),
    "noisy numbers": (
        np.random.RandomState(0).normal(size=(400, 20)),
        np.random.RandomState(1).normal(size=400),
    ),
    "breast_cancer": (scale(CANCER), IS_BENIGN),
    "iris": (scale(load_iris().data), load_iris().target),
    "wine": (scale(load_wine().data), load_wine().target),
}
HALVED = {
    name: train_test_split(*data, test_size=0.5, random_state=0) for name, data in HALVED.items()
}


def regressor(*args, **parameters):
    return MLPRegressor(*args, **{"random_state": 0, **parameters})


#: Networks whose fault is how they predict: its name, the data, the network, and what is to
#: be changed.
FAULTY_ON_OTHER_DATA = {
    "wrong labels by heart": (
        OVER, "mislabelled digits", network(max_iter=200), ["early_stopping", "alpha", "dropout"],
    ),
    "numbers by heart": (
        OVER, "diabetes", regressor(optimizer="lbfgs"), ["early_stopping", "alpha"],
    ),
    "deep": (
        OVER, "diabetes", regressor((50,) * 4), ["early_stopping", "alpha", "dropout"],
    ),
    "one unit": (UNDER, "digits", network((1,), max_iter=200), ["hidden_layer_sizes"]),
    "a bottleneck": (UNDER, "digits", network((30, 1, 30), max_iter=50), ["hidden_layer_sizes"]),
    "a short training": (
        UNDER, "digits", network((30,), learning_rate_init=3e-4),
        ["max_iter", "learning_rate_init"],
    ),
    "an early end": (
        UNDER, "digits", network((30,), learning_rate_init=2e-4, tol=0.1, max_iter=200),
        ["tol", "learning_rate_init"],
    ),
    "small steps": (
        UNDER, "diabetes", regressor((), max_iter=50), ["max_iter", "learning_rate_init"],
    ),
    "a penalty": (UNDER, "digits", network((30,), alpha=80, max_iter=100), ["alpha"]),
    "much dropout": (UNDER, "digits", network((30, 30), dropout=0.9, max_iter=60), ["dropout"]),
}  # fmt: skip


def find_on_other_data(name, estimator, data):
    X, X_val, y, y_val = HALVED[data]
    findings = diagnose(estimator.fit(X, y), X, y, X_val=X_val, y_val=y_val).findings
    return next((finding for finding in findings if finding.name == name), None)


@pytest.mark.parametrize("case", FAULTY_ON_OTHER_DATA)
def test_each_remedy_mends_what_other_data_show(case):
    name, data, estimator, keywords = FAULTY_ON_OTHER_DATA[case]
    finding = find_on_other_data(name, estimator, data)
    assert [keyword for change in finding.changes for keyword in change] == keywords
    for change in finding.changes:
        assert all(f"{keyword}={value!r}" in finding.remedy for keyword, value in change.items())
        changed = clone(estimator).set_params(**change)
        assert find_on_other_data(name, changed, data) is None
    X, _, y, _ = HALVED[data]
    assert not {OVER, UNDER} & {f.name for f in diagnose(estimator, X, y).findings}


@pytest.mark.parametrize(
    ("data", "estimator"),
    [
        ("noise", network(max_iter=500)),
        ("noise", network(optimizer="lbfgs", max_iter=500)),
        ("noisy numbers", regressor(optimizer="lbfgs")),
    ],
)
def test_no_parameter_is_a_remedy_for_noise_learnt_by_heart(data, estimator):
    finding = find_on_other_data(OVER, estimator, data)
    assert estimator.score(*HALVED[data][::2]) > 0.99
    assert finding.changes == []
    assert "Get more samples" in finding.remedy
    assert "a linear model is no better than a constant" in finding.message


def test_layers_that_are_too_narrow_are_named():
    for case, layers in {"one unit": [0], "a bottleneck": [1]}.items():
        name, data, estimator, _ = FAULTY_ON_OTHER_DATA[case]
        assert find_on_other_data(name, estimator, data).layers == layers


def test_remedies_that_are_applied_already_are_not_named():
    X, X_val, y, y_val = HALVED["mislabelled digits"]
    estimator = network(max_iter=200).fit(X, y)
    estimator.set_params(early_stopping=True, dropout=0.5)
    (finding,) = diagnose(estimator, X, y, X_val=X_val, y_val=y_val).findings
    assert [*finding.changes] == [{"alpha": 6.0}]


SOUND_ON_OTHER_DATA = {
    "default": {"max_iter": 200},
    "lbfgs": {"optimizer": "lbfgs", "alpha": 10},
    "small": {"hidden_layer_sizes": (20,), "learning_rate_init": 0.01},
    "linear": {"hidden_layer_sizes": (), "learning_rate_init": 0.01, "max_iter": 200},
    "dropout": {"dropout": 0.3, "learning_rate_init": 0.01},
    "early_stopping": {"early_stopping": True, "learning_rate_init": 0.01, "max_iter": 200},
}


@pytest.mark.parametrize("settings", SOUND_ON_OTHER_DATA)
@pytest.mark.parametrize("data", ["digits", "iris", "wine", "diabetes", "breast_cancer"])
def test_sound_networks_give_no_finding_on_other_data(data, settings):
    X, X_val, y, y_val = HALVED[data]
    estimator = (MLPRegressor if data == "diabetes" else MLPClassifier)(random_state=0)
    estimator.set_params(**{"max_iter": 50, **SOUND_ON_OTHER_DATA[settings]}).fit(X, y)
    names = {f.name for f in diagnose(estimator, X, y, X_val=X_val, y_val=y_val).findings}
    assert not {OVER, UNDER} & names


def test_what_explains_underfitting_comes_in_its_place():
    collapsed = network((30,), optimizer="lbfgs", alpha=1000)
    X, X_val, y, y_val = HALVED["digits"]
    for estimator in (FAULTY["zeros"][1], FAULTY["slow adam"][1], collapsed):
        estimator = clone(estimator).set_params(max_iter=200).fit(X, y)
        names = [f.name for f in diagnose(estimator, X, y, X_val=X_val, y_val=y_val).findings]
        assert names
        assert UNDER not in names


def test_skills_are_shares_of_what_a_constant_leaves():
    X, X_val, y, y_val = HALVED["digits"]
    weight, weight_val = np.arange(len(y)) % 3 + 1.0, np.arange(len(y_val)) % 2 + 1.0
    estimator = network((20,)).fit(X, y, weight)
    data = (X, y, weight), (X_val, y_val, weight_val)
    skills = measure_skills(estimator, *data)
    scaler = StandardScaler().fit(X)
    linear = RidgeClassifier().fit(scaler.transform(X), y, weight)
    most_frequent = np.bincount(y, weight).argmax()
    for (X, y, w), score, skill in zip(
        data,
        (skills.training_score, skills.validation_score),
        (skills.training, skills.validation),
        strict=True,
    ):
        constant = np.average(y == most_frequent, weights=w)
        assert score == pytest.approx(estimator.score(X, y, w))
        assert skill == pytest.approx((score - constant) / (1 - constant))
    expected = np.average(linear.predict(scaler.transform(X_val)) == y_val, weights=weight_val)
    assert skills.linear_score == pytest.approx(expected, abs=0.01)
    assert skills.linear == pytest.approx((skills.linear_score - constant) / (1 - constant))


@pytest.mark.parametrize(
    "labels", ["strings", "several", "probabilities", "outputs", "one class", "sparse"]
)
def test_all_kinds_of_targets_and_features_are_scored(labels):
    X, X_val, y, y_val = HALVED["breast_cancer"]
    if labels == "sparse":
        X, X_val = sparse.csr_array(X), sparse.csr_array(X_val)
    change = {
        "strings": lambda y: np.array(["no", "yes"])[y],
        "several": lambda y: np.c_[y, 1 - y],
        "probabilities": lambda y: np.c_[0.1 + 0.8 * y, 0.9 - 0.8 * y],
        "outputs": lambda y: np.c_[y, 2 * (1 - y)],
        "one class": lambda y: 0 * y,
        "sparse": lambda y: y,
    }[labels]
    estimator = network((20,), max_iter=100).fit(X, change(y))
    findings = diagnose(estimator, X, change(y), X_val=X_val, y_val=change(y_val)).findings
    assert not {OVER, UNDER} & {finding.name for finding in findings}


def test_validation_data_are_checked():
    X, X_val, y, y_val = HALVED["digits"]
    with pytest.raises(NotFittedError):
        diagnose(network(), X, y, X_val=X_val, y_val=y_val)
    with pytest.raises(ValueError, match="y_val"):
        diagnose(network().fit(X, y), X, y, X_val=X_val)


def test_a_fault_from_the_start_is_found_after_training():
    name, estimator, _ = FAULTY["shrinking tanh"]
    fitted = clone(estimator).fit(X, Y)
    assert find(name, fitted, X, Y).changes == find(name, estimator, X, Y).changes


INPUTS = {
    "large features": CANCER,
    "an offset": scale(CANCER) + 100,
    "one large feature": scale(CANCER) * np.r_[200, np.ones(29)],
    "one small feature": scale(CANCER) * np.r_[1e-4, np.ones(29)],
    "small features": scale(CANCER) * 1e-3,
    "large, sparse": sparse.csr_array(CANCER),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_unscaled_features_are_found(kind):
    finding = find("unscaled_inputs", network((20,)), INPUTS[kind], IS_BENIGN)
    assert "StandardScaler()" in finding.remedy
    assert finding.layers == [0]


@pytest.mark.parametrize("y", [PROGRESS * 77 + 152, PROGRESS * 1e-3, PROGRESS + 50])
def test_unscaled_targets_are_found(y):
    estimator = MLPRegressor((20,), random_state=0)
    finding = find("unscaled_targets", estimator, DIABETES, y)
    assert finding.remedy == "Set scale_targets=True."
    assert finding.changes == [{"scale_targets": True}]
    assert finding.layers == [1]
    scaled = clone(estimator).set_params(scale_targets=True, max_iter=50)
    for twin in (scaled, clone(scaled).fit(DIABETES, y)):
        assert not diagnose(twin, DIABETES, y).findings
    assert not diagnose(estimator, DIABETES, scale(y)).findings
    # An exponential link brings outputs to any size.
    assert not find("unscaled_targets", estimator.set_params(loss="poisson"), DIABETES, y**2)


DATA = {
    "digits": (MLPClassifier, X, Y),
    "unscaled digits": (MLPClassifier, *load_digits(return_X_y=True)),
    "breast_cancer": (MLPClassifier, scale(CANCER), IS_BENIGN),
    "diabetes": (MLPRegressor, DIABETES, PROGRESS),
}
SOUND = {
    "default": {},
    "deep": {"hidden_layer_sizes": (50,) * 8, "initializer": "he_normal"},
    "normalized": {"hidden_layer_sizes": (30,) * 5, "normalization": "batch", "residual": True},
    "normalized layer by layer": {
        "hidden_layer_sizes": (30,) * 3,
        "normalization": [BatchNorm(momentum=0.3), "layer", None],
    },
    "linear": {"hidden_layer_sizes": ()},
    "lbfgs": {"optimizer": "lbfgs"},
    "warm-up": {"warmup": 0.2, "learning_rate": "one_cycle", "dropout": 0.2},
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", SOUND)
@pytest.mark.parametrize("data", DATA)
def test_sound_networks_give_no_finding(data, settings, seed):
    cls, X, y = DATA[data]
    estimator = cls(**SOUND[settings], max_iter=50, random_state=seed)
    before_and_after = diagnose(estimator, X, y), diagnose(estimator.fit(X, y), X, y)
    assert [d.findings for d in before_and_after] == [[], []]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_sound_activations_give_no_finding(activation):
    assert not diagnose(MLPClassifier((30, 30), activation, random_state=0), X, Y).findings


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_sound_optimizers_give_no_finding(optimizer):
    estimator, data = MLPClassifier((30,)), (X, Y)
    if optimizer == "lm":
        estimator, data = MLPRegressor((30,)), (DIABETES, PROGRESS)
    diagnosis = diagnose(estimator.set_params(optimizer=optimizer, random_state=0), *data)
    assert not diagnosis.findings
    steps = np.isfinite(diagnosis.statistics["update_ratio"])
    assert steps.all() if hasattr(OPTIMIZERS[optimizer], "_rule") else not steps.any()


def test_a_network_that_has_learnt_may_take_short_steps():
    estimator = network((30,), learning_rate_init=0.01, max_iter=50).fit(X, Y)
    estimator.set_params(learning_rate_init=1e-7)
    assert not diagnose(estimator, X, Y).findings
    assert find(LOW, clone(estimator), X, Y)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_likelihoods_of_small_noise_are_below_0_and_no_fault(optimizer):
    y = scale(DIABETES @ np.linspace(-1, 1, DIABETES.shape[1]))
    settings = {"learning_rate_init": 0.01, "max_iter": 300, "random_state": 0}
    model = MLPRegressor((), loss="gaussian_nll", optimizer=optimizer, **settings).fit(DIABETES, y)
    assert model.loss_ < 0
    assert not diagnose(model, DIABETES, y).findings


def test_statistics_are_those_of_numpy():
    estimator = MLPRegressor((6, 5), "tanh", optimizer="lbfgs", alpha=0, random_state=0)
    estimator.set_params(max_iter=3).fit(DIABETES, PROGRESS)
    statistics = diagnose(estimator, DIABETES, PROGRESS).statistics
    outputs, W = [DIABETES], estimator.coefs_
    for i in range(3):
        z = outputs[-1] @ W[i] + estimator.intercepts_[i]
        outputs.append(np.tanh(z) if i < 2 else z)
    deltas = [outputs[3] - PROGRESS[:, np.newaxis]]
    for i in (1, 0):
        deltas.insert(0, deltas[0] @ W[i + 1].T * (1 - outputs[i + 1] ** 2))
    expected = {
        "units": [6, 5, 1],
        "weights": [np.sqrt((w**2).mean()) for w in W],
        "activations": [np.sqrt(a.var(axis=0).mean()) for a in outputs[1:]],
        "gradients": [np.sqrt((d**2).sum(axis=1).mean()) for d in deltas],
        "dead": [0, 0, np.nan],
        "saturated": [*((1 - a**2 < 0.05).mean() for a in outputs[1:3]), np.nan],
        "update_ratio": [np.nan] * 3,
    }
    assert statistics.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(statistics[name], values, rtol=1e-9, err_msg=name)


def test_update_ratio_is_that_of_gradient_descent():
    # A step of a linear model whose gradient stays: the loss is linear where X is tiny.
    x, y = np.full((40, 1), 1.0), np.full(40, 1000.0)
    estimator = MLPRegressor((), optimizer="sgd", momentum=0, alpha=0, learning_rate_init=1e-6)
    estimator.set_params(initializer="constant")
    ratio = diagnose(estimator, x, y).statistics["update_ratio"]
    np.testing.assert_allclose(ratio, 1e-6 * 999.9 / 0.1, rtol=1e-3)


def test_samples_are_drawn_from_all_rows():
    far = np.vstack([X, X + 1e6])
    finding = find("unscaled_inputs", network((9,)), far, np.r_[Y, Y])
    assert finding
    diagnosis = diagnose(network((9,)), X, Y, max_samples=100)
    full = diagnose(network((9,)), X, Y)
    np.testing.assert_allclose(
        diagnosis.statistics["gradients"], full.statistics["gradients"], rtol=0.2
    )


@pytest.mark.parametrize("fitted", [False, True])
def test_the_estimator_stays_as_it_is(fitted):
    estimator = network((9,), random_state=np.random.RandomState(0), normalization="batch")
    if fitted:
        estimator.partial_fit(X, Y, classes=range(10))
    before = {name: repr(value) for name, value in vars(estimator).items()}
    state = repr(estimator.random_state.get_state())
    diagnose(estimator, X, Y, np.ones(len(Y)))
    assert {name: repr(value) for name, value in vars(estimator).items()} == before
    assert repr(estimator.random_state.get_state()) == state


def test_some_classes_are_enough_for_a_fitted_network():
    estimator = network((9,)).fit(X, Y)
    assert not diagnose(estimator, X[Y < 3], Y[Y < 3]).findings


def test_the_report():
    sound = repr(diagnose(network((9,)), X, Y)).splitlines()
    assert sound[0] == "No findings"
    assert sound[1].split() == ["layer", *diagnose(network((9,)), X, Y).statistics]
    assert len(sound) == 4
    faulty = repr(diagnose(*[FAULTY["shrinking tanh"][1], X, Y])).splitlines()
    assert faulty[0] == "1 finding"
    assert faulty[1].startswith("- vanishing_gradients: gradients shrink")
    assert "Set initializer='glorot_uniform', normalization='layer' or residual=True." in faulty[2]
