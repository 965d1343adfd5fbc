"""Multilayer perceptrons for scikit-learn, with Numba-compiled training."""

from .batches import GrowingBatch
from .estimators import MLPClassifier, MLPRegressor

__all__ = [
    "GrowingBatch",
    "MLPClassifier",
    "MLPEnsembleClassifier",
    "MLPEnsembleRegressor",
    "MLPRegressor",
    "TabularMLPClassifier",
    "TabularMLPRegressor",
    "trusted_types",
]
__version__ = "0.1.0"


def __getattr__(name):
    # What a single network does not need takes no time to import.
    if name == "trusted_types":
        from ._trust import trusted_types

        return trusted_types
    if name in __all__:
        from . import ensemble, tabular

        return getattr(tabular if name.startswith("Tabular") else ensemble, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
