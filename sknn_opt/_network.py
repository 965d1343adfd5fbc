"""The compiled network: parameters in one vector, forward and backward pass, batches.

Kernels see structs of sizes and addresses. Nothing here depends on the depth, the
activation, the loss or the optimizer: those arrive as addresses of kernels.
"""

import math
from itertools import pairwise

import numpy as np

from ._blas import gemm
from ._inputs import call_gradient, call_multiply
from ._kernel import (
    Call,
    address,
    doubles,
    inline,
    int64s,
    kernel,
    real,
    reals,
    record,
    shift,
    struct,
)
from .activations import call_backward, call_forward
from .losses import call_evaluate
from .optimizers import call_update
from .penalties import add_penalty, soft_threshold

LAYER = struct(
    "layer",
    fan_in=np.int64,
    fan_out=np.int64,
    weights=np.int64,  # addresses of reals, up to delta
    intercepts=np.int64,
    weights_gradient=np.int64,
    intercepts_gradient=np.int64,
    z=np.int64,
    a=np.int64,
    delta=np.int64,  # derivative of the loss by z
    forward=np.int64,  # addresses of kernels; 0: the identity
    backward=np.int64,
    parameters=np.int64,  # of the activation
)

OBJECTIVE = struct(
    "objective",
    evaluate=np.int64,  # kernel and parameters of the loss
    parameters=np.int64,
    y=np.int64,  # targets and sample weights of the whole data set; weight 0: all are 1
    sample_weight=np.int64,
    n_columns=np.int64,  # of y
    order=np.int64,  # as in the input
    y_block=np.int64,  # buffers for a batch
    weight_block=np.int64,
)

RUN = struct(
    "run",
    n_rows=np.int64,  # of an epoch
    batch_size=np.int64,
    theta=np.int64,
    gradient=np.int64,
    layout=np.int64,
    state=np.int64,
    scratch=np.int64,
    update=np.int64,  # kernel and parameters of the optimizer
    parameters=np.int64,
    batch_gradient=np.int64,  # the kernel
    step=np.int64,  # steps done
    alpha=np.float64,  # the penalty
    l1_ratio=np.float64,
    loss=np.float64,  # sum over this epoch's rows so far
    rows_seen=np.float64,
    gradient_norm=np.float64,  # of the last step, of data loss and penalty
)

FORWARD_BLOCK = "void (input *source, layer *layers, int64 n_layers, int64 start, int64 rows)"
BATCH_GRADIENT = """double (input *source, layer *layers, int64 n_layers, objective *target,
int64 start, int64 rows, double scale, double beta)"""
TRAIN = """void (input *source, layer *layers, int64 n_layers, objective *target, run *state,
double *learning_rates, int64 first, int64 last)"""

call_batch_gradient = Call(BATCH_GRADIENT)


@inline
def _forward(source, layers, n_layers, start, rows):
    """Compute z and a of every layer for ``rows`` rows from ``start`` on."""
    for i in range(n_layers):
        layer = record(layers, i)
        units = layer.fan_out
        z, weights = reals(layer.z), reals(layer.weights)
        _repeat_row(reals(layer.intercepts), z, rows, units)
        if i == 0:
            call_multiply(record(source, 0).multiply, source, start, rows, weights, z, units)
        else:
            below = reals(record(layers, i - 1).a)
            gemm(0, 0, rows, units, layer.fan_in, real(1), below, layer.fan_in,
                 weights, units, real(1), z, units)  # fmt: skip
        if layer.forward != 0:
            call_forward(layer.forward, z, reals(layer.a), rows, units, doubles(layer.parameters))


@inline
def _backward(source, layers, n_layers, start, rows, beta):
    """From the last layer's delta: gradient = beta gradient + this block's share."""
    for i in range(n_layers - 1, -1, -1):
        layer = record(layers, i)
        units = layer.fan_out
        delta, gradient = reals(layer.delta), reals(layer.weights_gradient)
        _add_column_sums(delta, rows, units, reals(layer.intercepts_gradient), beta)
        if i == 0:
            call_gradient(
                record(source, 0).gradient, source, start, rows, delta, gradient, units, beta
            )
            return
        below = record(layers, i - 1)
        gemm(1, 0, layer.fan_in, units, rows, real(1), reals(below.a), layer.fan_in,
             delta, units, beta, gradient, units)  # fmt: skip
        gemm(0, 1, rows, layer.fan_in, units, real(1), delta, units,
             reals(layer.weights), units, real(0), reals(below.delta), layer.fan_in)  # fmt: skip
        if below.backward != 0:
            call_backward(
                below.backward, reals(below.z), reals(below.a), reals(below.delta), rows,
                layer.fan_in, doubles(below.parameters),
            )  # fmt: skip


@inline
def _repeat_row(row, block, rows, columns):
    for i in range(rows):
        here = shift(block, i * columns)
        for j in range(columns):
            here[j] = row[j]


@inline
def _add_column_sums(block, rows, columns, sums, beta):
    for j in range(columns):
        sums[j] = real(0) if beta == real(0) else beta * sums[j]
    for i in range(rows):
        here = shift(block, i * columns)
        for j in range(columns):
            sums[j] += here[j]


@inline
def _row(objective, i):
    return int64s(objective.order)[i] if objective.order != 0 else i


@inline
def _gather_targets(objective, start, rows):
    y, y_block = reals(objective.y), reals(objective.y_block)
    weight_block = reals(objective.weight_block)
    columns = objective.n_columns
    for i in range(rows):
        row = _row(objective, start + i)
        for j in range(columns):
            y_block[i * columns + j] = y[row * columns + j]
        weight_block[i] = (
            reals(objective.sample_weight)[row] if objective.sample_weight != 0 else real(1)
        )


@inline
def _sum_of_weights(objective, start, rows):
    if objective.sample_weight == 0:
        return float(rows)
    total = 0.0
    for i in range(start, start + rows):
        total += reals(objective.sample_weight)[_row(objective, i)]
    return total


@kernel(FORWARD_BLOCK)
def forward_block(source, layers, n_layers, start, rows):
    _forward(source, layers, n_layers, start, rows)


@kernel(BATCH_GRADIENT)
def batch_gradient(source, layers, n_layers, target, start, rows, scale, beta):
    """Sum of weight times loss; gradient = beta gradient + scale times its derivative."""
    objective = record(target, 0)
    _forward(source, layers, n_layers, start, rows)
    _gather_targets(objective, start, rows)
    last = record(layers, n_layers - 1)
    loss = call_evaluate(
        objective.evaluate, reals(last.z), reals(objective.y_block),
        reals(objective.weight_block), reals(last.delta), rows, last.fan_out, scale,
        doubles(objective.parameters),
    )  # fmt: skip
    _backward(source, layers, n_layers, start, rows, real(beta))
    return loss


@kernel(TRAIN)
def train_batches(source, layers, n_layers, target, state, learning_rates, first, last):
    """Take one step for each of the batches ``first`` to ``last - 1`` of an epoch."""
    objective, run = record(target, 0), record(state, 0)
    theta, gradient = reals(run.theta), reals(run.gradient)
    layout = int64s(run.layout)
    n_parameters, n_weights = layout[0], layout[1]
    for batch in range(first, last):
        start = batch * run.batch_size
        rows = min(run.batch_size, run.n_rows - start)
        weight = _sum_of_weights(objective, start, rows)
        if weight == 0.0:
            continue  # there is nothing to learn from these rows
        loss = call_batch_gradient(
            run.batch_gradient, source, layers, n_layers, target, start, rows, 1.0 / weight, 0.0
        )
        l1 = run.alpha * run.l1_ratio / weight
        l2 = run.alpha * (1.0 - run.l1_ratio) / weight
        penalty = add_penalty(theta, gradient, n_weights, l1, l2)
        run.loss += (loss / weight + penalty) * rows
        run.rows_seen += rows
        run.step += 1
        lr = learning_rates[batch - first]
        call_update(
            run.update, theta, gradient, reals(run.state), layout, reals(run.scratch), lr,
            run.step, doubles(run.parameters),
        )  # fmt: skip
        if l1 > 0.0:
            soft_threshold(theta, n_weights, lr * l1)
    if last * run.batch_size >= run.n_rows:
        run.gradient_norm = _norm(gradient, n_parameters)


@inline
def _norm(vector, n):
    squares = 0.0
    for i in range(n):
        squares += float(vector[i]) * float(vector[i])
    return math.sqrt(squares)


class Layout:
    """Where each layer's parameters stand in the vector ``theta``.

    All weights come first, layer by layer and row-major, then all intercepts, so that a
    penalty acts on one slice. Kernels read ``table``: the number of parameters, of weights
    and of layers, then for each layer the offset of its weights, fan_in and fan_out.
    """

    def __init__(self, units):
        self.shapes = list(pairwise(units))
        self.n_weights = sum(fan_in * fan_out for fan_in, fan_out in self.shapes)
        self.n_parameters = self.n_weights + sum(units[1:])
        table = [self.n_parameters, self.n_weights, len(self.shapes)]
        offset = 0
        for fan_in, fan_out in self.shapes:
            table += [offset, fan_in, fan_out]
            offset += fan_in * fan_out
        self.table = np.array(table)

    def views(self, theta):
        """Return the layers' weights and intercepts as views of ``theta``."""
        coefs, intercepts = [], []
        weight, intercept = 0, self.n_weights
        for fan_in, fan_out in self.shapes:
            coefs.append(theta[weight : weight + fan_in * fan_out].reshape(fan_in, fan_out))
            intercepts.append(theta[intercept : intercept + fan_out])
            weight += fan_in * fan_out
            intercept += fan_out
        return coefs, intercepts

    def pack(self, coefs, intercepts, dtype):
        """Copy weights and intercepts into a new vector."""
        return np.concatenate([np.ravel(p) for p in [*coefs, *intercepts]], dtype=dtype)


class Network:
    """Layers bound to their parameters, with buffers for blocks of rows.

    Not shared between threads: each call of fit or predict makes its own.

    Parameters
    ----------
    coefs, intercepts : list of ndarray
        Contiguous, of one dtype; read in place, so changes to them are seen.
    activations : list of Activation
        One for each hidden layer.
    max_rows : int
        Size of the buffers.
    gradients : tuple of two lists of ndarray, default=None
        Where the gradients by ``coefs`` and by ``intercepts`` go. Without, there is no
        backward pass.
    """

    def __init__(self, coefs, intercepts, activations, max_rows, gradients=None):
        self.dtype = coefs[0].dtype
        self.n_layers = len(coefs)
        self.n_outputs = coefs[-1].shape[1]
        self.max_rows = max_rows
        self.layers = np.zeros(self.n_layers, LAYER)
        self._alive = [coefs, intercepts, gradients]
        for i, layer in enumerate(self.layers):
            layer["fan_in"], layer["fan_out"] = coefs[i].shape
            layer["weights"], layer["intercepts"] = address(coefs[i]), address(intercepts[i])
            if gradients is not None:
                layer["weights_gradient"] = address(gradients[0][i])
                layer["intercepts_gradient"] = address(gradients[1][i])
                layer["delta"] = self._buffer(i)
            layer["z"] = layer["a"] = self._buffer(i)
            if i < len(activations):
                self._bind_activation(i, activations[i], gradients is not None)

    def _buffer(self, i):
        block = np.empty((self.max_rows, self.layers[i]["fan_out"]), self.dtype)
        self._alive.append(block)
        return address(block)

    def _bind_activation(self, i, activation, with_backward):
        layer = self.layers[i]
        parameters = activation.kernel_parameters()
        self._alive.append(parameters)
        layer["parameters"] = address(parameters)
        if not activation._in_place:
            layer["a"] = self._buffer(i)
        if activation._forward is not None:
            layer["forward"] = activation._forward.address(self.dtype)
            if with_backward:
                layer["backward"] = activation._backward.address(self.dtype)

    def raw_outputs(self, source):
        """Forward pass over all rows of an `Input`, block by block.

        Returns
        -------
        raw : ndarray of shape (n_rows, n_outputs)
        """
        raw = np.empty((source.n_rows, self.n_outputs), self.dtype)
        row_bytes = self.n_outputs * raw.itemsize
        for start in range(0, source.n_rows, self.max_rows):
            self.layers[-1]["z"] = address(raw) + start * row_bytes
            rows = min(self.max_rows, source.n_rows - start)
            forward_block(
                self.dtype, source.address, address(self.layers), self.n_layers, start, rows
            )
        return raw
