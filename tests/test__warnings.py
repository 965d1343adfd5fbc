import ast
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknn_opt
from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._compiler.declarations import Kernel
from sknn_opt._warnings import collected_warnings

random = np.random.default_rng(0)
X = random.normal(size=(12, 3))
Y = np.arange(12) % 2
ONE_OF_A_CLASS = np.r_[2, Y[1:]]
FEW = {"hidden_layer_sizes": (2,), "max_iter": 2, "random_state": 0}


def few(cls=MLPClassifier, **parameters):
    return cls(**{**FEW, **parameters})


def predicts_beyond_float64():
    few(MLPRegressor, loss="poisson", tol=1e3, max_iter=20).fit(X, Y).predict(1e6 * X)


def search(**parameters):
    grid = {"alpha": [0.1, 0.2]}
    return GridSearchCV(few(), grid, cv=2, error_score="raise", **parameters).fit(X, Y)


def search_in_threads():
    with joblib.parallel_backend("threading", n_jobs=2):
        search()


def fit_in_a_thread():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(few().fit, X, Y).result()


def without_weights(y, predicted):
    return 0.0


def scored_between_iterations():
    """The innermost code of the user's is the scorer, not the fit."""
    model = few(MLPRegressor, loss="poisson", optimizer="lbfgs", scoring=overflowing, max_iter=50)
    model.fit(X, Y, X_val=X, y_val=Y)


def overflowing(estimator, X, y):
    beyond = np.full_like(X, 1e6)
    estimator.predict(beyond)
    estimator.predict(-beyond)
    return 0.0


#: What warns, by the beginning of a warning that it gives.
KINDS = {
    "Stochastic Optimizer: Maximum": lambda: few().fit(X, Y),
    "Stochastic Optimizer: max_time": lambda: few(max_time=1e-9).partial_fit(X, Y, classes=[0, 1]),
    "LBFGS failed to converge": lambda: few(optimizer="lbfgs", tol=0).fit(X, Y),
    "Got `batch_size` less": lambda: few(batch_size=13).fit(X, Y),
    "The validation set of early": lambda: few(early_stopping=True, validation_fraction=0.5).fit(
        X, ONE_OF_A_CLASS
    ),
    "scoring=": lambda: few(early_stopping=True, scoring=make_scorer(without_weights)).fit(
        np.tile(X, (2, 1)), np.tile(Y, 2), np.ones(24)
    ),
    "Training diverged": lambda: few(
        MLPRegressor, early_stopping=True, optimizer="sgd", learning_rate_init=1e9, max_iter=9
    ).fit(np.tile(X, (3, 1)), np.tile(Y, 3)),
    "Some predictions overflow": predicts_beyond_float64,
}
#: Who else calls fit, each with the beginning of the warning.
CALLERS = {
    "a pipeline": lambda: make_pipeline(StandardScaler(), few()).fit(X, Y),
    "a search": search,
    "a search in threads": search_in_threads,
    "a thread": fit_in_a_thread,
}


def files_named(call, start):
    """The files at which warnings that start so point."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return {warning.filename for warning in caught if str(warning.message).startswith(start)}


@pytest.mark.parametrize("start", KINDS)
def test_warnings_point_at_the_users_file(start):
    assert files_named(KINDS[start], start) == {__file__}


@pytest.mark.parametrize("caller", CALLERS)
def test_warnings_point_at_the_users_file_through(caller):
    assert files_named(CALLERS[caller], "Stochastic Optimizer: Maximum") == {__file__}


def test_warnings_point_at_the_users_scorer():
    assert files_named(scored_between_iterations, "Some predictions overflow") == {__file__}


def _nothing(x):
    pass


def test_an_unsafe_cache_is_told_at_the_users_file(empty_cache):
    """Kernels compile in a thread of their own, above which no code of the user's stands."""
    empty_cache.chmod(0o777)
    kernel = Kernel(_nothing, "void (real *x)")
    assert files_named(lambda: kernel.address("float64"), "sknn_opt compiles") == {__file__}


def calls_to_warn(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "warnings":
            yield node.lineno
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("warnings.warn"):
            yield node.lineno


def test_nothing_else_in_the_package_warns():
    package = Path(sknn_opt.__file__).parent
    assert {file.name for file in package.rglob("*.py") if [*calls_to_warn(file)]} == {
        "_warnings.py"
    }


def test_warnings_are_collected_in_their_thread_alone():
    with collected_warnings() as collected:
        few().fit(X, Y)
        with pytest.warns(match="Maximum iterations"):
            fit_in_a_thread()
    with pytest.warns(match="Maximum iterations"):
        few().fit(X, Y)
    ((message, category),) = collected
    assert "Maximum iterations" in message
    assert issubclass(category, UserWarning)


def test_code_without_a_module_is_warned_too():
    code = compile("few().fit(X, Y)", "a cell", "exec")
    with pytest.warns(UserWarning, match="Maximum iterations") as caught:
        exec(code, {"few": few, "X": X, "Y": Y})
    assert [warning.filename for warning in caught] == ["a cell"]
