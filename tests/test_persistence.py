import copy
import importlib
import io
import pickle

import cloudpickle
import joblib
import numpy as np
import pytest
from format_1 import FORMAT_1
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_multilabel_classification

from sknn_opt import MLPClassifier, MLPRegressor, trusted_types
from sknn_opt.activations import ACTIVATIONS, Tanh
from sknn_opt.averaging import AVERAGINGS
from sknn_opt.initializers import INITIALIZERS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS, SGD, Adam, FirstOrder
from sknn_opt.schedules import SCHEDULES, Adaptive

FIRST_ORDER = [name for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder)]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def _through_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


def _through_skops(network):  # docs/persistence_and_concurrency.rst shows its middle
    pytest.importorskip("skops.io")
    import skops.io

    dumped = skops.io.dumps(network)
    loaded = skops.io.loads(dumped, trusted=trusted_types())
    return loaded


WAYS = {
    "pickle": lambda e: pickle.loads(pickle.dumps(e)),
    "pickle protocol 2": lambda e: pickle.loads(pickle.dumps(e, protocol=2)),
    "joblib": _through_joblib,
    "cloudpickle": lambda e: cloudpickle.loads(cloudpickle.dumps(e)),
    "deepcopy": copy.deepcopy,
    "skops": _through_skops,
}

every_way = pytest.mark.parametrize("through", WAYS.values(), ids=WAYS)


def _digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


def _multilabel():
    return make_multilabel_classification(100, 6, n_classes=3, random_state=0)


def _two_targets():
    X, y = _digits()
    return X, np.column_stack([y, -y])


#: Estimator and data.
MODELS = {
    "adam": (MLPClassifier(20), _digits),
    "strings": (
        MLPClassifier((10, 5), activation="tanh", optimizer="sgd"),
        lambda: (_digits()[0], np.array(list("abcdefghij"))[_digits()[1]]),
    ),
    "binary, CSR": (
        MLPClassifier(5, early_stopping=True),
        lambda: (sparse.csr_matrix(_digits()[0]), _digits()[1] > 4),
    ),
    "multilabel": (MLPClassifier(5, optimizer="lbfgs"), _multilabel),
    "sparse labels": (
        MLPClassifier(5),
        lambda: (_multilabel()[0], sparse.csr_matrix(_multilabel()[1])),
    ),
    "linear": (MLPRegressor((), optimizer="lbfgs", l1_ratio=0.5, alpha=0.1), _digits),
    "poisson": (MLPRegressor(5, loss="poisson", dtype="float32"), _digits),
    "two targets": (MLPRegressor(5, early_stopping=True, optimizer="lbfgs"), _two_targets),
    "components": (
        MLPRegressor(
            5, activation=Tanh(), optimizer=SGD(momentum=0.5), learning_rate=Adaptive(0.5)
        ),
        _digits,
    ),
}

every_model = pytest.mark.parametrize("name", MODELS)


def fit(name, max_iter=10):
    estimator, data = MODELS[name]
    X, y = data()
    estimator = copy.deepcopy(estimator).set_params(max_iter=max_iter, random_state=0)
    return estimator.fit(X, y), X, y


def _outputs(estimator, X):
    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    for method in methods:
        if hasattr(estimator, method):
            output = getattr(estimator, method)(X)
            yield output.toarray() if sparse.issparse(output) else output


@every_way
@every_model
def test_predictions_survive(name, through):
    estimator, X, y = fit(name)
    twin = through(estimator)
    for ours, theirs in zip(_outputs(twin, X), _outputs(estimator, X), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert repr(twin) == repr(estimator)
    np.testing.assert_equal(twin.history_, estimator.history_)
    assert twin.score(X, y) == estimator.score(X, y)
    for pair in zip(twin.coefs_, estimator.coefs_, strict=True):
        assert not np.shares_memory(*pair)


@every_way
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("coefs_", lambda a: a[:10], r"coefs_\[0\] has the shape \(10, 20\).*\(64, 20\)"),
        ("intercepts_", lambda a: a[:3], r"intercepts_\[0\] has the shape"),
        ("coefs_", lambda a: a * 1j, "coefs_ must be a list of arrays of real numbers"),
    ],
    ids=["coefs", "intercepts", "complex"],
)
def test_a_file_with_another_array_in_it_does_not_predict(name, change, words, through):
    estimator, X, y = fit("adam")
    getattr(estimator, name)[0] = change(getattr(estimator, name)[0])
    twin = through(estimator)
    with pytest.raises(ValueError, match=words):
        twin.predict(X)
    with pytest.raises(ValueError, match=words):
        twin.partial_fit(X, y)


@pytest.mark.parametrize("name", ["vectors", "average", "trained"])
@pytest.mark.parametrize("change", [lambda a: a[:5], lambda a: a.astype("float32")])
def test_a_state_of_the_optimizer_that_does_not_fit_is_started_anew(name, change):
    X, y = _digits()
    settings = {"averaging": "ema", "random_state": 0, "warm_start": True}
    estimator = MLPClassifier(10, **settings).partial_fit(X, y, classes=range(10))
    fresh = copy.deepcopy(estimator)
    fresh._optimizer_state_ = None
    state = estimator._optimizer_state_
    state[name] = change(state[name])
    assert_same_parameters(estimator.partial_fit(X, y), fresh.partial_fit(X, y))


@every_way
@pytest.mark.parametrize("optimizer", [*FIRST_ORDER, Adam(beta_1=0.5)], ids=str)
@pytest.mark.parametrize("seed", ["int", "RandomState"])
def test_partial_fit_goes_on_as_if_nothing_had_happened(through, optimizer, seed):
    X, y = _digits()
    estimator = MLPClassifier(
        10,
        optimizer=optimizer,
        random_state=0 if seed == "int" else np.random.RandomState(0),
        learning_rate="invscaling" if seed == "int" else "one_cycle",
        warmup=3,
        batch_size="auto" if optimizer == "rprop" else 64,
        dropout=0.2,
        normalization=None if optimizer == "rprop" else "batch",
        averaging=None if optimizer == "schedule_free" else "ema",
    )
    for _ in range(2):
        estimator.partial_fit(X, y, classes=range(10))
    twin = through(estimator)
    for e in (estimator, twin):
        for _ in range(2):
            e.partial_fit(X, y)
    assert_same_parameters(twin, estimator)
    for column in ("loss", "learning_rate", "grad_norm"):
        assert twin.history_[column] == estimator.history_[column]
    assert twin.t_ == estimator.t_ == 4 * len(y)


def assert_same_parameters(ours, theirs):
    for a, b in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_the_state_of_the_optimizer_travels():
    X, y = _digits()
    adam = MLPClassifier(10, random_state=0).partial_fit(X, y, classes=range(10))
    with_state = pickle.loads(pickle.dumps(adam)).partial_fit(X, y)
    adam._optimizer_state_ = None
    without = pickle.loads(pickle.dumps(adam)).partial_fit(X, y)
    assert np.abs(with_state.coefs_[0] - without.coefs_[0]).max() > 1e-5


@every_way
@pytest.mark.parametrize("name", ["adam", "binary, CSR", "two targets", "components"])
def test_a_warm_start_goes_on(name, through):
    estimator, X, y = fit(name)
    estimator.set_params(warm_start=True)
    twin = through(estimator)
    assert_same_parameters(twin.fit(X, y), estimator.fit(X, y))


@every_way
def test_partial_fit_after_fit_goes_on(through):
    estimator, X, y = fit("adam")
    twin = through(estimator)
    assert_same_parameters(twin.partial_fit(X, y), estimator.partial_fit(X, y))


@pytest.mark.parametrize("max_iter", [1, 200])
@every_model
def test_size(name, max_iter):
    estimator, _, _ = fit(name, max_iter)
    n_bytes = sum(a.nbytes for a in estimator.coefs_ + estimator.intercepts_)
    limit = 1.2 * n_bytes + 20_000
    assert len(pickle.dumps(estimator)) <= limit
    assert len(cloudpickle.dumps(estimator)) <= limit


def test_size_of_a_large_model():
    X, y = _digits()
    estimator = MLPClassifier((300, 300), max_iter=2, dtype="float32").fit(X, y)
    n_bytes = 4 * (64 * 300 + 300 * 300 + 300 * 10 + 610)
    assert len(pickle.dumps(estimator)) <= 1.2 * n_bytes + 20_000


def test_a_pickle_holds_no_kernels():
    estimator, _, _ = fit("components")
    content = pickle.dumps(estimator)
    for name in (b"_compiler", b"_kernel", b"numba", b"llvmlite"):
        assert name not in content


@pytest.mark.parametrize("version", [None, 0, 1, 2, 4, "3"])
def test_a_pickle_of_another_format_is_refused(version):
    estimator, _, _ = fit("adam")
    state = estimator.__getstate__()
    assert state["_pickle_format"] == 3
    if version is None:
        del state["_pickle_format"]
    else:
        state["_pickle_format"] = version
    fresh = MLPClassifier.__new__(MLPClassifier)
    with pytest.raises(ValueError, match=f"pickle of MLPClassifier has format {version}"):
        fresh.__setstate__(state)
    assert vars(fresh) == {}


@pytest.mark.parametrize("name", FORMAT_1)
def test_a_pickle_of_format_1_is_refused_with_what_to_do(name):
    sentence = r"has format 1; this version of sknn_opt reads format 3\. Load it with the version"
    with pytest.raises(ValueError, match=sentence):
        pickle.loads(FORMAT_1[name])


#: Classes that format 1 names, by their modules, which are no more.
FORMER = {
    "_activation": ["FromFunctions"],
    "_adam_family": ["AMSGrad", "AdaBelief", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Yogi"],
    "_adaptive": ["Adadelta", "Adagrad", "RMSprop", "Rprop"],
    "_layout": ["Architecture"],
    "_levenberg_marquardt": ["LM"],
    "_loss": ["FromFunctions"],
    "_margin_losses": ["Hinge", "SquaredHinge"],
    "_matrix": ["LAMB", "Muon"],
    "_regression_losses": ["AbsoluteError", "Gamma", "Huber", "LogCosh", "Poisson", "Quantile"],
    "_scipy_optimizers": ["BFGS", "CG", "LBFGS", "NewtonCG", "TrustNCG"],
    "inspection._diagnosis": ["Diagnosis", "Finding"],
    "inspection._gradients": ["GradientCheck", "LayerGradient"],
    "inspection._learning_rate": ["LearningRateTest"],
    "inspection._outputs": ["HiddenActivations"],
}


@pytest.mark.parametrize("module", FORMER)
def test_whatever_format_1_may_hold_is_refused_with_what_to_do(module):
    for name in FORMER[module]:
        with pytest.raises(ValueError, match=r"pickle of sknn_opt has format 1; .* fit again"):
            pickle.loads(f"csknn_opt.{module}\n{name}\n.".encode())


@pytest.mark.parametrize("name", ["_no_module", "_estimators._no_module", "no_module"])
def test_a_module_that_never_was_is_missing_as_any_other(name):
    with pytest.raises(ModuleNotFoundError, match=f"No module named 'sknn_opt.{name}'"):
        importlib.import_module(f"sknn_opt.{name}")


class _Recorder(pickle.Unpickler):
    """Notes the classes and functions that a pickle names."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content))
        self.names = set()

    def find_class(self, module, name):
        self.names.add(f"{module}.{name}")
        return super().find_class(module, name)


def _named_by(content):
    """What of this package a pickle names."""
    recorder = _Recorder(content)
    recorder.load()
    return {name for name in recorder.names if name.startswith("sknn_opt.")}


#: Keyword, name and class of all components.
COMPONENTS = [
    (keyword, name, cls)
    for keyword, registry in [
        ("activation", ACTIVATIONS),
        ("averaging", AVERAGINGS),
        ("initializer", INITIALIZERS),
        ("learning_rate", SCHEDULES),
        ("loss", CLASSIFIER_LOSSES),
        ("loss", REGRESSOR_LOSSES),
        ("normalization", NORMALIZATIONS),
        ("optimizer", OPTIMIZERS),
    ]
    for name, cls in registry.items()
]


def _with_component(keyword, name, cls):
    """Estimators with a component, by its name and as an object: fitted, and in pieces."""
    regresses = cls in REGRESSOR_LOSSES.values() or name == "lm"
    make = MLPRegressor if regresses else MLPClassifier
    X, y = _digits()
    for choice in (name, cls()):
        estimator = make(3, **{keyword: choice}, max_iter=1, random_state=0)
        yield estimator.fit(X, y + 1)
        if name == "swa" or (keyword == "optimizer" and not issubclass(cls, FirstOrder)):
            continue
        if keyword != "averaging" and not getattr(cls, "averages_iterates", False):
            estimator = clone(estimator).set_params(averaging="ema")
        yield estimator.partial_fit(X, y + 1, **({} if regresses else {"classes": range(1, 11)}))


def _trusted_for(estimator):
    """The types that skops is to be told of."""
    skops_io = pytest.importorskip("skops.io")
    return set(skops_io.get_untrusted_types(data=skops_io.dumps(estimator)))


@pytest.mark.parametrize("names", [lambda e: _named_by(pickle.dumps(e)), _trusted_for])
@pytest.mark.parametrize(("keyword", "name", "cls"), COMPONENTS)
def test_what_is_saved_is_public(keyword, name, cls, names):
    for estimator in _with_component(keyword, name, cls):
        saved = names(estimator)
        assert f"sknn_opt.estimators.{type(estimator).__name__}" in saved
        for path in saved:
            assert not any(part.startswith("_") for part in path.split(".")), path


@pytest.mark.parametrize(("keyword", "name", "cls"), COMPONENTS)
def test_what_is_saved_is_trusted(keyword, name, cls):
    for estimator in _with_component(keyword, name, cls):
        assert _trusted_for(estimator) <= set(trusted_types())


def test_the_format_is_no_attribute():
    estimator, _, _ = fit("adam")
    twin = pickle.loads(pickle.dumps(estimator))
    assert vars(twin).keys() == vars(estimator).keys()


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
@every_way
def test_an_unfitted_estimator_survives(make, through):
    estimator = make(hidden_layer_sizes=(3, 4), optimizer=SGD(momentum=0.1), alpha=0.3)
    twin = through(estimator)
    assert repr(twin) == repr(estimator)
    assert vars(twin).keys() == vars(estimator).keys()


@every_model
def test_a_memory_mapped_model_predicts_and_goes_on(name, tmp_path):
    estimator, X, y = fit(name)
    joblib.dump(estimator, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert isinstance(mapped.coefs_[0], np.memmap)
    assert not mapped.coefs_[0].flags.writeable
    for ours, theirs in zip(_outputs(mapped, X), _outputs(estimator, X), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    before = mapped.coefs_[0].copy()
    mapped_coefs = mapped.coefs_[0]
    mapped.set_params(warm_start=True).fit(X, y)
    np.testing.assert_array_equal(mapped_coefs, before)
    assert_same_parameters(mapped, estimator.set_params(warm_start=True).fit(X, y))


def test_a_memory_mapped_state_goes_on(tmp_path):
    X, y = _digits()
    estimator = MLPClassifier(10, random_state=0).partial_fit(X, y, classes=range(10))
    joblib.dump(estimator, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    for _ in range(2):
        mapped.partial_fit(X, y)
        estimator.partial_fit(X, y)
    assert_same_parameters(mapped, estimator)


def test_a_shallow_copy_trains_apart():
    estimator, X, y = fit("adam")
    before = [c.copy() for c in estimator.coefs_]
    twin = copy.copy(estimator).set_params(warm_start=True).fit(X, y)
    for coefs, unchanged, trained in zip(estimator.coefs_, before, twin.coefs_, strict=True):
        np.testing.assert_array_equal(coefs, unchanged)
        assert np.any(trained != coefs)
    assert len(estimator.loss_curve_) == 10
