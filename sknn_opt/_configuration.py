"""An estimator's parameters as objects: the only place where names become objects."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np

from ._component import Component, resolve
from ._layout import Architecture
from ._training import Limits, Rates
from .activations import ACTIVATIONS, Activation
from .averaging import AVERAGINGS
from .batches import GrowingBatch
from .initializers import INITIALIZERS
from .normalizations import NORMALIZATIONS
from .optimizers import OPTIMIZERS, FirstOrder, FullBatch
from .schedules import SCHEDULES, WarmUp

_DEFAULT_OPTIMIZER = "adam"

# Ours, and without effect on full-batch optimizers: with the values that leave them off.
_FIRST_ORDER_ONLY = {
    "dropout": 0.0,
    "input_dropout": 0.0,
    "max_norm": None,
    "clip_norm": None,
    "clip_value": None,
    "warmup": 0,
    "averaging": None,
}

# scikit-learn's keywords that full-batch optimizers ignore, there as here, with the names that
# are ignored, the default first. Any other name, and any object, is ours and refused.
_IGNORED_BY_FULL_BATCH = {
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "batch_size": ("auto", "full"),
}

# The other way round.
_FULL_BATCH_ONLY = {"n_jobs": None}

_NEEDS_ALL_SAMPLES = (
    "{} needs the gradient of all samples at each step: set batch_size to 'auto' or 'full'."
)


def optimizer_choice(estimator):
    """``optimizer``, or ``solver``, scikit-learn's name for it, where that is given."""
    if estimator.solver is None:
        return estimator.optimizer
    if isinstance(estimator.optimizer, str):
        agrees = estimator.optimizer in (estimator.solver, _DEFAULT_OPTIMIZER)
        choice = estimator.solver
    else:
        agrees = type(estimator.optimizer) is OPTIMIZERS[estimator.solver]
        choice = estimator.optimizer
    if not agrees:
        raise ValueError(
            f"solver={estimator.solver!r} and optimizer={estimator.optimizer!r} contradict each "
            "other: solver is scikit-learn's name for optimizer. Set only one of them."
        )
    return choice


def is_first_order(estimator):
    """Whether its optimizer takes mini-batches."""
    choice = optimizer_choice(estimator)
    cls = OPTIMIZERS[choice] if choice in OPTIMIZERS.names else type(choice)
    return issubclass(cls, FirstOrder)


class Configuration:
    """The parameters of an estimator, resolved and checked against each other.

    Parameters
    ----------
    estimator : BaseMLP

    Attributes
    ----------
    optimizer : Optimizer
    loss : Loss
    initializer : Initializer
    hidden_sizes : list of int
    architecture : Architecture
    averaging : Averaging or None

    Raises
    ------
    ValueError
        If a name is not known, or if a keyword that scikit-learn lacks can't have an effect.
    """

    def __init__(self, estimator):
        self._estimator = estimator
        self.optimizer = resolve(optimizer_choice(estimator), OPTIMIZERS, estimator)
        # What predicts is copied, so that set_params on an object changes no fitted network.
        self.loss = copy.copy(resolve(estimator.loss, estimator._losses, estimator))
        self.initializer = resolve(estimator.initializer, INITIALIZERS, estimator)
        self.hidden_sizes = _hidden_sizes(estimator.hidden_layer_sizes)
        self.architecture = self._architecture()
        self.averaging = None
        if estimator.averaging is not None:
            self.averaging = resolve(estimator.averaging, AVERAGINGS, estimator)
        self._check_kind()
        self._check_combinations()

    def rates(self):
        """Return the learning rates of first-order optimizers."""
        estimator = self._estimator
        learning_rate = estimator.learning_rate_init
        if learning_rate == "auto":
            learning_rate = self.optimizer.default_learning_rate
        schedule = resolve(estimator.learning_rate, SCHEDULES, estimator)
        warm_up = None
        if estimator.warmup:
            warm_up = WarmUp(estimator.warmup, estimator.warmup_shape)
        return Rates(learning_rate, schedule, warm_up, estimator.max_iter)

    def limits(self):
        """Return the bounds on gradients and weights."""
        estimator = self._estimator
        bounds = (estimator.clip_value, estimator.clip_norm, estimator.max_norm)
        return Limits(*(np.inf if bound is None else bound for bound in bounds))

    def batch_size(self, n_samples):
        """Return a function of epoch and number of rows."""
        wanted, takes_all = self._estimator.batch_size, self.optimizer._full_batch
        if isinstance(wanted, GrowingBatch):
            if takes_all:
                raise ValueError(_NEEDS_ALL_SAMPLES.format(type(self.optimizer).__name__))
            return resolve(wanted, {}, self._estimator)
        if wanted == "full" or (wanted == "auto" and takes_all):
            size = n_samples
        elif wanted == "auto":
            size = min(200, n_samples)
        else:
            size = min(int(wanted), n_samples)  # scikit-learn takes True, too
            if wanted > n_samples:
                warnings.warn(
                    "Got `batch_size` less than 1 or larger than sample size. It is going to "
                    "be clipped",
                    stacklevel=6,
                )
        if takes_all and size < n_samples:
            raise ValueError(_NEEDS_ALL_SAMPLES.format(type(self.optimizer).__name__))
        return lambda epoch, n_rows: size

    def check_incremental(self):
        """Raise ValueError for what needs to know the number of epochs."""
        if self._estimator.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.averaging is not None and not self.averaging._is_open_ended:
            raise ValueError(
                f"partial_fit does not support averaging={self._estimator.averaging!r}, whose "
                "start is counted from the end of a fit. Choose averaging='ema'."
            )

    def _architecture(self):
        estimator = self._estimator
        activations = self._per_layer("activation", str | Activation)
        normalization = estimator.normalization
        if normalization is not None:
            normalization = copy.copy(resolve(normalization, NORMALIZATIONS, estimator))
        return Architecture(
            [copy.copy(resolve(a, ACTIVATIONS, estimator)) for a in activations],
            self._per_layer("dropout", Real),
            estimator.input_dropout,
            normalization,
            estimator.residual,
        )

    def _per_layer(self, name, scalar):
        """Return a parameter that holds for all hidden layers, or for each its own."""
        value, n_hidden = getattr(self._estimator, name), len(self.hidden_sizes)
        if isinstance(value, scalar):
            return [value] * n_hidden
        if len(value) != n_hidden or not all(isinstance(v, scalar) for v in value):
            raise ValueError(
                f"{name} must be a single value, or a list with one for each of the {n_hidden} "
                f"hidden layers, got {value!r}."
            )
        return list(value)

    def _check_kind(self):
        """Raise ValueError for keywords that belong to the other kind of optimizer."""
        full_batch = isinstance(self.optimizer, FullBatch)
        for name, default in (_FULL_BATCH_ONLY, _FIRST_ORDER_ONLY)[full_batch].items():
            value = getattr(self._estimator, name)
            if any(v != default for v in np.ravel(np.asarray(value, object))):
                self._refuse(name, default)
        for name, known in _IGNORED_BY_FULL_BATCH.items() if full_batch else ():
            value = getattr(self._estimator, name)
            if isinstance(value, Component) or (isinstance(value, str) and value not in known):
                self._refuse(name, known[0])

    def _refuse(self, name, default):
        full_batch = isinstance(self.optimizer, FullBatch)
        kind, others = ("full-batch", "first-order"), ("'lbfgs'", "'adam'")
        raise ValueError(
            f"{name}={getattr(self._estimator, name)!r} does not apply to "
            f"{kind[not full_batch]} optimizers. Set {name} to {default!r}, or choose a "
            f"{kind[full_batch]} optimizer such as {others[full_batch]}."
        )

    def _check_combinations(self):
        """Raise ValueError for keywords that exclude each other."""
        estimator, optimizer = self._estimator, self.optimizer
        takes_all = (
            isinstance(optimizer, FullBatch)
            or optimizer._full_batch
            or estimator.batch_size == "full"
        )
        if estimator.normalization == "batch" and takes_all:
            raise ValueError(
                "normalization='batch' needs mini-batches: it does not apply to full-batch "
                "optimizers, nor to batch_size='full'. Choose normalization='layer', or a "
                "first-order optimizer such as 'adam' with mini-batches."
            )
        smoothing = getattr(estimator, "label_smoothing", 0.0)
        if smoothing and smoothing != getattr(self.loss, "label_smoothing", 0.0):
            raise ValueError(
                f"label_smoothing={smoothing} applies to loss='log_loss' by name. Set it on "
                "the loss object, LogLoss(label_smoothing=...), or set it to 0."
            )
        if any(not 0 <= rate < 1 for rate in np.ravel(estimator.dropout)):
            raise ValueError(f"dropout must be in the range [0, 1), got {estimator.dropout!r}.")
        if self.averaging is not None and optimizer._averages:
            raise ValueError(
                f"averaging={estimator.averaging!r} does not apply to "
                f"{type(optimizer).__name__}, which averages its iterates itself. Set averaging "
                "to None, or choose another optimizer such as 'adamw'."
            )


def _hidden_sizes(sizes):
    sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if not all(isinstance(s, Integral) for s in sizes):
        raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
    if any(s <= 0 for s in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(s) for s in sizes]
