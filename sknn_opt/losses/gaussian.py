"""The normal distribution's likelihood: a mean and a variance for each target."""

import math
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions

from .._compiler.declarations import real
from .._compiler.elementary import exp as _exp
from .base import ByRow, Loss

_HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)

_parameters = None  # in the template of a kernel below: the loss's parameters by name


def _gaussian_nll(raw, y, weight, delta, rows, outputs, scale, parameters):
    beta = real(_parameters(parameters).beta)
    n_targets = outputs // 2
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(n_targets):
            mean, spread = i * outputs + j, i * outputs + n_targets + j
            target, log_variance = y[i * n_targets + j], raw[spread]
            delta[mean] = delta[spread] = real(0)
            if target != target:  # it is missing
                continue
            inverse_std = _exp(real(-0.5) * log_variance)
            r = (raw[mean] - target) * inverse_std
            loss += _HALF_LOG_TAU + 0.5 * (log_variance + r * r)
            share = factor * _exp(beta * log_variance)
            delta[mean] = share * r * inverse_std
            delta[spread] = real(0.5) * share * (real(1) - r * r)
        total += weight[i] * loss
    return total


def _gaussian_nll_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    n_targets = outputs // 2
    for i in range(rows):
        factor = real(scale) * weight[i]
        for j in range(n_targets):
            mean, spread = i * outputs + j, i * outputs + n_targets + j
            target = y[i * n_targets + j]
            if target != target:  # it is missing
                tangent[mean] *= real(0)
                tangent[spread] *= real(0)
                continue
            inverse_std = _exp(real(-0.5) * raw[spread])
            r = (raw[mean] - target) * inverse_std
            # Common factors come last, so that no difference is one of infinities.
            by_mean, by_spread = inverse_std * tangent[mean], tangent[spread]
            tangent[mean] = factor * inverse_std * (by_mean - r * by_spread)
            tangent[spread] = factor * r * (real(0.5) * r * by_spread - by_mean)


class GaussianNLL(Loss):
    r"""Negative log likelihood of normal distributions, whose variances are predicted as well.

    For each target there are two raw outputs, a mean :math:`\mu_j` and the logarithm
    :math:`s_j` of a variance: with :math:`k` targets the network has :math:`2 k` outputs, the
    means first.

    .. math::

        \ell(y, \mu, s) = \frac{1}{2} \sum_j \left(
        \log 2 \pi + s_j + (y_j - \mu_j)^2 e^{-s_j} \right)

    Predictions are the means, and ``predict(X, return_std=True)`` also returns the standard
    deviations :math:`e^{s_j / 2}`: how far targets lie from their means at a place like this
    one. They tell nothing of places where there are no training data.

    Where a fit is poor, large variances excuse it, and its gradient, which is divided by
    them, becomes so small that it stays poor. So the gradient of each term is multiplied by
    :math:`\sigma_j^{2 \beta} = e^{\beta s_j}` (Seitzer et al.): at :math:`\beta = 0` it is
    that of the likelihood, at 1 the means learn as with the squared error. The product is not
    the gradient of any function, so optimizers that search along a line need
    :math:`\beta = 0`. The loss that is reported, and validation, is the likelihood itself for
    any :math:`\beta`. Early stopping without a scorer goes by it too, not by R².

    Parameters
    ----------
    beta : float or "auto", default="auto"
        From 0 to 1. "auto" is 0.5 with first-order optimizers and 0 with full-batch ones,
        which refuse all others.

    References
    ----------
    D. A. Nix, A. S. Weigend, "Estimating the Mean and Variance of the Target Probability
    Distribution", ICNN 1994.

    M. Seitzer, A. Tavakoli, D. Antic, G. Martius, "On the Pitfalls of Heteroscedastic
    Uncertainty Estimation with Probabilistic Neural Networks", ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> X = np.repeat([[0.0], [1.0]], 500, axis=0)
    >>> y = np.random.default_rng(0).normal(1 + 3 * X[:, 0], 1 + X[:, 0])
    >>> model = MLPRegressor((), loss="gaussian_nll", optimizer="lbfgs", random_state=0)
    >>> mean, std = model.fit(X, y).predict([[0.0], [1.0]], return_std=True)
    >>> print(mean.round(), std.round())
    [1. 4.] [1. 2.]
    """

    _parameter_constraints = {"beta": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")]}
    _forms = {
        "continuous": ByRow(
            _gaussian_nll,
            _gaussian_nll_product,
            has_variances=True,
            distribution="normal with variance",
        )
    }
    validates_by_loss = True

    def __init__(self, beta="auto"):
        self.beta = beta

    def kernel_parameters(self):
        return np.array([0.0 if self.beta == "auto" else float(self.beta)])

    def for_optimizer(self, first_order):
        if self.beta == "auto":
            return clone(self).set_params(beta=0.5 if first_order else 0.0)
        if self.beta != 0 and not first_order:
            raise ValueError(
                f"GaussianNLL(beta={self.beta}) does not apply to full-batch optimizers, since "
                "the gradient that it weights is not that of a function to minimize. Set beta "
                "to 'auto' or 0, or choose a first-order optimizer such as 'adam'."
            )
        return self

    def unweighted(self):
        return clone(self).set_params(beta=0.0)

    def n_outputs(self, n_columns):
        return 2 * n_columns

    def unscaling(self, mean, scale):
        factors = np.concatenate([scale, np.ones_like(scale)])
        return factors, np.concatenate([mean, 2 * np.log(scale)])
