"""How much each member counts, and how far their common prediction is from calibrated."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

#: Picks of a greedy selection: weights are multiples of one in so many.
PICKS = 40

#: Logarithms of temperatures are looked for in this range.
_LOG_TEMPERATURES = -3.0, 3.0


def greedy_weights(predictions, loss):
    """Return weights of members by greedy selection with replacement (Caruana et al. 2004).

    Again and again the member is picked with which the mean of all picks has the least loss.

    Parameters
    ----------
    predictions : list of ndarray
        Of each member, for rows that it has not seen.
    loss : callable
        Of a mean of predictions.

    Returns
    -------
    weights : ndarray of shape (n_members,)
        They sum to 1.
    """
    counts = np.zeros(len(predictions))
    total = np.zeros_like(predictions[0])
    best_loss, best_counts = np.inf, counts
    for n_picks in range(1, PICKS + 1):
        losses = [loss((total + prediction) / n_picks) for prediction in predictions]
        losses = np.nan_to_num(losses, nan=np.inf, posinf=np.inf)
        pick = int(np.argmin(losses))
        counts[pick] += 1
        total += predictions[pick]
        if losses[pick] < best_loss or n_picks == 1:
            best_loss, best_counts = losses[pick], counts.copy()
    return best_counts / best_counts.sum()


def temperature(log_probabilities, loss):
    """Return the temperature at which probabilities have the least log-loss.

    Parameters
    ----------
    log_probabilities : ndarray of shape (n_samples, n_outputs, n_classes)
    loss : callable
        Of probabilities of the same shape.
    """

    def loss_at(log_temperature):
        return loss(np.exp(tempered(log_probabilities, np.exp(log_temperature))))

    found = minimize_scalar(loss_at, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x)) if found.fun < loss_at(0.0) else 1.0


def tempered(log_probabilities, temperature):
    """Return the logarithms of probabilities, those given divided by a temperature."""
    if temperature == 1.0:
        return log_probabilities
    return log_softmax(log_probabilities / temperature, axis=-1)
