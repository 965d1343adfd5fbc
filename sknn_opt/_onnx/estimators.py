"""What can be converted, and how."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._estimators.base import BaseMLP
from ..compression import QuantizedMLPClassifier, QuantizedMLPRegressor
from .graph import Graph
from .networks import raw_outputs
from .predictions import add_predictions


_QUANTIZED = (QuantizedMLPClassifier, QuantizedMLPRegressor)


def graph_of(estimator):
    """Return the graph of a fitted estimator.

    Raises
    ------
    TypeError
        If it is of a class that cannot be converted.
    ValueError
        If it has a part that cannot be converted; the message names it.
    """
    if not isinstance(estimator, (BaseMLP, *_QUANTIZED)):
        raise TypeError(
            f"Expected a network of sknn_opt, got {type(estimator).__name__}. A Pipeline that "
            "ends in one is converted by skl2onnx.to_onnx, which knows our networks after "
            "import sknn_opt.onnx."
        )
    check_is_fitted(estimator)
    graph = Graph()
    X = graph.input("X", np.float32, estimator.n_features_in_)
    network = estimator._restored() if isinstance(estimator, _QUANTIZED) else estimator
    add_predictions(graph, network, raw_outputs(graph, network, X))
    return graph
