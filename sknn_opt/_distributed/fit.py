"""One call of fit on Dask collections: what `Fit` does, without the rows."""

from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from dask.base import is_dask_collection
from sklearn.base import is_classifier

from .._estimators.fitting import Fit
from .._estimators.held_out import check_given, check_held_out
from .._network.problem import Problem
from .._training.optimizer_state import OptimizerState
from . import tasks
from .applicability import check_applicable
from .blocks import Blocks
from .local_training import LocalTrainer
from .rounds import Rounds
from .shards import Template
from .sums import DistributedSums
from .validation import DistributedValidation


@dataclass
class DistributedProblem(Problem):
    """A problem whose rows are elsewhere: ``X`` and ``y`` have types and columns alone.

    Attributes
    ----------
    n_training_rows : int
    weight_of_rows : float
        The sum of their weights.
    """

    n_training_rows: int = 0
    weight_of_rows: float = 0.0

    @property
    def n_rows(self):
        return self.n_training_rows

    def total_weight(self):
        return self.weight_of_rows


class DistributedFit(Fit):
    """A call of fit whose rows stay on the workers.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        It is fitted, on this machine, by sums that the workers compute.
    client : distributed.Client
    X, y, sample_weight : Dask collection; the last one may be None
    validation : tuple of X_val, y_val, sample_weight_val
        Dask collections, or arrays that are validated on here.
    classes : array-like or None
    local_steps : int or None
        See `LocalTrainer`.
    """

    def __init__(self, estimator, client, X, y, sample_weight, validation, classes, local_steps):
        self.client, self.local_steps = client, local_steps
        super().__init__(estimator, X, y, sample_weight, validation, False, classes)

    def _bind_data(self, X, y, sample_weight, classes):
        estimator = self.estimator
        check_applicable(estimator, self.configuration, self.local_steps)
        dtype = self.fitted[0]["coefs"].dtype if self.continues else estimator.dtype
        meaning = _meaning(getattr(estimator, "targets_", "") if self.continues else "")
        reader = self._reader(dtype and np.dtype(dtype).name, **meaning)
        self.blocks = Blocks(self.client, reader, X, y, sample_weight, ("X", "y", "sample_weight"))
        self._bind_features()
        self.X = np.empty((0, self.blocks.n_features), self.blocks.dtype)
        is_classes = is_classifier(estimator)
        y_like = self.blocks.labels() if is_classes else np.ones((2, self.blocks.n_columns or 1))
        self.targets = estimator._make_targets(y_like, self.continues, False, classes)
        self.encoded = self._scaled(self._columns(self.targets.encode(y_like)))[:0]
        self.weight = self.sample_weight = None  # the workers have them
        self.given = X, y, sample_weight

    def _reader(self, dtype, **changes):
        """Return an estimator that reads blocks and describes the network, and no more."""
        parameters = self.estimator.get_params(deep=False) | {
            "dtype": dtype,
            "warm_start": False,
            "early_stopping": False,
            "scoring": None,
            "initializer": "auto",
        }
        return type(self.estimator)(**{**parameters, **changes})

    def _bind_features(self):
        estimator, blocks = self.estimator, self.blocks
        if self.continues and blocks.n_features != estimator.n_features_in_:
            raise ValueError(
                f"X has {blocks.n_features} features, but {type(estimator).__name__} is expecting "
                f"{estimator.n_features_in_} features as input."
            )
        estimator.n_features_in_ = blocks.n_features
        if blocks.names is not None:
            estimator.feature_names_in_ = blocks.names

    def data_identity(self):
        apart = [] if self.apart is None else self.apart.identities()
        return [self.blocks.identities(), apart, self.local_steps]

    def _bind_validation(self, X_val, y_val, sample_weight_val):
        self.apart = None
        if not is_dask_collection(X_val):
            super()._bind_validation(X_val, y_val, sample_weight_val)
            return
        self.held_out = None
        check_given(X_val, y_val, sample_weight_val)
        names = "X_val", "y_val", "sample_weight_val"
        reader = self._reader(self.X.dtype.name, **_meaning(self.blocks.meaning))
        self.apart = Blocks(self.client, reader, X_val, y_val, sample_weight_val, names)
        for name in ("n_features", "n_columns"):
            got, wanted = getattr(self.apart, name), getattr(self.blocks, name)
            if got != wanted:
                what = "X_val" if name == "n_features" else "y_val"
                raise ValueError(f"{what} has {got or 1} columns, but {what[0]} has {wanted or 1}.")
        if is_classifier(self.estimator):
            self.targets.encode_held_out(self.apart.labels())

    def _describe(self):
        super()._describe()
        known = {field.name: getattr(self.problem, field.name) for field in fields(Problem)}
        self.problem = DistributedProblem(**known)

    def _hold_out(self, random_state):
        estimator, problem, seed = self.estimator, self.problem, None
        if estimator.early_stopping and self.held_out is None and self.apart is None:
            seed = random_state.randint(np.iinfo(np.int32).max)
        self.holds_out = seed is not None
        self.template = self._template(seed)
        self.rounds = Rounds(self.client, self.blocks.futures, self.template)
        self.n_rows_of_blocks, weights, n_held_out = zip(
            *self.rounds.each(tasks.count), strict=True
        )
        problem.n_training_rows = sum(self.n_rows_of_blocks)
        problem.weight_of_rows = float(sum(weights))
        if self.holds_out and sum(n_held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size "
                "of your dataset."
            )
        if self.held_out is not None:
            check_held_out(estimator, self.held_out, problem.loss)
        if problem.weight_of_rows == 0:
            raise ValueError(
                "The rows to train on have no weight: sample_weight times class_weight is 0 for "
                "each of them."
            )

    def _template(self, seed):
        estimator, changes, classes = self.estimator, _meaning(self.blocks.meaning), None
        if is_classifier(estimator):
            classes = self.targets.named()
            if estimator.class_weight == "balanced":
                changes["class_weight"] = self.blocks.balanced(classes)
        return Template(
            estimator=self._reader(self.X.dtype.name, **changes),
            classes=classes,
            seed=seed,
            fraction=estimator.validation_fraction,
            scoring=self._scoring() if self.holds_out or self.apart else "loss",
            n_jobs=1 if estimator.n_jobs is None else estimator.n_jobs,
        )

    def _scoring(self):
        """Return which score is added up from the blocks."""
        scoring, loss = self.estimator.scoring, self.problem.loss
        by_default = "accuracy" if is_classifier(self.estimator) else "r2"
        if scoring == "loss" or (scoring is None and loss.validates_by_loss):
            return "loss"
        if scoring == by_default or (
            scoring is None and (by_default == "accuracy" or loss._scores_by_r2)
        ):
            return by_default
        raise ValueError(
            f"scoring={scoring!r} needs all validation rows in one place, where they are not. Set "
            f"scoring to 'loss' or {by_default!r}, or pass X_val and y_val as arrays that fit in "
            "the client's memory."
        )

    def _validation(self):
        if self.holds_out:
            return DistributedValidation(self.rounds, self.theta, self.template.scoring, False)
        if self.apart is not None:
            rounds = Rounds(self.client, self.apart.futures, self.template)
            return DistributedValidation(rounds, self.theta, self.template.scoring, True)
        return super()._validation()

    def _full_batch_trainer(self, observed):
        return super()._full_batch_trainer(observed, partial(DistributedSums, self.rounds))

    def _mini_batch_trainer(self, observed, random_state):
        self.blocks.warn_if_sorted()
        estimator, configuration, layout = self.estimator, self.configuration, self.problem.layout
        optimizer, start = configuration.optimizer, self.theta[: layout.n_parameters]
        seed = random_state.randint(np.iinfo(np.int32).max)
        return LocalTrainer(
            *observed,
            rounds=self.rounds,
            n_rows_of_blocks=self.n_rows_of_blocks,
            local_steps=self.local_steps,
            max_norm=configuration.limits().max_norm,
            state=OptimizerState.fresh(optimizer, layout, start, seed),
            rates=configuration.rates(),
            batch_size=configuration.batch_size(max(self.n_rows_of_blocks)),
            max_iter=estimator.max_iter,
        )


def _meaning(meaning):
    """Return the keyword that says what y means, by which no block has to guess."""
    return {"targets": meaning} if meaning not in ("", "classes") else {}
