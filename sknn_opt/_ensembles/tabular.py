"""What tabular committees add to committees: members for raw tables, and limits of time."""

from numbers import Integral, Real

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
from .members import LARGEST_SEED, encoder_of, make_members
from .predictions import NumberPredictions
from .tabular_training import TabularTraining

#: Rows that the half of a fold has at least.
_LEAST_ROWS = 10


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

    @property
    def _is_recipe(self):
        """Whether the members are those of a word, and not of the user's own list."""
        return not isinstance(self.members, list)

    def _named_members(self):
        if not self._is_recipe:
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
        counts = self._class_counts(data.labels)
        folds = self._folds(data, counts, seed)
        halves = halved(folds)
        n_classes = 0 if counts is None else len(counts)
        # A fold of very few rows says little.
        can_halve = len(halves[0].held_out) >= _LEAST_ROWS and is_classifier(self)
        of_named = []
        for name, member in named:
            is_halved = self._is_recipe and can_halve and name in recipe.MORE_FOLDS[self.members]
            of_named.append(halves if is_halved else folds)
            if self._is_recipe:
                n_rows = len(of_named[-1][0].train)
                recipe.adapt(name, member, n_rows, n_classes, self._least_target(data.y))
                if data.targets is not None and data.y.ndim == 2:
                    recipe.set_targets(member, data.targets.meaning)
        return make_members(named, len(named), of_named, None, random_state)

    def _folds(self, data, counts, seed):
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
        training = TabularTraining(*context, self.max_time, self._is_recipe, self.verbose)
        with announced_if(self.verbose):
            fitted = training.run(members, self.n_jobs)
        complete = [i for i, of_member in enumerate(fitted) if None not in of_member]
        if len(complete) + training.n_dropped < len(members):
            warn(
                f"max_time={self.max_time} seconds were over after {len(complete)} of "
                f"{len(members)} members, which make up the committee.",
                ConvergenceWarning,
            )
        members[:] = [members[i] for i in complete]
        return [fitted[i] for i in complete]

    def _combine(self, fitted, members, data, predictions):
        names = {"member_names_": [member.name for member in members]}
        return super()._combine(fitted, members, data, predictions) | names

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
