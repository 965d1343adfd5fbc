"""What a network predicts: from its raw outputs to labels, probabilities and numbers.

Outputs are laid out as skl2onnx does it: "label" and "probabilities", or "variable". Those of
margins, of which it has none, are "label" and "scores".
"""

import numpy as np
from sklearn.base import is_classifier

from ..losses import classification, regression

#: What the link of a loss adds to raw outputs, of which there are so many columns.
_LINKS = {
    None: lambda graph, raw, n_columns: raw,
    classification.logistic_link: lambda graph, raw, n_columns: graph.add("Sigmoid", raw),
    classification.softmax_link: lambda graph, raw, n_columns: graph.add("Softmax", raw, axis=-1),
    regression.exponential_link: lambda graph, raw, n_columns: graph.add("Exp", raw),
    regression.sorting_link: lambda graph, raw, n_columns: _ascending(graph, raw, n_columns),
}


def _ascending(graph, raw, n_columns):
    values, _ = graph.add("TopK", raw, np.array([n_columns]), n_outputs=2, largest=0)
    return values


def add_predictions(graph, network, raw):
    """Add what a network predicts from its raw outputs, and declare the outputs."""
    if is_classifier(network):
        _add_classes(graph, network, raw)
    else:
        graph.output("variable", *numbers(graph, network, raw))


def numbers(graph, network, raw):
    """Add what a regressor predicts; return that, its type and the number of columns."""
    n_columns = network.n_outputs_
    predictions = _linked(graph, network, raw, n_columns)
    if _form(network).has_variances:
        n_columns //= 2
        predictions = graph.add("Gather", predictions, np.arange(n_columns), axis=1)
    return predictions, np.float32, n_columns


def _add_classes(graph, network, raw):
    targets = network._targets
    if targets.meaning == "multilabel":
        _add_labels(graph, network, raw)
    elif targets.meaning == "multioutput":
        for k, one in enumerate(by_output(graph, raw, targets.n_classes)):
            _add_one_of_several(graph, network, one, targets.classes[k], f"_{k}")
    elif network.n_outputs_ == 1:
        _add_one_of_two(graph, network, raw)
    else:
        _add_one_of_several(graph, network, raw, network.classes_)


def _add_labels(graph, network, raw):
    n_labels = network.n_outputs_
    add_indicators(graph, graph.add("Greater", raw, np.float32(0)), n_labels)
    _add_confidences(graph, network, raw, n_labels)


def _add_one_of_two(graph, network, raw):
    second = graph.cast(graph.add("Greater", raw, np.float32(0)), np.int64)
    # If training has seen a single class, it stands for both.
    add_label(graph, graph.add("Reshape", second, np.array([-1])), np.resize(network.classes_, 2))
    if network._fitted_loss.has_probabilities:
        both = graph.concat([graph.add("Neg", raw), raw])
        _add_confidences(graph, network, both, 2)
    else:
        _add_confidences(graph, network, raw, 1)


def _add_one_of_several(graph, network, raw, classes, suffix=""):
    add_label(graph, largest(graph, raw), classes, suffix)
    _add_confidences(graph, network, raw, len(classes), suffix)


def _add_confidences(graph, network, raw, n_columns, suffix=""):
    if network._fitted_loss.has_probabilities:
        probabilities = _linked(graph, network, raw, n_columns)
        graph.output(f"probabilities{suffix}", probabilities, np.float32, n_columns)
    else:
        graph.output(f"scores{suffix}", raw, np.float32, n_columns)


def by_output(graph, raw, n_classes):
    """Add the raw outputs for the classes of each of several outputs; return a list."""
    raws = graph.add("Split", raw, np.array(n_classes), n_outputs=len(n_classes), axis=1)
    return [raws] if len(n_classes) == 1 else raws


def largest(graph, x):
    """Add the index of the largest number of each row."""
    return graph.add("ArgMax", x, axis=1, keepdims=0)


def add_label(graph, index, classes, suffix=""):
    """Add the class of an index, and declare it to be an output."""
    values = label_values(classes)
    graph.output(f"label{suffix}", graph.add("Gather", values, index), values.dtype)


def add_indicators(graph, holds, n_labels):
    """Add an indicator matrix of labels that hold, and declare it to be an output."""
    graph.output("label", graph.cast(holds, np.int64), np.int64, n_labels)


def label_values(classes):
    """Return classes as labels of ONNX; raise ValueError for what are no whole numbers or texts."""
    values = np.asarray(classes).tolist()
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    if all(isinstance(value, int | float) and value == int(value) for value in values):
        return np.array(values).astype(np.int64)
    raise ValueError(
        f"Labels of ONNX are whole numbers or strings, but the classes are {list(values)}. Fit to "
        "such labels, which LabelEncoder makes of others."
    )


def _linked(graph, network, raw, n_columns):
    link = _form(network).link
    if link not in _LINKS:
        raise ValueError(
            f"The loss {network._fitted_loss!r} has a link of its own, for which ONNX has no "
            "operator."
        )
    return _LINKS[link](graph, raw, n_columns)


def _form(network):
    return network._fitted_loss.form(network._targets.kind)
