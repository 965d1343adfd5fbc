"""Averages of the parameters over the course of training, which then make the predictions.

After each step, ``average += share * (theta - average)``; an averaging chooses the share of the
newest parameters. `AVERAGINGS`, at the foot, maps names to classes.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, RealNotInt

from ._components import Component, Registry

__all__ = ["AVERAGINGS", "EMA", "SWA", "Averaging"]


class Averaging(Component):
    """Base of the averagings."""

    #: Whether it can be used with partial_fit, where nobody knows how many calls will follow.
    _is_open_ended = True

    def shares(self, steps, epoch, n_batches, max_iter):
        """Return the share of the newest parameters after each step of an epoch.

        Parameters
        ----------
        steps : int
            Number of steps before this epoch.
        epoch : int
            Number of epochs before this one.
        n_batches : int
        max_iter : int

        Returns
        -------
        shares : ndarray of shape (n_batches,)
            1 forgets the average so far; 0 leaves it as it is.
        """
        raise NotImplementedError


class EMA(Averaging):
    r"""Exponential moving average over the steps.

    .. math::

        \bar\theta_t = \frac{\sum_{i \le t} d^{t - i} \theta_i}{\sum_{i \le t} d^{t - i}},
        \qquad\text{that is}\quad
        \bar\theta \leftarrow \bar\theta + \frac{1 - d}{1 - d^t} (\theta - \bar\theta)

    The divisor makes it a weighted mean from the first step on, to which the initial
    parameters, which are random, do not contribute.

    Parameters
    ----------
    decay : float, default=0.99
        The factor :math:`d`: the average is over roughly the last :math:`1 / (1 - d)` steps.

    References
    ----------
    B. T. Polyak, A. B. Juditsky. "Acceleration of stochastic approximation by averaging".
    SIAM Journal on Control and Optimization 30(4), 1992.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.averaging import EMA
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), averaging=EMA(decay=0.9), learning_rate_init=0.01, tol=1e-3, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _parameter_constraints = {"decay": [Interval(Real, 0, 1, closed="left")]}

    def __init__(self, decay=0.99):
        self.decay = decay

    def shares(self, steps, epoch, n_batches, max_iter):
        t = steps + np.arange(1, n_batches + 1)
        return (1 - self.decay) / (1 - self.decay**t)


class SWA(Averaging):
    r"""Stochastic weight averaging: the mean of the parameters at the ends of the last epochs.

    .. math:: \bar\theta = \frac{1}{k} \sum_{j=1}^k \theta_{\text{end of epoch } s + j}

    The learning rate should stay high during these epochs, as with "constant".

    Parameters
    ----------
    start : float or int, default=0.75
        The number :math:`s` of epochs before the first one that counts; a float is a share of
        ``max_iter``.

    References
    ----------
    P. Izmailov et al. "Averaging weights leads to wider optima and better generalization".
    UAI 2018, :arxiv:`1803.05407`.

    Examples
    --------
    Training must not end before the mean starts, so ``n_iter_no_change`` is infinite:

    >>> import numpy as np
    >>> import warnings
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.exceptions import ConvergenceWarning
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.averaging import SWA
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), averaging=SWA(start=0.5), learning_rate_init=0.02, batch_size=30,
    ...     max_iter=40, n_iter_no_change=np.inf, random_state=0
    ... )
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", ConvergenceWarning)  # all 40 epochs are meant
    ...     print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _parameter_constraints = {
        "start": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="left"),
        ]
    }
    _is_open_ended = False

    def __init__(self, start=0.75):
        self.start = start

    def shares(self, steps, epoch, n_batches, max_iter):
        start = self.start if isinstance(self.start, Integral) else int(self.start * max_iter)
        shares = np.zeros(n_batches)
        # Before the first epoch that counts the share is 1: the average is the newest parameters.
        shares[-1] = 1 / max(1, epoch + 1 - start)
        return shares


AVERAGINGS = Registry({"ema": EMA, "swa": SWA})
