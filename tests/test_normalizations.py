import pickle

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.datasets import make_classification

from sknn_opt import MLPClassifier
from sknn_opt.normalizations import NORMALIZATIONS

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


def log_probabilities(model, mean_and_variance):
    """Log-probabilities by NumPy; the function gives mean and variance for a layer's z."""
    a = X
    layers = zip(
        model.coefs_[:-1],
        model.intercepts_[:-1],
        model.normalization_scales_,
        model.normalization_shifts_,
        strict=True,
    )
    for i, (w, b, scale, shift) in enumerate(layers):
        z = a @ w + b
        mean, variance = mean_and_variance(i, z)
        a = np.tanh(scale * (z - mean) / np.sqrt(variance + 1e-5) + shift)
    return log_softmax(a @ model.coefs_[-1] + model.intercepts_[-1], axis=1)


def test_layer_norm_predicts_by_the_statistics_of_rows():
    model = MLPClassifier(normalization="layer", **SETTINGS).fit(X, Y)
    expected = log_probabilities(
        model, lambda i, z: (z.mean(1, keepdims=True), z.var(1, keepdims=True))
    )
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-10)
    assert model.running_means_ == model.running_variances_ == []
    assert all(np.ptp(scale) > 0 for scale in model.normalization_scales_)


def test_batch_norm_predicts_by_running_statistics():
    model = MLPClassifier(normalization="batch", **SETTINGS).fit(X, Y)
    expected = log_probabilities(
        model, lambda i, z: (model.running_means_[i], model.running_variances_[i])
    )
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-10)
    # A row's prediction does not depend on the rows beside it.
    np.testing.assert_allclose(model.decision_function(X[:1]), expected[:1], rtol=1e-10)


def test_running_statistics_after_one_batch():
    model = MLPClassifier(
        **{**SETTINGS, "batch_size": 90, "max_iter": 1, "learning_rate_init": 1e-300},
        normalization="batch",
    ).fit(X, Y)
    z = X @ model.coefs_[0] + model.intercepts_[0]
    np.testing.assert_allclose(model.running_means_[0], 0.1 * z.mean(0), rtol=1e-10)
    np.testing.assert_allclose(
        model.running_variances_[0], 0.9 + 0.1 * z.var(0, ddof=1), rtol=1e-10
    )


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


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_training_goes_on_through_a_pickle(name):
    def start():
        model = MLPClassifier(normalization=name, **SETTINGS)
        return model.partial_fit(X, Y, classes=[0, 1, 2])

    straight = start().partial_fit(X, Y)
    resumed = pickle.loads(pickle.dumps(start())).partial_fit(X, Y)
    for attribute in ("coefs_", "normalization_scales_", "running_means_", "running_variances_"):
        for a, b in zip(getattr(straight, attribute), getattr(resumed, attribute), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_early_stopping_restores_statistics_with_the_weights(name):
    settings = {**SETTINGS, "max_iter": 60, "learning_rate_init": 0.1, "n_iter_no_change": 5}
    model = MLPClassifier(normalization=name, early_stopping=True, **settings).fit(X, Y)
    best = int(np.argmax(model.validation_scores_)) + 1
    assert best < model.n_iter_
    until_then = MLPClassifier(
        normalization=name, early_stopping=True, **{**settings, "max_iter": best}
    ).fit(X, Y)
    np.testing.assert_array_equal(model.decision_function(X), until_then.decision_function(X))


def test_another_normalization_cannot_go_on():
    model = MLPClassifier(normalization="batch", warm_start=True, **SETTINGS).fit(X, Y)
    with pytest.raises(ValueError, match="with another normalization"):
        model.set_params(normalization=None).fit(X, Y)
