"""The data that are held out for validation, and how they are scored."""

import copy
import math
from contextlib import suppress
from inspect import Parameter, signature
from numbers import Real

import numpy as np
from sklearn.base import is_regressor
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import train_test_split

from .._warnings import warn


def check_given(X_val, y_val, sample_weight_val):
    """Return whether the user gives validation data; raise ValueError for a part of it."""
    if X_val is None and y_val is None:
        if sample_weight_val is not None:
            raise ValueError("sample_weight_val is provided, but X_val was not provided.")
        return False
    for name, given, other in (("y_val", y_val, "X_val"), ("X_val", X_val, "y_val")):
        if given is None:
            raise ValueError(f"{other} is provided, but {name} was not provided.")
    return True


def split(estimator, codes, n_rows, random_state):
    """Return the indices of the rows to train on and of those held out for early stopping."""
    stratify = None if codes is None else _stratification(estimator, codes)
    rows, held_out = train_test_split(
        np.arange(n_rows, dtype=np.int64),
        random_state=random_state,
        test_size=estimator.validation_fraction,
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size "
            "of your dataset."
        )
    return rows, held_out


def _stratification(estimator, codes):
    """Return ``codes`` if each class has a place on both sides of the split."""
    counts = np.bincount(codes.ravel())
    counts = counts[counts > 0]
    n_held_out = math.ceil(estimator.validation_fraction * len(codes))
    if not 2 <= n_held_out < len(codes):
        # Such a split is an error in any case. scikit-learn's message for two classes, whose codes
        # are bools, is that of a stratified split.
        return codes if codes.dtype == bool else None
    if counts.min() > 1 and len(counts) <= min(n_held_out, len(codes) - n_held_out):
        return codes
    warn(
        "The validation set of early stopping is not stratified: a class has only one "
        "sample, or there are more classes than places in the split."
    )
    return None


def check_held_out(estimator, data, loss):
    """Raise ValueError where no score of this `ValidationSet` could be a number."""
    scores_by_r2 = estimator.scoring == "r2"
    if is_regressor(estimator) and estimator.scoring is None:
        scores_by_r2 = loss._scores_by_r2 and not loss.validates_by_loss
    n_known = np.count_nonzero(~np.isnan(data.targets), axis=0).max()
    if scores_by_r2 and n_known < 2:
        raise ValueError(
            "The validation set is too small. R² needs at least two samples, X_val has "
            f"{n_known}: pass more, or set scoring to 'loss'."
        )
    if data.sample_weight is not None and not data.sample_weight.any():
        raise ValueError(
            "The rows held out for validation have no weight: sample_weight is 0 for each "
            "of them. Increase validation_fraction, or pass X_val and y_val."
        )


def score_function(estimator, targets, data, problem, attributes):
    """Return a function of raw outputs on ``data`` and their loss: the score.

    ``attributes`` returns those of the estimator as if it were fitted.
    """
    scoring = estimator.scoring
    if scoring == "loss" or (scoring is None and problem.loss.validates_by_loss):
        return lambda raw, loss: -loss
    if scoring is None:
        return lambda raw, loss: targets.score(problem, raw, data)
    if isinstance(scoring, type):
        raise ValueError(
            f"scoring={scoring!r} is a class. Pass an object of it, or a function, that is called "
            "with an estimator, X and y."
        )
    scorer = check_scoring(estimator, scoring)
    X, weights = data.features(), {}
    if data.sample_weight is not None and _takes_weights(scorer):
        weights["sample_weight"] = data.sample_weight
    elif data.sample_weight is not None:
        warn(
            f"scoring={scoring!r} takes no sample_weight: all samples count the same in the "
            "validation score."
        )
    fitted = copy.copy(estimator)
    vars(fitted).pop("feature_names_in_", None)  # X is an array by now

    def score_by_scorer(raw, loss):
        if targets.overflow(problem.form, raw):
            return np.nan
        vars(fitted).update(attributes())
        return _number(scorer(fitted, X, data.y, **weights), scoring)

    return score_by_scorer


def try_scoring(estimator, validation):
    """Raise ValueError before training where a scorer would, after the first epoch.

    Only scikit-learn's scorers are tried. A user's own function may count its calls, so it is
    called once an epoch and no more.
    """
    scoring = estimator.scoring
    if scoring in (None, "loss") or not hasattr(get_scorer(scoring), "_score_func"):
        return
    try:
        validation()
    except Exception as error:
        raise ValueError(
            f"scoring={scoring!r} cannot score this {type(estimator).__name__}. Choose a "
            "scorer for its kind of targets and for methods that it has, or leave scoring "
            f"None. It raised {type(error).__name__}: {error}"
        ) from error


def _number(score, scoring):
    """Return a score as a float; raise ValueError for anything else than a number."""
    number = score
    if hasattr(score, "item"):
        with suppress(ValueError):  # an array of several numbers is none
            number = score.item()
    if not isinstance(number, Real):
        raise ValueError(
            f"scoring must return a number, got {score} ({type(score)}) instead. "
            f"(scoring={scoring!r})"
        )
    return float(number)


def _takes_weights(scorer):
    """Whether a scorer, or the metric that scikit-learn's ``make_scorer`` wraps, takes weights."""
    parameters = signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters or any(
        parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()
    )
