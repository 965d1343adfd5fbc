"""The second moments that K-FAC steps by, observed while a batch passes.

After each block's backward pass another one carries derivatives of the loss down to each layer,
those of drawn targets for example, but computes no gradient. The network is as the block has left
it: its masks, noise and statistics are those of the step.
"""

import math

import numpy as np

from .._compiler.declarations import (
    address,
    at,
    doubles,
    inline,
    kernel,
    offset,
    pointers_to,
    real,
    reals,
    struct,
)
from .._compiler.linear_algebra import blas, gemm
from .._network.inputs import call_add_rows
from .._network.passes import lowest_trained, to_layer_below, to_preactivation
from .._network.random_stream import SCORES_OF_DRAWS, stream_key
from .._network.scores import SCORES, call_score
from ..losses.base import call_evaluate, call_hessian_product
from ..normalizations import call_normalize_backward, normalizations
from .epoch import OBSERVE, STAGE

_syrk = blas("syrk")
_LOWER, _AS_IT_IS = ord("L"), ord("N")

MOMENTS = struct(
    "moments",
    inputs=np.int64,  # addresses of a layer's two averages; 0: it is not observed. As BLAS reads
    # a matrix, by columns, only the lower half is defined.
    deltas=np.int64,
)

OBSERVATION = struct(
    "observation",
    moments=np.int64,  # of each layer
    decay=np.float64,
    score=np.int64,  # kernel that draws derivatives; 0: those of the true targets, or all
    layers_dot=np.int64,  # the same layers with other deltas, for all outputs; 0: not all
    roots=np.int64,  # buffers: roots of the rows' shares,
    rows=np.int64,  # the first layer's input,
    scaled=np.int64,  # a layer's input with a column for the intercept, times the roots,
    spare=np.int64,  # and gradients that nobody needs
)

_moments = pointers_to("moments")
_observations = pointers_to("observation")
_layer_structs = pointers_to("layer")


@inline
def _newest_share(seen, epoch):
    """Return the share of this batch in the averages."""
    return max(1.0 / float(epoch.step + 1), 1.0 - seen.decay)


@inline
def _scale(matrix, side, factor):
    for i in range(side * side):
        matrix[i] = real(0) if factor == real(0) else factor * matrix[i]


@kernel(STAGE)
def fade_moments(source, layers, n_layers, run):
    """Make room in the averages for a new batch."""
    epoch = at(run, 0)
    seen = at(_observations(epoch.observation), 0)
    keep = real(1.0 - _newest_share(seen, epoch))
    for k in range(n_layers):
        layer, moments = at(layers, k), at(_moments(seen.moments), k)
        if moments.inputs != 0:
            _scale(reals(moments.inputs), layer.fan_in + 1, keep)
            _scale(reals(moments.deltas), layer.fan_out, keep)


@inline
def _observe_inputs(source, layers, n_layers, seen, start, rows, share):
    """Add a block's share to the second moments of each layer's inputs and a 1."""
    roots, scaled = reals(seen.roots), reals(seen.scaled)
    for k in range(n_layers):
        moments, width = at(_moments(seen.moments), k), at(layers, k).fan_in
        if moments.inputs == 0:
            continue
        inputs, side = reals(seen.rows), width + 1
        if k == 0:
            for i in range(rows * width):
                inputs[i] = real(0)
            call_add_rows(at(source, 0).add_rows, source, start, rows, inputs)
        else:
            inputs = reals(at(layers, k - 1).out)
        for i in range(rows):
            here, there = offset(inputs, i * width), offset(scaled, i * side)
            for j in range(width):
                there[j] = roots[i] * here[j]
            there[width] = roots[i]
        _syrk(_LOWER, _AS_IT_IS, side, rows, share, scaled, side, real(1),
              reals(moments.inputs), side)  # fmt: skip


@inline
def _deltas_to_z(layers, i, start, rows, spare):
    """Turn delta, the derivative by layer ``i``'s output, into that by its product."""
    layer = at(layers, i)
    to_preactivation(layers, i, start, rows)
    if layer.normalization != 0:
        pointer = normalizations(layer.normalization)
        norm = at(pointer, 0)
        by_gamma, by_beta = norm.gamma_gradient, norm.beta_gradient
        norm.gamma_gradient = spare
        norm.beta_gradient = spare
        call_normalize_backward(
            norm.backward, pointer, reals(layer.z), reals(layer.delta), rows, layer.fan_out, real(0)
        )
        norm.gamma_gradient = by_gamma
        norm.beta_gradient = by_beta


@inline
def _observe_deltas(layers, layers_dot, n_layers, seen, start, rows, share):
    """Carry two deltas down, or one that is both, and add their products to the second moments."""
    are_two = at(layers, n_layers - 1).delta != at(layers_dot, n_layers - 1).delta
    lowest = lowest_trained(layers)
    for i in range(n_layers - 1, lowest - 1, -1):
        layer, moments = at(layers, i), at(_moments(seen.moments), i)
        _deltas_to_z(layers, i, start, rows, seen.spare)
        if are_two:
            _deltas_to_z(layers_dot, i, start, rows, seen.spare)
        units = layer.fan_out
        if moments.deltas != 0 and not are_two:
            _syrk(_LOWER, _AS_IT_IS, units, rows, share, reals(layer.delta), units, real(1),
                  reals(moments.deltas), units)  # fmt: skip
        elif moments.deltas != 0:
            gemm(1, 0, units, units, rows, share, reals(layer.delta), units,
                 reals(at(layers_dot, i).delta), units, real(1),
                 reals(moments.deltas), units)  # fmt: skip
        if i > lowest:
            to_layer_below(layers, i, rows)
            if are_two:
                to_layer_below(layers_dot, i, rows)


@inline
def _observe_outputs(layers, n_layers, terms, seen, start, rows, share, scale):
    """Observe the derivatives of one output after the other, and the loss's curvature by it."""
    layers_dot = _layer_structs(seen.layers_dot)
    last = at(layers, n_layers - 1)
    outputs, delta = last.fan_out, reals(last.delta)
    delta_dot = reals(at(layers_dot, n_layers - 1).delta)
    for i in range(n_layers):
        at(layers_dot, i).mask_key = at(layers, i).mask_key
    for output in range(outputs):
        for j in range(rows * outputs):
            delta[j] = real(0)
            delta_dot[j] = real(0)
        for i in range(rows):
            delta[i * outputs + output] = real(1)
            delta_dot[i * outputs + output] = real(1)
        call_hessian_product(
            terms.hessian_product, reals(last.z), reals(terms.y_block), reals(terms.weight_block),
            delta_dot, rows, outputs, scale, doubles(terms.parameters),
        )  # fmt: skip
        _observe_deltas(layers, layers_dot, n_layers, seen, start, rows, share)


@inline
def _draw_scores(terms, last, seen, key, start, rows):
    """Write the scores of drawn targets to the last layer's delta; 0 where y has none, NaN."""
    delta, outputs = reals(last.delta), last.fan_out
    call_score(
        seen.score, reals(last.z), reals(seen.roots), delta, rows, outputs, key, start,
        doubles(terms.parameters),
    )  # fmt: skip
    y, columns = reals(terms.y_block), terms.n_columns
    for i in range(rows):
        for j in range(outputs):
            # A target may have several outputs: a mean and a variance.
            target = y[i * columns + j % columns]
            delta[i * outputs + j] = delta[i * outputs + j] if target == target else real(0)


@kernel(OBSERVE)
def observe_curvature(source, layers, n_layers, loss, run, start, rows, scale):
    """Add a block's share to the averages, after its backward pass."""
    terms, epoch = at(loss, 0), at(run, 0)
    seen = at(_observations(epoch.observation), 0)
    share, roots = real(_newest_share(seen, epoch)), reals(seen.roots)
    last = at(layers, n_layers - 1)
    for i in range(rows):
        roots[i] = math.sqrt(real(scale) * reals(terms.weight_block)[i])
    _observe_inputs(source, layers, n_layers, seen, start, rows, share)
    if seen.layers_dot != 0:
        _observe_outputs(layers, n_layers, terms, seen, start, rows, share, scale)
        return
    if seen.score != 0:
        key = stream_key(epoch.seed, epoch.step, SCORES_OF_DRAWS)
        _draw_scores(terms, last, seen, key, start, rows)
    else:
        call_evaluate(
            terms.evaluate, reals(last.z), reals(terms.y_block), roots, reals(last.delta), rows,
            last.fan_out, 1.0, doubles(terms.parameters),
        )  # fmt: skip
    _observe_deltas(layers, layers, n_layers, seen, start, rows, share)


class Observation:
    """What `observe_curvature` reads beside the network of an evaluator.

    Parameters
    ----------
    evaluator : Evaluator
    problem : Problem
    optimizer : FirstOrder
        With a ``fisher``.
    state : ndarray
        The optimizer's, which holds the averages.

    Attributes
    ----------
    address : int
    """

    def __init__(self, evaluator, problem, optimizer, state):
        network, dtype, rows = evaluator.network, evaluator.dtype, evaluator.network.max_rows
        layout, form, keep = problem.layout, evaluator.form, network.keep
        fields = np.zeros(1, OBSERVATION)
        self.address = keep(fields)
        moments = np.zeros(network.n_layers, MOMENTS)
        trained, pairs = np.flatnonzero(layout.is_trained), optimizer.factors(layout, state)
        for k, (by_inputs, by_deltas) in zip(trained, pairs, strict=True):
            if by_inputs.size > 0:
                moments[k] = address(by_inputs), address(by_deltas)
        is_observed = moments["inputs"] != 0
        widest = max(np.array([1 + fan_in for fan_in, _ in layout.shapes])[is_observed], default=0)
        fields["moments"], fields["decay"] = keep(moments), optimizer.decay
        fields["roots"] = keep(np.empty(rows, dtype))
        fields["rows"], fields["scaled"] = (keep(np.empty((rows, widest), dtype)) for _ in range(2))
        fields["spare"] = keep(np.empty(max(width for _, width in layout.shapes), dtype))
        network.source.allow_residual()
        if optimizer.fisher == "sampled":
            fields["score"] = SCORES[form.distribution].address(dtype)
        if optimizer.fisher == "exact":
            evaluator.loss["hessian_product"] = form.hessian_product.address(dtype)
            fields["layers_dot"] = keep(self._with_other_deltas(network))

    @staticmethod
    def _with_other_deltas(network):
        layers_dot = network.layers.copy()
        for i, layer in enumerate(layers_dot):
            layer["delta"] = network.buffer(i)
        return layers_dot
