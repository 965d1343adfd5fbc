"""The compiled loop over the mini-batches of an epoch, and the stages of its steps."""

import math

import numpy as np

from .._compiler.declarations import (
    Call,
    at,
    doubles,
    flush_subnormals,
    inline,
    int64s,
    kernel,
    pointers_to,
    real,
    reals,
    restore_control,
    struct,
)
from .._network.mixture import draw_mixture, mixtures
from .._network.passes import BATCH_GRADIENT, sample_row
from .._network.random_stream import INPUT_NOISE, stream_key
from ..optimizers.base import call_update
from .penalties import bound_columns, start_gradient

RUN = struct(
    "run",
    n_rows=np.int64,  # of an epoch
    batch_size=np.int64,
    start=np.int64,  # of the mini-batch that the step is for, in the epoch's order
    rows=np.int64,
    theta=np.int64,
    gradient=np.int64,
    n_parameters=np.int64,
    n_weights=np.int64,
    layout=np.int64,  # what optimizers read
    stages=np.int64,  # addresses of kernels, in this order:
    n_before=np.int64,  # before the gradient is computed,
    n_between=np.int64,  # between it and the optimizer's update,
    n_after=np.int64,  # after that
    observe=np.int64,  # a kernel after each block's backward pass; 0: none
    observation=np.int64,  # what it reads
    clips=np.int64,  # whether a stage has measured the gradient's norm
    state=np.int64,
    scratch=np.int64,
    update=np.int64,  # kernel and parameters of the optimizer
    parameters=np.int64,
    batch_gradient=np.int64,  # the kernel
    step=np.int64,  # steps done
    max_rows=np.int64,  # of a block: batches come in one or several
    seed=np.int64,  # of all random streams
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
    share=np.float64,  # of the newest parameters in it
)

TRAIN = """void (input *source, layer *layers, int64 n_layers, loss *loss, run *run,
double *learning_rates, double *shares, int64 first, int64 last)"""
OBSERVE = """void (input *source, layer *layers, int64 n_layers, loss *loss, run *run,
int64 start, int64 rows, double scale)"""
STAGE = "void (input *source, layer *layers, int64 n_layers, run *run)"

layouts = pointers_to("layout")
call_batch_gradient = Call(BATCH_GRADIENT)
call_observe = Call(OBSERVE)
call_stage = Call(STAGE)


@inline
def _sum_of_weights(terms, start, rows):
    if terms.sample_weight == 0:
        return float(rows)
    total = 0.0
    for i in range(start, start + rows):
        total += reals(terms.sample_weight)[sample_row(terms, i)]
    return total


@inline
def _run_stages(first, last, source, layers, n_layers, run):
    stages = int64s(at(run, 0).stages)
    for i in range(first, last):
        call_stage(stages[i], source, layers, n_layers, run)


@inline
def _batch_loss(source, layers, n_layers, loss, run, start, rows, weight):
    """Return the sum of weight times loss over a batch; add its gradient, block by block."""
    epoch, total = at(run, 0), 0.0
    # Counted one by one, since a range whose step is known only at run time would need numba's
    # runtime.
    for part in range(-(-rows // epoch.max_rows)):
        block = start + part * epoch.max_rows
        left = start + rows - block
        block_rows = epoch.max_rows if epoch.max_rows < left else left
        total += call_batch_gradient(
            epoch.batch_gradient, source, layers, n_layers, loss, block, block_rows, 1.0 / weight,
            1.0,
        )  # fmt: skip
        if epoch.observe != 0:
            call_observe(
                epoch.observe, source, layers, n_layers, loss, run, block, block_rows, 1.0 / weight
            )
    return total


@kernel(TRAIN)
def train_batches(source, layers, n_layers, loss, run, learning_rates, shares, first, last):
    """Take one step for each of the batches ``first`` to ``last - 1`` of an epoch.

    ``shares`` holds the share of the new parameters in their average, after each batch.
    """
    terms, epoch = at(loss, 0), at(run, 0)
    theta, gradient = reals(epoch.theta), reals(epoch.gradient)
    n_parameters, n_weights = epoch.n_parameters, epoch.n_weights
    before, between = epoch.n_before, epoch.n_before + epoch.n_between
    after = between + epoch.n_after
    # Averages of gradients that have become 0 fade into subnormal numbers, with which
    # processors are many times slower.
    control = flush_subnormals()
    for batch in range(first, last):
        start = batch * epoch.batch_size
        left = epoch.n_rows - start
        rows = epoch.batch_size if epoch.batch_size < left else left
        weight = _sum_of_weights(terms, start, rows)
        if weight > 0.0:  # else there is nothing to learn from these rows
            epoch.start, epoch.rows = start, rows
            _run_stages(0, before, source, layers, n_layers, run)
            l1 = epoch.alpha * epoch.l1_ratio / weight
            l2 = epoch.alpha * (1.0 - epoch.l1_ratio) / weight
            # The gradient starts as the penalty's, to which the loss's is added below: this
            # saves a pass over the vectors.
            penalty = start_gradient(theta, gradient, n_parameters, n_weights, l1, l2)
            total = _batch_loss(source, layers, n_layers, loss, run, start, rows, weight)
            epoch.loss += (total / weight + penalty) * rows
            epoch.rows_seen += rows
            _run_stages(before, between, source, layers, n_layers, run)
            epoch.step += 1
            call_update(
                epoch.update, theta, gradient, reals(epoch.state), layouts(epoch.layout),
                reals(epoch.scratch), learning_rates[batch - first], epoch.step,
                doubles(epoch.parameters), l1,
            )  # fmt: skip
        epoch.share = shares[batch - first]
        _run_stages(between, after, source, layers, n_layers, run)
    if epoch.clips == 0:
        epoch.gradient_norm = _norm(gradient, n_parameters)
    restore_control(control)


@kernel(STAGE)
def update_average(source, layers, n_layers, run):
    """Move the average of the parameters towards the newest ones."""
    epoch = at(run, 0)
    if epoch.share > 0.0:
        theta, average, share = reals(epoch.theta), reals(epoch.average), real(epoch.share)
        for i in range(epoch.n_parameters):
            average[i] += share * (theta[i] - average[i])


@kernel(STAGE)
def renew_streams(source, layers, n_layers, run):
    """Give noise and the masks of dropout new keys for this step."""
    x, epoch = at(source, 0), at(run, 0)
    if x.noise > 0.0:
        x.noise_key = stream_key(epoch.seed, epoch.step, INPUT_NOISE)
    if x.dropout > 0.0:
        x.mask_key = stream_key(epoch.seed, epoch.step, 0)
    for i in range(n_layers):
        layer = at(layers, i)
        if layer.dropout > 0.0:
            layer.mask_key = stream_key(epoch.seed, epoch.step, i + 1)


@kernel(STAGE)
def mix(source, layers, n_layers, run):
    """Draw how the rows of this step are mixed."""
    mixture, epoch = at(mixtures(at(source, 0).mixture), 0), at(run, 0)
    draw_mixture(mixture, epoch.seed, epoch.step, epoch.start, epoch.rows)


@kernel(STAGE)
def clip(source, layers, n_layers, run):
    """Bound the gradient's elements and then its norm; note the norm that it had before."""
    epoch = at(run, 0)
    gradient, n = reals(epoch.gradient), epoch.n_parameters
    epoch.gradient_norm = _norm(gradient, n)
    if epoch.clip_value < math.inf:
        bound = real(epoch.clip_value)
        for i in range(n):
            g = gradient[i]  # comparisons with NaN are false, so NaN stays NaN
            gradient[i] = bound if g > bound else (-bound if g < -bound else g)
    if epoch.clip_norm < math.inf:
        length = _norm(gradient, n)
        if length > epoch.clip_norm:
            factor = real(epoch.clip_norm / length)
            for i in range(n):
                gradient[i] *= factor


@kernel(STAGE)
def constrain(source, layers, n_layers, run):
    """Scale down the units whose incoming weights have a norm above the bound."""
    epoch = at(run, 0)
    for i in range(n_layers):
        layer = at(layers, i)
        if layer.weights_gradient == 0:
            continue  # it is frozen
        bound_columns(
            reals(layer.weights),
            layer.fan_in,
            layer.fan_out,
            epoch.max_norm,
            doubles(epoch.columns),
        )


@inline
def _norm(vector, n):
    squares = 0.0  # of float64: squares of large gradients would overflow float32
    for i in range(n):
        squares += np.float64(vector[i]) * np.float64(vector[i])
    return math.sqrt(squares)
