"""scikit-learn's own tests of its multilayer perceptrons, run on ours.

The installed scikit-learn ships them. Their module is compiled here with the import of the
two classes replaced; what is left out is named below, each with its reason.
"""

import inspect

import numpy as np
import pytest
from sklearn.neural_network.tests import test_mlp

pytestmark = [
    # What scikit-learn's own configuration lets pass.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1:UserWarning"),
]

_PRIVATE = "reaches into private attributes of scikit-learn's implementation"
_LEFT_OUT = {
    "test_fit": _PRIVATE,
    "test_gradient": _PRIVATE,
    "test_learning_rate_warmstart": _PRIVATE,
    "test_adaptive_learning_rate": _PRIVATE,
    "test_n_iter_no_change": _PRIVATE,
    "test_n_iter_no_change_inf": _PRIVATE,
    "test_early_stopping_stratified": "asserts an error; ours is a plain split with a warning",
    "test_predict_proba_multilabel": "asserts log(proba) bit by bit; ours has its own test",
}


@pytest.fixture
def global_random_seed():
    return 42


def _swapped_source():
    source = inspect.getsource(test_mlp)
    theirs = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
    assert source.count(theirs) == 1
    return source.replace(theirs, "from sknn_opt import MLPClassifier, MLPRegressor")


def _collect():
    namespace = {"__name__": __name__}
    exec(compile(_swapped_source(), inspect.getsourcefile(test_mlp), "exec"), namespace)
    return {name: f for name, f in namespace.items() if name.startswith("test_")}


_collected = _collect()
globals().update({name: f for name, f in _collected.items() if name not in _LEFT_OUT})


def test_that_what_is_left_out_exists():
    assert set(_LEFT_OUT) <= set(_collected)


def test_that_the_suite_tests_our_classes():
    module = _collected["test_alpha"].__globals__["MLPClassifier"].__module__
    assert module.startswith("sknn_opt")
    assert np.isin("test_lbfgs_regression", list(_collected))
