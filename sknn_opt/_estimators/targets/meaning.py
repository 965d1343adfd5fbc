"""What the y of a classifier means, and whether it can mean that."""

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d

from ..._network.inputs import check_sparse
from .base import check_dense

#: How far the sum of probabilities may be from 1: what float32 and rounding make of them.
_TOLERANCE = 3e-4


def meaning_of(y, wanted):
    """Return what ``y`` means: "classes", "multilabel", "multioutput" or "probabilities".

    Parameters
    ----------
    y : ndarray or CSR matrix
        Of finite numbers, or of labels.
    wanted : str
        The estimator's `targets`.

    Raises
    ------
    ValueError
        If it may mean more than one thing, or cannot mean what is wanted.
    """
    if y.ndim == 1:
        if wanted != "auto":
            raise ValueError(
                f"targets={wanted!r} needs a y of two columns or more, got one of shape {y.shape}. "
                "Leave targets at 'auto' for one class a sample."
            )
        return "classes"
    return _guess(y) if wanted == "auto" else wanted


def _guess(y):
    """Return what a matrix means by its values."""
    numbers = _numbers(y)
    if numbers is None:
        labels = set(y.ravel().tolist())
        if len(labels) < 3:
            raise _ambiguous(sorted(map(repr, labels)))
        return "multioutput"
    if _has_fractions(numbers):
        check_probabilities(y)
        return "probabilities"
    values, has_zeros = _values(numbers)
    if len(values) + has_zeros > 2:
        return "multioutput"
    if not (has_zeros or values.tolist() == [1]):
        raise _ambiguous(values)
    return "multilabel"


def indicators(y):
    """Return multilabel targets as 0 and 1: whatever is not 0 means that a sample has the label."""
    check_sparse(y)
    y = y if sparse.issparse(y) else np.asarray(y)
    if y.ndim != 2:
        raise ValueError("The object was fitted with multilabel input.")
    numbers = _numbers(y)
    if numbers is None or _has_fractions(numbers):
        raise ValueError(
            "Multilabel targets are whole numbers, 0 where a sample does not have the label, but "
            f"y holds {'fractions' if numbers is not None else y.dtype}."
        )
    values, has_zeros = _values(numbers)
    if len(values) > 1 and not has_zeros:
        raise _ambiguous(values)
    return _present(numbers).astype(int)


def check_probabilities(y):
    """Return probabilities of classes whose rows sum to 1; raise ValueError for others."""
    y = check_dense(y)
    shares = _numbers(y)
    if shares is None:
        raise ValueError(f"Probabilities of classes are numbers, but y holds {y.dtype}.")
    shares = shares.astype(np.float64)
    sums = shares.sum(axis=1, keepdims=True)
    tolerance = max(_TOLERANCE, np.sqrt(np.finfo(y.dtype).eps)) if y.dtype.kind == "f" else 0
    wrong = np.flatnonzero(~(np.abs(sums.ravel() - 1) <= tolerance))
    if (shares < 0).any():
        problem = f"the smallest number in y is {shares.min():.6g}"
    elif wrong.size:
        problem = f"row {wrong[0]} of y sums to {sums[wrong[0], 0]:.6g}"
    else:
        return shares / sums
    raise ValueError(
        "Fractions in the y of a classifier are probabilities of classes: they must be >= 0 and "
        f"sum to 1 in each row, but {problem}. Divide each row by its sum, "
        "y / y.sum(axis=1, keepdims=True); numbers to predict are for MLPRegressor."
    )


def check_outputs(y):
    """Raise ValueError where a matrix cannot hold a class for each of several outputs."""
    numbers = _numbers(check_dense(y))
    if numbers is not None and _has_fractions(numbers):
        raise ValueError(
            "Unknown label type: continuous-multioutput. Classes are whole numbers or strings; "
            "numbers to predict are for MLPRegressor."
        )


def check_labels(labels, name):
    """Raise ValueError if a class is None, since classes are sorted and None has no order."""
    labels = labels if sparse.issparse(labels) else np.asarray(labels)
    if labels.dtype == object and any(label is None for label in labels.flat):
        raise ValueError(
            f"Input {name} contains None. Leave out the samples without a class, or give the "
            "class a name, such as 'missing'."
        )


def check_classes(classes):
    """Return the classes that a user names, an array; raise ValueError where they can't be."""
    check_labels(classes, "classes")
    return column_or_1d(classes)


def _numbers(y):
    """Return targets as numbers, or None where they are something else."""
    if y.dtype == object:
        y = np.array(y.tolist())
    return y if y.dtype.kind in "biuf" else None


def _values(numbers):
    """Return the values other than 0 that a matrix has, and whether it has zeros."""
    values = np.unique(numbers.data if sparse.issparse(numbers) else numbers)
    has_zeros = np.prod(numbers.shape) > _present(numbers).sum(dtype=np.int64)
    return values[values != 0], bool(has_zeros)


def _present(numbers):
    """Return where a matrix is not 0: of bools, and CSR if it is sparse."""
    present = numbers.astype(bool)
    if sparse.issparse(present):
        present = present.tocsr()
        present.sum_duplicates()
    return present


def _has_fractions(numbers):
    stored = numbers.data if sparse.issparse(numbers) else numbers
    return stored.dtype.kind == "f" and bool((stored != np.floor(stored)).any())


def _ambiguous(values):
    """Return the error for values of which none says that a sample does not have a label."""
    *others, last = values
    listed = f"{', '.join(map(str, others))} and {last}" if others else f"all {last}"
    return ValueError(
        "Multilabel targets are 1 where a sample has the label and 0 where it has not, but "
        f"those of y are {listed}. If {last} means that it has, pass (y == {last}).astype(int). "
        "If each column of y holds classes of its own, set targets='multioutput'."
    )
