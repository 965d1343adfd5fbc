"""Optimizers whose step depends on a whole weight matrix, not on one element at a time."""

import math
from itertools import compress

import numpy as np

from .._compiler.declarations import at, inline, kernel, offset, real
from .._compiler.linear_algebra import gemm
from .._components import AT_LEAST_ONE, DECAY, NON_NEGATIVE, POSITIVE
from .base import (
    UPDATE,
    FirstOrder,
    WholeStep,
    arrays_at,
    blend,
    both,
    soft_threshold,
    threshold_weights,
)


@kernel(UPDATE)
def _lamb(theta, gradient, state, layout, scratch, lr, step, parameters, l1):
    table = at(layout, 0)
    beta_1, beta_2, epsilon = both(parameters[0]), both(parameters[1]), real(parameters[2])
    by_m = real(1.0 / (1.0 - parameters[0] ** float(step)))
    by_v = real(1.0 / (1.0 - parameters[1] ** float(step)))
    m, v = state, offset(state, table.stride)
    for k in range(table.n_arrays):
        array = at(arrays_at(table.arrays), k)
        first, last = array.offset, array.offset + array.rows * array.columns
        decay = real(parameters[3] * array.decays)
        length = distance = 0.0
        for i in range(first, last):
            g = gradient[i]
            m[i], v[i] = blend(m[i], g, beta_1), blend(v[i], g * g, beta_2)
            u = by_m * m[i] / (math.sqrt(by_v * v[i]) + epsilon) + decay * theta[i]
            scratch[i] = u
            # In float64: over a large layer, a sum in float32 would lose digits.
            length += np.float64(theta[i]) * np.float64(theta[i])
            distance += np.float64(u) * np.float64(u)
        trust = math.sqrt(length / distance) if length > 0.0 and distance > 0.0 else 1.0
        rate, weight = real(lr * array.rate * trust), real(l1 * array.decays)
        for i in range(first, last):
            theta[i] -= rate * scratch[i]
        if weight > real(0):
            for i in range(first, last):
                size = math.sqrt(by_v * v[i]) + epsilon
                theta[i] = soft_threshold(theta[i], rate * weight / size)


class LAMB(FirstOrder):
    r"""Adam's direction, scaled in each layer to the length of its parameters.

    With :math:`\hat m` and :math:`\hat v` as in `AdamW`, for each layer's weight matrix,
    its vector of intercepts, and those of a normalization's scales and shifts:

    .. math::

        u = \frac{\hat m}{\sqrt{\hat v} + \epsilon} + \lambda \theta, \qquad
        \theta \leftarrow \theta - \eta \frac{\|\theta\|_2}{\|u\|_2} u

    The ratio is 1 where one of the norms is 0. :math:`\lambda` is 0 for whatever is not a
    weight.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-6
        Keeps the division finite.
    weight_decay : float, default=1e-2
        The factor :math:`\lambda`; the paper's, where optax has 0.

    References
    ----------
    Y. You et al. "Large batch optimization for deep learning: Training BERT in 76
    minutes". ICLR 2020, :arxiv:`1904.00962`. As in optax, with :math:`\phi(x) = x`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import LAMB
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=LAMB(), learning_rate_init=0.01, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _rule = WholeStep(_lamb, n_slots=2)
    _parameter_constraints = {
        "beta_1": DECAY,
        "beta_2": DECAY,
        "epsilon": POSITIVE,
        "weight_decay": NON_NEGATIVE,
    }

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-6, weight_decay=1e-2):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.weight_decay = weight_decay

    def scratch_size(self, layout):
        return layout.n_parameters


@inline
def _newton_schulz(x, y, scale, rows, columns, steps):
    """Push the singular values of ``scale x`` towards 1; return where the result is, x or y."""
    tall, small, large = (1, columns, rows) if rows > columns else (0, rows, columns)
    gram = offset(y, rows * columns)
    polynomial = offset(gram, small * small)
    for _ in range(steps):
        # The smaller of the two Gram matrices, X Xᵀ or XᵀX, gives the same polynomial.
        gemm(tall, 1 - tall, small, small, large, scale * scale, x, columns,
             x, columns, real(0), gram, small)  # fmt: skip
        for i in range(small * small):
            polynomial[i] = gram[i]
        gemm(0, 0, small, small, small, real(2.0315), gram, small,
             gram, small, real(-4.7750), polynomial, small)  # fmt: skip
        for i in range(small):
            polynomial[i * small + i] += real(3.4445)
        left, lda, right, ldb = polynomial, small, x, columns
        if tall == 1:
            left, lda, right, ldb = x, columns, polynomial, small
        gemm(0, 0, rows, columns, small, scale, left, lda, right, ldb, real(0), y, columns)
        x, y, scale = y, x, real(1)
    return x


@inline
def adamw_step(array, theta, gradient, state, stride, lr, step, weight_decay):
    """Take AdamW's step with its default rates of decay for an array; m and v are two slots."""
    m, v = state, offset(state, stride)
    root = math.sqrt(1.0 - 0.999 ** float(step))
    beta_1, beta_2 = (real(0.9), real(0.1)), (real(0.999), real(0.001))
    epsilon = real(1e-8 * root)
    array_lr = lr * array.rate
    rate = real(array_lr * root / (1.0 - 0.9 ** float(step)))
    keep = real(1.0 - array_lr * weight_decay * array.decays)
    for i in range(array.offset, array.offset + array.rows * array.columns):
        g = gradient[i]
        m[i], v[i] = blend(m[i], g, beta_1), blend(v[i], g * g, beta_2)
        theta[i] = keep * theta[i] - rate * m[i] / (math.sqrt(v[i]) + epsilon)


@kernel(UPDATE)
def _muon(theta, gradient, state, layout, scratch, lr, step, parameters, l1):
    table = at(layout, 0)
    fade, new = both(parameters[0])
    by_g, by_m = (new, fade) if parameters[1] != 0.0 else (real(0), real(1))
    for k in range(table.n_hidden):
        array = at(arrays_at(table.arrays), k)
        first, rows, columns = array.offset, array.rows, array.columns
        w, grad, m = offset(theta, first), offset(gradient, first), offset(state, first)
        keep = real(1.0 - lr * array.rate * parameters[3])
        size = rows * columns
        # With a Frobenius norm of 1 no singular value exceeds 1, as the iteration requires.
        squares = 0.0
        for i in range(size):
            m[i] = fade * m[i] + new * grad[i]
            direction = by_g * grad[i] + by_m * m[i]
            scratch[i] = direction
            squares += np.float64(direction) * np.float64(direction)
        # As in torch.optim, a norm below 1e-7 counts as 1e-7: a gradient of 0 makes no NaN.
        scale = real(1.0 / math.sqrt(squares)) if squares > 1e-14 else real(1e7)
        steps = np.int64(parameters[2])
        x = _newton_schulz(scratch, offset(scratch, size), scale, rows, columns, steps)
        rate = lr * array.rate
        rate = real(rate * math.sqrt(columns / rows) if columns > rows else rate)
        for i in range(size):
            w[i] = keep * w[i] - rate * x[i]
    for k in range(table.n_hidden, table.n_arrays):
        array = at(arrays_at(table.arrays), k)
        adamw_step(array, theta, gradient, state, table.stride, 0.05 * lr, step, parameters[3])
    threshold_weights(theta, layout, lr * l1)


class Muon(FirstOrder):
    r"""Momentum whose matrices are made orthogonal, for hidden layers.

    For the weight matrices :math:`W` into hidden layers, of ``fan_in`` rows and ``fan_out``
    columns, with gradient :math:`G`:

    .. math::

        M \leftarrow \mu M + (1 - \mu) G, \quad
        X = \mu M + (1 - \mu) G \text{ (Nesterov's) or } M, \quad
        X \leftarrow X / \|X\|_F,

    .. math::

        X \leftarrow a X + b (X X^\top) X + c (X X^\top)^2 X, \quad
        (a, b, c) = (3.4445, -4.7750, 2.0315),

    the last step ``ns_steps`` times, which pushes all singular values into about 0.7 to
    1.2, and

    .. math::

        W \leftarrow (1 - \eta \lambda) W - \eta \sqrt{\max(1, n_{out} / n_{in})} X

    All other parameters, such as the output layer's weights and the intercepts, are trained
    by `AdamW` with its default :math:`\beta_1, \beta_2, \epsilon` and a twentieth of the
    learning rate, which is 1e-3 for Muon's default rate. Its weight decay is Muon's
    :math:`\lambda`: at that rate it multiplies the output layer's weights, and nothing else,
    by :math:`1 - \eta \lambda / 20`.

    An L1 penalty's threshold is the plain learning rate times the penalty: an orthogonal matrix
    has no scale. `Adam` and `SGD`, unlike it, end at the minimum of loss and penalty.

    Parameters
    ----------
    momentum : float, default=0.95
        The coefficient :math:`\mu`.
    nesterov : bool, default=True
        Look ahead along the momentum.
    ns_steps : int, default=5
        Number of Newton-Schulz steps.
    weight_decay : float, default=0
        The factor :math:`\lambda`, for the output layer's weights as well; torch.optim has
        0.1.

    References
    ----------
    K. Jordan et al. "Muon: An optimizer for hidden layers in neural networks". 2024. As
    torch.optim's, with the "original" adjustment of the learning rate, but computed in the
    network's own floating type.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import Muon
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=Muon(momentum=0.9),
    ...     learning_rate_init=0.1, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _rule = WholeStep(_muon, n_slots=2)
    _parameter_constraints = {
        "momentum": DECAY,
        "nesterov": ["boolean"],
        "ns_steps": AT_LEAST_ONE,
        "weight_decay": NON_NEGATIVE,
    }
    default_learning_rate = 2e-2

    def __init__(self, momentum=0.95, nesterov=True, ns_steps=5, weight_decay=0):
        self.momentum = momentum
        self.nesterov = nesterov
        self.ns_steps = ns_steps
        self.weight_decay = weight_decay

    def scratch_size(self, layout):
        hidden = compress(layout.shapes[:-1], layout.is_trained)
        return max((2 * m * n + 2 * min(m, n) ** 2 for m, n in hidden), default=0)

    def largest_product(self, layout, rows):
        return max((float(m) * n * min(m, n) for m, n in layout.shapes[:-1]), default=0.0)
