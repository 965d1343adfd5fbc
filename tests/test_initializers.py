import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier as SklearnClassifier

from sknn_opt import MLPRegressor
from sknn_opt.activations import ACTIVATIONS, LeakyReLU
from sknn_opt.initializers import (
    INITIALIZERS,
    Auto,
    Constant,
    HeNormal,
    HeUniform,
    Initializer,
    Normal,
    Orthogonal,
    Uniform,
    Zeros,
)

UNIFORM, NORMAL, ORTHOGONAL, EQUAL = "uniform", "normal", "orthogonal", "equal"

#: Distribution of the weights, and their bound, standard deviation, norm or value as a
#: function of fan_in and fan_out, in front of ReLU.
REFERENCES = {
    "auto": (UNIFORM, lambda fan_in, fan_out: np.sqrt(6 / (fan_in + fan_out))),
    "glorot_uniform": (UNIFORM, lambda fan_in, fan_out: np.sqrt(6 / (fan_in + fan_out))),
    "glorot_normal": (NORMAL, lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out))),
    "he_uniform": (UNIFORM, lambda fan_in, fan_out: np.sqrt(6 / fan_in)),
    "he_normal": (NORMAL, lambda fan_in, fan_out: np.sqrt(2 / fan_in)),
    "lecun_uniform": (UNIFORM, lambda fan_in, fan_out: np.sqrt(3 / fan_in)),
    "lecun_normal": (NORMAL, lambda fan_in, fan_out: np.sqrt(1 / fan_in)),
    "orthogonal": (ORTHOGONAL, lambda fan_in, fan_out: 1.0),
    "uniform": (UNIFORM, lambda fan_in, fan_out: 0.05),
    "normal": (NORMAL, lambda fan_in, fan_out: 0.05),
    "constant": (EQUAL, lambda fan_in, fan_out: 0.1),
    "zeros": (EQUAL, lambda fan_in, fan_out: 0.0),
}

ALIASES = {
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
}

#: An initializer, the activation that follows, and their reference.
CASES = {name: (INITIALIZERS[name](), "relu", *r) for name, r in REFERENCES.items()}
CASES |= {
    "auto, logistic": (
        INITIALIZERS["auto"](),
        "logistic",
        UNIFORM,
        lambda i, o: np.sqrt(2 / (i + o)),
    ),
    "he_uniform, leaky": (HeUniform(), LeakyReLU(0.5), UNIFORM, lambda i, o: np.sqrt(6 / 1.25 / i)),
    "he_normal, leaky": (HeNormal(), LeakyReLU(2.0), NORMAL, lambda i, o: np.sqrt(2 / 5 / i)),
    "orthogonal, gain": (Orthogonal(gain=1.5), "relu", ORTHOGONAL, lambda i, o: 1.5),
    "uniform, limit": (Uniform(limit=3), "relu", UNIFORM, lambda i, o: 3.0),
    "normal, std": (Normal(std=2), "relu", NORMAL, lambda i, o: 2.0),
    "constant, value": (Constant(value=-4), "relu", EQUAL, lambda i, o: -4.0),
}

SHAPES = [(300, 200), (200, 300), (400, 1), (1, 400), (1, 1)]


def test_that_every_initializer_is_tested():
    assert set(REFERENCES) == set(INITIALIZERS)
    assert INITIALIZERS.aliases == ALIASES
    for alias, name in ALIASES.items():
        assert INITIALIZERS[alias] is INITIALIZERS[name]


def draw(initializer, fan_in, fan_out, activation="relu", seed=0):
    if isinstance(activation, str):
        activation = ACTIVATIONS[activation]()
    return initializer.draw(fan_in, fan_out, activation, np.random.RandomState(seed))


def _check_uniform(w, bound):
    assert np.abs(w).max() <= bound
    if w.size > 10:
        assert np.abs(w).max() > 0.98 * bound
        error = 5 / np.sqrt(w.size)  # five standard errors, and a bit
        assert w.std() == pytest.approx(bound / np.sqrt(3), rel=error)
        assert abs(w.mean()) < error * bound
        # A uniform distribution has a kurtosis of 9/5, a normal one of 3.
        assert np.mean(w**4) / np.mean(w**2) ** 2 == pytest.approx(1.8, abs=5 * error)


def _check_normal(w, std):
    if w.size > 10:
        error = 5 / np.sqrt(w.size)
        assert w.std() == pytest.approx(std, rel=error)
        assert abs(w.mean()) < error * std
        assert np.mean(np.abs(w) < std) == pytest.approx(0.6827, abs=error)
    if w.size > 10_000:
        assert np.abs(w).max() > 3 * std  # not truncated


def _check_orthogonal(w, gain):
    product = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-12)


def _check_equal(w, value):
    np.testing.assert_array_equal(w, value)


CHECKS = {
    UNIFORM: _check_uniform,
    NORMAL: _check_normal,
    ORTHOGONAL: _check_orthogonal,
    EQUAL: _check_equal,
}


@pytest.mark.parametrize(("fan_in", "fan_out"), SHAPES)
@pytest.mark.parametrize(
    ("initializer", "activation", "distribution", "parameter"), CASES.values(), ids=CASES
)
def test_distribution(initializer, activation, distribution, parameter, fan_in, fan_out):
    coefs, intercepts = draw(initializer, fan_in, fan_out, activation)
    assert isinstance(initializer, Initializer)
    assert coefs.shape == (fan_in, fan_out)
    assert intercepts.shape == (fan_out,)
    assert coefs.dtype == intercepts.dtype == "float64"
    CHECKS[distribution](coefs, parameter(fan_in, fan_out))
    if isinstance(initializer, Auto):
        CHECKS[distribution](intercepts, parameter(fan_in, fan_out))
    else:
        np.testing.assert_array_equal(intercepts, 0)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_reproducible(name):
    first, again, other = (draw(INITIALIZERS[name](), 7, 5, seed=s)[0] for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (REFERENCES[name][0] == EQUAL)


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_only_auto_and_he_know_the_activation(name, activation):
    known = {"auto": {"logistic"}, "he_uniform": {"leaky_relu"}, "he_normal": {"leaky_relu"}}
    coefs, relu = (draw(INITIALIZERS[name](), 5, 3, a)[0] for a in (activation, "relu"))
    assert np.array_equal(coefs, relu) == (activation not in known.get(name, ()))


@pytest.mark.parametrize(("fan_in", "fan_out"), [(1, 1), (7, 4), (4, 7)])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_auto_draws_as_sklearn(activation, fan_in, fan_out):
    theirs = SklearnClassifier(activation=activation)
    theirs._random_state = np.random.RandomState(3)
    expected = theirs._init_coef(fan_in, fan_out, np.float64)
    got = draw(INITIALIZERS["auto"](), fan_in, fan_out, activation, seed=3)
    for ours, sklearns in zip(got, expected, strict=True):
        np.testing.assert_array_equal(ours, sklearns)


def test_orthogonal_matrices_are_uniformly_distributed():
    # Without the correction of signs, the diagonal of Q would have one sign.
    random_state = np.random.RandomState(0)
    w = np.array([Orthogonal().draw(3, 3, None, random_state)[0] for _ in range(2000)])
    np.testing.assert_allclose(w.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose((w**2).mean(axis=0), 1 / 3, atol=0.03)
    assert np.linalg.det(w).mean() == pytest.approx(0, abs=0.1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", INITIALIZERS)
def test_float32_networks_start_from_the_same_draws(name):
    X = np.random.default_rng(0).normal(size=(10, 3))
    weights = [
        MLPRegressor(
            (4,),
            initializer=name,
            dtype=dtype,
            learning_rate_init=1e-30,
            max_iter=1,
            random_state=0,
        )
        .fit(X, X[:, 0])
        .coefs_[0]
        for dtype in ("float64", "float32")
    ]
    np.testing.assert_allclose(weights[1], weights[0].astype("float32"), rtol=1e-6)


@pytest.mark.parametrize(
    "initializer",
    [Orthogonal(0), Uniform(-1), Uniform(np.inf), Normal(0), Constant(np.nan), Constant("1")],
    ids=repr,
)
def test_parameters_are_validated(initializer):
    with pytest.raises(ValueError, match="must be a float in the range"):
        MLPRegressor((2,), initializer=initializer).fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.mark.parametrize("initializer", [Orthogonal(2.0), Constant(3), Zeros()], ids=repr)
def test_clone_and_pickle(initializer):
    for twin in (clone(initializer), pickle.loads(pickle.dumps(initializer))):
        assert repr(twin) == repr(initializer)
        np.testing.assert_array_equal(draw(twin, 3, 2)[0], draw(initializer, 3, 2)[0])
