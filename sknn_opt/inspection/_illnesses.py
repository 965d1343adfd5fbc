"""The illnesses that a diagnosis knows: how each shows, and what may help.

`ILLNESSES`, at the foot, maps names to them, in the order in which to treat them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..activations import ELU, GELU, SELU, LeakyReLU, Mish, ReLU, SiLU

# Root mean square of a feature or target, and norm of a row.
_LARGE, _SMALL = 30.0, 0.01
# Ratios: of deviations of features, of gradients and of activations over the depth.
_UNEQUAL, _SHRUNK, _GROWN = 1000.0, 30.0, 100.0
# Shares of units, and of activations.
_MANY_DEAD, _MANY_SATURATED, _FEW_DISTINCT = 0.7, 0.7, 0.5
# Length of a step, and of all steps together, beside the weights.
_LONG_STEP, _SHORT_STEP, _SHORT_WAY = 0.1, 0.01, 0.02


class Illness(NamedTuple):
    """How an illness shows, and what may help.

    Attributes
    ----------
    symptom : callable
        Maps two `Look`, at the estimator and at its start, to the layers concerned and a
        sentence, or to None.
    changes : callable
        Maps estimator and `Look` to lists of changes of parameters. From each list the
        first one is wanted that cures a network that has not been trained.
    changes_in_training : callable
        The same where the network was well at its start, at which the `Look` is.
    advice : str
        What helps where no change of parameters does.
    """

    symptom: Callable
    changes: Callable
    changes_in_training: Callable
    advice: str


def _layers(selected):
    return [int(i) for i in np.flatnonzero(selected)]


def _listed(layers):
    if len(layers) == 1:
        return f"layer {layers[0]}"
    return f"layers {', '.join(map(str, layers[:-1]))} and {layers[-1]}"


def _number(x):
    return f"{x:.2g}" if x < 10 else (f"{x:.0f}" if x < 1e4 else f"{x:.0e}")


def _unscaled_inputs(look, start):
    scales, deviations = look.features.scales, look.features.deviations
    varying = deviations[deviations > 0]
    if varying.size == 0:
        return None
    norm = np.sqrt((scales**2).sum())
    if scales.max() > _LARGE:
        worst = int(scales.argmax())
        return [0], f"feature {worst} has a root mean square of {_number(scales[worst])}"
    if norm < _SMALL:
        return [0], f"the features of a sample have a Euclidean norm of {norm:.0e}"
    if varying.max() > _UNEQUAL * varying.min():
        ratio = _number(varying.max() / varying.min())
        return [0], f"the standard deviations of the features differ by a factor of {ratio}"
    return None


def _unscaled_targets(look, start):
    if look.targets is None:
        return None
    largest, deviations = look.targets.scales.max(), look.targets.deviations
    if largest > _LARGE:
        return [look.n_hidden], f"the targets have a root mean square of {_number(largest)}"
    if 0 < deviations.max() < _SMALL:
        message = f"the targets have a standard deviation of {deviations.max():.0e}"
        return [look.n_hidden], message
    return None


def _symmetric_units(look, start):
    hidden = slice(0, look.n_hidden)
    units, distinct = look.layers["units"][hidden], look.layers["distinct"][hidden]
    layers = _layers((units > 1) & (distinct < _FEW_DISTINCT * units))
    if not layers:
        return None
    alike = max(1 - distinct[layers] / units[layers])
    return layers, (
        f"in {_listed(layers)} up to {alike:.0%} of the units repeat others: "
        "with the same weights they get the same gradients and stay the same"
    )


def _unless_symmetric(symptom):
    """Symmetry explains all else that the layers show."""
    return lambda look, start: None if _symmetric_units(look, start) else symptom(look, start)


@_unless_symmetric
def _vanishing_gradients(look, start):
    gradients = look.layers["gradients"][: look.n_hidden]
    # Without any gradient, dead units are in the way.
    if gradients.size < 2 or not gradients[0] > 0 or gradients[-1] < _SHRUNK * gradients[0]:
        return None
    shrunk = _number(gradients[-1] / gradients[0])
    return list(range(gradients.size)), f"gradients shrink {shrunk}× over {gradients.size} layers"


@_unless_symmetric
def _exploding_gradients(look, start):
    n_hidden, layers = look.n_hidden, look.layers
    every = list(range(n_hidden + 1))
    if not (np.isfinite(look.objective) and np.isfinite(layers["gradients"]).all()):
        return every, "the loss or its gradient is not finite"
    gradients = layers["gradients"][:n_hidden]
    if n_hidden > 1 and gradients[0] > _GROWN * gradients[-1] > 0:
        grown = _number(gradients[0] / gradients[-1])
        return every[:-1], f"gradients grow {grown}× over {n_hidden} layers"
    activations = layers["activations"]
    if n_hidden > 1 and activations[n_hidden - 1] > _GROWN * activations[0] > 0:
        grown = _number(activations[n_hidden - 1] / activations[0])
        return every[:-1], f"activations grow {grown}× over {n_hidden} layers"
    # Training may well drive the outputs for classes apart.
    if look is not start:
        return None
    wanted = 1.0 if look.targets is None else max(1.0, look.targets.deviations.max())
    if activations[-1] > _GROWN * wanted:
        return every, f"the raw outputs have a standard deviation of {_number(activations[-1])}"
    return None


@_unless_symmetric
def _dead_units(look, start):
    dead = look.layers["dead"][: look.n_hidden]
    layers = _layers(dead > _MANY_DEAD)
    if not layers:
        return None
    return layers, (
        f"in {_listed(layers)} up to {dead.max():.0%} of the units are dead: "
        "for no sample do they pass a gradient on"
    )


@_unless_symmetric
def _saturated_units(look, start):
    saturated = look.layers["saturated"][: look.n_hidden]
    layers = _layers(saturated > _MANY_SATURATED)
    if not layers:
        return None
    return layers, (
        f"in {_listed(layers)} up to {saturated.max():.0%} of the activations are saturated, "
        "where their slope is next to 0"
    )


def _high_learning_rate(look, start):
    ratios = look.layers["update_ratio"]
    layers = _layers(ratios > _LONG_STEP)
    if layers and not look.tunes_itself:
        return layers, (
            f"a step changes the weights of {_listed(layers)} by up to {ratios[layers].max():.0%}"
        )
    everywhere = list(range(ratios.size))
    if np.isnan(look.learning_rate) or look.objective_after <= 2 * start.objective:
        return None
    return everywhere, (
        f"a few steps take the loss from {look.objective:.2g} to {look.objective_after:.2g}"
    )


def _low_learning_rate(look, start):
    longest = look.layers["update_ratio"].max()
    has_learnt = look is not start and look.objective < 0.9 * start.objective
    if has_learnt or not 0 < longest * look.n_steps < _SHORT_WAY:
        return None
    return list(range(look.n_hidden + 1)), (
        f"a step changes the weights by a share of {longest:.0e}, so that {look.n_steps} steps "
        "leave them about where they are"
    )


def _starts(*more):
    """Changes of the start, and others, of which each may cure what is ill from the start."""

    def changes(estimator, look):
        activations = estimator._resolve_architecture(look.n_hidden).activations
        rectifiers = ReLU, LeakyReLU, ELU, GELU, SiLU, Mish
        initializers = ["glorot_uniform", "he_normal", "lecun_normal"]
        if isinstance(activations[0], rectifiers):
            initializers = ["he_normal", "glorot_uniform"]
        if isinstance(activations[0], SELU):
            initializers = ["lecun_normal"]
        return [
            [{"initializer": name} for name in initializers],
            [{"normalization": "layer"}, {"normalization": "batch"}],
            *([change] for change in more),
        ]

    return changes


def _calmer(*more):
    """Changes that keep training from making a network ill."""

    def changes(estimator, look):
        slower = [] if np.isnan(look.learning_rate) else _lower_rates(estimator, look)
        return [*slower, *([change] for change in more)]

    return changes


def _lower_rates(estimator, look):
    longest = look.layers["update_ratio"].max()
    factor = _SHORT_STEP / longest if longest > _LONG_STEP else 0.1
    return [_rates(look, factor * np.logspace(0, -4, 5))]


def _higher_rates(estimator, look):
    factor = _SHORT_STEP / look.layers["update_ratio"].max()
    return [_rates(look, factor * np.logspace(-1, 1, 3))]


def _rates(look, factors):
    return [{"learning_rate_init": float(f"{look.learning_rate * f:.0e}")} for f in factors]


def _no_changes(estimator, look):
    return []


_NORMALIZED, _RESIDUAL = {"normalization": "layer"}, {"residual": True}

ILLNESSES = {
    "unscaled_inputs": Illness(
        _unscaled_inputs,
        _no_changes,
        _no_changes,
        "Scale the features: make_pipeline(StandardScaler(), estimator), for sparse ones with "
        "MaxAbsScaler().",
    ),
    "unscaled_targets": Illness(
        _unscaled_targets,
        _no_changes,
        _no_changes,
        "Scale the targets: TransformedTargetRegressor(estimator, transformer=StandardScaler()).",
    ),
    "symmetric_units": Illness(
        _symmetric_units, _starts(), _no_changes, "Draw different weights for each unit."
    ),
    "exploding_gradients": Illness(
        _exploding_gradients, _starts(), _calmer(_NORMALIZED), "Use fewer hidden layers."
    ),
    "vanishing_gradients": Illness(
        _vanishing_gradients, _starts(_RESIDUAL), _calmer(_NORMALIZED), "Use fewer hidden layers."
    ),
    "dead_units": Illness(
        _dead_units,
        _starts({"activation": "leaky_relu"}),
        _calmer({"activation": "leaky_relu"}),
        "Scale the features, and use smaller intercepts.",
    ),
    "saturated_units": Illness(
        _saturated_units,
        _starts({"activation": "relu"}),
        _calmer(_NORMALIZED, {"activation": "relu"}),
        "Scale the features, and use smaller weights.",
    ),
    "high_learning_rate": Illness(
        _high_learning_rate, _lower_rates, _lower_rates, "Lower learning_rate_init."
    ),
    "low_learning_rate": Illness(
        _low_learning_rate, _higher_rates, _higher_rates, "Raise learning_rate_init."
    ),
}
