"""The networks inside of an estimator, and the same estimator with others in their places."""

import copy

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._ensembles.base import OF_HELD_OUT, BaseCommittee
from .._estimators.base import BaseMLP


def with_networks(estimator, change):
    """Return a copy of a fitted estimator with other networks; all else is shared.

    Parameters
    ----------
    estimator : network, Pipeline that ends in one, or committee
        Fitted.
    change : callable
        Maps a network, and a function from the estimator's input to the network's, to what
        takes its place.

    Raises
    ------
    TypeError
        If it is none of these.
    NotFittedError
        If it is not fitted.
    """
    if isinstance(estimator, Pipeline):
        return _pipeline_with_networks(estimator, change)
    if not isinstance(estimator, BaseMLP | BaseCommittee):
        raise TypeError(
            "Expected an MLPClassifier or MLPRegressor of sknn_opt, a Pipeline that ends in one, "
            f"or a committee of them, got {type(estimator)!r}."
        )
    check_is_fitted(estimator)
    if isinstance(estimator, BaseMLP):
        return change(estimator, lambda X: X)
    changed = copy.copy(estimator)
    changed.estimators_ = [with_networks(one, change) for one in estimator.estimators_]
    for name in OF_HELD_OUT:  # which is about the former networks
        vars(changed).pop(name, None)
    return changed


def _pipeline_with_networks(pipeline, change):
    *steps, (name, last) = pipeline.steps
    encoder = pipeline[:-1] if steps else None

    def change_behind(network, features):
        if encoder is None:
            return change(network, features)
        return change(network, lambda X: features(encoder.transform(X)))

    changed = copy.copy(pipeline)
    changed.steps = [*steps, (name, with_networks(last, change_behind))]
    return changed
