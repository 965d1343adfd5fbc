"""Committees of networks: what scikit-learn asks of a classifier and of a regressor."""

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_y

from ._components import resolve
from ._ensembles.base import BaseCommittee
from ._ensembles.documentation import CLASSIFIER, REGRESSOR
from ._ensembles.members import network_of
from ._ensembles.predictions import ClassPredictions, NumberPredictions
from ._ensembles.weights import temperature, tempered
from ._estimators.targets import as_indicators, check_dense, check_labels, check_numbers
from .estimators import MLPClassifier, MLPRegressor
from .losses import REGRESSOR_LOSSES, Quantile

__all__ = ["MLPEnsembleClassifier", "MLPEnsembleRegressor"]


class MLPEnsembleClassifier(ClassifierMixin, BaseCommittee):
    __doc__ = CLASSIFIER

    _network_class = MLPClassifier

    def __init__(
        self,
        estimator=None,
        n_estimators=8,
        *,
        draws=None,
        bootstrap=False,
        cv=None,
        calibrate=False,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.draws = draws
        self.bootstrap = bootstrap
        self.cv = cv
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _read_targets(self, y):
        y = as_indicators(y)
        check_labels(y, "y")
        y = _check_y(y, multi_output=True, estimator=self)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if type_of_target(y).endswith("multioutput"):
            raise ValueError(
                "Several outputs of several classes each are not supported. Fit a committee for "
                "each column of y, for example with MultiOutputClassifier."
            )
        return y

    def _make_predictions(self, y, networks):
        for network in networks:
            if not hasattr(network, "predict_proba"):
                raise ValueError(
                    "A committee predicts the mean of its members' probabilities, and "
                    f"loss={network.loss!r} has none. Choose loss='log_loss'."
                )
        return ClassPredictions.of(y)

    @property
    def _predictions(self):
        return ClassPredictions(self.classes_, self._is_multilabel, self._is_sparse)

    def _calibration(self, held_out, mixtures):
        if not self.calibrate:
            return {}
        log_probabilities = np.concatenate([mixture.output for mixture in mixtures])
        return {"temperature_": temperature(log_probabilities, held_out.loss)}

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The likeliest class; for several labels a sample an indicator matrix of those with
            a probability above one half, sparse if the targets of fit were.
        """
        output = self._mixture(X).output
        return self._predictions.decode(output)

    def predict_proba(self, X) -> np.ndarray:
        """Predict class probabilities, the mean of the members' after calibration.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; for several labels a sample the probability of each.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X) -> np.ndarray:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
        """
        output = self._mixture(X).output
        return self._predictions.shown(tempered(output, self.temperature_))

    def score(self, X, y, sample_weight=None) -> float:
        """Return the accuracy of the predictions for ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            Share of the samples whose class is predicted, or, with several labels, all of
            whose labels are.
        """
        return super().score(X, as_indicators(y), sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPEnsembleRegressor(RegressorMixin, BaseCommittee):
    __doc__ = REGRESSOR

    _network_class = MLPRegressor

    def __init__(
        self,
        estimator=None,
        n_estimators=8,
        *,
        draws=None,
        bootstrap=False,
        cv=None,
        calibrate=False,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.draws = draws
        self.bootstrap = bootstrap
        self.cv = cv
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _read_targets(self, y):
        check_dense(y)
        y = _check_y(y, multi_output=True, y_numeric=True, estimator=self)
        check_numbers(y)
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _make_predictions(self, y, networks):
        losses = [resolve(network.loss, REGRESSOR_LOSSES, network) for network in networks]
        if len({_quantiles(loss) for loss in losses}) > 1:
            raise ValueError(
                "A list of quantiles has a prediction for each, which only has a mean with those "
                "of the same quantiles. Give all members the same loss."
            )
        has_variances = all(loss.form("continuous").has_variances for loss in losses)
        return NumberPredictions(has_variances, losses)

    @property
    def _predictions(self):
        return NumberPredictions(self._has_variances)

    def _calibration(self, held_out, mixtures):
        mean, variance = np.concatenate([one.output for one in mixtures]).transpose(2, 0, 1)
        squares = (held_out.y - mean) ** 2
        found = {}
        if not held_out.predictions.has_variances:
            found["_residual_variance"] = np.average(squares, axis=0, weights=held_out.weight)
            variance = variance + found["_residual_variance"]
        if self.calibrate:
            ratios = (squares / variance).mean(axis=1)
            found["temperature_"] = float(np.sqrt(np.average(ratios, weights=held_out.weight)))
        return found

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
        if isinstance(self._fitted_loss, Quantile):
            raise ValueError(
                "return_std=True does not apply to members that predict quantiles. Let them "
                "predict a low and a high one, or choose loss='squared_error'."
            )
        return shown(mean), shown(self.temperature_ * np.sqrt(variance + self._residual_variance))

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


def _quantiles(loss):
    """Return the quantiles of a list; () for all losses with one prediction for each target."""
    several = isinstance(loss, Quantile) and np.ndim(loss.q) > 0
    return tuple(loss.q) if several else ()
