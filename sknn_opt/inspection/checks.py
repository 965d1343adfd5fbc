"""The checks of a diagnosis: functions of what was measured that return a finding or None.

The arguments are two `Measurements`, of the estimator and of the network before training. A
finding is a list of the layers concerned and a sentence.
"""

import functools

import numpy as np

#: Root mean square of a feature or target above which initial weights are too large for it.
_LARGE = 30.0

#: Norm of a row, or deviation of a target, below which it has next to no effect on training.
_SMALL = 0.01

#: Ratio of the ranges of two features with which the smaller one is hardly learnt from.
_UNEQUAL = 1000.0

#: Factor by which gradients shrink over the depth so that the first layers hardly learn.
_SHRUNK = 30.0

#: Factor by which gradients or activations grow over the depth where steps no longer fit all.
_GROWN = 100.0

#: What is left of the weights, as a share, where a penalty has taken all else.
_COLLAPSED = 0.1

#: Share of the units of a layer that are dead.
_MANY_DEAD = 0.7

#: Share of the activations of a layer that are saturated.
_MANY_SATURATED = 0.7

#: Share of the units of a layer that differ from each other.
_FEW_DISTINCT = 0.5

#: How far, in skill, the training data are ahead of the validation data: learnt by heart.
_OVERFITTED = 0.4

#: How far a linear model on validation data is ahead of the network on its training data.
_BEHIND_LINEAR = 0.2

#: Skill on validation data below which the features hardly tell anything of the targets.
_NO_SKILL = 0.1

#: Length of a step, as a share of the weights, from which on steps overshoot.
LONG_STEP = 0.1

#: Length of all steps together, as a share of the weights, that leads nowhere.
_SHORT_WAY = 0.02


def _layers(selected):
    return [int(i) for i in np.flatnonzero(selected)]


def _listed(layers):
    if len(layers) == 1:
        return f"layer {layers[0]}"
    return f"layers {', '.join(map(str, layers[:-1]))} and {layers[-1]}"


def _number(x):
    return f"{x:.2g}" if x < 10 else (f"{x:.0f}" if x < 1e4 else f"{x:.0e}")


def unscaled_inputs(measured, start):
    scales, ranges = measured.features.scales, measured.features.ranges
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


def unscaled_targets(measured, start):
    if measured.targets is None:
        return None
    largest, deviations = measured.targets.scales.max(), measured.targets.deviations
    if largest > _LARGE:
        return [measured.n_hidden], f"the targets have a root mean square of {_number(largest)}"
    if 0 < deviations.max() < _SMALL:
        message = f"the targets have a standard deviation of {deviations.max():.0e}"
        return [measured.n_hidden], message
    return None


def symmetric_units(measured, start):
    hidden = slice(0, measured.n_hidden)
    units, distinct = measured.layers["units"][hidden], measured.layers["distinct"][hidden]
    layers = _layers((units > 1) & (distinct < _FEW_DISTINCT * units))
    if not layers:
        return None
    alike = max(1 - distinct[layers] / units[layers])
    return layers, (
        f"in {_listed(layers)} up to {alike:.0%} of the units repeat others: "
        "with the same weights they get the same gradients and stay the same"
    )


def strong_penalty(measured, start):
    if measured is start or measured.alpha == 0:
        return None
    weights, initial = measured.layers["weights"], start.layers["weights"]
    if not (weights < _COLLAPSED * initial).all():
        return None
    shrunk = weights / initial
    message = f"training has shrunk the weights of all layers to less than {shrunk.max():.1%}"
    return list(range(shrunk.size)), message


def _unless_explained(check):
    """Symmetry, or weights that are next to 0, explain all else that the layers show."""

    @functools.wraps(check)
    def unless(measured, start):
        explained = symmetric_units(measured, start) or strong_penalty(measured, start)
        return None if explained else check(measured, start)

    return unless


@_unless_explained
def vanishing_gradients(measured, start):
    gradients = measured.layers["gradients"][: measured.n_hidden]
    # Without any gradient, dead units are in the way.
    if gradients.size < 2 or not gradients[0] > 0 or gradients[-1] < _SHRUNK * gradients[0]:
        return None
    shrunk = _number(gradients[-1] / gradients[0])
    return list(range(gradients.size)), f"gradients shrink {shrunk}× over {gradients.size} layers"


@_unless_explained
def exploding_gradients(measured, start):
    n_hidden, layers = measured.n_hidden, measured.layers
    every = list(range(n_hidden + 1))
    if not (np.isfinite(measured.objective) and np.isfinite(layers["gradients"]).all()):
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
    if measured is not start:
        return None
    wanted = 1.0 if measured.targets is None else max(1.0, measured.targets.deviations.max())
    if activations[-1] > _GROWN * wanted:
        return every, f"the raw outputs have a standard deviation of {_number(activations[-1])}"
    return None


@_unless_explained
def dead_units(measured, start):
    dead = measured.layers["dead"][: measured.n_hidden]
    layers = _layers(dead > _MANY_DEAD)
    if not layers:
        return None
    return layers, (
        f"in {_listed(layers)} up to {dead.max():.0%} of the units are dead: "
        "for no sample do they pass a gradient on"
    )


@_unless_explained
def saturated_units(measured, start):
    saturated = measured.layers["saturated"][: measured.n_hidden]
    layers = _layers(saturated > _MANY_SATURATED)
    if not layers:
        return None
    return layers, (
        f"in {_listed(layers)} up to {saturated.max():.0%} of the activations are saturated, "
        "where their slope is next to 0"
    )


@_unless_explained
def high_learning_rate(measured, start):
    ratios = measured.layers["update_ratio"]
    layers = _layers(ratios > LONG_STEP)
    if layers and not measured.tunes_itself:
        longest = ratios[layers].max()
        share = f"up to {longest:.0%}" if longest < 10 else "many times their size"
        return layers, f"a step changes the weights of {_listed(layers)} by {share}"
    has_started = not np.isnan(measured.learning_rate) and np.isfinite(measured.objective)
    # A likelihood's loss may be below 0.
    bound = start.objective + abs(start.objective)
    if not has_started or measured.objective_after <= bound:
        return None
    return list(range(ratios.size)), (
        f"a few steps take the loss from {measured.objective:.2g} to {measured.objective_after:.2g}"
    )


def low_learning_rate(measured, start):
    fall = start.objective - measured.objective
    has_learnt = measured is not start and fall > 0.1 * abs(start.objective)
    longest = start.layers["update_ratio"].max()
    if has_learnt or not 0 < longest * start.n_steps < _SHORT_WAY:
        return None
    return list(range(measured.n_hidden + 1)), (
        f"a step changes the weights by a share of {longest:.0e}, so that {start.n_steps} steps "
        "leave them about where they are"
    )


def overfitting(measured, start):
    skills = measured.skills
    if skills is None or not skills.training - skills.validation > _OVERFITTED:
        return None
    message = (
        f"the score is {_score(skills.training_score)} on the training data and "
        f"{_score(skills.validation_score)} on the validation data"
    )
    if not is_learnable(measured):
        message += ", where a linear model is no better than a constant either"
    return list(range(measured.n_hidden + 1)), message


def is_learnable(measured):
    """Whether the network or a linear model can tell anything about data it has not seen."""
    return max(measured.skills.validation, measured.skills.linear) > _NO_SKILL


def underfitting(measured, start):
    skills = measured.skills
    if skills is None or not skills.linear - skills.training > _BEHIND_LINEAR:
        return None
    if any(check(measured, start) for check in _CAUSES_OF_UNDERFITTING):
        return None
    message = (
        f"the score on the training data is {_score(skills.training_score)}, where a linear "
        f"model has {_score(skills.linear_score)} on the validation data"
    )
    narrow = narrow_layers(measured)
    if narrow:
        message += f", and {_listed(narrow)} passes on less than the outputs need"
    return narrow or list(range(measured.n_hidden + 1)), message


#: Faults of which a network that has not learnt is a symptom.
_CAUSES_OF_UNDERFITTING = (
    unscaled_inputs,
    unscaled_targets,
    symmetric_units,
    strong_penalty,
    exploding_gradients,
    vanishing_gradients,
    dead_units,
    saturated_units,
    high_learning_rate,
    low_learning_rate,
)


def narrow_layers(measured):
    """Hidden layers with fewer units than both features and outputs."""
    units = measured.layers["units"]
    return _layers(units[:-1] < min(units[-1], measured.features.scales.size))


def _score(score):
    return f"{score:.2f}"
