"""The shape of a network: where its parameters stand in one vector, and what its layers do."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .._compiler.declarations import address
from .._compiler.memory import aligned_zeros, padded
from ..optimizers.base import ARRAY, LAYOUT


class Parameters(NamedTuple):
    """Views of a vector, one array a layer; the last four only with normalization."""

    coefs: list
    intercepts: list
    scales: list
    shifts: list
    means: list
    variances: list


class Layout:
    """Where each layer's parameters stand in the vector ``theta``.

    All weights come first, layer by layer and row-major, so that a penalty acts on one
    slice; then all intercepts, then the scales and shifts of normalization. Behind these
    ``n_parameters`` that are trained stand batch normalization's running statistics,
    ``n_values`` in all, so that a copy of theta is a copy of the model. Optimizers read
    ``table``, with a row for each array.

    Parameters
    ----------
    units : list of int
        Sizes of the input, the hidden layers and the output.
    normalization : Normalization, default=None
    """

    def __init__(self, units, normalization=None):
        self.shapes = list(pairwise(units))
        widths = [(width,) for width in units[1:]]
        normalized = [] if normalization is None else widths[:-1]
        tracked = normalized if normalization is not None and normalization._over_batch else []
        self._sections = [self.shapes, widths, normalized, normalized, tracked, tracked]
        sizes = [sum(map(math.prod, s)) for s in self._sections]
        self.n_weights = sizes[0]
        self.n_parameters = sum(sizes[:4])
        self.n_values = sum(sizes)
        self.stride = padded(self.n_parameters)
        self.table = self._table()
        self.address = address(self.table)

    def _table(self):
        trained = [shape for section in self._sections[:4] for shape in section]
        self.arrays = np.zeros(len(trained), ARRAY)
        offset = 0
        for row, shape in zip(self.arrays, trained, strict=True):
            row["offset"], row["decays"], row["rate"] = offset, offset < self.n_weights, 1.0
            row["rows"], row["columns"] = shape if len(shape) == 2 else (1, *shape)
            offset += math.prod(shape)
        table = np.zeros(1, LAYOUT)
        fields = table[0]
        fields["n_parameters"], fields["stride"] = self.n_parameters, self.stride
        fields["n_layers"], fields["n_arrays"] = len(self.shapes), len(trained)
        fields["arrays"] = address(self.arrays)
        return table

    def views(self, vector):
        """Return the `Parameters` in a vector of n_values or, a gradient, of n_parameters."""
        offset, sections = 0, []
        for shapes in self._sections:
            views = []
            for shape in shapes:
                size = math.prod(shape)
                views.append(vector[offset : offset + size].reshape(shape))
                offset += size
            sections.append(views)
            if offset == vector.size:
                break
        return Parameters(*sections, *[[]] * (len(self._sections) - len(sections)))

    def pack(self, parameters, dtype):
        """Copy `Parameters` into a new vector."""
        arrays = [np.ravel(array) for section in parameters for array in section]
        return np.concatenate(arrays, out=aligned_zeros(self.n_values, dtype))


class Architecture(NamedTuple):
    """What a network does between its matrix products.

    Attributes
    ----------
    activations : list of Activation
        One for each hidden layer.
    dropout : list of float
        One for each hidden layer.
    input_dropout : float
    normalization : Normalization or None
    residual : bool
    """

    activations: list
    dropout: list
    input_dropout: float = 0.0
    normalization: object = None
    residual: bool = False
