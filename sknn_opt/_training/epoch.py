"""The compiled loop over the mini-batches of an epoch, and the stages of its steps."""

import math

import numpy as np

from .._compiler.declarations import (
    Call,
    doubles,
    flush_subnormals,
    inline,
    kernel,
    pointers_to,
    real,
    reals,
    record,
    restore_control,
    struct,
)
from .._network.dropout import mask_key
from .._network.passes import BATCH_GRADIENT, sample_row
from ..optimizers.base import call_update
from .penalties import bound_columns, start_gradient

RUN = struct(
    "run",
    n_rows=np.int64,  # of an epoch
    batch_size=np.int64,
    theta=np.int64,
    gradient=np.int64,
    n_parameters=np.int64,
    n_weights=np.int64,
    layout=np.int64,  # what optimizers read
    renew_masks=np.int64,  # kernels; 0: not needed
    clip=np.int64,
    constrain=np.int64,
    update_average=np.int64,
    state=np.int64,
    scratch=np.int64,
    update=np.int64,  # kernel and parameters of the optimizer
    parameters=np.int64,
    batch_gradient=np.int64,  # the kernel
    step=np.int64,  # steps done
    max_rows=np.int64,  # of a block: batches come in one or several
    seed=np.int64,  # of dropout
    columns=np.int64,  # address of a buffer for the units' norms
    alpha=np.float64,  # the penalty
    l1_ratio=np.float64,
    clip_value=np.float64,  # bounds; inf: none
    clip_norm=np.float64,
    max_norm=np.float64,
    loss=np.float64,  # sum over this epoch's rows so far
    rows_seen=np.float64,
    gradient_norm=np.float64,  # of the last step, of data loss and penalty
    average=np.int64,  # of the parameters over the steps; 0: none
)

TRAIN = """void (input *source, layer *layers, int64 n_layers, objective *target, run *state,
double *learning_rates, double *shares, int64 first, int64 last)"""
RENEW_MASKS = "void (input *source, layer *layers, int64 n_layers, run *state)"
CLIP = "double (run *state)"
CONSTRAIN = "void (layer *layers, int64 n_layers, run *state)"
AVERAGE = "void (run *state, double share)"

layouts = pointers_to("layout")
call_batch_gradient = Call(BATCH_GRADIENT)
call_renew_masks = Call(RENEW_MASKS)
call_clip = Call(CLIP)
call_constrain = Call(CONSTRAIN)
call_average = Call(AVERAGE)


@inline
def _sum_of_weights(objective, start, rows):
    if objective.sample_weight == 0:
        return float(rows)
    total = 0.0
    for i in range(start, start + rows):
        total += reals(objective.sample_weight)[sample_row(objective, i)]
    return total


@kernel(TRAIN)
def train_batches(source, layers, n_layers, target, state, learning_rates, shares, first, last):
    """Take one step for each of the batches ``first`` to ``last - 1`` of an epoch.

    ``shares`` is what the new parameters' part in the average is, after each batch.
    """
    objective, run = record(target, 0), record(state, 0)
    theta, gradient = reals(run.theta), reals(run.gradient)
    layout = layouts(run.layout)
    n_parameters, n_weights = run.n_parameters, run.n_weights
    control = flush_subnormals()
    for batch in range(first, last):
        start = batch * run.batch_size
        left = run.n_rows - start
        rows = run.batch_size if run.batch_size < left else left
        weight = _sum_of_weights(objective, start, rows)
        if weight == 0.0:
            # There is nothing to learn from these rows.
            if run.update_average != 0:
                call_average(run.update_average, state, shares[batch - first])
            continue
        if run.renew_masks != 0:
            call_renew_masks(run.renew_masks, source, layers, n_layers, state)
        l1 = run.alpha * run.l1_ratio / weight
        l2 = run.alpha * (1.0 - run.l1_ratio) / weight
        # The loss's share is added to it, which saves a pass over the vectors.
        penalty = start_gradient(theta, gradient, n_parameters, n_weights, l1, l2)
        loss = 0.0
        # Counted by 1: a step known only at run time brings in numba's runtime.
        for part in range(-(-rows // run.max_rows)):
            block = start + part * run.max_rows
            left = start + rows - block
            loss += call_batch_gradient(
                run.batch_gradient, source, layers, n_layers, target, block,
                run.max_rows if run.max_rows < left else left, 1.0 / weight, 1.0,
            )  # fmt: skip
        run.loss += (loss / weight + penalty) * rows
        run.rows_seen += rows
        if run.clip != 0:
            run.gradient_norm = call_clip(run.clip, state)
        run.step += 1
        lr = learning_rates[batch - first]
        call_update(
            run.update, theta, gradient, reals(run.state), layout, reals(run.scratch), lr,
            run.step, doubles(run.parameters), l1,
        )  # fmt: skip
        if run.constrain != 0:
            call_constrain(run.constrain, layers, n_layers, state)
        if run.update_average != 0:
            call_average(run.update_average, state, shares[batch - first])

    if run.clip == 0:
        run.gradient_norm = _norm(gradient, n_parameters)
    restore_control(control)


@kernel(AVERAGE)
def update_average(state, share):
    """Move the average of the parameters towards the newest ones."""
    run = record(state, 0)
    if share > 0.0:
        theta, average = reals(run.theta), reals(run.average)
        for i in range(run.n_parameters):
            average[i] += real(share) * (theta[i] - average[i])


@kernel(RENEW_MASKS)
def renew_masks(source, layers, n_layers, state):
    x, run = record(source, 0), record(state, 0)
    if x.dropout > 0.0:
        x.mask_key = mask_key(run.seed, run.step, 0)
    for i in range(n_layers):
        layer = record(layers, i)
        if layer.dropout > 0.0:
            layer.mask_key = mask_key(run.seed, run.step, i + 1)


@kernel(CLIP)
def clip(state):
    """Bound elements, then the norm of what is left; return the norm before."""
    run = record(state, 0)
    gradient, n = reals(run.gradient), run.n_parameters
    before = _norm(gradient, n)
    if run.clip_value < math.inf:
        bound = real(run.clip_value)
        for i in range(n):
            g = gradient[i]  # compared so that NaN stays NaN
            gradient[i] = bound if g > bound else (-bound if g < -bound else g)
    if run.clip_norm < math.inf:
        length = _norm(gradient, n)
        if length > run.clip_norm:
            factor = real(run.clip_norm / length)
            for i in range(n):
                gradient[i] *= factor
    return before


@kernel(CONSTRAIN)
def constrain(layers, n_layers, state):
    """After a step: the bound on the norm of each unit's incoming weights."""
    run = record(state, 0)
    for i in range(n_layers):
        layer = record(layers, i)
        bound_columns(
            reals(layer.weights), layer.fan_in, layer.fan_out, run.max_norm, doubles(run.columns)
        )


@inline
def _norm(vector, n):
    squares = 0.0
    for i in range(n):
        squares += np.float64(vector[i]) * np.float64(vector[i])
    return math.sqrt(squares)
