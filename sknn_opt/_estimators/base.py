"""What both estimators share: from data to training.

The results of fit are set on the estimator at its end, all at once, so that an exception leaves
the estimator as it was.
"""

from abc import ABC, abstractmethod
from functools import cache
from inspect import signature
from operator import attrgetter
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import NotFittedError
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted, validate_data

from .._compiler.announcement import announced_if
from .._compiler.blas_threads import plan_rows
from .._containers import check_in_memory
from .._documentation_link import DocumentationLinkMixin
from .._network.inputs import check_sparse
from .._network.layout import FLOATS, PARAMETERS, Architecture, check_parameters
from .._network.network import Network
from .callbacks import CallbackSupportMixin
from .fitting import Fit
from .parameters import LIMITS, is_first_order, optimizer_choice
from .pickle_format import VersionedPickle
from .state import unchanged_on_error

_sections = attrgetter(*(f"{name}_" for name in PARAMETERS))


class BaseMLP(DocumentationLinkMixin, CallbackSupportMixin, VersionedPickle, BaseEstimator, ABC):
    """Base of the classifier and the regressor."""

    _parameter_constraints = LIMITS

    @property
    @abstractmethod
    def _targets(self):
        """The `Targets` of the fitted estimator."""

    @abstractmethod
    def _make_targets(self, y, continues, incremental, classes):
        """Return the `Targets` of ``y``; raise ValueError if they contradict those of before."""

    @classmethod
    @cache
    def _get_param_names(cls):
        # Inspecting a signature of over 40 parameters takes a tenth of the time of a small fit.
        return super()._get_param_names()

    @classmethod
    @cache
    def _defaults(cls):
        return {name: p.default for name, p in signature(cls).parameters.items()}

    def _validate_params(self):
        # Checking over 40 values, of which most are the defaults, takes as long.
        defaults = self._defaults()
        given = {name: getattr(self, name) for name in self._get_param_names()}
        validate_parameter_constraints(
            self._parameter_constraints,
            {name: value for name, value in given.items() if value is not defaults[name]},
            caller_name=type(self).__name__,
        )

    def _store(self, arguments):
        """Set each argument of the constructor as the attribute of its name."""
        for name, value in arguments.items():
            if name != "self":
                setattr(self, name, value)

    # -- fit -----------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None
    ) -> Self:
        """Fit the network to ``X`` and ``y``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. CSR matrices are trained on as they are, CSC ones converted once.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Features of a validation set, on which the network is scored after each epoch or
            iteration: for `early_stopping`, which then holds out no samples of ``X``, or else
            for `history_` only. In a pipeline, ``transform_input=["X_val"]`` transforms them
            like ``X``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of the validation set.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the samples of the validation set.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the input is not valid, or if training has diverged and there is no earlier epoch
            to go back to, as early stopping keeps one. The estimator is then as it was before.
        """
        context = self._init_callback_context(max_subtasks=self.max_iter)
        with unchanged_on_error(self):
            validation = X_val, y_val, sample_weight_val
            return self._fit(X, y, sample_weight, validation, context, incremental=False)

    def _fit(self, X, y, sample_weight, validation, context, incremental, classes=None):
        with announced_if(self.verbose):
            fit = Fit(self, X, y, sample_weight, validation, incremental, classes)
            return self._carry_out(fit, context)

    def _carry_out(self, fit, context):
        """Train as a `Fit` says and set what it leads to."""
        trainer = fit.trainer(context)
        try:
            trainer.callbacks.begin_fit()
            theta = fit.train(trainer)
        except BaseException:
            fit.progress.undo()
            raise
        # After fit nothing reads the state of the optimizer; it would only make pickles larger.
        state = trainer.state.to_dict() if fit.incremental else None
        vars(self).update(fit.attributes(theta), _optimizer_state_=state)
        trainer.callbacks.end_fit(fit.final_state(trainer))
        return self

    # -- input ---------------------------------------------------------------------------

    def _wanted_dtype(self):
        return FLOATS if self.dtype is None else np.dtype(self.dtype)

    def _validate_input(self, X, y, dtype, reset):
        check_in_memory(X, y)
        check_sparse(X)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=self._y_numeric,
            dtype=dtype,
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    # -- prediction ----------------------------------------------------------------------

    @property
    def _fitted_architecture(self):
        if not hasattr(self, "_architecture"):
            raise NotFittedError(
                f"coefs_ was assigned to this {type(self).__name__}, which has not been fitted "
                "before: it does not know its targets. To train from given parameters, pass "
                "initializer=FromEstimator(estimator), which takes the coefs_ and intercepts_ of "
                "an estimator, to another one, and fit that."
            )
        return Architecture(**self._architecture)

    def _fitted_parameters(self, architecture=None):
        """Return the fitted arrays by layer, checked, in the floating type of ``coefs_``."""
        architecture = architecture or self._fitted_architecture
        return check_parameters(_sections(self), architecture, self.n_features_in_, self.n_outputs_)

    def _raw_outputs(self, X):
        """Outputs before the link, of shape (n_samples, n_outputs)."""
        check_is_fitted(self, "coefs_")
        architecture = self._fitted_architecture
        parameters = self._fitted_parameters(architecture)
        X = self._validate_features(X, parameters[0]["coefs"].dtype)
        shapes = [layer["coefs"].shape for layer in parameters]
        plan = plan_rows(
            shapes, X.shape[0], self.n_jobs, dtype=X.dtype, is_sparse=sparse.issparse(X)
        )
        return Network(X, parameters, architecture, plan).raw_outputs()

    def _predictions(self, raw):
        """What the link makes of raw outputs."""
        targets = self._targets
        return targets.predictions(self._fitted_loss.form(targets.kind), raw)

    def _validate_features(self, X, dtype):
        """Return features to predict on, as kernels read them."""
        if self._is_plainly_valid(X, dtype):
            return X
        check_in_memory(X)
        check_sparse(X)
        return validate_data(self, X, accept_sparse="csr", dtype=dtype, reset=False)

    def _is_plainly_valid(self, X, dtype):
        """Whether ``X`` is of the most common valid kind, which needs no further validation.

        For a single row, scikit-learn's validation takes several times as long as predicting.
        """
        if not (
            type(X) is np.ndarray
            and X.dtype == dtype
            and X.ndim == 2
            and X.shape[0] > 0
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
        ):
            return False
        # A NaN or an infinity makes the sum one; a sum that only overflows is validated in full.
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(X.sum()))

    # -- partial_fit -----------------------------------------------------------------------

    def _check_partial_fit(self):
        if not is_first_order(self):
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{optimizer_choice(self)} is not stochastic."
            )
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
