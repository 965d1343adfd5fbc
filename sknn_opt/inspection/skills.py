"""How well a network predicts, on its own data and on others, beside simple models."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import r2_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing

from .._estimators.targets import score_known


@dataclass
class Skills:
    """Scores, and skills: which share they are of the way from a constant's score to 1.

    A skill means the same for many classes as for few, for accuracies as for R².

    Attributes
    ----------
    training, validation : float
        Of the network on either data.
    linear : float
        Of a linear model, fitted to the training data, on the validation data.
    training_score, validation_score, linear_score : float
        The scores that they come from.
    """

    training: float
    validation: float
    linear: float
    training_score: float
    validation_score: float
    linear_score: float


def measure_skills(estimator, training, validation):
    """Return the `Skills` of a fitted network; data are X, y and the weights or None."""
    targets = estimator._targets
    (X, y, weight), held_out = (
        (X, targets.read(y), weight) for X, y, weight in (training, validation)
    )
    constant, linear = _simple_models(estimator, y)
    constant.fit(X, y, weight)
    # What overflows here is another finding. Means stay: sparse features stay sparse.
    with np.errstate(all="ignore"):
        scaler = StandardScaler(with_mean=False).fit(X)
        linear.fit(scaler.transform(X), y, weight)
        scores = (
            estimator.score(*training),
            estimator.score(*validation),
            _score(estimator, linear, scaler.transform(held_out[0]), *held_out[1:]),
        )
        constants = np.array(
            [_score(estimator, constant, *data) for data in ((X, y, weight), held_out, held_out)]
        )
        # Where a constant is always right there is nothing to learn: NaN is no finding.
        skills = (scores - constants) / (1 - constants)
    return Skills(*map(float, skills), *map(float, scores))


def _simple_models(estimator, y):
    """Return a constant and a linear model for targets of the same kind, not fitted."""
    if not is_classifier(estimator):
        models = DummyRegressor(), Ridge()
        return map(_OfKnown, models) if np.isnan(np.asarray(y, float)).any() else models
    linear = RidgeClassifier()
    if estimator.targets_ == "multioutput":
        linear = MultiOutputClassifier(linear)
    return DummyClassifier(strategy="most_frequent"), linear


def _score(estimator, model, X, y, weight):
    """Return the score of a simple model, as that of the network is computed."""
    if not is_classifier(estimator):
        return score_known(_r2, y, model.predict(X), weight)
    return estimator._targets.accuracy(y, model.predict(X), weight)


def _r2(y, predictions, weight):
    return r2_score(y, predictions, sample_weight=weight)


class _OfKnown:
    """A model for each column of y, fitted to the samples whose target is known."""

    def __init__(self, model):
        self._model = model

    def fit(self, X, y, weight):
        y = np.asarray(y, float)
        self._models = []
        for j, known in enumerate(~np.isnan(y).T):
            weights = None if weight is None else np.asarray(weight)[known]
            model = clone(self._model).fit(_safe_indexing(X, known), y[known, j], weights)
            self._models.append(model)
        return self

    def predict(self, X):
        return np.column_stack([model.predict(X) for model in self._models])
