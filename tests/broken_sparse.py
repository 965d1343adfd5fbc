"""Sparse matrices whose arrays lead outside of them, as SciPy's constructors accept them."""

import numpy as np


def _broken(X, **arrays):
    """Return a copy in which functions of its arrays replace them."""
    X = X.copy()
    for name, change in arrays.items():
        setattr(X, name, change(getattr(X, name)))
    return X


def _with(*items):
    """Return a function that writes items, pairs of a place and a number, into a copy."""

    def change(array):
        array = array.copy()
        for place, number in items:
            array[place] = number
        return array

    return change


def _with_row(place, columns):
    def change(rows):
        rows = rows.copy()
        rows[place] = columns
        return rows

    return change


#: A function that breaks a copy of a CSR matrix with 4 columns, and what the error says.
BROKEN_SPARSE = {
    "index too large": (lambda X: _broken(X, indices=_with((3, 999))), "indices must be .*3"),
    "index just too large": (lambda X: _broken(X, indices=_with((0, 4))), "indices must be .*3"),
    "negative index": (lambda X: _broken(X, indices=_with((-1, -1))), "indices must be"),
    "huge index": (
        lambda X: _broken(X, indices=lambda a: _with((0, 2**32))(a.astype(np.int64))),
        "indices must be",
    ),
    "indices that are no integers": (
        lambda X: _broken(X, indices=lambda a: a * np.nan),
        "indices must be a vector of integers",
    ),
    "decreasing indptr": (lambda X: _broken(X, indptr=_with((5, 0))), "indptr decreases"),
    "indptr outside": (lambda X: _broken(X, indptr=_with((5, 10**6))), "indptr must be"),
    "negative indptr": (lambda X: _broken(X, indptr=_with((5, -(10**6)))), "indptr must be"),
    "indptr whose differences overflow": (
        lambda X: _broken(X, indptr=_with((5, 2**31 - 1), (6, -(2**31)))),
        "indptr must be",
    ),
    "indptr that ends at 0": (lambda X: _broken(X, indptr=_with((5, 10**6), (-1, 0))), "indptr"),
    "indptr that starts late": (lambda X: _broken(X, indptr=_with((0, 1))), "start at 0"),
    "indptr that ends late": (lambda X: _broken(X, indptr=_with((-1, 10**6))), "indptr must be"),
    "short indptr": (lambda X: _broken(X, indptr=lambda a: a[:-1]), "31 integers"),
    "short data": (lambda X: _broken(X, data=lambda a: a[:-1]), "indptr must be"),
    "short indices": (lambda X: _broken(X, indices=lambda a: a[:-1]), "indptr must be"),
    "CSC, row too large": (lambda X: _broken(X.tocsc(), indices=_with((3, 30))), "indices.*29"),
    "CSC, decreasing indptr": (
        lambda X: _broken(X.tocsc(), indptr=_with((2, 0))),
        "indptr decreases",
    ),
    "BSR, column too large": (
        lambda X: _broken(X.tobsr((2, 2)), indices=_with((3, 2))),
        "indices must be .*1",
    ),
    "COO, row too large": (lambda X: _broken(X.tocoo(), row=_with((3, 30))), "row.*29"),
    "COO, column too large": (lambda X: _broken(X.tocoo(), col=_with((3, 4))), "col.*3"),
    "COO, short data": (lambda X: _broken(X.tocoo(), data=lambda a: a[:-1]), "length"),
    "LIL, column too large": (
        lambda X: _broken(X.tolil(), rows=_with_row(0, [999]), data=_with_row(0, [1.0])),
        "indices must be .*3",
    ),
}
