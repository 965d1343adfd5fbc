"""Inspection of networks: gradients, diagnoses, learning rates, hidden layers, displays."""

from .diagnosis import Diagnosis, Finding, diagnose
from .displays import (
    GradientFlowDisplay,
    LearningRateFinderDisplay,
    ScheduleDisplay,
    TrainingCurveDisplay,
)
from .gradients import GradientCheck, LayerGradient, check_gradients
from .learning_rate import LearningRateTest, find_learning_rate
from .outputs import HiddenActivations, hidden_activations, input_gradients, mc_dropout_predict

__all__ = [
    "Diagnosis",
    "Finding",
    "GradientCheck",
    "GradientFlowDisplay",
    "HiddenActivations",
    "LayerGradient",
    "LearningRateFinderDisplay",
    "LearningRateTest",
    "ScheduleDisplay",
    "TrainingCurveDisplay",
    "check_gradients",
    "diagnose",
    "find_learning_rate",
    "hidden_activations",
    "input_gradients",
    "mc_dropout_predict",
]
