"""Targets of several outputs, each of which has classes of its own."""

from itertools import pairwise

import numpy as np
from scipy.special import log_softmax
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight

from .base import check_dense
from .classifier import (
    ClassTargets,
    named_otherwise,
    no_classes,
    not_in_training,
    other_classes,
    unknown,
)
from .meaning import check_classes, check_outputs


class SeveralOutputs(ClassTargets):
    """A class of each of several outputs, which have classes of their own.

    Parameters
    ----------
    classes : list of ndarray
    """

    meaning = "multioutput"
    kind = "multiclass-multioutput"

    def __init__(self, classes):
        self.classes = classes
        self.n_classes = tuple(map(len, classes))

    @classmethod
    def learn(cls, y, classes, incremental):
        check_outputs(y)
        if classes is None:
            if incremental:
                raise no_classes(" It is a list with the classes of each output.")
            return cls([LabelEncoder().fit(column).classes_ for column in y.T])
        targets = cls(_classes_of_outputs(classes))
        targets._check_dimensions(y)
        return targets

    @classmethod
    def fitted(cls, estimator):
        return cls(estimator.classes_)

    def check_known(self, y):
        self._check_dimensions(y)
        for column, classes in zip(y.T, self.classes, strict=True):
            if not np.isin(column, classes).all():
                raise unknown(_distinct(column), classes)

    def check_same(self, y, classes):
        self._check_dimensions(y)
        if classes is not None:
            self.check_named_again(classes)
            return
        for column, known in zip(y.T, self.classes, strict=True):
            if not (np.isin(column, known).all() and np.isin(known, column).all()):
                raise other_classes(_distinct(column), known)

    def check_named_again(self, classes):
        given = _classes_of_outputs(classes)
        same = len(given) == len(self.classes) and all(map(np.array_equal, given, self.classes))
        if not same:
            raise named_otherwise(classes, self.classes)

    def _check_dimensions(self, y):
        check_outputs(y)
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if n_outputs != len(self.classes):
            raise ValueError(
                f"y has {n_outputs} output(s), but there are classes of {len(self.classes)}."
            )

    def read(self, y):
        return check_dense(y)

    def encode(self, y):
        return np.column_stack(list(map(np.searchsorted, self.classes, y.T)))

    def encode_held_out(self, y):
        self._check_dimensions(y)
        for column, classes in zip(y.T, self.classes, strict=True):
            unseen = column[~np.isin(column, classes)]
            if unseen.size:
                raise not_in_training(_distinct(unseen), classes)
        return self.encode(y)

    def n_outputs(self, loss, n_columns):
        return sum(self.n_classes)

    def _outputs(self, raw):
        """Return the raw outputs for the classes of each output."""
        ends = np.cumsum((0, *self.n_classes))
        return [np.ascontiguousarray(raw[:, start:end]) for start, end in pairwise(ends)]

    def decide(self, raw):
        return np.column_stack([one.argmax(axis=1) for one in self._outputs(raw)])

    def decode(self, raw):
        columns = [classes[i] for classes, i in zip(self.classes, self.decide(raw).T, strict=True)]
        if len({column.dtype.kind for column in columns}) > 1:
            columns = [column.astype(object) for column in columns]
        return np.column_stack(columns)

    def predictions(self, form, raw):
        return [form.predictions(one) for one in self._outputs(raw)]

    def log_probabilities(self, raw):
        return [log_softmax(one, axis=1) for one in self._outputs(raw)]

    def decisions(self, form, raw):
        return self.log_probabilities(raw) if form.link is not None else self._outputs(raw)

    def accuracy(self, y, predictions, sample_weight):
        y = self.read(y)
        self._check_dimensions(y)
        weight = _check_sample_weight(sample_weight, y)
        return float(np.average((y == predictions).all(axis=1), weights=weight))

    def _weighted(self, class_weight, y, encoded):
        # As with labels, rows are added that have all classes.
        rows = range(max(self.n_classes))
        every = [[classes[min(i, len(classes) - 1)] for classes in self.classes] for i in rows]
        return compute_sample_weight(class_weight, np.vstack([y, every]))[: len(y)]


def _classes_of_outputs(classes):
    """Return the classes that a user names for each output, sorted arrays in a list."""
    if any(np.ndim(one) != 1 for one in classes):
        raise ValueError(
            "With several outputs, classes must be a list with the classes of each output, got "
            f"{classes!r}."
        )
    return [LabelEncoder().fit(check_classes(one)).classes_ for one in classes]


def _distinct(column):
    return np.array(sorted(set(column.tolist()), key=str), column.dtype)
