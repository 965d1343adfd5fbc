"""Smaller and faster networks from fitted ones: distillation, pruning, quantization."""

from .distillation import distill
from .pruning import prune
from .quantization import QuantizedMLPClassifier, QuantizedMLPRegressor, quantize

__all__ = ["QuantizedMLPClassifier", "QuantizedMLPRegressor", "distill", "prune", "quantize"]
