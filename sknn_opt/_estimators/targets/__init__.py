"""The meaning of y: how targets are encoded for the loss, and outputs decoded for the user."""

from .base import check_dense, check_numbers
from .classes import Classes, Probabilities
from .classifier import ClassTargets, balanced_weights
from .continuous import NumberTargets
from .labels import Indicators
from .meaning import check_labels, indicators, meaning_of
from .missing import check_known_columns, score_known, with_missing, without_missing
from .outputs import SeveralOutputs

__all__ = [
    "ClassTargets",
    "Classes",
    "Indicators",
    "NumberTargets",
    "balanced_weights",
    "check_dense",
    "check_known_columns",
    "check_labels",
    "check_numbers",
    "fitted_targets",
    "indicators",
    "learn_targets",
    "meaning_of",
    "score_known",
    "with_missing",
    "without_missing",
]

_MEANINGS = {cls.meaning: cls for cls in (Classes, Probabilities, Indicators, SeveralOutputs)}


def learn_targets(y, wanted, classes, incremental):
    """Return the `ClassTargets` that ``y`` has; ``wanted`` is the estimator's `targets`."""
    return _MEANINGS[meaning_of(y, wanted)].learn(y, classes, incremental)


def fitted_targets(estimator):
    """Return the `ClassTargets` that an estimator was fitted to."""
    return _MEANINGS[estimator.targets_].fitted(estimator)
