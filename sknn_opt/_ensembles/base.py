"""What the committees of classifiers and of regressors share: from members to predictions.

The results of fit are set on the estimator at its end, all at once, so that an exception leaves
the estimator as it was.
"""

from abc import ABC, abstractmethod
from numbers import Integral
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, is_classifier
from sklearn.utils import _safe_indexing, check_random_state, gen_batches, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import _raise_for_params
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from .._components import resolve
from .._containers import check_in_memory, with_types
from .._documentation_link import DocumentationLinkMixin
from .._estimators.callbacks import CallbackSupportMixin
from .._estimators.pickle_format import VersionedPickle
from .._estimators.state import unchanged_on_error
from .._network.inputs import check_sparse
from .._network.layout import FLOATS
from .conformal import least_weight
from .folds import Data, make_folds
from .held_out import HeldOut
from .members import (
    MembersMixin,
    NamedMembers,
    encoder_of,
    make_members,
    network_of,
)
from .reports import Reports
from .routing import Routing, requesting_weights, routing_of
from .snapshots import check_snapshots
from .training import Training
from .weights import greedy_weights

#: Rows that are encoded at a time when predicting.
ROWS_AT_A_TIME = 16_384

#: What only cross-validation leaves on the estimator.
OF_HELD_OUT = ("member_losses_", "oof_prediction_", "oof_score_", "_conformity", "_n_conforming")


class BaseCommittee(
    DocumentationLinkMixin,
    MembersMixin,
    MetaEstimatorMixin,
    CallbackSupportMixin,
    VersionedPickle,
    BaseEstimator,
    ABC,
):
    """Base of the committees."""

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "set_params"]), list, None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "draws": [dict, list, None],
        "bootstrap": ["boolean"],
        "cv": ["cv_object"],
        "snapshots": [Interval(Integral, 1, None, closed="left"), None],
        "calibrate": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    #: Fitted attributes that pickles leave out, which are as long as the data.
    _not_pickled = ("oof_prediction_",)

    @property
    @abstractmethod
    def _network_class(self):
        """The class of the networks."""

    @property
    @abstractmethod
    def _loss_names(self):
        """The registry of the networks' losses."""

    @property
    @abstractmethod
    def _predictions(self):
        """The `Predictions` of the fitted committee."""

    @abstractmethod
    def _read_targets(self, y, networks):
        """Return ``y``, validated, and the `Targets` of classes or None."""

    @abstractmethod
    def _make_predictions(self, data, networks):
        """Return the `Predictions` of networks that are not fitted yet."""

    def _losses(self, networks):
        """Return the losses by which members are weighed, here those that they train with."""
        return [resolve(network.loss, self._loss_names, network) for network in networks]

    @abstractmethod
    def _calibration(self, held_out, mixtures):
        """Return the fitted attributes by which predictions are calibrated, and sets are made."""

    # -- members -------------------------------------------------------------------------

    def _named_members(self):
        """Return the members' estimators with their names, "" for a single one."""
        if isinstance(self.estimator, list):
            return self.estimator
        if self.estimator is not None:
            return [("", self.estimator)]
        return [("", requesting_weights(self._network_class()))]

    def _check_members(self):
        """Return the named members; raise ValueError unless they end in networks."""
        named = self._named_members()
        if isinstance(getattr(self, self._members_keyword), list):
            NamedMembers(named).check(self._members_keyword)
        for _, estimator in named:
            if not isinstance(network_of(estimator), self._network_class):
                wanted = self._network_class.__name__
                raise ValueError(
                    f"The members of {type(self).__name__} are networks: {wanted}, or a Pipeline "
                    f"whose last step is one. Got {estimator!r}."
                )
        return named

    def _plan(self, named, data, split_params):
        """Return the members, with the folds to train them on."""
        random_state = check_random_state(self.random_state)
        folds = make_folds(self.cv, data, is_classifier(self), split_params)
        of_named = [folds] * len(named)
        return make_members(named, self.n_estimators, of_named, self.draws, random_state)

    # -- fit -----------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, **params) -> Self:
        """Fit the members to ``X`` and ``y``, and weigh them.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features, as the members can read them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each. They count in the training
            of the networks, in the losses for rows that these have not seen, and so in the
            weights of the members and in the temperature.
        **params : dict
            Metadata for the splitter and the members, such as ``groups``. Only with
            scikit-learn's metadata routing.

        Returns
        -------
        self : object
        """
        _raise_for_params(params, self, "fit")
        if self.calibrate and self.cv is None:
            raise ValueError("calibrate=True needs rows that members have not seen: set cv.")
        named = self._check_members()
        context = self._init_callback_context(max_subtasks=None, sequential_subtasks=False)
        with unchanged_on_error(self):
            X = self._validate_features(X, [one for _, one in named], reset=True)
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None."
                )
            check_in_memory(y)
            y, targets = self._read_targets(y, [network_of(one) for _, one in named])
            check_consistent_length(X, y)
            if sample_weight is not None:
                sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            sample_weight = self._weights(y, targets, sample_weight)
            data = Data(X, y, sample_weight, targets)
            routing = Routing(self, named, X, {"sample_weight": sample_weight, **params})
            members = self._plan(named, data, routing.of_splitter)
            predictions = self._make_predictions(data, [member.network for member in members])
            if self.snapshots is not None:
                for member in members:
                    check_snapshots(member.network, self.snapshots)
            reports = Reports(self, context, data)
            fitted = self._train(members, data, predictions, routing, reports)
            attributes = self._combine(fitted, members, data, predictions)
            for name in OF_HELD_OUT:
                vars(self).pop(name, None)
            vars(self).update(attributes)
            reports.end_fit(attributes)
        return self

    def _weights(self, y, targets, sample_weight):
        """Return the weights that samples have in all of the fit; None means 1 each."""
        return sample_weight

    def _train(self, members, *context):
        """Return what is fitted, a list with one entry a fold for each member."""
        training = Training(*context, self.bootstrap, self.snapshots)
        return training.run(members, self.n_jobs)

    def _combine(self, fitted, members, data, predictions):
        """Return the fitted attributes."""
        attributes = {
            "estimators_": [one.estimator for of_member in fitted for one in of_member],
            "member_weights_": np.full(len(fitted), 1 / len(fitted)),
            "temperature_": 1.0,
            "_n_folds": np.array([len(of_member) for of_member in fitted]),
            "_residual_variance": 0.0,
            **predictions.attributes(),
        }
        n_each = len(fitted) // len(members)  # snapshots of one are members of their own
        folds = [member.folds for member in members for _ in range(n_each)]
        if folds[0][0].held_out is None:
            return attributes
        outputs = [[one.held_out for one in of_member] for of_member in fitted]
        held_out = HeldOut(outputs, folds, data, predictions)
        of_members = held_out.member_evidence()
        weights = greedy_weights(of_members, held_out.loss)
        mixtures = held_out.mixtures(weights)
        prediction = predictions.prediction(np.concatenate([one.output for one in mixtures]))
        return {
            **attributes,
            "member_weights_": weights,
            "member_losses_": np.array([held_out.loss(one) for one in of_members]),
            "oof_prediction_": predictions.shown(held_out.by_row(prediction)),
            "oof_score_": held_out.score(prediction),
            **self._calibration(held_out, mixtures),
        }

    # -- prediction ----------------------------------------------------------------------

    def _validate_features(self, X, estimators, reset):
        """Return features as the members can read them.

        Networks alone need numbers, checked once for all of them. The encoders of pipelines may
        want a frame, and check what they get themselves.
        """
        check_in_memory(X)
        check_sparse(X)
        if all(encoder_of(estimator) is None for estimator in estimators):
            return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=reset)
        if sparse.issparse(X):
            X = X.tocsr()  # whose rows can be taken
        elif len(getattr(X, "shape", ())) != 2:
            X = with_types(check_array(X, dtype=None, ensure_all_finite=False), X)
        validate_data(self, X, skip_check_array=True, reset=reset)
        return X

    def _outputs(self, X):
        """Yield the number of each network that counts, and its output.

        Members that share their encoder come one after the other, so that features are encoded
        once. Only one encoding, of a block of rows, is kept.
        """
        X = self._validate_features(X, self.estimators_, reset=False)
        by_encoder = {}
        for number in np.flatnonzero(self._network_weights):
            steps = getattr(self.estimators_[number], "steps", [])[:-1]
            by_encoder.setdefault(tuple(id(step) for _, step in steps), []).append(number)
        predictions = self._predictions
        for numbers in by_encoder.values():
            encoder = encoder_of(self.estimators_[numbers[0]])
            networks = [network_of(self.estimators_[number]) for number in numbers]
            outputs = []
            for rows in _blocks_of_rows(X):
                encoded = rows if encoder is None else encoder.transform(rows)
                outputs.append([predictions.output(network, encoded) for network in networks])
            for number, blocks in zip(numbers, zip(*outputs, strict=True), strict=True):
                yield number, np.concatenate(blocks)

    @property
    def _network_weights(self):
        return np.repeat(self.member_weights_ / self._n_folds, self._n_folds)

    def _mixture(self, X):
        """Return what the committee makes of the outputs of its networks."""
        check_is_fitted(self)
        mixture, weights = self._predictions.mixture(), self._network_weights
        for number, output in self._outputs(X):
            mixture.add(weights[number], output)
        return mixture

    def _mixtures_by_fold(self, X):
        """Return what the committee makes of the outputs in each fold."""
        n_folds = self._n_folds.min()
        fold = np.concatenate([np.arange(n) * n_folds // n for n in self._n_folds])
        mixtures = [self._predictions.mixture() for _ in range(n_folds)]
        weights = self._network_weights
        for number, output in self._outputs(X):
            mixtures[fold[number]].add(weights[number], output)
        return mixtures

    def _least_weight(self, coverage):
        """Return the weight of rows above which targets belong to a set; raise without `cv`."""
        check_is_fitted(self)
        if not hasattr(self, "_conformity"):
            raise ValueError(
                "predict_interval needs rows that members have not seen: set cv, and fit again."
            )
        return least_weight(coverage, self._n_conforming)

    # -- scikit-learn --------------------------------------------------------------------

    def get_metadata_routing(self):
        """Get the metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            What is requested by this estimator, its splitter and its members.
        """
        return routing_of(self, self._named_members(), self.cv)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        try:
            of_members = [get_tags(estimator).input_tags for _, estimator in self._named_members()]
        except (TypeError, ValueError, AttributeError):
            return tags  # not members, as fit will say
        for name in ("sparse", "allow_nan", "categorical", "string"):
            setattr(tags.input_tags, name, all(getattr(one, name) for one in of_members))
        return tags

    def __getstate__(self):
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in self._not_pickled}


def _blocks_of_rows(X):
    """Return the rows of ``X`` in blocks, which are encoded one after the other."""
    n_rows = _num_samples(X)
    if n_rows <= ROWS_AT_A_TIME:
        return [X]
    return (_safe_indexing(X, rows) for rows in gen_batches(n_rows, ROWS_AT_A_TIME))
