"""Transformers that turn tables into inputs that networks learn from."""

from .kernel import KernelFeatures
from .numeric import PeriodicFeatures, PiecewiseLinearEncoder, SmoothClipScaler
from .relevance import RelevanceScaler
from .tabular import TabularEncoder

__all__ = [
    "KernelFeatures",
    "PeriodicFeatures",
    "PiecewiseLinearEncoder",
    "RelevanceScaler",
    "SmoothClipScaler",
    "TabularEncoder",
]
