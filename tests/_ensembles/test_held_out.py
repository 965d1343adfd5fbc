import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sknn_opt._ensembles.folds import Data, Fold, halved, make_folds
from sknn_opt._ensembles.held_out import HeldOut
from sknn_opt._ensembles.predictions import NumberPredictions
from sknn_opt.losses import SquaredError

Y = np.arange(6.0)
#: Row 0 is held out twice, row 5 never.
FOLDS = [
    Fold(0, np.array([3, 4, 5]), np.array([2, 1, 0])),
    Fold(1, np.array([1, 2, 5]), np.array([0, 3, 4])),
]


def held_out(outputs, weight=None):
    outputs = [[np.c_[fold, np.zeros(3)][:, np.newaxis] for fold in member] for member in outputs]
    data = Data(Y.reshape(-1, 1), Y, weight)
    predictions = NumberPredictions(False, [SquaredError()])
    return HeldOut(outputs, [FOLDS] * len(outputs), data, predictions)


OUTPUTS = [[[2.0, 1.0, 4.0], [2.0, 3.0, 4.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]


def test_predictions_return_to_their_rows():
    here = held_out(OUTPUTS)
    first = here.member_evidence()[0]
    assert_array_equal(here.by_row(first).ravel(), [3.0, 1.0, 2.0, 3.0, 4.0, np.nan])


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 0.0, 1.0, 3.0, 9.0])])
def test_a_row_that_is_held_out_twice_counts_half_each_time(weight):
    here = held_out(OUTPUTS, weight)
    losses = [here.loss(one) for one in here.member_evidence()]
    squares = np.array([(4**2 + 2**2) / 2, 0, 0, 0, 0])
    assert_allclose(losses[0], np.average(squares, weights=None if weight is None else weight[:5]))


def test_mixtures_are_by_fold():
    first, second = held_out(OUTPUTS).mixtures([0.75, 0.25])
    assert_allclose(first.output[:, 0, 0], [1.5, 0.75, 3.0])
    assert_allclose(second.output[:, 0, 1], 0.75 * 0.25 * np.array([2.0, 3.0, 4.0]) ** 2)


def test_members_without_weight_are_left_out():
    here = held_out([OUTPUTS[0], [[np.nan] * 3, [np.nan] * 3]])
    assert np.isfinite(here.mixtures([1.0, 0.0])[0].output).all()


def test_members_whose_folds_are_halves_of_the_others():
    y = np.arange(8.0)
    data = Data(y.reshape(-1, 1), y)
    folds = make_folds(2, data, False, {})
    of_members = [folds, halved(folds)]
    outputs = [
        [np.c_[10 * y[fold.held_out], 0 * y[fold.held_out]][:, np.newaxis] for fold in of_member]
        for of_member in of_members
    ]
    here = HeldOut(outputs, of_members, data, NumberPredictions(False, [SquaredError()]))
    for prediction in here.member_evidence():
        assert_array_equal(prediction.ravel(), 10 * y[here.rows])
    assert_array_equal(here.rows, np.arange(8))
