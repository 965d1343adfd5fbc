"""What a fitted network says beyond its predictions."""

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
    is_classifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted

from .._documentation_link import DocumentationLinkMixin
from .probe import FittedNetwork


def mc_dropout_predict(estimator, X, n_samples=100, random_state=None, *, return_std=True):
    """Predict with dropout left on: mean and standard deviation over many networks.

    Each pass drops different units, as a training step does. Where the networks disagree, the
    training data do not determine the prediction. Batch normalization uses its running statistics.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted, with `dropout` or `input_dropout`.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    n_samples : int, default=100
        Number of networks.
    random_state : int, RandomState instance or None, default=None
        Source of the units that are dropped.
    return_std : bool, default=True
        Whether to return standard deviations, too. Like those of a committee without `cv`, they say
        how much the networks disagree, and nothing about the noise in the targets, unless the
        network has learnt it: with ``loss="gaussian_nll"`` their squares are the variance between
        the networks plus the mean of the variances that these predict.

    Returns
    -------
    mean : ndarray, or list of ndarray
        Of the shape of ``predict_proba(X)``; for a regressor of ``predict(X)``.
    std : ndarray, or list of ndarray, of the same shape
        Only with `return_std`.

    Raises
    ------
    ValueError
        If the estimator was fitted without dropout.

    References
    ----------
    Y. Gal, Z. Ghahramani. "Dropout as a Bayesian approximation: Representing model
    uncertainty in deep learning". ICML 2016, :arxiv:`1506.02142`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import mc_dropout_predict
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(dropout=0.2, tol=0.01, random_state=0).fit(X, y)
    >>> mean, std = mc_dropout_predict(network, X, random_state=0)
    >>> mean.shape, std.shape
    ((150, 3), (150, 3))
    """
    network = FittedNetwork(estimator, X, dropout=True)
    if not network.drops():
        raise ValueError(
            "The estimator was fitted without dropout, so there is nothing to average over. "
            "Set dropout or input_dropout, to 0.1 for example, and fit again."
        )
    if is_classifier(estimator):
        estimator._check_probabilities()
    random_state = check_random_state(random_state)
    mean = squares = 0.0
    for i in range(n_samples):
        network.draw_masks(random_state)
        raw = network.raw_outputs()
        squares = squares + _learnt_variances(estimator, raw)
        predictions = estimator._predictions(raw)
        several = isinstance(predictions, list)  # an array for each of several outputs
        sample = np.hstack(predictions) if several else predictions
        change = sample - mean
        mean = mean + change / (i + 1)
        squares = squares + change * (sample - mean)
    std = np.sqrt(squares / n_samples)
    if several:
        ends = np.cumsum([one.shape[1] for one in predictions])[:-1]
        mean, std = (np.split(moment, ends, axis=1) for moment in (mean, std))
    return (mean, std) if return_std else mean


def _learnt_variances(estimator, raw):
    """Return the variances of targets that raw outputs tell; 0 if they tell none."""
    targets = estimator._targets
    form = estimator._fitted_loss.form(targets.kind)
    return targets.standard_deviations(form, raw) ** 2 if form.has_variances else 0.0


def hidden_activations(estimator, X, layer=-1):
    """Outputs of a hidden layer: after its activation and residual connection.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted, with a hidden layer.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    layer : int, default=-1
        Index of the hidden layer: 0 is the first one, -1 the last one.

    Returns
    -------
    activations : ndarray of shape (n_samples, n_units)

    Raises
    ------
    ValueError
        If there is no such layer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import hidden_activations
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((20, 5), optimizer="lbfgs", random_state=0).fit(X, y)
    >>> hidden_activations(network, X).shape
    (150, 5)
    """
    network = FittedNetwork(estimator, X)
    n_hidden = len(network.coefs) - 1
    if not -n_hidden <= layer < n_hidden:
        raise ValueError(f"layer={layer}, but the network has {n_hidden} hidden layer(s).")
    return network.hidden_outputs(layer % n_hidden)


def input_gradients(estimator, X, target=None):
    """Derivatives of the raw outputs by the features, sample by sample.

    They say how the output changes with each feature, near each sample. Raw outputs are
    those of the last layer, before the softmax of several classes, whose logarithms
    `decision_function` returns. Computed by the backward pass that trains, so exact but for
    rounding, with the network as it predicts.
    At a kink the derivative is that of the activation's backward pass: 0 for relu at 0.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    target : default=None
        The output to differentiate: one of ``classes_``, or for a regressor or several
        labels its column, or for several outputs of several classes a tuple of the output's
        number and one of its classes. For two classes the raw output is the logit of the second
        one, and minus that of the first. With ``loss="gaussian_nll"`` the columns are those of
        the means, then those of the logarithms of the variances. None means all outputs.
        After training with `scale_targets` they are on the user's scale.

    Returns
    -------
    gradients : ndarray of shape (n_samples, n_outputs, n_features) or (n_samples, n_features)
        Without the axis of the outputs where there is one output or a `target`.

    Raises
    ------
    ValueError
        If there is no such target.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import input_gradients
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(optimizer="lbfgs", random_state=0).fit(X, y)
    >>> input_gradients(network, X).shape, input_gradients(network, X, target=2).shape
    ((150, 3, 4), (150, 4))
    """
    network = FittedNetwork(estimator, X)
    n_outputs = network.coefs[-1].shape[1]
    directions = np.eye(n_outputs) if target is None else [_direction(estimator, target)]
    factors, gradients = estimator._targets.output_factors(), []
    for direction in directions:
        network.direction[:] = direction * factors
        gradients.append(network.input_gradient())
    return gradients[0] if len(gradients) == 1 else np.stack(gradients, axis=1)


def _direction(estimator, target):
    """Return the derivative of the target by the raw outputs."""
    n_outputs = estimator.n_outputs_
    targets = getattr(estimator, "classes_", range(n_outputs))
    if isinstance(targets, list):
        targets = [(i, one) for i, classes in enumerate(targets) for one in classes.tolist()]
    targets = list(targets)
    if target not in targets:
        raise ValueError(f"target={target!r} is none of {targets}.")
    number = targets.index(target)
    if n_outputs < len(targets):
        return np.array([1.0 if number else -1.0])
    return np.eye(n_outputs)[number]


class HiddenActivations(
    DocumentationLinkMixin,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Transformer to the outputs of a hidden layer: a network as a feature extractor.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        A clone of it is fitted. A network that is already fitted is used as it is inside a
        :class:`~sklearn.frozen.FrozenEstimator`.
    layer : int, default=-1
        Index of the hidden layer: 0 is the first one, -1 the last one.

    Attributes
    ----------
    estimator_ : MLPClassifier, MLPRegressor or FrozenEstimator
        The fitted network.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if ``X`` has names that are all strings.

    See Also
    --------
    hidden_activations : The same as a function.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import HiddenActivations
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((20, 5), optimizer="lbfgs", max_iter=500, random_state=0)
    >>> model = make_pipeline(HiddenActivations(network), KNeighborsClassifier()).fit(X, y)
    >>> model[:-1].transform(X).shape
    (150, 5)
    """

    def __init__(self, estimator, layer=-1):
        self.estimator = estimator
        self.layer = layer

    def fit(self, X, y, sample_weight=None):
        """Fit a clone of the estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.

        Returns
        -------
        self : object
        """
        self.estimator_ = clone(self.estimator).fit(X, y, sample_weight=sample_weight)
        return self

    @property
    def n_features_in_(self):
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self):
        return self.estimator_.feature_names_in_

    @property
    def _n_features_out(self):
        return self._network.coefs_[self.layer % (self._network.n_layers_ - 2)].shape[1]

    @property
    def _network(self):
        frozen = isinstance(self.estimator_, FrozenEstimator)
        return self.estimator_.estimator if frozen else self.estimator_

    def transform(self, X):
        """Return the outputs of the hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
        """
        check_is_fitted(self)
        return hidden_activations(self._network, X, self.layer)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.target_tags.required = True
        return tags
