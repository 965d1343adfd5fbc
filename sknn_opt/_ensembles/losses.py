"""The losses by which a committee weighs its members.

Each is a function of targets, predictions and sample weights, which may be None. Networks train
with others: those are functions of raw outputs, before the link, which a mean of predictions does
not have.
"""

from functools import partial

import numpy as np
from sklearn.metrics import (
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    mean_tweedie_deviance,
)

from .. import losses

#: Likelihoods below the smallest normal number count as that, so that no loss is infinite.
_TINY = np.finfo(np.float64).tiny

#: Variances are known up to this share of the mean square of what they are the difference of.
_ROUNDING = np.finfo(np.float64).eps

#: Means below this one count as that too, by which deviances divide.
_SMALLEST_MEAN = 1e-100


def log_loss(y, probabilities, sample_weight):
    """Return the mean of the log loss, which is a sum over outputs.

    Both ``y`` and ``probabilities`` are of shape (n_samples, n_outputs, n_classes): targets are
    probabilities, too, mostly 1 for one class and 0 for the others.
    """
    return focal_loss(0.0, y, probabilities, sample_weight)


def focal_loss(gamma, y, probabilities, sample_weight):
    """Return the focal loss of arguments like those of `log_loss`, which it is for a gamma of 0."""
    surprise = -np.log(np.maximum(probabilities, _TINY))
    losses_of_classes = np.maximum(1 - probabilities, 0) ** gamma * surprise
    return float(np.average((y * losses_of_classes).sum(axis=(1, 2)), weights=sample_weight))


def brier_score(y, probabilities, sample_weight):
    """Return the Brier score of arguments like those of `log_loss`, a sum over outputs.

    As scikit-learn has it: the squared error of all probabilities, or of one where there are two.
    """
    squares = ((probabilities - y) ** 2).sum(axis=(1, 2))
    n_counted = 2 if probabilities.shape[2] == 2 else 1
    return float(np.average(squares, weights=sample_weight)) / n_counted


def moments_about(y, output):
    """Return the first two moments of predicted distributions about the targets.

    Those of a mixture are the weighted mean of those of its parts. About the targets they are as
    large as errors are, so that a variance can be told from them.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_outputs)
    output : ndarray of shape (n_samples, n_outputs, 2)
        Means and variances.

    Returns
    -------
    moments : ndarray of shape (n_samples, n_outputs, 2)
    """
    with np.errstate(over="ignore"):
        errors = output[:, :, 0] - y
        return np.stack([errors, errors**2 + output[:, :, 1]], axis=2)


def gaussian_nll(moments, sample_weight):
    """Return minus the mean log-likelihood of normal distributions, which is a sum over outputs.

    ``moments`` are those of the distributions about the targets, see `moments_about`.
    """
    errors, squares = np.moveaxis(moments, -1, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        variances = squares - errors**2
        variances = np.maximum(np.maximum(variances, _ROUNDING * squares), _TINY)
        surprise = 0.5 * (np.log(2 * np.pi * variances) + errors**2 / variances)
    surprise = np.where(np.isfinite(squares), surprise, np.inf).sum(axis=1)
    return float(np.average(surprise, weights=sample_weight))


def squared_error(y, predictions, sample_weight):
    return mean_squared_error(y, predictions, sample_weight=sample_weight)


def absolute_error(y, predictions, sample_weight):
    return mean_absolute_error(y, predictions, sample_weight=sample_weight)


def _mean_deviance(deviance, y, predictions, sample_weight):
    """Return the mean over outputs of a deviance that is defined for positive predictions."""
    columns = zip(y.T, np.maximum(predictions, _SMALLEST_MEAN).T, strict=True)
    return float(np.mean([deviance(*pair, sample_weight=sample_weight) for pair in columns]))


def _pinball_loss(q, y, predictions, sample_weight):
    """Return the mean over quantiles of their pinball losses, or over outputs of one's."""
    q, y, predictions = np.broadcast_arrays(q, y, predictions)
    columns = zip(y.T, predictions.T, q[0], strict=True)
    return float(
        np.mean(
            [
                mean_pinball_loss(target, column, sample_weight=sample_weight, alpha=level)
                for target, column, level in columns
            ]
        )
    )


_BY_LOSS = {
    losses.AbsoluteError: absolute_error,
    losses.Huber: absolute_error,
    losses.LogCosh: absolute_error,
    losses.Poisson: partial(_mean_deviance, mean_poisson_deviance),
    losses.Gamma: partial(_mean_deviance, mean_gamma_deviance),
}


def loss_of_classifiers(components):
    """Return what the members' losses have in common, or else the log loss."""
    first = components[0]
    if _differ(components):
        return log_loss
    if isinstance(first, losses.Focal):
        return partial(focal_loss, first.gamma)
    return brier_score if isinstance(first, losses.SquaredError) else log_loss


def loss_of_regressors(components):
    """Return what the members' losses have in common, or else the squared error."""
    first = components[0]
    if _differ(components):
        return squared_error
    if isinstance(first, losses.Quantile):
        return partial(_pinball_loss, first.q)
    if isinstance(first, losses.Tweedie):
        return partial(_mean_deviance, partial(mean_tweedie_deviance, power=first.power))
    return _BY_LOSS.get(type(first), squared_error)


def _differ(components):
    return any(repr(one) != repr(components[0]) for one in components)
