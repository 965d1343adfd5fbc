"""The loss by which a classifier learns from the probabilities of another one."""

import math

from .._compiler.declarations import inline, real
from .._compiler.elementary import exp as _exp
from .._compiler.elementary import logistic as _logistic
from .._compiler.elementary import softplus as _softplus
from .._components import FRACTION, POSITIVE
from .base import ByRow, Loss, Separable
from .classification import _subtract_maximum, logistic_link, softmax_link

_parameters = None  # in the templates of kernels below: the loss's parameters by name


@inline
def _two_classes(y, z, p):
    t, hard, soft = p.temperature, real(p.hard_weight), real(1.0 - p.hard_weight)
    cool = z / real(t)
    share, softened = _logistic(z), _logistic(cool)
    whole = hard + soft * real(t)
    loss = hard * _softplus(z) + soft * real(t * t) * _softplus(cool) - whole * y * z
    derivative = hard * share + soft * real(t) * softened - whole * y
    second = hard * share * (real(1) - share) + soft * softened * (real(1) - softened)
    return loss, derivative, second


def _several_classes(raw, y, weight, delta, rows, outputs, scale, parameters):
    p = _parameters(parameters)
    t, hard, soft = p.temperature, p.hard_weight, 1.0 - p.hard_weight
    whole, cool = real(hard + soft * t), real(1.0 / t)
    _subtract_maximum(raw, delta, rows, outputs)
    total = 0.0
    for i in range(rows):
        partition, softened = real(0), real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            # What the target rules out may be at minus infinity.
            total -= weight[i] * whole * y[j] * delta[j] if y[j] > real(0) else real(0)
            partition += _exp(delta[j])
            softened += _exp(cool * delta[j])
        logarithms = hard * math.log(partition) + soft * t * t * math.log(softened)
        total += weight[i] * logarithms
        factor = real(scale) * weight[i]
        of_hard, of_soft = real(hard) / partition, real(soft * t) / softened
        for j in range(i * outputs, (i + 1) * outputs):
            predicted = of_hard * _exp(delta[j]) + of_soft * _exp(cool * delta[j])
            delta[j] = factor * (predicted - whole * y[j])
    return total


@inline
def _softmax_product(raw, tangent, first, outputs, cool):
    """Return the sum of exponentials of a row, and the mean of the tangent by their shares."""
    top = raw[first]
    for j in range(first, first + outputs):
        top = raw[j] if raw[j] > top else top
    partition, mean = real(0), real(0)
    for j in range(first, first + outputs):
        e = _exp(cool * (raw[j] - top))
        partition += e
        mean += e * tangent[j]
    return top, partition, mean / partition


def _several_classes_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    p = _parameters(parameters)
    hard, soft, cool = real(p.hard_weight), real(1.0 - p.hard_weight), real(1.0 / p.temperature)
    for i in range(rows):
        first, factor = i * outputs, real(scale) * weight[i]
        top, partition, mean = _softmax_product(raw, tangent, first, outputs, real(1))
        top, softened, soft_mean = _softmax_product(raw, tangent, first, outputs, cool)
        for j in range(first, first + outputs):
            share = hard * _exp(raw[j] - top) / partition
            soft_share = soft * _exp(cool * (raw[j] - top)) / softened
            moved = share * (tangent[j] - mean) + soft_share * (tangent[j] - soft_mean)
            tangent[j] = factor * moved


class Distillation(Loss):
    r"""Cross-entropy with the classes, and with softened probabilities of a teacher.

    .. math::

        \ell(z) = h \, H(y, \sigma(z)) + (1 - h) \, T^2 \, H(p^T, \sigma(z / T))

    with the cross-entropy :math:`H`, the softmax :math:`\sigma`, the class :math:`y` one-hot, and
    the probabilities :math:`p^T` of the teacher at temperature :math:`T`. Both targets are linear
    in it, so a single matrix has all that it reads of them: `mixed_targets`.

    Parameters
    ----------
    temperature : float, default=3.0
    hard_weight : float, default=0.0

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean. "Distilling the knowledge in a neural network". 2015,
    :arxiv:`1503.02531`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.losses.distillation import Distillation
    >>> loss = Distillation(temperature=2.0, hard_weight=0.5)
    >>> loss.mixed_targets(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])).round(3)
    array([[0.667, 0.333]])
    """

    _parameter_constraints = {"temperature": POSITIVE, "hard_weight": FRACTION}
    # Predictions are those of the log loss.
    _forms = {
        "binary-probabilities": Separable(_two_classes, logistic_link, "logistic"),
        "multiclass-probabilities": ByRow(
            _several_classes, _several_classes_product, softmax_link, "softmax"
        ),
    }

    def __init__(self, temperature=3.0, hard_weight=0.0):
        self.temperature = temperature
        self.hard_weight = hard_weight

    def mixed_targets(self, softened, certain):
        """Return rows of shares that sum to 1, which the loss takes as targets.

        Parameters
        ----------
        softened : ndarray of shape (n_samples, n_classes)
            The teacher's probabilities at this temperature.
        certain : ndarray of shape (n_samples, n_classes)
            The classes, one-hot.
        """
        of_soft = (1.0 - self.hard_weight) * self.temperature
        return (self.hard_weight * certain + of_soft * softened) / (self.hard_weight + of_soft)
