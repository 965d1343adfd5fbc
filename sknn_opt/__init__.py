"""Multilayer perceptrons for scikit-learn, with Numba-compiled training."""

from .estimators import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
__version__ = "0.1.0"
