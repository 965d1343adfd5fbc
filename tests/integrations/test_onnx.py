"""ONNX models, run by onnxruntime, beside the estimators that they are made of."""

import runpy
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
from onnx_sessions import TOLERANCE, assert_classes, assert_close, run
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor
from sknn_opt._onnx.graph import OLDEST_OPSET
from sknn_opt.activations import ACTIVATIONS, ELU, LeakyReLU
from sknn_opt.compression import distill, prune, quantize
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Hinge, Quantile
from sknn_opt.onnx import to_onnx
from sknn_opt.preprocessing import TabularEncoder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.default_rng(0)
N = 200
X = random.normal(size=(N, 5))
LINEAR = X @ random.normal(size=(5, 3)) + 0.3 * random.normal(size=(N, 3))
NAMES = np.array(["b", "c", "a"])

SHARES = np.exp(LINEAR) / np.exp(LINEAR).sum(axis=1, keepdims=True)

#: Targets of a classifier, what they mean, and the form of a loss for them.
CLASSES = {
    "two": (LINEAR[:, 0] > 0, "auto", "binary"),
    "two names": (np.array(["no", "yes"])[(LINEAR[:, 0] > 0) * 1], "auto", "binary"),
    "three": (NAMES[LINEAR.argmax(axis=1)], "auto", "multiclass"),
    "numbers": (LINEAR.argmax(axis=1) * 1.0, "auto", "multiclass"),
    "one": (np.full(N, 7), "auto", "binary"),
    "labels": ((LINEAR > 0) * 1, "auto", "multilabel-indicator"),
    "shares": (SHARES, "probabilities", "multiclass-probabilities"),
    "shares of two": (
        np.column_stack([SHARES[:, 0], 1 - SHARES[:, 0]]),
        "probabilities",
        "binary-probabilities",
    ),
    "outputs": (
        np.column_stack([LINEAR.argmax(axis=1), LINEAR[:, 1] > 0]),
        "multioutput",
        "multiclass-multioutput",
    ),
}


def classifier(targets="three", X=X, **changes):
    y, meaning, _ = CLASSES[targets]
    return network(MLPClassifier, y, X, targets=meaning, **changes)


def regressor(y=LINEAR, X=X, **changes):
    return network(MLPRegressor, y, X, **changes)


def network(cls, y, X, **changes):
    given = {"hidden_layer_sizes": (7, 7), "learning_rate_init": 0.02, "max_iter": 20}
    return cls(**{**given, "random_state": 0, **changes}).fit(X, y)


def outputs_of(estimator, X=X, **keywords):
    return run(to_onnx(estimator, **keywords), {"X": X.astype(np.float32)})


def assert_converted(estimator, X=X, **keywords):
    outputs = outputs_of(estimator, X, **keywords)
    if isinstance(getattr(estimator, "classes_", None), list):
        for k in range(len(estimator.classes_)):
            assert_classes(outputs, estimator, X, f"_{k}", k)
    elif hasattr(estimator, "classes_"):
        assert_classes(outputs, estimator, X)
    else:
        assert_close(outputs.pop("variable"), estimator.predict(X))
    assert not outputs


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype):
    assert_converted(classifier(X=X.astype(dtype), activation=name))


def test_parameters_of_activations():
    assert_converted(classifier(activation=[ELU(alpha=0.3), LeakyReLU(slope=0.4)]))


def test_an_activation_for_each_layer():
    names = list(ACTIVATIONS)
    widths = [7] * len(names)
    assert_converted(classifier(hidden_layer_sizes=widths, activation=names, residual=True))


@pytest.mark.parametrize("normalization", ["batch", "layer", ["layer", "batch"], [None, "batch"]])
@pytest.mark.parametrize("residual", [False, True])
def test_normalizations(normalization, residual):
    assert_converted(classifier(normalization=normalization, residual=residual))
    assert_converted(regressor(normalization=normalization, residual=residual))


def test_batch_norm_is_a_part_of_the_layers():
    kinds = {node.op_type for node in to_onnx(classifier(normalization="batch")).graph.node}
    assert not {"BatchNormalization", "LayerNormalization"} & kinds


def test_no_hidden_layer():
    assert_converted(classifier(hidden_layer_sizes=()))
    assert_converted(regressor(hidden_layer_sizes=()))


def targets_of(loss):
    """The targets that a loss can learn."""
    return [name for name, (_, _, form) in CLASSES.items() if form in loss._forms]


@pytest.mark.parametrize(
    ("name", "targets"),
    [(name, one) for name, cls in CLASSIFIER_LOSSES.items() for one in targets_of(cls())],
)
def test_losses_of_classes(name, targets):
    assert_converted(classifier(targets, loss=name))


@pytest.mark.parametrize("multiclass", ["crammer_singer", "weston_watkins", "ovr"])
def test_margins_of_several_classes(multiclass):
    assert_converted(classifier(loss=Hinge(multiclass=multiclass)))


@pytest.mark.parametrize("scale_targets", [False, True])
@pytest.mark.parametrize("name", REGRESSOR_LOSSES)
def test_losses_of_regression(name, scale_targets):
    assert_converted(regressor(np.exp(LINEAR / 5), loss=name, scale_targets=scale_targets))
    assert_converted(regressor(np.exp(LINEAR[:, 0] / 5), loss=name, scale_targets=scale_targets))


@pytest.mark.parametrize("scale_targets", [False, True])
def test_quantiles_are_in_order(scale_targets):
    loss = Quantile([0.1, 0.4, 0.5, 0.9])
    fitted = regressor(LINEAR[:, 0], loss=loss, scale_targets=scale_targets, max_iter=2)
    assert np.any(np.diff(fitted._raw_outputs(X)) < 0)  # they would cross
    assert_converted(fitted)


def test_one_feature_and_one_row():
    fitted = regressor(LINEAR[:, 0], X[:, :1])
    assert_converted(fitted, X[:1, :1])


def test_names_of_features_change_nothing():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcde"))
    fitted = classifier(X=frame)
    assert_classes(outputs_of(fitted), fitted, frame)


def test_networks_that_have_learnt_from_others():
    teacher = classifier(max_iter=5)
    assert_converted(distill(MLPClassifier((4,), max_iter=5, random_state=0), teacher, X))
    assert_converted(prune(teacher, 0.5, X))


@pytest.mark.parametrize("bits", [4, 8])
def test_quantized_networks(bits):
    for fitted in (classifier(normalization="layer"), regressor(scale_targets=True)):
        assert_converted(quantize(fitted, bits))


@pytest.mark.parametrize("opset", [OLDEST_OPSET, 18, 20, 21, 22, 23])
def test_sets_of_operators(opset):
    fitted = classifier(activation=["gelu", "mish"], normalization="layer")
    assert_converted(fitted, target_opset=opset)
    assert to_onnx(fitted, target_opset=opset).opset_import[0].version == opset


@pytest.mark.parametrize("opset", [OLDEST_OPSET - 1, onnx.defs.onnx_opset_version() + 1])
def test_sets_of_operators_that_are_too_old_or_too_new(opset):
    with pytest.raises(ValueError, match=f"target_opset must be from {OLDEST_OPSET} to"):
        to_onnx(regressor(max_iter=1), target_opset=opset)


def through_skl2onnx(pipeline, X=X, options=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own
        model = skl2onnx.to_onnx(pipeline, X[:1], options=options)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("targets", ["two", "two names", "three", "numbers", "labels"])
def test_skl2onnx_converts_pipelines_that_end_in_classifiers(targets, dtype):
    data = (3 * X + 1).astype(dtype)
    y = CLASSES[targets][0]
    last = MLPClassifier((7,), "mish", normalization="layer", max_iter=20, random_state=0)
    pipeline = make_pipeline(StandardScaler(), last).fit(data, y)
    outputs = through_skl2onnx(pipeline, data, {"zipmap": False})
    assert_classes(outputs, pipeline, data)


@pytest.mark.parametrize("y", [LINEAR, LINEAR[:, 0]])
def test_skl2onnx_converts_pipelines_that_end_in_regressors(y):
    last = MLPRegressor((7,), "gelu", scale_targets=True, max_iter=20, random_state=0)
    for one in (last, quantize(last.fit(StandardScaler().fit_transform(X), y))):
        pipeline = make_pipeline(StandardScaler(), last).fit(X, y)
        pipeline.steps[-1] = ("network", one)
        assert_close(through_skl2onnx(pipeline)["variable"], pipeline.predict(X))


def test_skl2onnx_makes_dictionaries_of_probabilities():
    fitted = classifier()
    dictionaries = through_skl2onnx(fitted)["output_probability"]
    found = np.array([[one[name] for name in fitted.classes_] for one in dictionaries])
    assert_close(found, fitted.predict_proba(X))


def test_skl2onnx_converts_committees():
    member = make_pipeline(StandardScaler(), MLPClassifier((7,), max_iter=15))
    committee = MLPEnsembleClassifier(member, 2, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), committee).fit(X, CLASSES["three"][0])
    assert_classes(through_skl2onnx(pipeline, X, {"zipmap": False}), pipeline, X)


def test_skl2onnx_has_no_place_for_tables():
    member = make_pipeline(TabularEncoder(), MLPRegressor((3,), max_iter=5))
    with pytest.raises(ValueError, match="which has an input for each"):
        through_skl2onnx(MLPEnsembleRegressor(member, 1).fit(X, LINEAR[:, 0]))


def test_skl2onnx_has_no_place_for_several_outputs_of_classes():
    with pytest.raises(ValueError, match="which has outputs for each"):
        through_skl2onnx(classifier("outputs"))


def test_the_example(capsys):
    path = Path(__file__).parents[2] / "examples" / "export_to_onnx.py"
    names = runpy.run_path(str(path))
    assert names["difference"] < TOLERANCE
    assert "same classes: True" in capsys.readouterr().out
