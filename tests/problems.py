"""Small problems that several test modules work on."""

import numpy as np
from scipy import sparse

from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._network.layout import Architecture, Layout, describe
from sknn_opt._network.problem import Evaluator, Problem
from sknn_opt._training.row_blocks import RowBlocks
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.losses import REGRESSOR_LOSSES

N_ROWS, N_FEATURES, N_OUTPUTS = 7, 4, 3

#: Targets by type.
TARGETS = {
    "binary": lambda random: random.integers(2, size=(N_ROWS, 1)),
    "binary-probabilities": lambda random: random.beta(0.2, 0.2, size=(N_ROWS, 1)),
    "multiclass-probabilities": lambda random: random.dirichlet(np.full(N_OUTPUTS, 0.2), N_ROWS),
    "multiclass": lambda random: random.integers(N_OUTPUTS, size=(N_ROWS, 1)),
    "multiclass-multioutput": lambda random: random.integers([2, N_OUTPUTS], size=(N_ROWS, 2)),
    "multilabel-indicator": lambda random: random.integers(2, size=(N_ROWS, N_OUTPUTS)),
    "continuous": lambda random: random.poisson(1.5, size=(N_ROWS, N_OUTPUTS)) + 0.5,
}


def _some_missing(random):
    y = TARGETS["continuous"](random)
    y[0, 1] = y[2:4, 0] = y[5] = np.nan
    return y


TARGETS["continuous, some missing"] = _some_missing
#: Numbers of outputs by type, where it is not the same.
_N_OUTPUTS = {"binary": 1, "binary-probabilities": 1, "multiclass-multioutput": 2 + N_OUTPUTS}
#: Numbers of classes where outputs have classes of their own.
_N_CLASSES = {"multiclass-multioutput": (2, N_OUTPUTS)}


def make_layout(units, normalization=None):
    """The layout of a network whose hidden layers have the same normalization, or none."""
    return Layout(describe(units, [normalization] * (len(units) - 2)))


def make_problem(
    loss="squared_error",
    target_type="continuous",
    activation="tanh",
    hidden=(5, 2),
    is_sparse=False,
    weighted=False,
    rows=None,
    dtype="float64",
):
    """A small network and its data; return the problem and random parameters."""
    random = np.random.default_rng(7)
    X = random.normal(size=(N_ROWS, N_FEATURES)).astype(dtype)
    if is_sparse:
        X[random.random(X.shape) < 0.5] = 0
        X = sparse.csr_matrix(X)
    y = TARGETS[target_type](random).astype(dtype)
    weight = random.uniform(0.1, 2, N_ROWS).astype(dtype) if weighted else None
    loss = REGRESSOR_LOSSES[loss]() if isinstance(loss, str) else loss()
    n_outputs = _N_OUTPUTS.get(target_type, N_OUTPUTS)
    if target_type.startswith("continuous"):
        n_outputs = loss.n_outputs(N_OUTPUTS)
    layout = make_layout([N_FEATURES, *hidden, n_outputs])
    activations = [ACTIVATIONS[activation]() for _ in hidden]
    problem = Problem(
        X=X,
        y=y,
        sample_weight=weight,
        loss=loss,
        form=loss.form(target_type.removesuffix(", some missing")),
        architecture=Architecture(activations, [0.0] * len(hidden), [None] * len(hidden)),
        layout=layout,
        alpha=0.0,
        l1_ratio=0.0,
        row_indices=rows,
        n_classes=_N_CLASSES.get(target_type, ()),
    )
    return problem, random.normal(scale=0.7, size=layout.n_parameters).astype(dtype)


def loss_and_gradient(problem, theta, scale=1.0, block=N_ROWS, order=None):
    """Loss and gradient of all rows, added up over blocks of them."""
    n_rows = problem.X.shape[0] if order is None else len(order)
    blocks = RowBlocks(n_rows, Plan(block))
    loss, gradient = blocks.sum([Evaluator(problem, theta, blocks.plan, order)], scale)
    return float(loss), gradient
