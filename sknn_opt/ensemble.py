"""Committees of networks: what scikit-learn asks of a classifier and of a regressor."""

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_is_fitted

from ._components import resolve
from ._ensembles.base import BaseCommittee
from ._ensembles.class_predictions import class_predictions
from ._ensembles.conformal import conforming_weight, upper_ends
from ._ensembles.documentation import CLASSIFIER, REGRESSOR
from ._ensembles.members import network_of
from ._ensembles.predictions import NumberPredictions
from ._ensembles.weights import temperature, tempered
from ._estimators.targets import (
    check_dense,
    check_labels,
    check_numbers,
    fitted_targets,
    indicators,
    learn_targets,
    without_missing,
)
from ._network.inputs import check_sparse
from .estimators import MLPClassifier, MLPRegressor
from .losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Quantile

#: The largest target, whose square is far from overflowing.
_LARGEST = 1e150

#: The smallest and the largest variance by whose root errors are divided.
_TINY, _HUGE = np.finfo(np.float64).tiny, np.finfo(np.float64).max

__all__ = ["MLPEnsembleClassifier", "MLPEnsembleRegressor"]


class MLPEnsembleClassifier(ClassifierMixin, BaseCommittee):
    __doc__ = CLASSIFIER

    _network_class = MLPClassifier
    _loss_names = CLASSIFIER_LOSSES

    def __init__(
        self,
        estimator=None,
        n_estimators=8,
        *,
        draws=None,
        bootstrap=False,
        cv=None,
        snapshots=None,
        calibrate=False,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.draws = draws
        self.bootstrap = bootstrap
        self.cv = cv
        self.snapshots = snapshots
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _read_targets(self, y, networks):
        check_sparse(y)
        y = _check_y(y, multi_output=True, estimator=self)
        check_labels(y, "y")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.ndim == 1:
            check_classification_targets(y)
        targets = learn_targets(y, _wanted_targets(networks), None, incremental=False)
        return indicators(y) if targets.meaning == "multilabel" else y, targets

    def _make_predictions(self, data, networks):
        for network in networks:
            if not hasattr(network, "predict_proba"):
                raise ValueError(
                    "A committee predicts the mean of its members' probabilities, and "
                    f"loss={network.loss!r} has none. Choose loss='log_loss'."
                )
        return class_predictions(data.targets, self._losses(networks))

    @property
    def _predictions(self):
        return class_predictions(fitted_targets(self))

    def _calibration(self, held_out, mixtures):
        log_probabilities = np.concatenate([mixture.output for mixture in mixtures])
        found = {"temperature_": 1.0}
        if self.calibrate:
            found["temperature_"] = temperature(log_probabilities, held_out.loss)
        if not _has_sets(held_out.predictions.targets.meaning):
            return found
        log_probabilities = tempered(log_probabilities[:, 0], found["temperature_"])
        truth = held_out.predictions.truth(held_out.y)
        of_classes = np.take_along_axis(log_probabilities, truth, axis=1)
        return found | held_out.conformity(-of_classes)

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
            The likeliest class; for several labels a sample an indicator matrix of those with
            a probability above one half, sparse if the targets of fit were; for several outputs
            the likeliest class of each.
        """
        output = self._mixture(X).output
        return self._predictions.decode(output)

    def predict_proba(self, X) -> np.ndarray | list[np.ndarray]:
        """Predict class probabilities, the mean of the members' after calibration.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), or list of ndarray
            In the order of ``classes_``; for several labels a sample the probability of each;
            for several outputs a list with an array for each.
        """
        log_probabilities = tempered(self._mixture(X).output, self.temperature_)
        return self._predictions.shown(np.exp(log_probabilities))

    def predict_log_proba(self, X) -> np.ndarray | list[np.ndarray]:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), or list of ndarray
        """
        output = self._mixture(X).output
        return self._predictions.shown(tempered(output, self.temperature_))

    def predict_interval(self, X, coverage=0.9) -> np.ndarray:
        """Predict sets of classes that hold the true one with a given probability.

        A class belongs to the set unless its probability is among the lowest that the true
        classes of unseen rows have had. The likeliest class always does. Needs `cv`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        coverage : float, default=0.9
            How often the true class is to be in the set, between 0 and 1.

        Returns
        -------
        sets : ndarray of bool of shape (n_samples, n_classes)
            Whether each class belongs to the set, in the order of ``classes_``.

        Raises
        ------
        ValueError
            Without `cv`, with several labels or outputs, or if there were too few rows.

        References
        ----------
        V. Vovk. "Cross-conformal predictors". Annals of Mathematics and Artificial
        Intelligence 74, 2015, :arxiv:`1208.0806`.

        M. Sadinle, J. Lei, L. Wasserman. "Least ambiguous set-valued classifiers with bounded
        error levels". Journal of the American Statistical Association 114, 2019,
        :arxiv:`1609.00451`.
        """
        check_is_fitted(self)
        if not _has_sets(self.targets_):
            raise ValueError(
                "predict_interval needs one class a sample, not several labels or outputs."
            )
        least = self._least_weight(coverage)
        weight = 0.0
        likeliest = 0.0
        for mixture, (summary,) in zip(self._mixtures_by_fold(X), self._conformity, strict=True):
            log_probabilities = tempered(mixture.output[:, 0], self.temperature_)
            weight = weight + conforming_weight(summary, -log_probabilities)
            likeliest = likeliest + np.exp(mixture.output[:, 0])
        sets = weight > least
        sets[np.arange(len(sets)), likeliest.argmax(axis=1)] = True
        return sets

    def score(self, X, y, sample_weight=None) -> float:
        """Return the accuracy of the predictions for ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            Share of the samples whose class is predicted, or, with several labels or outputs, all
            of whose labels or outputs are. Of probabilities the likeliest class counts.
        """
        return fitted_targets(self).accuracy(y, self.predict(X), sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPEnsembleRegressor(RegressorMixin, BaseCommittee):
    __doc__ = REGRESSOR

    _network_class = MLPRegressor
    _loss_names = REGRESSOR_LOSSES

    def __init__(
        self,
        estimator=None,
        n_estimators=8,
        *,
        draws=None,
        bootstrap=False,
        cv=None,
        snapshots=None,
        calibrate=False,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.draws = draws
        self.bootstrap = bootstrap
        self.cv = cv
        self.snapshots = snapshots
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _read_targets(self, y, networks):
        check_dense(y)
        self._check_none_missing(y, networks)
        y = _check_y(y, multi_output=True, y_numeric=True, estimator=self)
        check_numbers(y)
        if np.abs(y, dtype=np.float64).max() > _LARGEST:
            raise ValueError(
                f"The squares of targets above {_LARGEST:g} overflow, and with them the errors by "
                "which members are weighed. Scale the targets."
            )
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y, None

    def _check_none_missing(self, y, networks):
        if any(network.missing_targets == "ignore" for network in networks):
            _, missing = without_missing(y)
            if missing.any():
                raise ValueError(
                    "Input y contains NaN. The members have missing_targets='ignore', but a "
                    "committee is weighed by all targets. Fit one for each column of y, to the "
                    "rows whose target is known."
                )

    def _make_predictions(self, data, networks):
        losses = [resolve(network.loss, REGRESSOR_LOSSES, network) for network in networks]
        if len({_quantiles(loss) for loss in losses}) > 1:
            raise ValueError(
                "A list of quantiles has a prediction for each, which only has a mean with those "
                "of the same quantiles. Give all members the same loss."
            )
        has_variances = all(loss.form("continuous").has_variances for loss in losses)
        return NumberPredictions(has_variances, self._losses(networks))

    @property
    def _predictions(self):
        return NumberPredictions(self._has_variances)

    def _calibration(self, held_out, mixtures):
        mean, variance = np.concatenate([one.output for one in mixtures]).transpose(2, 0, 1)
        errors, found = np.abs(held_out.y - mean), {}
        with np.errstate(over="ignore"):  # a network may be that wrong about a fold
            if not held_out.predictions.has_variances:
                squares = np.minimum(errors**2, _HUGE)
                found["_residual_variance"] = np.average(squares, axis=0, weights=held_out.weight)
                variance = variance + found["_residual_variance"]
            scores = errors / _scales(variance)
            if self.calibrate:
                ratios = np.average((scores**2).mean(axis=1), weights=held_out.weight)
                found["temperature_"] = float(np.sqrt(ratios))
        return found | held_out.conformity(scores)

    def predict(self, X, return_std=False):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return standard deviations, too. Their squares are the variance between
            the predictions of the networks, plus, with `cv`, the mean squared error for rows
            that members have not seen. Without `cv` they say how much the networks disagree,
            and nothing of the noise in the targets. Where all members have
            ``loss="gaussian_nll"``, the mean of the variances that they have learnt takes the
            place of that error, with `cv` or without.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With a list of quantiles, a column for each.
        y_std : ndarray of the same shape
            Only with `return_std`.

        Raises
        ------
        ValueError
            With `return_std`, if members predict quantiles.
        """
        mean, variance = np.moveaxis(self._mixture(X).output, -1, 0)
        shown = self._predictions.shown
        if not return_std:
            return shown(mean)
        self._check_no_quantiles("return_std=True")
        return shown(mean), shown(self.temperature_ * np.sqrt(variance + self._residual_variance))

    def predict_interval(self, X, coverage=0.9) -> np.ndarray:
        """Predict intervals that hold the target with a given probability.

        They are cross-conformal: the errors for rows that members have not seen, each divided by
        the standard deviation that the networks of its fold predict, tell how many standard
        deviations an interval has to reach. So it is wider where networks disagree. Each output
        has its own. Needs `cv`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        coverage : float, default=0.9
            How often the target is to be in the interval, between 0 and 1.

        Returns
        -------
        intervals : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper ends.

        Raises
        ------
        ValueError
            Without `cv`, if there were too few rows, or if members predict quantiles.

        References
        ----------
        V. Vovk. "Cross-conformal predictors". Annals of Mathematics and Artificial
        Intelligence 74, 2015, :arxiv:`1208.0806`.

        R. F. Barber, E. J. Candès, A. Ramdas, R. J. Tibshirani. "Predictive inference with the
        jackknife+". Annals of Statistics 49, 2021, :arxiv:`1905.02928`. (The hull of the set,
        where it has holes.)
        """
        least = self._least_weight(coverage)
        self._check_no_quantiles("predict_interval")
        outputs = np.array([mixture.output for mixture in self._mixtures_by_fold(X)])
        means, variances = np.moveaxis(outputs, -1, 0)
        scales = _scales(variances + self._residual_variance)
        intervals = []
        for j in range(means.shape[2]):
            summaries = [fold[j] for fold in self._conformity]
            mean, scale = means[:, :, j], scales[:, :, j]
            low, high = (upper_ends(side * mean, scale, summaries, least) for side in (-1, 1))
            intervals.append(np.column_stack([-low, high]))
        return intervals[0] if len(intervals) == 1 else np.stack(intervals, axis=1)

    def _check_no_quantiles(self, what):
        if isinstance(self._fitted_loss, Quantile):
            raise ValueError(
                f"{what} does not apply to members that predict quantiles. Let them predict a low "
                "and a high one, or choose loss='squared_error'."
            )

    @property
    def _fitted_loss(self):
        return network_of(self.estimators_[0])._fitted_loss

    def score(self, X, y, sample_weight=None) -> float:
        """Return the score of the predictions for ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            R²; with a list of quantiles minus the mean pinball loss.
        """
        predictions = self.predict(X)
        return self._fitted_loss.score(y, predictions, sample_weight)


def _wanted_targets(networks):
    """Return what members say that ``y`` means."""
    wanted = sorted({network.targets for network in networks} - {"auto"})
    if len(wanted) > 1:
        raise ValueError(
            f"There are members with targets={wanted[0]!r} and others with {wanted[1]!r}, but what "
            "y means has to be the same for all of them."
        )
    return wanted[0] if wanted else "auto"


def _has_sets(meaning):
    """Whether there are sets of classes for targets of this meaning: a class for each sample."""
    return meaning in ("classes", "probabilities")


def _scales(variances):
    """Return standard deviations by which errors can be divided."""
    return np.sqrt(np.clip(variances, _TINY, _HUGE))


def _quantiles(loss):
    """Return the quantiles of a list; () for all losses with one prediction for each target."""
    several = isinstance(loss, Quantile) and np.ndim(loss.q) > 0
    return tuple(loss.q) if several else ()
