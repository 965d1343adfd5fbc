"""A network bound to its parameters, with buffers for blocks of rows."""

import numpy as np

from .._compiler.declarations import address
from ..normalizations import NORMALIZATION
from .dropout import drop
from .passes import LAYER, forward_block


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
        if not activation.overwrites_input:
            layer["a"] = layer["out"] = self._buffer(layer)
        if not activation.is_linear:
            forward, backward, _ = activation.kernels()
            layer["forward"] = forward.address(self.dtype)
            if self._trains:
                layer["backward"] = backward.address(self.dtype)
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
        fields["gamma"] = address(parameters.scales[i])
        fields["beta"] = address(parameters.shifts[i])
        fields["factor"] = self.keep(np.empty(max(units, self.max_rows), self.dtype))
        fields["sums"] = self.keep(np.empty(2 * units, self.dtype))
        if normalization.uses_batch_statistics:
            fields["mean"] = address(parameters.means[i])
            fields["variance"] = address(parameters.variances[i])
        forward = normalization._predict
        if self._trains:
            forward = normalization._forward
            fields["backward"] = normalization._backward.address(self.dtype)
            fields["gamma_gradient"] = address(gradients.scales[i])
            fields["beta_gradient"] = address(gradients.shifts[i])
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
