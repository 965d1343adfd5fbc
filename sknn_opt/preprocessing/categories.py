"""Which columns hold categories, and what becomes of these."""

from collections import Counter

import numpy as np

from .columns import CATEGORICAL, NUMERIC, column

# In large data a category that occurs once tells nothing of the next one.
_LARGE = 1000


def kinds_of_columns(X, categorical_features):
    """Return the kind of each column: that of its values, unless the user has chosen."""
    kinds = [column(X, j).kind for j in range(X.shape[1])]
    if isinstance(categorical_features, str):  # "from_dtype"
        return kinds
    is_chosen = _chosen_columns(X, categorical_features)
    others = (NUMERIC if kind == CATEGORICAL else kind for kind in kinds)
    return [
        CATEGORICAL if chosen else other for chosen, other in zip(is_chosen, others, strict=True)
    ]


def _chosen_columns(X, categorical_features):
    """Return a mask of the columns that names, indices or a mask choose.

    Errors are those of scikit-learn's histogram gradient boosting.
    """
    n_features = X.shape[1]
    chosen = np.zeros(n_features, dtype=bool)
    given = np.asarray([] if categorical_features is None else categorical_features)
    if given.size == 0:
        return chosen
    _check_type(given)
    if given.dtype.kind == "b":
        if given.shape[0] != n_features:
            raise ValueError(
                "categorical_features set as a boolean mask must have shape (n_features,), got: "
                f"{given.shape}"
            )
        return given
    if given.dtype.kind == "i":
        if given.max() >= n_features or given.min() < 0:
            raise ValueError(
                "categorical_features set as integer indices must be in [0, n_features - 1]"
            )
        chosen[given] = True
        return chosen
    chosen[_positions(X, given)] = True
    return chosen


def _check_type(given):
    found = [given.dtype.name]
    if given.dtype.kind == "O":
        found = sorted({type(one).__name__ for one in given})
    if given.dtype.kind not in "biU" and found != ["str"]:
        raise ValueError(
            "categorical_features must be an array-like of bool, int or str, got: "
            f"{', '.join(found)}."
        )


def _positions(X, names):
    if not hasattr(X, "columns"):
        raise ValueError(
            "categorical_features should be passed as an array of integers or as a boolean mask "
            "when the model is fitted on data without feature names."
        )
    known = list(X.columns)
    for name in names:
        if name not in known:
            raise ValueError(
                f"categorical_features has an item value '{name}' which is not a valid feature "
                f"name of the training data. Observed feature names: {known}"
            )
    return [known.index(name) for name in names]


def frequent_categories(values, max_categories):
    """Return the categories that get a column, in order; a missing value, None, is the last.

    None get one if all values are the same, or all are rare.
    """
    counts = Counter(values)
    if len(counts) == 1:
        return []
    fewest = 2 if len(values) >= _LARGE else 1
    order = _sorted(counts)
    frequent = sorted((c for c in order if counts[c] >= fewest), key=lambda c: -counts[c])
    kept = set(frequent[:max_categories])
    return [category for category in order if category in kept]


def _sorted(categories):
    known = [category for category in categories if category is not None]
    try:
        known.sort()
    except TypeError:  # of several types
        known.sort(key=lambda category: (type(category).__name__, str(category)))
    return known + [None] * (None in categories)


def category_labels(categories):
    """Return the label of each column that `encode_categories` makes."""
    labels = ["missing" if category is None else str(category) for category in categories]
    return labels[1:] if len(labels) == 2 else labels


def encode_categories(values, categories):
    """Return columns that are 1 for their category, else 0; of two, one column of 1 and -1.

    All other values, rare ones and those that `fit` has not seen, are 0 in each column.
    """
    codes = {category: code for code, category in enumerate(categories)}
    found = np.fromiter((codes.get(value, -1) for value in values), np.intp, len(values))
    if len(categories) == 2:
        return np.where(found < 0, 0, 2 * found - 1)[:, np.newaxis]
    return found[:, np.newaxis] == np.arange(len(categories))
