"""Encoders and committees as ONNX models, run by onnxruntime."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from onnx_sessions import assert_classes, assert_close, run
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from sknn_opt import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_opt.compression import quantize
from sknn_opt.onnx import to_onnx
from sknn_opt.preprocessing import (
    KernelFeatures,
    PeriodicFeatures,
    PiecewiseLinearEncoder,
    RelevanceScaler,
    SmoothClipScaler,
    TabularEncoder,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.default_rng(0)
N = 200
X = random.normal(size=(N, 4)) * [1, 10, 0.1, 1] + [0, 1e5, 0, 3]
LINEAR = ((X - X.mean(axis=0)) / X.std(axis=0)) @ random.normal(size=(4, 3))
NAMES = np.array(["b", "c", "a"])[LINEAR.argmax(axis=1)]

SETTINGS = {"hidden_layer_sizes": (7,), "learning_rate_init": 0.02, "max_iter": 15}
CLASSIFIER = MLPClassifier(**SETTINGS)
REGRESSOR = MLPRegressor(**SETTINGS, scale_targets=True)


def assert_converted(estimator, inputs, X):
    """Compare a model that is run with these inputs with the estimator, which predicts for X."""
    outputs = run(to_onnx(estimator), inputs)
    if hasattr(estimator, "classes_"):
        assert_classes(outputs, estimator, X)
    else:
        assert_close(outputs.pop("variable"), estimator.predict(X))
    assert not outputs


def assert_reads_numbers(estimator, dtype=np.float64):
    assert_converted(estimator, {"X": X.astype(dtype)}, X)


STEPS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    RobustScaler(),
    MinMaxScaler((-1, 2), clip=True),
    SmoothClipScaler(),
    SmoothClipScaler(limit=1.0, with_mean=True),
    make_pipeline(SmoothClipScaler(), PeriodicFeatures(3, scale=0.3, random_state=0)),
    PiecewiseLinearEncoder(6),
    PiecewiseLinearEncoder(5, distinct_share=0.2, with_mean=True, scale=0.3),
    make_pipeline(StandardScaler(), KernelFeatures(30, random_state=0)),
    make_pipeline(StandardScaler(), KernelFeatures(30, kernel="gaussian", width=0.5)),
    RelevanceScaler(REGRESSOR, make_pipeline(StandardScaler(), PiecewiseLinearEncoder(4))),
    make_pipeline(StandardScaler(), "passthrough", RelevanceScaler(REGRESSOR)),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_steps_before_a_network(step):
    network = MLPRegressor((7,), max_iter=15, random_state=0)
    assert_reads_numbers(make_pipeline(step, network).fit(X, LINEAR[:, 0]))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cv": 3, "calibrate": True},
        {"bootstrap": True, "n_estimators": 1},
        {"cv": 2, "n_estimators": 3, "draws": {"mlpclassifier__alpha": [0.1, 30.0]}},
    ],
    ids=str,
)
def test_committees_of_classifiers(changes):
    member = make_pipeline(StandardScaler(), CLASSIFIER)
    for y in (NAMES, LINEAR[:, 0] > 0, np.full(N, 7)):
        committee = MLPEnsembleClassifier(member, **{"n_estimators": 2, **changes}, random_state=0)
        assert_reads_numbers(committee.fit(X, y))


def test_a_temperature_that_raises_what_is_hardly_there():
    committee = MLPEnsembleClassifier(CLASSIFIER, 2, random_state=0).fit(LINEAR, NAMES)
    for member in committee.estimators_:
        member.coefs_[-1] = 200 * member.coefs_[-1]
    committee.member_weights_ = np.array([0.7, 0.3])
    committee.temperature_ = 20.0
    assert_converted(committee, {"X": LINEAR.astype(np.float32)}, LINEAR.astype(np.float32))


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_committees_for_several_outputs(temperature):
    y = np.column_stack([LINEAR.argmax(axis=1), LINEAR[:, 0] > 0, np.zeros(N)])
    member = make_pipeline(StandardScaler(), clone(CLASSIFIER).set_params(targets="multioutput"))
    committee = MLPEnsembleClassifier(member, 2, random_state=0).fit(X, y)
    committee.temperature_ = temperature
    outputs = run(to_onnx(committee), {"X": X})
    assert list(outputs) == [f"{one}_{k}" for k in range(3) for one in ("label", "probabilities")]
    for k in range(3):
        assert_classes(outputs, committee, X, f"_{k}", k)


def test_committees_for_probabilities():
    shares = np.exp(LINEAR) / np.exp(LINEAR).sum(axis=1, keepdims=True)
    member = make_pipeline(StandardScaler(), clone(CLASSIFIER).set_params(targets="probabilities"))
    for y in (shares, np.column_stack([shares[:, 0], 1 - shares[:, 0]])):
        assert_reads_numbers(MLPEnsembleClassifier(member, 2, cv=2, random_state=0).fit(X, y))


def test_committees_for_several_labels():
    committee = MLPEnsembleClassifier(CLASSIFIER, 2, cv=2, calibrate=True, random_state=0)
    committee.fit(LINEAR, (LINEAR > 0) * 1)
    assert_converted(committee, {"X": LINEAR.astype(np.float32)}, LINEAR)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gaussian_nll"])
@pytest.mark.parametrize("cv", [None, 3])
def test_committees_of_regressors(loss, cv):
    member = make_pipeline(StandardScaler(), REGRESSOR.set_params(loss=loss))
    committee = MLPEnsembleRegressor(member, 2, cv=cv, random_state=0)
    assert_reads_numbers(committee.fit(X, np.exp(LINEAR / 5)))
    assert_reads_numbers(committee.fit(X, np.exp(LINEAR[:, 0] / 5)))


def test_members_that_do_not_count_are_left_out():
    member = make_pipeline(StandardScaler(), REGRESSOR)
    committee = MLPEnsembleRegressor(member, 3, cv=2, random_state=0).fit(X, LINEAR[:, 0])
    committee.member_weights_ = np.array([0.25, 0.0, 0.75])
    model = to_onnx(committee)
    assert sum(node.op_type == "Gemm" for node in model.graph.node) == 2 * 2 * 2
    assert_reads_numbers(committee)


def test_quantized_committees_and_pipelines():
    member = make_pipeline(StandardScaler(), CLASSIFIER)
    assert_reads_numbers(quantize(member.fit(X, NAMES)))
    assert_reads_numbers(quantize(MLPEnsembleClassifier(member, 2).fit(X, NAMES)))


def test_a_committee_behind_a_scaler():
    committee = MLPEnsembleClassifier(CLASSIFIER, 2, random_state=0)
    assert_reads_numbers(make_pipeline(StandardScaler(), committee).fit(X, NAMES))


def table(n=240, seed=0):
    rng = np.random.default_rng(seed)
    hours = pd.to_timedelta(rng.integers(0, 9000, n), "h")
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "town": rng.choice(["Oslo", "Rome", "Łódź", None], n),
            "street": rng.choice([f"street {i}" for i in range(30)], n),
            "letter": rng.choice(["a", "b"], n),
            "opened": pd.Timestamp("1969-01-01 12:00") + hours,
            "took": pd.to_timedelta(rng.integers(0, 400, n), "min"),
            "garden": rng.random(n) < 0.5,
            "floor": pd.Categorical(rng.integers(0, 4, n)),
            "number": rng.integers(10**6, 10**6 + 50, n),
            "same": "always",
        }
    )
    for name in ("size", "opened", "floor"):
        frame.loc[rng.random(n) < 0.1, name] = None
    y = frame["size"].fillna(0) + (frame["town"] == "Rome") + 0.1 * rng.normal(size=n)
    return frame, y.to_numpy()


FRAME, Y = table()
OTHERS, _ = table(seed=1)
OTHERS.loc[:40, ["town", "street", "letter"]] = "elsewhere"
OTHERS.loc[20:60, ["took", "number"]] = OTHERS.loc[20:60, ["took", "number"]] * 100
OTHERS["floor"] = pd.Categorical(np.where(OTHERS.index < 9, 17, OTHERS["floor"].astype(float)))


def inputs_of(frame):
    """The columns of a frame as the page on ONNX says."""
    inputs = {}
    for name in frame:
        column = frame[name]
        if pd.api.types.is_datetime64_dtype(column):
            values = column.to_numpy("datetime64[us]").astype(np.int64)
        elif pd.api.types.is_timedelta64_dtype(column):
            values = column.dt.total_seconds().to_numpy()
        elif name in ("town", "street", "letter", "same"):
            values = column.astype(object).where(column.notna(), "").to_numpy()
        else:
            values = column.astype(float).to_numpy()
        inputs[name] = values[:, np.newaxis]
    return inputs


def assert_reads_tables(estimator):
    for frame in (FRAME, OTHERS, OTHERS[:1]):
        assert_converted(estimator, inputs_of(frame), frame)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_bins": 0, "n_frequencies": 0},
        {"n_bins": 32, "n_frequencies": 6, "sigma": 2.0, "scale": 0.6, "max_columns": 60},
        {"categorical_features": ["town", "street", "letter", "same", "number", "garden"]},
        {"target_encoder": TargetEncoder(target_type="continuous"), "few_categories": 3},
        {"max_categories": 5, "dtype": "float64"},
    ],
    ids=str,
)
def test_tables(changes):
    encoder = TabularEncoder(**changes, random_state=0)
    network = MLPRegressor((7,), max_iter=15, random_state=0)
    assert_reads_tables(make_pipeline(encoder, network).fit(FRAME, Y))


def test_tables_of_one_kind_of_column():
    for names in (["town", "floor"], ["size"], ["opened"], ["took", "garden"]):
        pipeline = make_pipeline(TabularEncoder(random_state=0), MLPRegressor((3,), max_iter=5))
        pipeline.fit(FRAME[names], Y)
        inputs = inputs_of(OTHERS[names])
        assert_converted(pipeline, inputs, OTHERS[names])


@pytest.mark.parametrize("estimator", [TabularMLPClassifier, TabularMLPRegressor])
def test_tabular_committees(estimator):
    y = Y if estimator is TabularMLPRegressor else np.digitize(Y, [0, 1])
    committee = estimator(n_folds=2, random_state=0).fit(FRAME, y)
    # All count, whatever they are worth.
    weights = committee.member_weights_
    committee.member_weights_ = np.full_like(weights, 1 / len(weights))
    assert_reads_tables(committee)
    names = [one.name for one in to_onnx(committee).graph.input]
    assert names == list(FRAME.columns)


def test_targets_are_bounded_by_those_seen():
    members = [("one", make_pipeline(TabularEncoder(random_state=0), REGRESSOR))]
    committee = TabularMLPRegressor(members, n_folds=2, random_state=0).fit(FRAME, Y)
    committee._bounds = np.array([-0.3]), np.array([0.3])
    assert np.any(committee.predict(OTHERS) == 0.3)
    assert_reads_tables(committee)


def test_tables_without_names():
    array = np.column_stack([FRAME["size"], FRAME["number"]])
    fitted = make_pipeline(TabularEncoder(random_state=0), REGRESSOR).fit(array, Y)
    assert_converted(fitted, {"x0": array[:, :1], "x1": array[:, 1:]}, array)


def test_frames_of_polars():
    frame = pl.from_pandas(FRAME.drop(columns="floor"))
    fitted = make_pipeline(TabularEncoder(random_state=0), REGRESSOR).fit(frame, Y)
    assert_converted(fitted, inputs_of(FRAME.drop(columns="floor")), frame)


def test_an_output_gives_way_to_a_column_of_its_name():
    frame = FRAME[["size", "town"]].rename(columns={"town": "label"})
    model = to_onnx(make_pipeline(TabularEncoder(), CLASSIFIER).fit(frame, Y > 0))
    assert [one.name for one in model.graph.input] == ["size", "label"]
    assert [one.name for one in model.graph.output] == ["label_2", "probabilities"]
