"""Conversion of fitted networks to and from scikit-learn's own classes."""

import copy
from numbers import Integral
from typing import Self

import numpy as np
from sklearn import neural_network
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.utils.validation import check_is_fitted

from .._components import resolve
from ..activations import Identity, Logistic, ReLU, Tanh
from ..losses import LogLoss, Poisson, SquaredError
from ..optimizers import LBFGS, OPTIMIZERS, SGD, Adam
from ..schedules import SCHEDULES, Adaptive, Constant, InvScaling
from .folding import without_batch_norm
from .parameters import Configuration, optimizer_choice
from .targets import Classes, Indicators, NumberTargets

# Their names for our classes.
_ACTIVATIONS = {Identity: "identity", Logistic: "logistic", Tanh: "tanh", ReLU: "relu"}
_CLASSIFIER_LOSSES = {LogLoss: "log_loss"}
_REGRESSOR_LOSSES = {SquaredError: "squared_error", Poisson: "poisson"}
_SOLVERS = {SGD: "sgd", Adam: "adam", LBFGS: "lbfgs"}
_SCHEDULES = {Constant: "constant", InvScaling: "invscaling", Adaptive: "adaptive"}

#: Fitted attributes that both have, with the same meaning.
_SHARED = (
    "_label_binarizer",
    "_no_improvement_count",
    "best_loss_",
    "best_validation_score_",
    "classes_",
    "coefs_",
    "feature_names_in_",
    "intercepts_",
    "loss_",
    "loss_curve_",
    "n_features_in_",
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "t_",
    "validation_scores_",
)


class SklearnConversion:
    """Adds the methods that convert."""

    def to_sklearn(self) -> neural_network.MLPClassifier | neural_network.MLPRegressor:
        """Convert to scikit-learn's class of the same name, with the same predictions.

        Keywords that scikit-learn has are carried over. Keywords that it lacks are left out if
        they matter in training only, such as `dropout`. If it lacks the optimizer or the
        schedule, its own default is set instead. The state of the optimizer is left out too.
        What `scale_targets` has learnt becomes a part of the last layer, and batch normalization
        a part of the layers that it follows.

        Returns
        -------
        estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
            Fitted.

        Raises
        ------
        ValueError
            If scikit-learn has no such network; the message names everything that it lacks. Or
            if the fitted arrays do not fit together.
        """
        check_is_fitted(self)
        parameters = self._fitted_parameters()
        parameters = self._targets.unscaled_network(parameters)
        parameters, architecture = without_batch_norm(parameters, self._fitted_architecture)
        theirs = _their_class(type(self))
        lacking = list(_lacking(self, parameters, architecture, theirs))
        if lacking:
            raise ValueError(f"scikit-learn's {theirs.__name__} lacks {'; '.join(lacking)}.")
        estimator = theirs()
        ours = _translated_parameters(self)
        estimator.set_params(**{k: v for k, v in ours.items() if k in estimator.get_params()})
        _copy_shared(self, estimator)
        estimator.coefs_ = [layer["coefs"].copy() for layer in parameters]
        estimator.intercepts_ = [layer["intercepts"].copy() for layer in parameters]
        if self.validation_scores_ is not None:  # for a warm start there
            estimator._best_coefs = copy.deepcopy(estimator.coefs_)
            estimator._best_intercepts = copy.deepcopy(estimator.intercepts_)
        return estimator

    @classmethod
    def from_sklearn(cls, estimator) -> Self:
        """Convert a fitted network of scikit-learn's class of the same name.

        Parameters
        ----------
        estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
            Fitted. Its keywords are carried over, `solver` as `optimizer`. The state of its
            optimizer is not, and `history_` contains losses and scores only.

        Returns
        -------
        estimator : MLPClassifier or MLPRegressor
            Fitted, with the same predictions.

        Raises
        ------
        ValueError
            If the fitted arrays do not belong to one network.
        """
        theirs = _their_class(cls)
        if not isinstance(estimator, theirs):
            raise TypeError(f"Expected a fitted {theirs!r}, got {estimator!r}.")
        check_is_fitted(estimator)
        parameters = copy.deepcopy(estimator.get_params(deep=False))
        ours = cls(optimizer=parameters.pop("solver"), **parameters)
        # Not every solver leaves these.
        vars(ours).update(
            _no_improvement_count=0,
            best_loss_=None,
            best_validation_score_=None,
            loss_curve_=[],
            validation_scores_=None,
        )
        _copy_shared(estimator, ours)
        # The parameter may have been changed since.
        sizes = [np.size(intercepts) for intercepts in ours.intercepts_[:-1]]
        configuration = Configuration(copy.copy(ours).set_params(hidden_layer_sizes=sizes))
        unknown = [np.nan] * len(ours.loss_curve_)
        history = {"loss": ours.loss_curve_, "learning_rate": unknown, "grad_norm": unknown}
        history["time"] = [0.0] * len(unknown)
        if ours.validation_scores_ is not None:
            history |= {"validation_loss": unknown, "validation_score": ours.validation_scores_}
        vars(ours).update(
            history_={name: list(values) for name, values in history.items()},
            normalization_scales_=[],
            normalization_shifts_=[],
            running_means_=[],
            running_variances_=[],
            _architecture=configuration.architecture._asdict(),
            _fitted_loss=configuration.loss,
            _optimizer_state_=None,
            _first_loss=None,
            best_iter_=ours.n_iter_,
            n_parameters_=sum(map(np.size, (*ours.coefs_, *ours.intercepts_))),
            **_targets_of(ours).fitted_attributes(),
        )
        ours._fitted_parameters()
        return ours


def _targets_of(estimator):
    """Return the targets that scikit-learn's estimator was fitted to."""
    if not is_classifier(estimator):
        return NumberTargets()
    binarizer = estimator._label_binarizer
    several = binarizer.y_type_ == "multilabel-indicator"
    return Indicators(binarizer) if several else Classes(binarizer)


def _their_class(cls):
    classifies = issubclass(cls, ClassifierMixin)
    return neural_network.MLPClassifier if classifies else neural_network.MLPRegressor


def _lacking(estimator, parameters, architecture, theirs):
    """Yield descriptions of everything in the network that scikit-learn lacks."""
    loss = estimator._fitted_loss
    activations = {type(a): a for a in architecture.activations}
    unknown = [a for cls, a in activations.items() if cls not in _ACTIVATIONS]
    yield from (f"the activation {activation!r}" for activation in unknown)
    if len(activations) > 1:
        yield "different activations in one network"
    normalizations = {repr(n) for n in architecture.normalizations if n is not None}
    yield from (f"the normalization {normalization}" for normalization in sorted(normalizations))
    shapes = [layer["coefs"].shape for layer in parameters[:-1]]
    if architecture.residual and any(fan_in == fan_out for fan_in, fan_out in shapes):
        yield "residual connections"
    if getattr(estimator, "targets_", None) == "multioutput":
        yield "several outputs of several classes"
    known = _CLASSIFIER_LOSSES if is_classifier(estimator) else _REGRESSOR_LOSSES
    # Up to 1.6 the regressor's only loss is the squared error.
    has_losses = "loss" in theirs().get_params() or isinstance(loss, LogLoss | SquaredError)
    if type(loss) not in known or not has_losses:
        yield f"the loss {loss!r}"


def _translated_parameters(estimator):
    """Our parameters by their names, with values that they take."""
    parameters = estimator.get_params(deep=False)
    optimizer = resolve(optimizer_choice(estimator), OPTIMIZERS, estimator)
    schedule = resolve(estimator.learning_rate, SCHEDULES, estimator)
    for component in (optimizer, schedule):
        parameters |= {name: getattr(component, name) for name in component._estimator_keywords}
    activations = {type(a) for a in estimator._fitted_architecture.activations}
    parameters["activation"] = _ACTIVATIONS[activations.pop()] if activations else "relu"
    parameters["solver"] = _SOLVERS.get(type(optimizer), "adam")
    parameters["learning_rate"] = _SCHEDULES.get(type(schedule), "constant")
    parameters["loss"] = {**_CLASSIFIER_LOSSES, **_REGRESSOR_LOSSES}[type(estimator._fitted_loss)]
    if parameters["learning_rate_init"] == "auto":
        parameters["learning_rate_init"] = 0.001
    if not isinstance(parameters["batch_size"], Integral):
        parameters["batch_size"] = "auto"
    return copy.deepcopy(parameters)


def _copy_shared(fitted, target):
    shared = {name: vars(fitted)[name] for name in _SHARED if name in vars(fitted)}
    vars(target).update(copy.deepcopy(shared))
