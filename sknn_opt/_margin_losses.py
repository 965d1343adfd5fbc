"""Losses of support vector machines, on margins rather than on probabilities."""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ._kernel import inline, kernel, real
from ._loss import EVALUATE, Form, Loss

# parameters: the margin, and the power to which violations of it are raised, 1 or 2.


@inline
def _positive(violation):
    # Written so that NaN stays NaN: divergence has to be seen.
    return real(0) if violation <= real(0) else violation


@inline
def _loss(violation, power):
    positive = _positive(violation)
    return positive if power == 1.0 else positive * positive


@inline
def _slope(violation, power):
    positive = _positive(violation)
    step = real(1) if violation > real(0) else positive
    return step if power == 1.0 else real(2) * positive


@kernel(EVALUATE)
def _labels(raw, y, weight, delta, rows, outputs, scale, parameters):
    margin, power = real(parameters[0]), parameters[1]
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            sign = real(2) * y[j] - real(1)
            violation = margin - sign * raw[j]
            loss += _loss(violation, power)
            delta[j] = -sign * factor * _slope(violation, power)
        total += weight[i] * loss
    return total


@kernel(EVALUATE)
def _one_versus_rest(raw, y, weight, delta, rows, outputs, scale, parameters):
    margin, power = real(parameters[0]), parameters[1]
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        target = i * outputs + np.int64(y[i])
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            sign = real(1) if j == target else real(-1)
            violation = margin - sign * raw[j]
            loss += _loss(violation, power)
            delta[j] = -sign * factor * _slope(violation, power)
        total += weight[i] * loss
    return total


@kernel(EVALUATE)
def _weston_watkins(raw, y, weight, delta, rows, outputs, scale, parameters):
    margin, power = real(parameters[0]), parameters[1]
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        target = i * outputs + np.int64(y[i])
        loss, slopes = 0.0, real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            if j != target:
                violation = margin + raw[j] - raw[target]
                loss += _loss(violation, power)
                slope = factor * _slope(violation, power)
                slopes += slope
                delta[j] = slope
        delta[target] = -slopes
        total += weight[i] * loss
    return total


@kernel(EVALUATE)
def _crammer_singer(raw, y, weight, delta, rows, outputs, scale, parameters):
    margin, power = real(parameters[0]), parameters[1]
    total = 0.0
    for i in range(rows):
        target = i * outputs + np.int64(y[i])
        rival, highest = target, real(-math.inf)
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] = real(0)
            if j != target and (raw[j] > highest or math.isnan(raw[j])):
                rival, highest = j, raw[j]
        violation = margin + highest - raw[target]
        slope = real(scale) * weight[i] * _slope(violation, power)
        delta[rival] = slope
        delta[target] = -slope
        total += weight[i] * _loss(violation, power)
    return total


_MULTICLASS = {
    "crammer_singer": _crammer_singer,
    "weston_watkins": _weston_watkins,
    "ovr": _one_versus_rest,
}


class _MarginLoss(Loss):
    """Base of the losses that grow with the violation of a margin."""

    _parameter_constraints = {
        "margin": [Interval(Real, 0, None, closed="neither")],
        "multiclass": [StrOptions(set(_MULTICLASS))],
    }
    _kernel_parameters = ("margin", "_power")
    has_probabilities = False

    def __init__(self, margin=1.0, multiclass="crammer_singer"):
        self.margin = margin
        self.multiclass = multiclass

    @property
    def _forms(self):
        labels = Form(_labels, None, "identity")
        several = Form(_MULTICLASS[self.multiclass], None, "identity")
        return {"binary": labels, "multilabel-indicator": labels, "multiclass": several}


class Hinge(_MarginLoss):
    r"""Hinge loss: how far each margin falls short of the one that is asked for.

    With raw outputs :math:`z`, the margin :math:`m` and labels :math:`t_j \in \{-1, 1\}`,
    for two classes (one output) and for independent labels (one output each):

    .. math:: \ell(y, z) = \sum_j \max(0, m - t_j z_j)

    and for several classes, as ``multiclass`` says, "crammer_singer", "weston_watkins" or
    "ovr" (:math:`t_y = 1`, all others -1):

    .. math::

        \ell(y, z) = \max(0, m + \max_{k \ne y} z_k - z_y), \quad
        \sum_{k \ne y} \max(0, m + z_k - z_y), \quad
        \sum_k \max(0, m - t_k z_k)

    With a margin of 1, two classes and Crammer-Singer are `sklearn.metrics.hinge_loss`.
    Of several highest rivals the first one takes the derivative. The classes are decided
    on, but have no probabilities; `sklearn.calibration.CalibratedClassifierCV` adds them.

    Parameters
    ----------
    margin : float, default=1.0
        The margin from which on there is no loss.
    multiclass : {"crammer_singer", "weston_watkins", "ovr"}, default="crammer_singer"
        The form for more than two classes.

    References
    ----------
    K. Crammer, Y. Singer, "On the Algorithmic Implementation of Multiclass Kernel-based
    Vector Machines", JMLR 2, 2001.

    J. Weston, C. Watkins, "Support Vector Machines for Multi-Class Pattern Recognition",
    ESANN 1999.
    """

    _power = 1


class SquaredHinge(_MarginLoss):
    r"""Squared hinge loss: `Hinge` with each term squared, and so a continuous derivative.

    For labels :math:`t_j \in \{-1, 1\}` and the margin :math:`m`:

    .. math:: \ell(y, z) = \sum_j \max(0, m - t_j z_j)^2

    Crammer-Singer keeps the kinks of its maximum over rivals.

    Parameters
    ----------
    margin : float, default=1.0
        The margin from which on there is no loss.
    multiclass : {"crammer_singer", "weston_watkins", "ovr"}, default="crammer_singer"
        The form for more than two classes, see `Hinge`.

    References
    ----------
    R.-E. Fan, K.-W. Chang, C.-J. Hsieh, X.-R. Wang, C.-J. Lin, "LIBLINEAR: A Library for
    Large Linear Classification", JMLR 9, 2008.
    """

    _power = 2
