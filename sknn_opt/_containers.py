"""Which containers of data are read here, and how."""

import numpy as np


def check_in_memory(*containers):
    """Raise TypeError for a Dask collection, which NumPy would pull into this process whole."""
    for container in containers:
        # Dask's own protocol, for which it need not be installed.
        if hasattr(container, "__dask_graph__"):
            raise TypeError(
                f"Got a Dask collection, {type(container).__name__}, which this estimator would "
                "load into memory as a whole. Train on it with DaskMLPClassifier or "
                "DaskMLPRegressor of sknn_opt.dask, or, if it fits in memory, pass what its "
                "compute() returns."
            )


def with_types(array, X):
    """Return the array made of ``X``, or, where it is text, one of what a list has held.

    NumPy makes strings of all values of a list that holds one.
    """
    is_mixed = not hasattr(X, "dtype") and array.dtype.kind in "SU"
    return np.asarray(X, dtype=object) if is_mixed else array
