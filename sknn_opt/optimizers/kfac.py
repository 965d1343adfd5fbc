"""K-FAC: the natural gradient, with a Kronecker product for each layer's Fisher matrix.

Training observes the two factors of each layer while a batch passes (`_training.curvature`); the
update reads them from the optimizer's state.
"""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._compiler.declarations import at, inline, kernel, named_doubles, offset, real
from .._compiler.linear_algebra import gemm, lapack
from .._compiler.memory import aligned_zeros
from .._components import AT_LEAST_ONE, FRACTION, NON_NEGATIVE
from .base import LEAST_OF_LAPACK, UPDATE, FirstOrder, WholeStep, arrays_at, threshold_weights
from .matrix import adamw_step

_potrf, _potri = lapack("potrf"), lapack("potri")
_LOWER = ord("L")

#: How often a matrix that has no Cholesky factor gets a ridge, ten times as large as the last one.
_RIDGES = 20

#: The share of the learning rate with which AdamW trains what has no factors.
_SHARE_OF_ADAMW = 0.1

_parameters = named_doubles("damping", "decay", "every", "kl_clip", "max_side")


@inline
def _find_factors(array, factors, max_side):
    """Return where the factors of a layer with these weights are, and their inverses.

    The sizes of the input's side, with the intercept, and of the output's come first; they are 0
    where the layer has no factors. Where those of the next layer are comes last.
    """
    inputs, outputs = array.rows + 1, array.columns
    if max(inputs, outputs) > max_side:
        inputs = outputs = 0
    by_outputs = offset(factors, inputs * inputs)
    input_inverse = offset(by_outputs, outputs * outputs)
    output_inverse = offset(input_inverse, inputs * inputs)
    following = offset(output_inverse, outputs * outputs)
    return inputs, outputs, factors, by_outputs, input_inverse, output_inverse, following


@inline
def _count_matrices(layout):
    """Return the number of layers that are trained; their intercepts follow on their weights."""
    table, count = at(layout, 0), 0
    for k in range(table.n_arrays):
        count += at(arrays_at(table.arrays), k).decays
    return count


@inline
def _mean_of_diagonal(matrix, side):
    total = 0.0
    for i in range(side):
        total += np.float64(matrix[i * side + i])
    return total / side


@inline
def _factorize(matrix, root, side, ridge):
    """Write the Cholesky factor of a matrix with a ridge; return whether there is one."""
    for i in range(side * side):
        root[i] = matrix[i]
    for i in range(side):
        root[i * side + i] += real(ridge)
    _potrf(_LOWER, side, root, side, 0)
    n_positive = 0
    for i in range(side):
        n_positive += 0.0 < root[i * side + i] < math.inf
    return n_positive == side


@inline
def _invert(matrix, inverse, side, ridge):
    """Write the inverse of a matrix with a ridge, the least one with which it has one."""
    mean = _mean_of_diagonal(matrix, side)
    is_factorized = _factorize(matrix, inverse, side, ridge)
    ridge = max(ridge, 1e-8 * mean if mean > 0.0 else 1.0)
    for _ in range(_RIDGES):
        if not is_factorized:
            is_factorized = _factorize(matrix, inverse, side, ridge)
            ridge *= 10.0
    _potri(_LOWER, side, inverse, side, 0)
    # LAPACK reads by columns: its lower half is the upper one here.
    for i in range(side):
        for j in range(i):
            inverse[i * side + j] = inverse[j * side + i]
    if not is_factorized:
        for i in range(side * side):
            inverse[i] = real(math.nan)  # divergence has to be noticed


@inline
def _invert_both(place, damping):
    """Invert both matrices, each with its part of the damping."""
    inputs, outputs, by_inputs, by_outputs, input_inverse, output_inverse, _ = place
    mean_in = _mean_of_diagonal(by_inputs, inputs)
    mean_out = _mean_of_diagonal(by_outputs, outputs)
    balance = math.sqrt(mean_in / mean_out) if mean_in > 0.0 and mean_out > 0.0 else 1.0
    _invert(by_inputs, input_inverse, inputs, math.sqrt(damping) * balance)
    _invert(by_outputs, output_inverse, outputs, math.sqrt(damping) / balance)


@inline
def _natural_gradient(by_weights, by_intercepts, step, place):
    """Write a layer's natural gradient; return its product with the gradient.

    ``step`` has room for it, and for two more of its size.
    """
    inputs, outputs, _, _, input_inverse, output_inverse, _ = place
    n, size = (inputs - 1) * outputs, inputs * outputs
    gradient, half = offset(step, size), offset(step, 2 * size)
    for i in range(n):
        gradient[i] = by_weights[i]
    for j in range(outputs):
        gradient[n + j] = by_intercepts[j]
    gemm(0, 0, inputs, outputs, inputs, real(1), input_inverse, inputs,
         gradient, outputs, real(0), half, outputs)  # fmt: skip
    gemm(0, 0, inputs, outputs, outputs, real(1), half, outputs,
         output_inverse, outputs, real(0), step, outputs)  # fmt: skip
    product = 0.0
    for i in range(size):
        product += np.float64(gradient[i]) * np.float64(step[i])
    return product


@inline
def _natural_gradients(gradient, state, layout, steps, p, is_due):
    """Write the natural gradients of all layers with factors, one after the other.

    Returns the sum of their products with the gradients, times the squares of the layers' rates.
    """
    table, n_matrices = at(layout, 0), _count_matrices(layout)
    arrays, factors = arrays_at(table.arrays), offset(state, 2 * table.stride)
    total = 0.0
    for k in range(n_matrices):
        weights, intercepts = at(arrays, k), at(arrays, n_matrices + k)
        place = _find_factors(weights, factors, np.int64(p.max_side))
        factors = place[6]
        if place[0] > 0:
            if is_due:
                _invert_both(place, p.damping)
            by_weights = offset(gradient, weights.offset)
            by_intercepts = offset(gradient, intercepts.offset)
            product = _natural_gradient(by_weights, by_intercepts, steps, place)
            total += weights.rate * weights.rate * product
            steps = offset(steps, place[0] * place[1])
    return total


@inline
def _descend(theta, gradient, state, layout, steps, lr, lr_of_adamw, step, max_side):
    """Take the steps, and AdamW's where there are none."""
    table, n_matrices = at(layout, 0), _count_matrices(layout)
    arrays, factors = arrays_at(table.arrays), offset(state, 2 * table.stride)
    for k in range(n_matrices):
        weights, intercepts = at(arrays, k), at(arrays, n_matrices + k)
        place = _find_factors(weights, factors, max_side)
        factors = place[6]
        if place[0] == 0:
            adamw_step(weights, theta, gradient, state, table.stride, lr_of_adamw, step, 0.0)
            adamw_step(intercepts, theta, gradient, state, table.stride, lr_of_adamw, step, 0.0)
            continue
        n, rate = weights.rows * weights.columns, real(lr * weights.rate)
        w, b = offset(theta, weights.offset), offset(theta, intercepts.offset)
        for i in range(n):
            w[i] -= rate * steps[i]
        for j in range(weights.columns):
            b[j] -= rate * steps[n + j]
        steps = offset(steps, place[0] * place[1])
    for k in range(2 * n_matrices, table.n_arrays):
        adamw_step(at(arrays, k), theta, gradient, state, table.stride, lr_of_adamw, step, 0.0)


@kernel(UPDATE)
def _kfac(theta, gradient, state, layout, scratch, lr, step, parameters, l1):
    p = _parameters(parameters)
    is_due = (step - 1) % np.int64(p.every) == 0
    # Twice the change of the predictive distribution that the quadratic model expects.
    change = lr * lr * _natural_gradients(gradient, state, layout, scratch, p, is_due)
    clipped = lr * math.sqrt(p.kl_clip / change) if change > p.kl_clip else lr
    lr_of_adamw = _SHARE_OF_ADAMW * lr
    _descend(
        theta, gradient, state, layout, scratch, clipped, lr_of_adamw, step, np.int64(p.max_side)
    )
    threshold_weights(theta, layout, lr * l1)


class KFAC(FirstOrder):
    r"""The natural gradient, by a Kronecker product for each layer: K-FAC.

    For each layer, with the inputs :math:`a`, to which a 1 is appended for the intercepts, the
    derivatives :math:`\delta` of the loss by :math:`a W`, weights and intercepts :math:`W` in one
    matrix, and its gradient :math:`G`:

    .. math::

        A \leftarrow \rho A + (1 - \rho)\, \mathrm{E}[a a^\top], \quad
        D \leftarrow \rho D + (1 - \rho)\, \mathrm{E}[\delta \delta^\top], \quad
        \rho = \min(1 - 1/t, \text{decay}),

    .. math::

        S = \Big(A + \pi \sqrt\lambda I\Big)^{-1} G
        \Big(D + \tfrac{\sqrt\lambda}{\pi} I\Big)^{-1}, \quad
        \pi^2 = \frac{\mathrm{tr}(A) / n_A}{\mathrm{tr}(D) / n_D},

    .. math::

        W \leftarrow W - \eta \min\Big(1,
        \sqrt{\frac{\kappa}{\eta^2 \sum \langle G, S \rangle}}\Big) S

    with the damping :math:`\lambda`, the bound :math:`\kappa` on the change of what is predicted
    (``kl_clip``), and the sum over all layers. The mean E is the batch's, weighted by the sample
    weights; dropout's masks and noise are those of the step.

    The scales and shifts of a normalization, and layers of more than ``max_side`` units or of
    ``max_side`` inputs or more, are trained by `AdamW` without weight decay, with a tenth of the
    learning rate.

    An L1 penalty's threshold is the plain learning rate times the penalty, since the step has
    no scale for a single weight.

    Parameters
    ----------
    damping : float, default=1e-3
        The :math:`\lambda` above, at least 0. With 0, a factor that is singular gets the least
        ridge with which it has an inverse.
    decay : float, default=0.95
        The largest share of the former average, from 0 to 1.
    every : int, default=10
        Number of steps after which the inverses are renewed.
    kl_clip : float or None, default=1e-3
        The bound :math:`\kappa`; None means no bound.
    max_side : int, default=2048
        Largest size of a factor: there are two of them a layer, each with its inverse.
    fisher : {"sampled", "empirical", "exact"}, default="sampled"
        Whose derivatives :math:`\delta` are. "sampled": those of targets that are drawn from the
        distribution which the network predicts, one a sample. It needs a loss with one: log loss,
        the squared error of regression, Poisson, gamma or Gaussian likelihood. "empirical": those
        of the true targets, for every loss, at the price of steps that are less like Newton's.
        "exact": the mean over that distribution, or rather the curvature of the loss, carried
        down once an output.

    References
    ----------
    J. Martens, R. Grosse. "Optimizing neural networks with Kronecker-factored approximate
    curvature". ICML 2015, :arxiv:`1503.05671`. The block-diagonal form, without its momentum and
    its adaptive damping; the bound is that of J. Ba et al., "Distributed second-order
    optimization using Kronecker-factored approximations", ICLR 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import KFAC
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=KFAC(every=1), learning_rate_init=0.1, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _rule = WholeStep(_kfac, n_slots=2)
    mean_of_states_is_state = False  # that of inverses is not the inverse of a mean
    _parameter_constraints = {
        "damping": NON_NEGATIVE,
        "decay": FRACTION,
        "every": AT_LEAST_ONE,
        "kl_clip": [Interval(Real, 0, None, closed="neither"), None],
        "max_side": AT_LEAST_ONE,
        "fisher": [StrOptions({"sampled", "empirical", "exact"})],
    }
    default_learning_rate = 1e-2

    def __init__(
        self, damping=1e-3, decay=0.95, every=10, kl_clip=1e-3, max_side=2048, fisher="sampled"
    ):
        self.damping = damping
        self.decay = decay
        self.every = every
        self.kl_clip = kl_clip
        self.max_side = max_side
        self.fisher = fisher

    @property
    def draws(self):
        return self.fisher == "sampled"

    def kernel_parameters(self):
        kl_clip = math.inf if self.kl_clip is None else self.kl_clip
        numbers = self.damping, self.decay, self.every, kl_clip, self.max_side
        return np.array(numbers, np.float64)

    def check(self, problem):
        form, loss = problem.form, type(problem.loss).__name__
        if self.fisher == "sampled" and form.distribution is None:
            raise ValueError(
                "KFAC(fisher='sampled') draws targets from the distribution that the network "
                f"predicts, but with the loss {loss} it predicts none. Choose "
                "KFAC(fisher='empirical'), which every loss has."
            )
        if self.fisher == "exact" and form.hessian_product is None:
            raise ValueError(
                f"KFAC(fisher='exact') needs the loss's curvature, but the loss {loss} has none. "
                "Choose KFAC(fisher='empirical'), which every loss has."
            )

    def _sides(self, layout):
        """Return the sizes of both factors of each layer that is trained; 0 where it has none."""
        sides = [(rows + 1, columns) for rows, columns in layout.trained_shapes]
        return [pair if max(pair) <= self.max_side else (0, 0) for pair in sides]

    def initial_state(self, layout, theta):
        slots = super().initial_state(layout, theta).size
        factors = sum(2 * (m * m + n * n) for m, n in self._sides(layout))
        return aligned_zeros(slots + factors, theta.dtype)

    def factors(self, layout, state):
        """View both factors, of inputs and outputs, of each layer that is trained.

        They are empty where the layer has none.
        """
        _, rest = self.slots(layout, state)
        pairs = []
        for m, n in self._sides(layout):
            by_inputs, by_outputs, rest = np.split(rest, [m * m, m * m + n * n])
            pairs.append((by_inputs.reshape(m, m), by_outputs.reshape(n, n)))
            rest = rest[m * m + n * n :]
        return pairs

    def scratch_size(self, layout):
        sizes = [m * n for m, n in self._sides(layout)]
        return sum(sizes) + 2 * max(sizes, default=0)

    def largest_product(self, layout, rows):
        products = [float(max(m, n)) ** 2 * max(m, n, rows) for m, n in self._sides(layout)]
        return max([LEAST_OF_LAPACK, *products])
