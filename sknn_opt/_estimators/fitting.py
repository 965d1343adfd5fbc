"""One call of fit: from an estimator and its data to a trainer."""

import math
import weakref
from typing import Protocol, runtime_checkable

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from .._compiler.memory import aligned_zeros
from .._containers import check_in_memory
from .._network.layout import PARAMETERS, Layout, describe
from .._network.problem import Problem, without_subnormals
from .._training.full_batch import FullBatchTrainer
from .._training.mini_batch import MiniBatchTrainer
from .._training.optimizer_state import OptimizerState
from .._training.progress import Progress
from .._training.row_sums import RowSums
from .._training.validation import Validation, ValidationSet
from ..activations import Identity
from .callbacks import CallbackRunner
from .held_out import check_given, check_held_out, score_function, split, try_scoring
from .parameters import Configuration
from .resumption import Resumption


@runtime_checkable
class Trainer(Protocol):
    """What a fit asks of a trainer."""

    callbacks: CallbackRunner
    state: OptimizerState | None
    is_interrupted: bool

    def fit(self) -> None: ...

    def conclude(self) -> np.ndarray: ...

    def to_dict(self) -> dict: ...

    def restore(self, values: dict) -> None: ...


class Fit:
    """One call of fit or partial_fit.

    First the estimator's parameters are resolved to objects, then the data are encoded as the
    loss reads them. Random numbers are drawn in `trainer` only, in the order of scikit-learn:
    the initial parameters, the rows held out, and last the seed of dropout and of what
    changes the samples.

    Parameters
    ----------
    estimator : BaseMLP
    X, y, sample_weight
        As `fit` takes them.
    validation : tuple of X_val, y_val, sample_weight_val
    incremental : bool
        Whether it is partial_fit.
    classes : array-like, default=None
        All classes, for a classifier.
    """

    def __init__(self, estimator, X, y, sample_weight, validation, incremental, classes=None):
        self.estimator = estimator
        self.incremental = incremental
        self.continues = hasattr(estimator, "coefs_") and (estimator.warm_start or incremental)
        self.configuration = Configuration(estimator)
        if incremental:
            self.configuration.check_incremental()
        self.fitted = estimator._fitted_parameters() if self.continues else None
        self._bind_data(X, y, sample_weight, classes)
        self._bind_validation(*validation)
        self._describe()

    def _bind_data(self, X, y, sample_weight, classes):
        estimator = self.estimator
        dtype = self.fitted[0]["coefs"].dtype if self.continues else estimator._wanted_dtype()
        self.X, y = estimator._validate_input(X, y, dtype, reset=not self.continues)
        self.configuration.augmentation.check_features(self.X)
        self.targets = estimator._make_targets(y, self.continues, self.incremental, classes)
        self.y, columns = self.targets.read(y), self._columns(self.targets.encode(y))
        self.sample_weight = check_weights(sample_weight, self.X)
        self.targets = self.targets.with_scale(
            estimator, self.configuration.loss, columns, self.sample_weight
        )
        self.encoded = self._scaled(columns)
        weight = self.targets.weights(
            estimator, y, self.encoded, self.sample_weight, self.incremental
        )
        self.weight = None if weight is None else without_subnormals(weight)
        self.given = self.X, self.y, self.sample_weight

    def data_identity(self):
        """Return what tells the data of this fit from others."""
        return [self.X, self.encoded, self.sample_weight]

    def _columns(self, encoded):
        """Return encoded targets in columns; raise ValueError where the loss cannot learn them."""
        columns = np.reshape(encoded, (encoded.shape[0], -1))
        self.configuration.loss.check_targets(columns.astype(self.X.dtype, copy=False))
        return columns

    def _scaled(self, columns):
        """Return targets as kernels read them."""
        with np.errstate(over="ignore"):  # those of validation may be far from those of training
            scaled = np.ascontiguousarray(self.targets.scaled(columns), self.X.dtype)
        self.configuration.loss.check_targets(scaled)
        return scaled

    def _bind_validation(self, X_val, y_val, sample_weight_val):
        estimator, self.held_out = self.estimator, None
        if check_given(X_val, y_val, sample_weight_val):
            X, y = estimator._validate_input(X_val, y_val, self.X.dtype, reset=False)
            columns = self._columns(self.targets.encode_held_out(y))
            if columns.shape[1] != self.encoded.shape[1]:
                raise ValueError(
                    f"y_val has {columns.shape[1]} outputs, but y has {self.encoded.shape[1]}."
                )
            weight = check_weights(sample_weight_val, X, "sample_weight_val")
            self.held_out = ValidationSet(X, self.targets.read(y), self._scaled(columns), weight)
        elif estimator.scoring is not None and not estimator.early_stopping:
            raise ValueError(
                f"scoring={estimator.scoring!r} has nothing to score: set early_stopping=True, "
                "pass X_val and y_val, or set scoring to None."
            )

    def _describe(self):
        """Describe the network and what it is to learn, as a `Problem`."""
        estimator, configuration = self.estimator, self.configuration
        loss, architecture = configuration.loss, configuration.architecture
        n_outputs = self.targets.n_outputs(loss, self.encoded.shape[1])
        units = [self.X.shape[1], *configuration.hidden_sizes, n_outputs]
        self.problem = Problem(
            X=self.X,
            y=self.encoded,
            sample_weight=self.weight,
            loss=loss,
            form=loss.form(self.targets.kind),
            architecture=architecture,
            layout=Layout(describe(units, architecture.normalizations, configuration.layer_rates)),
            alpha=estimator.alpha,
            l1_ratio=estimator.l1_ratio,
            mixture_form=self._mixture_form(),
            n_classes=self.targets.n_classes,
        )

    def _mixture_form(self):
        mixup, loss, kind = self.estimator.mixup, self.configuration.loss, self.targets.kind
        form = loss.mixture_form(kind) if mixup else None
        if mixup and form is None:
            others = "."  # no other loss mixes these targets
            if not loss._mixtures:
                others = ", or choose loss='squared_error' or, for classes, 'log_loss' or 'focal'."
            raise ValueError(
                f"mixup={mixup} does not apply to the loss {type(loss).__name__} of {kind} "
                f"targets, which is not that of a mixture. Set mixup to 0.0{others}"
            )
        return form

    def trainer(self, context) -> Trainer:
        """Return what trains, ready to start, with callbacks in a `CallbackContext`."""
        estimator, problem = self.estimator, self.problem
        random_state = check_random_state(estimator.random_state)
        self.resumption = Resumption(self, random_state, context)
        self.theta = self._start(random_state)
        self._hold_out(random_state)
        self.progress = Progress(
            estimator.tol,
            estimator.n_iter_no_change,
            estimator.verbose,
            estimator.early_stopping,
            vars(estimator) if self.continues else {},
            np.inf if estimator.max_time is None else estimator.max_time,
            self.incremental,
        )
        validation = self._validation()
        self.progress.start(self.theta, validation)
        if validation is not None:
            try_scoring(estimator, validation)
        callbacks = CallbackRunner(
            estimator,
            context,
            self.given,
            problem.row_indices,
            lambda: {
                **self._attributes_now(),
                **self.resumption.attributes(trainer_now(), is_complete=False),
            },
        )
        observed = problem, self.theta, self.progress, callbacks
        if self.configuration.is_first_order:
            trainer = self._mini_batch_trainer(observed, random_state)
        else:
            trainer = self._full_batch_trainer(observed)
        # Callbacks belong to the trainer. A cycle of references would keep the data after fit.
        trainer_now = weakref.ref(trainer)
        self.resumption.restore(trainer)
        return trainer

    def train(self, trainer):
        """Return the parameters that training leads to, or led to in an earlier run."""
        if not self.resumption.is_complete:
            trainer.fit()
            self.theta[:] = trainer.conclude()
        return self.theta

    def final_state(self, trainer):
        """Return the attribute by which callbacks learn that training has come to its end."""
        if trainer.is_interrupted or self.resumption.is_complete:
            return {}
        return self.resumption.attributes(trainer, is_complete=True)

    def _mini_batch_trainer(self, observed, random_state):
        estimator, configuration = self.estimator, self.configuration
        configuration.optimizer.check(self.problem)
        return MiniBatchTrainer(
            *observed,
            optimizer=configuration.optimizer,
            state=self._optimizer_state(random_state),
            rates=configuration.rates(),
            batch_size=configuration.batch_size(self.problem.n_rows),
            max_iter=1 if self.incremental else estimator.max_iter,
            shuffle=estimator.shuffle,
            random_state=random_state,
            limits=configuration.limits(),
            averaging=configuration.averaging,
            augmentation=configuration.augmentation,
            incremental=self.incremental,
            n_jobs=estimator.n_jobs,
        )

    def _full_batch_trainer(self, observed, make_sums=RowSums):
        estimator, optimizer = self.estimator, self.configuration.optimizer
        optimizer.check(self.problem)
        return FullBatchTrainer(
            *observed,
            optimizer=optimizer,
            tol=estimator.tol,
            max_iter=estimator.max_iter,
            max_fun=estimator.max_fun,
            n_jobs=estimator.n_jobs,
            make_sums=make_sums,
        )

    def _start(self, random_state):
        """Return the parameters that training starts from."""
        layout = self.problem.layout
        if self.continues:
            self._check_continuation(layout)
            return layout.pack(self.fitted, self.X.dtype)
        theta = aligned_zeros(layout.n_values, self.X.dtype)
        for spec, array in layout.arrays_in(theta):
            if spec.initial is not None:
                array[...] = spec.initial
        activations = self.problem.architecture.activations
        # As in scikit-learn, the output layer is drawn as if the last hidden layer's activation
        # followed it.
        following = [*activations, activations[-1] if activations else Identity()]
        with np.errstate(over="ignore"):  # what overflows float32 is divergence
            self.configuration.initializer.fill(layout.by_layer(theta), following, random_state)
        return theta

    def _check_continuation(self, layout):
        fitted = [{name: a.shape for name, a in layer.items()} for layer in self.fitted]
        wanted = [{} for _ in layout.shapes]
        for spec in layout.specs:
            wanted[spec.layer][spec.name] = spec.shape
        if fitted != wanted:
            shapes = [layer["coefs"] for layer in fitted]
            raise ValueError(
                "warm_start and partial_fit go on with the fitted network, whose weights have "
                f"the shapes {shapes}, but the parameters and the data ask for {layout.shapes}"
                f"{'' if shapes != layout.shapes else ' with another normalization'}. Fit a "
                "clone of the estimator instead."
            )

    def _hold_out(self, random_state):
        """Draw the rows that early stopping holds out, and check that there is enough to learn."""
        estimator, problem = self.estimator, self.problem
        if estimator.early_stopping and self.held_out is None:
            codes = self.targets.codes(self.encoded)
            problem.row_indices, held_out = split(estimator, codes, len(self.encoded), random_state)
            weight = None if self.sample_weight is None else self.sample_weight[held_out]
            self.held_out = ValidationSet(
                self.X, self.y[held_out], self.encoded[held_out], weight, held_out
            )
        if self.held_out is not None:
            check_held_out(estimator, self.held_out, problem.loss)
        if problem.total_weight() == 0:
            raise ValueError(
                "The rows to train on have no weight: sample_weight times class_weight is 0 for "
                "each of them."
            )

    def _validation(self):
        if self.held_out is None:
            return None
        score = score_function(
            self.estimator, self.targets, self.held_out, self.problem, self._attributes_now
        )
        return Validation(self.problem, self.theta, self.held_out, score, self.estimator.n_jobs)

    def _optimizer_state(self, random_state):
        optimizer, layout = self.configuration.optimizer, self.problem.layout
        previous = getattr(self.estimator, "_optimizer_state_", None)
        previous = OptimizerState.from_dict(previous) if self.incremental and previous else None
        if previous is not None and previous.fits(optimizer, layout, self.theta):
            return previous
        # Drawn only if it is needed, so that all other draws are the same as in scikit-learn.
        is_random = (
            self.problem.architecture.drops
            or self.configuration.augmentation.is_on
            or optimizer.draws
        )
        seed = random_state.randint(np.iinfo(np.int32).max) if is_random else 0
        theta = self.theta[: layout.n_parameters]
        return OptimizerState.fresh(optimizer, layout, theta, seed, previous)

    def _attributes_now(self):
        return self.attributes(self.theta.copy())

    def attributes(self, theta):
        """Return what fit leaves on the estimator, the parameters being in ``theta``."""
        problem = self.problem
        arrays = problem.layout.by_name(theta)
        return {
            **{f"{name}_": arrays[name] for name in PARAMETERS},
            "n_layers_": len(problem.layout.shapes) + 1,
            "n_outputs_": problem.layout.shapes[-1][1],
            "n_parameters_": sum(
                math.prod(spec.shape) for spec in problem.layout.specs if spec.trained
            ),
            "out_activation_": problem.form.out_activation,
            "_architecture": problem.architecture._asdict(),
            "_fitted_loss": problem.loss,
            "_optimizer_state_": None,
            **self.targets.fitted_attributes(),
            **self.progress.fitted_attributes(),
        }


def check_weights(sample_weight, X, name="sample_weight"):
    """Return sample weights of X's type, checked; None means 1 each."""
    if sample_weight is None:
        return None
    check_in_memory(sample_weight)
    try:
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=X.dtype, ensure_non_negative=True
        )
        sample_weight = without_subnormals(sample_weight)
        if not sample_weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
    except ValueError as error:
        if name == "sample_weight":
            raise
        raise ValueError(f"{name}: {error}") from error
    return sample_weight
