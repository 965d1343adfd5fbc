"""Learning rate schedules.

A schedule multiplies ``learning_rate_init``. `SCHEDULES`, at the foot, maps names to
classes.
"""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._component import Component, Registry


class Schedule(Component):
    """Base of the schedules.

    ``schedule(time, max_iter)`` is the factor of the learning rate at ``time``, a float
    or an array, in epochs with fractions between them. The total of ``max_iter`` epochs
    serves those schedules that need it.
    """

    #: Unit of ``time``: "epochs", or "samples" seen before the current epoch.
    _unit = "epochs"

    #: What is printed when a plateau ends training.
    _last_words = "Stopping."

    def __call__(self, time, max_iter):
        raise NotImplementedError

    def after_plateau(self, learning_rate):
        """Return the factor by which a plateau changes the rate; None ends training."""
        return None


class Constant(Schedule):
    r"""The learning rate stays as it is.

    .. math:: \eta_t = \eta_0
    """

    def __call__(self, time, max_iter):
        return np.ones_like(time, dtype=float)


class InvScaling(Schedule):
    r"""Inverse power of the number of samples seen, once an epoch, as in scikit-learn.

    .. math:: \eta_t = \eta_0 / (t + 1)^{p}

    Parameters
    ----------
    power_t : float, default=0.5
        The exponent :math:`p`.
    """

    _unit = "samples"
    _estimator_keywords = ("power_t",)
    _parameter_constraints = {"power_t": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, power_t=0.5):
        self.power_t = power_t

    def __call__(self, time, max_iter):
        return (np.asarray(time, dtype=float) + 1) ** -self.power_t


class Adaptive(Schedule):
    r"""Constant until a plateau, then lower, as in scikit-learn.

    Where the training loss, or with early stopping the validation score, fails to improve
    by ``tol`` for ``n_iter_no_change`` epochs, the rate is multiplied by ``factor`` and
    training goes on. It ends when the rate is at most 1e-6.

    Parameters
    ----------
    factor : float, default=0.2
        What a plateau multiplies the learning rate by, between 0 and 1.
    """

    _last_words = "Learning rate too small. Stopping."
    _parameter_constraints = {"factor": [Interval(Real, 0, 1, closed="neither")]}

    def __init__(self, factor=0.2):
        self.factor = factor

    def __call__(self, time, max_iter):
        return np.ones_like(time, dtype=float)

    def after_plateau(self, learning_rate):
        return self.factor if learning_rate > 1e-6 else None


SCHEDULES = Registry({"constant": Constant, "invscaling": InvScaling, "adaptive": Adaptive})
