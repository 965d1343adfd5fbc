"""The illnesses that a diagnosis knows, and what may help.

`ILLNESSES`, at the foot, maps names to them, in the order in which to treat them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._estimators.parameters import Configuration
from ..activations import ELU, GELU, SELU, LeakyReLU, Mish, ReLU, SiLU
from . import checks as symptoms

#: Length of a good step beside the weights.
_GOOD_STEP = 0.01


def _no_changes(estimator, start):
    return []


def _starts(*more):
    """Changes of the start, and others, of which each may cure what is ill from the start."""

    def changes(estimator, start):
        activations = Configuration(estimator).architecture.activations
        initializers = ["glorot_uniform", "he_normal", "lecun_normal"]
        if isinstance(activations[0], ReLU | LeakyReLU | ELU | GELU | SiLU | Mish):
            initializers = ["he_normal", "glorot_uniform"]
        if isinstance(activations[0], SELU):
            initializers = ["lecun_normal"]
        return [
            [{"initializer": name} for name in initializers],
            [{"normalization": "layer"}, {"normalization": "batch"}],
            *([change] for change in more),
        ]

    return changes


def _slower(estimator, start):
    if np.isnan(start.learning_rate):
        return []
    longest = start.layers["update_ratio"].max()
    # Where steps explode, their length says nothing about the rate at which they do not.
    factor = _GOOD_STEP / longest if symptoms.LONG_STEP < longest < 100 else 0.1
    return [_rates(start, factor * np.logspace(0, -6, 7))]


def _faster(estimator, start):
    factor = _GOOD_STEP / start.layers["update_ratio"].max()
    return [_rates(start, factor * np.logspace(0, -1, 2))]


def _rates(start, factors):
    return [{"learning_rate_init": float(f"{start.learning_rate * f:.0e}")} for f in factors]


def _lighter(estimator, start):
    return [[{"alpha": float(f"{start.alpha / 100:.0e}")}]]


class Illness(NamedTuple):
    """How an illness shows, and what may help.

    Attributes
    ----------
    symptom : callable
        See `sknn_opt.inspection._symptoms`.
    advice : str
        What helps where no change of parameters does.
    changes : callable
        Maps the estimator, unfitted, and the `Look` at it to lists of changes of parameters.
        Of each list the first one is wanted that cures a network that is ill from the start.
    changes_in_training : callable
        The same for one that training has made ill. Of each list the first one is taken.
    """

    symptom: Callable
    advice: str
    changes: Callable = _no_changes
    changes_in_training: Callable = _slower


ILLNESSES = {
    "unscaled_inputs": Illness(
        symptoms.unscaled_inputs,
        "Scale the features: make_pipeline(StandardScaler(), estimator), for sparse ones with "
        "MaxAbsScaler().",
    ),
    "unscaled_targets": Illness(
        symptoms.unscaled_targets,
        "Scale the targets: TransformedTargetRegressor(estimator, transformer=StandardScaler()).",
    ),
    "symmetric_units": Illness(
        symptoms.symmetric_units, "Draw different weights for each unit.", _starts()
    ),
    "strong_penalty": Illness(
        symptoms.strong_penalty, "Lower alpha.", changes_in_training=_lighter
    ),
    "exploding_gradients": Illness(
        symptoms.exploding_gradients, "Use fewer hidden layers.", _starts()
    ),
    "vanishing_gradients": Illness(
        symptoms.vanishing_gradients, "Use fewer hidden layers.", _starts({"residual": True})
    ),
    "dead_units": Illness(
        symptoms.dead_units,
        "Scale the features, or choose activation='leaky_relu'.",
        _starts({"activation": "leaky_relu"}),
    ),
    "saturated_units": Illness(
        symptoms.saturated_units,
        "Scale the features, or choose activation='relu'.",
        _starts({"activation": "relu"}),
    ),
    "high_learning_rate": Illness(
        symptoms.high_learning_rate, "Lower learning_rate_init.", _slower
    ),
    "low_learning_rate": Illness(symptoms.low_learning_rate, "Raise learning_rate_init.", _faster),
}
