import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from sknn_opt import GrowingBatch, MLPRegressor
from sknn_opt.schedules import Schedule

X = np.random.default_rng(0).normal(size=(65, 3))
Y = X[:, 0]


def test_sizes():
    batch = GrowingBatch(start=10, factor=2, every=3)
    assert [batch(epoch, 65) for epoch in range(12)] == [10] * 3 + [20] * 3 + [40] * 3 + [65] * 3
    assert GrowingBatch(start=10, factor=1.5, every=1)(1, 100) == 15
    assert GrowingBatch(start=100)(0, 30) == 30
    assert GrowingBatch()(10**9, 7) == 7
    assert GrowingBatch(factor=1e300, every=1)(2, 100) == 100
    batch = GrowingBatch(start=10, factor=3, every="plateau")
    assert [batch(n_plateaus, 100) for n_plateaus in range(4)] == [10, 30, 90, 100]
    assert batch(10**9, 7) == 7


@pytest.mark.parametrize("every", [0, -1, 2.5, "epoch", None])
def test_every_is_a_number_of_epochs_or_plateau(every):
    with pytest.raises(InvalidParameterError, match="'every' parameter of GrowingBatch must be"):
        MLPRegressor(batch_size=GrowingBatch(every=every)).fit(X, Y)


class Counting(Schedule):
    """A constant rate that notes how many batches it is asked for."""

    def __init__(self, counts=None):
        self.counts = counts

    def __call__(self, time, max_iter):
        self.counts.append(len(time))
        return np.ones_like(time)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_epochs_have_as_many_steps_as_the_sizes_say():
    counts = []
    model = MLPRegressor(
        3, batch_size=GrowingBatch(10, 2, 2), learning_rate=Counting(counts), max_iter=8
    ).fit(X, Y)
    assert counts == [7, 7, 4, 4, 2, 2, 1, 1]
    assert model.n_iter_ == 8
    assert clone(model.batch_size).get_params() == {"start": 10, "factor": 2, "every": 2}


# Nothing improves by tol but the first epoch, and the third one after that is a plateau; the
# batches of 10, 20, 40 and 65 are 7, 4, 2 and 1 an epoch.
PLATEAUS = {"tol": 1e3, "n_iter_no_change": 2, "random_state": 0}
STEPS = [7] * 4 + [4] * 3 + [2] * 3 + [1] * 3


def growing(counts, **parameters):
    return MLPRegressor(
        3,
        batch_size=GrowingBatch(10, 2, "plateau"),
        **{"learning_rate": Counting(counts), **PLATEAUS, **parameters},
    )


def test_batches_grow_where_training_stalls(capsys):
    counts = []
    model = growing(counts, verbose=True).fit(X, Y)  # a warning is an error
    assert counts == STEPS
    assert len(set(model.history_["learning_rate"])) == 1
    said = [line for line in capsys.readouterr().out.split("\n") if "did not improve" in line]
    ends = [line.split("epochs. ")[1] for line in said]
    assert ends == [*(f"Setting batch size to {size}" for size in (20, 40, 65)), "Stopping."]


def test_steps_after_a_plateau_are_those_of_the_larger_batch():
    settings = {"shuffle": False, "learning_rate": "constant", "optimizer": "sgd", "momentum": 0}
    grown = growing([], **settings, max_iter=5)
    with pytest.warns(match=r"Maximum iterations \(5\)"):
        grown.fit(X, Y)
    by_hand = growing([], **settings)
    for size in [10] * 4 + [20]:
        by_hand.set_params(batch_size=size).partial_fit(X, Y)
    for ours, expected in zip(grown.coefs_, by_hand.coefs_, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_validation_scores_tell_plateaus_too():
    counts = []
    growing(counts, early_stopping=True, validation_fraction=0.2, tol=1e9).fit(X, Y)
    assert counts == [6] * 4 + [3] * 3 + [2] * 3 + [1] * 3  # of 52 rows


def test_a_rate_falls_once_the_batch_has_all_samples():
    model = growing([], learning_rate="adaptive", learning_rate_init=1e-4).fit(X, Y)
    rates = np.repeat(1e-4 * 0.2 ** np.arange(4), [len(STEPS), 3, 3, 3])
    np.testing.assert_allclose(model.history_["learning_rate"], rates, rtol=1e-12)


def test_plateaus_are_counted_across_calls_of_partial_fit():
    counts = []
    model = growing(counts)
    for _ in range(len(STEPS)):
        model = pickle.loads(pickle.dumps(model))
        model.set_params(learning_rate=Counting(counts)).partial_fit(X, Y)
    assert counts == STEPS


def test_batch_normalization_bears_batches_that_grow():
    counts = []
    model = growing(counts, normalization="batch", averaging="ema").fit(X, Y)
    assert counts == STEPS
    assert np.isfinite(model.predict(X)).all()
