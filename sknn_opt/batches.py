"""Batch sizes that change during training."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from ._components import Component


class GrowingBatch(Component):
    r"""A batch size that grows by a factor every few epochs, instead of a falling learning rate.

    .. math:: B_t = \min\left(n, \operatorname{round}(B_0 \, c^{\lfloor t / k \rfloor})\right)

    Parameters
    ----------
    start : int, default=32
        Batch size :math:`B_0` of the first epochs.
    factor : float, default=2
        Factor by which the size grows, :math:`c > 1`.
    every : int, default=10
        Number of epochs :math:`k` between two changes.

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
    """

    _parameter_constraints = {
        "start": [Interval(Integral, 1, None, closed="left")],
        "factor": [Interval(Real, 1, None, closed="neither")],
        "every": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, start=32, factor=2, every=10):
        self.start = start
        self.factor = factor
        self.every = every

    def __call__(self, epoch, n_samples):
        """Return the batch size of an epoch, counted from 0."""
        # Bounded as a float first: the power overflows in a long training.
        growth = min(float(self.factor) ** min(epoch // self.every, 1000), n_samples)
        return min(n_samples, round(self.start * growth))
