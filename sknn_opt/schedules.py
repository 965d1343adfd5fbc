"""Learning rate schedules, and the warm-up that goes with any of them.

A schedule multiplies ``learning_rate_init``. `SCHEDULES`, at the foot, maps names to
classes.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

from ._components import Component, Registry

_FRACTION = [Interval(Real, 0, 1, closed="both")]
_POSITIVE = [Interval(Real, 0, None, closed="neither")]
_NON_NEGATIVE = [Interval(Real, 0, None, closed="left")]


class Schedule(Component):
    """Base of the schedules.

    ``schedule(time, max_iter)`` is the factor of the learning rate at ``time``, a float
    or an array, in epochs with fractions between them. The total of ``max_iter`` epochs
    serves those schedules that need it; beyond it they hold their last value. `InvScaling`
    differs: its time is a number of samples, and it does not look at ``max_iter``.
    """

    #: Unit of ``time``: "epochs", or "samples" seen before the current epoch; None where the
    #: factor is 1 whatever the time.
    _unit = "epochs"

    #: Whether it takes its end from ``max_iter``: then training is planned to last so long.
    ends_at_max_iter = False

    #: What is printed when a plateau ends training.
    _last_words = "Stopping."

    def __call__(self, time, max_iter):
        with np.errstate(over="ignore"):  # the factor is then what it tends to
            return self._factor(np.minimum(time, float(max_iter)), max_iter)

    def _factor(self, time, max_iter):
        """Return the factor at times up to ``max_iter``."""
        raise NotImplementedError

    def ends_at(self, max_iter):
        """Whether training is planned to last for so many epochs."""
        return self.ends_at_max_iter

    def after_plateau(self, learning_rate):
        """Return the factor by which a plateau changes the rate; None ends training."""
        return None


class Constant(Schedule):
    r"""A constant learning rate, the default.

    .. math:: \eta_t = \eta_0

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import Constant
    >>> print(Constant()(np.array([0, 10, 20]), max_iter=20))
    [1. 1. 1.]
    """

    _unit = None

    def _factor(self, time, max_iter):
        return np.ones_like(time)


class InvScaling(Schedule):
    r"""An inverse power of the number of samples seen, as in scikit-learn.

    .. math:: \eta_t = \eta_0 / (t + 1)^{p}

    The time :math:`t` is the number of samples seen before the current epoch, where a sample
    counts once for each epoch. The rate goes on falling beyond ``max_iter``.

    Parameters
    ----------
    power_t : float, default=0.5
        The exponent :math:`p`.

    Examples
    --------
    The time is the number of samples seen:

    >>> from sknn_opt.schedules import InvScaling
    >>> print(InvScaling(power_t=0.5)([0, 99, 9999], max_iter=20))
    [1.   0.1  0.01]
    """

    _unit = "samples"
    _estimator_keywords = ("power_t",)
    _parameter_constraints = {"power_t": _NON_NEGATIVE}

    def __init__(self, power_t=0.5):
        self.power_t = power_t

    def __call__(self, time, max_iter):
        return (np.asarray(time, dtype=float) + 1) ** -self.power_t


class Adaptive(Schedule):
    r"""Constant until training makes no progress, then lower, as in scikit-learn.

    .. math:: \eta_t = \eta_0 f^k

    after :math:`k` plateaus. A plateau means that the training loss, or with early stopping
    the validation score, has failed to improve by ``tol`` for ``n_iter_no_change`` epochs.
    Training ends at a plateau where the rate is 1e-6 or less.

    Parameters
    ----------
    factor : float, default=0.2
        The factor :math:`f` by which a plateau multiplies the learning rate, between 0 and 1.

    Examples
    --------
    >>> from sknn_opt.schedules import Adaptive
    >>> Adaptive(factor=0.5).after_plateau(learning_rate=0.1)
    0.5
    >>> print(Adaptive(factor=0.5).after_plateau(learning_rate=1e-7))
    None
    """

    _last_words = "Learning rate too small. Stopping."
    _parameter_constraints = {"factor": [Interval(Real, 0, 1, closed="neither")]}

    def __init__(self, factor=0.2):
        self.factor = factor

    def _factor(self, time, max_iter):
        return np.ones_like(time)

    def after_plateau(self, learning_rate):
        return self.factor if learning_rate > 1e-6 else None


class Step(Schedule):
    r"""A fall by the same factor at regular intervals.

    .. math:: \eta_t = \eta_0 \gamma^{\lfloor t / s \rfloor}

    Parameters
    ----------
    step_size : int, default=50
        Epochs between two steps, :math:`s`.
    gamma : float, default=0.1
        The factor of a step, :math:`\gamma`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import Step
    >>> print(Step(step_size=10)(np.array([0, 9, 10, 20]), max_iter=30))
    [1.   1.   0.1  0.01]
    """

    _parameter_constraints = {
        "step_size": [Interval(Integral, 1, None, closed="left")],
        "gamma": _POSITIVE,
    }

    def __init__(self, step_size=50, gamma=0.1):
        self.step_size = step_size
        self.gamma = gamma

    def _factor(self, time, max_iter):
        return self.gamma ** np.floor(time / self.step_size)


class Exponential(Schedule):
    r"""Exponential decay: a fall by the same share in each epoch.

    .. math:: \eta_t = \eta_0 e^{-k t}

    Parameters
    ----------
    decay : float, default=0.02
        The rate of decay per epoch, :math:`k`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import Exponential
    >>> print(Exponential(decay=0.1)(np.array([0, 10, 20]), max_iter=20).round(3))
    [1.    0.368 0.135]
    """

    _parameter_constraints = {"decay": _NON_NEGATIVE}

    def __init__(self, decay=0.02):
        self.decay = decay

    def _factor(self, time, max_iter):
        return np.exp(-self.decay * time)


class InverseTime(Schedule):
    r"""Decay with the inverse of time: fast at first, then slow.

    .. math:: \eta_t = \frac{\eta_0}{1 + k t}

    Parameters
    ----------
    decay : float, default=0.02
        The rate of decay per epoch, :math:`k`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import InverseTime
    >>> print(InverseTime(decay=0.1)(np.array([0, 10, 30]), max_iter=30))
    [1.   0.5  0.25]
    """

    _parameter_constraints = {"decay": _NON_NEGATIVE}

    def __init__(self, decay=0.02):
        self.decay = decay

    def _factor(self, time, max_iter):
        return 1 / (1 + self.decay * time)


class Polynomial(Schedule):
    r"""A power of the time that is left until ``max_iter``, by default a straight line.

    .. math:: \eta_t = \eta_0 \left( e + (1 - e) (1 - t / T)^p \right)

    Parameters
    ----------
    power : float, default=1
        The exponent :math:`p`.
    end : float, default=0
        The factor at the end, :math:`e`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import Polynomial
    >>> print(Polynomial(power=2)(np.array([0, 10, 20]), max_iter=20))
    [1.   0.25 0.  ]
    """

    ends_at_max_iter = True
    _parameter_constraints = {"power": _POSITIVE, "end": _FRACTION}

    def __init__(self, power=1, end=0):
        self.power = power
        self.end = end

    def _factor(self, time, max_iter):
        return self.end + (1 - self.end) * (1 - time / max_iter) ** self.power


class Cosine(Schedule):
    r"""Half a cosine wave, which reaches its end at ``max_iter``.

    .. math:: \eta_t = \eta_0 \left( e + (1 - e) \frac{1 + \cos(\pi t / T)}{2} \right)

    Parameters
    ----------
    end : float, default=0
        The factor at the end, :math:`e`.

    References
    ----------
    I. Loshchilov, F. Hutter. "SGDR: Stochastic gradient descent with warm restarts". ICLR
    2017, :arxiv:`1608.03983`, without restarts.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import Cosine
    >>> print(Cosine(end=0.1)(np.array([0, 10, 20]), max_iter=20))
    [1.   0.55 0.1 ]
    """

    ends_at_max_iter = True
    _parameter_constraints = {"end": _FRACTION}

    def __init__(self, end=0):
        self.end = end

    def _factor(self, time, max_iter):
        return _half_wave(1, self.end, time / max_iter)


class CosineRestarts(Schedule):
    r"""Half cosine waves that start over, each longer than the one before.

    At :math:`s` epochs into a cycle of :math:`T_i = m^i T_0` epochs:

    .. math:: \eta_t = \eta_0 \left( e + (1 - e) \frac{1 + \cos(\pi s / T_i)}{2} \right)

    Parameters
    ----------
    period : float, default=10
        Epochs of the first cycle, :math:`T_0`.
    multiplier : float, default=2
        Ratio of the lengths of consecutive cycles, :math:`m`; at least 1.
    end : float, default=0
        The factor at the end of a cycle, :math:`e`.

    References
    ----------
    I. Loshchilov, F. Hutter. "SGDR: Stochastic gradient descent with warm restarts". ICLR
    2017, :arxiv:`1608.03983`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import CosineRestarts
    >>> print(CosineRestarts(period=10)(np.array([0, 5, 10, 20]), max_iter=70))
    [1.  0.5 1.  0.5]
    """

    _parameter_constraints = {
        "period": _POSITIVE,
        "multiplier": [Interval(Real, 1, None, closed="left")],
        "end": _FRACTION,
    }

    def __init__(self, period=10, multiplier=2, end=0):
        self.period = period
        self.multiplier = multiplier
        self.end = end

    def ends_at(self, max_iter):
        """Whether a cycle ends after so many epochs."""
        return max_iter >= self.period and self._part(max_iter) == 0

    def _factor(self, time, max_iter):
        return _half_wave(1, self.end, self._part(time))

    def _part(self, time):
        """Return the part of the current cycle that is over."""
        cycles = _cycles(time, self.period)
        if self.multiplier == 1:
            return cycles % 1
        # Cycle i starts at (m^i - 1) / (m - 1) first cycles.
        multiplier = min(self.multiplier, 1e100)  # whose second cycle outlasts any training
        growth = multiplier - 1
        i = np.floor(np.log1p(growth * cycles) / np.log(multiplier))
        # At a restart the logarithm may round to the wrong cycle, the one before or after.
        i += cycles >= (multiplier ** (i + 1) - 1) / growth
        i -= cycles < (multiplier**i - 1) / growth
        start = (multiplier**i - 1) / growth
        return (cycles - start) / multiplier**i


class Cyclic(Schedule):
    r"""Cycles: from a low rate up to ``learning_rate_init`` and down again.

    With the fraction :math:`s = (t / P + \varphi) \bmod 1` of a cycle that is over:

    .. math::

        \eta_t = \eta_0 \left( l + (1 - l) (1 - |2 s - 1|) \right) \quad\text{or}\quad
        \eta_0 \left( l + (1 - l) \frac{1 - \cos(2 \pi s)}{2} \right)

    Parameters
    ----------
    period : float, default=10
        Epochs of a cycle, :math:`P`.
    low : float, default=0.1
        The factor where a cycle starts and ends, :math:`l`.
    shape : {"triangular", "cosine"}, default="triangular"
        The first formula or the second one.
    phase : float, default=0
        The fraction of a cycle that is over at the start, :math:`\varphi`, in [0, 1). With
        0.5 training starts at the full rate.

    References
    ----------
    L. Smith. "Cyclical learning rates for training neural networks". WACV 2017,
    :arxiv:`1506.01186`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import Cyclic
    >>> print(Cyclic(period=10, low=0.1)(np.array([0, 5, 10, 15]), max_iter=20))
    [0.1 1.  0.1 1. ]
    >>> print(Cyclic(period=10, low=0.1, phase=0.5)(np.array([0, 5, 10, 15]), max_iter=20))
    [1.  0.1 1.  0.1]
    """

    _parameter_constraints = {
        "period": _POSITIVE,
        "low": _FRACTION,
        "shape": [StrOptions({"triangular", "cosine"})],
        "phase": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, period=10, low=0.1, shape="triangular", phase=0):
        self.period = period
        self.low = low
        self.shape = shape
        self.phase = phase

    def _factor(self, time, max_iter):
        over = (_cycles(time, self.period) + self.phase) % 1
        rise = 1 - np.abs(2 * over - 1)
        if self.shape == "cosine":
            return _half_wave(self.low, 1, rise)
        return self.low + (1 - self.low) * rise


class OneCycle(Schedule):
    r"""A single cycle: up to ``learning_rate_init``, then down to almost 0 at ``max_iter``.

    With the fraction :math:`s = t / T` of ``max_iter`` that is over and the peak at :math:`p`:

    .. math::

        \eta_t = \eta_0 \begin{cases}
        1 + (a - 1) \frac{1 + \cos(\pi s / p)}{2} & s < p \\
        e + (1 - e) \frac{1 + \cos(\pi (s - p) / (1 - p))}{2} & s \ge p \end{cases}

    Parameters
    ----------
    peak_at : float, default=0.3
        The fraction of training after which the peak is reached, :math:`p`, between 0 and 1.
    start : float, default=0.04
        The factor at the start, :math:`a`.
    end : float, default=4e-5
        The factor at the end, :math:`e`.

    Notes
    -----
    torch.optim's OneCycleLR has the same curve, up to one step at the peak and at the end.
    It counts its factors differently: ``div_factor`` is ``1 / start`` and
    ``final_div_factor`` is ``start / end``. Its defaults, 25 and 1e4, are ``start=0.04``,
    as here, and ``end=4e-6``, a tenth of the default here. For torch's value set
    ``OneCycle(end=4e-6)``. OneCycleLR moves the momentum as well, by default; here it stays
    as it is.

    References
    ----------
    L. Smith, N. Topin. "Super-convergence: Very fast training of neural networks using
    large learning rates". 2018, :arxiv:`1708.07120`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import OneCycle
    >>> print(OneCycle(peak_at=0.25)(np.array([0, 5, 20]), max_iter=20).round(3))
    [0.04 1.   0.  ]
    """

    ends_at_max_iter = True
    _parameter_constraints = {
        "peak_at": [Interval(Real, 0, 1, closed="neither")],
        "start": _FRACTION,
        "end": _FRACTION,
    }

    def __init__(self, peak_at=0.3, start=0.04, end=4e-5):
        self.peak_at = peak_at
        self.start = start
        self.end = end

    def _factor(self, time, max_iter):
        part = time / max_iter
        rise = _half_wave(self.start, 1, np.minimum(part, self.peak_at) / self.peak_at)
        fall = _half_wave(1, self.end, (part - self.peak_at) / (1 - self.peak_at))
        return np.where(part < self.peak_at, rise, fall)


class WarmUp(Component):
    r"""A rise of the learning rate at the start of training.

    ``warm_up(time, max_iter)`` is a factor beside that of the schedule, whose clock it does
    not delay. With the fraction :math:`s` of the warm-up that is over, it rises from
    :math:`a = 10^{-3}`, since a step at a rate of 0 would be wasted, to 1, where it stays:

    .. math:: a + (1 - a) s \quad\text{or}\quad a + (1 - a) \frac{1 - \cos(\pi s)}{2}

    Estimators build it from their keywords ``warmup`` and ``warmup_shape``.

    Parameters
    ----------
    warmup : int or float, default=0
        Its length: epochs, an int, or a fraction of ``max_iter``, a float.
    shape : {"linear", "cosine"}, default="linear"
        The first formula or the second one.

    References
    ----------
    P. Goyal et al. "Accurate, large minibatch SGD: Training ImageNet in 1 hour". 2017,
    :arxiv:`1706.02677`, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.schedules import WarmUp
    >>> print(WarmUp(4)(np.array([0, 1, 2, 4, 20]), max_iter=20).round(3))
    [0.001 0.251 0.5   1.    1.   ]
    """

    _parameter_constraints = {
        "warmup": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
        "shape": [StrOptions({"linear", "cosine"})],
    }

    _start = 1e-3

    def __init__(self, warmup=0, shape="linear"):
        self.warmup = warmup
        self.shape = shape

    def __call__(self, time, max_iter):
        length = self.warmup if isinstance(self.warmup, Integral) else self.warmup * max_iter
        if length == 0:
            return np.ones_like(time, dtype=float)
        part = np.minimum(np.asarray(time, dtype=float), length) / length
        if self.shape == "cosine":
            return _half_wave(self._start, 1, part)
        return self._start + (1 - self._start) * part


def _cycles(time, period):
    """The number of cycles, of which more than floats can count are as many as they can."""
    return np.minimum(time / period, 2.0**53)


def _half_wave(start, end, part):
    """From ``start``, where ``part`` is 0, along a cosine to ``end``, where it is 1."""
    return end + (start - end) * (1 + np.cos(np.pi * part)) / 2


SCHEDULES = Registry(
    {
        "constant": Constant,
        "invscaling": InvScaling,
        "adaptive": Adaptive,
        "step": Step,
        "exponential": Exponential,
        "inverse_time": InverseTime,
        "polynomial": Polynomial,
        "cosine": Cosine,
        "cosine_restarts": CosineRestarts,
        "cyclic": Cyclic,
        "one_cycle": OneCycle,
    }
)
