"""Threads and processes, each in a fresh interpreter: what is raced for is the first use."""

import multiprocessing
import os
import pickle
import subprocess
import sys

import pytest
from sklearn.datasets import load_digits

from sknn_opt import MLPClassifier

COMMON = """
import multiprocessing
import pickle
import sys
import threading
import warnings

import joblib
import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits

from sknn_opt import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore")
X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]
parameters = {"hidden_layer_sizes": 30, "max_iter": 3, "batch_size": 64, "random_state": 0}
JOBS = [
    (MLPClassifier(**parameters), X, y),
    (MLPClassifier(**parameters, dtype="float32"), X, y),
    (MLPClassifier(**parameters, activation="tanh", optimizer="sgd"), X, y > 4),
    (MLPClassifier(**parameters, early_stopping=True), sparse.csr_matrix(X), y),
    (MLPRegressor(**parameters, optimizer="lbfgs"), X, y),
    (MLPRegressor(**parameters, loss="poisson"), np.asfortranarray(X), y),
    (MLPRegressor(**parameters, activation="logistic", l1_ratio=0.5, alpha=1.0), X, y),
    (MLPRegressor(**parameters, optimizer="lbfgs", l1_ratio=0.5), sparse.csr_matrix(X), y),
]


def outputs(estimator, X):
    return getattr(estimator, "predict_proba", estimator.predict)(X)


def run(job):
    estimator, X, y = JOBS[job]
    fitted = clone(estimator).fit(X, y)
    return [*fitted.coefs_, *fitted.intercepts_, outputs(fitted, X)]
"""

THREADS = """
with open(sys.argv[1], "rb") as file:
    loaded, expected = pickle.load(file)
shared = MLPClassifier(**parameters)
barrier = threading.Barrier(len(JOBS))
separate, predicted, refitted, errors = {}, [], [], []


def work(job):
    try:
        barrier.wait()
        if job % 2:
            predicted.append(outputs(loaded, X))
        separate[job] = run(job)
        predicted.append(outputs(loaded, X))
        barrier.wait()
        for _ in range(5):
            refitted.append(outputs(shared.fit(X, y), X))
    except BaseException as error:
        errors.append(error)
        barrier.abort()


threads = [threading.Thread(target=work, args=(job,)) for job in range(len(JOBS))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if errors:
    raise errors[0]
for job in range(len(JOBS)):
    for got, sequential in zip(separate[job], run(job), strict=True):
        np.testing.assert_array_equal(got, sequential)
assert len(predicted) == len(JOBS) * 3 // 2
for got in predicted:
    np.testing.assert_array_equal(got, expected)
sequential = outputs(clone(shared).fit(X, y), X)
assert len(refitted) == 5 * len(JOBS)
for got in refitted:
    np.testing.assert_array_equal(got, sequential)
"""

PROCESSES = """
if __name__ == "__main__":
    method, first_use, *jobs = sys.argv[1:]
    jobs = [int(job) for job in jobs] or range(len(JOBS))
    if first_use == "parent":
        sequential = [run(job) for job in jobs]
    if method == "loky":
        results = joblib.Parallel(2, backend="loky")(map(joblib.delayed(run), jobs))
    else:
        with multiprocessing.get_context(method).Pool(2) as pool:
            results = pool.map(run, jobs, chunksize=1)
    if first_use == "children":
        sequential = [run(job) for job in jobs]
    assert len(results) == len(jobs)
    for result, expected in zip(results, sequential, strict=True):
        for got, array in zip(result, expected, strict=True):
            # Workers of loky have fewer BLAS threads, which changes the rounding.
            tolerance = 1e-9 if array.dtype == np.float64 else 1e-4
            if method == "loky":
                np.testing.assert_allclose(got, array, rtol=tolerance, atol=tolerance)
            else:
                np.testing.assert_array_equal(got, array)
"""

SEARCH = """
if __name__ == "__main__":
    from pathlib import Path

    from sklearn.model_selection import GridSearchCV

    def files():
        return {file: file.stat().st_mtime_ns for file in Path(sys.argv[1]).rglob("*.sknn")}

    before = files()
    assert before
    estimator, X, y = JOBS[0]
    with joblib.parallel_config("loky"):
        search = GridSearchCV(estimator, {"alpha": [1e-4, 1.0]}, cv=2, n_jobs=2).fit(X, y)
    search.predict_proba(X)
    assert files() == before
"""


def run_script(folder, code, *arguments, cache):
    script = folder / "script.py"
    script.write_text(COMMON + code)
    done = subprocess.run(
        [sys.executable, "-P", str(script), *map(str, arguments)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder that is cold for the first test only."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_threads_with_a_cold_cache(tmp_path, cache):
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    estimator = MLPClassifier(20, activation="tanh", max_iter=2, random_state=0).fit(X, y)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps((estimator, estimator.predict_proba(X))))
    assert not any(cache.iterdir())
    run_script(tmp_path, THREADS, tmp_path / "model.pickle", cache=cache)
    assert any(cache.rglob("*.sknn"))


def test_processes_with_a_cold_cache(tmp_path):
    cache = tmp_path / "cold"
    run_script(tmp_path, PROCESSES, "spawn", "children", 0, 0, cache=cache)
    # What two processes have compiled at the same time, a search and its workers load.
    run_script(tmp_path, SEARCH, cache, cache=cache)


@pytest.mark.parametrize(
    ("method", "first_use"),
    [("spawn", "children"), ("fork", "children"), ("fork", "parent"), ("loky", "parent")],
)
def test_processes(tmp_path, cache, method, first_use):
    if method not in [*multiprocessing.get_all_start_methods(), "loky"]:
        pytest.skip(f"this platform does not start processes by {method}")
    run_script(tmp_path, PROCESSES, method, first_use, cache=cache)
