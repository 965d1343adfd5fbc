"""An ONNX graph while it is made. The library is needed only when it is written out."""

from typing import Any, NamedTuple

import numpy as np

#: The oldest set of operators that has layer normalization. Nothing newer is used.
OLDEST_OPSET = 17

#: The set of operators for machine learning that is as old, for look-ups of strings.
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 3


class Node(NamedTuple):
    """One operation."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    domain: str
    attributes: dict[str, Any]


class Tensor(NamedTuple):
    """A tensor that goes in or out; None in its shape is the number of samples."""

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...]


class Graph:
    """Inputs, nodes, constants and outputs, each tensor with a name of its own."""

    def __init__(self):
        self.inputs, self.outputs = [], []
        self.nodes = []
        self.constants = {}
        self._taken = set()

    def input(self, name, dtype, n_columns):
        """Declare an input of so many columns; return its name."""
        tensor = Tensor(self._unique(name), np.dtype(dtype), (None, n_columns))
        self.inputs.append(tensor)
        return tensor.name

    def add(self, kind, *inputs, n_outputs=1, domain="", **attributes):
        """Add an operation, whose inputs are names of tensors, or arrays, which are constants.

        Returns the name of its output, or a list of names where ``n_outputs`` is not 1.
        """
        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        outputs = [self._unique(kind.lower()) for _ in range(n_outputs)]
        self.nodes.append(Node(kind, names, outputs, domain, attributes))
        return outputs[0] if n_outputs == 1 else outputs

    def cast(self, x, dtype):
        return self.add("Cast", x, to=_TYPES[np.dtype(dtype)])

    def concat(self, tensors, axis=1):
        return tensors[0] if len(tensors) == 1 else self.add("Concat", *tensors, axis=axis)

    def output(self, name, x, dtype, *shape):
        """Declare a tensor to be an output of this name."""
        tensor = Tensor(self._unique(name), np.dtype(dtype), (None, *shape))
        self.nodes.append(Node("Identity", [x], [tensor.name], "", {}))
        self.outputs.append(tensor)

    def _constant(self, value):
        name = self._unique("constant")
        self.constants[name] = np.asarray(value)
        return name

    def _unique(self, name):
        unique, count = name, 1
        while unique in self._taken:
            count += 1
            unique = f"{name}_{count}"
        self._taken.add(unique)
        return unique

    def model(self, name, opset, version):
        """Return the graph as an ``onnx.ModelProto``."""
        onnx = _import_onnx()
        newest = onnx.defs.onnx_opset_version()
        opset = OLDEST_OPSET if opset is None else opset
        if not OLDEST_OPSET <= opset <= newest:
            raise ValueError(
                f"target_opset must be from {OLDEST_OPSET} to {newest}, the newest that onnx "
                f"{onnx.__version__} knows, got {opset}."
            )
        opsets = [onnx.helper.make_opsetid("", opset)]
        if any(node.domain == ML_DOMAIN for node in self.nodes):
            opsets.append(onnx.helper.make_opsetid(ML_DOMAIN, ML_OPSET))
        graph = onnx.helper.make_graph(
            [_node_of(onnx, node) for node in self.nodes],
            name,
            [_info_of(onnx, tensor) for tensor in self.inputs],
            [_info_of(onnx, tensor) for tensor in self.outputs],
            [onnx.numpy_helper.from_array(array, key) for key, array in self.constants.items()],
        )
        return onnx.helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=onnx.helper.find_min_ir_version_for(opsets),
            producer_name="sknn_opt",
            producer_version=version,
        )


#: ONNX's numbers of the types that a graph casts to, which its specification fixes.
_TYPES = {
    np.dtype(np.float32): 1,
    np.dtype(np.int64): 7,
    np.dtype(np.bool_): 9,
    np.dtype(np.float64): 11,
}


def _import_onnx():
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            'to_onnx needs the package onnx, which comes with pip install "sknn_opt[onnx]".'
        ) from error
    return onnx


def _node_of(onnx, node):
    return onnx.helper.make_node(
        node.kind,
        node.inputs,
        node.outputs,
        name=node.outputs[0],
        domain=node.domain,
        **node.attributes,
    )


def _info_of(onnx, tensor):
    dtype = onnx.helper.np_dtype_to_tensor_dtype(tensor.dtype)
    shape = [None, *tensor.shape[1:]]
    return onnx.helper.make_tensor_value_info(tensor.name, dtype, shape)
