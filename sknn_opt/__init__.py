"""Multilayer perceptrons for scikit-learn, with Numba-compiled training."""

from .batches import GrowingBatch
from .estimators import MLPClassifier, MLPRegressor

__all__ = ["GrowingBatch", "MLPClassifier", "MLPRegressor"]
__version__ = "0.1.0"
