"""What `to_onnx` refuses, and what it knows; tests/integrations has its predictions."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from sknn_opt import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    preprocessing,
)
from sknn_opt._compiler.declarations import kernel
from sknn_opt._onnx.activations import ACTIVATIONS as CONVERTED
from sknn_opt._onnx.encoders import STEPS
from sknn_opt._onnx.estimators import graph_of
from sknn_opt._onnx.predictions import label_values
from sknn_opt.activations import ACTIVATIONS, Activation, ReLU
from sknn_opt.losses import LINK, Loss, Separable, regression
from sknn_opt.onnx import to_onnx
from sknn_opt.preprocessing import TabularEncoder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)


def fit(cls=MLPClassifier, y=Y, **changes):
    return cls(**{"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, **changes}).fit(
        X, y
    )


def test_every_activation_is_known():
    assert CONVERTED.keys() == set(ACTIVATIONS.values())


def test_every_encoder_is_known():
    assert {getattr(preprocessing, name) for name in preprocessing.__all__} <= STEPS.keys()


@pytest.mark.parametrize(
    ("y", "outputs"),
    [
        (Y, ["label", "probabilities"]),
        (np.column_stack([Y, 1 - Y]), ["label", "probabilities"]),
        (np.column_stack([Y, 2 + Y]), ["label_0", "probabilities_0", "label_1", "probabilities_1"]),
    ],
)
def test_graphs_of_committees(y, outputs):
    network = MLPClassifier((3,), max_iter=2)
    committee = MLPEnsembleClassifier(network, 2, cv=2, calibrate=True).fit(X, y)
    assert [one.name for one in graph_of(committee).outputs] == outputs


def test_graphs_of_tabular_committees():
    frame = pd.DataFrame({"size": X[:, 0], "town": np.where(Y, "Oslo", "Rome")})
    for committee in (TabularMLPClassifier, TabularMLPRegressor):
        graph = graph_of(committee(n_folds=2, max_time=2, random_state=0).fit(frame, Y))
        assert [one.name for one in graph.inputs] == ["size", "town"]


def test_functions_of_the_user_are_named():
    own = Activation.from_functions(lambda z: z, lambda z: 1.0 + 0.0 * z)
    with pytest.raises(ValueError, match=r"(?s)activation FromFunctions\(.* is one of your own"):
        to_onnx(fit(activation=own))


def test_a_class_derived_from_an_activation_is_one_of_the_users():
    class Shifted(ReLU):
        pass

    with pytest.raises(ValueError, match=r"Shifted\(\) is one of your own"):
        to_onnx(fit(activation=Shifted()))


@kernel(LINK)
def doubling_link(raw, rows, outputs):
    for i in range(rows * outputs):
        raw[i] *= 2


class Doubled(Loss):
    _forms = {"continuous": Separable(regression._huber, doubling_link)}

    def __init__(self, delta=1.0):
        self.delta = delta


def test_a_link_of_the_user_is_named():
    with pytest.raises(ValueError, match=r"The loss Doubled\(\) has a link of its own"):
        to_onnx(fit(MLPRegressor, loss=Doubled()))


def test_labels_are_whole_numbers_or_strings():
    assert label_values(np.array([True, False])).tolist() == [1, 0]
    assert label_values(np.array([2.0, 3.0])).dtype == np.int64
    assert label_values(np.array(["b", "a"])).tolist() == ["b", "a"]
    assert label_values(np.array(["b", "a"], dtype=object)).dtype == object
    with pytest.raises(ValueError, match=r"the classes are \[0\.5, 1\.5\]"):
        label_values(np.array([0.5, 1.5]))


def test_weights_that_overflow_float32_are_named():
    network = fit()
    network.coefs_[0] = network.coefs_[0] * 1e300
    with pytest.raises(ValueError, match="coefs_ holds a number too large for float32"):
        to_onnx(network)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match=r"Expected a network .* got LogisticRegression\(\)"):
        to_onnx(LogisticRegression().fit(X, Y))
    with pytest.raises(NotFittedError):
        to_onnx(MLPClassifier())


def test_steps_before_a_network_that_are_not_known_are_named():
    pipeline = make_pipeline(
        QuantileTransformer(n_quantiles=5), MLPClassifier((3,), max_iter=2)
    ).fit(X, Y)
    with pytest.raises(TypeError, match=r"no QuantileTransformer\. .* converted by skl2onnx"):
        to_onnx(pipeline)
    pipeline = make_pipeline(StandardScaler(), TabularEncoder(), MLPClassifier((3,), max_iter=2))
    with pytest.raises(TypeError, match="has to be the first step"):
        to_onnx(pipeline.fit(X, Y))


def fit_table(frames):
    """A committee of a member for each frame, as if each had been a fold."""
    members = [
        make_pipeline(TabularEncoder(), MLPRegressor((3,), max_iter=2)).fit(frame, np.arange(6.0))
        for frame in frames
    ]
    committee = MLPEnsembleRegressor(members[0], len(frames)).fit(frames[0], np.arange(6.0))
    committee.estimators_ = members
    return committee


def test_categories_that_are_the_same_in_onnx_are_refused():
    for values in (["", None], ["1", 1], [2**60, 2**60 + 1]):
        frame = pd.DataFrame({"town": pd.Series(values * 3, dtype=object).astype("category")})
        with pytest.raises(ValueError, match="'town' has categories that are the same in ONNX"):
            to_onnx(fit_table([frame]))


def test_a_column_is_of_one_kind():
    frames = [pd.DataFrame({"town": values}) for values in (["a", "b"] * 3, np.arange(6))]
    with pytest.raises(ValueError, match="'town' is categorical and numeric in different folds"):
        to_onnx(fit_table(frames))


def test_members_read_a_table_in_one_way():
    frame = pd.DataFrame({"town": ["a", "b"] * 3})
    committee = fit_table([frame, frame])
    committee.estimators_[1] = MLPRegressor((3,), max_iter=2).fit(np.eye(6)[:, :1], np.arange(6.0))
    with pytest.raises(ValueError, match="others read the whole table as numbers"):
        to_onnx(committee)


@pytest.mark.parametrize("target_opset", [0, 17.5, "17"])
def test_the_set_of_operators_is_a_number(target_opset):
    with pytest.raises(ValueError, match="'target_opset' parameter of to_onnx"):
        to_onnx(fit(), target_opset=target_opset)


def test_without_the_library_an_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "sknn_opt\[onnx\]"'):
        to_onnx(fit())
