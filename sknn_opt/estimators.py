"""The two estimators: what scikit-learn asks of a classifier and of a regressor."""

from typing import Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import assert_all_finite

from ._estimators.base import BaseMLP
from ._estimators.callbacks import refuse_callbacks_of_whole_fits
from ._estimators.conversion import SklearnConversion
from ._estimators.documentation import CLASSIFIER, REGRESSOR
from ._estimators.parameters import keyword_limits
from ._estimators.state import unchanged_on_error
from ._estimators.target_scaling import TargetScaling
from ._estimators.targets import (
    NumberTargets,
    check_dense,
    check_known_columns,
    check_labels,
    check_numbers,
    fitted_targets,
    learn_targets,
    score_known,
    with_missing,
    without_missing,
)
from ._network.inputs import check_sparse
from .losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Loss


class MLPClassifier(ClassifierMixin, SklearnConversion, BaseMLP):
    __doc__ = CLASSIFIER

    _losses = CLASSIFIER_LOSSES
    _y_numeric = False
    _parameter_constraints = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(CLASSIFIER_LOSSES.names), Loss],
        **keyword_limits(CLASSIFIER_LOSSES),
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "targets": [StrOptions({"auto", "multilabel", "multioutput", "probabilities"})],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="log_loss",
        optimizer="adam",
        solver=None,
        initializer="auto",
        trainable=None,
        alpha=0.0001,
        l1_ratio=0.0,
        dropout=0.0,
        input_dropout=0.0,
        input_noise=0.0,
        mixup=0.0,
        max_norm=None,
        normalization=None,
        residual=False,
        clip_norm=None,
        clip_value=None,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init="auto",
        warmup=0,
        warmup_shape="linear",
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        averaging=None,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        max_time=None,
        label_smoothing=0.0,
        class_weight=None,
        targets="auto",
        n_jobs=None,
        dtype=None,
    ):
        self._store(locals())

    def _validate_input(self, X, y, dtype, reset):
        check_sparse(y)
        X, y = super()._validate_input(X, y, dtype, reset)
        check_labels(y, "y")
        return X, y

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        classes=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ) -> Self:
        """Fit the network to ``X`` and ``y``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. CSR matrices are trained on as they are, CSC ones converted once.
        y : array-like of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
            Classes; or, as `targets` says, labels as an indicator matrix, probabilities of
            classes, or classes of several outputs.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        classes : array-like of shape (n_classes,), or list of array-like, default=None
            All classes, of which ``y`` may lack some, as a fold of rare classes does; None
            means those of ``y``. They name the columns of probabilities, and for several
            outputs are a list with the classes of each.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Features to validate on after each epoch or iteration: for `early_stopping`, which
            then holds out no samples of ``X``, or, without it, for `history_` only. In a
            pipeline it is transformed as ``X`` with ``transform_input=["X_val"]``.
        y_val : array-like of shape (n_val,) or (n_val, n_classes), default=None
            Their targets.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the input is not valid, or if training diverged and there is no better epoch
            to go back to, which only early stopping keeps.
            The estimator is then as it was before.
        """
        context = self._init_callback_context(max_subtasks=self.max_iter)
        with unchanged_on_error(self):
            validation = X_val, y_val, sample_weight_val
            return self._fit(
                X, y, sample_weight, validation, context, incremental=False, classes=classes
            )

    def _make_targets(self, y, continues, incremental, classes):
        if not continues:
            targets = learn_targets(y, self.targets, classes, incremental)
        else:
            targets = self._targets
            if self.targets not in ("auto", targets.meaning):
                raise ValueError(
                    f"targets={self.targets!r}, but the network was fitted with targets="
                    f"{targets.meaning!r}. Fit a clone of the estimator instead."
                )
            if incremental and classes is not None:
                targets.check_named_again(classes)
        if incremental or classes is not None:
            targets.check_known(y)
        if continues and not incremental:
            targets.check_same(y, classes)
        return targets

    @property
    def _targets(self):
        return fitted_targets(self)

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
            Class labels; for multilabel targets an indicator matrix, sparse if the targets
            of fit were; for several outputs a column for each.
        """
        raw = self._raw_outputs(X)
        return self._targets.decode(raw)

    def decision_function(self, X) -> np.ndarray | list[np.ndarray]:
        """Return how confident the network is of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        confidence : ndarray of shape (n_samples,) or (n_samples, n_outputs), or list of these
            For two classes the log odds of the second one; for more the logarithms of
            their probabilities; for several labels the log odds of each; for several outputs
            the logarithms of the probabilities of all classes, an array for each output. After
            training with a margin loss, the margins instead. Positive numbers, or the largest
            of several classes, decide what is predicted.
        """
        raw, targets = self._raw_outputs(X), self._targets
        return targets.decisions(self._fitted_loss.form(targets.kind), raw)

    def score(self, X, y, sample_weight=None) -> float:
        """Return the accuracy of the predictions for ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
            As in fit. After a fit to probabilities it may also hold classes.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            Share of the samples whose class is predicted, or, with several labels or outputs,
            all of whose labels or outputs are. Of probabilities the likeliest class counts.
        """
        return self._targets.accuracy(y, self.predict(X), sample_weight)

    def _check_probabilities(self):
        loss = getattr(self, "_fitted_loss", self.loss)
        if isinstance(loss, str) and loss in CLASSIFIER_LOSSES.names:
            loss = CLASSIFIER_LOSSES[loss]
        if not getattr(loss, "has_probabilities", True):
            raise AttributeError(
                f"loss={loss!r} has no probabilities. Use decision_function, wrap the "
                "estimator in CalibratedClassifierCV, or choose loss='log_loss'."
            )
        return True

    @available_if(_check_probabilities)
    def predict_proba(self, X) -> np.ndarray | list[np.ndarray]:
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), or list of ndarray
            In the order of ``classes_``; for multilabel targets the probability of each
            label; for several outputs a list with an array for each.
        """
        return self._predictions(self._raw_outputs(X))

    @available_if(_check_probabilities)
    def predict_log_proba(self, X) -> np.ndarray | list[np.ndarray]:
        """Predict logarithms of class probabilities.

        They are computed from the raw outputs, and finite wherever these are finite.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), or list of ndarray
            As `predict_proba`.
        """
        raw = self._raw_outputs(X)
        return self._targets.log_probabilities(raw)

    @available_if(BaseMLP._check_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X,
        y,
        sample_weight=None,
        classes=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ) -> Self:
        """Train for one epoch on the given data.

        Consecutive calls go on with the same state of the optimizer; the first call after
        ``fit`` starts from the fitted weights, with a fresh state.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
            Targets, of the kind of the first call; after probabilities they may be classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        classes : array-like of shape (n_classes,), or list of array-like, default=None
            All classes that any call will see, for several outputs a list with those of each.
            Required at the first call, except for probabilities, whose columns they name.
        X_val, y_val, sample_weight_val : array-like, default=None
            Data to validate on, for `history_`; see `fit`.

        Returns
        -------
        self : object
        """
        refuse_callbacks_of_whole_fits(self)
        context = self._init_callback_context(max_subtasks=1)
        with unchanged_on_error(self):
            validation = X_val, y_val, sample_weight_val
            return self._fit(
                X, y, sample_weight, validation, context, incremental=True, classes=classes
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, SklearnConversion, BaseMLP):
    __doc__ = REGRESSOR

    _losses = REGRESSOR_LOSSES
    _y_numeric = True
    _parameter_constraints = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(REGRESSOR_LOSSES.names), Loss],
        "scale_targets": ["boolean"],
        "missing_targets": [StrOptions({"error", "ignore"})],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        optimizer="adam",
        solver=None,
        initializer="auto",
        trainable=None,
        alpha=0.0001,
        l1_ratio=0.0,
        dropout=0.0,
        input_dropout=0.0,
        input_noise=0.0,
        mixup=0.0,
        max_norm=None,
        normalization=None,
        residual=False,
        clip_norm=None,
        clip_value=None,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init="auto",
        warmup=0,
        warmup_shape="linear",
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        averaging=None,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        max_time=None,
        scale_targets=False,
        missing_targets="error",
        n_jobs=None,
        dtype=None,
    ):
        self._store(locals())

    def _validate_input(self, X, y, dtype, reset):
        check_dense(y)
        missing = None
        if self.missing_targets == "ignore":
            y, missing = without_missing(y)
        X, y = super()._validate_input(X, y, dtype, reset)
        check_numbers(y)
        with np.errstate(over="ignore"):
            assert_all_finite(y.astype(X.dtype, copy=False), input_name="y")
        return X, with_missing(y, missing)

    def _make_targets(self, y, continues, incremental, classes):
        if not continues:
            if not incremental or self.scale_targets:
                check_known_columns(y)
            return NumberTargets()
        if self.scale_targets != (self.target_scale_ is not None):
            raise ValueError(
                f"warm_start and partial_fit go on with the fitted network, which was trained with "
                f"scale_targets={not self.scale_targets}. Set it back, or fit a clone of the "
                "estimator instead."
            )
        return self._targets

    @property
    def _targets(self):
        if self.target_scale_ is None:
            return NumberTargets()
        return NumberTargets(
            TargetScaling(self._fitted_loss, self.target_mean_, self.target_scale_)
        )

    def predict(self, X, return_std=False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviations of the targets too, which a network
            with ``loss="gaussian_nll"`` has learnt.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With a list of quantiles, a column for each, in ascending order in each row.
        std : ndarray of the same shape
            Only with ``return_std=True``.

        Raises
        ------
        ValueError
            If standard deviations are asked for that the network has not learnt.
        """
        raw = self._raw_outputs(X)
        if not return_std:
            return self._predictions(raw)
        form = self._fitted_loss.form(self._targets.kind)
        if not form.has_variances:
            raise ValueError(
                f"return_std=True asks for standard deviations, and with {self._fitted_loss!r} "
                "the network has learnt none. Fit it with loss='gaussian_nll'."
            )
        std = self._targets.standard_deviations(form, raw)
        return self._predictions(raw), std

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
        score, predictions = self._fitted_loss.score, self.predict(X)
        if self.missing_targets == "ignore":
            y = with_missing(*without_missing(y))
            return score_known(score, y, predictions, sample_weight)
        return score(y, predictions, sample_weight)

    @available_if(BaseMLP._check_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None
    ) -> Self:
        """Train for one epoch on the given data.

        Consecutive calls go on with the same state of the optimizer; the first call after
        ``fit`` starts from the fitted weights, with a fresh state.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        X_val, y_val, sample_weight_val : array-like, default=None
            Data to validate on, for `history_`; see `fit`.

        Returns
        -------
        self : object
        """
        refuse_callbacks_of_whole_fits(self)
        context = self._init_callback_context(max_subtasks=1)
        with unchanged_on_error(self):
            validation = X_val, y_val, sample_weight_val
            return self._fit(X, y, sample_weight, validation, context, incremental=True)
