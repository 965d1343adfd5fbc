"""The rows that a network trains on, and those that it does not see."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples


@dataclass
class Fold:
    """Rows to train on, and rows to judge by.

    Attributes
    ----------
    number : int
    train : ndarray of int
    held_out : ndarray of int or None
        None where there is no cross-validation.
    """

    number: int
    train: np.ndarray
    held_out: np.ndarray | None


@dataclass
class Data:
    """What a committee is fitted to.

    Attributes
    ----------
    X : array, sparse matrix or frame
    y : ndarray or sparse matrix
    sample_weight : ndarray or None
    targets : Targets or None
        What ``y`` means, for classes.
    """

    X: Any
    y: Any
    sample_weight: np.ndarray | None = None
    targets: Any = None

    def __len__(self):
        return _num_samples(self.X)

    @property
    def labels(self):
        """The targets as splitters read them: of probabilities the likeliest class."""
        return self.y if self.targets is None else self.targets.read(self.y)

    def features(self, rows):
        return _safe_indexing(self.X, rows)

    def weights(self, rows):
        return None if self.sample_weight is None else self.sample_weight[rows]


def make_folds(cv, data, is_classifier, params):
    """Return the folds of ``cv``, or a single one in which no row is held out.

    ``params`` are what a splitter is given beside the data, such as groups.
    """
    if cv is None:
        return [Fold(0, np.arange(len(data)), None)]
    y = data.labels
    # Several outputs have no strata, and may have classes that cannot be compared.
    has_strata = is_classifier and y.ndim == 1
    splits = check_cv(cv, y, classifier=has_strata).split(data.X, y, **params)
    folds = [Fold(i, *map(_row_numbers, split)) for i, split in enumerate(splits)]
    if not folds or not all(len(fold.train) and len(fold.held_out) for fold in folds):
        raise ValueError(f"cv={cv!r} gives a fold without rows to train on or to hold out.")
    return folds


def halved(folds):
    """Return two folds for each of ``folds``, which hold out every other of its rows."""
    halves = []
    for fold in folds:
        for start in (0, 1):
            others = fold.held_out[1 - start :: 2]
            train = np.sort(np.concatenate([fold.train, others]))
            halves.append(Fold(len(halves), train, fold.held_out[start::2]))
    return halves


def _row_numbers(rows):
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def bootstrap_rows(n_rows, classes, seed):
    """Draw as many rows with replacement, in ascending order.

    With ``classes``, a number for each row, every class keeps its number of rows, so that none
    is lost.
    """
    random_state = np.random.RandomState(seed)
    classes = np.zeros(n_rows, int) if classes is None else classes
    drawn = []
    for number in np.unique(classes):
        rows = np.flatnonzero(classes == number)
        drawn.append(rows[random_state.randint(len(rows), size=len(rows))])
    return np.sort(np.concatenate(drawn))
