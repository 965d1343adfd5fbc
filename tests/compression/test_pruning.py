"""Pruned networks against networks whose units are copies, and against least squares in NumPy."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor
from sknn_opt._network.layout import PARAMETERS
from sknn_opt.compression import prune
from sknn_opt.initializers import FromEstimator
from sknn_opt.inspection import hidden_activations
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
N = 80
X = random.normal(size=(N, 4))
CLASSES = np.array(["a", "b", "c"])[X[:, :3].argmax(axis=1)]
NUMBERS = np.exp(0.3 * X[:, 0]) + 0.1
WEIGHT = random.random(N)
SMALL = {"hidden_layer_sizes": (6, 4), "max_iter": 5, "batch_size": 20, "random_state": 0}


def fitted(cls=MLPRegressor, **parameters):
    model = cls(**{**SMALL, **parameters})
    return model.fit(X, CLASSES if is_classifier(model) else NUMBERS)


def arrays(model):
    return [array for name in PARAMETERS for array in getattr(model, f"{name}_")]


def assert_same(model, other):
    for mine, theirs in zip(arrays(model), arrays(other), strict=True):
        assert_array_equal(mine, theirs)


# -- what is left ------------------------------------------------------------------------------


def doubled(normalization):
    """A network in which each hidden unit has a copy, which shares its outgoing weights."""
    model = fitted(normalization=normalization)
    model.coefs_[0] = np.repeat(model.coefs_[0], 2, axis=1)
    model.coefs_[1] = np.repeat(np.repeat(model.coefs_[1] / 2, 2, axis=0), 2, axis=1)
    model.coefs_[2] = np.repeat(model.coefs_[2] / 2, 2, axis=0)
    for name in PARAMETERS[1:]:
        for i, array in enumerate(getattr(model, f"{name}_")[:2]):
            getattr(model, f"{name}_")[i] = np.repeat(array, 2)
    return model


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_units_that_say_the_same_are_one_too_many(normalization):
    model = doubled(normalization)
    pruned = prune(model, 0.5, X)
    assert pruned.hidden_layer_sizes == (6, 4)
    assert [coefs.shape for coefs in pruned.coefs_] == [(4, 6), (6, 4), (4, 1)]
    assert_allclose(pruned.predict(X), model.predict(X), rtol=1e-3, atol=1e-3)
    assert pruned.n_parameters_ == sum(a.size for a in arrays(pruned)) - (
        2 * 10 if normalization == "batch" else 0
    )


@pytest.mark.parametrize("data", [(), (X,)], ids=["weights", "outputs"])
@pytest.mark.parametrize("normalization", [None, "batch"])
def test_units_that_say_nothing_go_first(normalization, data):
    model = fitted(normalization=normalization)
    model.coefs_[1][[1, 3, 4]] = 0.0
    model.coefs_[2][[0, 2]] = 0.0
    pruned = prune(model, 0.5, *data)
    assert_allclose(pruned.predict(X), model.predict(X), rtol=1e-6)
    assert_array_equal(pruned.coefs_[0], model.coefs_[0][:, [0, 2, 5]])


def test_without_data_the_largest_products_of_norms_stay():
    model = fitted()
    pruned = prune(model, 0.5)
    norms = np.linalg.norm
    importance = norms(model.coefs_[0], axis=0) * norms(model.coefs_[1], axis=1)
    kept = np.sort(importance.argsort()[3:])
    assert_array_equal(pruned.coefs_[0], model.coefs_[0][:, kept])
    assert_array_equal(pruned.intercepts_[0], model.intercepts_[0][kept])


def received(model, place, layer):
    """What a layer of ``model`` receives from the outputs at a place."""
    return hidden_activations(model, X, place) @ layer[0] + layer[1]


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_the_next_layer_makes_up_as_least_squares_do(normalization, weight, monkeypatch):
    monkeypatch.setattr("sknn_opt.compression.pruning._RIDGE", 1e-12)
    model = fitted(normalization=normalization, activation="tanh")
    pruned = prune(model, 0.5, X, sample_weight=weight)
    root = np.sqrt(np.ones(N) if weight is None else weight)[:, np.newaxis]
    for place in range(2):
        into = model.coefs_[place + 1], model.intercepts_[place + 1]
        wanted = received(model, place, into)
        found = received(pruned, place, (pruned.coefs_[place + 1], pruned.intercepts_[place + 1]))
        if place == 0:  # the columns of the units that are kept above
            distances = np.abs(wanted[:, :, np.newaxis] - found[:, np.newaxis]).sum(axis=0)
            wanted = wanted[:, distances.argmin(axis=0)]
        inputs = np.c_[hidden_activations(pruned, X, place), np.ones(N)]
        best = np.linalg.lstsq(root * inputs, root * wanted)[0]
        least = np.sum((root * (inputs @ best - wanted)) ** 2)
        assert np.sum((root * (found - wanted)) ** 2) <= 1.01 * least + 1e-8


def test_each_unit_that_is_kept_is_the_one_that_explains_most():
    model = fitted(hidden_layer_sizes=(6,), activation="tanh")
    outputs = hidden_activations(model, X, 0)
    outputs = outputs - outputs.mean(axis=0)
    wanted, kept = outputs @ model.coefs_[1], []
    for _ in range(3):
        left = {}
        for unit in set(range(6)) - set(kept):
            chosen = outputs[:, [*kept, unit]]
            left[unit] = np.sum((chosen @ np.linalg.lstsq(chosen, wanted)[0] - wanted) ** 2)
        kept.append(min(left, key=left.get))
    assert_array_equal(prune(model, 0.5, X).coefs_[0], model.coefs_[0][:, np.sort(kept)])


def test_a_quarter_of_the_units_is_enough_for_digits():
    digits, label = load_digits(return_X_y=True)
    split = train_test_split(digits / 16, label, test_size=0.5, random_state=0)
    X_train, X_test, y_train, y_test = split
    network = MLPClassifier((100,), learning_rate_init=0.003, max_iter=60, random_state=0)
    network.fit(X_train, y_train)
    by_norms, by_outputs = prune(network, 0.75), prune(network, 0.75, X_train)
    tuned = prune(network, 0.75, X_train, y_train, fine_tuning={"max_iter": 20})
    assert network.score(X_test, y_test) > 0.95
    assert by_norms.score(X_test, y_test) + 0.1 < by_outputs.score(X_test, y_test)
    assert by_outputs.score(X_test, y_test) > 0.94
    assert tuned.score(X_test, y_test) > 0.95


# -- residual connections ----------------------------------------------------------------------


@pytest.mark.parametrize("data", [(), (X,)], ids=["weights", "outputs"])
def test_joined_layers_keep_the_same_units(data):
    model = fitted(hidden_layer_sizes=(6, 6, 3, 3), residual=True)
    for layer in (0, 1):  # units that nobody reads, in both of the layers that are joined
        model.coefs_[layer][:, [0, 2, 3]] = 0.0
        model.intercepts_[layer][[0, 2, 3]] = 0.0
    for layer in (1, 2):
        model.coefs_[layer][[0, 2, 3]] = 0.0
    pruned = prune(model, 0.5, *data)
    assert pruned.hidden_layer_sizes == (3, 3, 1, 1)
    assert_array_equal(pruned.coefs_[0], model.coefs_[0][:, [1, 4, 5]])
    wanted = hidden_activations(model, X, 1)[:, [1, 4, 5]]
    assert_allclose(hidden_activations(pruned, X, 1), wanted, atol=1e-8)


def test_layers_joined_to_the_input_keep_their_units():
    model = fitted(hidden_layer_sizes=(4, 4, 6), residual=True)
    pruned = prune(model, 0.5, X)
    assert pruned.hidden_layer_sizes == (4, 4, 3)
    assert_array_equal(pruned.coefs_[1], model.coefs_[1])
    with pytest.raises(ValueError, match="join all of them to the input"):
        prune(fitted(hidden_layer_sizes=(4,), residual=True), 0.5)


@pytest.mark.parametrize(("sizes", "left"), [((8,), (5,)), ((6, 5), (3, 4)), ((5, 6), (3, 4))])
def test_layers_that_were_not_joined_are_not_joined_by_pruning(sizes, left):
    model = fitted(hidden_layer_sizes=sizes, residual=True)
    assert prune(model, 0.5).hidden_layer_sizes == left


def test_a_layer_that_could_only_be_joined_is_an_error():
    with pytest.raises(ValueError, match="would join"):
        prune(fitted(hidden_layer_sizes=(2, 1), residual=True), 0.5)


# -- training ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("parameters", [{}, {"normalization": "batch"}, {"optimizer": "lbfgs"}])
def test_fine_tuning_is_a_fit_from_the_pruned_network(cls, parameters):
    model = fitted(cls, **parameters)
    y = CLASSES if cls is MLPClassifier else NUMBERS
    changes = {"max_iter": 3, "alpha": 0.01}
    tuned = prune(model, 0.5, X, y, sample_weight=WEIGHT, fine_tuning=changes)
    start = prune(model, 0.5, X, sample_weight=WEIGHT)
    expected = clone(start).set_params(initializer=FromEstimator(start), **changes)
    assert_same(tuned, expected.fit(X, y, WEIGHT))
    assert tuned.get_params() == start.get_params()
    assert len(tuned.loss_curve_) == len(model.loss_curve_) + tuned.n_iter_


def test_fine_tuning_may_stop_early_and_go_on():
    model = fitted(MLPClassifier, early_stopping=True, validation_fraction=0.3)
    tuned = prune(model, 0.5, X, CLASSES)
    assert len(tuned.validation_scores_) > len(model.validation_scores_)
    tuned.set_params(early_stopping=False).partial_fit(X, CLASSES)
    assert len(model.loss_curve_) == 5


# -- what it takes -----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", CLASSIFIER_LOSSES)
def test_every_loss_of_classifiers(loss):
    pruned = prune(fitted(MLPClassifier, loss=loss), 0.5, X, CLASSES)
    assert set(pruned.predict(X)) <= set(CLASSES)


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_every_loss_of_regressors(loss):
    pruned = prune(fitted(loss=loss), 0.5, X, NUMBERS)
    assert np.isfinite(pruned.predict(X)).all()


def test_scaled_targets_keep_their_scale():
    model = fitted(scale_targets=True)
    pruned = prune(model, 0.5, X, NUMBERS + 1)
    assert_array_equal(pruned.target_scale_, model.target_scale_)
    assert_array_equal(pruned.target_mean_, model.target_mean_)


def test_sparse_input_and_float32():
    model = MLPClassifier(**SMALL, dtype="float32").fit(sparse.csr_matrix(X), X > 0)
    pruned = prune(model, 0.5, sparse.csr_matrix(X), X > 0)
    assert pruned.predict(X).shape == (N, 4)
    assert all(array.dtype == np.float32 for array in arrays(pruned))


def test_weights_of_0_are_rows_left_out():
    model = fitted(activation="tanh")
    half = np.r_[np.ones(N // 2), np.zeros(N // 2)]
    one, other = prune(model, 0.5, X, sample_weight=half), prune(model, 0.5, X[: N // 2])
    for mine, theirs in zip(arrays(one), arrays(other), strict=True):
        assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


def test_blocks_of_rows_do_not_matter(monkeypatch):
    model = fitted(activation="tanh")
    whole = prune(model, 0.5, X)
    monkeypatch.setattr("sknn_opt.compression.pruning._BLOCK_ROWS", 17)
    for mine, theirs in zip(arrays(whole), arrays(prune(model, 0.5, X)), strict=True):
        assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("data", [(), (X,), (X, CLASSES)], ids=["weights", "outputs", "trained"])
def test_pipelines(data):
    model = make_pipeline(StandardScaler(), MLPClassifier(**SMALL)).fit(X, CLASSES)
    before = pickle.dumps(model)
    pruned = prune(model, 0.5, *data)
    encoded = [model[0].transform(data[0]), *data[1:]] if data else []
    assert_same(pruned[-1], prune(model[-1], 0.5, *encoded))
    assert pruned[0] is model[0]
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("cls", [MLPEnsembleClassifier, MLPEnsembleRegressor])
@pytest.mark.parametrize("cv", [None, 3])
def test_committees(cls, cv):
    network = MLPClassifier if cls is MLPEnsembleClassifier else MLPRegressor
    y = CLASSES if cls is MLPEnsembleClassifier else NUMBERS
    members = [
        ("plain", network(**SMALL)),
        ("scaled", make_pipeline(StandardScaler(), network(**SMALL))),
    ]
    model = cls(members, 2, cv=cv, random_state=0).fit(X, y)
    before = copy.deepcopy(model.estimators_)
    pruned = prune(model, 0.5, X, y)
    for mine, theirs in zip(pruned.estimators_, before, strict=True):
        expected = prune(theirs, 0.5, X, y)
        assert_array_equal(mine.predict(X), expected.predict(X))
    assert pruned.predict(X).shape == (N,)
    assert not hasattr(pruned, "oof_score_")
    assert_array_equal(model.estimators_[0].coefs_[0], before[0].coefs_[0])
    behind = make_pipeline(StandardScaler(), model)
    behind.steps[0] = ("standardscaler", StandardScaler().fit(X))
    scaled = behind[0].transform(X)
    assert_array_equal(prune(behind, 0.5, X).predict(X), prune(model, 0.5, scaled).predict(scaled))


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((0.0,), {}, "amount must be a float in the range"),
        ((1.0,), {}, "amount must be a float in the range"),
        (("half",), {}, "amount must be a float in the range"),
        ((0.5,), {"y": NUMBERS}, "without X"),
        ((0.5,), {"sample_weight": WEIGHT}, "without X"),
        ((0.5, X), {"fine_tuning": {}}, "needs targets"),
        ((0.5, X[:, :3]), {}, "4 features"),
        ((0.5, X, NUMBERS), {"fine_tuning": {"no_such": 1}}, "Invalid parameter 'no_such'"),
        ((0.5, X), {"sample_weight": WEIGHT[:3]}, "sample_weight"),
    ],
)
def test_what_makes_no_sense(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        prune(fitted(), *arguments, **keywords)


def test_what_cannot_be_pruned():
    with pytest.raises(TypeError, match="Expected an MLPClassifier or MLPRegressor"):
        prune(StandardScaler(), 0.5)
    with pytest.raises(NotFittedError):
        prune(MLPRegressor(), 0.5)
    with pytest.raises(ValueError, match="no hidden layers"):
        prune(fitted(hidden_layer_sizes=()), 0.5)


def test_one_unit_is_left():
    pruned = prune(fitted(hidden_layer_sizes=(1, 3)), 0.99, X)
    assert pruned.hidden_layer_sizes == (1, 1)
