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
    """Return minus the mean log-likelihood, which is a sum over outputs.

    ``y`` has the class indices, of shape (n_samples, n_outputs), and ``probabilities`` are of
    shape (n_samples, n_outputs, n_classes).
    """
    likelihood = np.take_along_axis(probabilities, y[:, :, np.newaxis], axis=2)
    surprise = -np.log(np.maximum(likelihood, _TINY)).sum(axis=(1, 2))
    return float(np.average(surprise, weights=sample_weight))


def cross_entropy(shares, probabilities, sample_weight):
    """Return the mean cross-entropy with targets that are probabilities themselves.

    Both are of shape (n_samples, n_outputs, n_classes).
    """
    surprise = -(shares * np.log(np.maximum(probabilities, _TINY))).sum(axis=(1, 2))
    return float(np.average(surprise, weights=sample_weight))


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


def loss_of_regressors(components):
    """Return what the members' losses have in common, or else the squared error."""
    first = components[0]
    if any(repr(one) != repr(first) for one in components):
        return squared_error
    if isinstance(first, losses.Quantile):
        return partial(_pinball_loss, first.q)
    if isinstance(first, losses.Tweedie):
        return partial(_mean_deviance, partial(mean_tweedie_deviance, power=first.power))
    return _BY_LOSS.get(type(first), squared_error)
