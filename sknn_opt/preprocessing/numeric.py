"""Encodings of numeric features, each feature on its own: scaled, in bins, as waves.

Missing values, NaN, are left out of what is learnt, and stay missing in what is returned.
"""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from .._components import FLOAT_TYPE, FRACTION, POSITIVE
from .._containers import check_in_memory
from .._documentation_link import DocumentationLinkMixin

# The interquartile range of a standard normal distribution.
_NORMAL_RANGE = 1.349

# Far beyond all limits, while its square can still be computed.
FAR = 1e150

# So many numbers are encoded at a time, in float64, which bounds the memory beside the result.
_CHUNK = 2**20


def row_chunks(n_samples, n_columns):
    """Return slices of rows that are small when so many columns have been made of them."""
    return gen_batches(n_samples, max(1, _CHUNK // max(1, n_columns)))


class NumericEncoder(DocumentationLinkMixin, TransformerMixin, BaseEstimator):
    """Base of the transformers that encode each numeric feature on its own.

    A subclass has `_learn`, what is learnt of one column without its missing values; `_keep`,
    which makes fitted attributes of that; `_encode`, from numbers in float64 to numbers of a
    floating type; and `_n_features_out`.
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn from each column of ``X``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, and NaN where they are missing.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        X = self._validate(X, reset=True)
        return self._keep([self._learn(x[~np.isnan(x)].astype(np.float64)) for x in X.T])

    def transform(self, X):
        """Encode ``X``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, and NaN where they are missing.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            Columns made of a missing value are missing, NaN.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        dtype = np.dtype(self.dtype or X.dtype)
        encoded = np.empty((len(X), self._n_features_out), dtype=dtype)
        for rows in row_chunks(*encoded.shape):
            encoded[rows] = self._encode(X[rows].astype(np.float64), dtype)
        return encoded

    def _validate(self, X, reset):
        check_in_memory(X)
        floats = (np.float64, np.float32)
        return validate_data(self, X, reset=reset, dtype=floats, ensure_all_finite="allow-nan")

    def _learn(self, x):
        raise NotImplementedError

    def _keep(self, learned):
        self.n_features_in_ = len(learned)
        return self

    def _encode(self, X, dtype):
        raise NotImplementedError

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        types = ("float64", "float32") if self.dtype is None else (np.dtype(self.dtype).name,)
        tags.transformer_tags.preserves_dtype = list(types)
        return tags


class SmoothClipScaler(OneToOneFeatureMixin, NumericEncoder):
    r"""Scale features by their quartiles, and bend far values smoothly towards a limit.

    .. math::

        z = \frac{x - \operatorname{median}(x)}{s},
        \qquad
        f(z) = \frac{z}{\sqrt{1 + (z / c)^2}},
        \qquad
        s = \frac{q_{0.75} - q_{0.25}}{1.349}

    The divisor 1.349 makes :math:`s` the standard deviation of a normal distribution. Where both
    quartiles are the same, :math:`s` is half the range instead, and 1 in a constant feature.

    Most values hardly change in the second step, while an outlier stays within
    :math:`\pm c`: it can no longer dominate the first layer of a network, and still differs from
    values that are not as far out.

    Parameters
    ----------
    limit : float, default=3.0
        The bound :math:`c`.
    with_mean : bool, default=False
        Whether to subtract from each column of the result its mean in `fit`, so that a network's
        inputs are centred.
    dtype : {None, 'float32', 'float64'}, default=None
        Type of the result; None keeps the type of `X`, and makes float64 of integers.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        The median of each feature.
    scale_ : ndarray of shape (n_features,)
        The divisor :math:`s` of each feature.
    mean_ : ndarray of shape (n_features,)
        What is subtracted from each column at the end: 0 without `with_mean`.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all of them are strings.

    See Also
    --------
    sklearn.preprocessing.RobustScaler : The first step alone.
    TabularEncoder : Encodes the columns of a frame, numbers in this way.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart. "Better by default: strong pre-tuned MLPs and
    boosted trees on tabular data". NeurIPS 2024, :arxiv:`2407.04491`.

    Examples
    --------
    >>> from sknn_opt.preprocessing import SmoothClipScaler
    >>> X = [[1.0], [2.0], [3.0], [4.0], [1000.0]]
    >>> print(SmoothClipScaler().fit_transform(X).round(2).ravel())
    [-1.23 -0.66  0.    0.66  3.  ]
    """

    _parameter_constraints = {
        "limit": POSITIVE,
        "with_mean": ["boolean"],
        "dtype": [*FLOAT_TYPE, None],
    }

    def __init__(self, limit=3.0, *, with_mean=False, dtype=None):
        self.limit = limit
        self.with_mean = with_mean
        self.dtype = dtype

    def _learn(self, x):
        """Return center, scale and mean."""
        if not x.size:
            return 0.0, 1.0, 0.0
        low, center, high = np.quantile(x, [0.25, 0.5, 0.75])
        # Halves, so that the difference of huge numbers is no infinity.
        scale = (high / 2 - low / 2) * (2 / _NORMAL_RANGE) or x.max() / 2 - x.min() / 2 or 1.0
        mean = self._clipped(x, center, scale).mean() if self.with_mean else 0.0
        return center, scale, mean

    def _keep(self, learned):
        self.center_, self.scale_, self.mean_ = np.reshape(learned, (-1, 3)).T.copy()
        return super()._keep(learned)

    def _encode(self, X, dtype):
        return (self._clipped(X, self.center_, self.scale_) - self.mean_).astype(dtype)

    def _clipped(self, x, center, scale):
        with np.errstate(over="ignore"):
            z = np.clip((x - center) / scale, -FAR, FAR)
        return z / np.sqrt(1 + (z / self.limit) ** 2)

    @property
    def _n_features_out(self):
        return self.n_features_in_


class PiecewiseLinearEncoder(NumericEncoder):
    r"""Encode each feature by the share of each of several bins that lies below its value.

    .. math::

        e_t(x) = \min\left(1, \max\left(0, \frac{x - b_{t-1}}{b_t - b_{t-1}}\right)\right),
        \qquad t = 1, \dots, T

    with edges :math:`b_0 < b_1 < \dots < b_T`. The bins below :math:`x` are 1, those above it are
    0, and the one that holds it is in between. A linear layer on top of that is a piecewise linear
    function of the feature with a bend at each edge, so that a network easily learns steps and
    narrow peaks.

    The edges are quantiles, some of all values and some of the distinct values. The former are
    dense where there are many samples. The latter also divide the tail of a feature that is 0
    nearly everywhere. A feature of at most ``n_bins + 1`` distinct values has an edge at each.

    Parameters
    ----------
    n_bins : int, default=16
        The number :math:`T` of bins of a feature. Where edges coincide there are fewer, and none
        if the feature is constant.
    distinct_share : float, default=0.5
        The share of the bins that are made from quantiles of the distinct values.
    with_mean : bool, default=False
        Whether to subtract from each column its mean in `fit`, so that a network's inputs are
        centred.
    scale : float, default=1.0
        What the columns are multiplied by at the end. Next to the scaled feature itself, networks
        often learn best with a factor between 0.15 and 0.6.
    dtype : {None, 'float32', 'float64'}, default=None
        Type of the result; None keeps the type of `X`, and makes float64 of integers.

    Attributes
    ----------
    bin_edges_ : list of ndarray of shape (n_bins + 1,)
        Edges of the bins of each feature.
    mean_ : ndarray of shape (n_features_out,)
        What is subtracted from each column: 0 without `with_mean`.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all of them are strings.

    See Also
    --------
    sklearn.preprocessing.KBinsDiscretizer : Tells only which bin holds a value.
    sklearn.preprocessing.SplineTransformer : Smooth pieces instead of straight ones.

    Notes
    -----
    In the paper the first and the last bin go on beyond the outermost edges. Here they end there,
    so that an outlier among new samples is encoded as the largest or the smallest value seen.

    If no value of a feature occurs twice, both kinds of quantiles are the same, and half of
    `n_bins` are left with the default of `distinct_share`.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko. "On embeddings for numerical features in tabular deep
    learning". NeurIPS 2022, :arxiv:`2203.05556`.

    Examples
    --------
    >>> from sknn_opt.preprocessing import PiecewiseLinearEncoder
    >>> encoder = PiecewiseLinearEncoder(n_bins=3).fit([[0.0], [1.0], [2.0], [4.0]])
    >>> print(encoder.transform([[1.5], [3.0]]))
    [[1.  0.5 0. ]
     [1.  1.  0.5]]
    >>> print(encoder.get_feature_names_out(["age"]))
    ['age_bin0' 'age_bin1' 'age_bin2']
    """

    _parameter_constraints = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "distinct_share": FRACTION,
        "with_mean": ["boolean"],
        "scale": POSITIVE,
        "dtype": [*FLOAT_TYPE, None],
    }

    def __init__(self, n_bins=16, *, distinct_share=0.5, with_mean=False, scale=1.0, dtype=None):
        self.n_bins = n_bins
        self.distinct_share = distinct_share
        self.with_mean = with_mean
        self.scale = scale
        self.dtype = dtype

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns: ``age_bin0``, ``age_bin1``, ... of ``age``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; None means those seen in `fit`.

        Returns
        -------
        names : ndarray of shape (n_features_out,)
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        counts = [_n_bins(edges) for edges in self.bin_edges_]
        return _numbered(names, "bin", counts)

    def _learn(self, x):
        """Return the edges, and the means of the columns."""
        edges = self._edges(x)
        means = np.zeros(_n_bins(edges))
        if self.with_mean:
            for rows in row_chunks(len(x), len(means)):
                means += _shares_of_bins(x[rows], edges).sum(axis=0) / len(x)
        return edges, means

    def _edges(self, x):
        distinct = np.unique(x)
        if len(distinct) <= self.n_bins + 1:
            return distinct
        n_by_rows = int(self.n_bins * (1 - self.distinct_share))
        by_rows = np.quantile(x, np.linspace(0, 1, n_by_rows + 1))
        by_values = np.quantile(distinct, np.linspace(0, 1, self.n_bins - n_by_rows + 1))
        return np.unique(np.concatenate([by_rows, by_values]))

    def _keep(self, learned):
        self.bin_edges_ = [edges for edges, _ in learned]
        self.mean_ = np.concatenate([np.empty(0), *(means for _, means in learned)])
        return super()._keep(learned)

    def _encode(self, X, dtype):
        encoded = np.empty((len(X), self._n_features_out), dtype=dtype)
        start = 0
        for x, edges in zip(X.T, self.bin_edges_, strict=True):
            stop = start + _n_bins(edges)
            encoded[:, start:stop] = _shares_of_bins(x, edges)
            start = stop
        encoded -= self.mean_.astype(dtype)
        encoded *= dtype.type(self.scale)
        return encoded

    @property
    def _n_features_out(self):
        return len(self.mean_)


def _n_bins(edges):
    """Return the number of bins: none without a value, or with a single one."""
    return max(0, len(edges) - 1)


def _shares_of_bins(x, edges):
    """Return the share of each bin that lies below each value, of shape (len(x), n_bins)."""
    with np.errstate(over="ignore"):  # far above a bin that is hardly wide
        return np.clip((x[:, np.newaxis] - edges[:-1]) / np.diff(edges), 0, 1)


def _numbered(names, what, counts):
    """Return the names of so many columns of each feature."""
    return np.array(
        [f"{name}_{what}{i}" for name, count in zip(names, counts, strict=True)
         for i in range(count)],
        dtype=object,
    )  # fmt: skip


class PeriodicFeatures(NumericEncoder):
    r"""Encode each feature by waves of random frequencies and phases.

    .. math::

        \cos(\omega_k x + \varphi_k),
        \qquad
        \omega_k \sim \mathcal N(0, \sigma^2),
        \quad
        \varphi_k \sim \mathcal U(-\pi, \pi),
        \qquad k = 1, \dots, K

    with frequencies and phases of its own for each feature. A network prefers functions that change
    slowly with its inputs; waves let it follow faster ones. Scale features to about unit size
    first, for example with `SmoothClipScaler`.

    Parameters
    ----------
    n_frequencies : int, default=8
        The number :math:`K` of waves of each feature.
    sigma : float, default=1.0
        Standard deviation :math:`\sigma` of the frequencies: the larger, the faster the functions
        that are easily learnt, and the more noise is learnt too.
    scale : float, default=1.0
        What the columns are multiplied by.
    dtype : {None, 'float32', 'float64'}, default=None
        Type of the result; None keeps the type of `X`, and makes float64 of integers.
    random_state : int, RandomState instance or None, default=None
        Draws frequencies and phases.

    Attributes
    ----------
    frequencies_ : ndarray of shape (n_features, n_frequencies)
        The frequencies :math:`\omega`.
    phases_ : ndarray of shape (n_features, n_frequencies)
        The phases :math:`\varphi`.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all of them are strings.

    See Also
    --------
    sklearn.kernel_approximation.RBFSampler : Waves in directions that mix all features.

    Notes
    -----
    Gorishniy et al. train the frequencies with the network, and take sine and cosine in place of a
    random phase. Here they are drawn once, as in the work of Rahimi and Recht.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko. "On embeddings for numerical features in tabular deep
    learning". NeurIPS 2022, :arxiv:`2203.05556`.

    A. Rahimi, B. Recht. "Random features for large-scale kernel machines". NIPS 2007.

    Examples
    --------
    >>> from sknn_opt.preprocessing import PeriodicFeatures
    >>> waves = PeriodicFeatures(n_frequencies=2, random_state=0).fit([[0.0], [1.0]])
    >>> print(waves.transform([[0.0], [1.0]]).round(2))
    [[ 0.8   0.96]
     [-0.74  0.78]]
    >>> print(waves.get_feature_names_out(["age"]))
    ['age_wave0' 'age_wave1']
    """

    _parameter_constraints = {
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "sigma": POSITIVE,
        "scale": POSITIVE,
        "dtype": [*FLOAT_TYPE, None],
        "random_state": ["random_state"],
    }

    def __init__(self, n_frequencies=8, *, sigma=1.0, scale=1.0, dtype=None, random_state=None):
        self.n_frequencies = n_frequencies
        self.sigma = sigma
        self.scale = scale
        self.dtype = dtype
        self.random_state = random_state

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns: ``age_wave0``, ``age_wave1``, ... of ``age``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features; None means those seen in `fit`.

        Returns
        -------
        names : ndarray of shape (n_features_out,)
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        n_features, n_frequencies = self.frequencies_.shape
        return _numbered(names, "wave", [n_frequencies] * n_features)

    def _learn(self, x):
        """Nothing depends on the values."""

    def _keep(self, learned):
        random_state = check_random_state(self.random_state)
        shape = len(learned), self.n_frequencies
        self.frequencies_ = random_state.normal(0, self.sigma, shape)
        self.phases_ = random_state.uniform(-np.pi, np.pi, shape)
        return super()._keep(learned)

    def _encode(self, X, dtype):
        angles = X[:, :, np.newaxis] * self.frequencies_ + self.phases_
        # NumPy's cosine of float32 takes a fraction of the time.
        waves = np.cos(angles.reshape(len(X), -1).astype(dtype))
        waves *= dtype.type(self.scale)
        return waves

    @property
    def _n_features_out(self):
        return self.frequencies_.size
