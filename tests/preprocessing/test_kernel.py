import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.kernel_approximation import Nystroem
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknn_opt.preprocessing import KernelFeatures, numeric

pytestmark = pytest.mark.usefixtures("one_blas_thread")

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))


@parametrize_with_checks(
    [KernelFeatures(5, random_state=0), KernelFeatures(kernel="gaussian", width=0.5)]
)
def test_conformity(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kernel", ["laplace", "gaussian"])
def test_products_are_the_kernel_where_all_rows_are_landmarks(kernel):
    features = KernelFeatures(60, kernel=kernel, random_state=0)
    encoded = features.fit_transform(X)
    distances = cdist(X, X)
    width = np.median(distances[distances > 0])
    assert features.width_ == pytest.approx(width)
    scaled = distances / width
    expected = np.exp(-scaled if kernel == "laplace" else -(scaled**2))
    np.testing.assert_allclose(products(features, encoded), expected, atol=1e-4)


def products(features, encoded):
    """Return the products of rows before features are centred and scaled."""
    landmarks = features.landmarks_
    scaled = cdist(landmarks, landmarks) / features.width_
    kernel = np.exp(-scaled if features.kernel == "laplace" else -(scaled**2))
    squared_scale = (features.components_.T @ kernel @ features.components_)[0, 0]
    raw = encoded + features.mean_
    return raw @ raw.T / squared_scale


def test_products_are_those_of_scikit_learns_approximation():
    features = KernelFeatures(20, kernel="gaussian", random_state=0).fit(X)
    nystroem = Nystroem(gamma=features.width_**-2, n_components=20, random_state=0).fit(X)
    np.testing.assert_array_equal(nystroem.components_, features.landmarks_)
    new = rng.normal(size=(10, 3))
    expected = nystroem.transform(new) @ nystroem.transform(new).T
    np.testing.assert_allclose(products(features, features.transform(new)), expected, rtol=1e-6)


def test_features_are_centred_and_have_unit_variance_on_average():
    encoded = KernelFeatures(20, width=2.0, random_state=0).fit_transform(X)
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(encoded.var(axis=0).mean(), 1)


def test_chunks_change_nothing(monkeypatch):
    features = KernelFeatures(10, random_state=0)
    expected = features.fit_transform(X)
    monkeypatch.setattr(numeric, "_CHUNK", 70)
    np.testing.assert_allclose(clone(features).fit_transform(X), expected)


def test_float32_stays_float32():
    encoded = KernelFeatures(10, random_state=0).fit_transform(X.astype(np.float32))
    assert encoded.dtype == np.float32
    expected = KernelFeatures(10, random_state=0).fit_transform(X)
    np.testing.assert_allclose(encoded, expected, rtol=1e-3, atol=1e-3)


def test_rows_that_are_the_same():
    repeated = np.repeat(X[:4], 5, axis=0)
    encoded = KernelFeatures(random_state=0).fit_transform(repeated)
    assert encoded.shape == (20, 4)
    constant = KernelFeatures(random_state=0).fit(np.ones((5, 2)))
    np.testing.assert_allclose(constant.transform(np.ones((2, 2))), 0, atol=1e-12)


def test_rows_too_far_apart():
    with pytest.raises(ValueError, match="rows of X overflow"):
        KernelFeatures().fit([[0.0], [1e200]])
