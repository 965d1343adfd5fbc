"""The learning rate range test."""

from dataclasses import dataclass

import numpy as np

from .._estimators.parameters import Configuration, is_first_order
from ..schedules import Schedule
from .probe import check_estimator_type, make_trainer, train_steps

#: Decay of the average of losses.
_SMOOTHING = 0.95


class _Rise(Schedule):
    """Exponential rise to ``ratio`` at the end."""

    def __init__(self, ratio):
        self.ratio = ratio

    def _factor(self, time, max_iter):
        return self.ratio ** (time / max_iter)


@dataclass(repr=False)
class LearningRateTest:
    """Result of `find_learning_rate`.

    Attributes
    ----------
    learning_rates : ndarray of shape (n_steps,)
        The rate of each step that was taken.
    losses : ndarray of shape (n_steps,)
        Objective on its mini-batch, before the step.
    smoothed_losses : ndarray of shape (n_steps,)
        Exponential moving average of the losses, corrected for its bias towards the start.
    suggestion : float
        A tenth of the rate at which the smoothed loss is smallest, but no more than the rate at
        which half of its fall was done: easy data may be learnt before rates are too large.
    end_seen : bool
        Whether the smoothed loss has risen again, by at least half of its fall. If not, no
        rate of the range was seen to be too large.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import find_learning_rate
    >>> X, y = load_digits(return_X_y=True)
    >>> test = find_learning_rate(MLPClassifier(random_state=0), X / 16, y)
    >>> best = test.learning_rates[test.smoothed_losses.argmin()]
    >>> print(test.end_seen, test.suggestion <= best / 10)
    True True
    """

    learning_rates: np.ndarray
    losses: np.ndarray
    smoothed_losses: np.ndarray
    suggestion: float

    @property
    def end_seen(self):
        """Whether the smoothed loss has risen again, by at least half of its fall."""
        first, smallest = self.smoothed_losses[0], np.nanmin(self.smoothed_losses)
        return not self.smoothed_losses[-1] < (first + smallest) / 2

    def __repr__(self):
        first, last = self.learning_rates[[0, -1]]
        unseen = "" if self.end_seen else "; no end seen: the loss has not risen again"
        return (
            f"LearningRateTest(suggestion={self.suggestion:.2g}, "
            f"{self.losses.size} steps from {first:.1e} to {last:.1e}{unseen})"
        )


def find_learning_rate(estimator, X, y, sample_weight=None, *, start=1e-6, end=10.0, n_steps=200):
    """Find a learning rate by a range test.

    A copy of the estimator is trained on mini-batches while the learning rate rises
    exponentially, step by step. While it is too small the loss hardly falls; where it is too
    large the loss rises, and the test ends. In between lie the rates that train well.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With a first-order optimizer other than "rprop". The test starts from its weights if
        it is fitted. Stays as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    start, end : float, default=1e-6, 10
        The range.
    n_steps : int, default=200
        Number of steps from its start to its end.

    Returns
    -------
    test : LearningRateTest
        With ``suggestion``, ``learning_rates``, ``losses`` and ``smoothed_losses``. See
        `LearningRateFinderDisplay` for a picture.

    Raises
    ------
    ValueError
        If the optimizer has no learning rate to find, or the loss is not finite at first.

    References
    ----------
    L. Smith. "Cyclical learning rates for training neural networks". WACV 2017,
    :arxiv:`1506.01186`, section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import find_learning_rate
    >>> X, y = load_digits(return_X_y=True)
    >>> network = MLPClassifier(random_state=0)
    >>> test = find_learning_rate(network, X / 16, y)
    >>> print(0.001 < test.suggestion < 0.1)
    True
    >>> network = network.set_params(learning_rate_init=test.suggestion)
    """
    if not 0 < start < end:
        raise ValueError(f"start and end must be 0 < start < end, got {start} and {end}.")
    if n_steps < 2:
        raise ValueError(f"n_steps must be at least 2, got {n_steps}.")
    check_estimator_type(estimator)
    optimizer = Configuration(estimator).optimizer
    if not is_first_order(estimator) or optimizer.needs_all_samples:
        raise ValueError(
            f"{type(optimizer).__name__} chooses its steps by itself: there is no "
            "learning rate to find. Choose another first-order optimizer, such as 'adam'."
        )
    trainer = make_trainer(estimator, X, y, sample_weight)
    rates, losses, smoothed = [], [], []
    average = 0.0

    def observe(rate, loss):
        """Whether the loss has risen above the first one by as much as it was, or had fallen."""
        nonlocal average
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        rates.append(rate)
        losses.append(loss)
        smoothed.append(average / (1 - _SMOOTHING ** len(losses)))
        first, best = smoothed[0], np.nanmin(smoothed)
        return not smoothed[-1] <= first + max(abs(first), first - best)

    # The end of the test is that numbers overflow.
    with np.errstate(all="ignore"):
        # The last step is taken one step before the schedule's end.
        ratio = (end / start) ** (n_steps / (n_steps - 1))
        train_steps(trainer, n_steps, start, _Rise(ratio), observe)
    if not np.isfinite(losses[0]):
        raise ValueError(
            "The loss is not finite before the first step. Scale the features (StandardScaler) "
            "and, in regression, the targets (scale_targets=True)."
        )
    rates, smoothed = np.array(rates), np.array(smoothed)
    suggestion = _suggest(rates, smoothed)
    return LearningRateTest(rates, np.array(losses), smoothed, suggestion)


def _suggest(rates, smoothed):
    smallest = int(np.nanargmin(smoothed))
    halfway = int(np.argmax(smoothed <= (smoothed[0] + smoothed[smallest]) / 2))
    # Once most is learnt, gradients are so small that rates far too large show no harm.
    return float(min(rates[smallest] / 10, rates[halfway]))
