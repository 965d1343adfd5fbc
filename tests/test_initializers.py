import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.pipeline import make_pipeline

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._network.layout import PARAMETERS
from sknn_opt.activations import ACTIVATIONS, LeakyReLU
from sknn_opt.initializers import (
    INITIALIZERS,
    Auto,
    Constant,
    FromEstimator,
    HeNormal,
    HeUniform,
    Initializer,
    Normal,
    Orthogonal,
    Uniform,
    Zeros,
)

ignores_convergence = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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


@ignores_convergence
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


# -- from a fitted network -----------------------------------------------------------------------

X, Y = make_classification(60, 6, n_informative=6, n_redundant=0, n_classes=3, random_state=0)
STILL = {"learning_rate_init": 1e-300, "max_iter": 1, "alpha": 0.0}  # as it starts


def network(*sizes, cls=MLPClassifier, **parameters):
    return cls(sizes, random_state=0, **parameters)


def start(initializer, *sizes, y=Y, **parameters):
    """Return a network as it starts."""
    return network(*sizes, initializer=initializer, **STILL, **parameters).fit(X, y)


def assert_layers(model, fitted, same):
    """A layer is that of the fitted network where ``same`` says so, and nowhere else."""
    for name in ("coefs_", "intercepts_"):
        pairs = zip(getattr(model, name), getattr(fitted, name), strict=False)
        for i, (mine, other) in enumerate(pairs):
            assert np.array_equal(mine, other) == same[i]


@ignores_convergence
@pytest.mark.parametrize("cls", [MLPClassifier, SklearnClassifier])
def test_layers_whose_shapes_agree_are_taken_over(cls):
    fitted = network(5, 4, cls=cls, max_iter=3).fit(X, Y)
    initializer = FromEstimator(fitted, otherwise="he_normal")
    assert_layers(start(initializer, 5, 4), fitted, [True] * 3)
    binary = start(initializer, 5, 4, y=Y > 0)
    assert_layers(binary, fitted, [True, True, False])
    assert abs(binary.intercepts_[-1]) < 1e-200  # drawn as otherwise says
    assert_layers(start(initializer, 5, 3), fitted, [True, False, False])
    assert_layers(start(initializer, 5), fitted, [True, False])
    assert_layers(start(initializer, 5, 4, 4), fitted, [True, True, False])
    float32 = start(initializer, 5, 4, dtype="float32")
    np.testing.assert_array_equal(float32.coefs_[0], fitted.coefs_[0].astype("float32"))


@ignores_convergence
def test_normalization_is_taken_over_with_its_layer():
    settings = {"normalization": ["batch", "layer"], "batch_size": 20}
    fitted = network(5, 4, max_iter=3, **settings).fit(X, Y)
    whole = start(FromEstimator(fitted), 5, 4, trainable=[False, False, True], **settings)
    for name in PARAMETERS:
        for mine, other in zip(
            getattr(whole, f"{name}_"), getattr(fitted, f"{name}_"), strict=True
        ):
            np.testing.assert_array_equal(mine, other)
    assert whole.running_means_[0].any()
    plain = start(FromEstimator(fitted), 5, 4, normalization=[None, "layer"])
    assert_layers(plain, fitted, [False, True, True])


@ignores_convergence
def test_parameters_of_no_fitted_network():
    coefs, intercepts = [np.ones((6, 5)), np.ones((5, 3))], [np.ones(5), np.ones(3)]
    given = network(5, warm_start=True)
    given.coefs_, given.intercepts_ = coefs, [b.tolist() for b in intercepts]
    assert_layers(start(FromEstimator(given), 5), given, [True, True])
    for use in (lambda: given.fit(X, Y), lambda: given.partial_fit(X, Y, classes=[0, 1, 2]),
                lambda: given.predict(X), given.to_sklearn):  # fmt: skip
        with pytest.raises(NotFittedError, match=r"not been fitted.*initializer=FromEstimator\("):
            use()
        assert given.coefs_ is coefs
    given.set_params(warm_start=False, max_iter=1).fit(X, Y)  # forgets them
    assert not np.array_equal(given.coefs_[0], coefs[0])


@pytest.mark.parametrize(
    ("fitted", "sizes", "words"),
    [
        (MLPClassifier(), (5,), "this MLPClassifier has no coefs_.*Fit it first"),
        (make_pipeline(MLPClassifier()), (5,), r"this Pipeline has no coefs_.*pipeline\[-1\]"),
        (network(5, max_iter=200, tol=1.0).fit(X, Y), (4,), r"nothing to take over.*\(6, 4\)"),
        ("a name", (5,), "'fitted' parameter of FromEstimator"),
    ],
    ids=["unfitted", "pipeline", "shapes", "no estimator"],
)
def test_nothing_to_take_over(fitted, sizes, words):
    with pytest.raises(ValueError, match=words):
        network(*sizes, initializer=FromEstimator(fitted)).fit(X, Y)


def test_otherwise_is_validated():
    fitted = network(5, tol=1.0).fit(X, Y)
    with pytest.raises(ValueError, match=r"'otherwise' parameter of FromEstimator.*'he_normal'"):
        network(5, initializer=FromEstimator(fitted, otherwise="unheard")).fit(X, Y)


@ignores_convergence
def test_one_after_the_other():
    first, second = (network(*sizes, max_iter=2).fit(X, Y) for sizes in [(5,), (4, 7)])
    model = start(FromEstimator(first, otherwise=FromEstimator(second)), 5, 7)
    assert_layers(model, first, [True, False])
    assert_layers(model, second, [False, False, True])


@ignores_convergence
def test_searches_start_from_the_fitted_network():
    fitted = network(5, max_iter=3).fit(X, Y)
    model = network(5, initializer=FromEstimator(fitted, "zeros"), **STILL)
    cloned = clone(model).initializer
    assert (cloned.fitted, cloned.otherwise) == (fitted, "zeros")
    search = GridSearchCV(model, {"batch_size": [10, 20]}, cv=2).fit(X, Y)
    assert_layers(search.best_estimator_, fitted, [True, True])
    assert len(set(search.cv_results_["mean_test_score"])) == 1
    with pytest.raises(NotFittedError):
        clone(fitted).predict(X)


@ignores_convergence
def test_a_pickle_holds_the_fitted_network():
    fitted = network(5, max_iter=3).fit(X, Y)
    model = pickle.loads(pickle.dumps(start(FromEstimator(fitted), 5)))
    np.testing.assert_array_equal(model.initializer.fitted.coefs_[0], fitted.coefs_[0])
    assert_layers(clone(model).fit(X, Y), fitted, [True, True])
    assert repr(model.initializer).startswith("FromEstimator(fitted=MLPClassifier(hidden_layer_")
    assert repr(model.initializer) == repr(FromEstimator(fitted))


@pytest.mark.parametrize("initializer", [Orthogonal(2.0), Constant(3), Zeros()], ids=repr)
def test_clone_and_pickle(initializer):
    for twin in (clone(initializer), pickle.loads(pickle.dumps(initializer))):
        assert repr(twin) == repr(initializer)
        np.testing.assert_array_equal(draw(twin, 3, 2)[0], draw(initializer, 3, 2)[0])
