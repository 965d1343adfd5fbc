import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.preprocessing import RelevanceScaler, TabularEncoder
from sknn_opt.preprocessing.relevance import _variances

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
Y = X[:, 1] + 0.1 * X[:, 2]
NETWORK = MLPRegressor((), optimizer="lbfgs", alpha=0.0, tol=1e-10, random_state=0)


@parametrize_with_checks([RelevanceScaler(MLPRegressor((5,), max_iter=5, random_state=0))])
def test_conformity(estimator, check):
    check(estimator)


def test_relevances_of_a_linear_model_are_its_coefficients_in_standard_deviations():
    data = X * [1, 2, 3, 4]
    scaler = RelevanceScaler(NETWORK, limits=(0, 100)).fit(data, Y)
    expected = np.abs(scaler.network_.coefs_[0].ravel()) * data.std(axis=0)
    np.testing.assert_allclose(scaler.relevances_, expected, rtol=1e-10)
    np.testing.assert_allclose(scaler.scale_, expected / np.sqrt(np.mean(expected**2)))
    np.testing.assert_allclose(scaler.transform(data), data * scaler.scale_)
    np.testing.assert_array_equal(scaler.fit_transform(data, Y), scaler.transform(data))


def test_factors_stay_within_the_limits():
    scaler = RelevanceScaler(NETWORK, limits=(0.5, 1.5)).fit(X, Y)
    assert scaler.scale_.min() == 0.5
    assert scaler.scale_.max() == 1.5


def test_columns_of_a_feature_share_their_factor():
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": rng.choice(["x", "y", "z"], 200)})
    encoder = TabularEncoder(n_bins=4, n_frequencies=2, random_state=0)
    scaler = RelevanceScaler(NETWORK, encoder).fit(table, Y)
    origins = scaler.encoder_.origins_
    for feature in range(3):
        assert len(set(scaler.scale_[origins == feature])) == 1
    assert np.argmax(scaler.relevances_) == 1
    encoded = encoder.fit_transform(table)
    gradients = scaler.network_.coefs_[0].ravel()
    shares = gradients**2 * encoded.var(axis=0, dtype=float)
    expected = [np.sqrt(shares[origins == feature].sum()) for feature in range(3)]
    np.testing.assert_allclose(scaler.relevances_, expected, rtol=1e-5)
    assert list(scaler.get_feature_names_out()) == list(encoder.get_feature_names_out())


def test_classes_and_several_outputs():
    classes = np.digitize(Y, [-0.5, 0.5])
    scaler = RelevanceScaler(MLPClassifier((10,), optimizer="lbfgs", random_state=0))
    assert np.argmax(scaler.fit(X, classes).scale_) == 1
    both = np.column_stack([Y, X[:, 3]])
    scale = RelevanceScaler(NETWORK).fit(X, both).scale_
    assert set(np.argsort(scale)[-2:]) == {1, 3}


def test_a_network_that_has_learnt_nothing_scales_nothing():
    constant = MLPRegressor((), initializer="zeros", max_iter=1, learning_rate_init=1e-300)
    scaler = RelevanceScaler(constant).fit(X, Y * 0)
    np.testing.assert_array_equal(scaler.scale_, 1)


def test_an_encoder_that_makes_no_columns():
    with pytest.raises(ValueError, match="hold a single value"):
        RelevanceScaler(NETWORK, TabularEncoder()).fit(np.ones_like(X), Y)


@pytest.mark.parametrize("limits", [(1, 0.5), (-1, 1), (1,), (0, 1, 2), ("low", "high")])
def test_bad_limits(limits):
    with pytest.raises(ValueError, match="limits must be two numbers"):
        RelevanceScaler(NETWORK, limits=limits).fit(X, Y)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_an_encoder_may_make_frames(library):
    pytest.importorskip(library)
    encoder = TabularEncoder(random_state=0)
    plain = RelevanceScaler(NETWORK, encoder).fit(X, Y)
    expected = plain.transform(X)
    encoder.set_output(transform=library)
    framed = RelevanceScaler(NETWORK, encoder)
    np.testing.assert_array_equal(framed.fit_transform(X, Y), expected)
    np.testing.assert_array_equal(framed.transform(X), expected)


def test_data_are_not_changed():
    data = X.copy()
    for encoder in (None, FunctionTransformer(), TabularEncoder(n_bins=0, n_frequencies=0)):
        RelevanceScaler(NETWORK, encoder).fit_transform(data, Y)
        np.testing.assert_array_equal(data, X)


def test_variances_of_blocks_of_rows(monkeypatch):
    shifted = X + 1e3
    monkeypatch.setattr("sknn_opt.preprocessing.numeric._CHUNK", 30)
    np.testing.assert_allclose(_variances(shifted), shifted.var(axis=0), rtol=1e-12)


def test_an_encoder_may_make_integers_but_no_sparse_matrix():
    words = np.array([["a"], ["b"], ["a"], ["c"]] * 5, dtype=object)
    y = (words[:, 0] == "a").astype(float)
    dense = OneHotEncoder(sparse_output=False, dtype=int)
    scaled = RelevanceScaler(NETWORK, dense, limits=(0.5, 0.5)).fit_transform(words, y)
    np.testing.assert_array_equal(np.unique(scaled), [0, 0.5])
    with pytest.raises(TypeError, match="dense data is required"):
        RelevanceScaler(NETWORK, OneHotEncoder()).fit(words, y)
