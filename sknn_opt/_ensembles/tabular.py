"""What tabular committees add to committees: members for raw tables, and limits of time."""

import time
from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._compiler.announcement import announced_if
from .._components import resolve
from .._warnings import warn
from . import recipe
from .base import BaseCommittee
from .folds import halved, make_folds
from .members import LARGEST_SEED, encoder_of, make_members, network_of
from .predictions import NumberPredictions
from .training import Task, Training

#: Rows that the half of a fold has at least.
_LEAST_ROWS = 10

#: Time that a network has even when none is left.
_LEAST_SECONDS = 1e-3


class TabularCommittee(BaseCommittee):
    """Base of the tabular committees.

    A subclass has the keywords of `_parameter_constraints`, and ``_recipes``, the names of the
    members for each word that ``members`` may be.
    """

    _members_keyword = "members"
    _parameter_constraints = {
        "members": [StrOptions({"auto", "fast"}), list],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "calibrate": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What committees of other networks leave to their users.
    cv = "folds"
    draws = None
    bootstrap = False
    snapshots = None

    def _named_members(self):
        if isinstance(self.members, list):
            return self.members
        return [
            (
                name,
                recipe.make_member(name, self._network_class, self.categorical_features, self.loss),
            )
            for name in self._recipes[self.members]
        ]

    def _losses(self, networks):
        # A network has the keywords that a name leaves open, such as label_smoothing.
        return [resolve(self.loss, self._loss_names, networks[0])]

    def _plan(self, named, data, split_params):
        random_state = check_random_state(self.random_state)
        seed = random_state.randint(LARGEST_SEED)
        folds = self._folds(data, seed)
        halves = halved(folds)
        is_recipe = not isinstance(self.members, list)
        counts = self._class_counts(data.labels)
        n_classes = 0 if counts is None else len(counts)
        # A fold of very few rows says little.
        can_halve = len(halves[0].held_out) >= _LEAST_ROWS and is_classifier(self)
        of_named = []
        for name, member in named:
            is_halved = is_recipe and can_halve and name in recipe.MORE_FOLDS[self.members]
            of_named.append(halves if is_halved else folds)
            if is_recipe:
                n_rows = len(of_named[-1][0].train)
                recipe.adapt(name, member, n_rows, n_classes, self._least_target(data.y))
                if data.targets is not None and data.y.ndim == 2:
                    recipe.set_targets(member, data.targets.meaning)
        return make_members(named, len(named), of_named, None, random_state)

    def _folds(self, data, seed):
        counts = self._class_counts(data.labels)
        # Where a class has fewer rows than there are folds, some folds train without it.
        splitter = KFold if counts is None or counts.min() < self.n_folds else StratifiedKFold
        cv = splitter(self.n_folds, shuffle=True, random_state=seed)
        return make_folds(cv, data, False, {})

    def _class_counts(self, y):
        """Return the number of rows of each class, or None where folds are not stratified."""
        return None

    def _least_target(self, y):
        """Return the least number of the targets, or None for classes."""
        return None

    def _train(self, members, *context):
        training = TimedTraining(*context, self.max_time, self.verbose)
        with announced_if(self.verbose):
            fitted = training.run(members, self.n_jobs)
        complete = [i for i, of_member in enumerate(fitted) if None not in of_member]
        if len(complete) < len(members):
            warn(
                f"max_time={self.max_time} seconds were over after {len(complete)} of "
                f"{len(members)} members, which make up the committee.",
                ConvergenceWarning,
            )
        members[:] = [members[i] for i in complete]
        return [fitted[i] for i in complete]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # What encoders take, of which pipelines say nothing.
        inputs = tags.input_tags
        inputs.allow_nan = inputs.categorical = inputs.string = True
        inputs.sparse = False
        return tags

    @property
    def encoders_(self):
        """The fitted encoders, each once, in the order of the networks that they belong to.

        An encoder is the first step of a pipeline, which reads the table.
        """
        encoders = {}
        for estimator in self.estimators_:
            encoder = encoder_of(estimator)
            if encoder is not None:
                encoders.setdefault(id(encoder[0]), encoder[0])
        return list(encoders.values())


class BoundedPredictions(NumberPredictions):
    """Numbers that no network predicts beyond those that it has seen, as trees do not either.

    Parameters
    ----------
    has_variances, losses
        As in `NumberPredictions`.
    bounds : tuple of ndarray
        The least and the greatest target of each output.
    """

    def __init__(self, has_variances, losses, bounds):
        super().__init__(has_variances, losses)
        self._bounds = bounds

    def attributes(self):
        return {**super().attributes(), "_bounds": self._bounds}

    def output(self, network, X):
        output = super().output(network, X)
        output[:, :, 0] = output[:, :, 0].clip(*self._bounds)
        return output


class TimedTraining(Training):
    """Trains members in their order until the time is over, and says what it does.

    Parameters
    ----------
    data : Data
    predictions : Predictions
    routing : Routing
    reports : Reports
    max_time : float or None
        Seconds. The first member is trained in any case, if need be for fewer epochs.
    verbose : bool
    """

    def __init__(self, data, predictions, routing, reports, max_time, verbose):
        super().__init__(data, predictions, routing, reports, bootstrap=False, snapshots=None)
        self._start = time.perf_counter()
        self._max_time = max_time
        self._verbose = verbose

    def run(self, members, n_jobs):
        self._first = members[0]
        self._n_rounds = -(-len(members[0].folds) // effective_n_jobs(n_jobs))
        return super().run(members, n_jobs)

    def _ordered(self, members):
        if self._max_time is None:
            return super()._ordered(members)
        return [Task(member, fold) for member in members for fold in member.folds]

    def _seconds_left(self):
        return self._start + self._max_time - time.perf_counter()

    def _fit(self, number, task, encodings):
        is_first = task.member is self._first
        if self._max_time is not None and not is_first and self._seconds_left() <= 0:
            return [None], []
        fitted, warnings = super()._fit(number, task, encodings)
        if self._verbose:
            network = network_of(fitted[0].estimator)
            print(
                f"[{time.perf_counter() - self._start:.1f} s] {task} of "
                f"{len(task.member.folds)}: {network.n_iter_} epochs, loss "
                f"{np.nanmin(network.history_['validation_loss']):.4f}"
            )
        # A schedule that has come to its end, as it was meant to, is nothing to warn of.
        return fitted, [one for one in warnings if one[1] is not ConvergenceWarning]

    def _prepare(self, task, seed):
        network = super()._prepare(task, seed)
        if self._max_time is not None:
            left = max(self._seconds_left(), _LEAST_SECONDS)
            if task.member is self._first:
                # Networks that are trained one after the other share what is left.
                n_folds = len(task.member.folds)
                left /= self._n_rounds - task.fold.number * self._n_rounds // n_folds
            network.set_params(max_time=left)
        return network
