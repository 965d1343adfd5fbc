import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sknn_opt._estimators.targets.meaning import check_probabilities, indicators, meaning_of

HALVES = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
MEANINGS = {
    "classes": [
        [0, 1, 1],
        [0.5, 0.2, 0.9],  # no classes either, as LabelBinarizer will say
        ["a", "b", "c"],
    ],
    "multilabel": [
        [[0, 1], [1, 1]],
        [[0, 7], [7, 7]],
        [[0.0, -2.0], [-2.0, 0.0]],
        [[0, 0], [0, 0]],
        [[1, 1], [1, 1]],
        [[True, False], [True, True]],
        [[True, True], [True, True]],
        np.array([[0, 1], [1, 0]], object),
        [[1.0, 0.0], [0.0, 1.0]],
    ],
    "multioutput": [
        [[0, 1], [1, 2]],
        [[1, 2], [3, 1]],
        [[0.0, 1.0], [2.0, 1.0]],
        [[-1, 1], [0, 1]],
        [["a", "b"], ["b", "c"]],
        np.array([["a", 1], ["b", 2]], object),
        np.array([[1, 2], [3, 4]], object),
        np.array([[True, 1], [False, 2]], object),
    ],
    "probabilities": [
        [[0.25, 0.75], [1.0, 0.0]],
        HALVES,
        np.array(HALVES, np.float32),
        np.array([[1 / 3, 1 / 3, 1 / 3]] * 2, np.float16),
        np.array([[0.1, 0.2, 0.7]] * 2, np.float32).astype(float),
    ],
}


@pytest.mark.parametrize(
    ("meaning", "y"), [(meaning, y) for meaning, ys in MEANINGS.items() for y in ys], ids=str
)
def test_what_y_means(meaning, y):
    assert meaning_of(np.asarray(y), "auto") == meaning


@pytest.mark.parametrize("y", [y for y in MEANINGS["multilabel"] if not isinstance(y, np.ndarray)])
def test_sparse_labels_mean_what_dense_ones_mean(y):
    assert meaning_of(sparse.csr_array(np.array(y)), "auto") == "multilabel"


@pytest.mark.parametrize("wanted", ["multilabel", "multioutput", "probabilities"])
def test_what_is_wanted_is_not_guessed(wanted):
    for y in ([[0, 1], [1, 1]], [[0, 1], [1, 2]], HALVES):
        assert meaning_of(np.array(y), wanted) == wanted
    with pytest.raises(ValueError, match=f"targets='{wanted}' needs a y of two columns or more"):
        meaning_of(np.array([0, 1]), wanted)


@pytest.mark.parametrize(
    ("y", "listed"),
    [
        ([[1, 2], [2, 1]], "1 and 2. If 2 means"),
        ([[-1, 1], [1, 1]], "-1 and 1. If 1 means"),
        ([[2.5 * 2, -3.0], [5.0, 5.0]], "-3.0 and 5.0. If 5.0 means"),
        ([[3, 3], [3, 3]], "all 3. If 3 means"),
        ([["a", "b"], ["b", "a"]], "'a' and 'b'. If 'b' means"),
        ([["a", "a"], ["a", "a"]], "all 'a'. If 'a' means"),
    ],
)
def test_what_may_mean_two_things_is_refused(y, listed):
    words = re.escape(f"those of y are {listed} that it has, pass (y == ")
    with pytest.raises(ValueError, match=words + r".*astype\(int\).*set targets='multioutput'"):
        meaning_of(np.array(y), "auto")


BAD_PROBABILITIES = {
    "row 1 of y sums to 0.9": [[0.5, 0.5], [0.5, 0.4]],
    "row 0 of y sums to 1.001": [[0.5, 0.501], [0.5, 0.5]],
    "the smallest number in y is -0.1": [[0.5, 0.5], [1.1, -0.1]],
}


@pytest.mark.parametrize("problem", BAD_PROBABILITIES)
@pytest.mark.parametrize("wanted", ["auto", "probabilities"])
def test_fractions_that_are_no_probabilities(wanted, problem):
    y = np.array(BAD_PROBABILITIES[problem])
    with pytest.raises(ValueError, match=f"{problem}. Divide each row by its sum.*MLPRegressor"):
        check_probabilities(y) if wanted == "probabilities" else meaning_of(y, wanted)


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (sparse.csr_array(np.array(HALVES)), TypeError, "dense data is required"),
        (np.array([["a", "b"]]), ValueError, "are numbers, but y holds <U1"),
        (np.array([[0, 1], [1, 1]]), ValueError, "row 1 of y sums to 2"),
    ],
    ids=["sparse", "strings", "labels"],
)
def test_what_holds_no_probabilities(y, error, words):
    with pytest.raises(error, match=words):
        check_probabilities(y)


def test_probabilities_sum_to_1_as_float64():
    shares = np.random.default_rng(0).dirichlet(np.ones(7), 50)
    for given in (shares.astype(np.float32), shares.astype(np.float16), np.eye(7, dtype=int)):
        checked = check_probabilities(given)
        assert checked.dtype == np.float64
        np.testing.assert_allclose(checked.sum(axis=1), 1, rtol=1e-15)
        np.testing.assert_allclose(checked, given, atol=1e-3)
    np.testing.assert_array_equal(checked, np.eye(7))
    np.testing.assert_array_equal(check_probabilities(HALVES), HALVES)


def test_indicators():
    y = np.array([[0, 3, -1], [2, 0, 0]])
    expected = [[0, 1, 1], [1, 0, 0]]
    for given in (y, y.astype(float), y.tolist(), pd.DataFrame(y), y.astype(object)):
        np.testing.assert_array_equal(indicators(given), expected)
    assert (indicators(sparse.csr_array(y)).toarray() == expected).all()
    np.testing.assert_array_equal(indicators(7 * np.ones((2, 2))), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"those of y are 1, 2 and 3\."):
        indicators(np.array([[1, 2], [3, 1]]))
    with pytest.raises(ValueError, match=r"whole numbers.* y holds fractions"):
        indicators([[0.5, 0.0]])
    with pytest.raises(ValueError, match=r"whole numbers.* y holds <U1"):
        indicators([["a", "b"]])
    with pytest.raises(ValueError, match="was fitted with multilabel input"):
        indicators([0, 1])
