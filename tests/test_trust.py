"""What skops is told to trust, for all estimators; tests/test_persistence.py has components."""

import importlib

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknn_opt
from sknn_opt import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    trusted_types,
)
from sknn_opt.activations import Activation
from sknn_opt.compression import distill, quantize
from sknn_opt.initializers import FromEstimator
from sknn_opt.losses import Loss

sio = pytest.importorskip("skops.io")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.default_rng(0)
N = 120
X = random.normal(size=(N, 3))
Y = np.digitize(X[:, 0], [-0.5, 0.5])
FRAME = pd.DataFrame(
    {
        "size": X[:, 0],
        "town": random.choice(["Oslo", "Rome", None], N),
        "street": random.choice([f"street {i}" for i in range(20)], N),
        "opened": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(N), "D"),
    }
)
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}


def estimators():
    network = MLPClassifier(**SMALL).fit(X, Y)
    pipeline = make_pipeline(StandardScaler(), network).fit(X, Y)
    student = MLPClassifier(**SMALL, initializer=FromEstimator(network))
    yield student.fit(X, Y), X
    yield MLPClassifier(**SMALL, targets="multioutput").fit(X, np.column_stack([Y, Y])), X
    yield MLPClassifier(**SMALL).fit(X, np.eye(3, dtype=int)[Y]), X
    yield MLPRegressor(**SMALL, scale_targets=True).fit(X, X), X
    yield pipeline, X
    yield quantize(pipeline), X
    yield quantize(MLPRegressor(**SMALL).fit(X, Y)), X
    yield distill(MLPClassifier(**SMALL), network, X, Y), X
    yield MLPEnsembleClassifier(MLPClassifier(**SMALL), 2, cv=2, calibrate=True).fit(X, Y), X
    yield MLPEnsembleRegressor(MLPRegressor(**SMALL), 2).fit(X, Y), X
    yield TabularMLPClassifier(n_folds=2, max_time=5, random_state=0).fit(FRAME, Y), FRAME
    yield TabularMLPRegressor(n_folds=2, max_time=5, random_state=0).fit(FRAME, Y), FRAME


def test_estimators_are_loaded():
    for estimator, features in estimators():
        loaded = sio.loads(sio.dumps(estimator), trusted=trusted_types())
        np.testing.assert_array_equal(loaded.predict(features), estimator.predict(features))


def plus(z):
    return z + 1.0


def one(z):
    return 1.0 + 0.0 * z


def difference(y, prediction):
    return prediction - y


def test_functions_of_the_user_are_not_trusted():
    own = MLPRegressor(
        **SMALL,
        activation=Activation.from_functions(plus, one),
        loss=Loss.from_functions(difference, difference),
    )
    untrusted = set(sio.get_untrusted_types(data=sio.dumps(own)))
    assert untrusted - set(trusted_types()) == {
        f"{__name__}.{function.__name__}" for function in (plus, one, difference)
    }


def test_names_are_those_of_classes():
    for name in trusted_types():
        module, _, cls = name.rpartition(".")
        if module != "sknn_opt.dask":  # which needs another library
            assert isinstance(getattr(importlib.import_module(module), cls), type)
        assert "._" not in name or not name.startswith("sknn_opt")


def test_it_is_shown_by_the_package():
    assert "trusted_types" in dir(sknn_opt)
