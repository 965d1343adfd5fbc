"""What all targets of a classifier have in common."""

from abc import abstractmethod
from numbers import Real

import numpy as np
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import assert_all_finite

from .base import Targets
from .meaning import check_labels


class ClassTargets(Targets):
    """What all targets of a classifier have in common.

    Attributes
    ----------
    meaning : str
        What y means, the fitted attribute ``targets_``.
    classes : ndarray, or list of ndarray
    """

    meaning: str

    @classmethod
    @abstractmethod
    def learn(cls, y, classes, incremental):
        """Return the targets that ``y`` has, and ``classes`` where the user names them."""

    @classmethod
    @abstractmethod
    def fitted(cls, estimator):
        """Return the targets that an estimator was fitted to."""

    def fitted_attributes(self):
        return {
            "targets_": self.meaning,
            "classes_": self.classes,
            "_label_binarizer": None,
            "_class_columns": None,
        }

    @abstractmethod
    def check_known(self, y):
        """Raise ValueError for classes that are not among those of the first call."""

    @abstractmethod
    def check_same(self, y, classes):
        """Raise ValueError unless ``y``, or ``classes``, has the classes of the previous fit."""

    def check_named_again(self, classes):
        """Raise ValueError unless these classes are those named at the first call."""
        check_labels(classes, "classes")
        if not np.array_equal(self.classes, unique_labels(classes)):
            raise named_otherwise(classes, self.classes)

    def named(self):
        """Return the classes as `fit` takes them, by which parts of the data may lack some."""
        return self.classes

    @abstractmethod
    def decide(self, raw):
        """Return class indices, or label indicators, with a column for each output."""

    @abstractmethod
    def decode(self, raw):
        """Return classes, or label indicators, as `predict` does."""

    @abstractmethod
    def log_probabilities(self, raw):
        """Return logarithms of what `predictions` returns."""

    def decisions(self, form, raw):
        """Return how confident the network is, as `decision_function` does."""
        if form.out_activation == "softmax":
            # Raw outputs share an arbitrary constant in each row, so they do not compare.
            return log_softmax(raw, axis=1)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def truth(self, encoded):
        """Return encoded targets as `decide` does: those of probabilities are the likeliest."""
        return encoded

    def score(self, problem, raw, data):
        right = (self.truth(data.targets) == self.decide(raw)).all(axis=1)
        return np.average(right, weights=data.sample_weight)

    def accuracy(self, y, predictions, sample_weight):
        """Return the share of the samples whose prediction is right in all outputs."""
        return accuracy_score(self.read(y), predictions, sample_weight=sample_weight)

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
            factor = self._balanced(encoded, sample_weight)
        else:
            _check_class_weight(class_weight)
            factor = self._weighted(class_weight, y, encoded)
        with np.errstate(over="ignore"):
            weight = factor if sample_weight is None else factor * sample_weight
            weight = weight.astype(encoded.dtype)
        assert_all_finite(weight, input_name="class_weight")
        return weight

    def _balanced(self, encoded, sample_weight):
        """Return balanced weights, where a sample counts as many times as its weight says."""
        factor = np.ones(len(encoded))
        for column in encoded.T:
            _, codes = np.unique(column, return_inverse=True)
            factor *= balanced_weights(np.bincount(codes, sample_weight))[codes]
        return factor

    @abstractmethod
    def _weighted(self, class_weight, y, encoded):
        """Return the weight of each sample by a dict, or for several columns by a list of them."""


def balanced_weights(totals):
    """Return the balanced weight of each class; ``totals`` are the sums of sample weights."""
    shares = np.zeros(len(totals))
    balanced = totals.sum(), np.count_nonzero(totals) * totals
    np.divide(*balanced, out=shares, where=totals > 0)
    return shares


def _check_class_weight(class_weight):
    dicts = class_weight if isinstance(class_weight, list) else [class_weight]
    weights = [w for by_class in dicts for w in getattr(by_class, "values", tuple)()]
    if not all(isinstance(w, Real) and 0 <= w < np.inf for w in weights):
        raise ValueError(
            f"class_weight must hold finite, non-negative numbers, got {class_weight}."
        )


def no_classes(more=""):
    return ValueError(f"classes must be passed on the first call to partial_fit.{more}")


def unknown(labels, classes):
    return ValueError(
        f"`y` has classes not in `self.classes_`. `self.classes_` has {classes}. 'y' has {labels}."
    )


def other_classes(labels, classes):
    return ValueError(
        "warm_start can only be used where `y` has the same classes as in the "
        f"previous call to fit. Previously got {classes}, `y` has {labels}"
    )


def named_otherwise(classes, before):
    return ValueError(
        f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {before!r}"
    )


def not_in_training(unseen, classes):
    return ValueError(
        f"y_val has classes that y does not have: {unseen}. Those of y are {classes}."
    )
