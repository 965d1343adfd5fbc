"""The activations as operations of ONNX, in float32."""

import math

import numpy as np

from .. import activations


def _operator(kind):
    """Return what adds a single operator, which computes the activation by itself."""
    return lambda graph, z, activation: graph.add(kind, z)


def _identity(graph, z, activation):
    return z


def _hard_tanh(graph, z, activation):
    return graph.add("Clip", z, np.float32(-1), np.float32(1))


def _leaky_relu(graph, z, activation):
    return graph.add("LeakyRelu", z, alpha=float(activation.slope))


def _elu(graph, z, activation):
    return graph.add("Elu", z, alpha=float(activation.alpha))


def _gelu(graph, z, activation):
    # ONNX's own operator is of a newer set.
    erf = graph.add("Erf", graph.add("Mul", z, np.float32(math.sqrt(0.5))))
    below = graph.add("Mul", graph.add("Add", erf, np.float32(1)), np.float32(0.5))
    return graph.add("Mul", z, below)


def _silu(graph, z, activation):
    return graph.add("Mul", z, graph.add("Sigmoid", z))


def _mish(graph, z, activation):
    return graph.add("Mul", z, graph.add("Tanh", graph.add("Softplus", z)))


#: What is added for z, by the exact class: one derived from it may compute anything.
ACTIVATIONS = {
    activations.Identity: _identity,
    activations.Logistic: _operator("Sigmoid"),
    activations.Tanh: _operator("Tanh"),
    activations.ReLU: _operator("Relu"),
    activations.HardTanh: _hard_tanh,
    activations.Softsign: _operator("Softsign"),
    activations.LeakyReLU: _leaky_relu,
    activations.ELU: _elu,
    activations.SELU: _operator("Selu"),
    activations.GELU: _gelu,
    activations.SiLU: _silu,
    activations.Mish: _mish,
    activations.Softplus: _operator("Softplus"),
}


def activate(graph, z, activation):
    """Add an activation of z; raise ValueError for one that ONNX cannot know."""
    if type(activation) not in ACTIVATIONS:
        raise ValueError(
            f"The activation {activation!r} is one of your own, for which ONNX has no operator. "
            f"Fit the network with one of {', '.join(activations.ACTIVATIONS)}."
        )
    return ACTIVATIONS[type(activation)](graph, z, activation)
