"""Networks, from their input to their raw outputs, in float32."""

import numpy as np

from .._estimators.folding import without_batch_norm
from .activations import activate


def raw_outputs(graph, network, h):
    """Add a fitted network on top of its input; return its outputs before the link.

    Batch normalization and the scale of the targets are made part of the weights.
    """
    parameters = network._targets.unscaled_network(network._fitted_parameters())
    parameters, architecture = without_batch_norm(parameters, network._fitted_architecture)
    *hidden, last = map(_in_float32, parameters)
    for i, layer in enumerate(hidden):
        z = _linear(graph, h, layer)
        z = _normalized(graph, z, layer, architecture.normalizations[i])
        a = activate(graph, z, architecture.activations[i])
        fan_in, fan_out = layer["coefs"].shape
        h = graph.add("Add", a, h) if architecture.residual and fan_in == fan_out else a
    return _linear(graph, h, last)


def _in_float32(layer):
    """Return the arrays of a layer; raise ValueError for numbers that are too large."""
    with np.errstate(over="ignore"):
        cast = {name: array.astype(np.float32) for name, array in layer.items()}
    for name, array in cast.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name}_ holds a number too large for float32, ONNX's type here.")
    return cast


def _linear(graph, h, layer):
    return graph.add("Gemm", h, layer["coefs"], layer["intercepts"])


def _normalized(graph, z, layer, normalization):
    if normalization is None:
        return z
    scales, shifts = layer["normalization_scales"], layer["normalization_shifts"]
    epsilon = float(normalization.epsilon)
    return graph.add("LayerNormalization", z, scales, shifts, axis=-1, epsilon=epsilon)
