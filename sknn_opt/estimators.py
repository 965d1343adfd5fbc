"""The two estimators: scikit-learn's surface over the engine.

The only place where names become objects. What fit computes is published at its end, in
one go, so that an exception leaves the estimator as it was.
"""

import math
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from scipy.special import log_expit, log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._component import resolve
from ._documentation import CLASSIFIER, REGRESSOR
from ._inputs import Input
from ._network import Layout, Network
from ._training import (
    BLOCK_ROWS,
    FullBatch,
    MiniBatches,
    OptimizerState,
    Problem,
    Record,
)
from .activations import ACTIVATIONS, Activation
from .initializers import INITIALIZERS
from .losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Loss
from .optimizers import OPTIMIZERS, FirstOrder, Optimizer
from .schedules import SCHEDULES, Schedule

_FLOATS = (np.float64, np.float32)
_DEFAULT_OPTIMIZER = "adam"
_PICKLE_FORMAT = 1

_DIVERGED = (
    "Solver produced non-finite parameter weights. The input data may contain large values "
    "and need to be preprocessed. Scale the features (StandardScaler) and, in regression, "
    "the targets (TransformedTargetRegressor); lower learning_rate_init; or raise alpha."
)


class _BaseMLP(BaseEstimator, ABC):
    """What the classifier and the regressor share."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), Activation],
        "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer],
        "solver": [StrOptions(set(OPTIMIZERS)), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES)), Schedule],
        "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
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
        "dtype": [StrOptions({"float32", "float64"}), Options(object, set(_FLOATS)), None],
    }

    @abstractmethod
    def _validate_targets(self, y, continues, incremental):
        """Return targets, one column an output or class indices, and their type."""

    @abstractmethod
    def _scorer(self, targets, form, sample_weight):
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
        optimizer, learning_rate, schedule = self._resolve_optimizer()
        activation = resolve(self.activation, ACTIVATIONS, self)
        loss = resolve(self.loss, self._losses, self)
        hidden = self._hidden_sizes()
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        continues = hasattr(self, "coefs_") and (self.warm_start or incremental)

        X, y = self._validate_input(X, y, continues)
        targets, target_type = self._validate_targets(y, continues, incremental)
        targets = np.ascontiguousarray(targets, X.dtype).reshape(X.shape[0], -1)
        loss.check_targets(targets)
        sample_weight = self._validate_weights(X, sample_weight)
        training_weight = self._training_weights(y, targets, sample_weight, incremental)

        random_state = check_random_state(self.random_state)
        layout = Layout([X.shape[1], *hidden, self._n_outputs(targets, target_type)])
        if continues:
            self._check_architecture(layout)
            theta = layout.pack(self.coefs_, self.intercepts_, X.dtype)
        else:
            theta = self._initial_theta(layout, activation, random_state, X.dtype)
        record = Record(
            self.tol,
            self.n_iter_no_change,
            self.verbose,
            self.early_stopping,
            vars(self) if continues else {},
        )
        problem = Problem(
            X=X,
            y=targets,
            sample_weight=training_weight,
            rows=None,
            loss=loss,
            form=loss.form(target_type),
            activations=[activation] * len(hidden),
            layout=layout,
            alpha=self.alpha,
            l1_ratio=self.l1_ratio,
        )
        score = None
        if self.early_stopping:
            problem.rows, held_out = self._split(targets, target_type, random_state)
            weight = None if sample_weight is None else sample_weight[held_out]
            score = problem.validate(
                theta, held_out, self._scorer(targets[held_out], problem.form, weight)
            )
        if problem.total_weight() == 0:
            raise ValueError(
                "The rows to train on have no weight: sample_weight times class_weight is 0 for "
                "each of them."
            )

        state = None
        if isinstance(optimizer, FirstOrder):
            state = self._optimizer_state(optimizer, theta, incremental)
            trainer = MiniBatches(
                problem,
                theta,
                record,
                score,
                optimizer,
                state,
                schedule,
                learning_rate,
                self._resolve_batch_size(problem.n_rows),
                self.max_iter,
                self.shuffle,
                random_state,
            )
        else:
            trainer = FullBatch(
                problem, theta, record, score, optimizer, self.tol, self.max_iter, self.max_fun
            )
        trainer.partial_fit() if incremental else trainer.fit()

        theta = theta if record.best_theta is None else record.best_theta
        if not np.isfinite(theta).all():
            raise ValueError(_DIVERGED)
        self._publish(theta, problem, target_type, record, state if incremental else None)
        return self

    def _publish(self, theta, problem, target_type, record, state):
        coefs, intercepts = problem.layout.views(theta)
        vars(self).update(
            coefs_=coefs,
            intercepts_=intercepts,
            n_layers_=len(coefs) + 1,
            n_outputs_=coefs[-1].shape[1],
            out_activation_=problem.form.out_activation,
            _activations=problem.activations,
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

    def _resolve_optimizer(self):
        """Return the optimizer, its learning rate and the schedule."""
        optimizer = resolve(self._optimizer_choice(), OPTIMIZERS, self)
        schedule = resolve(self.learning_rate, SCHEDULES, self)
        learning_rate = self.learning_rate_init
        if learning_rate == "auto" and isinstance(optimizer, FirstOrder):
            learning_rate = optimizer.default_learning_rate
        return optimizer, learning_rate, schedule

    def _resolve_batch_size(self, n_samples):
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                "clipped",
                stacklevel=5,
            )
        return min(self.batch_size, n_samples)

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
            stacklevel=6,
        )
        return None

    # -- the network -----------------------------------------------------------------------

    def _initial_theta(self, layout, activation, random_state, dtype):
        initializer = INITIALIZERS["auto"]()
        layers = [initializer.draw(*shape, activation, random_state) for shape in layout.shapes]
        return layout.pack(*zip(*layers, strict=True), dtype)

    def _check_architecture(self, layout):
        fitted = [np.shape(c) for c in self.coefs_]
        if fitted != layout.shapes:
            raise ValueError(
                "warm_start and partial_fit go on with the fitted network, whose weights have "
                f"the shapes {fitted}, but the parameters and the data ask for "
                f"{layout.shapes}. Fit a clone of the estimator instead."
            )

    def _optimizer_state(self, optimizer, theta, incremental):
        previous = getattr(self, "_optimizer_state_", None)
        if incremental and previous is not None and previous.fits(optimizer, theta):
            return previous.copy()
        return OptimizerState(optimizer, theta)

    def _fitted_dtype(self):
        """The floating type of ``coefs_``, to which users may assign other numbers."""
        dtype = np.asarray(self.coefs_[0]).dtype
        return dtype if dtype in _FLOATS else np.dtype(np.float64)

    def _raw_outputs(self, X):
        """Outputs before the link, of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        dtype = self._fitted_dtype()
        X = validate_data(self, X, accept_sparse="csr", dtype=dtype, reset=False)
        coefs = [np.ascontiguousarray(c, dtype) for c in self.coefs_]
        intercepts = [np.ascontiguousarray(b, dtype) for b in self.intercepts_]
        block = min(BLOCK_ROWS, X.shape[0])
        network = Network(coefs, intercepts, self._activations, block)
        return network.raw_outputs(Input(X, block))

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
    cls = OPTIMIZERS.get(choice) if isinstance(choice, str) else type(choice)
    return cls is None or issubclass(cls, FirstOrder)


class MLPClassifier(ClassifierMixin, _BaseMLP):
    __doc__ = CLASSIFIER

    _losses = CLASSIFIER_LOSSES
    _y_numeric = False
    _parameter_constraints = {
        **_BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(CLASSIFIER_LOSSES)), Loss],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="log_loss",
        optimizer="adam",
        solver=None,
        alpha=0.0001,
        l1_ratio=0.0,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init="auto",
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
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        class_weight=None,
        dtype=None,
    ):
        self._store(locals())

    def _validate_targets(self, y, continues, incremental):
        if incremental or continues:
            self._check_classes(unique_labels(y), incremental)
        else:
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        target_type = self._label_binarizer.y_type_
        if target_type == "multilabel-indicator":
            return y.toarray() if sparse.issparse(y) else y, target_type
        return np.searchsorted(self.classes_, y), target_type

    def _check_classes(self, labels, incremental):
        if incremental and np.setdiff1d(labels, self.classes_).size:
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {labels}."
            )
        if not incremental and set(labels) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {self.classes_}, `y` has {labels}"
            )

    def _training_weights(self, y, targets, sample_weight, incremental):
        if self.class_weight is None:
            return sample_weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to use "
                "'balanced' weights, use compute_class_weight('balanced', classes=classes, y=y) "
                "on a large enough sample of the training data, and pass the resulting weights "
                "as the class_weight parameter, a dict."
            )
        if targets.shape[1] > 1:
            factor = compute_sample_weight(self.class_weight, targets)
        else:
            by_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            factor = by_class[targets.ravel().astype(int)]
        if not np.all((factor >= 0) & np.isfinite(factor)):
            raise ValueError(
                f"class_weight must hold finite, non-negative numbers, got {self.class_weight}."
            )
        weight = factor if sample_weight is None else factor * sample_weight
        return weight.astype(targets.dtype)

    def _n_outputs(self, targets, target_type):
        return len(self.classes_) if target_type == "multiclass" else targets.shape[1]

    def _scorer(self, targets, form, sample_weight):
        def accuracy(raw):
            return accuracy_score(targets, self._decide(raw), sample_weight=sample_weight)

        return accuracy

    def _decide(self, raw):
        """Class indices, of shape (n_samples, 1), or label indicators from raw outputs."""
        if self._label_binarizer.y_type_ == "multiclass":
            return raw.argmax(axis=1)[:, np.newaxis]
        return (raw > 0).astype(int)

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Class labels; for multilabel targets an indicator matrix, sparse if the targets
            of fit were.
        """
        decided = self._decide(self._raw_outputs(X))
        if decided.shape[1] > 1:
            return self._label_binarizer.inverse_transform(decided)
        return self.classes_[np.minimum(decided.ravel(), len(self.classes_) - 1)]

    def decision_function(self, X):
        """Raw outputs (logits).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            For two classes the log odds of the second one, else one column a class.
        """
        raw = self._raw_outputs(X)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; for multilabel targets the probability of each
            label.
        """
        raw = self._raw_outputs(X)
        if self._target_type == "binary":
            raw = np.column_stack([-raw, raw])
        return self._fitted_loss.form(self._target_type).predictions(raw)

    def predict_log_proba(self, X):
        """Predict logarithms of class probabilities.

        Computed from the raw outputs, so finite wherever these are finite.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
        """
        raw = self._raw_outputs(X)
        if self._target_type == "multiclass":
            return log_softmax(raw, axis=1)
        return log_expit(np.column_stack([-raw, raw]) if self._target_type == "binary" else raw)

    @available_if(_BaseMLP._check_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch on the given data.

        Calls that follow each other go on with the same optimizer state; the first one
        after ``fit`` starts from the fitted weights with a fresh state.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        classes : array of shape (n_classes,), default=None
            All classes that any call will see. Required at the first call.

        Returns
        -------
        self : object
        """
        with self._unchanged_on_error():
            if _check_partial_fit_first_call(self, classes):
                multilabel = type_of_target(y).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
            return self._fit(X, y, sample_weight, incremental=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, _BaseMLP):
    __doc__ = REGRESSOR

    _losses = REGRESSOR_LOSSES
    _y_numeric = True
    _parameter_constraints = {
        **_BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(REGRESSOR_LOSSES)), Loss],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        optimizer="adam",
        solver=None,
        alpha=0.0001,
        l1_ratio=0.0,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init="auto",
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
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        dtype=None,
    ):
        self._store(locals())

    def _validate_targets(self, y, continues, incremental):
        return y, "continuous"

    def _n_outputs(self, targets, target_type):
        return targets.shape[1]

    def _scorer(self, targets, form, sample_weight):
        def r_squared(raw):
            predictions = form.predictions(raw)
            if not np.isfinite(predictions).all():
                return np.nan
            return r2_score(targets, predictions, sample_weight=sample_weight)

        return r_squared

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        raw = self._raw_outputs(X)
        predictions = self._fitted_loss.form(self._target_type).predictions(raw)
        return predictions.ravel() if predictions.shape[1] == 1 else predictions

    @available_if(_BaseMLP._check_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on the given data.

        Calls that follow each other go on with the same optimizer state; the first one
        after ``fit`` starts from the fitted weights with a fresh state.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.

        Returns
        -------
        self : object
        """
        with self._unchanged_on_error():
            return self._fit(X, y, sample_weight, incremental=True)
