"""Loss functions, each with the link from raw outputs to predictions.

A loss is a class with its hyperparameters and, for each type of target that it can learn,
the kernels of a `Form`. `CLASSIFIER_LOSSES` and `REGRESSOR_LOSSES`, at the foot, map names
to classes.
"""

import math
from typing import NamedTuple

import numpy as np

from ._component import Component, Registry
from ._elementary import exp as _exp
from ._elementary import logistic as _logistic
from ._kernel import Call, Kernel, address, kernel, real

EVALUATE = """double (real *raw, real *y, real *weight, real *delta, int64 rows, int64 outputs,
double scale, double *parameters)"""
LINK = "void (real *raw, int64 rows, int64 outputs)"

call_evaluate = Call(EVALUATE)


class Form(NamedTuple):
    """How a loss meets one type of target.

    Attributes
    ----------
    evaluate : Kernel
        Returns the sum over rows of weight times loss, in float64; writes ``scale`` times
        weight times the derivative by ``raw`` to ``delta``.
    link : Kernel or None
        Turns raw outputs into predictions, in place; None where they are the same.
    out_activation : str
        scikit-learn's name of the link.
    """

    evaluate: Kernel
    link: Kernel | None
    out_activation: str

    def predictions(self, raw):
        """Return predictions; ``raw``, of shape (n_samples, n_outputs), may be overwritten."""
        if self.link is not None:
            self.link(raw.dtype, address(raw), *raw.shape)
        return raw


class Loss(Component):
    """Base of the losses.

    The loss of a data set is the weighted mean over samples of the sum over outputs. It
    is computed from raw outputs, before the link, so nothing needs clipping.

    A target has one column an output, but for "multiclass": one column of class indices.
    """

    #: Form by type of target: "binary", "multiclass", "multilabel-indicator", "continuous".
    _forms = {}

    def form(self, target_type):
        """Return the `Form` for a type of target."""
        return self._forms[target_type]

    def check_targets(self, y):
        """Raise ValueError where the loss is not defined for targets ``y``."""


@kernel(EVALUATE)
def _logistic_log_loss(raw, y, weight, delta, rows, outputs, scale, parameters):
    # log(1 + exp(z)) - y z, with the exponential of a negative number only.
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            z = raw[j]
            loss += max(z, real(0)) - y[j] * z + math.log1p(_exp(-abs(z)))
            delta[j] = factor * (_logistic(z) - y[j])
        total += weight[i] * loss
    return total


@kernel(LINK)
def _logistic_link(raw, rows, outputs):
    for i in range(rows * outputs):
        raw[i] = _logistic(raw[i])


@kernel(EVALUATE)
def _softmax_log_loss(raw, y, weight, delta, rows, outputs, scale, parameters):
    for i in range(rows):
        top = raw[i * outputs]
        for j in range(i * outputs, (i + 1) * outputs):
            top = raw[j] if raw[j] > top else top
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] = raw[j] - top
    total = 0.0
    # raw is no longer needed shifted: delta holds raw - max, then its exponential.
    for i in range(rows):
        total -= weight[i] * delta[i * outputs + np.int64(y[i])]
    for i in range(rows * outputs):
        delta[i] = _exp(delta[i])
    for i in range(rows):
        partition = real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            partition += delta[j]
        total += weight[i] * math.log(partition)
        factor = real(scale) * weight[i]
        for j in range(i * outputs, (i + 1) * outputs):
            delta[j] *= factor / partition
        delta[i * outputs + np.int64(y[i])] -= factor
    return total


@kernel(LINK)
def _softmax_link(raw, rows, outputs):
    for i in range(rows):
        top = raw[i * outputs]
        for j in range(i * outputs, (i + 1) * outputs):
            top = raw[j] if raw[j] > top else top
        for j in range(i * outputs, (i + 1) * outputs):
            raw[j] -= top
    for i in range(rows * outputs):
        raw[i] = _exp(raw[i])
    for i in range(rows):
        partition = real(0)
        for j in range(i * outputs, (i + 1) * outputs):
            partition += raw[j]
        for j in range(i * outputs, (i + 1) * outputs):
            raw[j] /= partition


class LogLoss(Loss):
    r"""Cross-entropy: the negative log likelihood of the classes.

    With raw outputs :math:`z`, for several classes (softmax link) and for one or several
    independent labels :math:`y_j \in \{0, 1\}` (logistic link):

    .. math::

        \ell(y, z) = \log \sum_k e^{z_k} - z_y, \qquad
        \ell(y, z) = \sum_j \log(1 + e^{z_j}) - y_j z_j
    """

    _binary = Form(_logistic_log_loss, _logistic_link, "logistic")
    _forms = {
        "binary": _binary,
        "multilabel-indicator": _binary,
        "multiclass": Form(_softmax_log_loss, _softmax_link, "softmax"),
    }


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


class SquaredError(Loss):
    r"""Half the squared error.

    .. math:: \ell(y, z) = \frac{1}{2} \sum_j (z_j - y_j)^2
    """

    _forms = {"continuous": Form(_squared_error, None, "identity")}


@kernel(EVALUATE)
def _poisson(raw, y, weight, delta, rows, outputs, scale, parameters):
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            prediction = _exp(raw[j])
            loss += prediction - y[j]
            if y[j] > real(0):
                loss += y[j] * (math.log(y[j]) - raw[j])
            delta[j] = factor * (prediction - y[j])
        total += weight[i] * loss
    return total


@kernel(LINK)
def _exponential_link(raw, rows, outputs):
    for i in range(rows * outputs):
        raw[i] = _exp(raw[i])


class Poisson(Loss):
    r"""Half the Poisson deviance, with a log link: predictions are :math:`e^z`.

    .. math:: \ell(y, z) = \sum_j y_j (\log y_j - z_j) - y_j + e^{z_j}, \quad y_j \ge 0
    """

    _forms = {"continuous": Form(_poisson, _exponential_link, "exp")}

    def check_targets(self, y):
        if np.any(y < 0):
            raise ValueError(
                "Some value(s) of y are out of the valid range of the loss 'poisson': "
                "y has to be non-negative."
            )


CLASSIFIER_LOSSES = Registry({"log_loss": LogLoss})
REGRESSOR_LOSSES = Registry({"squared_error": SquaredError, "poisson": Poisson})
