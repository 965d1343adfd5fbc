"""Our estimators as steps of the pipelines that skl2onnx converts."""

import numpy as np

from ..compression import QuantizedMLPClassifier, QuantizedMLPRegressor
from ..ensemble import MLPEnsembleClassifier, MLPEnsembleRegressor
from ..estimators import MLPClassifier, MLPRegressor
from .estimators import graph_of

_CLASSIFIERS = (MLPClassifier, MLPEnsembleClassifier, QuantizedMLPClassifier)
_REGRESSORS = (MLPRegressor, MLPEnsembleRegressor, QuantizedMLPRegressor)

#: The options of skl2onnx that apply to all classifiers.
_OPTIONS = {
    "nocl": [False],
    "output_class_labels": [False, True],
    "zipmap": [True, False, "columns"],
}


def register_converters():
    """Tell skl2onnx, where it is installed, how our estimators are converted."""
    try:
        from skl2onnx import update_registered_converter
    except ImportError:
        return
    for cls in _CLASSIFIERS:
        _register(update_registered_converter, cls, options=_OPTIONS)
    for cls in _REGRESSORS:
        _register(update_registered_converter, cls)


def _register(update, cls, **keywords):
    update(cls, f"SknnOpt{cls.__name__}", _infer_outputs, _convert, **keywords)


def _infer_outputs(operator):
    """Set types and shapes of the outputs of an operator of skl2onnx."""
    graph = _checked_graph(operator)
    n_samples = operator.inputs[0].get_first_dimension()
    for variable, tensor in zip(operator.outputs, graph.outputs, strict=True):
        variable.type = _type_of(tensor.dtype)([n_samples, *tensor.shape[1:]])


def _checked_graph(operator):
    graph = graph_of(operator.raw_operator)
    if len(graph.inputs) > 1:
        raise ValueError(
            "The members of the committee read a table by its columns. Convert it by itself with "
            "sknn_opt.onnx.to_onnx, which has an input for each."
        )
    if len(graph.outputs) != len(operator.outputs):
        raise ValueError(
            "skl2onnx knows classifiers with a single output of classes. Convert the network by "
            "itself with sknn_opt.onnx.to_onnx, which has outputs for each."
        )
    return graph


def _type_of(dtype):
    from skl2onnx.common import data_types

    types = {
        np.dtype(np.int64): data_types.Int64TensorType,
        np.dtype(object): data_types.StringTensorType,
        np.dtype(np.float32): data_types.FloatTensorType,
    }
    return types[dtype]


def _convert(scope, operator, container):
    """Copy a graph of ours into the model that skl2onnx makes, with names that are free there."""
    from onnx.helper import np_dtype_to_tensor_dtype

    graph = _checked_graph(operator)
    (X,) = graph.inputs
    names = {
        tensor.name: variable.full_name
        for tensor, variable in zip(graph.outputs, operator.outputs, strict=True)
    }
    for name in [X.name, *graph.constants, *(one for node in graph.nodes for one in node.outputs)]:
        names.setdefault(name, scope.get_unique_variable_name(name))
    container.add_node(
        "Cast", operator.inputs[0].full_name, names[X.name], to=np_dtype_to_tensor_dtype(X.dtype)
    )
    for name, array in graph.constants.items():
        dtype = np_dtype_to_tensor_dtype(array.dtype)
        container.add_initializer(names[name], dtype, array.shape, array.ravel().tolist())
    for node in graph.nodes:
        container.add_node(
            node.kind,
            [names[name] for name in node.inputs],
            [names[name] for name in node.outputs],
            op_domain=node.domain,
            name=scope.get_unique_operator_name(node.kind),
            **node.attributes,
        )
