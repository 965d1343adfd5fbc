"""An estimator's parameters, resolved: the only place where names are turned into objects."""

import copy
import sys
from numbers import Integral, Real
from types import NoneType

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions

from .._components import (
    DECAY,
    FLOAT_TYPE,
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    Component,
    resolve,
)
from .._network.augmentation import Augmentation
from .._network.layout import Architecture
from .._training.mini_batch import Limits, Rates
from .._warnings import warn
from ..activations import ACTIVATIONS, Activation
from ..averaging import AVERAGINGS, Averaging
from ..batches import FixedBatch, GrowingBatch
from ..initializers import INITIALIZERS, Initializer
from ..normalizations import NORMALIZATIONS, Normalization
from ..optimizers import OPTIMIZERS, FirstOrder, Optimizer
from ..schedules import SCHEDULES, Schedule, WarmUp


def keyword_limits(*registries):
    """Return the limits of keywords that are a component's parameters, from the components."""
    return {
        keyword: cls._parameter_constraints[keyword]
        for registry in registries
        for cls in registry.values()
        for keyword in cls._estimator_keywords
    }


#: Valid values of the estimators' keywords. A keyword that sets a component's parameter has the
#: limits of that parameter.
LIMITS = {
    **keyword_limits(OPTIMIZERS, SCHEDULES),
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(ACTIVATIONS.names), Activation, list, tuple],
    "initializer": [StrOptions(INITIALIZERS.names), Initializer],
    "trainable": ["array-like", None],
    "optimizer": [StrOptions(OPTIMIZERS.names), Optimizer],
    "solver": [StrOptions(OPTIMIZERS.names), None],
    "alpha": NON_NEGATIVE,
    "l1_ratio": FRACTION,
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "input_dropout": DECAY,
    "input_noise": NON_NEGATIVE,
    "mixup": NON_NEGATIVE,
    "max_norm": [*POSITIVE, None],
    "normalization": [StrOptions(NORMALIZATIONS.names), Normalization, list, tuple, None],
    "residual": ["boolean"],
    "clip_norm": [*POSITIVE, None],
    "clip_value": [*POSITIVE, None],
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
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": NON_NEGATIVE,
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": DECAY,
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "averaging": [StrOptions(AVERAGINGS.names), Averaging, None],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "max_time": [*POSITIVE, None],
    "n_jobs": [Integral, None],
    "dtype": [*FLOAT_TYPE, None],
}

_DEFAULT_OPTIMIZER = "adam"

# Keywords that scikit-learn lacks and that full-batch optimizers refuse, with the values that turn
# them off.
_FIRST_ORDER_ONLY = {
    "dropout": 0.0,
    "input_dropout": 0.0,
    "input_noise": 0.0,
    "mixup": 0.0,
    "max_norm": None,
    "clip_norm": None,
    "clip_value": None,
    "warmup": 0,
    "averaging": None,
}

# scikit-learn's keywords that full-batch optimizers ignore, as they do in scikit-learn, with the
# names that are ignored, the default first. All other names and all objects are refused.
_IGNORED_BY_FULL_BATCH = {
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "batch_size": ("auto", "full"),
}

_NEEDS_ALL_SAMPLES = (
    "{} needs the gradient of all samples at each step: set batch_size to 'auto' or 'full'."
)


def optimizer_choice(estimator):
    """Return ``optimizer``, or ``solver``, scikit-learn's name for it, if that is given."""
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
    layer_rates : list of float
        Factor of the learning rate of each layer, 0 for a frozen one.
    architecture : Architecture
    averaging : Averaging or None
    augmentation : Augmentation

    Raises
    ------
    ValueError
        If a name is not known, or if a keyword that scikit-learn lacks can't have an effect.
    """

    def __init__(self, estimator):
        self._estimator = estimator
        self.optimizer = resolve(optimizer_choice(estimator), OPTIMIZERS, estimator)
        # Objects that predictions depend on are copied, so that a later set_params on the user's
        # object does not change a fitted network.
        loss = resolve(estimator.loss, estimator._losses, estimator)
        self.loss = copy.copy(loss.for_optimizer(self.is_first_order))
        self.initializer = resolve(estimator.initializer, INITIALIZERS, estimator)
        self.hidden_sizes = _hidden_sizes(estimator.hidden_layer_sizes)
        self.layer_rates = self._layer_rates()
        self.architecture = self._architecture()
        self.augmentation = Augmentation(float(estimator.input_noise), float(estimator.mixup))
        self.averaging = None
        if estimator.averaging is not None:
            self.averaging = resolve(estimator.averaging, AVERAGINGS, estimator)
        self._check_kind()
        self._check_combinations()

    @property
    def is_first_order(self):
        """Whether the optimizer takes mini-batches."""
        return isinstance(self.optimizer, FirstOrder)

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
        """Return the batch size, a function of time and of the number of rows."""
        wanted, takes_all = self._estimator.batch_size, self.optimizer.needs_all_samples
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
                warn(
                    "Got `batch_size` less than 1 or larger than sample size. It is going to "
                    "be clipped"
                )
        if takes_all and size < n_samples:
            raise ValueError(_NEEDS_ALL_SAMPLES.format(type(self.optimizer).__name__))
        return FixedBatch(size)

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
        normalizations = self._per_layer("normalization", str | Normalization | NoneType)
        return Architecture(
            [copy.copy(resolve(a, ACTIVATIONS, estimator)) for a in activations],
            [float(rate) for rate in self._per_layer("dropout", Real)],
            [
                None if n is None else copy.copy(resolve(n, NORMALIZATIONS, estimator))
                for n in normalizations
            ],
            float(estimator.input_dropout),
            bool(estimator.residual),
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

    def _layer_rates(self):
        """Return a factor of the learning rate for each layer; raise ValueError for others."""
        n_layers, trainable = len(self.hidden_sizes) + 1, self._estimator.trainable
        if trainable is None:
            return [1.0] * n_layers
        factors = list(trainable)
        if len(factors) != n_layers or not all(
            isinstance(f, Real | np.bool_) and 0 <= f <= sys.float_info.max for f in factors
        ):
            raise ValueError(
                "trainable must be None, or a list with a bool or a factor of the learning rate, "
                f"finite and not negative, for each of the {n_layers} layers, of which the last "
                f"one is the output layer, got {trainable!r}."
            )
        if not any(factors):
            raise ValueError(
                f"trainable={trainable!r} freezes all layers, so that there is nothing to train."
            )
        if not self.is_first_order and not all(isinstance(f, bool | np.bool_) for f in factors):
            raise ValueError(
                f"trainable={trainable!r} has factors of the learning rate, which full-batch "
                "optimizers do not have: use True and False only, or choose a first-order "
                "optimizer such as 'adam'."
            )
        return [float(factor) for factor in factors]

    def _check_kind(self):
        """Raise ValueError for keywords of first-order optimizers beside a full-batch one."""
        if self.is_first_order:
            return
        for name, default in _FIRST_ORDER_ONLY.items():
            value = getattr(self._estimator, name)
            if any(v != default for v in np.ravel(np.asarray(value, object))):
                self._refuse(name, default)
        for name, known in _IGNORED_BY_FULL_BATCH.items():
            value = getattr(self._estimator, name)
            if isinstance(value, Component) or (isinstance(value, str) and value not in known):
                self._refuse(name, known[0])

    def _refuse(self, name, default):
        raise ValueError(
            f"{name}={getattr(self._estimator, name)!r} does not apply to full-batch optimizers. "
            f"Set {name} to {default!r}, or choose a first-order optimizer such as 'adam'."
        )

    def _check_combinations(self):
        """Raise ValueError for keywords that exclude each other."""
        estimator, optimizer = self._estimator, self.optimizer
        if estimator.n_jobs == 0:
            raise ValueError("n_jobs == 0 has no meaning: set it to None or to 1 thread or more.")
        takes_all = (
            not self.is_first_order or optimizer.needs_all_samples or estimator.batch_size == "full"
        )
        if self.architecture.uses_batch_statistics and takes_all:
            raise ValueError(
                "normalization='batch' needs mini-batches: it does not apply to full-batch "
                "optimizers, nor to batch_size='full'. Choose normalization='layer', or a "
                "first-order optimizer such as 'adam' with mini-batches."
            )
        if estimator.mixup and estimator.batch_size == 1:
            raise ValueError(
                f"mixup={estimator.mixup} mixes the samples of a mini-batch, of which "
                "batch_size=1 has one. Set mixup to 0.0, or choose larger mini-batches."
            )
        smoothing = getattr(estimator, "label_smoothing", 0.0)
        if smoothing and smoothing != getattr(self.loss, "label_smoothing", 0.0):
            raise ValueError(
                f"label_smoothing={smoothing} applies to loss='log_loss' by name. Set it on "
                "the loss object, LogLoss(label_smoothing=...), or set it to 0."
            )
        if any(not 0 <= rate < 1 for rate in np.ravel(estimator.dropout)):
            raise ValueError(f"dropout must be in the range [0, 1), got {estimator.dropout!r}.")
        if self.averaging is not None and optimizer.averages_iterates:
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
