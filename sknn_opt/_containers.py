"""Which containers of data are read here."""


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
