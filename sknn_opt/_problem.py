"""What is to be learnt, and its loss and gradient at given parameters."""

from dataclasses import dataclass

import numpy as np

from ._inputs import Input
from ._kernel import address
from ._layout import Architecture, Layout
from ._network import OBJECTIVE, Network, batch_gradient

#: Rows of a block wherever many rows are passed through a network at once.
BLOCK_ROWS = 1024


def without_subnormals(sample_weight):
    """Return sample weights with 0 for those below the smallest normal number of their type.

    Compiled code flushes these to 0 where it meets them, but not wherever it divides by their sum.
    """
    return sample_weight * (sample_weight >= np.finfo(sample_weight.dtype).smallest_normal)


@dataclass
class Problem:
    """Data, network and loss, as both trainers see them.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_columns)
        Targets as the loss reads them, of X's dtype.
    sample_weight : ndarray of shape (n_samples,) or None
        Of X's dtype.
    loss : Loss
    form : Form
        The loss's kernels for this kind of target.
    architecture : Architecture
    layout : Layout
    alpha, l1_ratio : float
    rows : ndarray of int64 or None
        The rows to train on; None means all.
    """

    X: object
    y: np.ndarray
    sample_weight: np.ndarray | None
    loss: object
    form: object
    architecture: Architecture
    layout: Layout
    alpha: float
    l1_ratio: float
    rows: np.ndarray | None = None

    @property
    def n_rows(self):
        """Number of rows to train on."""
        return self.X.shape[0] if self.rows is None else len(self.rows)

    def total_weight(self):
        """Sum of the sample weights of the training rows."""
        if self.sample_weight is None:
            return float(self.n_rows)
        rows = slice(None) if self.rows is None else self.rows
        return float(self.sample_weight[rows].sum(dtype=np.float64))


class Batches:
    """Loss and gradient of blocks of rows, at the parameters in ``theta``.

    ``theta`` may be changed in place between calls; gradients go to ``gradient``.
    """

    def __init__(self, problem, theta, max_rows, order, gradient=None):
        layout, architecture = problem.layout, problem.architecture
        self.dtype = theta.dtype
        if gradient is None:
            gradient = np.zeros(layout.n_parameters, theta.dtype)
        self.gradient = gradient
        self.source = Input(problem.X, max_rows, order, architecture.input_dropout)
        self.source.allow_gradient()
        self.network = Network(
            layout.views(theta), architecture, max_rows, layout.views(self.gradient)
        )
        if self.network.residual_input:
            self.source.allow_residual()
        self.objective = np.zeros(1, OBJECTIVE)
        parameters = problem.loss.kernel_parameters()
        y_block = np.empty((max_rows, problem.y.shape[1]), self.dtype)
        weight_block = np.empty(max_rows, self.dtype)
        fields = self.objective[0]
        fields["evaluate"] = problem.form.evaluate.address(self.dtype)
        fields["parameters"] = address(parameters)
        fields["y"], fields["n_columns"] = address(problem.y), problem.y.shape[1]
        fields["sample_weight"] = address(problem.sample_weight)
        fields["order"] = address(order)
        fields["y_block"], fields["weight_block"] = address(y_block), address(weight_block)
        self._alive = problem, theta, order, parameters, y_block, weight_block
        self.arguments = (
            self.source.address,
            address(self.network.layers),
            self.network.n_layers,
            address(self.objective),
        )

    def __call__(self, start, rows, scale):
        """Return ``scale`` times the sum of weight times loss over a block, and its gradient.

        The block has ``rows`` rows of the order from ``start`` on. The gradient is a buffer.
        """
        loss = batch_gradient(self.dtype, *self.arguments, start, rows, scale, 0.0)
        return scale * loss, self.gradient
