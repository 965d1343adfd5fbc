"""What an optimizer is made of: the rule for one parameter, and the one loop around it.

A first-order optimizer is a rule, which reads like the paper: from a gradient and the slots
of state that belong to the same parameter it computes the step, what the step would be for a
gradient of 1 held constant, and the new slots. What all optimizers have in common is written
once, in the loop: decoupled weight decay, the step itself, the threshold of an L1 penalty and
the learning rates of the layers. An optimizer whose step depends on a whole matrix has a
kernel of its own instead.
"""

from typing import NamedTuple

import numpy as np

from .._compiler.declarations import (
    Call,
    Kernel,
    at,
    inline,
    instantiate,
    load_slots,
    named_doubles,
    offset,
    pointers_to,
    real,
    store_slots,
    struct,
)
from .._compiler.memory import aligned_zeros
from .._components import Component, Rule

ARRAY = struct(
    "array",
    offset=np.int64,  # in theta
    rows=np.int64,
    columns=np.int64,
    decays=np.int64,  # whether penalties and weight decay act on it
    rate=np.float64,  # factor of its layer's learning rate
)

LAYOUT = struct(
    "layout",
    n_parameters=np.int64,
    stride=np.int64,  # between slots of the state
    n_hidden=np.int64,  # weight matrices into hidden layers
    n_arrays=np.int64,
    arrays=np.int64,  # their address: weights into hidden layers first, then the output layer's
)

UPDATE = """void (real *theta, real *gradient, real *state, layout *layout, real *scratch,
double lr, int64 step, double *parameters, double l1)"""

#: What `FirstOrder.largest_product` is at least where LAPACK is called: it may use threads of BLAS
#: for less than products would, so their number is always set.
LEAST_OF_LAPACK = 1e6

call_update = Call(UPDATE)
arrays_at = pointers_to("array")


@inline
def both(decay):
    """Return the shares of the average and of the new value, for `blend`."""
    return real(decay), real(1.0 - decay)


@inline
def blend(average, new, shares):
    """Return an exponential moving average after a new value."""
    return shares[0] * average + shares[1] * new


@inline
def sign(x):
    """Return -1, 0 or 1; NaN stays NaN: divergence has to be noticed."""
    one = real(1) if x > real(0) else x
    return real(-1) if x < real(0) else one


@inline
def soft_threshold(w, threshold):
    """Return ``w`` moved towards 0 by ``threshold``, the proximal step of the L1 penalty."""
    magnitude = max(abs(w) - threshold, real(0))
    return magnitude if w > real(0) else -magnitude


@inline
def run_of_arrays(layout, row):
    """Find the end of a run of arrays, from ``row`` on, which are all treated alike.

    A run is one loop, however many layers it has. Returns where it ends in theta, and the row
    of the array after it.
    """
    table = at(layout, 0)
    arrays = arrays_at(table.arrays)
    first, after = at(arrays, row), row + 1
    while after < table.n_arrays:
        array = at(arrays, after)
        if array.decays != first.decays or array.rate != first.rate:
            return array.offset, after
        after += 1
    return table.n_parameters, after


# `_loop` is a template, in which `Elementwise` replaces these globals: an optimizer's rule with
# what it needs, and the threshold with or without an L1 penalty.
_rule = _constants = _advance = _parameters = _load = _store = _keep = _threshold = None
_n_slots = 0


def _loop(theta, gradient, state, layout, scratch, lr, step, parameters, l1):
    table, p, t = at(layout, 0), _parameters(parameters), float(step)
    stride, arrays = table.stride, arrays_at(table.arrays)
    scalars = offset(state, _n_slots * stride)
    _advance(lr, t, p, scalars)
    # In float64 and outside of the loop: float32 would lose digits in 1 - beta**t.
    c = _constants(lr, t, p, scalars)
    row = 0
    while row < table.n_arrays:
        array = at(arrays, row)
        first = array.offset
        last, row = run_of_arrays(layout, row)
        factor = real(array.rate)
        keep = _keep(p, lr * array.rate * array.decays)
        weight = real(l1 * array.rate * array.decays)
        for i in range(first, last):
            change, scale, slots = _rule(gradient[i], _load(offset(state, i), stride), c)
            _store(offset(state, i), stride, slots)
            theta[i] = _threshold(keep * theta[i] - factor * change, scale * weight)


@inline
def _no_threshold(w, threshold):
    return w


@inline
def _no_decay(p, rate):
    return real(1)


@inline
def _weight_decay(p, rate):
    return real(1.0 - rate * p.weight_decay)


@inline
def no_advance(lr, t, p, scalars):
    """Do nothing: most rules keep no number of their own from step to step."""


class UpdateKernels(NamedTuple):
    """What takes a step, without and with an L1 penalty."""

    plain: Kernel
    with_l1: Kernel


class Elementwise(Rule):
    """A rule for one parameter at a time.

    Parameters
    ----------
    rule : inline function
        Maps a gradient, its slots, a tuple, and constants to the step, the step for a constant
        gradient of 1 and the new slots.
    constants : inline function
        Called once a step as ``constants(lr, t, p, scalars)``, in float64: the learning rate,
        the number of the step from 1 on, the optimizer's parameters by their names, and
        numbers that `advance` keeps.
    n_slots : int
        Vectors of state of theta's length.
    advance : inline function, default=no_advance
        Called before ``constants``, with the same arguments, to change the scalars.
    n_scalars : int, default=0
    """

    def __init__(self, rule, constants, n_slots, advance=no_advance, n_scalars=0):
        self.helpers = {"_rule": rule, "_constants": constants, "_advance": advance}
        self.n_slots = n_slots
        self.n_scalars = n_scalars

    def _make_kernels(self, parameters):
        helpers = {
            **self.helpers,
            "_parameters": named_doubles(*parameters),
            "_load": load_slots(self.n_slots),
            "_store": store_slots(self.n_slots),
            "_keep": _weight_decay if "weight_decay" in parameters else _no_decay,
            "_n_slots": self.n_slots,
        }
        return UpdateKernels(
            instantiate(_loop, UPDATE, **helpers, _threshold=_no_threshold),
            instantiate(_loop, UPDATE, **helpers, _threshold=soft_threshold),
        )


class WholeStep(Rule):
    """A step that needs more than one parameter at a time: a kernel of its own.

    It applies weight decay, an L1 penalty and the factors of the layers' rates itself.
    """

    def __init__(self, kernel, n_slots, n_scalars=0):
        self._kernel = kernel
        self.n_slots = n_slots
        self.n_scalars = n_scalars

    def _make_kernels(self, parameters):
        return UpdateKernels(self._kernel, self._kernel)


@inline
def threshold_weights(theta, layout, threshold):
    """Take the L1 penalty's proximal step with the same threshold for all weights."""
    if threshold > 0.0:
        table = at(layout, 0)
        for k in range(table.n_arrays):
            array = at(arrays_at(table.arrays), k)
            if array.decays != 0:
                for i in range(array.offset, array.offset + array.rows * array.columns):
                    theta[i] = soft_threshold(theta[i], real(threshold * array.rate))


class Optimizer(Component):
    """Base of all optimizers.

    Your own optimizers derive from one of its subclasses, `FirstOrder` and `FullBatch`.
    """


class FirstOrder(Optimizer):
    """Base of the optimizers that step along one gradient of a mini-batch.

    ``_rule`` computes the step. Its state begins with the slots, ``_rule.n_slots`` vectors of
    theta's length, each padded to ``layout.stride``, and ends with ``_rule.n_scalars`` numbers.

    Decoupled weight decay multiplies the weights, and nothing but the weights, by
    ``1 - lr * weight_decay`` in each step.
    """

    _rule = None

    #: Whether a step needs the gradient of all samples.
    needs_all_samples = False

    #: Whether it predicts with an average of its iterates.
    averages_iterates = False

    #: Of which derivatives its steps need second moments, which training then observes.
    fisher = None

    #: Whether it uses random numbers.
    draws = False

    #: Whether the mean of the states of copies is a state, as that of means of gradients is.
    mean_of_states_is_state = True

    #: The learning rate that learning_rate_init="auto" stands for.
    default_learning_rate = 1e-3

    def kernels(self):
        """Return the ``UpdateKernels``."""
        return self._rule.kernels(self._kernel_parameters)

    def initial_state(self, layout, theta):
        """Return the state before the first step, a vector; see `slots`."""
        rule = self._rule
        return aligned_zeros(rule.n_slots * layout.stride + rule.n_scalars, theta.dtype)

    def slots(self, layout, state):
        """View the slots in a state, an array of shape (n_slots, stride), and its scalars."""
        end = self._rule.n_slots * layout.stride
        return state[:end].reshape(self._rule.n_slots, layout.stride), state[end:]

    def scratch_size(self, layout):
        """Number of reals that ``scratch`` holds."""
        return 0

    def largest_product(self, layout, rows):
        """Number of multiply-adds of a step's largest product, for passes of so many rows."""
        return 0.0

    def check(self, problem):
        """Raise ValueError where it cannot train the network on its loss."""

    def iterate(self, theta, state, layout):
        """Return what the steps move, and an L1 penalty sets to 0; ``theta`` but for a few."""
        return theta

    def prediction_parameters(self, theta, state, layout):
        """Return the parameters to predict with: ``theta``, for most optimizers."""
        return theta

    def training_parameters(self, theta, state, layout):
        """Undo `prediction_parameters`, to go on training."""
        return theta


class Stop(Exception):
    """Ends a minimization at the last iterate, with a warning or, without a text, not."""


class FullBatch(Optimizer):
    """Base of the optimizers that work on the loss of all samples."""

    #: Whether it minimizes within bounds, which an L1 penalty is turned into.
    _takes_bounds = False

    def largest_product(self, n_parameters):
        """Number of multiply-adds of what it computes with one matrix of all parameters."""
        return 0.0

    def check(self, problem):
        """Raise ValueError where it cannot train the network on its loss and penalty."""
        if problem.l1 > 0 and not self._takes_bounds:
            raise ValueError(
                f"{type(self).__name__} needs a smooth objective, which an L1 penalty is not: "
                "set l1_ratio to 0, or choose optimizer='lbfgs' or a first-order optimizer "
                "such as 'adam'."
            )

    def _check_size(self, problem):
        """Raise ValueError where a matrix of the parameters would be too large."""
        n_parameters = problem.layout.n_parameters
        if n_parameters > self.max_parameters:
            raise ValueError(
                f"{type(self).__name__} works on a matrix of n_parameters x n_parameters, and "
                f"the network has {n_parameters} parameters to train, more than max_parameters="
                f"{self.max_parameters}. Choose optimizer='lbfgs', which takes memory in "
                "proportion to n_parameters; fewer hidden units; or a larger max_parameters."
            )

    def minimize(self, objective, iteration, tol, max_iter):
        """Minimize an ``sknn_opt._training.objective.Objective`` from ``objective.vector()`` on.

        Parameters
        ----------
        objective : Objective
            Loss and penalty of all samples.
        iteration : callable
            To be called as ``iteration(x, loss)`` after each iteration; raises to stop.
        tol : float
            The value of every tolerance that is None.
        max_iter : int

        Returns
        -------
        result : scipy.optimize.OptimizeResult
        """
        raise NotImplementedError
