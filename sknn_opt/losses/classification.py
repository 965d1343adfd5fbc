"""Losses of classification on probabilities, and the squared error, which both kinds share."""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from .._compiler.declarations import inline, kernel, real
from .._compiler.elementary import exp as _exp
from .._compiler.elementary import log1p as _log1p
from .._compiler.elementary import logistic as _logistic
from .base import LINK, ByRow, Loss, OfEachOutput, Separable
from .margin import highest_rival

#: Types of targets with those of their mixtures; the rules for labels take any probability.
_MIXTURES = {
    "binary": "binary-probabilities",
    "multiclass": "multiclass-probabilities",
    **{kind: kind for kind in ("binary-probabilities", "multiclass-probabilities")},
    "multilabel-indicator": "multilabel-indicator",
}


@kernel(LINK)
def logistic_link(raw, rows, outputs):
    for i in range(rows * outputs):
        raw[i] = _logistic(raw[i])


_parameters = None  # in the templates of kernels below: a loss's parameters by name


@inline
def _subtract_maximum(raw, shifted, rows, outputs):
    """Subtract each row's maximum, so that no exponential in its softmax overflows."""
    for i in range(rows):
        top = raw[i * outputs]
        for j in range(i * outputs, (i + 1) * outputs):
            top = raw[j] if raw[j] > top else top
        for j in range(i * outputs, (i + 1) * outputs):
            shifted[j] = raw[j] - top


@inline
def _top(raw, first, outputs):
    """Return the index of the highest one of a row."""
    top = first
    for j in range(first, first + outputs):
        top = j if raw[j] > raw[top] else top
    return top


@inline
def _rest(e, top, first, outputs):
    """Return the sum of a row without its highest one."""
    rest = real(0)
    for j in range(first, first + outputs):
        rest += real(0) if j == top else e[j]
    return rest


@kernel(LINK)
def softmax_link(raw, rows, outputs):
    _subtract_maximum(raw, raw, rows, outputs)
    for i in range(rows * outputs):
        raw[i] = _exp(raw[i])
    for i in range(rows):
        partition = real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            partition += raw[j]
        for j in range(i * outputs, (i + 1) * outputs):
            raw[j] /= partition


@inline
def _logistic_log_loss(y, z, p):
    # log(1 + exp(z)) - t z, written with exp(-|z|), which cannot overflow.
    certain, shared = real(1.0 - p.label_smoothing), real(0.5 * p.label_smoothing)
    target = certain * y + shared
    small = _exp(-abs(z))
    loss = max(z, real(0)) - target * z + _log1p(small)
    whole = real(1) + small
    probability = (real(1) if z > real(0) else small) / whole
    return loss, probability - target, small / (whole * whole)


def _softmax_log_loss(raw, y, weight, delta, rows, outputs, scale, parameters):
    smoothing = _parameters(parameters).label_smoothing
    certain, shared = real(1.0 - smoothing), real(smoothing / outputs)
    # delta serves as a buffer: it holds raw - max, then its exponential, then the derivative.
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


def _soft_log_loss(raw, y, weight, delta, rows, outputs, scale, parameters):
    smoothing = _parameters(parameters).label_smoothing
    certain, shared = real(1.0 - smoothing), real(smoothing / outputs)
    _subtract_maximum(raw, delta, rows, outputs)
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        partition = real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            share = certain * y[j] + shared
            # What the target rules out may be at minus infinity.
            total -= weight[i] * share * delta[j] if share > real(0) else real(0)
            delta[j] = _exp(delta[j])
            partition += delta[j]
        total += weight[i] * math.log(partition)
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] = factor / partition * delta[j] - factor * (certain * y[j] + shared)
    return total


@inline
def _center(raw, tangent, first, outputs):
    """Shift a row's tangent so that its mean, weighted by the row's softmax, is 0.

    The tangent of the highest raw output is subtracted first. Otherwise digits would cancel
    where this output has almost all of the probability. Returns its index, and the partition
    function of the others relative to it.
    """
    top = _top(raw, first, outputs)
    at_top = tangent[top]
    rest, total = real(0), real(0)
    for j in range(first, first + outputs):
        tangent[j] -= at_top
        e = real(0) if j == top else _exp(raw[j] - raw[top])
        rest += e
        total += e * tangent[j]
    mean = total / (real(1) + rest)
    for j in range(first, first + outputs):
        tangent[j] -= mean
    return top, rest


def _softmax_log_loss_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    for i in range(rows):
        top, rest = _center(raw, tangent, i * outputs, outputs)
        factor = real(scale) * weight[i] / (real(1) + rest)
        for j in range(i * outputs, (i + 1) * outputs):
            tangent[j] *= factor * _exp(raw[j] - raw[top])


class LogLoss(Loss):
    r"""Cross-entropy: the negative log likelihood of the classes.

    With raw outputs :math:`z`, for :math:`K` classes (softmax link) and for one or several
    independent labels :math:`y_j \in \{0, 1\}` (logistic link):

    .. math::

        \ell(y, z) = \log \sum_k e^{z_k} - \sum_k t_k z_k, \qquad
        \ell(y, z) = \sum_j \log(1 + e^{z_j}) - t_j z_j

    where label smoothing :math:`s` moves the targets away from certainty:
    :math:`t_k = (1 - s) [k = y] + s / K` and :math:`t_j = (1 - s) y_j + s / 2`. Probabilities
    :math:`P_k` as targets stand in the place of :math:`[k = y]`.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of the target that is spread evenly over the classes, in [0, 1).

    References
    ----------
    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception
    Architecture for Computer Vision", CVPR 2016 (label smoothing).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.losses import LogLoss
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), loss=LogLoss(label_smoothing=0.1),
    ...     optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _parameter_constraints = {"label_smoothing": [Interval(Real, 0, 1, closed="left")]}
    _estimator_keywords = ("label_smoothing",)
    _binary = Separable(_logistic_log_loss, logistic_link, "logistic", distribution="bernoulli")
    _several = ByRow(
        _softmax_log_loss,
        _softmax_log_loss_product,
        softmax_link,
        "softmax",
        distribution="categorical",
    )
    _forms = {
        "binary": _binary,
        "binary-probabilities": _binary,
        "multilabel-indicator": _binary,
        "multiclass": _several,
        "multiclass-multioutput": OfEachOutput(_several),
        "multiclass-probabilities": ByRow(
            _soft_log_loss,
            _softmax_log_loss_product,
            softmax_link,
            "softmax",
            distribution="categorical",
        ),
    }
    _mixtures = _MIXTURES

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = label_smoothing


@inline
def _focal_terms(p, wrong, log_loss, focus, gamma):
    """Return the loss and its first two derivatives by the margin.

    ``wrong`` is 1 - p, ``log_loss`` is -log p and ``focus`` is (1 - p)^gamma; the caller knows
    ways to compute them that keep their digits.
    """
    share = p * log_loss
    slope = gamma * share + wrong
    bend = gamma * (gamma * p * share + wrong * (real(2) * p - share)) + p * wrong
    return focus * log_loss, -focus * slope, focus * bend


@inline
def _focal(margin, gamma):
    """The same for p = logistic(margin)."""
    small = _exp(-abs(margin))
    tail = _log1p(small)
    likely = real(1) / (real(1) + small)
    unlikely = small * likely
    right = margin > real(0)
    p, wrong = (likely, unlikely) if right else (unlikely, likely)
    log_loss = tail if right else tail - margin
    focus = _exp(-gamma * (margin + tail if right else tail))
    return _focal_terms(p, wrong, log_loss, focus, gamma)


@inline
def _logistic_focal(y, z, p):
    gamma, n = real(p.gamma), real(1) - y
    loss, slope, bend = _focal(z, gamma)
    other_loss, other_slope, other_bend = _focal(-z, gamma)
    return y * loss + n * other_loss, y * slope - n * other_slope, y * bend + n * other_bend


def _softmax_focal(raw, y, weight, delta, rows, outputs, scale, parameters):
    gamma = real(_parameters(parameters).gamma)
    total = 0.0
    _subtract_maximum(raw, delta, rows, outputs)
    for i in range(rows):
        target = i * outputs + np.int64(y[i])
        shifted = delta[target]
        # The partition function without the target's term, which keeps the digits of 1 - p
        # where p is almost 1.
        rest = real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] = _exp(delta[j])
            rest += real(0) if j == target else delta[j]
        partition = rest + delta[target]
        # -log p: where p is near 1, log(1 + rest) keeps the digits that log(partition) loses.
        is_highest = shifted == real(0)
        log_loss = math.log1p(rest) if is_highest else math.log(partition) - shifted
        wrong = rest / partition
        focus = real(0) if wrong == real(0) else _exp(gamma * math.log(wrong))
        p = delta[target] / partition
        loss, slope, _ = _focal_terms(p, wrong, log_loss, focus, gamma)
        total += weight[i] * loss
        slope *= real(scale) * weight[i]
        share = real(0) if rest == real(0) else -slope / rest
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] *= share
        delta[target] = slope
    return total


def _softmax_focal_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    # p is the logistic function of the margin: the target's raw output less the logarithm of
    # the others' partition function.
    gamma = real(_parameters(parameters).gamma)
    for i in range(rows):
        first, target = i * outputs, i * outputs + np.int64(y[i])
        rival, highest = highest_rival(raw, target, first, outputs)
        at_rival = tangent[rival]
        rest, total = real(0), real(0)
        for j in range(first, first + outputs):
            tangent[j] -= at_rival  # so that nothing cancels where this one is the likeliest
            e = real(0) if j == target else _exp(raw[j] - highest)
            rest += e
            total += e * tangent[j]
        mean = total / rest
        margin = raw[target] - highest - math.log(rest)
        _, slope, bend = _focal(margin, gamma)
        factor = real(scale) * weight[i]
        change = bend * (tangent[target] - mean)
        for j in range(first, first + outputs):
            share = _exp(raw[j] - highest) / rest
            tangent[j] = -factor * share * (slope * (tangent[j] - mean) + change)
        tangent[target] = factor * change


@inline
def _focal_part(t, shifted, rest, is_top, gamma):
    """Return what a class of probability ``t`` adds to the focal loss of its row.

    That is its part of the loss, its slope and bend over 1 - p, how the slope over 1 - p changes
    with the margin, and 1 - p. No other divisions by 1 - p are left, which may be tiny.
    """
    partition = real(1) + rest
    p = _exp(shifted) / partition
    wrong = rest / partition if is_top else real(1) - p
    if t == real(0) or wrong == real(0):
        return real(0), real(0), real(0), real(0), real(1)
    log_loss = math.log1p(rest) if is_top else math.log(partition) - shifted
    focus = t * _exp(gamma * math.log(wrong))
    share = p * (log_loss / wrong)
    slope = gamma * share + real(1)
    bend = gamma * p * (gamma * share + real(2) - log_loss) + p
    fall = gamma * p * ((gamma - real(1)) * share + real(2) - log_loss)
    return focus * log_loss, -focus * slope, focus * bend, focus * fall, wrong


def _soft_focal(raw, y, weight, delta, rows, outputs, scale, parameters):
    # The derivative of class j's margin by raw output k is [j = k] - p_k / (1 - p_j), k not j.
    gamma = real(_parameters(parameters).gamma)
    total = 0.0
    _subtract_maximum(raw, delta, rows, outputs)
    for i in range(rows * outputs):
        delta[i] = _exp(delta[i])
    for i in range(rows):
        first, factor = i * outputs, real(scale) * weight[i]
        top = _top(raw, first, outputs)
        rest = _rest(delta, top, first, outputs)
        slopes, others = real(0), real(0)
        for j in range(first, first + outputs):
            shifted = raw[j] - raw[top]
            loss, delta[j], _, _, _ = _focal_part(y[j], shifted, rest, j == top, gamma)
            total += weight[i] * loss
            slopes += delta[j]
        for j in range(first, first + outputs):
            p = _exp(raw[j] - raw[top]) / (real(1) + rest)
            delta[j] = factor * (delta[j] - p * slopes)
            others += real(0) if j == top else delta[j]
        # Here the formula would cancel; but the elements of a row sum to 0.
        delta[top] = -others
    return total


def _soft_focal_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    gamma = real(_parameters(parameters).gamma)
    for i in range(rows):
        first, factor = i * outputs, real(scale) * weight[i]
        top, rest = _center(raw, tangent, first, outputs)
        slopes, falls, others = real(0), real(0), real(0)
        for j in range(first, first + outputs):
            shifted = raw[j] - raw[top]
            _, slope, _, fall, wrong = _focal_part(y[j], shifted, rest, j == top, gamma)
            slopes += slope
            falls += fall * (tangent[j] / wrong)
        for j in range(first, first + outputs):
            shifted = raw[j] - raw[top]
            _, slope, bend, fall, wrong = _focal_part(y[j], shifted, rest, j == top, gamma)
            p = _exp(shifted) / (real(1) + rest)
            change = (slopes - slope) * tangent[j] + falls - fall * (tangent[j] / wrong)
            tangent[j] = factor * (bend * tangent[j] - p * change)
            others += real(0) if j == top else tangent[j]
        tangent[top] = -others


class Focal(Loss):
    r"""Focal loss: log loss that fades for examples that are already classified well.

    With the probability :math:`p` of the true class (softmax link), or of each label's true
    value (logistic link; summed over labels):

    .. math:: \ell(y, z) = -(1 - p)^\gamma \log p

    Probabilities as targets weigh the losses of the classes: the loss is the expected one.
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

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.losses import Focal
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), loss=Focal(gamma=1.0), optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _parameter_constraints = {"gamma": [Interval(Real, 0, None, closed="left")]}
    _binary = Separable(_logistic_focal, logistic_link, "logistic")
    _several = ByRow(_softmax_focal, _softmax_focal_product, softmax_link, "softmax")
    _forms = {
        "binary": _binary,
        "binary-probabilities": _binary,
        "multilabel-indicator": _binary,
        "multiclass": _several,
        "multiclass-multioutput": OfEachOutput(_several),
        "multiclass-probabilities": ByRow(
            _soft_focal, _soft_focal_product, softmax_link, "softmax"
        ),
    }
    _mixtures = _MIXTURES

    def __init__(self, gamma=2.0):
        self.gamma = gamma


@inline
def _squared_error(y, z, p):
    residual = z - y
    one = real(1) + real(0) * residual  # NaN if the residual is
    # The constant is of float64, since the losses are summed in float64 anyway.
    return 0.5 * (residual * residual), residual, one


@inline
def _distance(p, q, t):
    """p - t, to full precision where t is 0 or 1 and p is almost that; q is 1 - p."""
    return p * (real(1) - t) - q * t


@inline
def _logistic_squared_error(y, z, _):
    p, q = _logistic(z), _logistic(-z)
    residual = _distance(p, q, y)
    slope = p * q
    return 0.5 * (residual * residual), residual * slope, slope * (slope + residual * (q - p))


_share = None  # in the templates below: the probability that a target gives to an output


@inline
def _certain_share(y, i, j, outputs):
    return real(1) if j == i * outputs + np.int64(y[i]) else real(0)


@inline
def _given_share(y, i, j, outputs):
    return y[j]


@inline
def _residual(share, e, rest, is_top):
    """Return an output's probability, and that less its ``share``."""
    p = e / (real(1) + rest)
    q = rest / (real(1) + rest) if is_top else real(1) - p
    return p, _distance(p, q, share)


def _softmax_squared_error(raw, y, weight, delta, rows, outputs, scale, parameters):
    total = 0.0
    _subtract_maximum(raw, delta, rows, outputs)
    for i in range(rows * outputs):
        delta[i] = _exp(delta[i])
    for i in range(rows):
        first, factor = i * outputs, real(scale) * weight[i]
        top = _top(raw, first, outputs)
        rest = _rest(delta, top, first, outputs)
        squares, mean, others = 0.0, real(0), real(0)
        for j in range(first, first + outputs):
            p, residual = _residual(_share(y, i, j, outputs), delta[j], rest, j == top)
            squares += residual * residual
            mean += p * residual
        for j in range(first, first + outputs):
            p, residual = _residual(_share(y, i, j, outputs), delta[j], rest, j == top)
            delta[j] = factor * p * (residual - mean)
            others += real(0) if j == top else delta[j]
        # Here the formula would cancel; but the elements of a row sum to 0.
        delta[top] = -others
        total += 0.5 * weight[i] * squares
    return total


def _softmax_squared_error_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    for i in range(rows):
        first, factor = i * outputs, real(scale) * weight[i]
        top, rest = _center(raw, tangent, first, outputs)
        mean, change, others = real(0), real(0), real(0)
        for j in range(first, first + outputs):
            e = _exp(raw[j] - raw[top])
            p, residual = _residual(_share(y, i, j, outputs), e, rest, j == top)
            mean += p * residual
            change += p * tangent[j] * (residual + p)  # of the mean, along the tangent
        for j in range(first, first + outputs):
            e = _exp(raw[j] - raw[top])
            p, residual = _residual(_share(y, i, j, outputs), e, rest, j == top)
            tangent[j] = factor * p * ((residual + p - mean) * tangent[j] - change)
            others += real(0) if j == top else tangent[j]
        tangent[top] = -others


def _squared_error_of(share):
    return ByRow(
        _softmax_squared_error,
        _softmax_squared_error_product,
        softmax_link,
        "softmax",
        _share=share,
    )


class SquaredError(Loss):
    r"""Half the squared error; in classification of the probabilities, half the Brier score.

    .. math::

        \ell(y, z) = \frac{1}{2} \sum_j (z_j - y_j)^2, \qquad
        \ell(y, z) = \frac{1}{2} \sum_j (p_j - y_j)^2

    for numbers, and for classes: with :math:`p` the logistic function of the raw output for
    two classes and for independent labels (one output each), and the softmax for several
    classes, :math:`y` being one-hot, or the probabilities that are given as targets. Its mean
    is half of :func:`sklearn.metrics.brier_score_loss`, which is the mean of
    :math:`(p - y)^2` for two classes and of :math:`\sum_j (p_j - y_j)^2` for several.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), loss="squared_error", optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _binary = Separable(_logistic_squared_error, logistic_link, "logistic")
    _several = _squared_error_of(_certain_share)
    _forms = {
        "binary": _binary,
        "binary-probabilities": _binary,
        "multilabel-indicator": _binary,
        "multiclass": _several,
        "multiclass-multioutput": OfEachOutput(_several),
        "multiclass-probabilities": _squared_error_of(_given_share),
        "continuous": Separable(_squared_error, distribution="normal"),
    }
    _mixtures = _MIXTURES | {"continuous": "continuous"}

    def is_least_squares(self, form):
        return form.link is None
