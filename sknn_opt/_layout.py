"""The shape of a network: where its parameters stand in one vector, and what its layers do."""

import math
from functools import lru_cache
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

#: The types in which kernels compute.
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))

#: What fitted estimators call the sections of their `Parameters`.
PARAMETER_ATTRIBUTES = (
    "coefs_",
    "intercepts_",
    "normalization_scales_",
    "normalization_shifts_",
    "running_means_",
    "running_variances_",
)


class Parameters(NamedTuple):
    """Views of a vector, one array a layer; the last four only with normalization."""

    coefs: list
    intercepts: list
    scales: list
    shifts: list
    means: list
    variances: list


def _section_shapes(units, normalization):
    """Return the shapes of each section's arrays in a network with layers of these sizes."""
    widths = [(width,) for width in units[1:]]
    normalized = [] if normalization is None else widths[:-1]
    tracked = normalized if normalization is not None and normalization._over_batch else []
    return [list(pairwise(units)), widths, normalized, normalized, tracked, tracked]


class Layout:
    """Where each layer's parameters stand in the vector ``theta``.

    All weights come first, layer by layer and row-major, so that a penalty acts on one
    slice; then all intercepts, then the scales and shifts of normalization. Behind these
    ``n_parameters`` that are trained stand batch normalization's running statistics,
    ``n_values`` in all, so that a copy of theta is a copy of the model. Kernels read
    ``table``: the number of parameters, of weights and of layers, then for each layer the
    offset of its weights, fan_in and fan_out.

    Parameters
    ----------
    units : list of int
        Sizes of the input, the hidden layers and the output.
    normalization : Normalization, default=None
    """

    def __init__(self, units, normalization=None):
        self._sections = _section_shapes(units, normalization)
        self.shapes = self._sections[0]
        sizes = [sum(map(math.prod, s)) for s in self._sections]
        self.n_weights = sizes[0]
        self.n_parameters = sum(sizes[:4])
        self.n_values = sum(sizes)
        table = [self.n_parameters, self.n_weights, len(self.shapes)]
        offset = 0
        for fan_in, fan_out in self.shapes:
            table += [offset, fan_in, fan_out]
            offset += fan_in * fan_out
        self.table = np.array(table)

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
        return np.concatenate(arrays, dtype=dtype)


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


def check_parameters(sections, architecture, n_features, n_outputs):
    """Return the arrays of a fitted estimator as contiguous `Parameters` of one floating type.

    Users may assign to these arrays, and a file may hold any. Kernels read as much of each as
    the sizes of the network say, so all of them have to belong to one network.

    Parameters
    ----------
    sections : list of list of array-like
        The values of `PARAMETER_ATTRIBUTES`.
    architecture : Architecture
    n_features, n_outputs : int

    Raises
    ------
    ValueError
        Names the array that does not fit.
    """
    arrays = []
    try:
        dtype = np.asarray(sections[0][0]).dtype
        dtype = dtype if dtype in FLOATS else FLOATS[0]
        for section in sections:
            # Contiguous, not a subclass, and without a copy where it need not be one.
            arrays.append(
                [np.asarray(a).astype(dtype, "C", "same_kind", False, False) for a in section]
            )
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(
            f"{PARAMETER_ATTRIBUTES[len(arrays)]} must be a list of arrays of real numbers: "
            f"{error}."
        ) from error
    shapes = tuple([array.shape for section in arrays for array in section])
    numbers = tuple(map(len, arrays))
    n_hidden = len(architecture.activations)
    _check_shapes(shapes, numbers, n_hidden, architecture.normalization, n_features, n_outputs)
    return Parameters(*arrays)


# Cached, since it would take as long as predicting a row does.
@lru_cache
def _check_shapes(shapes, numbers, n_hidden, normalization, n_features, n_outputs):
    shapes = iter(shapes)
    shapes = [tuple(islice(shapes, number)) for number in numbers]
    coefs, intercepts = shapes[:2]
    for name, section in zip(PARAMETER_ATTRIBUTES, (coefs, intercepts), strict=False):
        _check_number(name, section, n_hidden + 1)
    hidden = map(_width, coefs[:-1], intercepts[:-1], coefs[1:])
    wanted = _section_shapes([n_features, *hidden, n_outputs], normalization)
    for name, found, asked in zip(PARAMETER_ATTRIBUTES, shapes, wanted, strict=True):
        _check_number(name, found, len(asked))
        for i, shape in enumerate(asked):
            if found[i] != shape:
                raise ValueError(
                    f"{name}[{i}] has the shape {found[i]}, but n_features_in_, n_outputs_ and "
                    f"the other arrays ask for {shape}."
                )


def _check_number(name, section, number):
    if len(section) != number:
        raise ValueError(f"{name} must hold {number} arrays, but holds {len(section)}.")


def _width(coefs, intercepts, following):
    """Return the number of a hidden layer's units on which two of three shapes agree."""
    widths = sorted((coefs[-1:], intercepts[-1:], following[:1]))
    return max((1, *widths[1]))
