"""Bad input: an error that helps, before training, that leaves the estimator as it was."""

import inspect
import pickle
import re
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest
import sklearn.neural_network as theirs
from broken_sparse import BROKEN_SPARSE
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score, make_scorer, precision_score
from sklearn.utils._param_validation import InvalidParameterError

from sknn_opt import GrowingBatch, MLPClassifier, MLPRegressor, inspection
from sknn_opt._estimators import fitting
from sknn_opt._training.progress import Progress
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.initializers import INITIALIZERS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Hinge, LogLoss
from sknn_opt.normalizations import NORMALIZATIONS, BatchNorm
from sknn_opt.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, FirstOrder
from sknn_opt.schedules import SCHEDULES, Adaptive, Constant, Cosine, InvScaling

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N = 30
_rng = np.random.RandomState(0)
X = _rng.normal(size=(N, 4))
_linear = X @ _rng.normal(size=(4, 3))
Y = {
    "classifier": (_linear[:, 0] > 0).astype(int),
    "multilabel": (_linear > 0).astype(int),
    "regressor": _linear[:, 0],
}
#: One of each kind; what is each optimizer's own is tested in test_optimizers.
CORE = ["sgd", "adam", "lbfgs"]
FIRST_ORDER = [name for name in CORE if issubclass(OPTIMIZERS[name], FirstOrder)]
FULL_BATCH = [name for name in OPTIMIZERS if not issubclass(OPTIMIZERS[name], FirstOrder)]
SCIKIT_LEARN_SCHEDULES = {"constant", "invscaling", "adaptive"}
KINDS = ["classifier", "regressor"]
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 3, "random_state": 0}


def make(kind, module=None, **params):
    name = "MLPRegressor" if kind == "regressor" else "MLPClassifier"
    cls = globals()[name] if module is None else getattr(module, name)
    return cls(**{**SMALL, **params})


@pytest.fixture(scope="module")
def fitted():
    """A function that returns a fitted estimator, ours or scikit-learn's."""
    modules = (None, theirs)
    models = {(kind, m): make(kind, m).fit(X, Y[kind]) for kind in Y for m in modules}
    return lambda kind, module=None: deepcopy(models[kind, module])


@pytest.fixture(params=[False, True], ids=["unfitted", "fitted"])
def prepare(request, fitted):
    """A function that returns an estimator, new or fitted before."""
    new = fitted if request.param else make
    return lambda kind, **params: new(kind).set_params(**params)


@pytest.fixture
def no_training(monkeypatch):
    def begin(*args, **kwargs):
        raise AssertionError("training began")

    monkeypatch.setattr(fitting, "MiniBatchTrainer", begin)
    monkeypatch.setattr(fitting, "FullBatchTrainer", begin)


@contextmanager
def unchanged(model):
    """Check that the same attributes hold the same objects, with the same content."""
    before, content = dict(vars(model)), pickle.dumps(model)
    yield
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    assert pickle.dumps(model) == content


def message(error, function, *args, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return str(caught.value)


# -- data --------------------------------------------------------------------------------


def _with(array, value):
    array = np.array(array, np.result_type(array, value))
    array.flat[3] = value
    return array


BAD_X = {
    "NaN": _with(X, np.nan),
    "infinity": _with(X, np.inf),
    "minus infinity": _with(X, -np.inf).astype(np.float32),
    "NaN in CSR": sparse.csr_array(_with(X, np.nan)),
    "infinity in CSC": sparse.csc_array(_with(X, np.inf)),
    "missing in a frame": pd.DataFrame(_with(X, np.nan)),
    "no rows": X[:0],
    "no columns": X[:, :0],
    "1-D": X[:, 0],
    "0-D": 1.0,
    "3-D": X[:, :, np.newaxis],
    "other length": X[:-1],
    "other length, CSR": sparse.csr_array(X[:-1]),
    "text": np.full(X.shape, "a"),
    "complex": X * 1j,
    "objects": np.full(X.shape, {}, object),
    "None": None,
}

BAD_Y = {
    "other length": lambda y: y[:-1],
    "no rows": lambda y: y[:0],
    "None": lambda y: None,
    "NaN": lambda y: _with(y, np.nan),
    "infinity": lambda y: _with(y, np.inf),
    "3-D": lambda y: y.reshape(N, 1, 1),
    "0-D": lambda y: 1.0,
    "complex": lambda y: y * 1j,
    "text in numbers": lambda y: np.array([*y[:-1], "a"], object),
}

BAD_WEIGHTS = {
    "other length": np.ones(N - 1),
    "2-D": np.ones((N, 1)),
    "NaN": _with(np.ones(N), np.nan),
    "infinity": _with(np.ones(N), np.inf),
    "all zero": np.zeros(N),
    "text": np.full(N, "a"),
}


def _in_the_words_of_scikit_learn(prepare, kind, *data):
    expected = message((ValueError, TypeError), make(kind, theirs).fit, *data)
    model = prepare(kind)
    with unchanged(model):
        assert message((ValueError, TypeError), model.fit, *data) == expected


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("kind", KINDS)
class TestData:
    @pytest.mark.parametrize("case", BAD_X)
    def test_x(self, case, kind, prepare):
        _in_the_words_of_scikit_learn(prepare, kind, BAD_X[case], Y[kind])

    @pytest.mark.parametrize("case", BAD_Y)
    def test_y(self, case, kind, prepare):
        _in_the_words_of_scikit_learn(prepare, kind, X, BAD_Y[case](Y[kind]))

    @pytest.mark.parametrize("case", BAD_WEIGHTS)
    def test_weights(self, case, kind, prepare):
        _in_the_words_of_scikit_learn(prepare, kind, X, Y[kind], BAD_WEIGHTS[case])

    @pytest.mark.parametrize("optimizer", CORE)
    def test_negative_weights(self, optimizer, kind, prepare):
        model = prepare(kind, optimizer=optimizer)
        with unchanged(model), pytest.raises(ValueError, match=r"Negative values in .*weight"):
            model.fit(X, Y[kind], _with(np.ones(N), -1e-9))

    @pytest.mark.filterwarnings("ignore:overflow encountered in cast")
    def test_numbers_too_large_for_float32(self, kind, prepare):
        model = prepare(kind, dtype="float32")
        with unchanged(model), pytest.raises(ValueError, match=r"too large for dtype.*float32"):
            model.fit(_with(X, 1e300), Y[kind])

    @pytest.mark.parametrize("fraction", [0.0, 0.01, 0.99])
    def test_validation_fraction_without_rows(self, fraction, kind, prepare):
        params = {"early_stopping": True, "validation_fraction": fraction}
        expected = message(ValueError, make(kind, theirs, **params).fit, X, Y[kind])
        model = prepare(kind, **params)
        with unchanged(model):
            assert message(ValueError, model.fit, X, Y[kind]) == expected


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    "y",
    [_linear[:, 0], np.full(N, {}, object)],
    ids=["continuous", "objects"],
)
def test_targets_that_are_no_classes(y, prepare):
    _in_the_words_of_scikit_learn(prepare, "classifier", X, y)


def _fed(model, X, y, way):
    """Give a classifier ``y`` in one of the ways that there are."""
    if way == "fit":
        model.fit(X, y)
    elif way == "partial_fit":
        classes = getattr(model, "classes_", [0, 1] if np.ndim(y) == 1 else range(3))
        model.partial_fit(X, y, classes=classes)
    elif way == "classes":
        model.partial_fit(X, Y["classifier"], classes=y[:2])
    elif way == "y_val":
        model.fit(X, Y["classifier" if np.ndim(y) == 1 else "multilabel"], X_val=X, y_val=y)
    else:
        model.score(X, y)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("values", [(-1, 1), (1, 2), (-2.0, 5.0)], ids=str)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.coo_matrix])
@pytest.mark.parametrize("way", ["fit", "partial_fit", "y_val", "score"])
def test_labels_of_two_values_and_no_0(values, container, way, fitted, prepare):
    y = container(np.where(Y["multilabel"], values[1], values[0]))
    model = fitted("multilabel") if way == "score" else prepare("multilabel")
    words = re.escape(f"those of y are {values[0]} and {values[1]}.") + ".*astype"
    with unchanged(model), pytest.raises(ValueError, match=words):
        _fed(model, X, y, way)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("way", ["fit", "partial_fit", "classes", "y_val"])
@pytest.mark.parametrize(
    "container", [list, partial(pd.Series, dtype=object), partial(np.array, dtype=object)]
)
def test_none_is_no_class(way, container, prepare):
    model = prepare("classifier")
    with unchanged(model), pytest.raises(ValueError, match=r"Input \w+ contains None.*'missing'"):
        _fed(model, X, container(["a", None] * (N // 2)), way)


@pytest.mark.usefixtures("no_training")
def test_targets_too_large_for_float32(prepare):
    y = _with(Y["regressor"], 1e300)
    model = prepare("regressor", dtype="float32")
    for held_out in ({}, {"X_val": X, "y_val": y}):
        with unchanged(model), pytest.raises(ValueError, match=r"Input y .*too large.*float32"):
            model.fit(X, Y["regressor"] if held_out else y, **held_out)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("regressor", {"scoring": "accuracy"}),
        ("regressor", {"scoring": "roc_auc"}),
        ("regressor", {"scoring": "neg_log_loss"}),
        ("regressor", {"scoring": make_scorer(f1_score)}),
        ("classifier", {"scoring": "neg_log_loss", "loss": "hinge"}),
        ("three classes", {"scoring": "f1"}),
        ("three classes", {"scoring": make_scorer(precision_score)}),
    ],
    ids=str,
)
@pytest.mark.parametrize("own", [False, True])
def test_scorers_that_cannot_score(kind, params, own, prepare):
    y = np.arange(N) % 3 if kind == "three classes" else Y[kind]
    model = prepare("classifier" if kind == "three classes" else kind, **params)
    model.set_params(early_stopping=not own, warm_start=False)
    words = r"scoring=.* cannot score this MLP\w+\. Choose a scorer.* raised \w+Error: \w"
    with unchanged(model), pytest.raises(ValueError, match=words):
        model.fit(X, y, **({"X_val": X, "y_val": y} if own else {}))


@pytest.mark.usefixtures("no_training")
def test_poisson_needs_targets_that_are_not_negative(prepare):
    model = prepare("regressor", loss="poisson")
    with unchanged(model), pytest.raises(ValueError, match=r"'poisson'.*non-negative"):
        model.fit(X, _with(np.ones(N), -1e-9))


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("kind", "class_weight", "words"),
    [
        ("classifier", "uniform", "'class_weight' parameter of MLPClassifier.*'balanced'"),
        ("classifier", 2.0, "'class_weight' parameter of MLPClassifier.*'balanced'"),
        ("classifier", {0: 1.0, 7: 1.0}, "classes.*1.*not in class_weight"),
        ("classifier", {0: 1.0, 1: -1.0}, "non-negative numbers, got .*-1.0"),
        ("classifier", {0: 1.0, 1: np.nan}, "finite.*nan"),
        ("classifier", {0: 0.0, 1: 0.0}, "rows to train on have no weight"),
        ("classifier", [{0: 1.0, 1: 2.0}], "not in class_weight"),
        ("multilabel", {0: 1.0, 1: 2.0}, "class_weight should be a list of dicts.*'balanced'"),
        ("multilabel", [{0: 1.0, 1: 2.0}], "1 element.*3 outputs"),
        ("multilabel", [{0: -1.0, 1: 1.0}] * 3, "non-negative numbers, got .*-1.0"),
        ("multilabel", [{0: 1.0, 255: 1.0}] * 3, "classes.*1.*not in class_weight"),
    ],
    ids=str,
)
def test_class_weight(kind, class_weight, words, prepare):
    model = prepare(kind, class_weight=class_weight)
    with unchanged(model), pytest.raises(ValueError, match=words):
        model.fit(X, Y[kind])


#: Float type and a weight that is subnormal in it.
SUBNORMAL = [("float64", 1e-310), ("float32", np.exp(-90))]
subnormal = pytest.mark.parametrize(("dtype", "weight"), SUBNORMAL)


PLACES_OF_WEIGHTS = ["sample_weight", "class_weight", "both", "sample_weight_val"]


def _assert_same_training(models):
    one, other = models
    assert np.isfinite(one.loss_)
    for name in ("loss", "validation_loss", "validation_score"):
        np.testing.assert_array_equal(one.history_.get(name), other.history_.get(name))
    for a, b in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


@subnormal
@pytest.mark.parametrize(
    ("optimizer", "incremental", "place"),
    [
        *product(CORE, [False], ["balanced", *PLACES_OF_WEIGHTS]),
        *product(FIRST_ORDER, [True], PLACES_OF_WEIGHTS),
    ],
)
def test_subnormal_weights_count_as_zero(optimizer, incremental, place, dtype, weight):
    models = []
    for small in (weight, 0.0):
        model = make("classifier", optimizer=optimizer, dtype=dtype, batch_size=7)
        weights, data = np.ones(N), {"X_val": X, "y_val": Y["classifier"]}
        if place == "class_weight":
            model.set_params(class_weight={0: small, 1: 1.0})
        elif place == "both":  # of which the product alone is subnormal
            weights[Y["classifier"] == 0] = small**0.5
            model.set_params(class_weight={0: small**0.5, 1: 1.0})
        elif place == "sample_weight":
            weights[:10] = small
        elif place == "balanced":
            weights[Y["classifier"] == 0] = small
            model.set_params(class_weight="balanced")
        else:
            data["sample_weight_val"] = np.where(np.arange(N) < 10, small, 1.0)
        if incremental:
            data["classes"] = [0, 1]
        fit = model.partial_fit if incremental else model.fit
        models.append(fit(X, Y["classifier"], weights, **data))
    _assert_same_training(models)


@pytest.mark.usefixtures("no_training")
@subnormal
@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_all_subnormal(kind, optimizer, dtype, weight):
    expected = message(ValueError, make(kind, theirs).fit, X, Y[kind], np.zeros(N))
    model = make(kind, optimizer=optimizer, dtype=dtype)
    with unchanged(model):
        assert message(ValueError, model.fit, X, Y[kind], np.full(N, weight)) == expected
    data = {"X_val": X, "y_val": Y[kind], "sample_weight_val": np.full(N, weight)}
    words = f"sample_weight_val: {expected}"
    assert message(ValueError, lambda: model.fit(X, Y[kind], **data)) == words


@pytest.mark.usefixtures("no_training")
@subnormal
def test_class_weights_that_are_all_subnormal(dtype, weight):
    model = make("classifier", dtype=dtype, class_weight={0: weight, 1: weight})
    with unchanged(model), pytest.raises(ValueError, match="rows to train on have no weight"):
        model.fit(X, Y["classifier"])


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, "heavy", None], ids=str)
@pytest.mark.parametrize("kind", ["classifier", "multilabel"])
def test_class_weight_of_a_class_that_a_batch_lacks(bad, kind, prepare):
    rows = Y["classifier"] == 0
    class_weight = {0: 1.0, 1: bad} if kind == "classifier" else [{0: 1.0, 1: bad}] * 3
    model = prepare(kind, class_weight=class_weight)
    classes = np.unique(Y[kind]) if kind == "classifier" else range(3)
    with unchanged(model), pytest.raises(ValueError, match=rf"non-negative numbers, got .*{bad}"):
        model.partial_fit(X[rows], Y[kind][rows], classes=classes)


@pytest.mark.usefixtures("no_training")
def test_class_weight_too_large_for_float32(prepare):
    model = prepare("classifier", class_weight={0: 1.0, 1: 1e300}, dtype="float32")
    with unchanged(model), pytest.raises(ValueError, match=r"class_weight.*too large.*float32"):
        model.fit(X, Y["classifier"])


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("optimizer", CORE)
def test_weights_that_are_zero_for_all_rows_of_training(optimizer, prepare):
    weight = (Y["classifier"] == 0).astype(float)
    model = prepare("classifier", class_weight={0: 0.0, 1: 1.0}, optimizer=optimizer)
    with unchanged(model), pytest.raises(ValueError, match="rows to train on have no weight"):
        model.fit(X, Y["classifier"], weight)


# -- parameters --------------------------------------------------------------------------

BAD_PARAMETERS = {
    "hidden_layer_sizes": [0, -1, 2.5, "5", None, (5, 0), (-2,), (2.5,), [[3]], ("a",)],
    "activation": [None, 1, ["relu", "tanh"], [1], ACTIVATIONS["relu"]],
    "initializer": [None, 1, SGD()],
    "input_noise": [-0.1, "0.1", None, np.inf],
    "mixup": [-0.1, "0.1", None, np.inf],
    "trainable": [
        True,
        1.0,
        "all",
        [True],
        [True] * 9,
        [-1, 1],
        [np.nan, 1],
        [1, np.inf],
        ["a", 1],
        [None, 1],
        [[1], [1]],
        np.ones((2, 2)),
        [10**400, 1],
        [1j, 1],
    ],
    "dropout": [-0.1, 1.0, None, "half", [0.1, 0.2], [1.0], ["half"]],
    "input_dropout": [-0.1, 1.0, None, [0.1]],
    "max_norm": [0.0, -1.0, "1"],
    "normalization": ["group", 1, [1], ["batch", "layer"], [None, None], (), BatchNorm],
    "residual": [None, "yes"],
    "scale_targets": [None, "yes", "auto"],
    "missing_targets": ["drop", None, True],
    "clip_norm": [0.0, -1.0, "1"],
    "clip_value": [0.0, -1.0, "1"],
    "warmup": [-1, 1.5, None, "long"],
    "warmup_shape": ["square", None],
    "label_smoothing": [-0.1, 1.0, None],
    "loss": [None, 1, SGD()],
    "optimizer": [None, SGD, Adaptive(), {}],
    "solver": [1, SGD()],
    "alpha": [-1e-9, "1", None, [1.0]],
    "l1_ratio": [-0.1, 1.1, None, "half"],
    "batch_size": [0, -5, 2.5, None, "whole"],
    "learning_rate": [None, 0.1, Adaptive],
    "learning_rate_init": [0.0, -1.0, None, "fast"],
    "power_t": [-0.1, None, "1"],
    "max_iter": [0, -1, 1.5, None, "many"],
    "shuffle": [None, "yes"],
    "random_state": ["seed", -1, 1.5],
    "tol": [-1e-9, None, "1"],
    "verbose": [-1, "yes"],
    "warm_start": [None, "yes"],
    "momentum": [-0.1, 1.1, None, "1"],
    "nesterovs_momentum": [None, "yes"],
    "early_stopping": [None, "yes"],
    "validation_fraction": [-0.1, 1.0, None, "half"],
    "scoring": [1, "no such scorer", ["accuracy"]],
    "averaging": ["mean", 0.9, SGD()],
    "beta_1": [-0.1, 1.0, None, "1"],
    "beta_2": [-0.1, 1.0, None, "1"],
    "epsilon": [0.0, -1.0, None, "1"],
    "n_iter_no_change": [0, 1.5, None, "1"],
    "max_fun": [0, 1.5, None, "1"],
    "max_time": [0.0, -1.0, "1"],
    "n_jobs": [1.5, "1"],
    "class_weight": [1, "uniform", ("balanced",)],
    "targets": ["labels", "classes", None, 1],
    "dtype": ["float16", "double", int, np.float16, 64],
}


def test_that_every_keyword_has_bad_values():
    keywords = {
        k for cls in (MLPClassifier, MLPRegressor) for k in inspect.signature(cls).parameters
    }
    assert set(BAD_PARAMETERS) == keywords


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keyword", BAD_PARAMETERS)
def test_parameters_of_wrong_type_or_size(keyword, kind, prepare):
    for value in BAD_PARAMETERS[keyword]:
        model = prepare(kind)
        if keyword not in model.get_params():
            continue
        model.set_params(**{keyword: value})
        with unchanged(model):
            said = message(ValueError, model.fit, X, Y[kind])
        assert said.startswith((f"The '{keyword}' parameter of MLP", f"{keyword} must be"))
        assert "Got " in said or "got " in said


NAMES = {
    ("classifier", "activation"): ACTIVATIONS,
    ("classifier", "optimizer"): OPTIMIZERS,
    ("classifier", "solver"): OPTIMIZERS,
    ("classifier", "learning_rate"): SCHEDULES,
    ("classifier", "loss"): CLASSIFIER_LOSSES,
    ("regressor", "loss"): REGRESSOR_LOSSES,
    ("classifier", "initializer"): INITIALIZERS,
    ("classifier", "normalization"): NORMALIZATIONS,
    ("classifier", "warmup_shape"): ["linear", "cosine"],
    ("classifier", "batch_size"): ["auto", "full"],
    ("classifier", "learning_rate_init"): ["auto"],
    ("classifier", "class_weight"): ["balanced"],
    ("classifier", "targets"): ["auto", "multilabel", "multioutput", "probabilities"],
    ("classifier", "dtype"): ["float32", "float64"],
}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(("kind", "keyword"), NAMES)
@pytest.mark.parametrize("name", ["unheard", "", "RELU"])
def test_unknown_names_are_answered_with_the_valid_ones(kind, keyword, name, prepare):
    model = prepare(kind, **{keyword: name})
    with unchanged(model):
        said = message(InvalidParameterError, model.fit, X, Y[kind])
    assert f"Got {name!r}" in said
    assert all(repr(valid) in said for valid in NAMES[kind, keyword])


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("params", "words"),
    [
        *(
            ({"optimizer": "lbfgs", keyword: value}, f"{keyword}=.*choose a first-order optimizer")
            for keyword, value in {
                "dropout": 0.5,
                "input_dropout": 0.5,
                "max_norm": 1.0,
                "clip_norm": 1.0,
                "clip_value": 1.0,
                "warmup": 2,
            }.items()
        ),
        *(
            ({"optimizer": name, "l1_ratio": 0.5}, "set l1_ratio to 0.*'lbfgs'")
            for name in ("bfgs", "cg", "newton-cg", "trust-ncg")
        ),
        *(
            ({"optimizer": name, "loss": loss}, "second derivatives.*optimizer='lbfgs'")
            for name in ("newton-cg", "trust-ncg")
            for loss in ("hinge", Hinge(multiclass="ovr"))
        ),
        ({"optimizer": "lm"}, "squared error of regression only.*'lbfgs'"),
        ({"optimizer": "lm", "loss": "squared_error"}, "squared error of regression only"),
        ({"optimizer": "bfgs", "hidden_layer_sizes": (1000, 5)}, "max_parameters=5000.*'lbfgs'"),
        ({"n_jobs": 0}, "n_jobs == 0 has no meaning"),
        *(
            ({**params, "normalization": normalization}, "normalization='layer'")
            for params in ({"optimizer": "lbfgs"}, {"batch_size": "full"}, {"optimizer": "rprop"})
            for normalization in ("batch", BatchNorm(momentum=0.3), ["batch"], [BatchNorm()])
        ),
        *(
            ({"optimizer": name, "trainable": trainable}, "use True and False.*'adam'")
            for name in FULL_BATCH
            for trainable in ([0.5, True], [1, 1], np.array([0.0, 1.0]))
        ),
        ({"trainable": [False, False]}, r"trainable=\[False, False\] freezes all layers"),
        ({"trainable": (0, 0.0)}, "freezes all layers"),
        ({"normalization": ["group"]}, "valid names.*'batch', 'layer'"),
        ({"normalization": BatchNorm(momentum=2.0)}, "'momentum' parameter of BatchNorm"),
        ({"normalization": [BatchNorm(epsilon=0.0)]}, "'epsilon' parameter of BatchNorm"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "label_smoothing=0.1 applies to"),
        ({"loss": LogLoss(label_smoothing=0.2), "label_smoothing": 0.1}, "on the loss object"),
        *(
            ({"optimizer": name, "learning_rate": rate}, "Set learning_rate to 'constant', or.*")
            for name in FULL_BATCH
            for rate in [*sorted(set(SCHEDULES) - SCIKIT_LEARN_SCHEDULES), Cosine(), Constant()]
        ),
        *(
            ({"optimizer": name, "batch_size": GrowingBatch()}, "Set batch_size to 'auto', or.*")
            for name in FULL_BATCH
        ),
        ({"optimizer": "rprop", "batch_size": 5}, "batch_size to 'auto' or 'full'"),
        ({"optimizer": "rprop", "batch_size": GrowingBatch()}, "batch_size to 'auto' or 'full'"),
        ({"activation": ["tanh", "unheard"], "hidden_layer_sizes": (3, 3)}, "valid names"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_what_cannot_apply_is_refused_with_advice(params, words, prepare):
    model = prepare("classifier", **params)
    with unchanged(model), pytest.raises(ValueError, match=words):
        model.fit(X, Y["classifier"])


@pytest.mark.parametrize("optimizer", FULL_BATCH)
def test_values_that_scikit_learn_has_are_ignored_where_it_ignores_them(optimizer):
    expected = make("regressor", optimizer=optimizer).fit(X, Y["regressor"])
    for params in (
        *({"learning_rate": rate, "learning_rate_init": 7.0} for rate in SCIKIT_LEARN_SCHEDULES),
        {"momentum": 0.1, "nesterovs_momentum": False, "power_t": 2.0},
        *({"batch_size": size} for size in (1, 7, 1000, "full")),
    ):
        model = make("regressor", optimizer=optimizer, **params).fit(X, Y["regressor"])
        np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"optimizer": "lm", "loss": "huber"}, "squared error of regression only"),
        ({"optimizer": "lm", "l1_ratio": 0.5}, "set l1_ratio to 0"),
        ({"optimizer": "lm", "hidden_layer_sizes": (600, 5)}, "max_parameters=3000.*'lbfgs'"),
        ({"optimizer": "newton-cg", "loss": "absolute_error"}, "second derivatives"),
        ({"optimizer": "trust-ncg", "loss": "quantile"}, "second derivatives"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_what_cannot_apply_to_regression_is_refused_with_advice(params, words):
    with pytest.raises(ValueError, match=words):
        make("regressor", **params).fit(X, Y["regressor"])


def test_hidden_layer_sizes_in_the_words_of_scikit_learn(prepare):
    expected = message(ValueError, theirs.MLPRegressor(hidden_layer_sizes=(5, 0)).fit, X, X[:, 0])
    assert (
        message(ValueError, prepare("regressor", hidden_layer_sizes=(5, 0)).fit, X, X[:, 0])
        == expected
    )


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("keyword", "component", "words"),
    [
        ("optimizer", SGD(momentum=2), "'momentum' parameter of SGD"),
        ("optimizer", SGD(nesterovs_momentum="yes"), "'nesterovs_momentum' parameter of SGD"),
        ("optimizer", Adam(beta_1=1.0), "'beta_1' parameter of Adam"),
        ("optimizer", Adam(beta_2=-1.0), "'beta_2' parameter of Adam"),
        ("optimizer", Adam(epsilon=0.0), "'epsilon' parameter of Adam"),
        ("optimizer", LBFGS(history_size=0), "'history_size' parameter of LBFGS"),
        ("optimizer", LBFGS(gtol=-1.0), "'gtol' parameter of LBFGS"),
        ("learning_rate", InvScaling(power_t=-1), "'power_t' parameter of InvScaling"),
        ("learning_rate", Adaptive(factor=1.0), "'factor' parameter of Adaptive"),
    ],
    ids=str,
)
def test_parameters_of_components(keyword, component, words, prepare):
    model = prepare("regressor", **{keyword: component})
    with unchanged(model), pytest.raises(InvalidParameterError, match=words):
        model.fit(X, Y["regressor"])


@pytest.mark.usefixtures("no_training")
def test_optimizer_and_solver_that_contradict_each_other(prepare):
    model = prepare("regressor", optimizer="lbfgs", solver="sgd")
    with unchanged(model), pytest.raises(ValueError, match=r"'sgd'.*'lbfgs'.*Set only one"):
        model.fit(X, Y["regressor"])


# -- calls that do not fit what went before ----------------------------------------------


def _methods(kind):
    return ["predict"] + [
        "predict_proba",
        "predict_log_proba",
        "decision_function",
    ] * (kind != "regressor")


@pytest.mark.parametrize("kind", ["classifier", "multilabel", "regressor"])
def test_predictions_before_fit(kind):
    expected = message(NotFittedError, make(kind, theirs).predict, X)
    model = make(kind)
    for method in _methods(kind):
        with unchanged(model):
            assert message(NotFittedError, getattr(model, method), X) == expected
    with pytest.raises(ValueError, match="NaN"):
        model.fit(BAD_X["NaN"], Y[kind])
    assert message(NotFittedError, model.predict, X) == expected


@pytest.mark.parametrize(
    "bad", [X[:, :3], np.c_[X, X], BAD_X["NaN"], BAD_X["infinity in CSC"], X[0], X[:0]]
)
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_predictions_for_bad_x(bad, kind):
    model, other = (make(kind, module).fit(X, Y[kind]) for module in (None, theirs))
    expected = message(ValueError, other.predict, bad)
    for method in _methods(kind):
        with unchanged(model):
            assert message(ValueError, getattr(model, method), bad) == expected


#: Whatever reads the arrays of a fitted network.
READERS = {
    **{
        method: lambda model, y, method=method: getattr(model, method)(X)
        for method in ("predict", "predict_proba", "predict_log_proba", "decision_function")
    },
    "score": lambda model, y: model.score(X, y),
    "partial_fit": lambda model, y: model.partial_fit(X, y),
    "warm fit": lambda model, y: model.set_params(warm_start=True).fit(X, y),
    "to_sklearn": lambda model, y: model.to_sklearn(),
    "hidden_activations": lambda model, y: inspection.hidden_activations(model, X),
    "input_gradients": lambda model, y: inspection.input_gradients(model, X, target=0),
    "mc_dropout_predict": lambda model, y: inspection.mc_dropout_predict(model, X),
    "check_gradients": lambda model, y: inspection.check_gradients(model, X, y),
    "find_learning_rate": lambda model, y: inspection.find_learning_rate(model, X, y),
    "diagnose": lambda model, y: inspection.diagnose(model, X, y),
}
REPLACED = {
    "fewer rows": ("coefs_", lambda a: a[:2], r"coefs_\[0\] has the shape \(2, 4\)"),
    "more columns": ("coefs_", lambda a: np.c_[a, a], r"coefs_\[0\] has the shape"),
    "complex": ("coefs_", lambda a: a * 1j, "coefs_ must be a list of arrays of real numbers"),
    "short intercepts": ("intercepts_", lambda a: a[:1], r"intercepts_\[0\] has the shape"),
    "short scales": ("normalization_scales_", lambda a: a[:1], r"normalization_scales_\[0\]"),
    "short means": ("running_means_", lambda a: a[:1], r"running_means_\[0\] has the shape"),
    "objects": ("running_variances_", lambda a: a.astype(object), "running_variances_ must be"),
}


@pytest.fixture(scope="module")
def normalized():
    """Functions that return fitted estimators with all kinds of arrays."""
    params = {"hidden_layer_sizes": (4, 4), "dropout": 0.1, "residual": True}
    params["normalization"] = "batch"
    models = {kind: make(kind, **params).fit(X, Y[kind]) for kind in KINDS}
    return lambda kind: deepcopy(models[kind])


@pytest.mark.parametrize("case", REPLACED)
@pytest.mark.parametrize(
    ("kind", "reader"),
    [
        (kind, reader)
        for kind in KINDS
        for reader in READERS
        if kind == "classifier" or reader not in _methods("classifier") or reader == "predict"
    ],
)
def test_fitted_arrays_that_do_not_belong_to_one_network(kind, reader, case, normalized):
    model = normalized(kind)
    name, change, words = REPLACED[case]
    getattr(model, name)[0] = change(getattr(model, name)[0])
    with pytest.raises(ValueError, match=f"^{words}"):
        READERS[reader](model, Y[kind])


@pytest.mark.parametrize("case", ["fewer rows", "more columns", "complex", "short intercepts"])
def test_fitted_arrays_of_scikit_learn_that_do_not_belong_to_one_network(case, fitted):
    model = fitted("regressor", theirs)
    name, change, words = REPLACED[case]
    getattr(model, name)[0] = change(getattr(model, name)[0])
    with pytest.raises(ValueError, match=f"^{words.replace('2, 4', '2, 3')}"):
        MLPRegressor.from_sklearn(model)


#: Whatever takes a matrix of features from outside.
TAKERS = {
    "fit": lambda model, X, y: model.fit(X, y),
    "warm fit": lambda model, X, y: model.set_params(warm_start=True).fit(X, y),
    "partial_fit": lambda model, X, y: model.partial_fit(X, y),
    "lbfgs": lambda model, X, y: model.set_params(optimizer="lbfgs").fit(X, y),
    "X_val": lambda model, X, y: model.fit(np.ones((N, 4)), y, X_val=X, y_val=y),
    "predict": lambda model, X, y: model.predict(X),
    "score": lambda model, X, y: model.score(X, y),
    "hidden_activations": lambda model, X, y: inspection.hidden_activations(model, X),
    "diagnose": lambda model, X, y: inspection.diagnose(model, X, y),
}


@pytest.mark.parametrize("case", BROKEN_SPARSE)
@pytest.mark.parametrize("taker", TAKERS)
def test_sparse_features_whose_arrays_are_broken(taker, case, fitted):
    break_it, words = BROKEN_SPARSE[case]
    model = fitted("classifier")
    with pytest.raises(ValueError, match=f"matrix of shape .* are broken: .*{words}"):
        TAKERS[taker](model, break_it(sparse.csr_array(X)), Y["classifier"])


@pytest.mark.parametrize("case", ["index too large", "CSC, row too large", "COO, row too large"])
@pytest.mark.parametrize("method", ["fit", "first partial_fit", "partial_fit", "y_val", "score"])
def test_sparse_targets_whose_arrays_are_broken(method, case, fitted):
    break_it, words = BROKEN_SPARSE[case]
    y = np.c_[Y["multilabel"], Y["multilabel"][:, 0]]
    bad = break_it(sparse.csr_array(y))
    model = make("multilabel") if method == "first partial_fit" else make("multilabel").fit(X, y)
    call = {
        "fit": lambda: model.fit(X, bad),
        "first partial_fit": lambda: model.partial_fit(X, bad, classes=range(4)),
        "partial_fit": lambda: model.partial_fit(X, bad),
        "y_val": lambda: model.fit(X, y, X_val=X, y_val=bad),
        "score": lambda: model.score(X, bad),
    }[method]
    with pytest.raises(ValueError, match=f"are broken: .*{words}"):
        call()


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.coo_matrix])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "y_val"])
def test_sparse_targets_of_regression(method, container):
    model, y = make("regressor"), container(X)
    call = {
        "fit": lambda: model.fit(X, y),
        "partial_fit": lambda: model.partial_fit(X, y),
        "y_val": lambda: model.fit(X, X, X_val=X, y_val=y),
    }[method]
    with unchanged(model), pytest.raises(TypeError, match=r"Sparse data was passed.*\.toarray"):
        call()


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("dtype", ["U1", "S1", "datetime64[D]", "timedelta64[s]"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "y_val"])
def test_targets_of_regression_that_are_no_numbers(method, dtype):
    model, y = make("regressor"), np.arange(N).astype(dtype)
    call = {
        "fit": lambda: model.fit(X, y),
        "partial_fit": lambda: model.partial_fit(X, y),
        "y_val": lambda: model.fit(X, X[:, 0], X_val=X, y_val=y),
    }[method]
    with unchanged(model), pytest.raises(ValueError, match=r"must be numbers, .*astype\(float\)"):
        call()


@pytest.mark.usefixtures("no_training")
@pytest.mark.usefixtures("no_training")
def test_sparse_features_with_more_columns_than_can_be_numbered():
    wide = sparse.csr_array((np.ones(1), [2**31], [0, 1]), shape=(1, 2**31 + 1))
    with pytest.raises(ValueError, match="2147483647 columns at most, but has 2147483649"):
        make("regressor").fit(wide, [1.0])


GOING_ON = {
    "partial_fit": lambda model: model.partial_fit,
    "warm fit": lambda model: model.set_params(warm_start=True).fit,
}


@pytest.fixture(params=GOING_ON)
def go_on(request, fitted):
    """A function that returns a method of a fitted estimator that trains it further."""
    return lambda kind, module=None: GOING_ON[request.param](fitted(kind, module))


@pytest.mark.usefixtures("no_training")
class TestGoingOn:
    def _in_the_words_of_scikit_learn(self, go_on, kind, *data):
        expected = message(ValueError, go_on(kind, theirs), *data)
        call = go_on(kind)
        with unchanged(call.__self__):
            assert message(ValueError, call, *data) == expected

    @pytest.mark.parametrize("x", [X[:, :3], sparse.csr_array(np.c_[X, X])], ids=["3", "8"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_other_number_of_features(self, x, kind, go_on):
        self._in_the_words_of_scikit_learn(go_on, kind, x, Y[kind])

    @pytest.mark.parametrize("y", [np.arange(N) % 3, np.arange(N) % 2 + 1, ["a", "b"] * (N // 2)])
    def test_other_classes(self, y, go_on):
        self._in_the_words_of_scikit_learn(go_on, "classifier", X, y)

    @pytest.mark.parametrize("case", ["NaN", "no rows", "1-D", "other length", "text"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_x(self, case, kind, go_on):
        self._in_the_words_of_scikit_learn(go_on, kind, BAD_X[case], Y[kind])

    @pytest.mark.parametrize("case", ["other length", "NaN", "all zero"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_weights(self, case, kind, go_on):
        self._in_the_words_of_scikit_learn(go_on, kind, X, Y[kind], BAD_WEIGHTS[case])

    @pytest.mark.parametrize(
        ("kind", "y", "params"),
        [
            ("regressor", _linear, {}),
            ("regressor", _linear[:, 0], {"hidden_layer_sizes": (4,)}),
            ("regressor", _linear[:, 0], {"hidden_layer_sizes": ()}),
            ("classifier", Y["multilabel"][:, :2], {}),
            ("multilabel", Y["multilabel"][:, 0], {}),
        ],
        ids=["outputs", "units", "layers", "several labels", "one label"],
    )
    def test_other_architecture(self, kind, y, params, go_on):
        call = go_on(kind)
        call.__self__.set_params(**params)
        words = r"shapes .*but.* ask for .*clone|same classes as|multilabel input"
        with unchanged(call.__self__), pytest.raises(ValueError, match=words):
            call(X, y)


@pytest.mark.usefixtures("no_training")
class TestPartialFit:
    def test_first_call_without_classes(self):
        expected = message(ValueError, make("", theirs).partial_fit, X, Y["classifier"])
        model = make("classifier")
        with unchanged(model):
            assert message(ValueError, model.partial_fit, X, Y["classifier"]) == expected

    @pytest.mark.parametrize("classes", [[0, 2], [1]])
    def test_labels_that_are_not_among_the_classes(self, classes):
        arguments = X, Y["classifier"], None, classes
        expected = message(ValueError, make("", theirs).partial_fit, *arguments)
        model = make("classifier")
        with unchanged(model):
            assert message(ValueError, model.partial_fit, *arguments) == expected

    def test_other_classes_than_before(self, fitted):
        arguments = X, Y["classifier"], None, [0, 1, 2]
        expected = message(ValueError, fitted("classifier", theirs).partial_fit, *arguments)
        model = fitted("classifier")
        with unchanged(model):
            assert message(ValueError, model.partial_fit, *arguments) == expected

    @pytest.mark.parametrize("kind", KINDS)
    def test_early_stopping(self, kind, prepare):
        classes = {"classes": [0, 1]} if kind == "classifier" else {}
        expected = message(
            ValueError, make(kind, theirs, early_stopping=True).partial_fit, X, Y[kind], **classes
        )
        model = prepare(kind, early_stopping=True)
        with unchanged(model):
            assert message(ValueError, model.partial_fit, X, Y[kind], **classes) == expected

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("optimizer", [o for o in CORE if o not in FIRST_ORDER])
    def test_full_batch_optimizers(self, kind, optimizer, prepare):
        for params in ({"optimizer": optimizer}, {"optimizer": OPTIMIZERS[optimizer]()}):
            model = prepare(kind, **params)
            assert not hasattr(model, "partial_fit")
            with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as caught:
                _ = model.partial_fit
            assert "only available for stochastic optimizers" in str(caught.value.__cause__)

    def test_balanced(self, prepare):
        model = prepare("classifier", class_weight="balanced")
        with unchanged(model), pytest.raises(ValueError, match=r"compute_class_weight.*a dict"):
            model.partial_fit(X, Y["classifier"], classes=[0, 1])


# -- what goes wrong in training ---------------------------------------------------------

SENTENCE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)
REMEDIES = ["StandardScaler", "scale_targets", "learning_rate_init", "alpha"]
DIVERGING = [
    {"optimizer": "sgd", "learning_rate_init": 1e20, "max_iter": 40},
    {"optimizer": "sgd", "learning_rate_init": 1e20, "max_iter": 40, "dtype": "float32"},
    {"optimizer": "adam", "learning_rate_init": 1e308, "max_iter": 40},
]


def assert_diverged(text):
    assert text.startswith(SENTENCE)
    assert all(remedy in text for remedy in REMEDIES)


def test_first_sentence_is_that_of_scikit_learn():
    model = make("regressor", theirs, solver="sgd", learning_rate_init=1e20, max_iter=40)
    with np.errstate(all="ignore"):
        assert message(ValueError, model.fit, X, Y["regressor"]) == SENTENCE


@pytest.mark.parametrize("params", DIVERGING, ids=str)
@pytest.mark.parametrize("warm_start", [False, True])
def test_divergence(params, warm_start, prepare):
    model = prepare("regressor", **params, activation="identity", warm_start=warm_start)
    if params.get("dtype") == "float32" and hasattr(model, "coefs_"):
        model.coefs_ = [c.astype(np.float32) for c in model.coefs_]
    with unchanged(model):
        assert_diverged(message(ValueError, model.fit, X, Y["regressor"]))


@pytest.mark.parametrize("params", DIVERGING, ids=str)
def test_divergence_in_partial_fit(params, prepare):
    model = prepare("regressor", **params, activation="identity", batch_size=1)
    with unchanged(model):
        assert_diverged(message(ValueError, model.partial_fit, X, Y["regressor"]))


@pytest.mark.parametrize("optimizer", CORE)
def test_divergence_is_judged_after_best_weights_are_restored(optimizer, fitted):
    params = {"optimizer": optimizer, "learning_rate_init": 1e20, "early_stopping": True}
    model = fitted("classifier").set_params(**params, max_iter=40, warm_start=True)
    model.fit(X, Y["classifier"])
    assert all(np.isfinite(c).all() for c in model.coefs_)
    model.coefs_[0][0, 0] = np.inf  # then the best weights are not finite
    with unchanged(model):
        assert_diverged(message(ValueError, model.fit, X, Y["classifier"]))


@pytest.mark.parametrize(
    ("call", "optimizer"),
    [
        *product(["fit", "warm fit"], CORE),
        *product(["partial_fit"], FIRST_ORDER),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_exceptions_in_training_leave_the_last_fit(call, optimizer, kind, prepare, monkeypatch):
    class Failure(Exception):
        pass

    def fail(progress, *args):
        add(progress, *args)
        raise Failure

    model = prepare(kind, optimizer=optimizer, warm_start=call == "warm fit")
    arguments = {"X": X, "y": Y[kind]}
    if call == "partial_fit":
        if kind == "classifier":
            arguments["classes"] = [0, 1]
        model.partial_fit(**arguments)  # so that there is an optimizer's state to go on from
    add = Progress.add
    monkeypatch.setattr(Progress, "add", fail)
    with unchanged(model), pytest.raises(Failure):
        getattr(model, call.split()[-1])(**arguments)


@pytest.mark.parametrize("kind", Y)
def test_a_failed_fit_can_be_repeated(kind):
    model, expected = make(kind), make(kind).fit(X, Y[kind])
    with pytest.raises(ValueError, match="NaN"):
        model.fit(BAD_X["NaN"], Y[kind])
    model.fit(X, Y[kind])
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
