"""Losses for regression, except for the squared error, which classifiers have too."""

import math
from itertools import pairwise
from numbers import Real

import numpy as np
from sklearn.metrics import mean_pinball_loss
from sklearn.utils._param_validation import Interval

from .._compiler.declarations import inline, kernel, real
from .._compiler.elementary import exp as _exp
from .._compiler.elementary import expm1 as _expm1
from .._compiler.elementary import log as _log
from .._compiler.elementary import log1p as _log1p
from .._compiler.elementary import tanh as _tanh
from .base import LINK, ByRow, Loss, Separable


@inline
def _sign(x):
    """Return -1, 0 or 1; NaN stays NaN: divergence has to be noticed."""
    sign = real(1) if x > real(0) else x
    return real(-1) if x < real(0) else sign


@inline
def _absolute_error(y, z, p):
    residual = z - y
    return abs(residual), _sign(residual)


class AbsoluteError(Loss):
    r"""Absolute error; predictions are conditional medians.

    .. math:: \ell(y, z) = \sum_j |z_j - y_j|

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> y = 2 * X[:, 0]
    >>> y[25] = 100.0
    >>> model = MLPRegressor((), loss="absolute_error", optimizer="lbfgs", random_state=0)
    >>> print(model.fit(X, y).predict([[1.0]]).round(1))
    [2.]
    """

    _forms = {"continuous": Separable(_absolute_error, twice=False)}
    is_twice_differentiable = False


@inline
def _huber(y, z, p):
    limit = real(p.delta)
    residual = z - y
    clipped = limit if residual > limit else residual
    clipped = -limit if residual < -limit else clipped
    # 1 inside of the limit, 0 on it and beyond; NaN stays NaN.
    side = _sign(limit - abs(residual))
    bend = real(0) if side < real(0) else side
    return clipped * (residual - real(0.5) * clipped), clipped, bend


class Huber(Loss):
    r"""Huber loss: half the squared error near the target, linear far from it.

    .. math::

        \ell(y, z) = \sum_j \begin{cases}
        \frac{1}{2} (z_j - y_j)^2 & |z_j - y_j| \le \delta \\
        \delta (|z_j - y_j| - \frac{\delta}{2}) & \text{otherwise}
        \end{cases}

    The smooth L1 loss with parameter :math:`\beta` is this one, with
    :math:`\delta = \beta`, divided by :math:`\beta`: at 1 they are the same.

    Parameters
    ----------
    delta : float, default=1.0
        Where it becomes linear, in units of the target.

    References
    ----------
    P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical
    Statistics 35, 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> from sknn_opt.losses import Huber
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> y = 2 * X[:, 0]
    >>> y[25] = 100.0
    >>> model = MLPRegressor((), loss=Huber(delta=0.1), optimizer="lbfgs", random_state=0)
    >>> print(model.fit(X, y).predict([[1.0]]).round(1))
    [2.]
    """

    _parameter_constraints = {"delta": [Interval(Real, 0, None, closed="neither")]}
    _forms = {"continuous": Separable(_huber)}
    is_twice_differentiable = False

    def __init__(self, delta=1.0):
        self.delta = delta


@inline
def _log_cosh(y, z, p):
    residual = z - y
    size, slope = abs(residual), _tanh(residual)
    small = _exp(real(-2) * size)
    # The first form keeps its digits near 0, where the terms of the second one cancel; the
    # second one cannot overflow.
    if size < real(0.5):
        squares = slope * slope
        loss = real(0.5) * _log1p(squares / (real(1) - squares))
    else:
        loss = size - real(math.log(2.0)) + _log1p(small)
    whole = real(1) + small
    return loss, slope, real(4) * small / (whole * whole)


class LogCosh(Loss):
    r"""Logarithm of the hyperbolic cosine: like Huber's loss, but smooth everywhere.

    .. math:: \ell(y, z) = \sum_j \log \cosh(z_j - y_j)

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> y = 2 * X[:, 0]
    >>> y[25] = 100.0
    >>> model = MLPRegressor((), loss="log_cosh", optimizer="lbfgs", random_state=0)
    >>> print(model.fit(X, y).predict([[1.0]]).round(1))
    [2.]
    """

    _forms = {"continuous": Separable(_log_cosh)}


@inline
def _pinball_at(q, residual):
    slope = real(1) - q if residual > real(0) else -q
    return slope * residual, slope * abs(_sign(residual))


@inline
def _pinball(y, z, p):
    return _pinball_at(real(p.q), z - y)


_helper = None  # in the template below: `_pinball_at`


def _pinballs(raw, y, weight, delta, rows, outputs, scale, parameters):
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for k in range(outputs):
            value, slope = _helper(real(parameters[k]), raw[i * outputs + k] - y[i])
            loss += value
            delta[i * outputs + k] = factor * slope
        total += weight[i] * loss
    return total


@kernel(LINK)
def sorting_link(raw, rows, outputs):
    # By insertion: a row has few outputs, and most are in order.
    for i in range(rows):
        for end in range(i * outputs + 1, (i + 1) * outputs):
            j, value = end, raw[end]
            while j > i * outputs and raw[j - 1] > value:
                raw[j] = raw[j - 1]
                j -= 1
            raw[j] = value


class Quantile(Loss):
    r"""Pinball loss; predictions are conditional quantiles.

    .. math:: \ell(y, z) = \sum_j \max(q (y_j - z_j), (1 - q) (z_j - y_j))

    With several quantiles there is one target, and one output for each quantile. Predictions
    that cross are sorted, which never makes them worse.

    Parameters
    ----------
    q : float or list of float, default=0.5
        The quantile, in (0, 1), or several in increasing order.

    References
    ----------
    R. Koenker, G. Bassett, "Regression Quantiles", Econometrica 46, 1978.

    V. Chernozhukov, I. Fernández-Val, A. Galichon, "Quantile and Probability Curves Without
    Crossing", Econometrica 78, 2010 (sorting).

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> from sknn_opt.losses import Quantile
    >>> X = np.random.default_rng(0).uniform(size=(500, 1))
    >>> y = np.random.default_rng(1).normal(size=500)
    >>> model = MLPRegressor((), loss=Quantile([0.1, 0.9]), optimizer="lbfgs", random_state=0)
    >>> low, high = model.fit(X, y).predict(X).T
    >>> print(np.mean((low < y) & (y < high)).round(1))
    0.8
    """

    is_twice_differentiable = False
    _parameter_constraints = {"q": [Interval(Real, 0, 1, closed="neither"), "array-like"]}

    def __init__(self, q=0.5):
        self.q = q

    @property
    def _several(self):
        return np.ndim(self.q) > 0

    _one = Separable(_pinball, twice=False)
    _many = ByRow(_pinballs, None, sorting_link, _helper=_pinball_at)

    @property
    def _forms(self):
        return {"continuous": self._many if self._several else self._one}

    def _validate_params(self):
        super()._validate_params()
        levels = [0, *np.ravel(self.q), 1]
        are_numbers = all(isinstance(level, Real) for level in levels)
        increase = are_numbers and all(low < high for low, high in pairwise(levels))
        if np.ndim(self.q) > 1 or np.size(self.q) == 0 or not increase:
            raise ValueError(
                "The quantiles q must be one or several numbers between 0 and 1, in "
                f"increasing order. Got {self.q!r} instead."
            )

    def kernel_parameters(self):
        return np.atleast_1d(np.asarray(self.q, np.float64))

    def check_targets(self, y):
        if self._several and y.shape[1] > 1:
            raise ValueError(
                "y should be a 1d array where the loss 'quantile' has several quantiles, got "
                f"an array of shape {y.shape} instead."
            )

    def n_outputs(self, n_columns):
        return len(self.q) if self._several else n_columns

    def unscaling(self, mean, scale):
        n_levels = np.size(self.q)  # where there are several, y has one column
        return np.repeat(scale, n_levels), np.repeat(mean, n_levels)

    @property
    def _scores_by_r2(self):
        return not self._several

    def score(self, y, predictions, sample_weight=None):
        """Return R²; for several quantiles minus the mean of their pinball losses."""
        if not self._several:
            return super().score(y, predictions, sample_weight)
        columns = np.reshape(predictions, (-1, len(self.q)))
        return -np.mean(
            [
                mean_pinball_loss(y, prediction, sample_weight=sample_weight, alpha=q)
                for q, prediction in zip(self.q, columns.T, strict=True)
            ]
        )


def _check_range(outside, loss, condition):
    # Those that are missing, NaN, are not outside.
    if np.any(outside):
        raise ValueError(
            f"Some value(s) of y are out of the valid range of the loss {loss!r}: "
            f"y has to be {condition}."
        )


@kernel(LINK)
def exponential_link(raw, rows, outputs):
    for i in range(rows * outputs):
        raw[i] = _exp(raw[i])


@inline
def _poisson(y, z, p):
    prediction = _exp(z)
    log_y = _log(y if y > real(0) else real(1))  # y log y is 0 at y = 0
    return prediction - y + y * (log_y - z), prediction - y, prediction


class Poisson(Loss):
    r"""Half the Poisson deviance, with a log link: predictions are :math:`e^z`.

    .. math:: \ell(y, z) = \sum_j y_j (\log y_j - z_j) - y_j + e^{z_j}, \quad y_j \ge 0

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> X = np.linspace(0, 1, 200).reshape(-1, 1)
    >>> y = np.random.default_rng(0).poisson(np.exp(2 * X[:, 0]))
    >>> model = MLPRegressor((), loss="poisson", optimizer="lbfgs", random_state=0).fit(X, y)
    >>> print(model.coefs_[0].round())
    [[2.]]
    """

    _forms = {"continuous": Separable(_poisson, exponential_link, "exp", distribution="poisson")}

    def check_targets(self, y):
        _check_range(y < 0, "poisson", "non-negative")


@inline
def _gamma(y, z, p):
    log_ratio = z - _log(y)
    ratio = _exp(-log_ratio)
    return log_ratio + ratio - real(1), real(1) - ratio, ratio


class Gamma(Loss):
    r"""Half the gamma deviance, with a log link: predictions are :math:`e^z`.

    .. math:: \ell(y, z) = \sum_j z_j - \log y_j + y_j e^{-z_j} - 1, \quad y_j > 0

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> X = np.linspace(0, 1, 200).reshape(-1, 1)
    >>> y = np.random.default_rng(0).gamma(5, np.exp(2 * X[:, 0]) / 5)
    >>> model = MLPRegressor((), loss="gamma", optimizer="lbfgs", random_state=0).fit(X, y)
    >>> print(model.coefs_[0].round())
    [[2.]]
    """

    _forms = {"continuous": Separable(_gamma, exponential_link, "exp", distribution="gamma")}

    def check_targets(self, y):
        _check_range(y <= 0, "gamma", "strictly positive")


@inline
def _growth(rate, time):
    """Return (exp(rate * time) - 1) / rate, which is the time where the rate is 0."""
    exponent = rate * time
    below = _expm1(-abs(exponent))
    change = -below * _exp(exponent) if exponent > real(0) else below
    return time if rate == real(0) else change / rate


@inline
def _tweedie_loss(y, a, b, factor, up, down):
    """Return the loss for powers that are not near 1 or 2, and for targets of 0."""
    constant = real(0)
    if y > real(0):
        constant = _exp(b * _log(y)) / (a * b)
    elif y < real(0) and a == real(1):
        constant = real(0.5) * y * y
    by_rate = real(0) if down == real(0) else down / a
    return constant + factor * (up / b - by_rate)


@inline
def _tweedie(y, z, p):
    a, b = real(1.0 - p.power), real(2.0 - p.power)
    # The derivative is exp(b z) - y exp(a z), of which one factor is taken out, so that it is
    # no difference of infinities and no product of 0 and infinity.
    small = _exp(-abs(z))
    if z > real(0) or y == real(0):
        factor, up, down = _exp(b * z), real(1), y * small
    else:
        factor, up, down = _exp(a * z), small, y
    if y > real(0) and a <= real(0) and b > real(-0.1):
        log_y = _log(y)
        # Here the terms that grow without bound towards the powers 1 and 2 have cancelled.
        loss = _exp(b * log_y) * (_growth(b, z - log_y) - _growth(a, z - log_y))
    else:
        loss = _tweedie_loss(y, a, b, factor, up, down)
    return loss, factor * (up - down), factor * (b * up - a * down)


class Tweedie(Loss):
    r"""Half the Tweedie deviance, with a log link: predictions are :math:`e^z`.

    For a power :math:`p` other than 0, 1 and 2:

    .. math::

        \ell(y, z) = \sum_j \frac{\max(y_j, 0)^{2 - p}}{(1 - p)(2 - p)}
        - \frac{y_j e^{(1 - p) z_j}}{1 - p} + \frac{e^{(2 - p) z_j}}{2 - p}

    The variance of the targets is in proportion to the power :math:`p` of their mean: 1 is
    `Poisson`, 2 is `Gamma`, and 0 half the squared error of :math:`e^z`. Powers between 1
    and 2 are for amounts that are often exactly 0 and otherwise positive, such as the claims
    of an insured person in a year or the rain of a day. Targets may have any value for
    powers up to 0, have to be at least 0 below the power 2, and positive from there on.

    Parameters
    ----------
    power : float, default=1.5
        At most 0, or at least 1: there is no distribution in between.

    References
    ----------
    B. Jørgensen, "Exponential Dispersion Models", Journal of the Royal Statistical Society B
    49, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt import MLPRegressor
    >>> from sknn_opt.losses import Tweedie
    >>> X = np.linspace(0, 1, 1000).reshape(-1, 1)
    >>> random = np.random.default_rng(0)
    >>> n_claims = random.poisson(np.exp(2 * X[:, 0]))
    >>> y = random.gamma(np.maximum(5 * n_claims, 1e-9), 0.2) * (n_claims > 0)
    >>> model = MLPRegressor((), loss=Tweedie(1.2), optimizer="lbfgs", random_state=0).fit(X, y)
    >>> print(model.coefs_[0].round())
    [[2.]]
    """

    _parameter_constraints = {
        "power": [Interval(Real, None, 0, closed="right"), Interval(Real, 1, None, closed="left")]
    }
    _forms = {"continuous": Separable(_tweedie, exponential_link, "exp")}

    def __init__(self, power=1.5):
        self.power = power

    def check_targets(self, y):
        if self.power >= 2:
            _check_range(y <= 0, "tweedie", f"strictly positive for power={self.power}")
        elif self.power >= 1:
            _check_range(y < 0, "tweedie", f"non-negative for power={self.power}")
