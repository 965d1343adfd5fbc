import itertools
import pickle

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import make_classification

from sknn_opt import MLPClassifier
from sknn_opt.normalizations import NORMALIZATIONS, BatchNorm, LayerNorm

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
SETTINGS = {
    "hidden_layer_sizes": (7, 5),
    "activation": "tanh",
    "learning_rate_init": 0.01,
    "batch_size": 20,
    "max_iter": 4,
    "random_state": 0,
}


def log_probabilities(model, *kinds):
    """Log-probabilities by NumPy; the kinds are those of the hidden layers' normalizations."""
    a = X
    learnt = zip(model.normalization_scales_, model.normalization_shifts_, strict=True)
    running = zip(model.running_means_, model.running_variances_, strict=True)
    for kind, w, b in zip(kinds, model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        z = a @ w + b
        if kind is not None:
            mean, variance = z.mean(1, keepdims=True), z.var(1, keepdims=True)
            if kind == "batch":
                mean, variance = next(running)
            scale, shift = next(learnt)
            z = scale * (z - mean) / np.sqrt(variance + 1e-5) + shift
        a = np.tanh(z)
    assert not [*learnt, *running]
    return log_softmax(a @ model.coefs_[-1] + model.intercepts_[-1], axis=1)


def test_layer_norm_predicts_by_the_statistics_of_rows():
    model = MLPClassifier(normalization="layer", **SETTINGS).fit(X, Y)
    expected = log_probabilities(model, "layer", "layer")
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-10)
    assert model.running_means_ == model.running_variances_ == []
    assert all(np.ptp(scale) > 0 for scale in model.normalization_scales_)


def test_batch_norm_predicts_by_running_statistics():
    model = MLPClassifier(normalization="batch", **SETTINGS).fit(X, Y)
    expected = log_probabilities(model, "batch", "batch")
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-10)
    # A row's prediction does not depend on the rows beside it.
    np.testing.assert_allclose(model.decision_function(X[:1]), expected[:1], rtol=1e-10)


@pytest.mark.parametrize("kinds", [*itertools.product([None, "batch", "layer"], repeat=2)], ids=str)
def test_each_layer_has_the_normalization_of_its_place(kinds):
    model = MLPClassifier(normalization=list(kinds), **SETTINGS).fit(X, Y)
    expected = log_probabilities(model, *kinds)
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-10)
    widths = [(7,), (5,)]
    for attribute, has in {
        "normalization_scales_": lambda kind: kind is not None,
        "normalization_shifts_": lambda kind: kind is not None,
        "running_means_": lambda kind: kind == "batch",
        "running_variances_": lambda kind: kind == "batch",
    }.items():
        shapes = [array.shape for array in getattr(model, attribute)]
        assert shapes == [n for n, kind in zip(widths, kinds, strict=True) if has(kind)]


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_a_name_stands_for_an_object_and_for_one_each_layer(name):
    cls = NORMALIZATIONS[name]
    expected = MLPClassifier(normalization=name, **SETTINGS).fit(X, Y).decision_function(X)
    for same in (cls(), [name, cls()], (cls(), name)):
        model = MLPClassifier(normalization=same, **SETTINGS).fit(X, Y)
        np.testing.assert_array_equal(model.decision_function(X), expected)


def test_objects_stay_as_they_are_and_change_no_fitted_network():
    normalization = [BatchNorm(momentum=0.3), LayerNorm()]
    before = repr(normalization)
    model = MLPClassifier(normalization=normalization, **SETTINGS).fit(X, Y)
    assert repr(normalization) == before == repr(clone(model).normalization)
    expected = model.decision_function(X)
    for one in normalization:
        one.set_params(epsilon=10.0)
    np.testing.assert_array_equal(model.decision_function(X), expected)
    assert np.abs(clone(model).fit(X, Y).decision_function(X) - expected).max() > 1e-3


ONE_BATCH = {**SETTINGS, "batch_size": 90, "max_iter": 1, "learning_rate_init": 1e-300}


def test_running_statistics_after_one_batch():
    model = MLPClassifier(**ONE_BATCH, normalization="batch").fit(X, Y)
    z = X @ model.coefs_[0] + model.intercepts_[0]
    np.testing.assert_allclose(model.running_means_[0], 0.1 * z.mean(0), rtol=1e-10)
    np.testing.assert_allclose(
        model.running_variances_[0], 0.9 + 0.1 * z.var(0, ddof=1), rtol=1e-10
    )


def test_each_layer_has_a_momentum_of_its_own():
    momenta = [0.3, 0.6]
    normalization = [BatchNorm(momentum=momentum) for momentum in momenta]
    model = MLPClassifier(**ONE_BATCH, normalization=normalization).fit(X, Y)
    a = X
    for i, momentum in enumerate(momenta):
        z = a @ model.coefs_[i] + model.intercepts_[i]
        variance = 1 - momentum + momentum * z.var(0, ddof=1)
        np.testing.assert_allclose(model.running_means_[i], momentum * z.mean(0), atol=1e-12)
        np.testing.assert_allclose(model.running_variances_[i], variance, rtol=1e-10)
        a = np.tanh((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_last_batch_of_one_row_is_stable(dtype):
    settings = {**SETTINGS, "batch_size": 89, "max_iter": 30, "dtype": dtype}
    model = MLPClassifier(normalization="batch", **settings).fit(X, Y)
    assert model.score(X, Y) > 0.6
    only_one_row = model.set_params(batch_size=1, max_iter=2).fit(X, Y)
    # Nothing was averaged: one row has no variance.
    for mean, variance in zip(
        only_one_row.running_means_, only_one_row.running_variances_, strict=True
    ):
        np.testing.assert_array_equal(mean, 0)
        np.testing.assert_array_equal(variance, 1)


every_normalization = pytest.mark.parametrize(
    "normalization",
    [*NORMALIZATIONS, BatchNorm(momentum=0.3), ["layer", BatchNorm(momentum=0.3)], [None, "batch"]],
    ids=str,
)


@every_normalization
def test_training_goes_on_through_a_pickle(normalization):
    def start():
        model = MLPClassifier(normalization=normalization, **SETTINGS)
        return model.partial_fit(X, Y, classes=[0, 1, 2])

    straight = start().partial_fit(X, Y)
    resumed = pickle.loads(pickle.dumps(start())).partial_fit(X, Y)
    for attribute in ("coefs_", "normalization_scales_", "running_means_", "running_variances_"):
        for a, b in zip(getattr(straight, attribute), getattr(resumed, attribute), strict=True):
            np.testing.assert_array_equal(a, b)


@every_normalization
def test_early_stopping_restores_statistics_with_the_weights(normalization):
    settings = {**SETTINGS, "max_iter": 60, "learning_rate_init": 0.1, "n_iter_no_change": 5}
    settings |= {"normalization": normalization, "early_stopping": True}
    model = MLPClassifier(**settings).fit(X, Y)
    best = int(np.argmax(model.validation_scores_)) + 1
    assert best < model.n_iter_
    until_then = MLPClassifier(**{**settings, "max_iter": best}).fit(X, Y)
    np.testing.assert_array_equal(model.decision_function(X), until_then.decision_function(X))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("other", [None, "batch", ["layer", None], [None, "layer"]], ids=str)
def test_another_normalization_cannot_go_on(other, optimizer):
    settings = {**SETTINGS, "optimizer": optimizer, "warm_start": True}
    for one, another in (("layer", other), (other, "layer")):
        if optimizer == "lbfgs" and "batch" in (one, another):
            continue
        model = MLPClassifier(normalization=one, **settings).fit(X, Y)
        with pytest.raises(ValueError, match="with another normalization"):
            model.set_params(normalization=another).fit(X, Y)


def test_another_momentum_may_go_on():
    model = MLPClassifier(normalization="batch", warm_start=True, **SETTINGS).fit(X, Y)
    before = model.running_means_[0]
    model.set_params(normalization=BatchNorm(momentum=1e-9), max_iter=1).fit(X, Y)
    np.testing.assert_allclose(model.running_means_[0], before, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["lbfgs", "newton-cg", "rprop"])
def test_full_batches_take_layer_normalization_in_any_layer(optimizer):
    settings = {**SETTINGS, "batch_size": "auto", "optimizer": optimizer}
    model = MLPClassifier(normalization=[None, "layer"], **settings).fit(X, Y)
    expected = log_probabilities(model, None, "layer")
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-10)
