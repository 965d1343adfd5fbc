"""Data that are not in memory are told rather than loaded."""

import numpy as np
import pytest

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPRegressor
from sknn_opt.preprocessing import (
    PeriodicFeatures,
    PiecewiseLinearEncoder,
    SmoothClipScaler,
    TabularEncoder,
)


class Collection:
    """Has what Dask's collections have, and fails where it is loaded."""

    shape, ndim, dtype = (20, 2), 2, np.dtype(float)

    def __dask_graph__(self):
        return {}

    def __len__(self):
        return 20

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("loaded")


X = np.random.default_rng(0).normal(size=(20, 2))
Y = np.arange(20) % 2
LAZY = Collection()
NETWORK = MLPClassifier((), tol=10.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: NETWORK.fit(LAZY, Y),
        lambda: NETWORK.fit(X, LAZY),
        lambda: NETWORK.fit(X, Y, LAZY),
        lambda: NETWORK.fit(X, Y, X_val=LAZY, y_val=Y),
        lambda: NETWORK.fit(X, Y, X_val=X, y_val=LAZY),
        lambda: MLPClassifier().partial_fit(LAZY, Y, classes=[0, 1]),
        lambda: MLPClassifier().partial_fit(X, LAZY, classes=[0, 1]),
        lambda: MLPRegressor().fit(LAZY, Y),
        lambda: MLPRegressor().fit(X, LAZY),
        lambda: MLPRegressor().partial_fit(X, LAZY),
        lambda: NETWORK.fit(X, Y).predict(LAZY),
        lambda: NETWORK.fit(X, Y).predict_proba(LAZY),
        lambda: NETWORK.fit(X, Y).score(LAZY, Y),
        lambda: MLPEnsembleClassifier(NETWORK).fit(LAZY, Y),
        lambda: MLPEnsembleClassifier(NETWORK).fit(X, LAZY),
        lambda: TabularEncoder().fit(LAZY),
        lambda: PiecewiseLinearEncoder().fit(LAZY),
        lambda: PeriodicFeatures().fit(LAZY),
        lambda: SmoothClipScaler().fit(LAZY),
    ],
)
def test_dask_collections_are_refused_before_they_are_loaded(call):
    with pytest.raises(TypeError, match="Got a Dask collection, Collection"):
        call()
