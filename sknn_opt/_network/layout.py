"""The shape of a network: its parameters, and the place of each of them in one vector."""

import math
from functools import lru_cache
from itertools import groupby, islice, pairwise
from operator import attrgetter
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from .._compiler.declarations import Kernel, address
from .._compiler.memory import aligned_zeros, padded
from ..activations import ActivationKernels
from ..optimizers.base import ARRAY, LAYOUT

#: The types in which kernels compute.
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))

#: Names of all parameters that a network may have. For each name, a fitted estimator has an
#: attribute, which ends in an underscore: a list with an array for each layer that has it.
PARAMETERS = (
    "coefs",
    "intercepts",
    "normalization_scales",
    "normalization_shifts",
    "running_means",
    "running_variances",
)


class ParameterSpec(NamedTuple):
    """One array of a layer.

    Attributes
    ----------
    name : str
        One of `PARAMETERS`.
    layer : int
    shape : tuple of int
    initial : float or None
        Initial value of its elements; None if an initializer draws them.
    decays : bool
        Whether penalties and weight decay act on it.
    trained : bool
        Whether it follows a gradient; running statistics do not.
    rate : float
        Factor of the learning rate of its layer; 0: the layer is frozen, and nothing changes it.
    """

    name: str
    layer: int
    shape: tuple[int, ...]
    initial: float | None = None
    decays: bool = False
    trained: bool = True
    rate: float = 1.0

    @property
    def is_frozen(self):
        return self.rate == 0


@runtime_checkable
class Activation(Protocol):
    """What a layer asks of an activation."""

    is_linear: bool
    is_twice_differentiable: bool
    stores_derivatives: bool

    def kernels(self) -> ActivationKernels: ...

    def kernel_parameters(self) -> np.ndarray: ...


@runtime_checkable
class Normalization(Protocol):
    """What a layer asks of a normalization."""

    uses_batch_statistics: bool
    parameters: tuple[tuple[str, float, bool], ...]

    _forward: Kernel
    _backward: Kernel
    _predict: Kernel

    def kernel_parameters(self) -> np.ndarray: ...


class Architecture(NamedTuple):
    """What a network does between its matrix products.

    Attributes
    ----------
    activations : list of Activation
        One for each hidden layer, as the next two.
    dropout : list of float
    normalizations : list of Normalization or None
    input_dropout : float
    residual : bool
    """

    activations: list[Activation]
    dropout: list[float]
    normalizations: list[Normalization | None]
    input_dropout: float = 0.0
    residual: bool = False

    def without_dropout(self):
        return self._replace(dropout=[0.0] * len(self.dropout), input_dropout=0.0)

    @property
    def drops(self):
        """Whether any unit or feature may be dropped."""
        return self.input_dropout > 0 or any(self.dropout)

    @property
    def uses_batch_statistics(self):
        """Whether a batch has to come in one block."""
        return any(norm is not None and norm.uses_batch_statistics for norm in self.normalizations)


def describe(units, normalizations, rates=None):
    """Return the specs of a network's parameters.

    Parameters
    ----------
    units : list of int
        Sizes of the input, the hidden layers and the output.
    normalizations : list of Normalization or None
        One for each hidden layer.
    rates : list of float, default=None
        Factor of the learning rate of each layer, 0 for a frozen one; None means 1 for all.
    """
    specs = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(units)):
        specs.append(ParameterSpec("coefs", layer, (fan_in, fan_out), decays=True))
        specs.append(ParameterSpec("intercepts", layer, (fan_out,)))
    for layer, normalization in enumerate(normalizations):
        if normalization is not None:
            for name, initial, trained in normalization.parameters:
                shape = (units[layer + 1],)
                specs.append(ParameterSpec(name, layer, shape, initial, trained=trained))
    if rates is None:
        return specs
    return [spec._replace(rate=rates[spec.layer]) for spec in specs]


class Layout:
    """Where each parameter stands in the vector ``theta``.

    The vector has three parts: the first ``n_parameters`` values are trained; those in the slice
    ``statistics`` are running statistics, and those in ``frozen``, up to ``n_values``, are the
    parameters and statistics of frozen layers. All stand in the same vector so that a copy of
    theta is a copy of the model. Optimizers and penalties see nothing but the first part.

    Within a part, parameters of one name stand together, in the order of `PARAMETERS`, and
    within a name in the order of the layers. So all weights that are trained come first, and a
    penalty acts on one slice. Optimizers read ``table``, which has a row for each trained array.

    Parameters
    ----------
    specs : list of ParameterSpec
    """

    def __init__(self, specs):
        self.specs = sorted(specs, key=_place)
        sizes = [math.prod(spec.shape) for spec in self.specs]
        ends = np.cumsum(sizes)
        self._slices = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        coefs = sorted((s for s in specs if s.name == "coefs"), key=attrgetter("layer"))
        self.shapes = [spec.shape for spec in coefs]
        self.is_trained = np.array([not spec.is_frozen for spec in coefs])  # layer by layer
        self.trained_shapes = [spec.shape for spec in coefs if not spec.is_frozen]
        moving = [spec for spec in specs if not spec.is_frozen]
        trained = [spec for spec in moving if spec.trained]
        self.n_weights = _size(spec for spec in trained if spec.decays)
        self.n_parameters = _size(trained)
        self.statistics = slice(self.n_parameters, _size(moving))
        self.n_values = int(ends[-1])
        self.frozen = slice(self.statistics.stop, self.n_values)
        self.stride = padded(self.n_parameters)
        self.arrays = self._rows(len(trained))
        self.table = np.zeros(1, LAYOUT)
        fields = self.table[0]
        fields["n_parameters"], fields["stride"] = self.n_parameters, self.stride
        fields["n_hidden"], fields["n_arrays"] = self.is_trained[:-1].sum(), len(self.arrays)
        fields["arrays"] = address(self.arrays)
        self.address = address(self.table)

    def _rows(self, n_trained):
        arrays = np.zeros(n_trained, ARRAY)
        for row, spec, place in zip(arrays, self.specs, self._slices, strict=False):
            row["offset"], row["decays"], row["rate"] = place.start, spec.decays, spec.rate
            row["rows"], row["columns"] = (1, *spec.shape)[-2:]
        return arrays

    def arrays_in(self, vector):
        """Yield each spec with its array, a view of a vector of n_values or n_parameters."""
        for spec, place in zip(self.specs, self._slices, strict=True):
            if place.stop <= vector.size:
                yield spec, vector[place].reshape(spec.shape)

    def by_name(self, vector):
        """Return a list of views, in the order of the layers, for each of `PARAMETERS`."""
        layers = self.by_layer(vector)
        return {name: [layer[name] for layer in layers if name in layer] for name in PARAMETERS}

    def by_layer(self, vector):
        """Return a dict of views by their names for each layer, in a list."""
        layers = [{} for _ in self.shapes]
        for spec, array in self.arrays_in(vector):
            layers[spec.layer][spec.name] = array
        return layers

    def pack(self, layers, dtype):
        """Copy arrays, in dicts by layer as `by_layer` returns them, into a new vector."""
        theta = aligned_zeros(self.n_values, dtype)
        for spec, array in self.arrays_in(theta):
            array[...] = layers[spec.layer][spec.name]
        return theta


def _place(spec):
    """Sort key of a parameter's place in theta."""
    return spec.is_frozen, not spec.trained, PARAMETERS.index(spec.name), spec.layer


def _size(specs):
    return sum(math.prod(spec.shape) for spec in specs)


def check_parameters(sections, architecture, n_features, n_outputs):
    """Return the arrays of a fitted estimator, contiguous and of one floating type, by layer.

    Users may assign to these arrays, and a file may hold any. Kernels read as much of each as
    the sizes of the network say, so all of them have to belong to one network.

    Parameters
    ----------
    sections : list of list of array-like
        The fitted attributes of `PARAMETERS`.
    architecture : Architecture
    n_features, n_outputs : int

    Returns
    -------
    layers : list of dict
        The arrays of each layer by their names.

    Raises
    ------
    ValueError
        Names the array that does not fit.
    """
    arrays, numbers = [], []
    try:
        dtype = np.asarray(sections[0][0]).dtype
        dtype = dtype if dtype in FLOATS else FLOATS[0]
        for section in sections:
            for array in section:
                array = np.asarray(array, order="C")
                arrays.append(array if array.dtype == dtype else _cast(array, dtype))
            numbers.append(len(section))
    except FloatingPointError as error:
        name = PARAMETERS[len(numbers)]
        raise ValueError(f"{name}_ holds a number too large for {dtype}.") from error
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(
            f"{PARAMETERS[len(numbers)]}_ must be a list of arrays of real numbers: {error}."
        ) from error
    shapes = tuple([array.shape for array in arrays])
    normalizations = tuple(architecture.normalizations)
    places = _check_shapes(shapes, tuple(numbers), normalizations, n_features, n_outputs)
    layers = [{} for _ in sections[0]]
    for array, (layer, name) in zip(arrays, places, strict=True):
        layers[layer][name] = array
    return layers


@np.errstate(over="raise")
def _cast(array, dtype):
    return array.astype(dtype, casting="same_kind")


# Cached, since it would take as long as the prediction of a single row.
@lru_cache
def _check_shapes(shapes, numbers, normalizations, n_features, n_outputs):
    """Return the layer and the name of each array."""
    shapes = iter(shapes)
    found = {name: list(islice(shapes, n)) for name, n in zip(PARAMETERS, numbers, strict=True)}
    for name in ("coefs", "intercepts"):
        _check_number(name, found[name], len(normalizations) + 1)
    coefs, intercepts = found["coefs"], found["intercepts"]
    hidden = map(_width, coefs[:-1], intercepts[:-1], coefs[1:])
    layout = Layout(describe([n_features, *hidden, n_outputs], normalizations))
    specs = {name: list(group) for name, group in groupby(layout.specs, attrgetter("name"))}
    for name in PARAMETERS:
        wanted = specs.get(name, [])
        _check_number(name, found[name], len(wanted))
        for i, spec in enumerate(wanted):
            if found[name][i] != spec.shape:
                raise ValueError(
                    f"{name}_[{i}] has the shape {found[name][i]}, but n_features_in_, n_outputs_ "
                    f"and the other arrays ask for {spec.shape}."
                )
    return [(spec.layer, name) for name in PARAMETERS for spec in specs.get(name, [])]


def _check_number(name, shapes, number):
    if len(shapes) != number:
        raise ValueError(f"{name}_ must hold {number} arrays, but holds {len(shapes)}.")


def _width(coefs, intercepts, following):
    """Return the number of a hidden layer's units, on which three shapes have to agree."""
    # The median, so that the error names the one array that does not fit the other two.
    widths = sorted((coefs[-1:], intercepts[-1:], following[:1]))
    return max((1, *widths[1]))
