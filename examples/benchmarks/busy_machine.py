"""What a busy process beside it costs a fit or a prediction.

Run ``python examples/benchmarks/busy_machine.py``. Each ratio is the time by default beside one
busy process, over the time with one thread of BLAS on a machine that is idle otherwise, measured in
alternation. On two cores, what uses both of them on the idle machine cannot reach 1.
"""

import argparse
import contextlib
import warnings

import numpy as np
from conditions import CONDITIONS, beside_a_busy_process, measure_under
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPClassifier, MLPRegressor


def data(n_samples, n_features, n_classes, dtype="f8"):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features)).astype(dtype)
    return X, rng.integers(0, n_classes, n_samples)


def fit(estimator, X, y, **parameters):
    parameters = {"tol": 0.0, "n_iter_no_change": 10**6, "random_state": 0, **parameters}
    model = estimator(**parameters)
    return lambda: model.fit(X, y)


def small_cases():
    """Fits whose products one thread does best."""
    digits = data(1797, 64, 10)
    model = MLPClassifier(max_iter=1, random_state=0).fit(*digits)
    rows = data(20000, 64, 10)[0]
    few = data(400, 10, 2)
    return {
        "digits, batch 200": fit(MLPClassifier, *digits, max_iter=20),
        "digits, batch 32": fit(MLPClassifier, *digits, batch_size=32, max_iter=6),
        "digits, batch 1": fit(MLPClassifier, *digits, batch_size=1, max_iter=1),
        "500 x 10": fit(
            MLPClassifier, *data(500, 10, 2), hidden_layer_sizes=50, batch_size=32, max_iter=40
        ),
        "digits, lbfgs": fit(MLPClassifier, *digits, solver="lbfgs", max_iter=50),
        "400 x 10, lm": fit(
            MLPRegressor, few[0], few[0][:, 0] * few[0][:, 1],
            hidden_layer_sizes=12, activation="tanh", optimizer="lm", max_iter=50,
        ),
        "digits, predict": lambda: model.predict(rows),
    }  # fmt: skip


def large_cases(n_jobs):
    """Fits whose products two threads do faster on an idle machine."""
    adam = {"max_iter": 2, "n_jobs": n_jobs}
    wide = data(2000, 784, 10, "f4")
    return {
        f"(256, 128), f8, n_jobs={n_jobs}": fit(
            MLPClassifier, *data(10000, 50, 10), hidden_layer_sizes=(256, 128), **adam
        ),
        f"(256, 128), f4, n_jobs={n_jobs}": fit(
            MLPClassifier, *data(10000, 50, 10, "f4"), hidden_layer_sizes=(256, 128), **adam
        ),
        f"(512, 512), f4, n_jobs={n_jobs}": fit(
            MLPClassifier, *wide, hidden_layer_sizes=(512, 512), batch_size=256, **adam
        ),
    }


@contextlib.contextmanager
def busy_with_one_thread():
    with beside_a_busy_process(), CONDITIONS["one thread"]():
        yield


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    conditions = {**CONDITIONS, "busy, one thread": busy_with_one_thread}
    print("| case | one thread, ms | all threads | busy | busy, one thread |")
    print("|---|---|---|---|---|")
    for name, function in {**small_cases(), **large_cases(None), **large_cases(1)}.items():
        times = measure_under({name: function}, arguments.repeats, conditions)
        one, *others = (times[name, condition] for condition in conditions)
        ratios = " | ".join(f"{other / one:.2f}" for other in others)
        print(f"| {name} | {1e3 * one:.1f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
