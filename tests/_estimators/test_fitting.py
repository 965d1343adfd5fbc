"""What fit leaves behind."""

import gc
import weakref

import numpy as np
import pytest

from sknn_opt import MLPRegressor
from sknn_opt._estimators import base
from sknn_opt.optimizers import OPTIMIZERS

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
X = random.normal(size=(60, 3))
Y = X[:, 0]


@pytest.fixture
def fits(monkeypatch):
    """References to each `Fit`, which has the data, while garbage is not collected."""
    references = []

    class NotedFit(base.Fit):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            references.append(weakref.ref(self))

    monkeypatch.setattr(base, "Fit", NotedFit)
    gc.disable()
    yield references
    gc.enable()


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS])
def test_data_are_let_go_without_garbage_collection(optimizer, fits):
    MLPRegressor((3,), optimizer=optimizer, max_iter=2).fit(X, Y)
    assert [reference() for reference in fits] == [None]


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_data_are_let_go_in_whatever_way_training_is_called(call, fits):
    model = MLPRegressor((3,), early_stopping=call == "fit", averaging="ema", max_iter=2)
    getattr(model, call)(X, Y)
    assert [reference() for reference in fits] == [None]
