import numpy as np
import pytest
from sklearn.preprocessing import LabelBinarizer

from sknn_opt._estimators.targets.classes import _binarizer_of


@pytest.mark.parametrize(
    "labels",
    [[0, 1], [3, 1, 2], [5], [True, False], np.array([1, 2, 3], np.uint8), ["a", "b", "a"], [1.0]],
    ids=str,
)
def test_a_binarizer_is_what_scikit_learn_fits(labels):
    labels = np.asarray(labels)
    ours, theirs = vars(_binarizer_of(labels)), vars(LabelBinarizer().fit(labels))
    assert ours.keys() == theirs.keys()
    assert ours["classes_"].dtype == theirs["classes_"].dtype
    np.testing.assert_array_equal(ours.pop("classes_"), theirs.pop("classes_"))
    assert ours == theirs
