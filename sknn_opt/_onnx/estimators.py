"""What can be converted: networks, pipelines that end in one, and committees of these."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._ensembles.base import BaseCommittee
from .._ensembles.members import encoder_of, network_of
from .._estimators.base import BaseMLP
from ..compression import QuantizedMLPClassifier, QuantizedMLPRegressor
from .committees import add_committee
from .encoders import encode, table_encoders
from .graph import Graph
from .inputs import Columns, Matrix
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
    predictor = network_of(estimator)
    if not isinstance(predictor, (BaseMLP, BaseCommittee, *_QUANTIZED)):
        raise TypeError(
            "Expected a network or a committee of sknn_opt, or a Pipeline that ends in one, got "
            f"{estimator!r}."
        )
    check_is_fitted(predictor)
    graph = Graph()
    source = _input(graph, estimator)
    if encoder_of(estimator) is not None:
        source = encode(graph, source, encoder_of(estimator))
    if isinstance(predictor, BaseCommittee):
        add_committee(graph, predictor, _members(graph, predictor, source))
    else:
        network = _in_numbers(predictor)
        raw = raw_outputs(graph, network, source.of_type(np.float32))
        add_predictions(graph, network, raw)
    return graph


def _input(graph, estimator):
    """Declare what goes in: columns where a table is read, else numbers.

    A network reads float32. Encoders subtract from numbers, which in float32 would cancel.
    """
    encoders = list(filter(None, _encoders(estimator)))
    of_tables = [one for encoder in encoders for one in table_encoders(encoder)]
    if of_tables:
        return Columns(graph, estimator, of_tables)
    return Matrix.input(graph, estimator, np.float64 if encoders else np.float32)


def _encoders(estimator):
    """Yield the pipelines before each of the networks, or None."""
    predictor = network_of(estimator)
    yield encoder_of(estimator)
    if isinstance(predictor, BaseCommittee):
        yield from map(encoder_of, predictor.estimators_)


def _members(graph, committee, source):
    """Return weight, network and input of each member that counts; encodings are shared."""
    encoded, members = {}, []
    for number in np.flatnonzero(committee._network_weights):
        member = committee.estimators_[number]
        encoder = encoder_of(member)
        steps = () if encoder is None else tuple(id(step) for _, step in encoder.steps)
        if steps not in encoded:
            own = source if encoder is None else encode(graph, source, encoder)
            encoded[steps] = own.of_type(np.float32)
        weight = committee._network_weights[number]
        members.append((weight, _in_numbers(network_of(member)), encoded[steps]))
    return members


def _in_numbers(network):
    """Return a network with weights that are no integers."""
    return network._restored() if isinstance(network, _QUANTIZED) else network
