"""Networks whose weights are small integers: an eighth of the memory, and the same speed."""

import copy
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._documentation_link import DocumentationLinkMixin
from .._estimators.pickle_format import VersionedPickle
from .._network.layout import PARAMETERS
from .networks import with_networks

#: Fitted attributes that a quantized network shows.
_SHOWN = ("classes_", "feature_names_in_", "n_features_in_", "n_outputs_", "out_activation_")

#: Fitted attributes that predictions do not read, and that may be large.
_OF_TRAINING = (
    "history_",
    "loss_curve_",
    "validation_scores_",
    "_optimizer_state_",
    "_skl_callbacks",
)


def quantize(estimator, bits=8):
    r"""Return networks that store their weights as integers, with a scale for each unit.

    .. math::

        q_{ij} = \operatorname{round}(w_{ij} / s_j), \qquad
        s_j = \max_i |w_{ij}| \, / \, (2^{b - 1} - 1)

    for the incoming weights of unit :math:`j` and :math:`b` bits. All other parameters are kept
    in float32. Predictions are computed in float32, with the weights :math:`s_j q_{ij}`.

    With 8 bits, large networks take an eighth of what they take in float64, on disk and in
    memory. A prediction first turns the integers into numbers, which counts for little with a
    thousand rows, but makes up most of the time of a prediction for a single row.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, Pipeline that ends in one, or committee of these
        Fitted. It stays as it is.
    bits : {4, 8}, default=8
        Size of a weight.

    Returns
    -------
    quantized : estimator
        A `QuantizedMLPClassifier` or `QuantizedMLPRegressor`; otherwise the pipeline or the
        committee, with these in the places of its networks. It cannot be trained.

    Raises
    ------
    TypeError
        If there is no network in the estimator.
    ValueError
        If a parameter overflows float32.

    References
    ----------
    B. Jacob, S. Kligys, B. Chen, M. Zhu, M. Tang, A. Howard, H. Adam, D. Kalenichenko.
    "Quantization and training of neural networks for efficient integer-arithmetic-only
    inference". CVPR 2018, :arxiv:`1712.05877`.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_digits
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.compression import quantize
    >>> X, y = load_digits(return_X_y=True)
    >>> network = MLPClassifier((200, 200), tol=1e-2, random_state=0).fit(X / 16, y)
    >>> quantized = quantize(network)
    >>> print(quantized.score(X / 16, y) > 0.95)
    True
    >>> print(len(pickle.dumps(quantized)) / len(pickle.dumps(network)) < 0.15)
    True
    """
    if not isinstance(bits, Integral) or bits not in (4, 8):
        raise ValueError(f"bits must be 4 or 8, got {bits!r}.")

    def quantized(network, features):
        cls = QuantizedMLPClassifier if is_classifier(network) else QuantizedMLPRegressor
        return cls._of(network, int(bits))

    return with_networks(estimator, quantized)


class _QuantizedMLP(DocumentationLinkMixin, VersionedPickle, BaseEstimator):
    """Base of the quantized networks, which predict as the network of float32 would."""

    @classmethod
    def _of(cls, network, bits):
        """Return the quantized form of a fitted network."""
        layers = [_in_float32(layer) for layer in network._fitted_parameters()]
        codes, scales = zip(*(_quantized(layer["coefs"], bits) for layer in layers), strict=True)
        others = {
            f"{name}_": [layer[name] for layer in layers if name in layer]
            for name in PARAMETERS[1:]
        }
        self, hollow = cls(), _hollow(network)
        vars(self).update(
            {name: vars(hollow)[name] for name in _SHOWN if name in vars(hollow)},
            bits_=bits,
            scales_=list(scales),
            _codes=[_pack(one, bits) for one in codes],
            _shapes=[one.shape for one in codes],
            _others=others,
            _network=hollow,
        )
        return self

    def fit(self, X, y=None, **params):
        """Raise TypeError: integers are no place for small steps.

        scikit-learn asks whether an estimator has this method, also where it only predicts.
        """
        raise TypeError(
            f"A {type(self).__name__} cannot be trained. Train the network that it was made from, "
            "and quantize that."
        )

    def __sklearn_is_fitted__(self):
        return "_network" in vars(self)

    @property
    def coefs_(self):
        """The integers of each layer, of shape (fan_in, fan_out)."""
        check_is_fitted(self)
        pairs = zip(self._codes, self._shapes, strict=True)
        return [_unpack(codes, shape, self.bits_) for codes, shape in pairs]

    @property
    def _fitted_loss(self):
        return self._network._fitted_loss

    def _restored(self):
        """Return the network in float32."""
        check_is_fitted(self)
        network = object.__new__(type(self._network))
        pairs = zip(self.coefs_, self.scales_, strict=True)
        coefs = [np.multiply(codes, scales, dtype=np.float32) for codes, scales in pairs]
        vars(network).update(vars(self._network), coefs_=coefs, **self._others)
        return network

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _in_float32(layer):
    with np.errstate(over="ignore"):
        cast = {name: array.astype(np.float32) for name, array in layer.items()}
    for name, array in cast.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name}_ holds a number too large for float32.")
    return cast


def _quantized(coefs, bits):
    """Return integers and scales, one of which for each unit."""
    largest = np.float32(2 ** (bits - 1) - 1)
    # A unit without weights has any scale, and one of subnormal weights has none of its own.
    scales = np.maximum(np.abs(coefs).max(axis=0) / largest, np.finfo(np.float32).tiny)
    return np.rint(coefs / scales).astype(np.int8), scales


def _pack(codes, bits):
    """Return integers of 8 bits as they are, and those of 4 bits in pairs."""
    if bits == 8:
        return codes
    flat = np.append(codes.ravel(), np.zeros(codes.size % 2, np.int8)).view(np.uint8)
    return flat[::2] << 4 | flat[1::2] & 15


def _unpack(codes, shape, bits):
    if bits == 8:
        return codes
    # Shifts of signed integers keep the sign.
    pairs = np.stack([codes, codes << 4], axis=1).view(np.int8) >> 4
    return pairs.ravel()[: shape[0] * shape[1]].reshape(shape)


def _hollow(network):
    """Return a network that knows all but its parameters and its training."""
    hollow = type(network)(n_jobs=network.n_jobs)
    parameters = network.get_params(deep=False)
    left_out = {*_OF_TRAINING, *(f"{name}_" for name in PARAMETERS)}
    kept = {k: v for k, v in vars(network).items() if k not in parameters and k not in left_out}
    vars(hollow).update(copy.deepcopy(kept))
    return hollow


def _has_probabilities(quantized):
    check_is_fitted(quantized)
    return hasattr(quantized._network, "predict_proba")


class QuantizedMLPClassifier(ClassifierMixin, _QuantizedMLP):
    """A classifier whose weights are integers, made by `quantize`.

    Attributes
    ----------
    bits_ : int
        Size of a weight.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        The weights of each layer, integers.
    scales_ : list of ndarray of shape (fan_out,)
        What the weights of each unit are multiplied by.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    quantize : Makes one from a fitted network.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.compression import quantize
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(
    ...     (20,), optimizer="lbfgs", tol=0.1, random_state=0
    ... )
    >>> quantized = quantize(network.fit(X, y))
    >>> print(quantized.coefs_[0].dtype, quantized.score(X, y) > 0.9)
    int8 True
    """

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            As the network's.
        """
        return self._restored().predict(X)

    def decision_function(self, X):
        """Return how confident the network is of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        confidence : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            As the network's.
        """
        return self._restored().decision_function(X)

    @available_if(_has_probabilities)
    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        return self._restored().predict_proba(X)

    @available_if(_has_probabilities)
    def predict_log_proba(self, X):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
        """
        return self._restored().predict_log_proba(X)

    def score(self, X, y, sample_weight=None):
        """Return the accuracy of the predictions for ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            As the network's.
        """
        return self._restored().score(X, y, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class QuantizedMLPRegressor(RegressorMixin, _QuantizedMLP):
    """A regressor whose weights are integers, made by `quantize`.

    Attributes
    ----------
    bits_ : int
        Size of a weight.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        The weights of each layer, integers.
    scales_ : list of ndarray of shape (fan_out,)
        What the weights of each unit are multiplied by.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    quantize : Makes one from a fitted network.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sknn_opt import MLPRegressor
    >>> from sknn_opt.compression import quantize
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = MLPRegressor(
    ...     (5,), optimizer="lbfgs", tol=1e-3, scale_targets=True, random_state=0
    ... )
    >>> quantized = quantize(network.fit(X, y))
    >>> print(quantized.coefs_[0].dtype, quantized.score(X, y) > 0.3)
    int8 True
    """

    def predict(self, X, return_std=False):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return standard deviations too, if the network has learnt them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        std : ndarray of the same shape
            Only with ``return_std=True``.
        """
        return self._restored().predict(X, return_std=return_std)

    def score(self, X, y, sample_weight=None):
        """Return the score of the predictions for ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            As the network's.
        """
        return self._restored().score(X, y, sample_weight)
