"""Committees: the mean of what their networks predict, as `_ensembles` takes it."""

import numpy as np
from sklearn.base import is_classifier

from .networks import raw_outputs
from .predictions import add_indicators, add_label, by_output, largest, numbers


def add_committee(graph, committee, members):
    """Add what a fitted committee predicts, and declare the outputs.

    Parameters
    ----------
    graph : Graph
    committee : BaseCommittee
    members : list of tuple of weight, network and name of a tensor
        The networks that count, on top of their inputs.
    """
    members = [
        (np.float32(weight), network, raw_outputs(graph, network, h))
        for weight, network, h in members
    ]
    if not is_classifier(committee):
        _add_numbers(graph, committee, members)
    elif committee.targets_ == "multilabel":
        _add_labels(graph, committee, members)
    elif committee.targets_ == "multioutput":
        _add_outputs(graph, committee, members)
    else:
        raws = [(weight, raw, network.n_outputs_) for weight, network, raw in members]
        _add_classes(graph, committee, raws, committee.classes_)


def _add_numbers(graph, committee, members):
    bounds = getattr(committee, "_bounds", None)  # of tabular committees
    shares = []
    for weight, network, raw in members:
        predictions, dtype, n_columns = numbers(graph, network, raw)
        if bounds is not None:
            low, high = (np.asarray(bound, dtype) for bound in bounds)
            predictions = graph.add("Min", graph.add("Max", predictions, low), high)
        shares.append(graph.add("Mul", predictions, weight))
    graph.output("variable", graph.add("Sum", *shares), dtype, n_columns)


def _add_outputs(graph, committee, members):
    n_classes = [len(classes) for classes in committee.classes_]
    raws = [(weight, by_output(graph, raw, n_classes)) for weight, _, raw in members]
    for k, classes in enumerate(committee.classes_):
        of_output = [(weight, outputs[k], n_classes[k]) for weight, outputs in raws]
        _add_classes(graph, committee, of_output, classes, f"_{k}")


def _add_classes(graph, committee, raws, classes, suffix=""):
    """Add label and probabilities of weights, raw outputs and the numbers of their columns."""
    logs = [
        (weight, _log_probabilities(graph, raw, n_columns, len(classes)))
        for weight, raw, n_columns in raws
    ]
    log_mean = _log_mean(graph, logs)
    add_label(graph, largest(graph, log_mean), classes, suffix)
    probabilities = graph.add("Softmax", _tempered(graph, committee, log_mean), axis=-1)
    graph.output(f"probabilities{suffix}", probabilities, np.float32, len(classes))


def _log_probabilities(graph, raw, n_columns, n_classes):
    if n_columns == 1 and n_classes == 2:
        return _log_logistic(graph, graph.concat([graph.add("Neg", raw), raw]))
    # Of a single class, the one probability is 1.
    return graph.add("LogSoftmax", raw, axis=-1)


def _add_labels(graph, committee, members):
    n_labels = len(committee.classes_)
    without, within = (
        _log_mean(graph, [(weight, _log_logistic(graph, raw)) for weight, _, raw in one])
        for one in (_negated(graph, members), members)
    )
    add_indicators(graph, graph.add("Greater", within, without), n_labels)
    log_odds = _tempered(graph, committee, graph.add("Sub", within, without))
    graph.output("probabilities", graph.add("Sigmoid", log_odds), np.float32, n_labels)


def _negated(graph, members):
    return [(weight, network, graph.add("Neg", raw)) for weight, network, raw in members]


def _log_logistic(graph, x):
    return graph.add("Neg", graph.add("Softplus", graph.add("Neg", x)))


def _log_mean(graph, logs):
    """Add the logarithm of the weighted mean of numbers whose logarithms these are.

    Those of float32 reach too low for the numbers themselves, which a temperature can raise.
    """
    terms = [graph.add("Add", log, np.log(weight)) for weight, log in logs]
    top = graph.add("Max", *terms)
    shares = [graph.add("Exp", graph.add("Sub", term, top)) for term in terms]
    return graph.add("Add", top, graph.add("Log", graph.add("Sum", *shares)))


def _tempered(graph, committee, logs):
    return graph.add("Div", logs, np.float32(committee.temperature_))
