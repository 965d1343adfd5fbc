from functools import partial

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_activations import REFERENCES

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.inspection import (
    HiddenActivations,
    hidden_activations,
    input_gradients,
    mc_dropout_predict,
)
from sknn_opt.normalizations import NORMALIZATIONS

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = load_iris(return_X_y=True)
X = X - X.mean(axis=0)


def fit(cls=MLPClassifier, *args, y=Y, X=X, **parameters):
    return cls(*args, **{"random_state": 0, "max_iter": 20, **parameters}).fit(X, y)


def forward(network, X):
    """Raw outputs, of shape (n_samples, n_outputs), in NumPy."""
    activation = REFERENCES[network.activation][0]
    normalizations = network.normalization
    if not isinstance(normalizations, list):
        normalizations = [normalizations] * len(network.coefs_[:-1])
    hidden = zip(normalizations, network.coefs_[:-1], network.intercepts_[:-1], strict=True)
    learnt = zip(network.normalization_scales_, network.normalization_shifts_, strict=True)
    running = zip(network.running_means_, network.running_variances_, strict=True)
    for normalization, w, b in hidden:
        z = X @ w + b
        if normalization is not None:
            mean, variance = z.mean(1, keepdims=True), z.var(1, keepdims=True)
            if normalization == "batch":
                mean, variance = next(running)
            scale, shift = next(learnt)
            z = scale * (z - mean) / np.sqrt(variance + 1e-5) + shift
        is_residual = network.residual and w.shape[0] == w.shape[1]
        X = activation(z) + X if is_residual else activation(z)
    return X @ network.coefs_[-1] + network.intercepts_[-1]


# -- input_gradients ---------------------------------------------------------------------


def _central_differences(function, X, step=1e-5):
    """Of shape (n_samples, n_outputs, n_features)."""
    columns = [
        (function(X + step * e) - function(X - step * e)) / (2 * step) for e in np.eye(X.shape[1])
    ]
    return np.stack(columns, axis=-1)


def _assert_differentiated(gradients, function, X):
    """Equal to central differences, but where a kink lies within the steps."""
    numeric, coarse = (_central_differences(function, X, step) for step in (1e-5, 1e-4))
    smooth = np.abs(numeric - coarse) < 1e-5 * np.abs(numeric).max()
    assert smooth.mean() > 0.9
    np.testing.assert_allclose(
        gradients[smooth], numeric[smooth], rtol=1e-6, atol=1e-7 * np.abs(numeric).max()
    )


ONE_A_LAYER = [None, "batch", "layer", None, "batch"]


@pytest.mark.parametrize("normalization", [None, *NORMALIZATIONS, ONE_A_LAYER], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_input_gradients_are_those_of_central_differences(activation, normalization):
    # Residual connections past the first layer, whose width is that of the input, and others.
    settings = {"normalization": normalization, "residual": True, "dropout": 0.2}
    network = fit(MLPClassifier, (4, 4, 6, 6, 6), activation, input_dropout=0.2, **settings)
    _assert_differentiated(input_gradients(network, X), partial(forward, network), X)


@pytest.mark.parametrize("residual", [False, True])
def test_input_gradients_of_sparse_data(residual):
    rows = np.where(np.random.default_rng(0).random(X.shape) < 0.5, 0, X)
    network = fit(MLPRegressor, (4, 4), "gelu", X=sparse.csr_array(rows), residual=residual)
    expected = input_gradients(network, rows)
    _assert_differentiated(expected, network.predict, rows)
    np.testing.assert_allclose(input_gradients(network, sparse.csc_matrix(rows)), expected)


def test_input_gradients_of_a_linear_network_are_its_weights():
    network = fit(MLPClassifier, ())
    np.testing.assert_array_equal(
        input_gradients(network, X), np.broadcast_to(network.coefs_[0].T, (len(X), 3, 4))
    )


@pytest.mark.parametrize("target", [None, "setosa", "versicolor", "virginica"])
def test_a_target_is_a_class(target):
    names = np.array(["setosa", "versicolor", "virginica"])
    network = fit(MLPClassifier, (5,), "tanh", y=names[Y])
    every = input_gradients(network, X)
    if target is not None:
        expected = every[:, list(names).index(target)]
        np.testing.assert_array_equal(input_gradients(network, X, target), expected)


def test_the_first_of_two_classes_is_minus_the_second_one():
    network = fit(MLPClassifier, (5,), "tanh", y=np.where(Y == 0, "no", "yes"))
    gradients = input_gradients(network, X)
    _assert_differentiated(gradients, lambda X: forward(network, X).ravel(), X)
    np.testing.assert_array_equal(input_gradients(network, X, "yes"), gradients)
    np.testing.assert_array_equal(input_gradients(network, X, "no"), -gradients)


def test_a_target_is_a_column():
    several = fit(MLPRegressor, (5,), "tanh", y=np.column_stack([Y, -Y]))
    every = input_gradients(several, X)
    _assert_differentiated(every, several.predict, X)
    np.testing.assert_array_equal(input_gradients(several, X, 1), every[:, 1])
    with pytest.raises(ValueError, match=r"target=2 is none of \[0, 1\]"):
        input_gradients(several, X, 2)


def test_a_target_is_a_class_of_an_output():
    several = fit(MLPClassifier, (5,), "tanh", y=np.column_stack([Y, Y > 0]))
    every = input_gradients(several, X)
    _assert_differentiated(every, partial(forward, several), X)
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    for i, pair in enumerate(pairs):
        np.testing.assert_array_equal(input_gradients(several, X, pair), every[:, i])
    with pytest.raises(ValueError, match=r"target=2 is none of \[\(0, 0\)"):
        input_gradients(several, X, 2)


def test_input_gradients_of_more_rows_than_a_block():
    network = fit(MLPClassifier, (5,), dtype="float32")
    many = np.tile(X, (8, 1))
    gradients = input_gradients(network, many)
    assert gradients.dtype == np.float32
    np.testing.assert_allclose(
        gradients, np.tile(input_gradients(network, X), (8, 1, 1)), rtol=1e-4
    )


# -- hidden_activations ------------------------------------------------------------------


def test_hidden_activations_are_those_of_numpy():
    network = fit(MLPClassifier, (4, 4, 3), ["tanh", "relu", "logistic"], residual=True)
    expected = [X]
    for i, activation in enumerate([np.tanh, lambda z: z.clip(0), expit]):
        z = expected[-1] @ network.coefs_[i] + network.intercepts_[i]
        expected.append(activation(z) + (expected[-1] if i < 2 else 0))
    for layer in (-3, -2, -1, 0, 1, 2):
        ours = hidden_activations(network, X, layer)
        np.testing.assert_allclose(ours, expected[1:][layer], rtol=1e-12)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_last_layer_leads_to_the_outputs(normalization):
    network = fit(MLPClassifier, (6, 5), normalization=normalization, dropout=0.3)
    many = sparse.csr_array(np.tile(X, (8, 1)))
    raw = hidden_activations(network, many) @ network.coefs_[-1] + network.intercepts_[-1]
    np.testing.assert_allclose(raw, forward(network, many.toarray()), rtol=1e-10)


@pytest.mark.parametrize(("hidden", "layer"), [((), -1), ((3,), 1), ((3, 3), -3)])
def test_layers_that_are_not_there(hidden, layer):
    with pytest.raises(ValueError, match=rf"layer={layer}, but the network has {len(hidden)}"):
        hidden_activations(fit(MLPClassifier, hidden), X, layer)


# -- HiddenActivations -------------------------------------------------------------------


@parametrize_with_checks(
    [
        HiddenActivations(cls(5, optimizer="lbfgs", alpha=1.0, max_iter=20, random_state=0))
        for cls in (MLPClassifier, MLPRegressor)
    ]
)
def test_conformity(estimator, check):
    check(estimator)


def test_transformer_is_the_function_on_a_clone():
    network = MLPClassifier((6, 5), random_state=0, max_iter=20)
    transformer = HiddenActivations(network, layer=0).fit(X, Y)
    assert not hasattr(network, "coefs_")
    expected = hidden_activations(clone(network).fit(X, Y), X, 0)
    np.testing.assert_array_equal(transformer.transform(X), expected)
    names = [f"hiddenactivations{i}" for i in range(6)]
    assert list(transformer.get_feature_names_out()) == names
    frame = transformer.set_output(transform="pandas").transform(X)
    assert list(frame.columns) == names


def test_transformer_of_a_frozen_network():
    network = fit(MLPClassifier, (6, 5))
    transformer = HiddenActivations(FrozenEstimator(network))
    transformer.fit(X[:1], Y[:1])
    np.testing.assert_array_equal(transformer.transform(X), hidden_activations(network, X))
    assert transformer.get_feature_names_out().size == 5


def test_transformer_passes_weights_on():
    network = MLPClassifier(5, optimizer="lbfgs", random_state=0, max_iter=20)
    weight = np.arange(150.0)
    transformer = HiddenActivations(network).fit(X, Y, sample_weight=weight)
    expected = clone(network).fit(X, Y, weight)
    np.testing.assert_array_equal(transformer.transform(X), hidden_activations(expected, X))


def test_transformer_in_a_search():
    model = make_pipeline(
        HiddenActivations(MLPClassifier(8, optimizer="lbfgs", max_iter=50, random_state=0)),
        LogisticRegression(),
    )
    grid = {"hiddenactivations__estimator__alpha": [0.1, 1.0], "hiddenactivations__layer": [0, -1]}
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, Y)
    assert search.best_score_ > 0.9


# -- mc_dropout_predict ------------------------------------------------------------------


def test_moments_are_those_of_all_masks():
    """Dropout of 2 hidden units and 1 feature has 8 outcomes, whose moments are exact."""
    x = np.array([[0.7]])
    network = fit(MLPRegressor, (2,), "tanh", X=X[:, :1], y=Y, dropout=0.25, input_dropout=0.5)
    (w, v), (b, c) = network.coefs_, network.intercepts_
    outcomes, odds = [], []
    for kept in np.ndindex(2, 2, 2):
        hidden = np.tanh(kept[0] * x / 0.5 @ w + b) * kept[1:] / 0.75
        outcomes.append(((hidden @ v) + c).item())
        odds.append(0.5 * np.prod([0.75 if k else 0.25 for k in kept[1:]]))
    expected = np.average(outcomes, weights=odds)
    deviation = np.sqrt(np.average((outcomes - expected) ** 2, weights=odds))
    mean, std = mc_dropout_predict(network, x, n_samples=4000, random_state=0)
    assert mean.shape == std.shape == (1,)
    assert mean == pytest.approx(expected, abs=4 * deviation / np.sqrt(4000))
    assert std == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize(
    ("y", "shape"),
    [
        (Y, (150, 3)),
        (Y > 0, (150, 2)),
        (np.column_stack([Y > 0, Y > 1]), (150, 2)),
        (np.eye(3)[Y] * 0.7 + 0.1, (150, 3)),
    ],
    ids=["multiclass", "binary", "multilabel", "probabilities"],
)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("normalization", [None, *NORMALIZATIONS, ["layer", "batch"]], ids=str)
def test_mean_probabilities_are_near_those_predicted(normalization, container, y, shape):
    settings = {"dropout": 0.02, "input_dropout": 0.02, "normalization": normalization}
    hidden = (20, 20) if isinstance(normalization, list) else (20,)
    network = fit(MLPClassifier, hidden, y=y, **settings)
    mean, std = mc_dropout_predict(network, container(X), n_samples=50, random_state=0)
    assert mean.shape == std.shape == shape
    np.testing.assert_allclose(mean, network.predict_proba(X), atol=0.1)
    assert 0 < std.max() < 0.3


def test_each_of_several_outputs_has_its_moments():
    network = fit(MLPClassifier, (20,), y=np.column_stack([Y, Y > 0]), dropout=0.02)
    moments = mc_dropout_predict(network, X, n_samples=50, random_state=0)
    for mean, std, predicted in zip(*moments, network.predict_proba(X), strict=True):
        assert mean.shape == std.shape == predicted.shape
        np.testing.assert_allclose(mean, predicted, atol=0.1)
        assert 0 < std.max() < 0.3


def test_dropout_of_half_the_units_makes_predictions_uncertain():
    network = fit(MLPRegressor, (50,), y=Y, dropout=0.5)
    inside, outside = (mc_dropout_predict(network, s * X, random_state=0)[1] for s in (1, 10))
    assert outside.mean() > 3 * inside.mean()


@pytest.mark.parametrize("y", [Y, np.column_stack([Y, 2 * Y])], ids=["one", "several"])
def test_learnt_variances_add_to_those_between_networks(y):
    network = fit(MLPRegressor, (9,), y=y, loss="gaussian_nll", dropout=0.2)
    _, std = mc_dropout_predict(network, X, n_samples=300, random_state=0)
    means, stds = [], []
    for seed in range(300):
        mean, learnt = mc_dropout_predict(network, X, n_samples=1, random_state=seed)
        means.append(mean)
        stds.append(learnt)
    expected = np.sqrt(np.var(means, axis=0) + np.mean(np.square(stds), axis=0))
    assert std.shape == y.shape
    np.testing.assert_allclose(std, expected, rtol=0.4)
    np.testing.assert_allclose(std.mean(), expected.mean(), rtol=0.05)


def test_the_mean_alone():
    network = fit(MLPRegressor, (9,), y=Y, dropout=0.2)
    mean, _ = mc_dropout_predict(network, X, 7, random_state=0)
    alone = mc_dropout_predict(network, X, 7, random_state=0, return_std=False)
    np.testing.assert_array_equal(alone, mean)


def test_samples_follow_the_random_state_and_leave_predict_alone():
    network = fit(MLPClassifier, (9,), dropout=0.3)
    before = network.predict_proba(X)
    first, again, other = (mc_dropout_predict(network, X, 5, seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(network.predict_proba(X), before)
    np.testing.assert_array_equal(mc_dropout_predict(network, X, 1, 0)[1], 0)


def test_rows_of_different_blocks_have_masks_of_their_own():
    network = fit(MLPRegressor, (9,), "tanh", dropout=0.5)
    mean, _ = mc_dropout_predict(network, np.tile(X[:1], (3000, 1)), 1, 0)
    assert np.unique(mean[:1024]).size > 100
    assert not np.array_equal(mean[:1024], mean[1024:2048])


def test_without_dropout_or_probabilities_there_is_nothing_to_sample():
    with pytest.raises(ValueError, match="without dropout"):
        mc_dropout_predict(fit(MLPClassifier, (9,)), X)
    with pytest.raises(AttributeError, match="no probabilities"):
        mc_dropout_predict(fit(MLPClassifier, (9,), loss="hinge", dropout=0.1), X)


@pytest.mark.parametrize("function", [mc_dropout_predict, hidden_activations, input_gradients])
def test_estimators_have_to_be_fitted_networks_of_this_package(function):
    with pytest.raises(NotFittedError):
        function(MLPClassifier(), X)
    with pytest.raises(TypeError, match=r"pipeline\[-1\]"):
        function(LogisticRegression().fit(X, Y), X)
    with pytest.raises(ValueError, match="4 features"):
        function(fit(dropout=0.1), X[:, :3])
