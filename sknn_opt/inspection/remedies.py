"""The faults that a diagnosis knows: how each is found, and what may help.

`FAULTS`, at the foot, maps names to them, in the order in which to mend them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._estimators.parameters import Configuration, is_first_order
from ..activations import Identity
from . import checks

#: Length of a good step beside the weights.
_GOOD_STEP = 0.01

#: What alpha divided by the weights of a batch is where it keeps a network from overfitting.
_USEFUL_PENALTY = 0.03


def _no_changes(estimator, start):
    return []


def _starts(*more):
    """Changes of the start, and others, each of which may mend what is wrong from the start."""

    def changes(estimator, start):
        # Without hidden layers the output layer is drawn for the identity.
        first, *_ = Configuration(estimator).architecture.activations or [Identity()]
        return [
            [{"initializer": name} for name in first._suited_initializers],
            [{"normalization": "layer"}, {"normalization": "batch"}],
            *([change] for change in more),
        ]

    return changes


def _slower(estimator, start, now=None):
    if np.isnan(start.learning_rate):
        return []
    longest = start.layers["update_ratio"].max()
    # Where steps explode, their length says nothing about the rate at which they do not.
    factor = _GOOD_STEP / longest if checks.LONG_STEP < longest < 100 else 0.1
    return [_rates(start, factor * np.logspace(0, -6, 7))]


def _faster(estimator, start):
    factor = _GOOD_STEP / start.layers["update_ratio"].max()
    return [_rates(start, factor * np.logspace(0, -1, 2))]


def _rates(start, factors):
    return [{"learning_rate_init": float(f"{start.learning_rate * f:.0e}")} for f in factors]


def _lighter(estimator, start, now):
    return [[{"alpha": float(f"{start.alpha / 100:.0e}")}]]


def _generalizing(estimator, start, now):
    """Less freedom, unless nothing that could be learnt carries over."""
    if not checks.is_learnable(now):
        return []
    alpha = max(10 * start.alpha, _USEFUL_PENALTY * start.batch_weight)
    changes = [{"early_stopping": True}, {"alpha": float(f"{alpha:.0e}")}]
    if is_first_order(estimator) and start.n_hidden:
        # Each layer takes its share: deep networks would be left with nothing.
        dropout = round(1 - 0.5 ** (1 / start.n_hidden), 1)
        if dropout > np.max(estimator.dropout):
            changes.append({"dropout": dropout})
    return [
        [change] for change in changes if change != {"early_stopping": estimator.early_stopping}
    ]


def _learning_more(estimator, start, now):
    """What holds the network back: its width, what regularizes it, or too few or short steps."""
    narrow = checks.narrow_layers(now)
    if narrow:
        units = now.layers["units"]
        wide = max(100, 10 * int(units[-1]))
        sizes = [wide if i in narrow else int(n) for i, n in enumerate(units[:-1])]
        return [[{"hidden_layer_sizes": tuple(sizes)}]]
    changes = []
    if start.alpha > _USEFUL_PENALTY / 10 * start.batch_weight:
        changes.append({"alpha": float(f"{start.alpha / 100:.0e}")})
    if np.max(estimator.dropout) > 0.5:
        changes.append({"dropout": 0.2})
    if not changes:
        if now.ended_early:
            changes.append({"tol": float(f"{estimator.tol / 100:.0e}")})
        else:
            changes.append({"max_iter": 10 * estimator.max_iter})
        if is_first_order(estimator) and not start.tunes_itself:
            changes += _rates(start, [10])
    return [[change] for change in changes]


class Fault(NamedTuple):
    """How a fault is found, and what may help.

    Attributes
    ----------
    check : callable
        See `sknn_opt.inspection.checks`.
    advice : str
        What helps where no change of parameters does.
    changes : callable
        Maps the estimator, unfitted, and its `Measurements` to lists of changes of parameters,
        for a network with the fault from the start. Of each list the first change is wanted
        that mends it.
    changes_in_training : callable
        The same for a network in which training has led to the fault, whose `Measurements`
        come third. Of each list the first change is taken.
    """

    check: Callable
    advice: str
    changes: Callable = _no_changes
    changes_in_training: Callable = _slower


FAULTS = {
    "unscaled_inputs": Fault(
        checks.unscaled_inputs,
        "Scale the features: make_pipeline(StandardScaler(), estimator), for sparse ones with "
        "MaxAbsScaler().",
    ),
    "unscaled_targets": Fault(
        checks.unscaled_targets,
        "Scale the targets: scale_targets=True.",
        lambda estimator, start: [[{"scale_targets": True}]],
    ),
    "symmetric_units": Fault(
        checks.symmetric_units, "Draw different weights for each unit.", _starts()
    ),
    "strong_penalty": Fault(checks.strong_penalty, "Lower alpha.", changes_in_training=_lighter),
    "exploding_gradients": Fault(checks.exploding_gradients, "Use fewer hidden layers.", _starts()),
    "vanishing_gradients": Fault(
        checks.vanishing_gradients, "Use fewer hidden layers.", _starts({"residual": True})
    ),
    "dead_units": Fault(
        checks.dead_units,
        "Scale the features, or choose activation='leaky_relu'.",
        _starts({"activation": "leaky_relu"}),
    ),
    "saturated_units": Fault(
        checks.saturated_units,
        "Scale the features, or choose activation='relu'.",
        _starts({"activation": "relu"}),
    ),
    "high_learning_rate": Fault(checks.high_learning_rate, "Lower learning_rate_init.", _slower),
    "low_learning_rate": Fault(checks.low_learning_rate, "Raise learning_rate_init.", _faster),
    "underfitting": Fault(
        checks.underfitting,
        "Use more units, more epochs or less regularization.",
        changes_in_training=_learning_more,
    ),
    "overfitting": Fault(
        checks.overfitting,
        "The targets may not depend on the features. Get more samples, or features that tell "
        "more: a change of parameters only hides it.",
        changes_in_training=_generalizing,
    ),
}
