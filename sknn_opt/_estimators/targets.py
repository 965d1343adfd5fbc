"""The meaning of y: how targets are encoded for the loss, and outputs decoded for the user."""

from abc import ABC, abstractmethod
from dataclasses import replace
from numbers import Real

import numpy as np
from scipy import sparse
from scipy.special import log_expit, log_softmax
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import is_multilabel, unique_labels
from sklearn.utils.validation import assert_all_finite

from .._network.inputs import check_sparse
from .._warnings import warn
from .target_scaling import TargetScaling


class Targets(ABC):
    """What both kinds of targets have in common.

    Attributes
    ----------
    kind : str
        The type of target, as `Loss.form` knows it.
    """

    kind: str

    @abstractmethod
    def encode(self, y):
        """Return targets as the loss reads them: a column for each output, or class indices."""

    @abstractmethod
    def encode_held_out(self, y):
        """Encode targets of a validation set; raise ValueError for classes not in training."""

    def with_scale(self, estimator, loss, columns, sample_weight):
        """Return these targets, with the scale that encoded ones of training are learnt on."""
        return self

    def scaled(self, columns):
        """Return encoded targets as the network learns them."""
        return columns

    def fitted_attributes(self):
        """Return what fit leaves on the estimator of what was learnt of the targets."""
        return {}

    def output_factors(self):
        """Return what multiplies the raw outputs on their way to the user's scale."""
        return 1.0

    def unscaled_network(self, parameters):
        """Return the parameters, by layer, of a network whose outputs need no scaling."""
        return parameters

    @abstractmethod
    def n_outputs(self, loss, n_columns):
        """Return the number of raw outputs for so many columns of encoded targets."""

    @abstractmethod
    def predictions(self, form, raw):
        """Return predictions, the raw outputs after the link; ``raw`` may be overwritten."""

    @abstractmethod
    def score(self, problem, raw, data):
        """Return the score of raw outputs on a `ValidationSet`: accuracy or R²."""

    def overflow(self, form, raw):
        """Whether predictions from finite raw outputs, which may be overwritten, are infinite."""
        return False

    def codes(self, encoded):
        """Return an integer for each row by which a split can be stratified, or None."""
        return None

    def weights(self, estimator, y, encoded, sample_weight, incremental):
        """Return the weights in the loss; validation scores use ``sample_weight`` alone."""
        return sample_weight


class NumberTargets(Targets):
    """Numbers, for regression.

    Parameters
    ----------
    scaling : TargetScaling, default=None
        The scale on which the network has learnt them; None where it has learnt none.
    """

    kind = "continuous"

    def __init__(self, scaling=None):
        self._scaling = scaling

    def encode(self, y):
        return y

    encode_held_out = encode

    def with_scale(self, estimator, loss, columns, sample_weight):
        if not estimator.scale_targets:
            return self
        if self._scaling is None:
            return NumberTargets(TargetScaling.learnt_from(loss, columns, sample_weight))
        return NumberTargets(replace(self._scaling, loss=loss))

    def scaled(self, columns):
        return columns if self._scaling is None else self._scaling.scaled(columns)

    def fitted_attributes(self):
        scaling = self._scaling
        mean, scale = (None, None) if scaling is None else (scaling.mean, scaling.scale)
        return {"target_mean_": mean, "target_scale_": scale}

    def n_outputs(self, loss, n_columns):
        return loss.n_outputs(n_columns)

    def output_factors(self):
        return 1.0 if self._scaling is None else self._scaling.factor

    def unscaled_network(self, parameters):
        return parameters if self._scaling is None else self._scaling.folded(parameters)

    def unscaled(self, raw):
        """Return raw outputs from which the link makes predictions on the user's scale."""
        return raw if self._scaling is None else self._scaling.unscaled(raw)

    def predictions(self, form, raw):
        predictions = form.predictions(self.unscaled(raw))
        if form.link is not None or self._scaling is not None:
            _warn_of_overflow(predictions, "predictions")
        return _as_targets(predictions)

    def standard_deviations(self, form, raw):
        """Return those of the targets, for a loss that learns them."""
        deviations = form.standard_deviations(self.unscaled(raw))
        _warn_of_overflow(deviations, "standard deviations")
        return _as_targets(deviations)

    def overflow(self, form, raw):
        return not np.isfinite(form.predictions(self.unscaled(raw))).all()

    def score(self, problem, raw, data):
        predictions = problem.form.predictions(self.unscaled(raw))
        if not np.isfinite(predictions).all():
            return np.nan
        y = np.reshape(data.y, data.targets.shape)
        return problem.loss.score(y, predictions, data.sample_weight)


def _warn_of_overflow(values, name):
    if not np.isfinite(values).all():
        warn(
            f"Some {name} overflow {values.dtype}. Scale the features (StandardScaler), and look "
            "for samples far from those of training.",
            RuntimeWarning,
        )


def _as_targets(columns):
    """Return a single column as a vector, as targets are given."""
    return columns.ravel() if columns.shape[1] == 1 else columns


class ClassTargets(Targets):
    """Classes, two or more, or several labels a row.

    Parameters
    ----------
    binarizer : LabelBinarizer
        Fitted to all classes.
    """

    def __init__(self, binarizer):
        self._binarizer = binarizer
        self.classes = binarizer.classes_
        self.kind = binarizer.y_type_

    @property
    def is_multilabel(self):
        return self.kind == "multilabel-indicator"

    def check_known(self, y):
        """Raise ValueError for classes that are not among those of the first call."""
        labels = unique_labels(y)
        if np.setdiff1d(labels, self.classes).size:
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes}. 'y' has {labels}."
            )

    def check_same(self, y):
        """Raise ValueError unless ``y`` has the classes of the previous fit."""
        labels = unique_labels(y)
        if set(labels) != set(self.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {self.classes}, `y` has {labels}"
            )

    def encode(self, y):
        if (y.ndim == 2) != self.is_multilabel:
            raise ValueError(
                f"The object was {'not ' if y.ndim == 2 else ''}fitted with multilabel input."
            )
        if self.is_multilabel:
            return y.toarray() if sparse.issparse(y) else y
        return np.searchsorted(self.classes, y)

    def encode_held_out(self, y):
        unseen = np.setdiff1d(unique_labels(y), self.classes)
        if unseen.size:
            raise ValueError(
                f"y_val has classes that y does not have: {unseen}. Those of y are {self.classes}."
            )
        return self.encode(y)

    def n_outputs(self, loss, n_columns):
        return len(self.classes) if self.kind == "multiclass" else n_columns

    def decide(self, raw):
        """Return class indices, of shape (n_samples, 1), or label indicators."""
        if self.kind == "multiclass":
            return raw.argmax(axis=1)[:, np.newaxis]
        decided = (raw > 0).astype(int)
        # If training has seen a single class, there is no index 1.
        return decided if decided.shape[1] > 1 else np.minimum(decided, len(self.classes) - 1)

    def decode(self, raw):
        """Return classes, or label indicators, sparse where those of fit were."""
        decided = self.decide(raw)
        if decided.shape[1] > 1:
            return self._binarizer.inverse_transform(decided)
        return self.classes[decided.ravel()]

    def predictions(self, form, raw):
        return form.predictions(self._both(raw))

    def log_probabilities(self, raw):
        if self.kind == "multiclass":
            return log_softmax(raw, axis=1)
        return log_expit(self._both(raw))

    def _both(self, raw):
        """Return a column for each of two classes, where the loss has one."""
        return np.column_stack([-raw, raw]) if self.kind == "binary" else raw

    def score(self, problem, raw, data):
        return accuracy_score(data.targets, self.decide(raw), sample_weight=data.sample_weight)

    def codes(self, encoded):
        if self.is_multilabel:
            return None
        # Two classes are a column of bools in scikit-learn, whose error names them.
        return encoded.astype(bool) if self.kind == "binary" else encoded.astype(int).ravel()

    def weights(self, estimator, y, encoded, sample_weight, incremental):
        class_weight = estimator.class_weight
        if class_weight is None:
            return sample_weight
        if incremental and class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to use "
                "'balanced' weights, use compute_class_weight('balanced', classes=classes, y=y) "
                "on a large enough sample of the training data, and pass the resulting weights "
                "as the class_weight parameter, a dict."
            )
        if class_weight == "balanced":
            factor = _balance(encoded, sample_weight)
        else:
            factor = self._factors(class_weight, y, encoded)
        with np.errstate(over="ignore"):
            weight = factor if sample_weight is None else factor * sample_weight
            weight = weight.astype(encoded.dtype)
        assert_all_finite(weight, input_name="class_weight")
        return weight

    def _factors(self, class_weight, y, encoded):
        """Return the weight of each sample by a dict, or for several labels by a list of them."""
        dicts = class_weight if isinstance(class_weight, list) else [class_weight]
        weights = [w for by_class in dicts for w in getattr(by_class, "values", tuple)()]
        if not all(isinstance(w, Real) and 0 <= w < np.inf for w in weights):
            raise ValueError(
                f"class_weight must hold finite, non-negative numbers, got {class_weight}."
            )
        n_columns = encoded.shape[1]
        if n_columns > 1:
            # scikit-learn refuses a dict that names a value which the batch lacks, so two rows
            # that have both values are added.
            both = np.repeat([[0], [1]], n_columns, axis=1)
            return compute_sample_weight(class_weight, np.vstack([encoded, both]))[:-2]
        by_class = compute_class_weight(class_weight, classes=self.classes, y=y)
        return by_class[encoded.ravel().astype(int)]


def _balance(encoded, sample_weight):
    """Return balanced weights, where a sample counts as many times as its weight says."""
    factor = np.ones(len(encoded))
    for column in encoded.T:
        _, codes = np.unique(column, return_inverse=True)
        totals = np.bincount(codes, sample_weight)
        share = np.zeros(len(totals))
        np.divide(totals.sum(), np.count_nonzero(totals) * totals, out=share, where=totals > 0)
        factor *= share[codes]
    return factor


def as_indicators(y):
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


def check_labels(labels, name):
    """Raise ValueError if a class is None, since classes are sorted and None has no order."""
    labels = labels if sparse.issparse(labels) else np.asarray(labels)
    if labels.dtype == object and any(label is None for label in labels.flat):
        raise ValueError(
            f"Input {name} contains None. Leave out the samples without a class, or give the "
            "class a name, such as 'missing'."
        )


def check_classes(classes, y):
    """Return the classes that a user names, an array; raise ValueError where they can't be."""
    check_labels(classes, "classes")
    if is_multilabel(y):
        raise ValueError(
            "classes does not apply to multilabel targets, whose columns are the labels. Leave it "
            "out."
        )
    return column_or_1d(classes)


def check_dense(y):
    """Raise TypeError for sparse targets of regression."""
    if sparse.issparse(y):
        raise TypeError(
            "Sparse data was passed for y, but dense data is required. Use '.toarray()' to "
            "convert to a dense numpy array."
        )


def check_numbers(y):
    """Raise ValueError for targets of regression, an array, that are no numbers."""
    if y.dtype.kind not in "biuf":
        raise ValueError(
            f"Targets of regression must be numbers, but y holds {y.dtype}. Convert them, "
            "for example by y.astype(float)."
        )
