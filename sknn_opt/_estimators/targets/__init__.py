"""The meaning of y: how targets are encoded for the loss, and outputs decoded for the user."""

from .base import check_dense
from .classes import Classes, Probabilities
from .classifier import ClassTargets
from .continuous import NumberTargets, check_numbers
from .labels import Indicators
from .meaning import check_labels, indicators, meaning_of
from .outputs import SeveralOutputs

__all__ = [
    "ClassTargets",
    "Classes",
    "Indicators",
    "NumberTargets",
    "check_dense",
    "check_labels",
    "check_numbers",
    "fitted_targets",
    "indicators",
    "learn_targets",
    "meaning_of",
]

_MEANINGS = {cls.meaning: cls for cls in (Classes, Probabilities, Indicators, SeveralOutputs)}


def learn_targets(y, wanted, classes, incremental):
    """Return the `ClassTargets` that ``y`` has; ``wanted`` is the estimator's `targets`."""
    return _MEANINGS[meaning_of(y, wanted)].learn(y, classes, incremental)


def fitted_targets(estimator):
    """Return the `ClassTargets` that an estimator was fitted to."""
    return _MEANINGS[estimator.targets_].fitted(estimator)
