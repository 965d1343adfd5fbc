"""The two estimators: what scikit-learn asks of a classifier and of a regressor."""

import warnings
from numbers import Real

import numpy as np
from scipy import sparse
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    is_multilabel,
    unique_labels,
)
from sklearn.utils.validation import assert_all_finite

from ._base import BaseMLP
from ._conversion import SklearnConversion
from ._documentation import CLASSIFIER, REGRESSOR
from ._inputs import check_sparse
from .losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Loss


class MLPClassifier(ClassifierMixin, SklearnConversion, BaseMLP):
    __doc__ = CLASSIFIER

    _losses = CLASSIFIER_LOSSES
    _y_numeric = False
    _parameter_constraints = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(CLASSIFIER_LOSSES.names), Loss],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="log_loss",
        optimizer="adam",
        solver=None,
        initializer="auto",
        alpha=0.0001,
        l1_ratio=0.0,
        dropout=0.0,
        input_dropout=0.0,
        max_norm=None,
        normalization=None,
        residual=False,
        clip_norm=None,
        clip_value=None,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init="auto",
        warmup=0,
        warmup_shape="linear",
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        averaging=None,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        max_time=None,
        label_smoothing=0.0,
        class_weight=None,
        n_jobs=None,
        dtype=None,
    ):
        self._store(locals())

    def _validate_input(self, X, y, dtype, reset):
        X, y = super()._validate_input(X, _as_indicators(y), dtype, reset)
        _check_labels(y, "y")
        return X, y

    def _validate_targets(self, y, continues, incremental):
        if incremental or continues:
            self._check_classes(unique_labels(y), incremental)
        else:
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        target_type = self._label_binarizer.y_type_
        return self._encode(y, target_type), target_type

    def _check_classes(self, labels, incremental):
        if incremental and np.setdiff1d(labels, self.classes_).size:
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {labels}."
            )
        if not incremental and set(labels) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {self.classes_}, `y` has {labels}"
            )

    def _training_weights(self, y, targets, sample_weight, incremental):
        if self.class_weight is None:
            return sample_weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to use "
                "'balanced' weights, use compute_class_weight('balanced', classes=classes, y=y) "
                "on a large enough sample of the training data, and pass the resulting weights "
                "as the class_weight parameter, a dict."
            )
        if self.class_weight == "balanced":
            factor = _balance(targets, sample_weight)
        else:
            factor = self._factors_by_class(y, targets)
        with np.errstate(over="ignore"):
            weight = factor if sample_weight is None else factor * sample_weight
            weight = weight.astype(targets.dtype)
        assert_all_finite(weight, input_name="class_weight")
        return weight

    def _factors_by_class(self, y, targets):
        """Return what a dict, or for several labels a list of them, makes of each sample."""
        several = isinstance(self.class_weight, list)
        dicts = self.class_weight if several else [self.class_weight]
        weights = [w for by_class in dicts for w in getattr(by_class, "values", tuple)()]
        if not all(isinstance(w, Real) and 0 <= w < np.inf for w in weights):
            raise ValueError(
                f"class_weight must hold finite, non-negative numbers, got {self.class_weight}."
            )
        n_columns = targets.shape[1]
        if n_columns > 1:
            # Two rows are added because a batch of partial_fit may lack a value that a dict names.
            both = np.repeat([[0], [1]], n_columns, axis=1)
            return compute_sample_weight(self.class_weight, np.vstack([targets, both]))[:-2]
        by_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        return by_class[targets.ravel().astype(int)]

    def _n_outputs(self, loss, targets, target_type):
        return len(self.classes_) if target_type == "multiclass" else targets.shape[1]

    def _validate_held_out(self, y, target_type):
        unseen = np.setdiff1d(unique_labels(y), self.classes_)
        if unseen.size:
            raise ValueError(
                f"y_val has classes that y does not have: {unseen}. Those of y are {self.classes_}."
            )
        return self._encode(y, target_type)

    def _encode(self, y, target_type):
        if (y.ndim == 2) != (target_type == "multilabel-indicator"):
            raise ValueError(
                f"The object was {'not ' if y.ndim == 2 else ''}fitted with multilabel input."
            )
        if target_type == "multilabel-indicator":
            return y.toarray() if sparse.issparse(y) else y
        return np.searchsorted(self.classes_, y)

    def _own_score(self, problem, data):
        def accuracy(raw):
            return accuracy_score(data.targets, self._decide(raw), sample_weight=data.sample_weight)

        return accuracy

    def _decide(self, raw):
        """Class indices, of shape (n_samples, 1), or label indicators from raw outputs."""
        if self._label_binarizer.y_type_ == "multiclass":
            return raw.argmax(axis=1)[:, np.newaxis]
        decided = (raw > 0).astype(int)
        # A single class has a single index.
        return decided if decided.shape[1] > 1 else np.minimum(decided, len(self.classes_) - 1)

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Class labels; for multilabel targets an indicator matrix, sparse if the targets
            of fit were.
        """
        decided = self._decide(self._raw_outputs(X))
        if decided.shape[1] > 1:
            return self._label_binarizer.inverse_transform(decided)
        return self.classes_[decided.ravel()]

    def decision_function(self, X):
        """Return how confident the network is of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        confidence : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            For two classes the log odds of the second one; for more the logarithms of
            their probabilities; for several labels the log odds of each. After training
            with a margin loss, the margins instead. Positive numbers, or the largest of
            several classes, decide what is predicted.
        """
        raw = self._raw_outputs(X)
        if self.out_activation_ == "softmax":
            # Raw outputs share an arbitrary constant in each row, so they do not compare.
            return log_softmax(raw, axis=1)
        return raw.ravel() if raw.shape[1] == 1 else raw

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
            Share of the samples whose class, or whose labels all, are predicted.
        """
        return super().score(X, _as_indicators(y), sample_weight)

    def _check_probabilities(self):
        loss = getattr(self, "_fitted_loss", self.loss)
        if isinstance(loss, str) and loss in CLASSIFIER_LOSSES.names:
            loss = CLASSIFIER_LOSSES[loss]
        if not getattr(loss, "has_probabilities", True):
            raise AttributeError(
                f"loss={loss!r} has no probabilities. Use decision_function, wrap the "
                "estimator in CalibratedClassifierCV, or choose loss='log_loss'."
            )
        return True

    @available_if(_check_probabilities)
    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; for multilabel targets the probability of each
            label.
        """
        return self._predictions(self._raw_outputs(X))

    def _predictions(self, raw):
        if self._target_type == "binary":
            raw = np.column_stack([-raw, raw])
        return self._fitted_loss.form(self._target_type).predictions(raw)

    @available_if(_check_probabilities)
    def predict_log_proba(self, X):
        """Predict logarithms of class probabilities.

        Computed from the raw outputs, so finite wherever these are finite.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
        """
        raw = self._raw_outputs(X)
        if self._target_type == "multiclass":
            return log_softmax(raw, axis=1)
        return log_expit(np.column_stack([-raw, raw]) if self._target_type == "binary" else raw)

    @available_if(BaseMLP._check_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X,
        y,
        sample_weight=None,
        classes=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Train for one epoch on the given data.

        Calls that follow each other go on with the same optimizer state; the first one
        after ``fit`` starts from the fitted weights with a fresh state.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        classes : array of shape (n_classes,), default=None
            All classes that any call will see. Required at the first call.
        X_val, y_val, sample_weight_val : array-like, default=None
            Data to validate on, for `history_`; see `fit`.

        Returns
        -------
        self : object
        """
        context = self._init_callback_context(max_subtasks=1)
        with self._unchanged_on_error():
            check_sparse(y)
            if classes is not None:
                _check_labels(classes, "classes")
            if _check_partial_fit_first_call(self, classes):
                self._label_binarizer = LabelBinarizer().fit(y if is_multilabel(y) else classes)
            validation = X_val, y_val, sample_weight_val
            return self._fit(X, y, sample_weight, validation, context, incremental=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _as_indicators(y):
    """Return multilabel targets as 0 and 1, and all others as they are.

    As in scikit-learn, whatever is not 0 means that a sample has the label.
    """
    check_sparse(y)
    valid = is_multilabel(y)
    if not (valid or sparse.issparse(y)):
        return y
    y = y if sparse.issparse(y) else np.asarray(y)
    stored = y.tocoo().data if sparse.issparse(y) else y
    values = np.unique(stored)
    has_zeros = stored.size < np.prod(y.shape) or not values.all()
    if len(values) == 2 and not has_zeros and np.isfinite(values).all():
        raise ValueError(
            "Multilabel targets are 1 where a sample has the label and 0 where it has not, but "
            f"those of y are {values[0]} and {values[1]}. If {values[1]} means that it has, pass "
            f"(y == {values[1]}).astype(int)."
        )
    if not valid:
        return y  # LabelBinarizer refuses it in scikit-learn's words
    y = y.astype(bool)
    if sparse.issparse(y):
        y = y.tocsr()
        y.sum_duplicates()
    return y.astype(int)


def _check_labels(labels, name):
    """Raise ValueError where a class is None, which nothing can be sorted among."""
    labels = labels if sparse.issparse(labels) else np.asarray(labels)
    if labels.dtype == object and any(label is None for label in labels.flat):
        raise ValueError(
            f"Input {name} contains None. Leave out the samples without a class, or give the "
            "class a name, such as 'missing'."
        )


def _balance(targets, sample_weight):
    """Balanced weights of the samples, where each stands for as many as it weighs."""
    factor = np.ones(len(targets))
    for column in targets.T:
        _, codes = np.unique(column, return_inverse=True)
        totals = np.bincount(codes, sample_weight)
        share = np.zeros(len(totals))
        np.divide(totals.sum(), np.count_nonzero(totals) * totals, out=share, where=totals > 0)
        factor *= share[codes]
    return factor


class MLPRegressor(RegressorMixin, SklearnConversion, BaseMLP):
    __doc__ = REGRESSOR

    _losses = REGRESSOR_LOSSES
    _y_numeric = True
    _parameter_constraints = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(REGRESSOR_LOSSES.names), Loss],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        optimizer="adam",
        solver=None,
        initializer="auto",
        alpha=0.0001,
        l1_ratio=0.0,
        dropout=0.0,
        input_dropout=0.0,
        max_norm=None,
        normalization=None,
        residual=False,
        clip_norm=None,
        clip_value=None,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init="auto",
        warmup=0,
        warmup_shape="linear",
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        averaging=None,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        max_time=None,
        n_jobs=None,
        dtype=None,
    ):
        self._store(locals())

    def _validate_input(self, X, y, dtype, reset):
        if sparse.issparse(y):
            raise TypeError(
                "Sparse data was passed for y, but dense data is required. Use '.toarray()' to "
                "convert to a dense numpy array."
            )
        X, y = super()._validate_input(X, y, dtype, reset)
        if y.dtype.kind not in "biuf":
            raise ValueError(
                f"Targets of regression must be numbers, but y holds {y.dtype}. Convert them, "
                "for example by y.astype(float)."
            )
        with np.errstate(over="ignore"):
            assert_all_finite(y.astype(X.dtype, copy=False), input_name="y")
        return X, y

    def _validate_targets(self, y, continues, incremental):
        return y, "continuous"

    def _n_outputs(self, loss, targets, target_type):
        return loss.n_outputs(targets.shape[1])

    def _validate_held_out(self, y, target_type):
        return y

    def _own_score(self, problem, data):
        def score(raw):
            predictions = problem.form.predictions(raw)
            if not np.isfinite(predictions).all():
                return np.nan
            return problem.loss.score(data.targets, predictions, data.sample_weight)

        return score

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            For a list of quantiles one column each, in ascending order in each row.
        """
        return self._predictions(self._raw_outputs(X))

    def _predictions(self, raw):
        form = self._fitted_loss.form(self._target_type)
        predictions = form.predictions(raw)
        if form.link is not None and not np.isfinite(predictions).all():
            warnings.warn(
                f"Some predictions overflow {predictions.dtype}. Scale the features "
                "(StandardScaler), and look for samples far from those of training.",
                RuntimeWarning,
                stacklevel=3,
            )
        return predictions.ravel() if predictions.shape[1] == 1 else predictions

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
            R²; with a list of quantiles minus the mean pinball loss.
        """
        predictions = self.predict(X)
        return self._fitted_loss.score(y, predictions, sample_weight)

    @available_if(BaseMLP._check_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None
    ):
        """Train for one epoch on the given data.

        Calls that follow each other go on with the same optimizer state; the first one
        after ``fit`` starts from the fitted weights with a fresh state.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        X_val, y_val, sample_weight_val : array-like, default=None
            Data to validate on, for `history_`; see `fit`.

        Returns
        -------
        self : object
        """
        context = self._init_callback_context(max_subtasks=1)
        with self._unchanged_on_error():
            validation = X_val, y_val, sample_weight_val
            return self._fit(X, y, sample_weight, validation, context, incremental=True)
