"""The compiled network: parameters in one vector, forward and backward pass, batches.

Kernels see structs of sizes and addresses. Nothing here depends on the depth, the
activation, the loss or the optimizer: those arrive as addresses of kernels.
"""

import math

import numpy as np

from ._blas import gemm
from ._dropout import call_drop, drop, mask_key
from ._inputs import call_add_rows, call_gradient, call_multiply
from ._kernel import (
    Call,
    address,
    doubles,
    flush_subnormals,
    inline,
    int64s,
    kernel,
    real,
    reals,
    record,
    restore_control,
    shift,
    struct,
)
from .activations import call_backward, call_forward
from .losses import call_evaluate
from .normalizations import (
    NORMALIZATION,
    call_normalize,
    call_normalize_backward,
    normalizations,
)
from .optimizers import call_update
from .penalties import bound_columns, soft_threshold, start_gradient

LAYER = struct(
    "layer",
    fan_in=np.int64,
    fan_out=np.int64,
    weights=np.int64,  # addresses of reals, up to delta
    intercepts=np.int64,
    weights_gradient=np.int64,
    intercepts_gradient=np.int64,
    z=np.int64,  # product and intercepts; normalized, if the layer is
    pre=np.int64,  # what the activation sees
    a=np.int64,
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

OBJECTIVE = struct(
    "objective",
    evaluate=np.int64,  # kernels and parameters of the loss
    curvature=np.int64,
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

FORWARD_BLOCK = "void (input *source, layer *layers, int64 n_layers, int64 start, int64 rows)"
BATCH_GRADIENT = """double (input *source, layer *layers, int64 n_layers, objective *target,
int64 start, int64 rows, double scale, double beta)"""
TRAIN = """void (input *source, layer *layers, int64 n_layers, objective *target, run *state,
double *learning_rates, double *shares, int64 first, int64 last)"""
RENEW_MASKS = "void (input *source, layer *layers, int64 n_layers, run *state)"
CLIP = "double (run *state)"
CONSTRAIN = "void (layer *layers, int64 n_layers, run *state, double threshold)"
AVERAGE = "void (run *state, double share)"

call_batch_gradient = Call(BATCH_GRADIENT)
call_renew_masks = Call(RENEW_MASKS)
call_clip = Call(CLIP)
call_constrain = Call(CONSTRAIN)
call_average = Call(AVERAGE)


@inline
def forward_pass(source, layers, n_layers, start, rows):
    """Compute every layer's output for ``rows`` rows from ``start`` on."""
    for i in range(n_layers):
        layer = record(layers, i)
        units, n = layer.fan_out, rows * layer.fan_out
        z, weights = reals(layer.z), reals(layer.weights)
        repeat_row(reals(layer.intercepts), z, rows, units)
        if i == 0:
            call_multiply(record(source, 0).multiply, source, start, rows, weights, z, units)
        else:
            below = reals(record(layers, i - 1).out)
            gemm(0, 0, rows, units, layer.fan_in, real(1), below, layer.fan_in,
                 weights, units, real(1), z, units)  # fmt: skip
        pre, a, out = reals(layer.pre), reals(layer.a), reals(layer.out)
        if layer.normalization != 0:
            norm = normalizations(layer.normalization)
            call_normalize(record(norm, 0).forward, norm, z, pre, rows, units)
        if layer.forward != 0:
            call_forward(layer.forward, pre, a, rows, units, doubles(layer.parameters))
        if layer.out != layer.a:
            for j in range(n):
                out[j] = a[j]
        if layer.dropout > 0.0:
            call_drop(layer.drop, out, n, layer.mask_key, start * units, layer.dropout)
        if layer.residual != 0:
            if i == 0:
                call_add_rows(record(source, 0).add_rows, source, start, rows, out)
            else:
                below = reals(record(layers, i - 1).out)
                for j in range(n):
                    out[j] += below[j]


@inline
def _backward(source, layers, n_layers, start, rows, beta):
    """From the last layer's delta: gradient = beta gradient + this block's share."""
    for i in range(n_layers - 1, -1, -1):
        layer = record(layers, i)
        units = layer.fan_out
        delta, gradient = reals(layer.delta), reals(layer.weights_gradient)
        to_preactivation(layers, i, start, rows)
        if layer.normalization != 0:
            norm = normalizations(layer.normalization)
            call_normalize_backward(
                record(norm, 0).backward, norm, reals(layer.z), delta, rows, units, beta
            )
        add_column_sums(delta, rows, units, reals(layer.intercepts_gradient), beta)
        if i == 0:
            call_gradient(
                record(source, 0).gradient, source, start, rows, delta, gradient, units, beta
            )
            return
        below = record(layers, i - 1)
        gemm(1, 0, layer.fan_in, units, rows, real(1), reals(below.out), layer.fan_in,
             delta, units, beta, gradient, units)  # fmt: skip
        to_layer_below(layers, i, rows)


@inline
def to_preactivation(layers, i, start, rows):
    """Turn delta, the derivative by a layer's output, into the one by what f sees."""
    layer = record(layers, i)
    n = rows * layer.fan_out
    delta = reals(layer.delta)
    if layer.residual != 0 and i > 0:
        # What goes past the layer; what goes through it is added below.
        below = reals(record(layers, i - 1).delta)
        for j in range(n):
            below[j] = delta[j]
    if layer.dropout > 0.0:
        call_drop(layer.drop, delta, n, layer.mask_key, start * layer.fan_out, layer.dropout)
    if layer.backward != 0:
        call_backward(
            layer.backward, reals(layer.pre), reals(layer.a), delta, rows, layer.fan_out,
            doubles(layer.parameters),
        )  # fmt: skip


@inline
def to_layer_below(layers, i, rows):
    """Pass delta, the derivative by z, on to the output of the layer below."""
    layer = record(layers, i)
    gemm(0, 1, rows, layer.fan_in, layer.fan_out, real(1), reals(layer.delta), layer.fan_out,
         reals(layer.weights), layer.fan_out, real(layer.residual),
         reals(record(layers, i - 1).delta), layer.fan_in)  # fmt: skip


@inline
def repeat_row(row, block, rows, columns):
    for i in range(rows):
        here = shift(block, i * columns)
        for j in range(columns):
            here[j] = row[j]


@inline
def add_column_sums(block, rows, columns, sums, beta):
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
def gather_targets(objective, start, rows):
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
    forward_pass(source, layers, n_layers, start, rows)


@kernel(BATCH_GRADIENT)
def batch_gradient(source, layers, n_layers, target, start, rows, scale, beta):
    """Sum of weight times loss; gradient = beta gradient + scale times its derivative."""
    objective = record(target, 0)
    control = flush_subnormals()
    forward_pass(source, layers, n_layers, start, rows)
    gather_targets(objective, start, rows)
    last = record(layers, n_layers - 1)
    loss = call_evaluate(
        objective.evaluate, reals(last.z), reals(objective.y_block),
        reals(objective.weight_block), reals(last.delta), rows, last.fan_out, scale,
        doubles(objective.parameters),
    )  # fmt: skip
    _backward(source, layers, n_layers, start, rows, real(beta))
    restore_control(control)
    return loss


@kernel(TRAIN)
def train_batches(source, layers, n_layers, target, state, learning_rates, shares, first, last):
    """Take one step for each of the batches ``first`` to ``last - 1`` of an epoch.

    ``shares`` is what the new parameters' part in the average is, after each batch.
    """
    objective, run = record(target, 0), record(state, 0)
    theta, gradient = reals(run.theta), reals(run.gradient)
    layout = int64s(run.layout)
    n_parameters, n_weights = layout[0], layout[1]
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
            run.step, doubles(run.parameters),
        )  # fmt: skip
        if run.constrain != 0:
            call_constrain(run.constrain, layers, n_layers, state, lr * l1)
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
        for i in range(int64s(run.layout)[0]):
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
    gradient, n = reals(run.gradient), int64s(run.layout)[0]
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
def constrain(layers, n_layers, state, threshold):
    """After a step: weights towards 0 by ``threshold``, units to the bound on their norm."""
    run = record(state, 0)
    if threshold > 0.0:
        soft_threshold(reals(run.theta), int64s(run.layout)[1], threshold)
    if run.max_norm < math.inf:
        for i in range(n_layers):
            layer = record(layers, i)
            bound_columns(
                reals(layer.weights), layer.fan_in, layer.fan_out, run.max_norm,
                doubles(run.columns),
            )  # fmt: skip


@inline
def _norm(vector, n):
    squares = 0.0
    for i in range(n):
        squares += np.float64(vector[i]) * np.float64(vector[i])
    return math.sqrt(squares)


class Network:
    """Layers bound to their parameters, with buffers for blocks of rows.

    Not shared between threads: each call of fit or predict makes its own.

    Parameters
    ----------
    parameters : Parameters
        Contiguous arrays of one dtype; read in place, so changes to them are seen.
    architecture : Architecture
    max_rows : int
        Size of the buffers.
    gradients : Parameters, default=None
        Where gradients go. Without, there is no backward pass, and the network predicts:
        no dropout, and batch normalization by the running statistics.
    """

    def __init__(self, parameters, architecture, max_rows, gradients=None):
        coefs, intercepts = parameters[:2]
        self.dtype = coefs[0].dtype
        self.n_layers = len(coefs)
        self.n_outputs = coefs[-1].shape[1]
        self.max_rows = max_rows
        self.layers = np.zeros(self.n_layers, LAYER)
        self.normalizations = []
        self.residual_input = False
        self._trains = gradients is not None
        self._alive = [parameters, gradients]
        for i, layer in enumerate(self.layers):
            layer["fan_in"], layer["fan_out"] = coefs[i].shape
            layer["weights"], layer["intercepts"] = address(coefs[i]), address(intercepts[i])
            if self._trains:
                layer["weights_gradient"] = address(gradients.coefs[i])
                layer["intercepts_gradient"] = address(gradients.intercepts[i])
                layer["delta"] = self._buffer(layer)
            is_hidden = i < self.n_layers - 1
            if is_hidden or self._trains:  # else raw_outputs says where they go
                layer["z"] = layer["pre"] = layer["a"] = layer["out"] = self._buffer(layer)
            if is_hidden:
                self._bind_hidden(i, layer, parameters, architecture, gradients)

    def keep(self, array):
        """Return the address of an array that lives as long as the network."""
        self._alive.append(array)
        return address(array)

    def _buffer(self, layer):
        return self.keep(np.empty((self.max_rows, layer["fan_out"]), self.dtype))

    def _bind_hidden(self, i, layer, parameters, architecture, gradients):
        if architecture.normalization is not None:
            layer["pre"] = layer["a"] = layer["out"] = self._buffer(layer)
            norm = self._bind_normalization(i, architecture.normalization, parameters, gradients)
            self.normalizations.append(norm)
            layer["normalization"] = address(norm)
        activation = architecture.activations[i]
        layer["parameters"] = self.keep(activation.kernel_parameters())
        if not activation._in_place:
            layer["a"] = layer["out"] = self._buffer(layer)
        if activation._forward is not None:
            layer["forward"] = activation._forward.address(self.dtype)
            if self._trains:
                layer["backward"] = activation._backward.address(self.dtype)
        layer["residual"] = architecture.residual and layer["fan_in"] == layer["fan_out"]
        layer["dropout"] = architecture.dropout[i] if self._trains else 0.0
        if layer["dropout"] > 0:
            layer["drop"] = drop.address(self.dtype)
        if layer["residual"] or layer["dropout"]:
            layer["out"] = self._buffer(layer)
        self.residual_input |= bool(i == 0 and layer["residual"])

    def _bind_normalization(self, i, normalization, parameters, gradients):
        norm = np.zeros(1, NORMALIZATION)
        fields = norm[0]
        units = parameters.coefs[i].shape[1]
        fields["parameters"] = self.keep(normalization.kernel_parameters())
        fields["scale"] = address(parameters.scales[i])
        fields["shift"] = address(parameters.shifts[i])
        fields["factor"] = self.keep(np.empty(max(units, self.max_rows), self.dtype))
        fields["sums"] = self.keep(np.empty(2 * units, self.dtype))
        if normalization._over_batch:
            fields["mean"] = address(parameters.means[i])
            fields["variance"] = address(parameters.variances[i])
        forward = normalization._apply
        if self._trains:
            forward = normalization._forward
            fields["backward"] = normalization._backward.address(self.dtype)
            fields["scale_gradient"] = address(gradients.scales[i])
            fields["shift_gradient"] = address(gradients.shifts[i])
        fields["forward"] = forward.address(self.dtype)
        return norm

    def raw_outputs(self, source):
        """Forward pass over all rows of an `Input`, block by block.

        Returns
        -------
        raw : ndarray of shape (n_rows, n_outputs)
        """
        if self.residual_input:
            source.allow_residual()
        raw = np.empty((source.n_rows, self.n_outputs), self.dtype)
        row_bytes = self.n_outputs * raw.itemsize
        first, layers = address(raw), address(self.layers)
        for start in range(0, source.n_rows, self.max_rows):
            last = self.layers[-1]
            last["z"] = last["pre"] = last["a"] = last["out"] = first + start * row_bytes
            rows = min(self.max_rows, source.n_rows - start)
            forward_block(self.dtype, source.address, layers, self.n_layers, start, rows)
        return raw
