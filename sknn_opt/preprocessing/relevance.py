"""Scaling of features by how much a network makes of them."""

from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, _fit_context, clone
from sklearn.utils import check_array, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from .._documentation_link import DocumentationLinkMixin
from .._network.layout import FLOATS
from ..inspection import input_gradients
from .numeric import row_chunks
from .tabular import TabularEncoder


class RelevanceScaler(DocumentationLinkMixin, MetaEstimatorMixin, TransformerMixin, BaseEstimator):
    r"""Encode a table, and scale the columns made from each feature by its relevance.

    A network with many inputs learns from all of them alike at first, however few matter. So a
    small network is trained on the encoded table, and its gradients show which do. With its raw
    outputs :math:`f_o` and the set :math:`G_j` of columns that the encoder has made of feature
    :math:`j`, the relevance of that feature is

    .. math::

        r_j = \sqrt{\sum_{k \in G_j} \operatorname{Var}(z_k) \sum_o
        \operatorname{mean} \left( \frac{\partial f_o}{\partial z_k} \right)^2 }
        , \qquad
        s_j = \operatorname{clip} \left(
        \frac{r_j}{\sqrt{\operatorname{mean}_i r_i^2}}, \; \text{limits} \right),

    and all columns of the feature are multiplied by :math:`s_j`. These are the diagonal of the
    average gradient outer product and one round of a recursive feature machine [1]_.

    Parameters
    ----------
    network : MLPClassifier or MLPRegressor
        A clone of it is trained. A short training of a few units is enough.
    encoder : transformer, default=None
        Turns the table into numbers. If it has ``origins_``, as `TabularEncoder` has, these say
        which feature a column comes from; otherwise each column is its own feature. None means that
        the features are numbers, and taken as they are.
    limits : tuple of two floats, default=(0.1, 5.0)
        The least and the greatest factor.
    max_rows : int, default=1000
        Number of rows at which gradients are computed, evenly spaced in the data.

    Attributes
    ----------
    encoder_ : transformer or None
        The fitted encoder.
    network_ : MLPClassifier or MLPRegressor
        The fitted network.
    relevances_ : ndarray of shape (n_features,)
        The relevance of each feature.
    scale_ : ndarray of shape (n_features_out,)
        What each column is multiplied by.
    n_features_in_ : int
        Number of columns of the table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all of them are strings.

    References
    ----------
    .. [1] A. Radhakrishnan, D. Beaglehole, P. Pandit, M. Belkin. "Mechanism for feature learning
       in neural networks and backpropagation-free machine learning models". Science 383, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> from sknn_opt.preprocessing import RelevanceScaler
    >>> X = np.random.default_rng(0).normal(size=(200, 5))
    >>> network = MLPRegressor((10,), "tanh", optimizer="lbfgs", tol=0.01, random_state=0)
    >>> scaler = RelevanceScaler(network).fit(X, X[:, 2] ** 2)
    >>> int(np.argmax(scaler.scale_))
    2
    """

    _parameter_constraints = {
        "network": [HasMethods(["fit", "predict"])],
        "encoder": [HasMethods(["fit", "transform"]), None],
        "limits": [tuple, list],
        "max_rows": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, network, encoder=None, *, limits=(0.1, 5.0), max_rows=1000):
        self.network = network
        self.encoder = encoder
        self.limits = limits
        self.max_rows = max_rows

    def fit(self, X, y):
        """Learn the encoding and the relevance of each feature.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        self : object
        """
        self.fit_transform(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X, y):
        """Learn the encoding and the relevance of each feature, and return the scaled columns.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        X_scaled : ndarray of shape (n_samples, n_features_out)
        """
        low, high = self._checked_limits()
        X = self._validate(X, reset=True)
        self.encoder_ = None if self.encoder is None else clone(self.encoder)
        encoded = self._encoded("fit_transform", X, y)
        self.network_ = clone(self.network).fit(encoded, y)
        rows = np.linspace(0, len(encoded) - 1, min(self.max_rows, len(encoded))).astype(np.intp)
        gradients = input_gradients(self.network_, encoded[rows])
        squares = (gradients.reshape(len(rows), -1, encoded.shape[1]) ** 2).mean(axis=0).sum(axis=0)
        shares = squares * _variances(encoded)
        origins = getattr(self.encoder_, "origins_", np.arange(encoded.shape[1]))
        self.relevances_ = np.sqrt(np.bincount(origins, shares, minlength=self.n_features_in_))
        self.scale_ = self._factors(origins, low, high).astype(encoded.dtype, copy=False)
        return self._scaled(encoded)

    def _checked_limits(self):
        are_numbers = all(isinstance(limit, Real) for limit in self.limits)
        if len(self.limits) != 2 or not are_numbers or not 0 <= self.limits[0] <= self.limits[1]:
            raise ValueError(f"limits must be two numbers, 0 <= low <= high, got {self.limits}.")
        return self.limits

    def _encoded(self, method, *data):
        """Return what the encoder makes of a table, an array whatever `set_output` says."""
        if self.encoder_ is None:
            return data[0]
        encoded = getattr(self.encoder_, method)(*data)
        if not sparse.issparse(encoded):
            encoded = np.asarray(encoded)  # frames of Polars would become double precision
        if encoded.ndim == 2 and encoded.shape[1] == 0:
            raise ValueError(
                f"Found array with 0 feature(s) (shape={encoded.shape}) behind the encoder. "
                "TabularEncoder leaves out columns that hold a single value in the rows of fit."
            )
        return check_array(encoded, dtype=FLOATS, order="C", ensure_all_finite=False)

    def _scaled(self, encoded):
        # A large table is not held twice where the encoder has made a new array.
        is_new = isinstance(self.encoder_, TabularEncoder) and encoded.flags.writeable
        return np.multiply(encoded, self.scale_, out=encoded if is_new else None)

    def _validate(self, X, reset):
        if self.encoder is None:
            return validate_data(self, X, dtype=FLOATS, reset=reset)
        validate_data(self, X, skip_check_array=True, reset=reset)
        return X

    def _factors(self, origins, low, high):
        present = self.relevances_[np.unique(origins)]
        size = np.sqrt(np.mean(present**2)) if present.size else 0.0
        if size == 0 or not np.isfinite(size):
            return np.ones(len(origins))  # the network has learnt nothing
        return np.clip(self.relevances_ / size, low, high)[origins]

    def transform(self, X):
        """Encode and scale.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)

        Returns
        -------
        X_scaled : ndarray of shape (n_samples, n_features_out)
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return self._scaled(self._encoded("transform", X))

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns, those of the encoder.

        Parameters
        ----------
        input_features : array-like of str, default=None

        Returns
        -------
        names : ndarray of shape (n_features_out,)
        """
        check_is_fitted(self)
        if self.encoder_ is None:
            return _check_feature_names_in(self, input_features)
        return self.encoder_.get_feature_names_out(input_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        if self.encoder is not None:
            tags.input_tags = get_tags(self.encoder).input_tags
        return tags


def _variances(X):
    """Return the variance of each column, without a copy of ``X`` in double precision."""
    mean = X.mean(axis=0, dtype=np.float64)
    squares = np.zeros(X.shape[1])
    for rows in row_chunks(*X.shape):
        squares += ((X[rows] - mean) ** 2).sum(axis=0)
    return squares / len(X)
