import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import HistGradientBoostingClassifier

from sknn_opt.preprocessing import TabularEncoder
from sknn_opt.preprocessing.categories import (
    category_labels,
    encode_categories,
    frequent_categories,
    kinds_of_columns,
)

pd = pytest.importorskip("pandas")

ARRAY = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 5.0], [1.0, 1.0, 4.0]])
FRAME = pd.DataFrame(ARRAY, columns=["a", "b", "c"]).assign(b=pd.Categorical(["u", "v", "v"]))
NUMERIC, CATEGORICAL = "numeric", "categorical"


@pytest.mark.parametrize(
    ("X", "choice", "expected"),
    [
        (ARRAY, "from_dtype", [0, 0, 0]),
        (ARRAY, None, [0, 0, 0]),
        (ARRAY, [], [0, 0, 0]),
        (ARRAY, [0, 2], [1, 0, 1]),
        (ARRAY, [True, False, True], [1, 0, 1]),
        (ARRAY, np.array([False, True, False]), [0, 1, 0]),
        (FRAME, "from_dtype", [0, 1, 0]),
        (FRAME, None, [0, 0, 0]),
        (FRAME, ["c", "b"], [0, 1, 1]),
        (FRAME, np.array(["c"], dtype=object), [0, 0, 1]),
        (FRAME, (1,), [0, 1, 0]),
    ],
)
def test_which_columns_are_categorical(X, choice, expected):
    expected = [CATEGORICAL if one else NUMERIC for one in expected]
    assert kinds_of_columns(X, choice) == expected


def test_a_moment_is_no_number_unless_it_is_a_category():
    X = pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2021-01-01"]), "b": ["u", "v"]})
    assert kinds_of_columns(X, ["b"]) == ["datetime", CATEGORICAL]
    assert kinds_of_columns(X, ["a", "b"]) == [CATEGORICAL, CATEGORICAL]


@pytest.mark.parametrize(
    ("X", "choice"),
    [
        (ARRAY, [3]),
        (ARRAY, [-1]),
        (ARRAY, [0.5]),
        (ARRAY, [True, False]),
        (ARRAY, ["a"]),
        (ARRAY, [None]),
        (ARRAY, np.array([0, "a"], dtype=object)),
        (ARRAY, [b"a"]),
        (FRAME, ["d"]),
        (FRAME, [3]),
        (FRAME, np.array([True, "a"], dtype=object)),
    ],
)
def test_what_cannot_be_chosen_is_refused_as_by_gradient_boosting(X, choice):
    with pytest.raises(ValueError, match="categorical_features") as expected:
        HistGradientBoostingClassifier(categorical_features=choice).fit(X, [0, 1, 0])
    with pytest.raises(ValueError, match="categorical_features") as error:
        TabularEncoder(choice).fit(X)
    assert str(error.value) == str(expected.value)


def test_a_word_is_refused_as_by_gradient_boosting():
    messages = []
    for estimator in (HistGradientBoostingClassifier(), TabularEncoder()):
        with pytest.raises(ValueError, match="categorical_features") as error:
            estimator.set_params(categorical_features="auto").fit(ARRAY, [0, 1, 0])
        messages.append(str(error.value).replace(type(estimator).__name__, ""))
    assert messages[0] == messages[1]


def test_strings_among_what_is_not_chosen():
    X = FRAME.astype({"b": object})
    with pytest.raises(ValueError, match="could not convert string to float: 'u'") as error:
        TabularEncoder(["a"]).fit(X)
    assert "in feature 'b', which has been taken for numeric." in str(error.value)


@pytest.mark.parametrize(
    ("values", "most", "expected"),
    [
        (["b", "a", "b", "c"], 5, ["a", "b", "c"]),
        (["b", "a", "b", "c", "c"], 2, ["b", "c"]),
        (["b", "a", "c"], 2, ["a", "b"]),  # equally frequent: the first in order
        (["b", None, None], 5, ["b", None]),
        (["b", None, None, "b", "a"], 1, ["b"]),
        ([3, "a", 1, None], 5, [1, 3, "a", None]),  # of several types
        ([True, False], 5, [False, True]),
        (["a", "a"], 5, []),
        ([None, None], 5, []),
        (["a"] * 998 + ["b"], 5, ["a", "b"]),
        (["a"] * 999 + ["b"], 5, ["a"]),  # once in 1000 rows
        (list(range(1000)), 5, []),
    ],
)
def test_categories_that_get_a_column(values, most, expected):
    assert frequent_categories(values, most) == expected
    assert frequent_categories(values[::-1], most) == expected


def test_more_than_two_categories():
    categories = ["a", "b", None]
    codes = encode_categories(["b", None, "z", "a"], categories)
    assert_array_equal(codes, [[0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]])
    assert category_labels(categories) == ["a", "b", "missing"]


def test_two_categories():
    codes = encode_categories(["b", None, "z", "a"], ["a", "b"])
    assert_array_equal(codes, [[1], [0], [0], [-1]])
    assert category_labels(["a", "b"]) == ["b"]


def test_one_category_beside_others_that_are_rare():
    assert_array_equal(encode_categories(["b", None, "a"], ["a"]), [[0], [0], [1]])
    assert category_labels(["a"]) == ["a"]


def test_no_category():
    assert encode_categories(["b", "a"], []).shape == (2, 0)
    assert category_labels([]) == []
