"""Transformers that turn tables into inputs that networks learn from."""

from .numeric import PeriodicFeatures, PiecewiseLinearEncoder, SmoothClipScaler
from .relevance import RelevanceScaler
from .tabular import TabularEncoder

__all__ = [
    "PeriodicFeatures",
    "PiecewiseLinearEncoder",
    "RelevanceScaler",
    "SmoothClipScaler",
    "TabularEncoder",
]
