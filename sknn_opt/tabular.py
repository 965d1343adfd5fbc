"""Committees of networks for raw tables: a frame in, a committee out."""

import numpy as np
from sklearn.utils._param_validation import StrOptions

from ._ensembles import recipe
from ._ensembles.tabular import BoundedPredictions, TabularCommittee
from ._ensembles.tabular_documentation import CLASSIFIER, REGRESSOR
from .ensemble import MLPEnsembleClassifier, MLPEnsembleRegressor
from .losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Loss

__all__ = ["TabularMLPClassifier", "TabularMLPRegressor"]


class TabularMLPClassifier(TabularCommittee, MLPEnsembleClassifier):
    __doc__ = CLASSIFIER

    _recipes = recipe.CLASSIFIERS
    _parameter_constraints = {
        **TabularCommittee._parameter_constraints,
        "loss": [StrOptions(CLASSIFIER_LOSSES.names), Loss],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        members="auto",
        *,
        n_folds=4,
        categorical_features="from_dtype",
        loss="log_loss",
        class_weight=None,
        max_time=None,
        calibrate=True,
        n_jobs=None,
        random_state=None,
        verbose=False,
    ):
        self.members = members
        self.n_folds = n_folds
        self.categorical_features = categorical_features
        self.loss = loss
        self.class_weight = class_weight
        self.max_time = max_time
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _weights(self, y, targets, sample_weight):
        encoded = np.reshape(targets.encode(y), (y.shape[0], -1)).astype(np.float64)
        return targets.weights(self, y, encoded, sample_weight, incremental=False)

    def _class_counts(self, y):
        return None if y.ndim == 2 else np.unique(y, return_counts=True)[1]


class TabularMLPRegressor(TabularCommittee, MLPEnsembleRegressor):
    __doc__ = REGRESSOR

    _recipes = recipe.REGRESSORS
    _parameter_constraints = {
        **TabularCommittee._parameter_constraints,
        "loss": [StrOptions(REGRESSOR_LOSSES.names), Loss],
    }

    def __init__(
        self,
        members="auto",
        *,
        n_folds=4,
        categorical_features="from_dtype",
        loss="squared_error",
        max_time=None,
        calibrate=True,
        n_jobs=None,
        random_state=None,
        verbose=False,
    ):
        self.members = members
        self.n_folds = n_folds
        self.categorical_features = categorical_features
        self.loss = loss
        self.max_time = max_time
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _least_target(self, y):
        return y.min()

    def _make_predictions(self, data, networks):
        made = super()._make_predictions(data, networks)
        bounds = data.y.min(axis=0), data.y.max(axis=0)
        return BoundedPredictions(made.has_variances, self._losses(networks), bounds)

    @property
    def _predictions(self):
        return BoundedPredictions(self._has_variances, (), self._bounds)
