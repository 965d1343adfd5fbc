"""Targets of regression of which some are missing: NaN in a matrix."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight

from .base import check_numbers


def without_missing(y):
    """Return targets with 0 for those that are missing, and where these are.

    Raises ValueError where a target is missing that is the only one of its sample.
    """
    y = check_array(y, dtype=None, ensure_all_finite="allow-nan", ensure_2d=False, input_name="y")
    y = y.astype(np.float64) if y.dtype == object else y
    check_numbers(y)
    missing = np.isnan(y)
    if missing.any() and (y.ndim == 1 or y.shape[1] == 1):
        raise ValueError(
            "Input y contains NaN, and has one output: missing_targets='ignore' is for several. "
            "Leave out the samples without a target."
        )
    return np.where(missing, 0, y), missing


def with_missing(y, missing):
    """Return targets with NaN for those that are missing; None means that none are."""
    if missing is None or not missing.any():
        return y
    return np.where(missing, np.nan, y)


def check_known_columns(y):
    """Raise ValueError where all targets of an output are missing."""
    columns = np.flatnonzero(np.isnan(y).all(axis=0)) if y.ndim == 2 else ()
    if len(columns):
        raise ValueError(
            f"All targets are missing in these columns of y: {columns.tolist()}. There is nothing "
            "to learn in them: leave them out."
        )


def score_known(score, y, predictions, sample_weight):
    """Return the mean over outputs of a score for the samples whose target is known.

    Outputs of fewer than two such samples with a weight are left out; NaN if all of them are.
    """
    y = np.asarray(y)
    missing = np.isnan(y)
    if y.shape != predictions.shape or not missing.any():
        return score(y, predictions, sample_weight)
    weights = _check_sample_weight(sample_weight, y)
    counts = ~missing & (weights > 0)[:, np.newaxis]
    scores = [
        score(y[known, j], predictions[known, j], weights[known])
        for j, known in enumerate(counts.T)
        if np.count_nonzero(known) > 1
    ]
    return float(np.mean(scores)) if scores else np.nan
