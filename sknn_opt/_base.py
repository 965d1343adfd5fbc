"""What both estimators share: from data to training.

What fit computes is published at its end, in one go, so that an exception leaves the
estimator as it was.
"""

import copy
import math
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from functools import cache, partial
from inspect import Parameter, signature
from numbers import Integral, Real
from operator import attrgetter

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, is_regressor
from sklearn.metrics import check_scoring, get_scorer, get_scorer_names
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._callbacks import CallbackSupportMixin, Tasks
from ._configuration import Configuration, is_first_order, optimizer_choice
from ._full_batch import FullBatch
from ._inputs import Input, check_sparse
from ._layout import FLOATS, PARAMETER_ATTRIBUTES, Layout, check_parameters
from ._network import Network
from ._problem import BLOCK_ROWS, Problem, without_subnormals
from ._record import Record
from ._training import MiniBatches, OptimizerState
from ._validation import Validation, ValidationSet
from .activations import ACTIVATIONS, Activation, Identity
from .averaging import AVERAGINGS, Averaging
from .batches import GrowingBatch
from .initializers import INITIALIZERS, Initializer
from .normalizations import NORMALIZATIONS
from .optimizers import OPTIMIZERS, FirstOrder, Optimizer
from .schedules import SCHEDULES, Schedule

_PICKLE_FORMAT = 1
_sections = attrgetter(*PARAMETER_ATTRIBUTES)


class BaseMLP(CallbackSupportMixin, BaseEstimator, ABC):
    """Base of the classifier and the regressor."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(ACTIVATIONS.names), Activation, list, tuple],
        "initializer": [StrOptions(INITIALIZERS.names), Initializer],
        "optimizer": [StrOptions(OPTIMIZERS.names), Optimizer],
        "solver": [StrOptions(OPTIMIZERS.names), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "max_norm": [Interval(Real, 0, None, closed="neither"), None],
        "normalization": [StrOptions(NORMALIZATIONS.names), None],
        "residual": ["boolean"],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "clip_value": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [
            StrOptions({"auto", "full"}),
            Interval(Integral, 1, None, closed="left"),
            GrowingBatch,
        ],
        "learning_rate": [StrOptions(SCHEDULES.names), Schedule],
        "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "warmup": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
        "warmup_shape": [StrOptions({"linear", "cosine"})],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
        "averaging": [StrOptions(AVERAGINGS.names), Averaging, None],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "n_jobs": [Integral, None],
        "dtype": [
            StrOptions({"float32", "float64"}),
            Options(object, {*FLOATS, *(dtype.type for dtype in FLOATS)}),
            None,
        ],
    }

    @abstractmethod
    def _validate_targets(self, y, continues, incremental):
        """Return targets, one column an output or class indices, and their type."""

    @abstractmethod
    def _validate_held_out(self, y, target_type):
        """Return the targets of validation as `_validate_targets` does those of training."""

    @abstractmethod
    def _own_score(self, problem, data):
        """Return a function that maps raw outputs on a ValidationSet to accuracy or R²."""

    @classmethod
    @cache
    def _get_param_names(cls):
        # Inspecting a signature of over 40 parameters is a tenth of a small fit.
        return super()._get_param_names()

    def _store(self, arguments):
        """Set each argument of the constructor as the attribute of its name."""
        for name, value in arguments.items():
            if name != "self":
                setattr(self, name, value)

    # -- fit -----------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
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
            Features to validate on after each epoch or iteration: for `early_stopping`, which
            then holds out no samples of ``X``, or, without it, for `history_` only. In a
            pipeline it is transformed as ``X`` with ``transform_input=["X_val"]``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
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
        with self._unchanged_on_error():
            validation = X_val, y_val, sample_weight_val
            return self._fit(X, y, sample_weight, validation, context, incremental=False)

    def _fit(self, X, y, sample_weight, validation, context, incremental):
        trainer, attributes = self._trainer(X, y, sample_weight, validation, context, incremental)
        trainer.tasks.begin_fit()
        trainer.partial_fit() if incremental else trainer.fit()

        theta = trainer.record.conclude()
        if self.averaging is not None and self.normalization == "batch":
            trainer.renew_statistics(theta)
        # After fit it would only make pickles larger.
        state = trainer.state if incremental else None
        vars(self).update(attributes(theta), _optimizer_state_=state)
        trainer.tasks.end_fit()
        return self

    def _trainer(self, X, y, sample_weight, validation, context, incremental):
        """Return what trains, ready to start, and a function of theta: fitted attributes."""
        configuration = Configuration(self)
        if incremental:
            configuration.check_incremental()
        optimizer, loss = configuration.optimizer, configuration.loss
        architecture = configuration.architecture
        continues = hasattr(self, "coefs_") and (self.warm_start or incremental)

        dtype = self._fitted_parameters().coefs[0].dtype if continues else self._wanted_dtype()
        X, y = self._validate_input(X, y, dtype, reset=not continues)
        targets, target_type = self._validate_targets(y, continues, incremental)
        targets = np.ascontiguousarray(targets, X.dtype).reshape(X.shape[0], -1)
        loss.check_targets(targets)
        sample_weight = self._validate_weights(X, sample_weight)
        data = self._validation_set(*validation, X.dtype, targets.shape[1], target_type)
        if data is not None:
            loss.check_targets(data.targets)
        if self.scoring is not None and data is None and not self.early_stopping:
            raise ValueError(
                f"scoring={self.scoring!r} has nothing to score: set early_stopping=True, pass "
                "X_val and y_val, or set scoring to None."
            )

        weight = self._training_weights(y, targets, sample_weight, incremental)
        weight = None if weight is None else without_subnormals(weight)
        random_state = check_random_state(self.random_state)
        n_outputs = self._n_outputs(loss, targets, target_type)
        units = [X.shape[1], *configuration.hidden_sizes, n_outputs]
        problem = Problem(
            X=X,
            y=targets,
            sample_weight=weight,
            loss=loss,
            form=loss.form(target_type),
            architecture=architecture,
            layout=Layout(units, architecture.normalization),
            alpha=self.alpha,
            l1_ratio=self.l1_ratio,
        )
        if continues:
            theta = self._fitted_theta(problem.layout, X.dtype)
        else:
            theta = self._initial_theta(problem, configuration.initializer, random_state)
        if self.early_stopping and data is None:
            problem.rows, held_out = self._split(targets, target_type, random_state)
            weight = None if sample_weight is None else sample_weight[held_out]
            data = ValidationSet(X, y[held_out], targets[held_out], weight, held_out)
        if data is not None:
            self._check_held_out(data, loss)
        if problem.total_weight() == 0:
            raise ValueError(
                "The rows to train on have no weight: sample_weight times class_weight is 0 for "
                "each of them."
            )
        record = Record(
            self.tol,
            self.n_iter_no_change,
            self.verbose,
            self.early_stopping,
            vars(self) if continues else {},
            np.inf if self.max_time is None else self.max_time,
            incremental,
        )
        attributes = partial(self._fitted_attributes, problem, target_type, record)

        def attributes_now():
            return attributes(theta.copy())

        validation = None
        if data is not None:
            score = self._score_function(data, problem, attributes_now)
            validation = Validation(problem, theta, data, score)
            self._try_scoring(validation)
        tasks = Tasks(self, context, (X, y, sample_weight), problem.rows, attributes_now)
        if isinstance(optimizer, FirstOrder):
            trainer = MiniBatches(
                problem,
                theta,
                record,
                validation,
                tasks,
                optimizer,
                self._optimizer_state(optimizer, problem, theta, random_state, incremental),
                configuration.rates(),
                configuration.batch_size(problem.n_rows),
                1 if incremental else self.max_iter,
                self.shuffle,
                random_state,
                configuration.limits(),
                configuration.averaging,
            )
        else:
            optimizer.check(problem)
            trainer = FullBatch(
                problem,
                theta,
                record,
                validation,
                tasks,
                optimizer,
                self.tol,
                self.max_iter,
                self.max_fun,
                self.n_jobs,
            )
        return trainer, attributes

    @staticmethod
    def _fitted_attributes(problem, target_type, record, theta):
        """Return what fit leaves on the estimator, the parameters being in ``theta``."""
        parameters = problem.layout.views(theta)
        return dict(
            zip(PARAMETER_ATTRIBUTES, parameters, strict=True),
            n_layers_=len(problem.layout.shapes) + 1,
            n_outputs_=problem.layout.shapes[-1][1],
            out_activation_=problem.form.out_activation,
            _architecture=problem.architecture,
            _fitted_loss=problem.loss,
            _target_type=target_type,
            _optimizer_state_=None,
            **record.fitted_attributes(),
        )

    @contextmanager
    def _unchanged_on_error(self):
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            for name in vars(self).keys() - before.keys():
                delattr(self, name)
            vars(self).update(before)
            raise

    # -- input ---------------------------------------------------------------------------

    def _wanted_dtype(self):
        return FLOATS if self.dtype is None else np.dtype(self.dtype)

    def _validate_input(self, X, y, dtype, reset):
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

    def _validate_weights(self, X, sample_weight):
        if sample_weight is None:
            return None
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=X.dtype, ensure_non_negative=True
        )
        sample_weight = without_subnormals(sample_weight)
        if not sample_weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return sample_weight

    def _training_weights(self, y, targets, sample_weight, incremental):
        """Return what weighs the loss; validation scores see ``sample_weight`` alone."""
        return sample_weight

    def _validation_set(self, X_val, y_val, sample_weight_val, dtype, n_columns, target_type):
        """Return the user's own `ValidationSet`, or None without one."""
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError("sample_weight_val is provided, but X_val was not provided.")
            return None
        for name, given, other in (("y_val", y_val, "X_val"), ("X_val", X_val, "y_val")):
            if given is None:
                raise ValueError(f"{other} is provided, but {name} was not provided.")
        X_val, y_val = self._validate_input(X_val, y_val, dtype, reset=False)
        targets = np.ascontiguousarray(self._validate_held_out(y_val, target_type), dtype)
        targets = targets.reshape(X_val.shape[0], -1)
        if targets.shape[1] != n_columns:
            raise ValueError(f"y_val has {targets.shape[1]} outputs, but y has {n_columns}.")
        try:
            sample_weight_val = self._validate_weights(X_val, sample_weight_val)
        except ValueError as error:
            raise ValueError(f"sample_weight_val: {error}") from error
        return ValidationSet(X_val, y_val, targets, sample_weight_val)

    def _check_held_out(self, data, loss):
        """Raise ValueError where no score of this `ValidationSet` could be a number."""
        scores_by_r2 = loss._scores_by_r2 if self.scoring is None else self.scoring == "r2"
        if is_regressor(self) and scores_by_r2 and len(data) < 2:
            raise ValueError(
                "The validation set is too small. R² needs at least two samples, X_val has "
                f"{len(data)}: pass more, or set scoring to 'loss'."
            )
        if data.sample_weight is not None and not data.sample_weight.any():
            raise ValueError(
                "The rows held out for validation have no weight: sample_weight is 0 for each "
                "of them. Increase validation_fraction, or pass X_val and y_val."
            )

    def _score_function(self, data, problem, attributes):
        """Return a function of raw outputs on ``data`` and their loss: the score.

        ``attributes`` returns those of the estimator as if it were fitted.
        """
        if self.scoring == "loss":
            return lambda raw, loss: -loss
        if self.scoring is None:
            score = self._own_score(problem, data)
            return lambda raw, loss: score(raw)
        scorer = check_scoring(self, self.scoring)
        X, weights = data.features(), {}
        if data.sample_weight is not None and _takes_weights(scorer):
            weights["sample_weight"] = data.sample_weight
        elif data.sample_weight is not None:
            warnings.warn(
                f"scoring={self.scoring!r} takes no sample_weight: all samples count the same in "
                "the validation score.",
                stacklevel=6,
            )
        fitted = copy.copy(self)
        vars(fitted).pop("feature_names_in_", None)  # X is an array by now

        def score_by_scorer(raw, loss):
            if not np.isfinite(problem.form.predictions(raw)).all():
                return np.nan
            vars(fitted).update(attributes())
            return scorer(fitted, X, data.y, **weights)

        return score_by_scorer

    def _try_scoring(self, validation):
        """Raise ValueError before training where a scorer would, after the first epoch.

        Only those of scikit-learn are tried: a function of the user's is called once an epoch.
        """
        if self.scoring in (None, "loss") or not hasattr(get_scorer(self.scoring), "_score_func"):
            return
        try:
            validation()
        except Exception as error:
            raise ValueError(
                f"scoring={self.scoring!r} cannot score this {type(self).__name__}. Choose a "
                "scorer for its kind of targets and for methods that it has, or leave scoring "
                f"None. It raised {type(error).__name__}: {error}"
            ) from error

    def _split(self, targets, target_type, random_state):
        """Return the rows to train on and those held out for early stopping."""
        stratify = None
        if target_type in ("binary", "multiclass"):
            stratify = self._stratification(targets, target_type)
        rows, held_out = train_test_split(
            np.arange(len(targets), dtype=np.int64),
            random_state=random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size "
                "of your dataset."
            )
        return rows, held_out

    def _stratification(self, targets, target_type):
        """Return codes of the classes if each has a place on both sides of the split."""
        # Two classes are a column of bools in scikit-learn, whose error names them.
        codes = targets.astype(bool) if target_type == "binary" else targets.astype(int).ravel()
        counts = np.bincount(codes.ravel())
        counts = counts[counts > 0]
        n_held_out = math.ceil(self.validation_fraction * len(codes))
        if not 2 <= n_held_out < len(codes):
            # There is no such split: scikit-learn stratifies two classes when it says so.
            return codes if target_type == "binary" else None
        if counts.min() > 1 and len(counts) <= min(n_held_out, len(codes) - n_held_out):
            return codes
        warnings.warn(
            "The validation set of early stopping is not stratified: a class has only one "
            "sample, or there are more classes than places in the split.",
            stacklevel=7,
        )
        return None

    # -- the network -----------------------------------------------------------------------

    def _initial_theta(self, problem, initializer, random_state):
        layout, activations = problem.layout, problem.architecture.activations
        theta = np.empty(layout.n_values, problem.X.dtype)
        parameters = layout.views(theta)
        # The output layer is drawn as the layer before it.
        following = [*activations, activations[-1] if activations else Identity()]
        for i, shape in enumerate(layout.shapes):
            coefs, intercepts = initializer.draw(*shape, following[i], random_state)
            with np.errstate(over="ignore"):  # what overflows float32 is divergence
                parameters.coefs[i][:], parameters.intercepts[i][:] = coefs, intercepts
        for ones in (*parameters.scales, *parameters.variances):
            ones[:] = 1
        for zeros in (*parameters.shifts, *parameters.means):
            zeros[:] = 0
        return theta

    def _fitted_parameters(self):
        """Return the fitted `Parameters`, checked, in the floating type of ``coefs_``."""
        return check_parameters(
            _sections(self), self._architecture, self.n_features_in_, self.n_outputs_
        )

    def _fitted_theta(self, layout, dtype):
        """Pack the fitted parameters, to go on from them."""
        parameters = self._fitted_parameters()
        fitted = [[np.shape(array) for array in section] for section in parameters]
        wanted = layout.views(np.empty(layout.n_values))
        wanted = [[array.shape for array in section] for section in wanted]
        if fitted != wanted:
            raise ValueError(
                "warm_start and partial_fit go on with the fitted network, whose weights have "
                f"the shapes {fitted[0]}, but the parameters and the data ask for {wanted[0]}"
                f"{'' if fitted[0] != wanted[0] else ' with another normalization'}. Fit a "
                "clone of the estimator instead."
            )
        return layout.pack(parameters, dtype)

    def _optimizer_state(self, optimizer, problem, theta, random_state, incremental):
        n_parameters = problem.layout.n_parameters
        previous = getattr(self, "_optimizer_state_", None)
        if incremental and previous is not None and previous.fits(optimizer, theta, n_parameters):
            return previous.copy()
        architecture = problem.architecture
        drops = architecture.input_dropout > 0 or any(architecture.dropout)
        # Drawn only where it is used, so that the other draws stay scikit-learn's.
        seed = random_state.randint(np.iinfo(np.int32).max) if drops else 0
        return OptimizerState(optimizer, theta[:n_parameters], seed)

    def _raw_outputs(self, X):
        """Outputs before the link, of shape (n_samples, n_outputs)."""
        check_is_fitted(self, "coefs_")
        parameters = self._fitted_parameters()
        X = self._validate_features(X, parameters.coefs[0].dtype)
        block = min(BLOCK_ROWS, X.shape[0])
        return Network(parameters, self._architecture, block).raw_outputs(Input(X, block))

    def _validate_features(self, X, dtype):
        """Return features to predict on, as kernels read them."""
        if self._is_plainly_valid(X, dtype):
            return X
        check_sparse(X)
        return validate_data(self, X, accept_sparse="csr", dtype=dtype, reset=False)

    def _is_plainly_valid(self, X, dtype):
        """Whether validation would find nothing: told at once of the commonest valid input.

        For a single row, scikit-learn's takes several times as long as predicting.
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

    def __getstate__(self):
        return {**super().__getstate__(), "_pickle_format": _PICKLE_FORMAT}

    def __setstate__(self, state):
        state = dict(state)
        written = state.pop("_pickle_format", None)
        if written != _PICKLE_FORMAT:
            raise ValueError(
                f"This pickle of {type(self).__name__} has format {written}; this version of "
                f"sknn_opt reads format {_PICKLE_FORMAT}. Load it with the version that wrote "
                "it, or fit again."
            )
        super().__setstate__(state)


def _takes_weights(scorer):
    """Whether a scorer, or the metric that scikit-learn's ``make_scorer`` wraps, takes weights."""
    parameters = signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters or any(
        parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()
    )
