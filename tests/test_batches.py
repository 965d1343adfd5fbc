import numpy as np
import pytest
from sklearn.base import clone

from sknn_opt import GrowingBatch, MLPRegressor
from sknn_opt.schedules import Schedule


def test_sizes():
    batch = GrowingBatch(start=10, factor=2, every=3)
    assert [batch(epoch, 65) for epoch in range(12)] == [10] * 3 + [20] * 3 + [40] * 3 + [65] * 3
    assert GrowingBatch(start=10, factor=1.5, every=1)(1, 100) == 15
    assert GrowingBatch(start=100)(0, 30) == 30
    assert GrowingBatch()(10**9, 7) == 7


class Counting(Schedule):
    """A constant rate that notes how many batches it is asked for."""

    def __init__(self, counts=None):
        self.counts = counts

    def __call__(self, time, max_iter):
        self.counts.append(len(time))
        return np.ones_like(time)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_epochs_have_as_many_steps_as_the_sizes_say():
    X = np.random.default_rng(0).normal(size=(65, 3))
    counts = []
    model = MLPRegressor(
        3, batch_size=GrowingBatch(10, 2, 2), learning_rate=Counting(counts), max_iter=8
    ).fit(X, X[:, 0])
    assert counts == [7, 7, 4, 4, 2, 2, 1, 1]
    assert model.n_iter_ == 8
    assert clone(model.batch_size).get_params() == {"start": 10, "factor": 2, "every": 2}
