"""Multilayer perceptrons for scikit-learn, with Numba-compiled training."""

from .batches import GrowingBatch
from .ensemble import MLPEnsembleClassifier, MLPEnsembleRegressor
from .estimators import MLPClassifier, MLPRegressor

__all__ = [
    "GrowingBatch",
    "MLPClassifier",
    "MLPEnsembleClassifier",
    "MLPEnsembleRegressor",
    "MLPRegressor",
]
__version__ = "0.1.0"
