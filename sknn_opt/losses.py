"""Loss functions, each with the link from raw outputs to predictions.

A loss is a class with its hyperparameters and, for each type of target that it can learn,
the kernels of a `Form`. `CLASSIFIER_LOSSES` and `REGRESSOR_LOSSES`, at the foot, map names
to classes.
"""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._component import Registry
from ._elementary import exp as _exp
from ._elementary import log1p as _log1p
from ._elementary import logistic as _logistic
from ._kernel import inline, kernel, real
from ._loss import CURVATURE, EVALUATE, LINK, Form, Loss, call_curvature, call_evaluate
from ._margin_losses import Hinge, SquaredHinge
from ._regression_losses import AbsoluteError, Gamma, Huber, LogCosh, Poisson, Quantile

__all__ = [
    "CLASSIFIER_LOSSES",
    "REGRESSOR_LOSSES",
    "AbsoluteError",
    "Focal",
    "Form",
    "Gamma",
    "Hinge",
    "Huber",
    "LogCosh",
    "LogLoss",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredError",
    "SquaredHinge",
    "call_curvature",
    "call_evaluate",
]


@kernel(LINK)
def _logistic_link(raw, rows, outputs):
    for i in range(rows * outputs):
        raw[i] = _logistic(raw[i])


@inline
def _subtract_maximum(raw, shifted, rows, outputs):
    """From each row, so that nothing overflows in its softmax."""
    for i in range(rows):
        top = raw[i * outputs]
        for j in range(i * outputs, (i + 1) * outputs):
            top = raw[j] if raw[j] > top else top
        for j in range(i * outputs, (i + 1) * outputs):
            shifted[j] = raw[j] - top


@inline
def _softmax(block, rows, outputs):
    """In place, of rows whose maximum is 0."""
    for i in range(rows * outputs):
        block[i] = _exp(block[i])
    for i in range(rows):
        partition = real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            partition += block[j]
        for j in range(i * outputs, (i + 1) * outputs):
            block[j] /= partition


@kernel(LINK)
def _softmax_link(raw, rows, outputs):
    _subtract_maximum(raw, raw, rows, outputs)
    _softmax(raw, rows, outputs)


@kernel(EVALUATE)
def _logistic_log_loss(raw, y, weight, delta, rows, outputs, scale, parameters):
    # log(1 + exp(z)) - t z, with the exponential of a negative number only.
    certain, shared = real(1.0 - parameters[0]), real(0.5 * parameters[0])
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            z = raw[j]
            target = certain * y[j] + shared
            small = _exp(-abs(z))
            loss += max(z, real(0)) - target * z + _log1p(small)
            p = (real(1) if z > real(0) else small) / (real(1) + small)
            delta[j] = factor * (p - target)
        total += weight[i] * loss
    return total


@kernel(EVALUATE)
def _softmax_log_loss(raw, y, weight, delta, rows, outputs, scale, parameters):
    certain, shared = real(1.0 - parameters[0]), real(parameters[0] / outputs)
    # delta holds raw - max, then its exponential.
    _subtract_maximum(raw, delta, rows, outputs)
    total = 0.0
    for i in range(rows):
        total -= weight[i] * certain * delta[i * outputs + np.int64(y[i])]
    if shared > real(0):
        for i in range(rows):
            for j in range(i * outputs, (i + 1) * outputs):
                total -= weight[i] * shared * delta[j]
    for i in range(rows * outputs):
        delta[i] = _exp(delta[i])
    for i in range(rows):
        partition = real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            partition += delta[j]
        total += weight[i] * math.log(partition)
        factor = real(scale) * weight[i]
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] = factor / partition * delta[j] - factor * shared
        delta[i * outputs + np.int64(y[i])] -= factor * certain
    return total


@kernel(CURVATURE)
def _logistic_log_loss_curvature(raw, y, weight, tangent, rows, outputs, scale, parameters):
    for i in range(rows):
        factor = real(scale) * weight[i]
        for j in range(i * outputs, (i + 1) * outputs):
            small = _exp(-abs(raw[j]))
            tangent[j] *= factor * small / ((real(1) + small) * (real(1) + small))


@inline
def _row_maximum(raw, first, outputs):
    top = raw[first]
    for j in range(first, first + outputs):
        top = raw[j] if raw[j] > top else top
    return top


@inline
def _softmax_change(raw, tangent, first, outputs, top, factor):
    """Replace a row's tangent by ``factor`` times the derivative of its softmax along it."""
    partition, total = real(0), real(0)
    for j in range(first, first + outputs):
        e = _exp(raw[j] - top)
        partition += e
        total += e * tangent[j]
    mean = total / partition
    for j in range(first, first + outputs):
        tangent[j] = factor * (_exp(raw[j] - top) / partition) * (tangent[j] - mean)
    return partition


@kernel(CURVATURE)
def _softmax_log_loss_curvature(raw, y, weight, tangent, rows, outputs, scale, parameters):
    for i in range(rows):
        first = i * outputs
        top = _row_maximum(raw, first, outputs)
        _softmax_change(raw, tangent, first, outputs, top, real(scale) * weight[i])


class LogLoss(Loss):
    r"""Cross-entropy: the negative log likelihood of the classes.

    With raw outputs :math:`z`, for :math:`K` classes (softmax link) and for one or several
    independent labels :math:`y_j \in \{0, 1\}` (logistic link):

    .. math::

        \ell(y, z) = \log \sum_k e^{z_k} - \sum_k t_k z_k, \qquad
        \ell(y, z) = \sum_j \log(1 + e^{z_j}) - t_j z_j

    where label smoothing :math:`s` moves the targets away from certainty:
    :math:`t_k = (1 - s) [k = y] + s / K` and :math:`t_j = (1 - s) y_j + s / 2`.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of the target that is spread evenly over the classes, in [0, 1).

    References
    ----------
    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception
    Architecture for Computer Vision", CVPR 2016 (label smoothing).
    """

    _parameter_constraints = {"label_smoothing": [Interval(Real, 0, 1, closed="left")]}
    _kernel_parameters = ("label_smoothing",)
    _estimator_keywords = ("label_smoothing",)
    _binary = Form(_logistic_log_loss, _logistic_link, "logistic", _logistic_log_loss_curvature)
    _forms = {
        "binary": _binary,
        "multilabel-indicator": _binary,
        "multiclass": Form(
            _softmax_log_loss, _softmax_link, "softmax", _softmax_log_loss_curvature
        ),
    }

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = label_smoothing


@kernel(EVALUATE)
def _logistic_focal(raw, y, weight, delta, rows, outputs, scale, parameters):
    gamma = real(parameters[0])
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            sign = real(2) * y[j] - real(1)
            z = sign * raw[j]
            tail = _log1p(_exp(-abs(z)))
            log_loss = max(-z, real(0)) + tail  # -log p
            focus = _exp(-gamma * (max(z, real(0)) + tail))  # (1 - p)^gamma
            loss += focus * log_loss
            slope = gamma * _logistic(z) * log_loss + _logistic(-z)
            delta[j] = -sign * factor * focus * slope
        total += weight[i] * loss
    return total


@kernel(EVALUATE)
def _softmax_focal(raw, y, weight, delta, rows, outputs, scale, parameters):
    gamma = real(parameters[0])
    total = 0.0
    _subtract_maximum(raw, delta, rows, outputs)
    for i in range(rows):
        target = i * outputs + np.int64(y[i])
        shifted = delta[target]
        rest = real(0)  # of the partition function, apart from the target for its accuracy
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] = _exp(delta[j])
            rest += real(0) if j == target else delta[j]
        partition = rest + delta[target]
        log_loss = math.log(partition) - shifted
        wrong = rest / partition
        focus = real(0) if wrong == real(0) else _exp(gamma * math.log(wrong))
        total += weight[i] * focus * log_loss
        slope = focus * (gamma * delta[target] / partition * log_loss + wrong)
        slope *= real(scale) * weight[i]
        share = real(0) if rest == real(0) else slope / rest
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] *= share
        delta[target] = -slope
    return total


@kernel(CURVATURE)
def _logistic_focal_curvature(raw, y, weight, tangent, rows, outputs, scale, parameters):
    gamma = real(parameters[0])
    for i in range(rows):
        factor = real(scale) * weight[i]
        for j in range(i * outputs, (i + 1) * outputs):
            z = (real(2) * y[j] - real(1)) * raw[j]
            tail = _log1p(_exp(-abs(z)))
            log_loss = max(-z, real(0)) + tail
            focus = _exp(-gamma * (max(z, real(0)) + tail))
            p, q = _logistic(z), _logistic(-z)
            bend = gamma * (gamma * p * log_loss + q * (real(2) - log_loss)) + q
            tangent[j] *= factor * focus * p * bend


@kernel(CURVATURE)
def _softmax_focal_curvature(raw, y, weight, tangent, rows, outputs, scale, parameters):
    # The loss is f(u) with u = log p. Its second derivatives are f'' times those of u squared,
    # less f' times those of the log partition function. Slopes of u are held over q = 1 - p.
    gamma = real(parameters[0])
    for i in range(rows):
        first, target = i * outputs, i * outputs + np.int64(y[i])
        factor = real(scale) * weight[i]
        top = _row_maximum(raw, first, outputs)
        at_target = _exp(raw[target] - top)
        rest, along = real(0), real(0)
        for j in range(first, first + outputs):
            e = real(0) if j == target else _exp(raw[j] - top)
            rest += e
            along += e * tangent[j]
        partition = rest + at_target
        p, q = at_target / partition, rest / partition
        log_loss = math.log(partition) - (raw[target] - top)
        focus = real(0) if q == real(0) else _exp(gamma * math.log(q))
        ratio = real(1) if q == real(0) else log_loss / q
        share = real(0) if rest == real(0) else real(1) / rest
        slope = tangent[target] - along * share
        bend = gamma * p * ((gamma - real(1)) * p * log_loss + q * (real(2) - log_loss))
        bend *= factor * focus * slope
        _softmax_change(
            raw, tangent, first, outputs, top, factor * focus * (gamma * p * ratio + real(1))
        )
        for j in range(first, first + outputs):
            tangent[j] += bend if j == target else -bend * share * _exp(raw[j] - top)


class Focal(Loss):
    r"""Focal loss: log loss that fades for examples that are already classified well.

    With the probability :math:`p` of the true class (softmax link), or of each label's true
    value (logistic link; summed over labels):

    .. math:: \ell(y, z) = -(1 - p)^\gamma \log p

    There is no weighting of classes in it: ``class_weight`` is the :math:`\alpha` of the
    paper.

    Parameters
    ----------
    gamma : float, default=2.0
        How fast it fades; 0 is the log loss.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal Loss for Dense Object
    Detection", ICCV 2017.
    """

    _parameter_constraints = {"gamma": [Interval(Real, 0, None, closed="left")]}
    _kernel_parameters = ("gamma",)
    _binary = Form(_logistic_focal, _logistic_link, "logistic", _logistic_focal_curvature)
    _forms = {
        "binary": _binary,
        "multilabel-indicator": _binary,
        "multiclass": Form(_softmax_focal, _softmax_link, "softmax", _softmax_focal_curvature),
    }

    def __init__(self, gamma=2.0):
        self.gamma = gamma


@kernel(EVALUATE)
def _squared_error(raw, y, weight, delta, rows, outputs, scale, parameters):
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            residual = raw[j] - y[j]
            loss += residual * residual
            delta[j] = factor * residual
        total += 0.5 * weight[i] * loss
    return total


@kernel(EVALUATE)
def _logistic_squared_error(raw, y, weight, delta, rows, outputs, scale, parameters):
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            p = _logistic(raw[j])
            residual = p - y[j]
            loss += residual * residual
            delta[j] = factor * residual * p * (real(1) - p)
        total += 0.5 * weight[i] * loss
    return total


@kernel(EVALUATE)
def _softmax_squared_error(raw, y, weight, delta, rows, outputs, scale, parameters):
    _subtract_maximum(raw, delta, rows, outputs)
    _softmax(delta, rows, outputs)
    total = 0.0
    for i in range(rows):
        target = i * outputs + np.int64(y[i])
        # delta = p (r - sum of p r), with the residuals r = p - [j = target]
        squares, wrong = 0.0, real(1) - delta[target]
        for j in range(i * outputs, (i + 1) * outputs):
            squares += real(0) if j == target else delta[j] * delta[j]
        total += 0.5 * weight[i] * (squares + wrong * wrong)
        mean = real(squares) - delta[target] * wrong
        factor = real(scale) * weight[i]
        at_target = -factor * delta[target] * (wrong + mean)
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] *= factor * (delta[j] - mean)
        delta[target] = at_target
    return total


@kernel(CURVATURE)
def _squared_error_curvature(raw, y, weight, tangent, rows, outputs, scale, parameters):
    for i in range(rows):
        factor = real(scale) * weight[i]
        for j in range(i * outputs, (i + 1) * outputs):
            tangent[j] *= factor


@kernel(CURVATURE)
def _logistic_squared_error_curvature(raw, y, weight, tangent, rows, outputs, scale, parameters):
    for i in range(rows):
        factor = real(scale) * weight[i]
        for j in range(i * outputs, (i + 1) * outputs):
            p, q = _logistic(raw[j]), _logistic(-raw[j])
            tangent[j] *= factor * p * q * (p * q + (p - y[j]) * (q - p))


@kernel(CURVATURE)
def _softmax_squared_error_curvature(raw, y, weight, tangent, rows, outputs, scale, parameters):
    for i in range(rows):
        first, target = i * outputs, i * outputs + np.int64(y[i])
        top = _row_maximum(raw, first, outputs)
        # The tangents of the probabilities p; delta = p (r - sum of p r), r = p - [j = target].
        partition = _softmax_change(raw, tangent, first, outputs, top, real(1))
        mean, change = real(0), real(0)
        for j in range(first, first + outputs):
            p = _exp(raw[j] - top) / partition
            residual = p - (real(1) if j == target else real(0))
            mean += p * residual
            change += tangent[j] * (residual + p)
        factor = real(scale) * weight[i]
        for j in range(first, first + outputs):
            p = _exp(raw[j] - top) / partition
            residual = p - (real(1) if j == target else real(0))
            tangent[j] = factor * (tangent[j] * (residual - mean + p) - p * change)


class SquaredError(Loss):
    r"""Half the squared error; in classification of the probabilities, the Brier score.

    .. math::

        \ell(y, z) = \frac{1}{2} \sum_j (z_j - y_j)^2, \qquad
        \ell(y, z) = \frac{1}{2} \sum_j (p_j - y_j)^2

    for numbers, and for classes: with :math:`p` the logistic function of the raw output for
    two classes and for independent labels (one output each), and the softmax for several
    classes, :math:`y` being one-hot.
    """

    _binary = Form(
        _logistic_squared_error, _logistic_link, "logistic", _logistic_squared_error_curvature
    )
    _forms = {
        "binary": _binary,
        "multilabel-indicator": _binary,
        "multiclass": Form(
            _softmax_squared_error, _softmax_link, "softmax", _softmax_squared_error_curvature
        ),
        "continuous": Form(_squared_error, None, "identity", _squared_error_curvature),
    }


CLASSIFIER_LOSSES = Registry(
    {
        "log_loss": LogLoss,
        "hinge": Hinge,
        "squared_hinge": SquaredHinge,
        "squared_error": SquaredError,
        "focal": Focal,
    },
    aliases={"cross_entropy": "log_loss", "mse": "squared_error"},
)
REGRESSOR_LOSSES = Registry(
    {
        "squared_error": SquaredError,
        "absolute_error": AbsoluteError,
        "huber": Huber,
        "log_cosh": LogCosh,
        "quantile": Quantile,
        "poisson": Poisson,
        "gamma": Gamma,
    },
    aliases={
        "mse": "squared_error",
        "mae": "absolute_error",
        "smooth_l1": "huber",
        "pinball": "quantile",
    },
)
