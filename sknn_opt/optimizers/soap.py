"""SOAP: Adam in the eigenbasis of Shampoo's preconditioners."""

import math

import numpy as np

from .._compiler.declarations import at, inline, kernel, named_doubles, offset, real
from .._compiler.linear_algebra import gemm, lapack
from .._compiler.memory import aligned_copy
from .._components import AT_LEAST_ONE, DECAY, NON_NEGATIVE
from .base import (
    LEAST_OF_LAPACK,
    UPDATE,
    FirstOrder,
    WholeStep,
    arrays_at,
    blend,
    both,
    threshold_weights,
)

_WITH_VECTORS, _LOWER = ord("V"), ord("L")
_syev = lapack("syev")
_geqrf = lapack("geqrf")
_orgqr = lapack("orgqr")

#: Elements of LAPACK's workspace for each row: its blocks have 32 columns.
_WORK = 34

_parameters = named_doubles("beta_1", "beta_2", "every", "max_side", "weight_decay")


@inline
def _find_sides(array, max_side, factors):
    """Return an array's sides, those with a basis, and where their factors and bases are.

    A basis holds its vectors in rows; the length of a side without one counts as 0.
    """
    rows, columns = array.rows, array.columns
    is_matrix = array.decays != 0
    left = rows if is_matrix and 1 < rows <= max_side else 0
    right = columns if is_matrix and 1 < columns <= max_side else 0
    left_basis = offset(factors, left * left)
    right_factor = offset(left_basis, left * left)
    right_basis = offset(right_factor, right * right)
    return rows, columns, left, right, factors, left_basis, right_factor, right_basis


@inline
def _turn(x, free, spare, sides, back):
    """Turn a matrix into the bases, or ``back``; return where it is: in x or in a buffer."""
    rows, columns, left, right, _, left_basis, _, right_basis = sides
    if left > 0:
        gemm(back, 0, rows, columns, rows, real(1), left_basis, rows,
             x, columns, real(0), free, columns)  # fmt: skip
        x, free = free, spare
    if right > 0:
        gemm(0, 1 - back, rows, columns, columns, real(1), x, columns,
             right_basis, columns, real(0), free, columns)  # fmt: skip
        x = free
    return x


@inline
def _step(w, g, m, v, buffers, sides, keep, rate, root, beta_1, beta_2):
    """Take Adam's step in the bases."""
    size = sides[0] * sides[1]
    u, free, spare = buffers, offset(buffers, size), offset(buffers, 2 * size)
    g = _turn(g, free, spare, sides, 0)
    epsilon = real(1e-8 * root)
    for i in range(size):
        m[i], v[i] = blend(m[i], g[i], beta_1), blend(v[i], g[i] * g[i], beta_2)
        u[i] = rate * m[i] / (math.sqrt(v[i]) + epsilon)
    u = _turn(u, free, spare, sides, 1)
    for i in range(size):
        w[i] = keep * w[i] - u[i]


@inline
def _update_factors(g, sides, beta):
    """Move the averages of G Gᵀ and Gᵀ G."""
    rows, columns, left, right, left_factor, _, right_factor, _ = sides
    if left > 0:
        gemm(0, 1, rows, rows, columns, beta[1], g, columns,
             g, columns, beta[0], left_factor, rows)  # fmt: skip
    if right > 0:
        gemm(1, 0, columns, columns, rows, beta[1], g, columns,
             g, columns, beta[0], right_factor, columns)  # fmt: skip


@inline
def _is_finite(matrix, side):
    """Whether a factor is finite, which it is if its trace is."""
    total = 0.0
    for i in range(side):
        total += np.float64(matrix[i * side + i])
    return total < math.inf


@inline
def _renew_basis(factor, basis, side, work, is_first):
    """Find the eigenvectors, those of the largest eigenvalues first, or come nearer to them."""
    n, length = side * side, _WORK * side
    tau, space = offset(work, n), offset(work, n + side)
    if is_first:
        for i in range(n):
            basis[i] = -factor[i]  # LAPACK has the smallest eigenvalues first
        _syev(_WITH_VECTORS, _LOWER, side, basis, side, tau, space, length, 0)
    else:
        # A power iteration for all of them at once, by a QR decomposition. By columns, as LAPACK
        # reads it, a basis has its vectors in columns.
        gemm(0, 0, side, side, side, real(1), basis, side, factor, side, real(0), work, side)
        for i in range(n):
            basis[i] = work[i]
        _geqrf(side, side, basis, side, tau, space, length, 0)
        _orgqr(side, side, side, basis, side, tau, space, length, 0)


@inline
def _renew_bases(m, buffers, sides, is_first):
    """Renew the bases of an array, and turn the average of its gradients into them."""
    rows, columns, left, right, left_factor, left_basis, right_factor, right_basis = sides
    size = rows * columns
    average, free, spare = buffers, offset(buffers, size), offset(buffers, 2 * size)
    work = offset(buffers, 3 * size)
    turned = _turn(m, free, spare, sides, 1)
    for i in range(size):
        average[i] = turned[i]
    # With a NaN in it, LAPACK may not come to an end.
    if left > 0 and _is_finite(left_factor, left):
        _renew_basis(left_factor, left_basis, left, work, is_first)
    if right > 0 and _is_finite(right_factor, right):
        _renew_basis(right_factor, right_basis, right, work, is_first)
    turned = _turn(average, free, spare, sides, 0)
    for i in range(size):
        m[i] = turned[i]


@kernel(UPDATE)
def _soap(theta, gradient, state, layout, scratch, lr, step, parameters, l1):
    table, p = at(layout, 0), _parameters(parameters)
    beta_1, beta_2 = both(p.beta_1), both(p.beta_2)
    root = math.sqrt(1.0 - p.beta_2 ** float(step))
    unbiased = root / (1.0 - p.beta_1 ** float(step))
    is_due = (step - 1) % np.int64(p.every) == 0
    factors = offset(state, 2 * table.stride)
    for k in range(table.n_arrays):
        array = at(arrays_at(table.arrays), k)
        first = array.offset
        sides = _find_sides(array, np.int64(p.max_side), factors)
        factors = offset(factors, 2 * (sides[2] * sides[2] + sides[3] * sides[3]))
        rate = lr * array.rate
        keep = real(1.0 - rate * p.weight_decay * array.decays)
        g, m = offset(gradient, first), offset(state, first)
        v = offset(state, table.stride + first)
        _step(
            offset(theta, first), g, m, v, scratch, sides, keep, real(rate * unbiased), root,
            beta_1, beta_2,
        )  # fmt: skip
        # Only now, so that no gradient is turned into a basis that was made of it.
        _update_factors(g, sides, beta_2)
        if is_due:
            _renew_bases(m, scratch, sides, step == 1)
    threshold_weights(theta, layout, lr * l1)


class SOAP(FirstOrder):
    r"""Adam in the eigenbasis of Shampoo's preconditioners.

    For a weight matrix :math:`W` of ``fan_in`` rows and ``fan_out`` columns, with gradient
    :math:`G` and the matrices :math:`Q_L, Q_R`, whose columns are the eigenvectors of two
    averages:

    .. math::

        G' = Q_L^\top G\, Q_R, \quad
        M \leftarrow \beta_1 M + (1 - \beta_1) G, \quad
        V \leftarrow \beta_2 V + (1 - \beta_2) G' \odot G',

    .. math::

        W \leftarrow W - \eta\, Q_L
        \frac{\hat M'}{\sqrt{\hat V} + \epsilon} Q_R^\top, \quad M' = Q_L^\top M Q_R,

    .. math::

        L \leftarrow \beta_2 L + (1 - \beta_2) G G^\top, \quad
        R \leftarrow \beta_2 R + (1 - \beta_2) G^\top G,

    where hats correct the bias as in `AdamW`, and :math:`\epsilon` is 1e-8. The bases start as
    the identity. After the first step they are the eigenvectors of :math:`L` and :math:`R`, and
    after each ``every`` steps they come nearer to those by a power iteration,
    :math:`Q_L \leftarrow \mathrm{qr}(L Q_L)`.

    Intercepts, and the scales and shifts of a normalization, take Adam's step. So does
    a side of a matrix that is longer than ``max_side``: its basis is the identity.

    An L1 penalty's threshold is the plain learning rate times the penalty, since the step has
    no scale for a single weight.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.95, 0.95
        Decay of the averages of the gradient, and of its square and the two factors.
    every : int, default=10
        Number of steps after which the bases are renewed.
    max_side : int, default=2048
        Longest side of a weight matrix that has a basis: a basis and its factor are two
        matrices of this size.
    weight_decay : float, default=0
        Decoupled from the gradient, as in `AdamW`; the authors' code has 0.01.

    References
    ----------
    N. Vyas et al. "SOAP: Improving and stabilizing Shampoo using Adam". ICLR 2025,
    :arxiv:`2409.11321`. The first gradient finds the bases after a step of Adam; in the
    authors' code it takes no step.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import SOAP
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=SOAP(every=5), learning_rate_init=0.02, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _rule = WholeStep(_soap, n_slots=2)
    mean_of_states_is_state = False  # that of two bases is none
    _parameter_constraints = {
        "beta_1": DECAY,
        "beta_2": DECAY,
        "every": AT_LEAST_ONE,
        "max_side": AT_LEAST_ONE,
        "weight_decay": NON_NEGATIVE,
    }
    default_learning_rate = 3e-3

    def __init__(self, beta_1=0.95, beta_2=0.95, every=10, max_side=2048, weight_decay=0):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.every = every
        self.max_side = max_side
        self.weight_decay = weight_decay

    def _sides(self, layout):
        """Return shape and sides with a basis of each weight matrix."""
        return [
            (shape, [side for side in shape if 1 < side <= self.max_side])
            for shape in layout.trained_shapes
        ]

    def initial_state(self, layout, theta):
        state = [super().initial_state(layout, theta)]
        for _, sides in self._sides(layout):
            state += [matrix.ravel() for n in sides for matrix in (np.zeros((n, n)), np.eye(n))]
        return aligned_copy(np.concatenate(state), theta.dtype)

    def scratch_size(self, layout):
        matrices = 3 * int((layout.arrays["rows"] * layout.arrays["columns"]).max(initial=0))
        longest = max((side for _, sides in self._sides(layout) for side in sides), default=0)
        return matrices + longest * (longest + 1 + _WORK)

    def largest_product(self, layout, rows):
        products = [
            float(rows) * columns * side
            for (rows, columns), sides in self._sides(layout)
            for side in sides
        ]
        return max([LEAST_OF_LAPACK, *products])
