"""How each illness shows: functions of what was measured that return a symptom or None.

The arguments are two `Look`, at the estimator and at its start. A symptom is a list of the
layers concerned and a sentence.
"""

import functools

import numpy as np

# Root mean square of a feature or target, and norm of a row.
_LARGE, _SMALL = 30.0, 0.01
# Ratios: of ranges of features, of gradients and of activations over the depth.
_UNEQUAL, _SHRUNK, _GROWN = 1000.0, 30.0, 100.0
# What is left of the weights.
_COLLAPSED = 0.1
# Shares of units, and of activations.
_MANY_DEAD, _MANY_SATURATED, _FEW_DISTINCT = 0.7, 0.7, 0.5
# Length of a step, and of all steps together, beside the weights.
LONG_STEP, _SHORT_WAY = 0.1, 0.02


def _layers(selected):
    return [int(i) for i in np.flatnonzero(selected)]


def _listed(layers):
    if len(layers) == 1:
        return f"layer {layers[0]}"
    return f"layers {', '.join(map(str, layers[:-1]))} and {layers[-1]}"


def _number(x):
    return f"{x:.2g}" if x < 10 else (f"{x:.0f}" if x < 1e4 else f"{x:.0e}")


def unscaled_inputs(look, start):
    scales, ranges = look.features.scales, look.features.ranges
    varying = ranges[ranges > 0]
    if varying.size == 0:
        return None
    if scales.max() > _LARGE:
        worst = int(scales.argmax())
        return [0], f"feature {worst} has a root mean square of {_number(scales[worst])}"
    norm = np.sqrt((scales**2).sum())
    if norm < _SMALL:
        return [0], f"the features of a sample have a Euclidean norm of {norm:.0e}"
    if varying.max() > _UNEQUAL * varying.min():
        ratio = _number(varying.max() / varying.min())
        return [0], f"the ranges of the features differ by a factor of {ratio}"
    return None


def unscaled_targets(look, start):
    if look.targets is None:
        return None
    largest, deviations = look.targets.scales.max(), look.targets.deviations
    if largest > _LARGE:
        return [look.n_hidden], f"the targets have a root mean square of {_number(largest)}"
    if 0 < deviations.max() < _SMALL:
        message = f"the targets have a standard deviation of {deviations.max():.0e}"
        return [look.n_hidden], message
    return None


def symmetric_units(look, start):
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


def strong_penalty(look, start):
    if look is start or look.alpha == 0:
        return None
    shrunk = look.layers["weights"] / start.layers["weights"]
    if not (shrunk < _COLLAPSED).all():
        return None
    message = f"training has shrunk the weights of all layers to less than {shrunk.max():.1%}"
    return list(range(shrunk.size)), message


def _unless_explained(symptom):
    """Symmetry, or weights that are next to 0, explain all else that the layers show."""

    @functools.wraps(symptom)
    def unless(look, start):
        explained = symmetric_units(look, start) or strong_penalty(look, start)
        return None if explained else symptom(look, start)

    return unless


@_unless_explained
def vanishing_gradients(look, start):
    gradients = look.layers["gradients"][: look.n_hidden]
    # Without any gradient, dead units are in the way.
    if gradients.size < 2 or not gradients[0] > 0 or gradients[-1] < _SHRUNK * gradients[0]:
        return None
    shrunk = _number(gradients[-1] / gradients[0])
    return list(range(gradients.size)), f"gradients shrink {shrunk}× over {gradients.size} layers"


@_unless_explained
def exploding_gradients(look, start):
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


@_unless_explained
def dead_units(look, start):
    dead = look.layers["dead"][: look.n_hidden]
    layers = _layers(dead > _MANY_DEAD)
    if not layers:
        return None
    return layers, (
        f"in {_listed(layers)} up to {dead.max():.0%} of the units are dead: "
        "for no sample do they pass a gradient on"
    )


@_unless_explained
def saturated_units(look, start):
    saturated = look.layers["saturated"][: look.n_hidden]
    layers = _layers(saturated > _MANY_SATURATED)
    if not layers:
        return None
    return layers, (
        f"in {_listed(layers)} up to {saturated.max():.0%} of the activations are saturated, "
        "where their slope is next to 0"
    )


@_unless_explained
def high_learning_rate(look, start):
    ratios = look.layers["update_ratio"]
    layers = _layers(ratios > LONG_STEP)
    if layers and not look.tunes_itself:
        longest = ratios[layers].max()
        share = f"up to {longest:.0%}" if longest < 10 else "many times their size"
        return layers, f"a step changes the weights of {_listed(layers)} by {share}"
    has_started = not np.isnan(look.learning_rate) and np.isfinite(look.objective)
    if not has_started or look.objective_after <= 2 * start.objective:
        return None
    return list(range(ratios.size)), (
        f"a few steps take the loss from {look.objective:.2g} to {look.objective_after:.2g}"
    )


def low_learning_rate(look, start):
    has_learnt = look is not start and look.objective < 0.9 * start.objective
    longest = start.layers["update_ratio"].max()
    if has_learnt or not 0 < longest * start.n_steps < _SHORT_WAY:
        return None
    return list(range(look.n_hidden + 1)), (
        f"a step changes the weights by a share of {longest:.0e}, so that {start.n_steps} steps "
        "leave them about where they are"
    )
