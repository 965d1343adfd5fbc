"""Features that say how near a row is to some rows of the training data."""

from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.metrics import pairwise_distances
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from .._components import POSITIVE
from .._documentation_link import DocumentationLinkMixin
from .._network.layout import FLOATS
from .numeric import row_chunks

#: Eigenvalues of the kernel below this share of the largest one are rounding, or nearly so.
_LEAST_EIGENVALUE = 1e-6


class KernelFeatures(
    DocumentationLinkMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    r"""Encode rows by how near they are to a few rows of the training data.

    With the landmarks :math:`l_1, \dots, l_M`, rows drawn from those of `fit`, and a kernel
    :math:`k(x, z) = g(\lVert x - z \rVert / h)`, the features are

    .. math::

        \phi(x) = c \left( \Lambda^{-1/2} U^\top
        \big( k(x, l_1), \dots, k(x, l_M) \big)^\top - \mu \right),
        \qquad
        K = \big( k(l_i, l_j) \big)_{ij} = U \Lambda U^\top,

    where :math:`\mu` is their mean and :math:`c` makes their variance 1 on average. Before both,
    :math:`\phi(x)^\top \phi(z)` approximates :math:`k(x, z)` [1]_, so that a linear layer behind
    it is a kernel machine. The Laplace kernel has :math:`g(d) = e^{-d}`, and the Gaussian one
    :math:`g(d) = e^{-d^2}`. The width :math:`h` is the median of the distances between
    landmarks, times `width`.

    A network with hidden layers draws large, smooth regions. Behind these features it can also
    tell what holds only near some rows. Features should have their scale by what they matter, as
    `RelevanceScaler` gives it to them.

    Parameters
    ----------
    n_landmarks : int, default=300
        The number :math:`M` of landmarks, at most that of rows.
    kernel : {'laplace', 'gaussian'}, default='laplace'
        The function :math:`g`.
    width : float, default=1.0
        The width of the kernel, in medians of the distance between landmarks.
    random_state : int, RandomState instance or None, default=None
        Draws the landmarks.

    Attributes
    ----------
    landmarks_ : ndarray of shape (n_landmarks, n_features)
        The rows that others are compared with.
    width_ : float
        The width :math:`h`.
    components_ : ndarray of shape (n_landmarks, n_features_out)
        What similarities are multiplied by: :math:`c \, U \Lambda^{-1/2}`, without components
        whose eigenvalue is next to 0.
    mean_ : ndarray of shape (n_features_out,)
        What is subtracted at the end.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all of them are strings.

    See Also
    --------
    sklearn.kernel_approximation.Nystroem : Other kernels, of a given width.

    References
    ----------
    .. [1] C. K. I. Williams, M. Seeger. "Using the Nyström method to speed up kernel machines".
       NIPS 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknn_opt import MLPRegressor
    >>> from sknn_opt.preprocessing import KernelFeatures
    >>> X = np.random.default_rng(0).uniform(-3, 3, size=(300, 1))
    >>> y = np.sin(5 * X[:, 0])
    >>> linear = MLPRegressor((), optimizer="lbfgs")
    >>> model = make_pipeline(KernelFeatures(50, width=0.2, random_state=0), linear)
    >>> print(linear.fit(X, y).score(X, y) < 0.1, model.fit(X, y).score(X, y) > 0.9)
    True True
    """

    _parameter_constraints = {
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "kernel": [StrOptions({"laplace", "gaussian"})],
        "width": POSITIVE,
        "random_state": ["random_state"],
    }

    def __init__(self, n_landmarks=300, *, kernel="laplace", width=1.0, random_state=None):
        self.n_landmarks = n_landmarks
        self.kernel = kernel
        self.width = width
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Draw landmarks, and learn how similarities to them become features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers.
        y : Ignored

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If distances between rows overflow.
        """
        X = validate_data(self, X, dtype=FLOATS)
        order = check_random_state(self.random_state).permutation(len(X))
        self.landmarks_ = X[order[: self.n_landmarks]]
        with np.errstate(over="ignore", invalid="ignore"):
            distances = pairwise_distances(self.landmarks_.astype(np.float64))
        if not np.isfinite(distances).all():
            raise ValueError("Distances between rows of X overflow. Scale the features.")
        apart = distances[distances > 0]
        self.width_ = float(self.width * np.median(apart)) if apart.size else 1.0
        eigenvalues, vectors = np.linalg.eigh(self._similarities(distances))
        kept = eigenvalues > _LEAST_EIGENVALUE * eigenvalues[-1]
        components = _with_signs(vectors[:, kept]) / np.sqrt(eigenvalues[kept])
        self.mean_, scale = self._moments(X, components)
        self.components_ = scale * components
        self.mean_ *= scale
        return self

    def _similarities(self, distances):
        scaled = distances / self.width_
        return np.exp(-scaled if self.kernel == "laplace" else -(scaled**2))

    def _moments(self, X, components):
        """Return the mean of each feature, and the factor by which their mean variance is 1."""
        total, squares = 0.0, 0.0
        for rows in row_chunks(len(X), len(self.landmarks_)):
            features = self._projected(X[rows], components)
            total = total + features.sum(axis=0)
            squares += (features**2).sum()
        mean = total / len(X)
        variance = (squares / len(X) - (mean**2).sum()) / len(mean)
        return mean, 1 / np.sqrt(variance) if variance > 1e-12 else 1.0

    def _projected(self, X, components):
        distances = pairwise_distances(X.astype(np.float64), self.landmarks_.astype(np.float64))
        return self._similarities(distances) @ components

    def transform(self, X):
        """Return the features of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            In the type of ``X``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        encoded = np.empty((len(X), self._n_features_out), dtype=X.dtype)
        for rows in row_chunks(len(X), len(self.landmarks_)):
            encoded[rows] = self._projected(X[rows], self.components_) - self.mean_
        return encoded

    @property
    def _n_features_out(self):
        return self.components_.shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _with_signs(vectors):
    """Return eigenvectors whose largest entries are positive, as only a convention can say."""
    largest = np.abs(vectors).argmax(axis=0)
    return vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
