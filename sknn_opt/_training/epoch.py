"""The compiled loop over the mini-batches of an epoch, and the stages of its steps."""

import math

import numpy as np

from .._compiler.declarations import (
    Call,
    at,
    doubles,
    flush_subnormals,
    inline,
    kernel,
    pointers_to,
    real,
    reals,
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

TRAIN = """void (input *source, layer *layers, int64 n_layers, loss *loss, run *run,
double *learning_rates, double *shares, int64 first, int64 last)"""
RENEW_MASKS = "void (input *source, layer *layers, int64 n_layers, run *run)"
CLIP = "double (run *run)"
CONSTRAIN = "void (layer *layers, int64 n_layers, run *run)"
AVERAGE = "void (run *run, double share)"

layouts = pointers_to("layout")
call_batch_gradient = Call(BATCH_GRADIENT)
call_renew_masks = Call(RENEW_MASKS)
call_clip = Call(CLIP)
call_constrain = Call(CONSTRAIN)
call_average = Call(AVERAGE)


@inline
def _sum_of_weights(terms, start, rows):
    if terms.sample_weight == 0:
        return float(rows)
    total = 0.0
    for i in range(start, start + rows):
        total += reals(terms.sample_weight)[sample_row(terms, i)]
    return total


@kernel(TRAIN)
def train_batches(source, layers, n_layers, loss, run, learning_rates, shares, first, last):
    """Take one step for each of the batches ``first`` to ``last - 1`` of an epoch.

    ``shares`` is what the new parameters' part in the average is, after each batch.
    """
    terms, epoch = at(loss, 0), at(run, 0)
    theta, gradient = reals(epoch.theta), reals(epoch.gradient)
    layout = layouts(epoch.layout)
    n_parameters, n_weights = epoch.n_parameters, epoch.n_weights
    control = flush_subnormals()
    for batch in range(first, last):
        start = batch * epoch.batch_size
        left = epoch.n_rows - start
        rows = epoch.batch_size if epoch.batch_size < left else left
        weight = _sum_of_weights(terms, start, rows)
        if weight == 0.0:
            # There is nothing to learn from these rows.
            if epoch.update_average != 0:
                call_average(epoch.update_average, run, shares[batch - first])
            continue
        if epoch.renew_masks != 0:
            call_renew_masks(epoch.renew_masks, source, layers, n_layers, run)
        l1 = epoch.alpha * epoch.l1_ratio / weight
        l2 = epoch.alpha * (1.0 - epoch.l1_ratio) / weight
        # The loss's share is added to it, which saves a pass over the vectors.
        penalty = start_gradient(theta, gradient, n_parameters, n_weights, l1, l2)
        total = 0.0
        # Counted by 1: a step known only at run time brings in numba's runtime.
        for part in range(-(-rows // epoch.max_rows)):
            block = start + part * epoch.max_rows
            left = start + rows - block
            total += call_batch_gradient(
                epoch.batch_gradient, source, layers, n_layers, loss, block,
                epoch.max_rows if epoch.max_rows < left else left, 1.0 / weight, 1.0,
            )  # fmt: skip
        epoch.loss += (total / weight + penalty) * rows
        epoch.rows_seen += rows
        if epoch.clip != 0:
            epoch.gradient_norm = call_clip(epoch.clip, run)
        epoch.step += 1
        lr = learning_rates[batch - first]
        call_update(
            epoch.update, theta, gradient, reals(epoch.state), layout, reals(epoch.scratch), lr,
            epoch.step, doubles(epoch.parameters), l1,
        )  # fmt: skip
        if epoch.constrain != 0:
            call_constrain(epoch.constrain, layers, n_layers, run)
        if epoch.update_average != 0:
            call_average(epoch.update_average, run, shares[batch - first])

    if epoch.clip == 0:
        epoch.gradient_norm = _norm(gradient, n_parameters)
    restore_control(control)


@kernel(AVERAGE)
def update_average(run, share):
    """Move the average of the parameters towards the newest ones."""
    epoch = at(run, 0)
    if share > 0.0:
        theta, average = reals(epoch.theta), reals(epoch.average)
        for i in range(epoch.n_parameters):
            average[i] += real(share) * (theta[i] - average[i])


@kernel(RENEW_MASKS)
def renew_masks(source, layers, n_layers, run):
    x, epoch = at(source, 0), at(run, 0)
    if x.dropout > 0.0:
        x.mask_key = mask_key(epoch.seed, epoch.step, 0)
    for i in range(n_layers):
        layer = at(layers, i)
        if layer.dropout > 0.0:
            layer.mask_key = mask_key(epoch.seed, epoch.step, i + 1)


@kernel(CLIP)
def clip(run):
    """Bound elements, then the norm of what is left; return the norm before."""
    epoch = at(run, 0)
    gradient, n = reals(epoch.gradient), epoch.n_parameters
    before = _norm(gradient, n)
    if epoch.clip_value < math.inf:
        bound = real(epoch.clip_value)
        for i in range(n):
            g = gradient[i]  # compared so that NaN stays NaN
            gradient[i] = bound if g > bound else (-bound if g < -bound else g)
    if epoch.clip_norm < math.inf:
        length = _norm(gradient, n)
        if length > epoch.clip_norm:
            factor = real(epoch.clip_norm / length)
            for i in range(n):
                gradient[i] *= factor
    return before


@kernel(CONSTRAIN)
def constrain(layers, n_layers, run):
    """After a step: the bound on the norm of each unit's incoming weights."""
    epoch = at(run, 0)
    for i in range(n_layers):
        layer = at(layers, i)
        bound_columns(
            reals(layer.weights),
            layer.fan_in,
            layer.fan_out,
            epoch.max_norm,
            doubles(epoch.columns),
        )


@inline
def _norm(vector, n):
    squares = 0.0
    for i in range(n):
        squares += np.float64(vector[i]) * np.float64(vector[i])
    return math.sqrt(squares)
