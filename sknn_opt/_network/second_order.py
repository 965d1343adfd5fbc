"""Second derivatives of the loss: products of the Hessian with a vector, and Jacobians.

The product is the derivative of the gradient along a direction in parameter space. A pass
forward carries each layer's tangent, its derivative along that direction, beside its output;
a pass backward carries the tangents of the deltas (Pearlmutter's R-operator). What it leaves
out without ``exact``, the curvature of the network itself, makes the Gauss-Newton matrix of
the Hessian, whose only curvature is that of the loss.

B. A. Pearlmutter. "Fast exact multiplication by the Hessian". Neural Computation 6(1), 1994.
N. N. Schraudolph. "Fast curvature matrix-vector products for second-order gradient descent".
Neural Computation 14(7), 2002.
"""

import math

import numpy as np
from scipy.linalg.blas import dsyrk

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
from .._compiler.linear_algebra import gemm
from ..activations import call_backward
from ..losses.base import call_evaluate, call_hessian_product
from ..normalizations import (
    call_normalize_backward,
    call_normalize_curvature,
    call_normalize_tangent,
    normalizations,
)
from .inputs import call_add_rows, call_multiply
from .passes import (
    add_column_sums,
    add_weights_gradient,
    forward_pass,
    gather_targets,
    lowest_trained,
    repeat_row,
    to_layer_below,
    to_preactivation,
)
from .problem import Evaluator

TANGENT = struct(
    "tangent",
    weights=np.int64,  # addresses of reals: the direction; 0: the layer is frozen
    intercepts=np.int64,
    z=np.int64,  # tangents of the layer's buffers of these names
    pre=np.int64,
    out=np.int64,
    second=np.int64,  # kernel of the activation; 0: it is linear
)

PRODUCT = """void (input *source, layer *layers, layer *layers_dot, tangent *tangents,
int64 n_layers, loss *loss, int64 start, int64 rows, double scale, int64 exact)"""
JACOBIAN = """void (input *source, layer *layers, int64 n_layers, loss *loss, int64 start,
int64 rows, double scale, int64 n_parameters, real *inputs)"""

_tangents = pointers_to("tangent")


@inline
def _tangent_of_product(source, layers, tangents, i, start, rows):
    """Write the tangent of layer ``i``'s product and intercepts to its z."""
    layer, tangent = at(layers, i), at(tangents, i)
    units, z, direction = layer.fan_out, reals(tangent.z), reals(tangent.weights)
    repeat_row(reals(tangent.intercepts), z, rows, units)
    if i == 0:
        if tangent.weights != 0:
            call_multiply(at(source, 0).multiply, source, start, rows, direction, z, units)
        return
    below, below_tangent = at(layers, i - 1), at(tangents, i - 1)
    if tangent.weights != 0:
        gemm(0, 0, rows, units, layer.fan_in, real(1), reals(below.out), layer.fan_in,
             direction, units, real(1), z, units)  # fmt: skip
    gemm(0, 0, rows, units, layer.fan_in, real(1), reals(below_tangent.out),
         layer.fan_in, reals(layer.weights), units, real(1), z, units)  # fmt: skip


@inline
def _tangents_forward(source, layers, tangents, n_layers, start, rows):
    """Carry the tangents of all layers forward, after `forward_pass`."""
    for i in range(n_layers):
        layer, tangent = at(layers, i), at(tangents, i)
        units, n = layer.fan_out, rows * layer.fan_out
        z, pre, out = reals(tangent.z), reals(tangent.pre), reals(tangent.out)
        _tangent_of_product(source, layers, tangents, i, start, rows)
        if layer.normalization != 0:
            norm = normalizations(layer.normalization)
            call_normalize_tangent(at(norm, 0).tangent, norm, reals(layer.z), z, pre, rows, units)
        if tangent.out != tangent.pre:
            for j in range(n):
                out[j] = pre[j]
        if layer.backward != 0:
            call_backward(layer.backward, reals(layer.slope), out, n, doubles(layer.parameters))
        # The rows of X, which pass by the first layer, do not depend on the parameters.
        if layer.residual != 0 and i > 0:
            below = reals(at(tangents, i - 1).out)
            for j in range(n):
                out[j] += below[j]


@inline
def _differentiate_loss(last, last_dot, tangent, terms, rows, scale, exact):
    """Write the tangent of the last layer's delta, and with ``exact`` the delta itself."""
    raw, delta_dot, raw_dot = reals(last.z), reals(last_dot.delta), reals(tangent.out)
    for j in range(rows * last.fan_out):
        delta_dot[j] = raw_dot[j]
    call_hessian_product(
        terms.hessian_product, raw, reals(terms.y_block), reals(terms.weight_block),
        delta_dot, rows, last.fan_out, scale, doubles(terms.parameters),
    )  # fmt: skip
    if exact != 0:
        call_evaluate(
            terms.evaluate, raw, reals(terms.y_block), reals(terms.weight_block),
            reals(last.delta), rows, last.fan_out, scale, doubles(terms.parameters),
        )  # fmt: skip


@inline
def _deltas_to_z(layers, layers_dot, tangents, i, start, rows, exact):
    """Turn delta and its tangent, derivatives by layer ``i``'s output, into those by z."""
    layer, tangent = at(layers, i), at(tangents, i)
    units, n = layer.fan_out, rows * layer.fan_out
    delta, delta_dot, second = (
        reals(layer.delta),
        reals(at(layers_dot, i).delta),
        reals(tangent.pre),
    )
    curves = exact != 0 and tangent.second != 0
    if curves:
        for j in range(n):
            second[j] *= delta[j]
        call_backward(tangent.second, reals(layer.curvature), second, n, doubles(layer.parameters))
    to_preactivation(layers_dot, i, start, rows)
    if exact != 0:
        to_preactivation(layers, i, start, rows)
    if curves:
        for j in range(n):
            delta_dot[j] += second[j]
    if layer.normalization != 0:
        norm = normalizations(layer.normalization)
        call_normalize_curvature(
            at(norm, 0).curvature, norm, reals(layer.z), reals(tangent.z), delta,
            delta_dot, exact, rows, units, real(0),
        )  # fmt: skip


@inline
def _write_gradient(source, layers, layers_dot, tangents, i, start, rows, exact):
    """Write the derivative along the direction of the gradient of layer ``i``'s parameters."""
    layer, delta_dot = at(layers, i), reals(at(layers_dot, i).delta)
    units, gradient = layer.fan_out, reals(layer.weights_gradient)
    add_column_sums(delta_dot, rows, units, reals(layer.intercepts_gradient), real(0))
    add_weights_gradient(source, layers, i, start, rows, delta_dot, real(0))
    if exact != 0 and i > 0:  # the rows of X have no tangent
        gemm(1, 0, layer.fan_in, units, rows, real(1), reals(at(tangents, i - 1).out),
             layer.fan_in, reals(layer.delta), units, real(1), gradient, units)  # fmt: skip


@inline
def _deltas_to_layer_below(layers, layers_dot, tangents, i, rows, exact):
    """Pass the deltas, derivatives by z of layer ``i``, on to the output of the layer below."""
    layer, tangent = at(layers, i), at(tangents, i)
    to_layer_below(layers_dot, i, rows)
    if exact != 0:
        if tangent.weights != 0:
            gemm(0, 1, rows, layer.fan_in, layer.fan_out, real(1), reals(layer.delta),
                 layer.fan_out, reals(tangent.weights), layer.fan_out, real(1),
                 reals(at(layers_dot, i - 1).delta), layer.fan_in)  # fmt: skip
        to_layer_below(layers, i, rows)


@kernel(PRODUCT)
def _product(source, layers, layers_dot, tangents, n_layers, loss, start, rows, scale, exact):
    """Write the derivative along the direction of this block's gradient to the gradient.

    ``layers_dot`` are the same layers, but their delta is the tangent of the delta.
    """
    terms, output, lowest = at(loss, 0), n_layers - 1, lowest_trained(layers)
    forward_pass(source, layers, n_layers, start, rows)
    gather_targets(terms, start, rows)
    _tangents_forward(source, layers, tangents, n_layers, start, rows)
    _differentiate_loss(
        at(layers, output), at(layers_dot, output), at(tangents, output), terms, rows, scale, exact
    )
    for i in range(output, lowest - 1, -1):
        _deltas_to_z(layers, layers_dot, tangents, i, start, rows, exact)
        if at(layers, i).weights_gradient != 0:
            _write_gradient(source, layers, layers_dot, tangents, i, start, rows, exact)
        if i > lowest:
            _deltas_to_layer_below(layers, layers_dot, tangents, i, rows, exact)


class HessianProduct(Evaluator):
    """Hessian-vector products of blocks of rows, at the parameters in ``theta``.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
    plan : Plan
    order : ndarray of int64 or None
    direction : ndarray of shape (n_parameters,)
        The vector; like theta, it may be changed in place between calls.
    exact : bool
        Whether the product is that of the Hessian, or of its Gauss-Newton matrix.
    """

    def __init__(self, problem, theta, plan, order, direction, exact):
        super().__init__(problem, theta, plan, order)
        self.loss[0]["hessian_product"] = problem.form.hessian_product.address(self.dtype)
        directions = problem.layout.by_layer(direction)
        self._still = np.zeros(self.network.layers["fan_out"].max(), self.dtype)  # frozen ones
        self.exact = exact
        self.layers_dot = self.network.layers.copy()
        self.tangents = np.zeros(self.network.n_layers, TANGENT)
        for i, (layer, layer_dot, tangent) in enumerate(
            zip(self.network.layers, self.layers_dot, self.tangents, strict=True)
        ):
            buffers = np.empty((4, plan.max_rows, layer["fan_out"]), self.dtype)
            self.network.keep(buffers)
            layer_dot["delta"], z, pre, out = map(address, buffers)
            tangent["weights"] = address(directions[i].get("coefs"))
            tangent["intercepts"] = address(directions[i].get("intercepts", self._still))
            tangent["z"] = z
            tangent["pre"] = pre if layer["normalization"] else z
            activates = layer["backward"] or layer["residual"]
            tangent["out"] = out if activates else tangent["pre"]
            if exact and i < self.network.n_layers - 1:
                self._bind_curvature(i, problem.architecture.activations[i])
            if layer["normalization"]:
                self._bind_normalization(i, problem.architecture.normalizations[i], directions[i])
        self.network.keep(direction)

    def _bind_curvature(self, i, activation):
        if activation.is_linear:
            return
        kernels, layer = activation.kernels(), self.network.layers[i]
        layer["forward"] = kernels.forward_twice.address(self.dtype)
        self.tangents[i]["second"] = kernels.second.address(self.dtype)
        if activation.stores_derivatives:
            layer["curvature"] = self.network.buffer(i)

    def _bind_normalization(self, i, normalization, directions):
        fields = self.network.normalizations[i][0]
        fields["tangent"] = normalization._tangent.address(self.dtype)
        fields["curvature"] = normalization._curvature.address(self.dtype)
        gamma, beta = (
            directions.get(f"normalization_{name}", self._still) for name in ("scales", "shifts")
        )
        fields["gamma_direction"], fields["beta_direction"] = address(gamma), address(beta)
        fields["growth"] = self.network.keep(np.empty(self.network.max_rows, self.dtype))

    def __call__(self, start, rows, scale):
        """Return ``scale`` times a block's share of the product, a buffer, in a tuple."""
        source, layers, n_layers, loss = self.arguments
        self.network.run(
            _product, self.dtype, source, layers, address(self.layers_dot),
            address(self.tangents), n_layers, loss, start, rows, scale, int(self.exact),
        )  # fmt: skip
        return (self.gradient,)


@inline
def _start_of_output(last, output, terms, rows, scale):
    """Let the last layer's delta be the derivative of one output, times the roots of weights.

    Where the target is missing, NaN, it is 0.
    """
    delta, outputs, y = reals(last.delta), last.fan_out, reals(terms.y_block)
    for row in range(rows):
        for j in range(outputs):
            delta[row * outputs + j] = real(0)
        here = row * outputs + output
        root = math.sqrt(real(scale) * reals(terms.weight_block)[row])
        delta[here] = root if y[here] == y[here] else real(0)


@inline
def _rows_of_normalization(layer, first, rows, n_parameters):
    """Write each row's derivatives by scales and shifts."""
    units, delta, normalized = layer.fan_out, reals(layer.delta), reals(layer.z)
    norm = at(normalizations(layer.normalization), 0)
    for row in range(rows):
        there = first + row * n_parameters
        by_gamma = offset(reals(norm.gamma_gradient), there)
        by_beta = offset(reals(norm.beta_gradient), there)
        for j in range(row * units, (row + 1) * units):
            by_gamma[j - row * units] = delta[j] * normalized[j]
            by_beta[j - row * units] = delta[j]


@inline
def _rows_of_weights(layer, below, first, rows, n_parameters):
    """Write each row's derivatives by weights and intercepts: ``below`` times delta."""
    units, delta = layer.fan_out, reals(layer.delta)
    for row in range(rows):
        there = first + row * n_parameters
        by_weights = offset(reals(layer.weights_gradient), there)
        by_intercepts = offset(reals(layer.intercepts_gradient), there)
        slope, x = offset(delta, row * units), offset(below, row * layer.fan_in)
        for k in range(layer.fan_in):
            for j in range(units):
                by_weights[k * units + j] = x[k] * slope[j]
        for j in range(units):
            by_intercepts[j] = slope[j]


@kernel(JACOBIAN)
def _jacobian(source, layers, n_layers, loss, start, rows, scale, n_parameters, inputs):
    """Write each row's and output's derivative, times the root of its weight, to a row.

    The gradients' address is that of a spare row before the first one.
    """
    terms = at(loss, 0)
    forward_pass(source, layers, n_layers, start, rows)
    gather_targets(terms, start, rows)
    for j in range(rows * at(layers, 0).fan_in):
        inputs[j] = real(0)
    call_add_rows(at(source, 0).add_rows, source, start, rows, inputs)
    last, lowest = at(layers, n_layers - 1), lowest_trained(layers)
    for output in range(last.fan_out):
        _start_of_output(last, output, terms, rows, scale)
        first = (1 + output * rows) * n_parameters
        for i in range(n_layers - 1, lowest - 1, -1):
            layer, is_trained = at(layers, i), at(layers, i).weights_gradient != 0
            to_preactivation(layers, i, start, rows)
            if layer.normalization != 0:
                if is_trained:
                    _rows_of_normalization(layer, first, rows, n_parameters)
                norm = normalizations(layer.normalization)
                call_normalize_backward(
                    at(norm, 0).backward, norm, reals(layer.z), reals(layer.delta), rows,
                    layer.fan_out, real(0),
                )  # fmt: skip
            if is_trained:
                below = reals(at(layers, i - 1).out) if i > 0 else inputs
                _rows_of_weights(layer, below, first, rows, n_parameters)
            if i > lowest:
                to_layer_below(layers, i, rows)


class Jacobian(Evaluator):
    r"""Gauss-Newton matrices :math:`J^T J` of squared error, of blocks of rows.

    :math:`J` holds the derivatives of all outputs of a block by the parameters, times the
    roots of the sample weights. Its size does not depend on the number of samples.
    """

    def __init__(self, problem, theta, plan, order):
        n_parameters = problem.layout.n_parameters
        n_outputs = problem.layout.shapes[-1][1]
        self.rows = np.empty((1 + plan.max_rows * n_outputs, n_parameters), theta.dtype)
        super().__init__(problem, theta, plan, order, gradient=self.rows[0])
        self.network.source.allow_residual()
        self.inputs = np.empty((plan.max_rows, problem.X.shape[1]), theta.dtype)
        self.n_outputs = n_outputs

    def __call__(self, start, rows, scale):
        """Return ``scale`` times a block's share of the matrix, in a tuple."""
        self.network.run(
            _jacobian, self.dtype, *self.arguments, start, rows, scale, self.rows.shape[1],
            address(self.inputs),
        )  # fmt: skip
        jacobian = self.rows[1 : 1 + rows * self.n_outputs].astype(np.float64, copy=False)
        upper = self.network.run(dsyrk, 1.0, jacobian.T)  # zero below the diagonal
        return (upper + np.triu(upper, 1).T,)
