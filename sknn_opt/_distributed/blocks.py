"""Partitions on the workers: read, checked and described."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass

import dask
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_consistent_length

from .._estimators.fingerprint import fingerprint
from .._estimators.targets import balanced_weights, meaning_of
from .._network.inputs import Features
from .._warnings import warn
from .collections import aligned, partitions
from .rounds import hold, result

#: The share of the variance of the classes between partitions from which there is a warning.
_MOST_BETWEEN = 0.05


@dataclass
class Block:
    """A partition as arrays that kernels read, and what its worker has made of them.

    What is made is a cache. It is not sent along and ends with the block, so after the death
    of a worker another one makes it again.

    Attributes
    ----------
    number : int
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : ndarray
    sample_weight : ndarray of shape (n_rows,) or None
    names : ndarray of str or None
        Those of the features.
    """

    number: int
    X: Features | None
    y: np.ndarray | None
    sample_weight: np.ndarray | None
    names: np.ndarray | None = None

    def __post_init__(self):
        self._lock, self._made = threading.Lock(), None

    def __getstate__(self):
        return self.number, self.X, self.y, self.sample_weight, self.names

    def __setstate__(self, state):
        self.__init__(*state)

    @contextmanager
    def made(self, make, template):
        """Give ``make(self, template)``, made once, to one thread at a time."""
        with self._lock:
            if self._made is None:
                with named(self.number):
                    self._made = make(self, template)
            yield self._made


@dataclass
class Description:
    """What the client knows of a block.

    Attributes
    ----------
    number : int
    n_rows, n_features : int
    dtype : dtype
    names : ndarray of str or None
    n_columns : int
        That y has as a matrix; 0 if it is a vector.
    meaning : str
        What the y of a classifier means, the estimator's ``targets``.
    counts : list of tuple of ndarray
        For a classifier, the classes in each column of y, and the weight of each.
    has_weight : bool
        Whether a row has a weight other than 0.
    """

    number: int
    n_rows: int
    n_features: int = 0
    dtype: np.dtype | None = None
    names: np.ndarray | None = None
    n_columns: int = 0
    meaning: str = ""
    counts: list | tuple = ()
    has_weight: bool = False


@contextmanager
def named(number):
    """Let a ValueError say in which partition it arose."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Partition {number}: {error}") from error


def read(number, X, y, sample_weight, estimator):
    """Return the `Block` of a partition; raise ValueError for what cannot be trained on."""
    reader = clone(estimator)
    with named(number):
        check_consistent_length(X, y, sample_weight)
        if _num_samples(X) == 0:
            return Block(number, None, None, None)
        X, y = reader._validate_input(X, y, reader._wanted_dtype(), reset=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=X.dtype, ensure_non_negative=True
            )
        if is_classifier(reader) and y.ndim == 1:
            check_classification_targets(y)
    names = getattr(reader, "feature_names_in_", None)
    return Block(number, X, y, sample_weight, names)


def describe(block, estimator):
    """Return the `Description` of a `Block`."""
    if block.X is None:
        return Description(block.number, 0)
    weight, meaning, counts = block.sample_weight, "", []
    if is_classifier(estimator):
        with named(block.number):
            meaning = meaning_of(block.y, estimator.targets)
        count = _share if meaning == "probabilities" else _counts
        counts = [count(column, weight) for column in np.atleast_2d(block.y.T)]
    return Description(
        block.number,
        *block.X.shape,
        block.X.dtype,
        block.names,
        0 if block.y.ndim == 1 else block.y.shape[1],
        meaning,
        counts,
        weight is None or bool(weight.any()),
    )


def _counts(column, weight):
    values, codes = np.unique(column, return_inverse=True)
    return values, np.bincount(codes, weight)


def _share(column, weight):
    """Return the weight of a class of which each row has a share; its name is not known here."""
    return [0], [column.sum() if weight is None else weight @ column]


def identity(block):
    """Return a hash of a block, for a checkpoint."""
    return fingerprint(block.X, block.y, block.sample_weight)


class Blocks:
    """The blocks of a training or validation set, on the workers of a cluster.

    Reads them and checks that they belong together. Empty ones, and those without weight, are
    left out.

    Parameters
    ----------
    client : distributed.Client
    estimator : MLPClassifier or MLPRegressor
        Whose rules of valid input hold.
    X, y, sample_weight : Dask collection; the last one may be None
    names : tuple of str
        What the user calls these three.

    Attributes
    ----------
    futures : list of Future
    n_features, n_columns : int
    names : ndarray of str or None
    meaning : str
    dtype : dtype
    """

    def __init__(self, client, estimator, X, y, sample_weight, names):
        self.client = client
        parts = _zipped(X, y, sample_weight, names)
        reader = hold(client, estimator)
        futures = [
            client.submit(read, number, *client.compute(list(part)), reader, pure=False)
            for number, part in enumerate(parts)
        ]
        described = [client.submit(describe, f, reader, pure=False) for f in futures]
        descriptions = [result(client, future) for future in described]
        self._filled = [d for d in descriptions if d.n_rows > 0]
        self.futures = [futures[d.number] for d in self._filled if d.has_weight]
        self._check(names)
        first = self._filled[0]
        self.n_features, self.n_columns = first.n_features, first.n_columns
        self.names, self.meaning = first.names, first.meaning
        self.dtype = np.result_type(*(d.dtype for d in self._filled))

    def _check(self, names):
        if not self._filled:
            raise ValueError(f"{names[0]} has no rows: all of its partitions are empty.")
        if not self.futures:
            raise ValueError(f"{names[2]} must contain at least one non-zero number.")
        first, *others = self._filled
        for other in others:
            for what, name in (("n_features", names[0]), ("n_columns", names[1])):
                if getattr(first, what) != getattr(other, what):
                    raise ValueError(
                        f"Partitions of {name} differ in their numbers of columns: partition "
                        f"{first.number} has {getattr(first, what) or 1}, partition {other.number} "
                        f"has {getattr(other, what) or 1}."
                    )
            if first.meaning != other.meaning:
                raise ValueError(
                    f"By its values, {names[1]} means {first.meaning} in partition {first.number} "
                    f"and {other.meaning} in partition {other.number}. Set targets to what it is."
                )
            if not np.array_equal(first.names, other.names):
                raise ValueError(
                    f"Partitions of {names[0]} differ in the names of their columns: partition "
                    f"{first.number} has {first.names}, partition {other.number} has {other.names}."
                )

    def labels(self):
        """Return a small y that means what y means, and has all of its classes."""
        if self.meaning == "multilabel":
            return np.repeat([[0], [1]], self.n_columns, axis=1)
        if self.meaning == "probabilities":
            return np.full((1, self.n_columns), 1 / self.n_columns)
        columns = [classes for classes, _ in self._totals()]
        if not self.n_columns:
            return columns[0]
        n_rows = max(map(len, columns))
        return np.column_stack([np.pad(c, (0, n_rows - len(c)), mode="edge") for c in columns])

    def balanced(self, names):
        """Return the ``class_weight`` that "balanced" stands for.

        ``names`` are those of the columns of probabilities.
        """
        totals = self._totals()
        if self.meaning == "probabilities":
            totals = [(np.asarray(names), np.concatenate([total for _, total in totals]))]
        by_column = [
            dict(zip(classes.tolist(), balanced_weights(total).tolist(), strict=True))
            for classes, total in totals
        ]
        return by_column if len(by_column) > 1 else by_column[0]

    def warn_if_sorted(self):
        """Warn where the partition of a row tells much of its class.

        That is measured by Goodman and Kruskal's tau, from 0 to 1: the share of the variance
        of the classes that is between partitions.
        """
        if not self.meaning:
            return
        share = self._share_between()
        by_chance = len(self._filled) / sum(d.n_rows for d in self._filled)
        if share > _MOST_BETWEEN + 3 * by_chance:
            warn(
                f"Partitions differ in their classes, which explains {share:.0%} of the variance "
                "of the classes. Steps on a partition that lacks classes unlearn these: the "
                "network will be less accurate. Shuffle the rows before, for example by a random "
                "column: frame.shuffle(on=...), or choose optimizer='lbfgs', whose result does "
                "not depend on the partitions."
            )

    def _share_between(self):
        """Return Goodman and Kruskal's tau, for several columns over all of them."""
        known = [classes for classes, _ in self._totals()]
        totals = np.array([_spread(d.counts, known) for d in self._filled if d.has_weight])
        n_variables = 1 if self.meaning == "probabilities" else len(known)
        weights = totals.sum(axis=1, keepdims=True)
        mean = totals.sum(axis=0) / weights.sum()
        variance = 1 / n_variables - mean @ mean
        between = ((totals / weights - mean) ** 2).sum(axis=1) @ weights.ravel() / weights.sum()
        return between / variance if variance > 1e-12 else 0.0

    def _totals(self):
        """Return the classes of each column of y, and the weight of each in all blocks."""
        return list(map(_total, zip(*(d.counts for d in self._filled), strict=True)))

    def identities(self):
        """Return a hash of each block."""
        futures = [self.client.submit(identity, f, pure=False) for f in self.futures]
        return [result(self.client, future) for future in futures]


def _spread(counts, known):
    """Return the weight of each of the known classes of all columns, in one vector."""
    spreads = []
    for (classes, weights), of_column in zip(counts, known, strict=True):
        spreads.append(np.zeros(len(of_column)))
        spreads[-1][np.searchsorted(of_column, classes)] = weights
    return np.concatenate(spreads)


def _total(counts):
    classes, codes = np.unique(np.concatenate([c for c, _ in counts]), return_inverse=True)
    return classes, np.bincount(codes, np.concatenate([weights for _, weights in counts]))


def _zipped(X, y, sample_weight, names):
    """Return the partitions of the three, side by side."""
    X, (y, sample_weight) = aligned(X, (y, sample_weight))
    columns = [partitions(X, names[0]), partitions(y, names[1])]
    if sample_weight is not None:
        columns.append(partitions(sample_weight, names[2]))
    for name, column in zip(names[1:], columns[1:], strict=False):
        if len(column) != len(columns[0]):
            raise ValueError(
                f"{names[0]} has {len(columns[0])} partitions and {name} has {len(column)}: they "
                "need the same rows in each. Repartition one of them."
            )
    if sample_weight is None:
        return [(*part, dask.delayed(None)) for part in zip(*columns, strict=True)]
    return zip(*columns, strict=True)
