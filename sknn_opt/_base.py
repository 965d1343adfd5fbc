"""What both estimators share: from parameters to objects, from data to training.

The only place where names become objects. What fit computes is published at its end, in
one go, so that an exception leaves the estimator as it was.
"""

import math
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._component import resolve
from ._full_batch import FullBatch
from ._inputs import Input
from ._layout import Architecture, Layout, Parameters
from ._network import Network
from ._problem import BLOCK_ROWS, Problem
from ._record import Record
from ._training import Limits, MiniBatches, OptimizerState, Rates
from .activations import ACTIVATIONS, Activation, Identity
from .batches import GrowingBatch
from .initializers import INITIALIZERS, Initializer
from .normalizations import NORMALIZATIONS
from .optimizers import OPTIMIZERS, FirstOrder, Optimizer
from .optimizers import FullBatch as FullBatchOptimizer
from .schedules import SCHEDULES, Schedule, WarmUp

_FLOATS = (np.float64, np.float32)
_DEFAULT_OPTIMIZER = "adam"
_PICKLE_FORMAT = 1

_PARAMETER_ATTRIBUTES = (
    "coefs_",
    "intercepts_",
    "normalization_scales_",
    "normalization_shifts_",
    "running_means_",
    "running_variances_",
)

# Ours, and without effect on full-batch optimizers: with the values that leave them off.
_FIRST_ORDER_ONLY = {
    "dropout": 0.0,
    "input_dropout": 0.0,
    "max_norm": None,
    "clip_norm": None,
    "clip_value": None,
    "warmup": 0,
}

_NEEDS_ALL_SAMPLES = (
    "{} needs the gradient of all samples at each step: set batch_size to 'auto' or 'full'."
)

_DIVERGED = (
    "Solver produced non-finite parameter weights. The input data may contain large values "
    "and need to be preprocessed. Scale the features (StandardScaler) and, in regression, "
    "the targets (TransformedTargetRegressor); lower learning_rate_init; or raise alpha."
)


class BaseMLP(BaseEstimator, ABC):
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
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dtype": [
            StrOptions({"float32", "float64"}),
            Options(object, {*_FLOATS, *map(np.dtype, _FLOATS)}),
            None,
        ],
    }

    @abstractmethod
    def _validate_targets(self, y, continues, incremental):
        """Return targets, one column an output or class indices, and their type."""

    @abstractmethod
    def _scorer(self, targets, problem, sample_weight):
        """Return a function that maps raw outputs on held-out rows to their score."""

    def _store(self, arguments):
        """Set each argument of the constructor as the attribute of its name."""
        for name, value in arguments.items():
            if name != "self":
                setattr(self, name, value)

    # -- fit -----------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network to ``X`` and ``y``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. CSR matrices are trained on as they are, CSC ones converted once.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the input is not valid, or if training diverged to non-finite parameters.
            The estimator is then as it was before.
        """
        with self._unchanged_on_error():
            return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, X, y, sample_weight, incremental):
        trainer, target_type = self._trainer(X, y, sample_weight, incremental)
        trainer.partial_fit() if incremental else trainer.fit()

        theta, record = trainer.theta, trainer.record
        theta = theta if record.best_theta is None else record.best_theta
        if not np.isfinite(theta).all():
            raise ValueError(_DIVERGED)
        state = trainer.state if incremental else None
        self._publish(theta, trainer.problem, target_type, record, state)
        return self

    def _trainer(self, X, y, sample_weight, incremental):
        """Return what trains, ready to start, and the type of the targets."""
        optimizer = resolve(self._optimizer_choice(), OPTIMIZERS, self)
        loss = resolve(self.loss, self._losses, self)
        hidden = self._hidden_sizes()
        architecture = self._resolve_architecture(len(hidden))
        self._check_applicable(optimizer, loss)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        continues = hasattr(self, "coefs_") and (self.warm_start or incremental)

        X, y = self._validate_input(X, y, continues)
        targets, target_type = self._validate_targets(y, continues, incremental)
        targets = np.ascontiguousarray(targets, X.dtype).reshape(X.shape[0], -1)
        loss.check_targets(targets)
        form = loss.form(target_type)
        sample_weight = self._validate_weights(X, sample_weight)
        training_weight = self._training_weights(y, targets, sample_weight, incremental)

        random_state = check_random_state(self.random_state)
        units = [X.shape[1], *hidden, self._n_outputs(loss, targets, target_type)]
        problem = Problem(
            X=X,
            y=targets,
            sample_weight=training_weight,
            loss=loss,
            form=form,
            architecture=architecture,
            layout=Layout(units, architecture.normalization),
            alpha=self.alpha,
            l1_ratio=self.l1_ratio,
        )
        if continues:
            theta = self._fitted_theta(problem.layout, X.dtype)
        else:
            theta = self._initial_theta(problem, random_state, X.dtype)
        score = None
        if self.early_stopping:
            problem.rows, held_out = self._split(targets, target_type, random_state)
            weight = None if sample_weight is None else sample_weight[held_out]
            score = problem.validate(
                theta, held_out, self._scorer(targets[held_out], problem, weight)
            )
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
        )
        if isinstance(optimizer, FirstOrder):
            state = self._optimizer_state(optimizer, problem, theta, random_state, incremental)
            trainer = MiniBatches(
                problem,
                theta,
                record,
                score,
                optimizer,
                state,
                self._resolve_rates(optimizer),
                self._resolve_batch_size(optimizer, problem.n_rows),
                1 if incremental else self.max_iter,
                self.shuffle,
                random_state,
                self._resolve_limits(),
            )
        else:
            trainer = FullBatch(
                problem, theta, record, score, optimizer, self.tol, self.max_iter, self.max_fun
            )
        return trainer, target_type

    def _publish(self, theta, problem, target_type, record, state):
        parameters = problem.layout.views(theta)
        for attribute, arrays in zip(_PARAMETER_ATTRIBUTES, parameters, strict=True):
            setattr(self, attribute, arrays)
        vars(self).update(
            n_layers_=len(self.coefs_) + 1,
            n_outputs_=self.coefs_[-1].shape[1],
            out_activation_=problem.form.out_activation,
            _architecture=problem.architecture,
            _fitted_loss=problem.loss,
            _target_type=target_type,
            _optimizer_state_=state,
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

    # -- from names to objects -----------------------------------------------------------

    def _optimizer_choice(self):
        """``optimizer``, or ``solver``, scikit-learn's name for it, where that is given."""
        if self.solver is None:
            return self.optimizer
        if isinstance(self.optimizer, str):
            agrees = self.optimizer in (self.solver, _DEFAULT_OPTIMIZER)
            choice = self.solver
        else:
            agrees = type(self.optimizer) is OPTIMIZERS[self.solver]
            choice = self.optimizer
        if not agrees:
            raise ValueError(
                f"solver={self.solver!r} and optimizer={self.optimizer!r} contradict each "
                "other: solver is scikit-learn's name for optimizer. Set only one of them."
            )
        return choice

    def _resolve_architecture(self, n_hidden):
        """Return the `Architecture` of a network with so many hidden layers."""
        activations = self._per_layer("activation", n_hidden, str | Activation)
        normalization = self.normalization
        if normalization is not None:
            normalization = resolve(normalization, NORMALIZATIONS, self)
        return Architecture(
            [resolve(activation, ACTIVATIONS, self) for activation in activations],
            self._per_layer("dropout", n_hidden, Real),
            self.input_dropout,
            normalization,
            self.residual,
        )

    def _per_layer(self, name, n_hidden, scalar):
        """Return a parameter that holds for all hidden layers, or for each its own."""
        value = getattr(self, name)
        if isinstance(value, scalar):
            return [value] * n_hidden
        if len(value) != n_hidden or not all(isinstance(v, scalar) for v in value):
            raise ValueError(
                f"{name} must be a single value, or a list with one for each of the {n_hidden} "
                f"hidden layers, got {value!r}."
            )
        return list(value)

    def _check_applicable(self, optimizer, loss):
        """Raise ValueError for keywords beyond scikit-learn's that can't have an effect."""
        full_batch = isinstance(optimizer, FullBatchOptimizer)
        for name, default in _FIRST_ORDER_ONLY.items():
            value = getattr(self, name)
            if full_batch and np.any(value != default):
                raise ValueError(
                    f"{name}={value!r} does not apply to full-batch optimizers. Set {name} to "
                    f"{default!r}, or choose a first-order optimizer such as 'adam'."
                )
        takes_all = full_batch or optimizer._full_batch or self.batch_size == "full"
        if self.normalization == "batch" and takes_all:
            raise ValueError(
                "normalization='batch' needs mini-batches: it does not apply to full-batch "
                "optimizers, nor to batch_size='full'. Choose normalization='layer', or a "
                "first-order optimizer such as 'adam' with mini-batches."
            )
        smoothing = getattr(self, "label_smoothing", 0.0)
        if smoothing and smoothing != getattr(loss, "label_smoothing", 0.0):
            raise ValueError(
                f"label_smoothing={smoothing} applies to loss='log_loss' by name. Set it on "
                "the loss object, LogLoss(label_smoothing=...), or set it to 0."
            )
        if any(not 0 <= rate < 1 for rate in np.ravel(self.dropout)):
            raise ValueError(f"dropout must be in the range [0, 1), got {self.dropout!r}.")

    def _resolve_rates(self, optimizer):
        learning_rate = self.learning_rate_init
        if learning_rate == "auto":
            learning_rate = optimizer.default_learning_rate
        schedule = resolve(self.learning_rate, SCHEDULES, self)
        warm_up = WarmUp(self.warmup, self.warmup_shape) if self.warmup else None
        return Rates(learning_rate, schedule, warm_up, self.max_iter)

    def _resolve_limits(self):
        bounds = (self.clip_value, self.clip_norm, self.max_norm)
        return Limits(*(np.inf if bound is None else bound for bound in bounds))

    def _resolve_batch_size(self, optimizer, n_samples):
        """Return a function of epoch and number of rows."""
        if isinstance(self.batch_size, GrowingBatch):
            if optimizer._full_batch:
                raise ValueError(_NEEDS_ALL_SAMPLES.format(type(optimizer).__name__))
            return resolve(self.batch_size, {}, self)
        if self.batch_size == "full" or (self.batch_size == "auto" and optimizer._full_batch):
            size = n_samples
        elif self.batch_size == "auto":
            size = min(200, n_samples)
        else:
            size = min(self.batch_size, n_samples)
            if self.batch_size > n_samples:
                warnings.warn(
                    "Got `batch_size` less than 1 or larger than sample size. It is going to "
                    "be clipped",
                    stacklevel=6,
                )
        if optimizer._full_batch and size < n_samples:
            raise ValueError(_NEEDS_ALL_SAMPLES.format(type(optimizer).__name__))
        return lambda epoch, n_rows: size

    def _hidden_sizes(self):
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if not all(isinstance(s, Integral) for s in sizes):
            raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
        if any(s <= 0 for s in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(s) for s in sizes]

    # -- input ---------------------------------------------------------------------------

    def _validate_input(self, X, y, continues):
        if continues:
            dtype = self._fitted_dtype()
        else:
            dtype = _FLOATS if self.dtype is None else np.dtype(self.dtype)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=self._y_numeric,
            dtype=dtype,
            reset=not continues,
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
        if not sample_weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return sample_weight

    def _training_weights(self, y, targets, sample_weight, incremental):
        """Return what weighs the loss; validation scores see ``sample_weight`` alone."""
        return sample_weight

    def _split(self, targets, target_type, random_state):
        """Return the rows to train on and those held out for early stopping."""
        stratify = targets.astype(bool) if target_type == "binary" else None
        if target_type == "multiclass":
            stratify = self._stratification(targets.astype(int).ravel())
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

    def _stratification(self, codes):
        """Return ``codes`` if each class has a place on both sides of the split."""
        counts = np.bincount(codes)
        counts = counts[counts > 0]
        n_held_out = math.ceil(self.validation_fraction * len(codes))
        if counts.min() > 1 and len(counts) <= min(n_held_out, len(codes) - n_held_out):
            return codes
        warnings.warn(
            "The validation set of early stopping is not stratified: a class has only one "
            "sample, or there are more classes than places in the split.",
            stacklevel=7,
        )
        return None

    # -- the network -----------------------------------------------------------------------

    def _initial_theta(self, problem, random_state, dtype):
        layout, activations = problem.layout, problem.architecture.activations
        initializer = resolve(self.initializer, INITIALIZERS, self)
        theta = np.empty(layout.n_values, dtype)
        parameters = layout.views(theta)
        # The output layer is drawn as the layer before it.
        following = [*activations, activations[-1] if activations else Identity()]
        for i, shape in enumerate(layout.shapes):
            coefs, intercepts = initializer.draw(*shape, following[i], random_state)
            parameters.coefs[i][:], parameters.intercepts[i][:] = coefs, intercepts
        for ones in (*parameters.scales, *parameters.variances):
            ones[:] = 1
        for zeros in (*parameters.shifts, *parameters.means):
            zeros[:] = 0
        return theta

    def _fitted_parameters(self):
        return Parameters(*(getattr(self, name) for name in _PARAMETER_ATTRIBUTES))

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
        theta = theta[: problem.layout.n_parameters]
        previous = getattr(self, "_optimizer_state_", None)
        if incremental and previous is not None and previous.fits(optimizer, theta):
            return previous.copy()
        architecture = problem.architecture
        drops = architecture.input_dropout > 0 or any(architecture.dropout)
        # Drawn only where it is used, so that the other draws stay scikit-learn's.
        seed = random_state.randint(np.iinfo(np.int32).max) if drops else 0
        return OptimizerState(optimizer, theta, seed)

    def _fitted_dtype(self):
        """The floating type of ``coefs_``, to which users may assign other numbers."""
        dtype = np.asarray(self.coefs_[0]).dtype
        return dtype if dtype in _FLOATS else np.dtype(np.float64)

    def _raw_outputs(self, X):
        """Outputs before the link, of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        dtype = self._fitted_dtype()
        X = validate_data(self, X, accept_sparse="csr", dtype=dtype, reset=False)
        parameters = Parameters(
            *([np.ascontiguousarray(a, dtype) for a in s] for s in self._fitted_parameters())
        )
        block = min(BLOCK_ROWS, X.shape[0])
        return Network(parameters, self._architecture, block).raw_outputs(Input(X, block))

    # -- partial_fit -----------------------------------------------------------------------

    def _check_partial_fit(self):
        if not _is_first_order(self._optimizer_choice()):
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self._optimizer_choice()} is not stochastic."
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


def _is_first_order(choice):
    cls = OPTIMIZERS[choice] if choice in OPTIMIZERS.names else type(choice)
    return issubclass(cls, FirstOrder)
