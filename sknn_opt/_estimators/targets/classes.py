"""Targets of one class a sample, certain or by probabilities."""

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import unique_labels

from .base import check_dense
from .classifier import (
    ClassTargets,
    balanced_weights,
    named_otherwise,
    no_classes,
    not_in_training,
    other_classes,
    unknown,
)
from .meaning import check_classes, check_probabilities


class Classes(ClassTargets):
    """One class a sample, of two or more.

    Parameters
    ----------
    binarizer : LabelBinarizer
        Fitted to all classes.
    """

    meaning = "classes"

    def __init__(self, binarizer):
        self._binarizer = binarizer
        self.classes = binarizer.classes_
        self.kind = binarizer.y_type_

    @classmethod
    def learn(cls, y, classes, incremental):
        if classes is None and incremental:
            raise no_classes()
        return cls(_binarizer_of(y if classes is None else check_classes(classes)))

    @classmethod
    def fitted(cls, estimator):
        return cls(estimator._label_binarizer)

    def fitted_attributes(self):
        return {**super().fitted_attributes(), "_label_binarizer": self._binarizer}

    def check_known(self, y):
        self._check_dimensions(y)
        labels = unique_labels(y)
        if np.setdiff1d(labels, self.classes).size:
            raise unknown(labels, self.classes)

    def check_same(self, y, classes):
        if classes is None:
            self._check_dimensions(y)
        labels = unique_labels(y) if classes is None else np.unique(check_classes(classes))
        if set(labels) != set(self.classes):
            raise other_classes(labels, self.classes)

    def _check_dimensions(self, y):
        if y.ndim == 2:
            raise ValueError(
                "The object was not fitted with multilabel input, nor with any other of several "
                f"columns, but y is of shape {y.shape}."
            )

    def encode(self, y):
        self._check_dimensions(y)
        return np.searchsorted(self.classes, y)

    def encode_held_out(self, y):
        self._check_dimensions(y)
        unseen = np.setdiff1d(unique_labels(y), self.classes)
        if unseen.size:
            raise not_in_training(unseen, self.classes)
        return self.encode(y)

    @property
    def _is_binary(self):
        return self.kind.startswith("binary")

    def n_outputs(self, loss, n_columns):
        return 1 if self._is_binary else len(self.classes)

    def decide(self, raw):
        if not self._is_binary:
            return raw.argmax(axis=1)[:, np.newaxis]
        # If training has seen a single class, there is no index 1.
        return np.minimum(raw > 0, len(self.classes) - 1)

    def decode(self, raw):
        return self.classes[self.decide(raw).ravel()]

    def predictions(self, form, raw):
        return form.predictions(self._both(raw))

    def log_probabilities(self, raw):
        return log_expit(self._both(raw)) if self._is_binary else log_softmax(raw, axis=1)

    def _both(self, raw):
        """Return a column for each of two classes, where the loss has one."""
        return np.column_stack([-raw, raw]) if self._is_binary else raw

    def codes(self, encoded):
        codes = self.truth(encoded)
        # Two classes are a column of bools in scikit-learn, whose error names them.
        return codes.astype(bool) if self._is_binary else codes.astype(int).ravel()

    def _weighted(self, class_weight, y, encoded):
        by_class = compute_class_weight(class_weight, classes=self.classes, y=y)
        return by_class[encoded.ravel().astype(int)]


class Probabilities(Classes):
    """Probabilities of classes, in rows that sum to 1.

    Wherever targets follow the first ones, they may be classes as well, which are certain.

    Parameters
    ----------
    binarizer : LabelBinarizer
        Fitted to all classes.
    columns : ndarray of shape (n_classes,)
        The column of each class in the user's matrices. Classes are sorted, these need not be.
    """

    meaning = "probabilities"

    def __init__(self, binarizer, columns):
        super().__init__(binarizer)
        self.kind = f"{binarizer.y_type_}-probabilities"
        self._columns = columns

    @classmethod
    def learn(cls, y, classes, incremental):
        n_columns = check_probabilities(y).shape[1]
        classes = np.arange(n_columns) if classes is None else check_classes(classes)
        if len(np.unique(classes)) != n_columns or len(classes) != n_columns:
            raise ValueError(
                f"classes must name the {n_columns} columns of y, each by another class, got "
                f"{classes}."
            )
        return cls(LabelBinarizer().fit(classes), np.argsort(classes))

    @classmethod
    def fitted(cls, estimator):
        return cls(estimator._label_binarizer, estimator._class_columns)

    def fitted_attributes(self):
        return {**super().fitted_attributes(), "_class_columns": self._columns}

    def check_known(self, y):
        if y.ndim == 1:
            super().check_known(y)
        elif y.shape[1] != len(self.classes):
            raise ValueError(
                f"y has {y.shape[1]} columns, but there are {len(self.classes)} classes: "
                f"{self.classes}."
            )

    def check_same(self, y, classes):
        self.check_known(y)
        if classes is not None:
            super().check_same(y, classes)
            self.check_named_again(classes)

    def check_named_again(self, classes):
        if not np.array_equal(self.named(), check_classes(classes)):
            raise named_otherwise(classes, self.named())

    def named(self):
        return self.classes[np.argsort(self._columns)]

    def read(self, y):
        y = check_dense(y)
        return y if y.ndim == 1 else self.classes[self._ordered(y).argmax(axis=1)]

    def _ordered(self, y):
        return check_probabilities(y)[:, self._columns]

    def shares(self, y):
        """Return the probabilities of all classes, in the order of `classes`."""
        if y.ndim == 1:
            return np.eye(len(self.classes))[np.searchsorted(self.classes, y)]
        return self._ordered(y)

    def encode(self, y):
        shares = self.shares(y)
        return shares[:, 1:] if self._is_binary else shares

    def encode_held_out(self, y):
        if y.ndim == 1:
            super().encode_held_out(y)
        else:
            self.check_known(y)
        return self.encode(y)

    def truth(self, encoded):
        return self._all_shares(encoded).argmax(axis=1)[:, np.newaxis]

    def _all_shares(self, encoded):
        return np.hstack([1 - encoded, encoded]) if self._is_binary else encoded

    def _balanced(self, encoded, sample_weight):
        shares = self._all_shares(encoded)
        weight = np.ones(len(shares)) if sample_weight is None else sample_weight
        return shares @ balanced_weights(weight.astype(np.float64) @ shares)

    def _weighted(self, class_weight, y, encoded):
        by_class = compute_class_weight(class_weight, classes=self.classes, y=self.classes)
        return self._all_shares(encoded) @ by_class


def _binarizer_of(labels):
    """Return a `LabelBinarizer` fitted to labels.

    Fitting it takes a fifth of the time of a small fit, since it asks several times what the
    labels are. Integers in one dimension leave nothing to ask.
    """
    binarizer = LabelBinarizer()
    if labels.ndim != 1 or labels.dtype.kind not in "biu":
        return binarizer.fit(labels)
    binarizer.classes_ = np.unique(labels)
    binarizer.y_type_ = "binary" if len(binarizer.classes_) <= 2 else "multiclass"
    binarizer.sparse_input_ = False
    return binarizer
