"""Means of the target by category, for columns of many categories."""

import numpy as np
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
        Not fitted.
    """

    def __init__(self, encoder):
        self._encoder = clone(encoder)

    def fit_transform(self, columns, y):
        """Learn from lists of values, and return their means, without each row's own share.

        None if there are more classes than it is good for.
        """
        self._codes = [_numbered(values) for values in columns]
        means = self._encoder.fit_transform(self._coded(columns), y)
        self.n_columns_each = means.shape[1] // len(columns)
        if self.n_columns_each > _MOST_CLASSES:
            return None
        self._mean, std = means.mean(axis=0), means.std(axis=0)
        self._std = np.where(std > 0, std, 1.0)
        return self._standardised(means)

    def transform(self, columns):
        return self._standardised(self._encoder.transform(self._coded(columns)))

    def _coded(self, columns):
        pairs = zip(self._codes, columns, strict=True)
        return np.column_stack([[codes.get(v, -1) for v in values] for codes, values in pairs])

    def _standardised(self, means):
        return np.clip((means - self._mean) / self._std, -_LIMIT, _LIMIT)


def _numbered(values):
    return {value: number for number, value in enumerate(dict.fromkeys(values))}
