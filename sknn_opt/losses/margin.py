"""Losses of support vector machines, on margins rather than on probabilities."""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._compiler.declarations import inline, inline_template, real
from .base import ByRow, Loss, OfEachOutput, Separable

# In the templates below: what a violation of the margin costs, and the parameters by name.
_cost = _parameters = None


@inline
def _positive(violation):
    # A comparison with NaN is false, so NaN stays NaN: divergence has to be noticed.
    return real(0) if violation <= real(0) else violation


@inline
def _step(violation):
    """0 or 1, the derivative of `_positive`; NaN stays NaN."""
    return real(1) if violation > real(0) else _positive(violation)


@inline
def _linear(violation):
    """Return the cost of a violation and its first two derivatives."""
    return _positive(violation), _step(violation), real(0)


@inline
def _quadratic(violation):
    positive = _positive(violation)
    return positive * positive, real(2) * positive, real(2) * _step(violation)


def _label(y, raw, p):
    # From 0 and 1 to -1 and 1.
    sign = real(2) * y - real(1)
    loss, slope, second = _cost(real(p.margin) - sign * raw)
    return loss, -sign * slope, second


def _one_versus_rest(raw, y, weight, delta, rows, outputs, scale, parameters):
    margin = real(_parameters(parameters).margin)
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        target = i * outputs + np.int64(y[i])
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            sign = real(1) if j == target else real(-1)
            cost, slope, _ = _cost(margin - sign * raw[j])
            loss += cost
            delta[j] = -sign * factor * slope
        total += weight[i] * loss
    return total


def _weston_watkins(raw, y, weight, delta, rows, outputs, scale, parameters):
    margin = real(_parameters(parameters).margin)
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        target = i * outputs + np.int64(y[i])
        loss, slopes = 0.0, real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            if j != target:
                cost, slope, _ = _cost(margin + raw[j] - raw[target])
                loss += cost
                slope *= factor
                slopes += slope
                delta[j] = slope
        delta[target] = -slopes
        total += weight[i] * loss
    return total


@inline
def highest_rival(raw, target, first, outputs):
    """Return index and value of the highest raw output other than the target's.

    Of several equal ones it is the first. A NaN counts as highest, so that it gets into the loss.
    """
    rival, highest = target, real(-math.inf)
    for j in range(first, first + outputs):
        if j != target and (raw[j] > highest or math.isnan(raw[j])):
            rival, highest = j, raw[j]
    return rival, highest


def _crammer_singer(raw, y, weight, delta, rows, outputs, scale, parameters):
    margin = real(_parameters(parameters).margin)
    total = 0.0
    for i in range(rows):
        target = i * outputs + np.int64(y[i])
        rival, highest = highest_rival(raw, target, i * outputs, outputs)
        # Only the target and its highest rival get a derivative.
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] = real(0)
        loss, slope, _ = _cost(margin + highest - raw[target])
        slope *= real(scale) * weight[i]
        delta[rival] = slope
        delta[target] = -slope
        total += weight[i] * loss
    return total


def _one_versus_rest_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    margin = real(_parameters(parameters).margin)
    for i in range(rows):
        factor = real(scale) * weight[i]
        target = i * outputs + np.int64(y[i])
        for j in range(i * outputs, (i + 1) * outputs):
            sign = real(1) if j == target else real(-1)
            _, _, second = _cost(margin - sign * raw[j])
            tangent[j] *= factor * second


def _weston_watkins_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    margin = real(_parameters(parameters).margin)
    for i in range(rows):
        factor = real(scale) * weight[i]
        target = i * outputs + np.int64(y[i])
        at_target, total = tangent[target], real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            if j != target:
                _, _, second = _cost(margin + raw[j] - raw[target])
                tangent[j] = factor * second * (tangent[j] - at_target)
                total += tangent[j]
        tangent[target] = -total


def _crammer_singer_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    margin = real(_parameters(parameters).margin)
    for i in range(rows):
        factor = real(scale) * weight[i]
        target = i * outputs + np.int64(y[i])
        rival, highest = highest_rival(raw, target, i * outputs, outputs)
        _, _, second = _cost(margin + highest - raw[target])
        change = factor * second * (tangent[rival] - tangent[target])
        for j in range(i * outputs, (i + 1) * outputs):
            tangent[j] *= real(0)  # not set to 0: NaN has to stay NaN
        tangent[rival] = change
        tangent[target] = -change


_MULTICLASS = {
    "crammer_singer": (_crammer_singer, _crammer_singer_product),
    "weston_watkins": (_weston_watkins, _weston_watkins_product),
    "ovr": (_one_versus_rest, _one_versus_rest_product),
}


def _rules(cost, twice):
    """The rules of a margin loss with this cost of a violation.

    That for labels; those for several classes by their names; the same for several outputs.
    """
    of_labels = Separable(inline_template(_label, _cost=cost), twice=twice)
    of_classes = {
        name: ByRow(evaluate, product if twice else None, _cost=cost)
        for name, (evaluate, product) in _MULTICLASS.items()
    }
    of_outputs = {name: OfEachOutput(rule) for name, rule in of_classes.items()}
    return of_labels, of_classes, of_outputs


class _MarginLoss(Loss):
    """Base of the losses that grow with the violation of a margin."""

    _parameter_constraints = {
        "margin": [Interval(Real, 0, None, closed="neither")],
        "multiclass": [StrOptions(set(_MULTICLASS))],
    }
    has_probabilities = False
    is_twice_differentiable = False

    def __init__(self, margin=1.0, multiclass="crammer_singer"):
        self.margin = margin
        self.multiclass = multiclass

    @property
    def _forms(self):
        return {
            "binary": self._of_labels,
            "multilabel-indicator": self._of_labels,
            "multiclass": self._of_classes[self.multiclass],
            "multiclass-multioutput": self._of_outputs[self.multiclass],
        }


class Hinge(_MarginLoss):
    r"""Hinge loss: how far each margin falls short of the required one.

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
    If several rivals are highest, the first one gets the derivative. There are decisions,
    but no probabilities; `sklearn.calibration.CalibratedClassifierCV` adds them.

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

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.losses import Hinge
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), loss=Hinge(multiclass="ovr"), optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    # Linear between its kinks.
    _of_labels, _of_classes, _of_outputs = _rules(_linear, twice=False)


class SquaredHinge(_MarginLoss):
    r"""Hinge loss with each term squared, which makes the derivative continuous.

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

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), loss="squared_hinge", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _of_labels, _of_classes, _of_outputs = _rules(_quadratic, twice=True)
