"""What is to be learnt, and how the loss and its gradient at given parameters are computed."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy import sparse

from .._compiler.blas_threads import plan_rows
from .._compiler.declarations import address
from .._compiler.memory import aligned_zeros
from ..losses.base import Form
from .augmentation import UNCHANGED
from .inputs import Features
from .layout import Architecture, Layout
from .mixture import Mixture
from .network import Network
from .passes import LOSS, batch_gradient, gather_mixtures


def without_subnormals(sample_weight):
    """Return sample weights with 0 for those below the smallest normal number of their type.

    Compiled code treats these as 0 while it trains, but their sum, by which it divides, is also
    computed elsewhere.
    """
    return sample_weight * (sample_weight >= np.finfo(sample_weight.dtype).smallest_normal)


@runtime_checkable
class Loss(Protocol):
    """What a problem asks of a loss."""

    is_twice_differentiable: bool

    def form(self, target_type: str) -> Form: ...

    def mixture_form(self, target_type: str) -> Form | None: ...

    def check_targets(self, y: np.ndarray) -> None: ...

    def n_outputs(self, n_columns: int) -> int: ...

    def kernel_parameters(self) -> np.ndarray: ...


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
    row_indices : ndarray of int64 or None
        The rows to train on; None means all.
    mixture_form : Form or None
        The same as ``form`` for mixtures of such targets; None where there are none.
    n_classes : tuple of int
        The numbers of classes of several outputs that have classes of their own.
    """

    X: Features
    y: np.ndarray
    sample_weight: np.ndarray | None
    loss: Loss
    form: Form
    architecture: Architecture
    layout: Layout
    alpha: float
    l1_ratio: float
    row_indices: np.ndarray | None = None
    mixture_form: Form | None = None
    n_classes: tuple = ()

    @property
    def n_rows(self):
        """Number of rows to train on."""
        return self.X.shape[0] if self.row_indices is None else len(self.row_indices)

    @property
    def l1(self):
        """Weight of the L1 penalty."""
        return self.alpha * self.l1_ratio

    @property
    def l2(self):
        """Weight of the L2 penalty."""
        return self.alpha * (1.0 - self.l1_ratio)

    def total_weight(self):
        """Sum of the sample weights of the training rows."""
        if self.sample_weight is None:
            return float(self.n_rows)
        rows = slice(None) if self.row_indices is None else self.row_indices
        return float(self.sample_weight[rows].sum(dtype=np.float64))

    def plan(self, n_rows, n_jobs=None, at_once=False, other=0.0):
        """Plan passes of so many rows through the network; see `plan_rows`."""
        return plan_rows(
            self.layout.shapes,
            n_rows,
            n_jobs,
            dtype=self.X.dtype,
            at_once=at_once,
            is_sparse=sparse.issparse(self.X),
            other=other,
        )

    def loss_parameters(self):
        """Return what the kernels of the loss read, a vector of float64."""
        outputs = [len(self.n_classes), *self.n_classes] if self.n_classes else []
        return np.concatenate([outputs, self.loss.kernel_parameters()])

    def mean_loss(self, raw, y, sample_weight):
        """Return the weighted mean of the loss, without penalty, for raw outputs and targets."""
        return self.total_loss(raw, y, sample_weight) / sample_weight.sum(dtype=np.float64)

    def total_loss(self, raw, y, sample_weight):
        """Return the weighted sum of the loss, without penalty, for raw outputs and targets."""
        arrays = raw, y, sample_weight, np.empty_like(raw)
        parameters = self.loss_parameters()
        return self.form.evaluate(
            raw.dtype, *map(address, arrays), *raw.shape, 1.0, address(parameters)
        )


class Evaluator:
    """Loss and gradient of blocks of rows of a problem, at the parameters in ``theta``.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        May be changed in place between calls.
    plan : Plan
        Its ``max_rows`` is the largest size of a block.
    order : ndarray of int64 or None
        The rows that blocks are made of; may be changed in place. None means all.
    gradient : ndarray of shape (n_parameters,), default=None
        Where gradients go; by default a buffer of its own.
    updates_statistics : bool, default=True
        As in `Network`.
    augmentation : Augmentation, default=UNCHANGED
        How the samples are changed.

    Attributes
    ----------
    network : Network
    form : Form
        The loss's kernels for its targets, or for mixtures of these.
    arguments : tuple of int
        What kernels are called with: input, layers, number of layers and loss.
    """

    def __init__(
        self,
        problem,
        theta,
        plan,
        order,
        gradient=None,
        updates_statistics=True,
        augmentation=UNCHANGED,
    ):
        layout = problem.layout
        self.dtype = theta.dtype
        if gradient is None:
            gradient = aligned_zeros(layout.n_parameters, theta.dtype)
        self.gradient = gradient
        form, n_columns, mixture = problem.form, problem.y.shape[1], None
        if augmentation.mixup > 0:
            form, n_columns = problem.mixture_form, layout.shapes[-1][1]
            mixture = Mixture(augmentation.mixup, order, problem.sample_weight)
        self.form = form
        self.network = Network(
            problem.X,
            layout.by_layer(theta),
            problem.architecture,
            plan,
            order,
            layout.by_layer(gradient),
            updates_statistics,
            augmentation.input_noise,
            mixture,
        )
        self.loss = np.zeros(1, LOSS)
        keep = self.network.keep
        fields = self.loss[0]
        fields["evaluate"] = form.evaluate.address(self.dtype)
        fields["parameters"] = keep(problem.loss_parameters())
        fields["y"], fields["n_columns"] = keep(problem.y), problem.y.shape[1]
        fields["sample_weight"] = keep(problem.sample_weight)
        fields["order"] = keep(order)
        if mixture is not None:
            fields["mixture"] = mixture.address
            fields["gather_mixtures"] = gather_mixtures.address(self.dtype)
        fields["y_block"] = keep(np.empty((plan.max_rows, n_columns), self.dtype))
        fields["weight_block"] = keep(np.empty(plan.max_rows, self.dtype))
        self.arguments = (
            self.network.source.address,
            address(self.network.layers),
            self.network.n_layers,
            address(self.loss),
        )

    def __call__(self, start, rows, scale):
        """Return ``scale`` times the sum of weight times loss over a block, and its gradient.

        The block has ``rows`` rows of the order from ``start`` on. The gradient is a buffer.
        """
        loss = self.network.run(
            batch_gradient, self.dtype, *self.arguments, start, rows, scale, 0.0
        )
        return scale * loss, self.gradient
