"""Normalization of hidden layers' values before the activation, over the batch or the layer.

Both learn a scale and a shift for each unit. `NORMALIZATIONS`, at the foot, maps names to
classes.
"""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._compiler.declarations import (
    Call,
    at,
    doubles,
    inline,
    kernel,
    named_doubles,
    offset,
    pointers_to,
    real,
    reals,
    struct,
)
from ._components import POSITIVE, Component, Registry

NORMALIZATION = struct(
    "normalization",
    forward=np.int64,  # addresses of kernels
    backward=np.int64,
    gamma=np.int64,  # addresses of reals, ``units`` each
    beta=np.int64,
    gamma_gradient=np.int64,
    beta_gradient=np.int64,
    mean=np.int64,  # running statistics, of batch normalization only
    variance=np.int64,
    factor=np.int64,  # buffer: 1 / standard deviation of each unit, or of each row
    sums=np.int64,  # buffer of 2 * units
    uses_running=np.int64,  # set by forward, for backward
    parameters=np.int64,
    tangent=np.int64,  # for Hessian-vector products: kernels
    curvature=np.int64,
    gamma_direction=np.int64,  # reals
    beta_direction=np.int64,
    growth=np.int64,  # buffer: relative derivative of each row's factor along the direction
)

normalizations = pointers_to("normalization")

NORMALIZE = "void (normalization *norm, real *z, real *out, int64 rows, int64 units)"
NORMALIZE_BACKWARD = """void (normalization *norm, real *z, real *delta, int64 rows,
int64 units, real beta)"""

NORMALIZE_TANGENT = """void (normalization *norm, real *z, real *tangent, real *out,
int64 rows, int64 units)"""
NORMALIZE_CURVATURE = """void (normalization *norm, real *z, real *tangent, real *delta,
real *tangent_delta, int64 exact, int64 rows, int64 units, real beta)"""

call_normalize = Call(NORMALIZE)
call_normalize_backward = Call(NORMALIZE_BACKWARD)
call_normalize_tangent = Call(NORMALIZE_TANGENT)
call_normalize_curvature = Call(NORMALIZE_CURVATURE)


class Normalization(Component):
    r"""Base of the normalizations.

    .. math:: \hat z = (z - \mu) / \sqrt{\sigma^2 + \epsilon}, \qquad f(z) = \gamma \hat z + \beta

    The forward kernel overwrites ``z`` with :math:`\hat z` and writes ``out``. The backward
    kernel turns ``delta``, the derivative by ``out``, into the one by the original ``z``,
    and sets the gradients of scale :math:`\gamma` and shift :math:`\beta` to ``beta`` times
    themselves plus this block's share.

    Tangents are derivatives along a direction in parameter space. The tangent kernel turns
    that of the original ``z`` into that of :math:`\hat z`, in place, and writes that of
    ``out``. The curvature kernel does to ``tangent_delta`` and the gradients what the
    backward kernel does by ``delta``; with ``exact`` it adds what the tangents of
    :math:`\hat z` and of the parameters contribute, and turns ``delta`` as well.
    """

    _forward = None
    _backward = None
    _tangent = None
    _curvature = None
    #: The forward kernel of prediction.
    _predict = None
    #: Whether running statistics are kept, and a batch must come in one block.
    uses_batch_statistics = False
    #: Names of its parameters, what they start from, and whether they are trained.
    parameters = (("normalization_scales", 1.0, True), ("normalization_shifts", 0.0, True))


@inline
def _scale_and_shift(norm, z, out, rows, units):
    gamma, beta = reals(norm.gamma), reals(norm.beta)
    for i in range(rows):
        here, there = offset(z, i * units), offset(out, i * units)
        for j in range(units):
            there[j] = gamma[j] * here[j] + beta[j]


@inline
def _add_parameter_gradients(norm, z, delta, rows, units, beta):
    """Add the gradients of scale and shift; leave the sums they consist of in ``sums``."""
    by_gamma, by_beta = reals(norm.gamma_gradient), reals(norm.beta_gradient)
    products, totals = reals(norm.sums), offset(reals(norm.sums), units)
    for j in range(units):
        products[j] = totals[j] = real(0)
    for i in range(rows):
        here, there = offset(z, i * units), offset(delta, i * units)
        for j in range(units):
            products[j] += there[j] * here[j]
            totals[j] += there[j]
    # With a beta of 0, as in BLAS, the gradients are only written to: what stands in the buffer
    # may be a NaN, which a product with 0 would keep.
    for j in range(units):
        by_gamma[j] = products[j] + (real(0) if beta == real(0) else beta * by_gamma[j])
        by_beta[j] = totals[j] + (real(0) if beta == real(0) else beta * by_beta[j])


@inline
def _subtract_and_scale(z, rows, units, mean, factor):
    for i in range(rows):
        here = offset(z, i * units)
        for j in range(units):
            here[j] = (here[j] - mean[j]) * factor[j]


_batch_parameters = named_doubles("epsilon", "momentum")
_layer_parameters = named_doubles("epsilon")


@inline
def _batch(norm):
    return _batch_parameters(doubles(norm.parameters))


@inline
def _layer(norm):
    return _layer_parameters(doubles(norm.parameters))


@inline
def _use_running_statistics(norm, z, units, rows):
    variance, factor = reals(norm.variance), reals(norm.factor)
    epsilon = real(_batch(norm).epsilon)
    for j in range(units):
        factor[j] = real(1) / math.sqrt(variance[j] + epsilon)
    _subtract_and_scale(z, rows, units, reals(norm.mean), factor)


@kernel(NORMALIZE)
def _batch_predict(norm, z, out, rows, units):
    n = at(norm, 0)
    n.uses_running = 1
    _use_running_statistics(n, z, units, rows)
    _scale_and_shift(n, z, out, rows, units)


@kernel(NORMALIZE)
def _batch_forward(norm, z, out, rows, units):
    n = at(norm, 0)
    # A single row has no variance. It is normalized as in prediction, and the running
    # statistics do not change.
    n.uses_running = 1 if rows == 1 else 0
    if rows == 1:
        _use_running_statistics(n, z, units, rows)
    else:
        mean, variance, factor = reals(n.sums), offset(reals(n.sums), units), reals(n.factor)
        epsilon, momentum = real(_batch(n).epsilon), real(_batch(n).momentum)
        share = real(1) / real(rows)
        # Two passes: the mean of the squares less the square of the mean would cancel.
        for j in range(units):
            mean[j] = variance[j] = real(0)
        for i in range(rows):
            here = offset(z, i * units)
            for j in range(units):
                mean[j] += here[j]
        for j in range(units):
            mean[j] *= share
        for i in range(rows):
            here = offset(z, i * units)
            for j in range(units):
                variance[j] += (here[j] - mean[j]) * (here[j] - mean[j])
        running_mean, running_variance = reals(n.mean), reals(n.variance)
        unbiased = real(1) / real(rows - 1)
        for j in range(units):
            running_mean[j] += momentum * (mean[j] - running_mean[j])
            running_variance[j] += momentum * (variance[j] * unbiased - running_variance[j])
            factor[j] = real(1) / math.sqrt(variance[j] * share + epsilon)
        _subtract_and_scale(z, rows, units, mean, factor)
    _scale_and_shift(n, z, out, rows, units)


@kernel(NORMALIZE_BACKWARD)
def _batch_backward(norm, z, delta, rows, units, beta):
    n = at(norm, 0)
    gamma, factor = reals(n.gamma), reals(n.factor)
    _add_parameter_gradients(n, z, delta, rows, units, beta)
    products, totals = reals(n.sums), offset(reals(n.sums), units)
    # Running statistics are constants, through which no gradient flows.
    share = real(0) if n.uses_running == 1 else real(1) / real(rows)
    for i in range(rows):
        here, there = offset(z, i * units), offset(delta, i * units)
        for j in range(units):
            centred = there[j] - share * (totals[j] + here[j] * products[j])
            there[j] = gamma[j] * factor[j] * centred


class BatchNorm(Normalization):
    r"""Batch normalization: by mean and variance of each unit over the mini-batch.

    .. math::

        \hat z = \frac{z - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad
        f(z) = \gamma \hat z + \beta

    with the mean :math:`\mu` and the variance :math:`\sigma^2` of a unit over the rows of a
    mini-batch, and with a scale :math:`\gamma` and a shift :math:`\beta` for each unit that
    are learnt. Predictions use running averages of these statistics, for which the variance
    is unbiased, as in torch. A batch of a single row is normalized with the running averages
    too, and does not change them.

    Parameters
    ----------
    epsilon : float, default=1e-5
        Added to the variance.
    momentum : float, default=0.1
        Share of the newest batch in the running averages, more than 0 and at most 1.

    References
    ----------
    S. Ioffe, C. Szegedy. "Batch normalization: Accelerating deep network training by
    reducing internal covariate shift". ICML 2015, :arxiv:`1502.03167`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.normalizations import BatchNorm
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), normalization=BatchNorm(momentum=0.2),
    ...     learning_rate_init=0.02, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _batch_forward
    _backward = _batch_backward
    _predict = _batch_predict
    uses_batch_statistics = True
    parameters = (
        *Normalization.parameters,
        ("running_means", 0.0, False),
        ("running_variances", 1.0, False),
    )
    _parameter_constraints = {
        "epsilon": POSITIVE,
        "momentum": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(self, epsilon=1e-5, momentum=0.1):
        self.epsilon = epsilon
        self.momentum = momentum


@kernel(NORMALIZE)
def _layer_forward(norm, z, out, rows, units):
    n = at(norm, 0)
    factor = reals(n.factor)
    epsilon = real(_layer(n).epsilon)
    share = real(1) / real(units)
    for i in range(rows):
        here = offset(z, i * units)
        total = real(0)
        for j in range(units):
            total += here[j]
        mean = total * share
        squares = real(0)
        for j in range(units):
            here[j] -= mean
            squares += here[j] * here[j]
        factor[i] = real(1) / math.sqrt(squares * share + epsilon)
        for j in range(units):
            here[j] *= factor[i]
    _scale_and_shift(n, z, out, rows, units)


@kernel(NORMALIZE_BACKWARD)
def _layer_backward(norm, z, delta, rows, units, beta):
    n = at(norm, 0)
    gamma, factor = reals(n.gamma), reals(n.factor)
    share = real(1) / real(units)
    _add_parameter_gradients(n, z, delta, rows, units, beta)
    for i in range(rows):
        here, there = offset(z, i * units), offset(delta, i * units)
        total, product = real(0), real(0)
        for j in range(units):
            there[j] *= gamma[j]
            total += there[j]
            product += there[j] * here[j]
        total *= share
        product *= share
        for j in range(units):
            there[j] = factor[i] * (there[j] - total - here[j] * product)


@kernel(NORMALIZE_TANGENT)
def _layer_tangent(norm, z, tangent, out, rows, units):
    n = at(norm, 0)
    gamma, gamma_direction = reals(n.gamma), reals(n.gamma_direction)
    beta_direction = reals(n.beta_direction)
    factor, growth = reals(n.factor), reals(n.growth)
    share = real(1) / real(units)
    for i in range(rows):
        here, moved, there = (
            offset(z, i * units),
            offset(tangent, i * units),
            offset(out, i * units),
        )
        total, product = real(0), real(0)
        for j in range(units):
            total += moved[j]
            product += moved[j] * here[j]
        total *= share
        product *= share
        growth[i] = -factor[i] * product
        for j in range(units):
            moved[j] = factor[i] * (moved[j] - total - here[j] * product)
            there[j] = gamma[j] * moved[j] + gamma_direction[j] * here[j] + beta_direction[j]


@kernel(NORMALIZE_CURVATURE)
def _layer_curvature(norm, z, tangent, delta, tangent_delta, exact, rows, units, beta):
    n = at(norm, 0)
    gamma, gamma_direction = reals(n.gamma), reals(n.gamma_direction)
    by_gamma, by_beta = reals(n.gamma_gradient), reals(n.beta_gradient)
    factor, growth = reals(n.factor), reals(n.growth)
    share = real(1) / real(units)
    for j in range(units):
        by_gamma[j] = real(0) if beta == real(0) else beta * by_gamma[j]
        by_beta[j] = real(0) if beta == real(0) else beta * by_beta[j]
    for i in range(rows):
        here, there = offset(z, i * units), offset(tangent_delta, i * units)
        for j in range(units):
            by_gamma[j] += there[j] * here[j]
            by_beta[j] += there[j]
            there[j] *= gamma[j]
        moved, slope = offset(tangent, i * units), offset(delta, i * units)
        slopes, along, across = real(0), real(0), real(0)
        if exact != 0:
            for j in range(units):
                by_gamma[j] += slope[j] * moved[j]
                there[j] += gamma_direction[j] * slope[j]
                slope[j] *= gamma[j]
                slopes += slope[j]
                along += slope[j] * here[j]
                across += slope[j] * moved[j]
            slopes *= share
            along *= share
        total, product = real(0), across
        for j in range(units):
            total += there[j]
            product += there[j] * here[j]
        total *= share
        product *= share
        for j in range(units):
            there[j] = factor[i] * (there[j] - total - here[j] * product)
        if exact != 0:
            for j in range(units):
                slope[j] = factor[i] * (slope[j] - slopes - here[j] * along)
                there[j] += growth[i] * slope[j] - factor[i] * moved[j] * along


class LayerNorm(Normalization):
    r"""Layer normalization: by mean and variance of each row over the layer's units.

    .. math::

        \hat z = \frac{z - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad
        f(z) = \gamma \hat z + \beta

    with the mean :math:`\mu` and the variance :math:`\sigma^2` of a row over the units of the
    layer, and with a scale :math:`\gamma` and a shift :math:`\beta` for each unit that are
    learnt. Predictions do the same, so no running averages are kept.

    Parameters
    ----------
    epsilon : float, default=1e-5
        Added to the variance.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton. "Layer normalization". 2016, :arxiv:`1607.06450`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20, 20), normalization=["layer", None], optimizer="lbfgs", tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _forward = _layer_forward
    _backward = _layer_backward
    _predict = _layer_forward
    _tangent = _layer_tangent
    _curvature = _layer_curvature
    _parameter_constraints = {"epsilon": POSITIVE}

    def __init__(self, epsilon=1e-5):
        self.epsilon = epsilon


NORMALIZATIONS = Registry({"batch": BatchNorm, "layer": LayerNorm})
