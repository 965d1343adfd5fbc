import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold, StratifiedKFold, TimeSeriesSplit

from sknn_opt._ensembles.folds import Data, bootstrap_rows, halved, make_folds

X = np.arange(12.0).reshape(-1, 1)
Y = np.arange(12) % 3


def test_without_cv_all_rows_are_trained_on():
    (fold,) = make_folds(None, Data(X, Y), True, {})
    assert_array_equal(fold.train, np.arange(12))
    assert fold.held_out is None


def test_a_number_of_folds_means_what_it_means_in_scikit_learn():
    folds = make_folds(3, Data(X, Y), True, {})
    expected = list(StratifiedKFold(3).split(X, Y))
    for number, (fold, (train, held_out)) in enumerate(zip(folds, expected, strict=True)):
        assert fold.number == number
        assert_array_equal(fold.train, train)
        assert_array_equal(fold.held_out, held_out)
    assert_array_equal(make_folds(3, Data(X, Y), False, {})[0].held_out, np.arange(4))


@pytest.mark.parametrize(
    ("cv", "params"),
    [
        (GroupKFold(3), {"groups": np.repeat([0, 1, 2], 4)}),
        (TimeSeriesSplit(3), {}),
        ([(np.arange(8), np.arange(8, 12)), (np.arange(4, 12), np.arange(4))], {}),
        ([(np.arange(12) < 8, np.arange(12) >= 8)], {}),
    ],
)
def test_folds_of_splitters_and_lists(cv, params):
    for fold in make_folds(cv, Data(X, Y), False, params):
        assert not set(fold.train) & set(fold.held_out)
        assert fold.train.dtype.kind == fold.held_out.dtype.kind == "i"


@pytest.mark.parametrize("cv", [[], [(np.arange(12), [])], [([], np.arange(12))]])
def test_folds_without_rows(cv):
    with pytest.raises(ValueError, match="without rows"):
        make_folds(cv, Data(X, Y), False, {})


def test_the_bootstrap_keeps_the_sizes_of_classes():
    classes = np.r_[np.zeros(30, int), 1, np.full(9, 2)]
    rows = bootstrap_rows(40, classes, 0)
    assert_array_equal(np.bincount(classes[rows]), np.bincount(classes))
    assert_array_equal(rows, np.sort(rows))
    assert len(np.unique(rows)) < 40
    assert not np.array_equal(rows, bootstrap_rows(40, classes, 1))


def test_the_bootstrap_draws_all_rows_alike():
    drawn = np.bincount(np.concatenate([bootstrap_rows(5, None, i) for i in range(2000)]))
    assert_array_equal(np.abs(drawn - 2000) < 150, True)


def test_halves_of_folds_hold_out_each_row_once():
    data = Data(np.zeros((20, 1)), np.arange(20.0))
    folds = make_folds(4, data, False, {})
    halves = halved(folds)
    assert [half.number for half in halves] == list(range(8))
    for number, half in enumerate(halves):
        assert set(half.held_out) < set(folds[number // 2].held_out)
        assert_array_equal(np.sort(np.r_[half.train, half.held_out]), np.arange(20))
    assert_array_equal(np.sort(np.concatenate([h.held_out for h in halves])), np.arange(20))


def test_classes_of_several_outputs_need_not_be_comparable():
    y = np.array([[number, "abc"[number]] for number in Y], dtype=object)
    folds = make_folds(3, Data(X, y), True, {})
    assert_array_equal(folds[0].held_out, np.arange(4))
