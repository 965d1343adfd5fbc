"""Passes through a network, forward and backward, over blocks of rows.

Kernels see structs of sizes and addresses. Nothing here depends on the depth, the
activation or the loss: those arrive as addresses of kernels.
"""

import numpy as np

from .._compiler.declarations import (
    Call,
    at,
    doubles,
    flush_subnormals,
    inline,
    int64s,
    kernel,
    offset,
    real,
    reals,
    restore_control,
    struct,
)
from .._compiler.linear_algebra import gemm
from ..activations import call_backward, call_forward
from ..losses.base import call_evaluate
from ..normalizations import call_normalize, call_normalize_backward, normalizations
from .dropout import call_drop
from .inputs import call_add_rows, call_gradient, call_multiply
from .mixture import find_pair, mixtures

LAYER = struct(
    "layer",
    fan_in=np.int64,
    fan_out=np.int64,
    weights=np.int64,  # addresses of reals, up to delta
    intercepts=np.int64,
    weights_gradient=np.int64,  # 0, as the next one: the layer is frozen
    intercepts_gradient=np.int64,
    z=np.int64,  # product and intercepts; normalized, if the layer is
    a=np.int64,  # what the activation sees, then its output
    slope=np.int64,  # f', or a if it follows from that
    curvature=np.int64,  # f'' likewise
    out=np.int64,  # after dropout and residual connection
    delta=np.int64,  # derivative of the loss by out, then by z
    forward=np.int64,  # kernels of the activation; 0: the identity
    backward=np.int64,
    parameters=np.int64,
    normalization=np.int64,  # address of its struct; 0: none
    residual=np.int64,  # whether the layer's input is added to its output
    mask_key=np.int64,  # dropout's, for this step
    dropout=np.float64,
    drop=np.int64,  # its kernel
)

LOSS = struct(
    "loss",
    evaluate=np.int64,  # kernels and parameters of the loss
    hessian_product=np.int64,
    parameters=np.int64,
    y=np.int64,  # targets and sample weights of the whole data set; weight 0: all are 1
    sample_weight=np.int64,
    n_columns=np.int64,  # of y
    order=np.int64,  # as in the input
    y_block=np.int64,  # buffers for a batch
    weight_block=np.int64,
    mixture=np.int64,  # as in the input
    gather_mixtures=np.int64,  # the kernel that mixes targets and weights
)

FORWARD_BLOCK = "void (input *source, layer *layers, int64 n_layers, int64 start, int64 rows)"
GATHER_MIXTURES = "void (loss *loss, int64 start, int64 rows, int64 outputs)"
BATCH_GRADIENT = """double (input *source, layer *layers, int64 n_layers, loss *loss,
int64 start, int64 rows, double scale, double beta)"""

call_gather_mixtures = Call(GATHER_MIXTURES)


@inline
def forward_pass(source, layers, n_layers, start, rows):
    """Compute every layer's output for ``rows`` rows from ``start`` on."""
    for i in range(n_layers):
        layer = at(layers, i)
        units, n = layer.fan_out, rows * layer.fan_out
        z, weights = reals(layer.z), reals(layer.weights)
        # gemm adds its product to what is there, which saves a pass that adds the intercepts.
        repeat_row(reals(layer.intercepts), z, rows, units)
        if i == 0:
            call_multiply(at(source, 0).multiply, source, start, rows, weights, z, units)
        else:
            below = reals(at(layers, i - 1).out)
            gemm(0, 0, rows, units, layer.fan_in, real(1), below, layer.fan_in,
                 weights, units, real(1), z, units)  # fmt: skip
        a, out = reals(layer.a), reals(layer.out)
        if layer.normalization != 0:
            norm = normalizations(layer.normalization)
            call_normalize(at(norm, 0).forward, norm, z, a, rows, units)
        if layer.forward != 0:
            call_forward(
                layer.forward, a, reals(layer.slope), reals(layer.curvature), n,
                doubles(layer.parameters),
            )  # fmt: skip
        if layer.out != layer.a:
            for j in range(n):
                out[j] = a[j]
        if layer.dropout > 0.0:
            call_drop(layer.drop, out, n, layer.mask_key, start * units, layer.dropout)
        if layer.residual != 0:
            if i == 0:
                call_add_rows(at(source, 0).add_rows, source, start, rows, out)
            else:
                below = reals(at(layers, i - 1).out)
                for j in range(n):
                    out[j] += below[j]


@inline
def lowest_trained(layers):
    """Return the number of the lowest layer that is trained: below it nothing is derived."""
    i = 0
    while at(layers, i).weights_gradient == 0:
        i += 1
    return i


@inline
def _backward(source, layers, n_layers, start, rows, beta):
    """Carry the last layer's delta down: gradient = beta * gradient + this block's share."""
    lowest = lowest_trained(layers)
    for i in range(n_layers - 1, lowest - 1, -1):
        layer = at(layers, i)
        delta, units = reals(layer.delta), layer.fan_out
        to_preactivation(layers, i, start, rows)
        if layer.normalization != 0:
            norm = normalizations(layer.normalization)
            call_normalize_backward(
                at(norm, 0).backward, norm, reals(layer.z), delta, rows, units, beta
            )
        if layer.weights_gradient != 0:
            add_column_sums(delta, rows, units, reals(layer.intercepts_gradient), beta)
            add_weights_gradient(source, layers, i, start, rows, delta, beta)
        if i > lowest:
            to_layer_below(layers, i, rows)


@inline
def add_weights_gradient(source, layers, i, start, rows, delta, beta):
    """gradient = beta * gradient + product of layer ``i``'s input with ``delta``."""
    layer = at(layers, i)
    units, gradient = layer.fan_out, reals(layer.weights_gradient)
    if i == 0:
        call_gradient(at(source, 0).gradient, source, start, rows, delta, gradient, units, beta)
    else:
        below = reals(at(layers, i - 1).out)
        gemm(1, 0, layer.fan_in, units, rows, real(1), below, layer.fan_in,
             delta, units, beta, gradient, units)  # fmt: skip


@inline
def to_preactivation(layers, i, start, rows):
    """Turn delta, the derivative by a layer's output, into that by the activation's input."""
    layer = at(layers, i)
    n = rows * layer.fan_out
    delta = reals(layer.delta)
    if layer.residual != 0 and i > 0:
        # The skip connection's share; the layer's own is added in `to_layer_below`.
        below = reals(at(layers, i - 1).delta)
        for j in range(n):
            below[j] = delta[j]
    if layer.dropout > 0.0:
        call_drop(layer.drop, delta, n, layer.mask_key, start * layer.fan_out, layer.dropout)
    if layer.backward != 0:
        call_backward(layer.backward, reals(layer.slope), delta, n, doubles(layer.parameters))


@inline
def to_layer_below(layers, i, rows):
    """Pass delta, the derivative by z, on to the output of the layer below."""
    # With a residual connection gemm adds to the skip connection's share, else it overwrites.
    layer = at(layers, i)
    gemm(0, 1, rows, layer.fan_in, layer.fan_out, real(1), reals(layer.delta), layer.fan_out,
         reals(layer.weights), layer.fan_out, real(layer.residual),
         reals(at(layers, i - 1).delta), layer.fan_in)  # fmt: skip


@inline
def repeat_row(row, block, rows, columns):
    for i in range(rows):
        here = offset(block, i * columns)
        for j in range(columns):
            here[j] = row[j]


@inline
def add_column_sums(block, rows, columns, sums, beta):
    # As in BLAS, a beta of 0 overwrites: 0 times a NaN in the buffer would be NaN.
    for j in range(columns):
        sums[j] = real(0) if beta == real(0) else beta * sums[j]
    for i in range(rows):
        here = offset(block, i * columns)
        for j in range(columns):
            sums[j] += here[j]


@inline
def sample_row(terms, i):
    return int64s(terms.order)[i] if terms.order != 0 else i


@inline
def gather_targets(terms, start, rows):
    """Copy targets and weights to their buffers."""
    y, y_block = reals(terms.y), reals(terms.y_block)
    weight_block = reals(terms.weight_block)
    columns = terms.n_columns
    for i in range(rows):
        row = sample_row(terms, start + i)
        for j in range(columns):
            y_block[i * columns + j] = y[row * columns + j]
        weight_block[i] = reals(terms.sample_weight)[row] if terms.sample_weight != 0 else real(1)


@kernel(GATHER_MIXTURES)
def gather_mixtures(loss, start, rows, outputs):
    """The same for rows that are mixed; a class becomes the probabilities of all classes."""
    terms = at(loss, 0)
    y, y_block = reals(terms.y), reals(terms.y_block)
    weight_block, columns = reals(terms.weight_block), terms.n_columns
    mixture = at(mixtures(terms.mixture), 0)
    for i in range(rows):
        first, second, share, weight = find_pair(mixture, start + i)
        weight_block[i] = real(weight)
        own, other = real(share), real(1.0 - share)
        a, b = offset(y, first * columns), offset(y, second * columns)
        there = offset(y_block, i * outputs)
        if columns == outputs:
            for j in range(columns):
                there[j] = own * a[j] + other * b[j]
        else:
            for j in range(outputs):
                there[j] = real(0)
            there[np.int64(a[0])] += own
            there[np.int64(b[0])] += other


@kernel(FORWARD_BLOCK)
def forward_block(source, layers, n_layers, start, rows):
    forward_pass(source, layers, n_layers, start, rows)


@kernel(BATCH_GRADIENT)
def batch_gradient(source, layers, n_layers, loss, start, rows, scale, beta):
    """Return the sum of weight times loss; gradient = beta * gradient + scale * derivative."""
    terms = at(loss, 0)
    # Deltas of samples that are all but certain fade into subnormal numbers, with which
    # processors are many times slower.
    control = flush_subnormals()
    forward_pass(source, layers, n_layers, start, rows)
    last = at(layers, n_layers - 1)
    if terms.mixture != 0:
        call_gather_mixtures(terms.gather_mixtures, loss, start, rows, last.fan_out)
    else:
        gather_targets(terms, start, rows)
    total = call_evaluate(
        terms.evaluate, reals(last.z), reals(terms.y_block),
        reals(terms.weight_block), reals(last.delta), rows, last.fan_out, scale,
        doubles(terms.parameters),
    )  # fmt: skip
    _backward(source, layers, n_layers, start, rows, real(beta))
    restore_control(control)
    return total
