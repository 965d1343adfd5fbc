"""Means of the target by category, for columns of many categories."""

import numpy as np
from sklearn import config_context
from sklearn.base import clone

#: Standardised means beyond these are those of the rarest categories.
_LIMIT = 4.0

#: With more classes there would be more columns than a network learns from.
_MOST_CLASSES = 12


class TargetMeans:
    """Encodes categorical columns by scikit-learn's target encoder, standardised.

    Parameters
    ----------
    encoder : sklearn.preprocessing.TargetEncoder
        Not fitted. With ``target_type="continuous"`` it learns means of numbers, and otherwise
        the share of each class.
    """

    def __init__(self, encoder):
        self._encoder = encoder

    def fit_transform(self, columns, y):
        """Learn from lists of values, and return their means, without each row's own share.

        None if there are more classes than it is good for.
        """
        targets = self._targets(y)
        if len(targets) > _MOST_CLASSES:
            return None
        self._codes = [_numbered(values) for values in columns]
        self.n_columns_each = len(targets)
        # Folds that a class may lack: a rare class is no reason to warn.
        self._encoders = [
            clone(self._encoder).set_params(target_type="continuous") for _ in targets
        ]
        coded = self._coded(columns)
        pairs = zip(self._encoders, targets, strict=True)
        # There are no metadata here, for which some versions of scikit-learn look all the same.
        with config_context(enable_metadata_routing=False):
            means = [encoder.fit_transform(coded, target) for encoder, target in pairs]
        means = _side_by_side(means)
        self._mean, std = means.mean(axis=0), means.std(axis=0)
        self._std = np.where(std > 0, std, 1.0)
        return self._standardised(means)

    def _targets(self, y):
        """Return the numbers whose means are taken: ``y``, or an indicator of each class."""
        if self._encoder.target_type == "continuous":
            return [y]
        classes = np.unique(y)
        return [(y == one).astype(float) for one in (classes[1:] if len(classes) == 2 else classes)]

    def transform(self, columns):
        coded = self._coded(columns)
        return self._standardised(
            _side_by_side([encoder.transform(coded) for encoder in self._encoders])
        )

    def known_values(self, number):
        """Return the values of a column whose means are known."""
        return list(self._codes[number])

    def _coded(self, columns):
        pairs = zip(self._codes, columns, strict=True)
        return np.column_stack([[codes.get(v, -1) for v in values] for codes, values in pairs])

    def _standardised(self, means):
        return np.clip((means - self._mean) / self._std, -_LIMIT, _LIMIT)


def _numbered(values):
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _side_by_side(means):
    """Return the columns of one feature next to each other."""
    return np.stack(means, axis=2).reshape(len(means[0]), -1)
