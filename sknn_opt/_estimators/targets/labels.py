"""Targets of several labels a sample."""

import numpy as np
from scipy import sparse
from scipy.special import log_expit
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import unique_labels

from .classifier import ClassTargets, no_classes, not_in_training, other_classes, unknown
from .meaning import indicators


class Indicators(ClassTargets):
    """Several labels a sample, or none: a column for each label."""

    meaning = "multilabel"
    kind = "multilabel-indicator"

    def __init__(self, binarizer):
        self._binarizer = binarizer
        self.classes = binarizer.classes_

    @classmethod
    def learn(cls, y, classes, incremental):
        if incremental and classes is None:
            raise no_classes()
        targets = cls(LabelBinarizer().fit(indicators(y)))
        if incremental and not np.array_equal(unique_labels(classes), targets.classes):
            raise ValueError(
                f"With several labels a sample, classes are the columns of y, {targets.classes}, "
                f"got {classes!r}."
            )
        if not incremental:
            _check_unnamed(classes)
        return targets

    @classmethod
    def fitted(cls, estimator):
        return cls(estimator._label_binarizer)

    def fitted_attributes(self):
        return {**super().fitted_attributes(), "_label_binarizer": self._binarizer}

    def check_known(self, y):
        self._check_dimensions(y)
        if y.shape[1] > len(self.classes):
            raise unknown(np.arange(y.shape[1]), self.classes)

    def check_same(self, y, classes):
        _check_unnamed(classes)
        self._check_dimensions(y)
        if y.shape[1] != len(self.classes):
            raise other_classes(np.arange(y.shape[1]), self.classes)

    def named(self):
        return None  # they are the columns

    def _check_dimensions(self, y):
        if y.ndim == 1:
            raise ValueError("The object was fitted with multilabel input.")

    def read(self, y):
        return indicators(y)

    def encode(self, y):
        y = indicators(y)
        return y.toarray() if sparse.issparse(y) else y

    def encode_held_out(self, y):
        self._check_dimensions(y)
        if y.shape[1] > len(self.classes):
            raise not_in_training(np.arange(len(self.classes), y.shape[1]), self.classes)
        return self.encode(y)

    def n_outputs(self, loss, n_columns):
        return n_columns

    def decide(self, raw):
        return (raw > 0).astype(int)

    def decode(self, raw):
        """Return label indicators, sparse where those of fit were."""
        return self._binarizer.inverse_transform(self.decide(raw))

    def predictions(self, form, raw):
        return form.predictions(raw)

    def log_probabilities(self, raw):
        return log_expit(raw)

    def _weighted(self, class_weight, y, encoded):
        # scikit-learn refuses a dict that names a value which the batch lacks, so two rows
        # that have both values are added.
        both = np.repeat([[0], [1]], encoded.shape[1], axis=1)
        return compute_sample_weight(class_weight, np.vstack([encoded, both]))[:-2]


def _check_unnamed(classes):
    if classes is not None:
        raise ValueError(
            "classes does not apply to multilabel targets, whose columns are the labels. Leave it "
            "out."
        )
