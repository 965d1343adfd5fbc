"""Smaller and faster networks from fitted ones: distillation, pruning, quantization."""

from .pruning import prune
from .quantization import QuantizedMLPClassifier, QuantizedMLPRegressor, quantize

__all__ = ["QuantizedMLPClassifier", "QuantizedMLPRegressor", "prune", "quantize"]
