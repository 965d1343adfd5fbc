"""A network bound to its parameters and to the rows of its input."""

import numpy as np

from .._compiler.declarations import address
from ..normalizations import NORMALIZATION
from .dropout import drop
from .inputs import Input
from .passes import LAYER, forward_block


class Network:
    """Layers bound to their parameters, with buffers for blocks of rows of an input.

    Not shared between threads: each call of fit or predict makes its own.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    parameters : list of dict
        The arrays of each layer by their names, contiguous and of X's dtype; read in place, so
        changes to them are seen.
    architecture : Architecture
    plan : Plan
        How many rows pass at once, which is the size of the buffers.
    order : ndarray of int64, default=None
        The rows of X to pass through the network; None means all. May be changed in place.
    gradients : list of dict, default=None
        Where gradients go; empty for frozen layers. Without the list there is no backward
        pass, and the network predicts: no dropout, and batch normalization by the running
        statistics.
    updates_statistics : bool, default=True
        Whether a network with gradients normalizes by the statistics of each batch and moves
        the running ones, as in training, or takes the latter as they are, which frozen layers
        always do.
    input_noise : float, default=0
        Standard deviation of the noise that is added to dense features.
    mixture : Mixture, default=None
        How dense rows are mixed.
    """

    def __init__(
        self,
        X,
        parameters,
        architecture,
        plan,
        order=None,
        gradients=None,
        updates_statistics=True,
        input_noise=0.0,
        mixture=None,
    ):
        self.dtype = X.dtype
        self.n_layers = len(parameters)
        self.max_rows = plan.max_rows
        self.run = plan.run
        self.layers = np.zeros(self.n_layers, LAYER)
        self._widths = [layer["intercepts"].size for layer in parameters]
        self.n_outputs = self._widths[-1]
        self.normalizations = {}  # by layer
        self._trains = gradients is not None
        self._updates_statistics = self._trains and updates_statistics
        self._alive = [parameters, gradients]
        for i in range(self.n_layers):
            self._bind(i, parameters[i], gradients[i] if self._trains else None)
            if i < self.n_layers - 1:
                self._bind_hidden(i, parameters[i], architecture)
                normalization = architecture.normalizations[i]
                if normalization is not None:
                    gradient = gradients[i] if self._trains else None
                    self._bind_normalization(i, normalization, parameters[i], gradient)
        input_dropout = architecture.input_dropout if self._trains else 0.0
        self.source = Input(X, self.max_rows, order, input_dropout, input_noise, mixture)
        if self._trains:
            self.source.allow_gradient()
        if self.layers["residual"][0]:
            self.source.allow_residual()

    def keep(self, array):
        """Return the address of an array that lives as long as the network."""
        self._alive.append(array)
        return address(array)

    def buffer(self, i):
        """Return the address of a new buffer for the outputs of layer ``i``."""
        return self.keep(np.empty((self.max_rows, self._widths[i]), self.dtype))

    def _bind(self, i, parameters, gradients):
        layer = self.layers[i]
        coefs = parameters["coefs"]
        layer["fan_in"], layer["fan_out"] = coefs.shape
        layer["weights"], layer["intercepts"] = address(coefs), address(parameters["intercepts"])
        if self._trains:
            layer["weights_gradient"] = address(gradients.get("coefs"))
            layer["intercepts_gradient"] = address(gradients.get("intercepts"))
            layer["delta"] = self.buffer(i)
        if self._trains or i < self.n_layers - 1:  # else raw_outputs says where they go
            layer["z"] = layer["a"] = layer["out"] = self.buffer(i)

    def _bind_hidden(self, i, parameters, architecture):
        layer = self.layers[i]
        if architecture.normalizations[i] is not None:
            layer["a"] = layer["out"] = self.buffer(i)
        self._bind_activation(i, architecture.activations[i])
        layer["residual"] = architecture.residual and layer["fan_in"] == layer["fan_out"]
        layer["dropout"] = architecture.dropout[i] if self._trains else 0.0
        if layer["dropout"] > 0:
            layer["drop"] = drop.address(self.dtype)
        if layer["residual"] or layer["dropout"]:
            layer["out"] = self.buffer(i)

    def _bind_activation(self, i, activation):
        layer = self.layers[i]
        layer["slope"] = layer["curvature"] = layer["a"]
        layer["parameters"] = self.keep(activation.kernel_parameters())
        if activation.is_linear:
            return
        kernels = activation.kernels()
        self._alive.append(kernels)
        if not self._trains:
            layer["forward"] = kernels.predict.address(self.dtype)
            return
        layer["forward"] = kernels.forward.address(self.dtype)
        layer["backward"] = kernels.backward.address(self.dtype)
        if activation.stores_derivatives:
            layer["slope"] = self.buffer(i)

    def _bind_normalization(self, i, normalization, parameters, gradients):
        norm = np.zeros(1, NORMALIZATION)
        fields = norm[0]
        units = self._widths[i]
        fields["parameters"] = self.keep(normalization.kernel_parameters())
        fields["gamma"] = address(parameters["normalization_scales"])
        fields["beta"] = address(parameters["normalization_shifts"])
        fields["factor"] = self.keep(np.empty(max(units, self.max_rows), self.dtype))
        fields["sums"] = self.keep(np.empty(2 * units, self.dtype))
        if normalization.uses_batch_statistics:
            fields["mean"] = address(parameters["running_means"])
            fields["variance"] = address(parameters["running_variances"])
        if self._trains:
            fields["backward"] = normalization._backward.address(self.dtype)
            unread = np.empty(units, self.dtype)  # where the gradients of a frozen layer go
            fields["gamma_gradient"] = self.keep(gradients.get("normalization_scales", unread))
            fields["beta_gradient"] = self.keep(gradients.get("normalization_shifts", unread))
        updates = self._updates_statistics and gradients
        forward = normalization._forward if updates else normalization._predict
        fields["forward"] = forward.address(self.dtype)
        self.normalizations[i] = norm
        self.layers["normalization"][i] = address(norm)

    def forward(self, start, rows, n_layers=None):
        """Pass rows of the order from ``start`` on through the first layers, or through all."""
        self.run(
            forward_block, self.dtype, self.source.address, address(self.layers),
            n_layers or self.n_layers, start, rows,
        )  # fmt: skip

    def blocks(self):
        """Yield the start and the number of rows of each block."""
        for start in range(0, self.source.n_rows, self.max_rows):
            yield start, min(self.max_rows, self.source.n_rows - start)

    def raw_outputs(self):
        """Pass all rows through the network, block by block.

        Returns
        -------
        raw : ndarray of shape (n_rows, n_outputs)
        """
        raw = np.empty((self.source.n_rows, self.n_outputs), self.dtype)
        row_bytes = self.n_outputs * raw.itemsize
        first, last = address(raw), self.layers[-1]
        # The last layer writes its block of the result directly, without a buffer.
        for start, rows in self.blocks():
            last["z"] = last["a"] = last["out"] = first + start * row_bytes
            self.forward(start, rows)
        return raw
