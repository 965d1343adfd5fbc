"""Quantized networks against networks whose weights were rounded in NumPy."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sknn_opt import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    TabularMLPRegressor,
)
from sknn_opt._network.layout import PARAMETERS
from sknn_opt.compression import (
    QuantizedMLPClassifier,
    QuantizedMLPRegressor,
    prune,
    quantize,
)
from sknn_opt.compression.quantization import _pack, _unpack
from sknn_opt.initializers import FromEstimator
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Quantile
from sknn_opt.preprocessing import TabularEncoder

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
N = 60
X = random.normal(size=(N, 5))
CLASSES = np.array(["a", "b", "c"])[X[:, :3].argmax(axis=1)]
NUMBERS = np.exp(0.3 * X[:, 0]) + 0.1
SMALL = {"hidden_layer_sizes": (7, 5), "max_iter": 5, "batch_size": 20, "random_state": 0}
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]

both = pytest.mark.parametrize("bits", [4, 8])


def fitted(cls=MLPRegressor, y=None, **parameters):
    model = cls(**{**SMALL, **parameters})
    if y is None:
        y = CLASSES if is_classifier(model) else NUMBERS
    return model.fit(X, y)


def rounded(model, bits):
    """A network of float32 with weights that are multiples of a scale for each unit."""
    model = copy.deepcopy(model)
    for name in PARAMETERS:
        arrays = [array.astype(np.float32) for array in getattr(model, f"{name}_")]
        setattr(model, f"{name}_", arrays)
    for i, coefs in enumerate(model.coefs_):
        scale = np.abs(coefs).max(axis=0) / np.float32(2 ** (bits - 1) - 1)
        model.coefs_[i] = (np.round(coefs / scale) * scale).astype(np.float32)
    return model


def assert_predicts_as(quantized, model, X=X):
    for method in METHODS:
        assert hasattr(quantized, method) == hasattr(model, method)
        if hasattr(model, method):
            assert_array_equal(getattr(quantized, method)(X), getattr(model, method)(X))


MODELS = [(MLPClassifier, {"loss": loss}) for loss in CLASSIFIER_LOSSES]
MODELS += [(MLPRegressor, {"loss": loss}) for loss in REGRESSOR_LOSSES]
MODELS += [(MLPRegressor, {"loss": Quantile([0.1, 0.9])}), (MLPRegressor, {"dtype": "float32"})]
MODELS += [(MLPClassifier, {"normalization": name}) for name in ("batch", "layer")]
MODELS += [(MLPClassifier, {"residual": True, "hidden_layer_sizes": (5, 5)})]
MODELS += [(MLPRegressor, {"hidden_layer_sizes": ()}), (MLPRegressor, {"scale_targets": True})]


@both
@pytest.mark.parametrize(("cls", "parameters"), MODELS, ids=str)
def test_predictions_are_those_of_rounded_weights(cls, parameters, bits):
    model = fitted(cls, **parameters)
    quantized = quantize(model, bits)
    expected = rounded(model, bits)
    assert_predicts_as(quantized, expected)
    y = CLASSES if is_classifier(model) else NUMBERS
    assert quantized.score(X, y, np.arange(N)) == expected.score(X, y, np.arange(N))
    assert_predicts_as(pickle.loads(pickle.dumps(quantized)), expected)


@both
@pytest.mark.parametrize(
    "y", [CLASSES == "a", np.full(N, "a"), X > 0, sparse.csr_array((X > 0).astype(int))]
)
def test_targets_of_every_kind(y, bits):
    model = fitted(MLPClassifier, y)
    mine, theirs = quantize(model, bits).predict(X), rounded(model, bits).predict(X)
    assert type(mine) is type(theirs)
    dense = getattr(mine, "toarray", lambda: mine), getattr(theirs, "toarray", lambda: theirs)
    assert_array_equal(*(one() for one in dense))


def test_standard_deviations():
    model = fitted(loss="gaussian_nll")
    mine, theirs = (m.predict(X, return_std=True) for m in (quantize(model), rounded(model, 8)))
    assert_array_equal(mine, theirs)
    with pytest.raises(ValueError, match="the network has learnt none"):
        quantize(fitted()).predict(X, return_std=True)


@both
def test_weights_are_integers_with_a_scale_for_each_unit(bits):
    model = fitted()
    model.coefs_[0][:, 2] = 0.0
    quantized = quantize(model, bits)
    for i, coefs in enumerate(model.coefs_):
        codes, scales = quantized.coefs_[i], quantized.scales_[i]
        assert codes.dtype == np.int8
        assert codes.shape == coefs.shape
        assert scales.shape == coefs.shape[1:]
        assert np.abs(codes).max() == 2 ** (bits - 1) - 1
        assert (np.abs(codes * scales - coefs) <= 0.5 * scales + 1e-6).all()
    assert not quantized.coefs_[0][:, 2].any()
    assert quantized.bits_ == bits


@pytest.mark.parametrize("shape", [(3, 5), (4, 2), (1, 1), (0, 3)])
def test_integers_of_4_bits_are_packed_in_pairs(shape):
    codes = random.integers(-7, 8, size=shape).astype(np.int8)
    packed = _pack(codes, 4)
    assert packed.nbytes == -(-codes.size // 2)
    assert_array_equal(_unpack(packed, shape, 4), codes)


def test_pickles_are_an_eighth_as_large_and_as_good():
    digits, label = load_digits(return_X_y=True)
    network = MLPClassifier((256, 256), max_iter=20, random_state=0)
    network.fit(digits[::2] / 16, label[::2])
    size = len(pickle.dumps(network))
    assert len(pickle.dumps(quantize(network))) < 0.14 * size
    assert len(pickle.dumps(quantize(network, 4))) < 0.08 * size
    accuracy = network.score(digits[1::2] / 16, label[1::2])
    assert quantize(network).score(digits[1::2] / 16, label[1::2]) > accuracy - 0.005
    assert quantize(network, 4).score(digits[1::2] / 16, label[1::2]) > accuracy - 0.02


def test_pickles_hold_no_other_network():
    model = fitted()
    again = fitted(initializer=FromEstimator(model))
    assert len(pickle.dumps(quantize(again))) < len(pickle.dumps(quantize(model))) + 100


def test_the_network_stays_as_it_is():
    model = fitted(MLPClassifier)
    before = pickle.dumps(model)
    quantized = quantize(model)
    expected = quantized.predict_proba(X)
    model.coefs_[0][:] = 0.0
    model.classes_[:] = "z"
    assert_array_equal(quantized.predict_proba(X), expected)
    assert "z" not in quantized.classes_
    assert_array_equal(quantize(pickle.loads(before)).predict_proba(X), expected)


def test_it_reads_what_the_network_reads():
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcde"))
    model = MLPClassifier(**SMALL).fit(frame, CLASSES)
    quantized = quantize(model)
    assert_array_equal(quantized.feature_names_in_, list("abcde"))
    assert quantized.n_features_in_ == 5
    assert_array_equal(quantized.predict(frame), rounded(model, 8).predict(frame))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        quantized.predict(X)
    rows = sparse.csr_matrix(X)
    plain = fitted(MLPClassifier)
    assert_array_equal(quantize(plain).predict(rows), rounded(plain, 8).predict(rows))
    with pytest.raises(ValueError, match="expecting 5 features"):
        quantize(plain).predict(X[:, :3])


def test_scikit_learn_knows_what_it_is():
    for cls, network in (
        (QuantizedMLPClassifier, MLPClassifier),
        (QuantizedMLPRegressor, MLPRegressor),
    ):
        quantized = quantize(fitted(network))
        assert type(quantized) is cls
        tags, of_network = get_tags(quantized), get_tags(network())
        assert tags.input_tags == of_network.input_tags
        assert tags.estimator_type == of_network.estimator_type
        assert repr(quantized) == f"{cls.__name__}()"
        with pytest.raises(TypeError, match="cannot be trained"):
            quantized.fit(X, NUMBERS)
        for unfitted in (cls(), clone(quantized)):
            with pytest.raises(NotFittedError):
                unfitted.predict(X)
            with pytest.raises(NotFittedError):
                unfitted.coefs_  # noqa: B018


def test_pipelines():
    model = make_pipeline(StandardScaler(), MLPClassifier(**SMALL)).fit(X, CLASSES)
    quantized = quantize(model)
    assert type(quantized[-1]) is QuantizedMLPClassifier
    assert_array_equal(quantized.classes_, model.classes_)
    assert_predicts_as(quantized, make_pipeline(model[0], rounded(model[-1], 8)))
    assert quantized.score(X, CLASSES) > 0


@pytest.mark.parametrize("y", [CLASSES, X > 0], ids=["classes", "labels"])
def test_committees_of_classifiers(y):
    network = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    model = MLPEnsembleClassifier(network, 2, cv=3, calibrate=True, random_state=0).fit(X, y)
    expected = copy.copy(model)
    expected.estimators_ = [make_pipeline(p[0], rounded(p[1], 8)) for p in model.estimators_]
    quantized = pickle.loads(pickle.dumps(quantize(model)))
    assert_array_equal(quantized.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(quantized.predict(X), expected.predict(X))
    assert quantized.score(X, y) == expected.score(X, y)
    assert hasattr(model, "oof_score_")


@pytest.mark.parametrize("loss", ["squared_error", "gaussian_nll", Quantile([0.2, 0.8])], ids=str)
def test_committees_of_regressors(loss):
    model = MLPEnsembleRegressor(MLPRegressor(**SMALL, loss=loss), 2, cv=3).fit(X, NUMBERS)
    expected = copy.copy(model)
    expected.estimators_ = [rounded(network, 8) for network in model.estimators_]
    quantized = quantize(model)
    return_std = not isinstance(loss, Quantile)
    mine, theirs = (m.predict(X, return_std=return_std) for m in (quantized, expected))
    assert_array_equal(mine, theirs)
    assert_allclose(quantized.score(X, NUMBERS), expected.score(X, NUMBERS))


def test_tabular_committees_give_no_intervals_that_were_another_ones():
    table = np.column_stack([X, CLASSES]).astype(object)
    pipeline = make_pipeline(TabularEncoder(random_state=0), MLPRegressor(**SMALL))
    model = TabularMLPRegressor([("one", pipeline)], n_folds=2, random_state=0)
    model.fit(table, NUMBERS)
    for smaller in (quantize(model), prune(model, 0.5), prune(model, 0.5, table, NUMBERS)):
        assert type(smaller) is TabularMLPRegressor
        assert smaller.predict(table).shape == (N,)
        with pytest.raises(ValueError, match="rows that members have not seen"):
            smaller.predict_interval(table)
    assert model.predict_interval(table).shape == (N, 2)
    assert_allclose(quantize(model).predict(table), model.predict(table), atol=0.05)


def test_what_cannot_be_quantized():
    with pytest.raises(TypeError, match="Expected an MLPClassifier or MLPRegressor"):
        quantize(StandardScaler())
    with pytest.raises(TypeError, match="QuantizedMLPRegressor"):
        prune(quantize(fitted()), 0.5)
    with pytest.raises(NotFittedError):
        quantize(MLPRegressor())
    for bits in (1, 16, 8.0, "8"):
        with pytest.raises(ValueError, match="bits must be 4 or 8"):
            quantize(fitted(), bits)
    model = fitted()
    model.coefs_[0][0, 0] = 1e300
    with pytest.raises(ValueError, match="coefs_ holds a number too large for float32"):
        quantize(model)
