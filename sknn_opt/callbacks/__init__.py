"""Callbacks for scikit-learn 1.9 or later, which ``set_callbacks`` takes."""

from .checkpoint import Checkpoint
from .mlflow import MLflow
from .optuna import OptunaPruning
from .tensorboard import TensorBoard

__all__ = ["Checkpoint", "MLflow", "OptunaPruning", "TensorBoard"]
