"""Transformers that turn tables into inputs that networks learn from."""

from .numeric import PeriodicFeatures, PiecewiseLinearEncoder, SmoothClipScaler
from .tabular import TabularEncoder

__all__ = ["PeriodicFeatures", "PiecewiseLinearEncoder", "SmoothClipScaler", "TabularEncoder"]
