"""What the first use in a process costs, with and without kernels cached on disk.

Run ``python examples/benchmarks/startup.py``. Each figure is the median over fresh
processes; ours and scikit-learn's take turns.
"""

import argparse
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import numpy as np
from sklearn import neural_network
from threadpoolctl import threadpool_limits

import sknn_opt

_IMPORT = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""

_FIRST = """
import pickle, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from {module} import MLPClassifier
rng = np.random.default_rng(0)
X, y = rng.standard_normal((500, 20)), rng.integers(0, 3, 500)
if "{what}" == "fit":
    act = lambda: MLPClassifier(max_iter=5, random_state=0).fit(X, y)
else:
    with open("{pickled}", "rb") as file:
        fitted = pickle.load(file)
    act = lambda: fitted.predict(X)
seconds = []
for _ in range(2):
    start = time.perf_counter()
    act()
    seconds.append(time.perf_counter() - start)
print(seconds[0] - seconds[1] if "{what}" == "fit" else seconds[0])
"""


def run(code, cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return float(output.stdout)


def median(code, repeats, cache=None):
    """Over processes; without ``cache`` each starts with an empty one."""
    seconds = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as empty:
            seconds.append(run(code, cache or empty))
    return statistics.median(seconds)


def warm_up():
    """Seconds that ``python -m sknn_opt.compile`` takes with an empty cache."""
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "NUMBA_CACHE_DIR": empty}
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "sknn_opt.compile"],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - start


def pickled(module, folder):
    """Path of a pickled model."""
    rng = np.random.default_rng(0)
    model = module.MLPClassifier(max_iter=2).fit(
        rng.standard_normal((500, 20)), rng.integers(0, 3, 500)
    )
    path = os.path.join(folder, f"{module.__name__}.pickle")
    with open(path, "wb") as file:
        pickle.dump(model, file)
    return path


def time_of(function, repeats):
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def single_rows():
    """Microseconds of predicting one row, ours and scikit-learn's."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((500, 20)), rng.integers(0, 3, 500)
    models = [module.MLPClassifier(max_iter=5).fit(X, y) for module in (sknn_opt, neural_network)]
    return [1e6 * time_of(lambda m=m: m.predict(X[:1]), 500) for m in models]


def two_threads():
    """Time of two fits in two threads over that of one, with BLAS on one thread."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2000, 64)), rng.integers(0, 10, 2000)

    def fit():
        sknn_opt.MLPClassifier(
            batch_size=32, max_iter=40, n_iter_no_change=100, random_state=0
        ).fit(X, y)

    def fit_two():
        threads = [threading.Thread(target=fit) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with threadpool_limits(1, user_api="blas"):
        fit()
        ratios = [time_of(fit_two, 1) / time_of(fit, 1) for _ in range(9)]
    return statistics.median(ratios)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    imports = {m: [] for m in ("sklearn.neural_network", "sknn_opt")}
    for _ in range(2 * repeats + 1):
        for module, seconds in imports.items():
            seconds.append(run(_IMPORT.format(module=module), ""))
    theirs, ours = (statistics.median(seconds[1:]) for seconds in imports.values())
    print("| what | seconds |\n|---|---|")
    print(f"| import sknn_opt over import sklearn.neural_network | {ours - theirs:.3f} |")
    with tempfile.TemporaryDirectory() as cache:
        first = _FIRST.format(module="sknn_opt", what="fit", pickled="")
        print(f"| first fit over a later one, no cache | {median(first, repeats):.2f} |")
        run(first, cache)
        print(f"| ... kernels cached | {median(first, repeats, cache):.2f} |")
        predict = _FIRST.format(module="sknn_opt", what="predict", pickled=pickled(sknn_opt, cache))
        base = _FIRST.format(
            module="sklearn.neural_network", what="predict", pickled=pickled(neural_network, cache)
        )
        base = median(base, repeats)
        print(f"| first predict over theirs, no cache | {median(predict, repeats) - base:.2f} |")
        run(predict, cache)
        print(f"| ... kernels cached | {median(predict, repeats, cache) - base:.2f} |")
    print(f"| python -m sknn_opt.compile, all kernels, once | {warm_up():.0f} |")
    ours, theirs = single_rows()
    print(f"\npredict of one row: {ours:.0f} µs, scikit-learn's {theirs:.0f} µs")
    print(f"two fits in two threads take {two_threads():.2f} × the time of one")


if __name__ == "__main__":
    main()
