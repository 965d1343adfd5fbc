"""Batch sizes, which may change during training."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ._components import Component


class FixedBatch:
    """A batch size that stays as it is."""

    counts_plateaus = False

    def __init__(self, size):
        self.size = size

    def __call__(self, time, n_samples):
        return self.size


class GrowingBatch(Component):
    r"""A batch size that grows by a factor, instead of a falling learning rate.

    It grows every few epochs or, with ``every="plateau"``, where training makes no progress:

    .. math::

        B = \min\left(n, \operatorname{round}(B_0 \, c^{\lfloor t / k \rfloor})\right)
        \quad\text{or}\quad
        B = \min\left(n, \operatorname{round}(B_0 \, c^p)\right)

    after :math:`t` epochs or :math:`p` plateaus. A plateau means that the training loss, or with
    early stopping the validation score, has failed to improve by ``tol`` for ``n_iter_no_change``
    epochs. Training goes on from there with the larger batch. At a plateau where the batch already
    has all samples, training ends; with ``learning_rate="adaptive"`` the learning rate falls
    instead.

    Parameters
    ----------
    start : int, default=32
        Batch size :math:`B_0` of the first epochs.
    factor : float, default=2
        Factor by which the size grows, :math:`c > 1`.
    every : int or "plateau", default=10
        Number of epochs :math:`k` between two changes; "plateau" lets the size grow at each
        plateau.

    References
    ----------
    S. L. Smith et al. "Don't decay the learning rate, increase the batch size". ICLR 2018,
    :arxiv:`1711.00489`.

    Examples
    --------
    >>> from sknn_opt import GrowingBatch
    >>> batch_size = GrowingBatch(start=32, factor=2, every=10)
    >>> [batch_size(epoch, n_samples=100) for epoch in (0, 10, 20)]
    [32, 64, 100]
    >>> batch_size = GrowingBatch(start=32, factor=2, every="plateau")
    >>> [batch_size(n_plateaus, n_samples=100) for n_plateaus in (0, 1, 2)]
    [32, 64, 100]
    """

    _parameter_constraints = {
        "start": [Interval(Integral, 1, None, closed="left")],
        "factor": [Interval(Real, 1, None, closed="neither")],
        "every": [Interval(Integral, 1, None, closed="left"), StrOptions({"plateau"})],
    }

    def __init__(self, start=32, factor=2, every=10):
        self.start = start
        self.factor = factor
        self.every = every

    @property
    def counts_plateaus(self):
        """Whether plateaus are what it counts, and not epochs."""
        return self.every == "plateau"

    def __call__(self, time, n_samples):
        """Return the batch size after so many epochs or, with "plateau", so many plateaus."""
        n_changes = time if self.counts_plateaus else time // self.every
        with np.errstate(over="ignore"):  # in a long training the power is infinite
            growth = min(np.float_power(self.factor, n_changes), n_samples)
        return min(n_samples, round(self.start * growth))
