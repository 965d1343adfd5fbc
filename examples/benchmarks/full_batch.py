"""What an evaluation of the objective of all samples costs, in time and in memory.

Run ``python examples/benchmarks/full_batch.py``. L-BFGS is measured beside scikit-learn's
with the same network, data and number of iterations, per evaluation of loss and gradient,
since the two line searches may ask for different numbers of them. All contenders take turns,
round by round, and medians of the rounds' ratios are printed. Memory is what the peak of a
fresh process rises by in fit, so without the data. float64 everywhere.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn import neural_network
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

import sknn_opt
from sknn_opt._training.objective import Objective
from sknn_opt.optimizers import NewtonCG

CLASSIFIERS = {"sknn_opt": sknn_opt.MLPClassifier, "scikit-learn": neural_network.MLPClassifier}
EVALUATIONS = {
    "sknn_opt": (Objective, "loss_and_gradient"),
    "scikit-learn": (neural_network.MLPClassifier, "_loss_grad_lbfgs"),
}


def digits():
    X, y = load_digits(return_X_y=True)
    return scale(X), y


def generated(n_samples=100_000):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, 50))
    return X, (X @ rng.standard_normal((50, 10))).argmax(axis=1)


def lbfgs(library, hidden, n_iterations, **parameters):
    return CLASSIFIERS[library](
        hidden, solver="lbfgs", max_iter=n_iterations, tol=0, random_state=0, **parameters
    )


@contextmanager
def counted(cls, name):
    """Count the calls of a method."""
    calls = []
    method = getattr(cls, name)

    def call(self, *arguments):
        calls.append(None)
        return method(self, *arguments)

    with patch.object(cls, name, call):
        yield calls


def seconds_an_evaluation(library, estimator, X, y):
    with counted(*EVALUATIONS[library]) as calls:
        start = time.perf_counter()
        estimator.fit(X, y)
        return (time.perf_counter() - start) / len(calls)


def in_turns(contenders, X, y, repeats):
    """Seconds an evaluation of each contender in each round."""
    for library, estimator in contenders:  # compiles, and wakes the processors
        seconds_an_evaluation(library, estimator, X, y)
    return [
        [seconds_an_evaluation(library, estimator, X, y) for library, estimator in contenders]
        for _ in range(repeats)
    ]


def ratio(rounds, i, j):
    return statistics.median(seconds[i] / seconds[j] for seconds in rounds)


def milliseconds(rounds, i):
    return 1e3 * statistics.median(seconds[i] for seconds in rounds)


def time_table(repeats):
    print("\n| n, features, hidden | ms an evaluation | scikit-learn's | × faster |")
    print("|---|---|---|---|")
    contenders = [(library, lbfgs(library, (100,), 60)) for library in CLASSIFIERS]
    rounds = in_turns(contenders, *digits(), repeats)
    print(
        f"| 1797, 64, (100,), digits | {milliseconds(rounds, 0):.2f} | "
        f"{milliseconds(rounds, 1):.2f} | {ratio(rounds, 1, 0):.1f} |"
    )

    contenders = [(library, lbfgs(library, (64, 64), 4)) for library in CLASSIFIERS]
    contenders += [("sknn_opt", lbfgs("sknn_opt", (64, 64), 4, n_jobs=n_jobs)) for n_jobs in (1, 2)]
    rounds = in_turns(contenders, *generated(), repeats)
    print(
        f"| 100000, 50, (64, 64), generated | {milliseconds(rounds, 0):.0f} | "
        f"{milliseconds(rounds, 1):.0f} | {ratio(rounds, 1, 0):.1f} |"
    )
    print("\n| threads, on the latter | ms an evaluation | × faster than n_jobs=1 |\n|---|---|---|")
    for name, i in {"n_jobs=None (BLAS's)": 0, "n_jobs=1": 2, "n_jobs=2": 3}.items():
        print(f"| {name} | {milliseconds(rounds, i):.0f} | {ratio(rounds, 2, i):.2f} |")


def peak_memory():
    """Bytes: the most that this process has ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def print_memory_of_fit(library, file):
    lbfgs(library, (64, 64), 2).fit(*generated(2000))  # loads what the library needs
    with np.load(file) as data:  # which takes no more memory than what it returns
        X, y = data["X"], data["y"]
    before = peak_memory()
    lbfgs(library, (64, 64), 4).fit(X, y)
    print(peak_memory() - before)


def memory_table():
    megabytes = {}
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "data.npz")
        X, y = generated()
        np.savez(file, X=X, y=y)
        for library in CLASSIFIERS:
            command = [sys.executable, "-W", "ignore", __file__, "--memory-of", library, file]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            megabytes[library] = int(run.stdout) / 1e6
    print(f"| memory of fit, over the data's {X.nbytes / 1e6:.0f} MB | MB | × scikit-learn's |")
    print("|---|---|---|")
    for library in CLASSIFIERS:
        share = megabytes[library] / megabytes["scikit-learn"]
        print(f"| {library} | {megabytes[library]:.0f} | {share:.2f} |")


def newton_table():
    """Iterations from random parameters to the minimum of a convex objective."""
    print("\n| newton-cg on a logistic regression | iterations to a gradient norm of 1e-6 |")
    print("|---|---|")
    for name, alpha, (X, y) in [
        ("breast cancer", 1.0, load_breast_cancer(return_X_y=True)),
        ("digits", 1.0, digits()),
        ("digits", 1e-2, digits()),
        ("100000 × 50, 10 classes", 1.0, generated()),
    ]:
        model = sknn_opt.MLPClassifier(
            (), optimizer="newton-cg", alpha=alpha, tol=1e-9, max_iter=50, random_state=0
        ).fit(scale(X), y)
        norms = np.array(model.history_["grad_norm"])
        there = np.flatnonzero(norms <= 1e-6)
        n_iterations = there[0] + 1 if there.size else f"more than {len(norms)}"
        print(f"| {name}, alpha={alpha:g} | {n_iterations} |")


class _Stopwatch(NewtonCG):
    """Evaluates in turns, in place of minimizing."""

    seconds = None

    def minimize(self, objective, iteration, tol, max_iter):
        x = objective.vector()
        vector = np.random.default_rng(0).standard_normal(x.size)
        exact, gauss_newton = map(objective.hessian_product, (True, False))
        calls = [
            lambda: objective.loss_and_gradient(x),
            lambda: exact(x, vector),
            lambda: gauss_newton(x, vector),
        ]
        rounds = []
        for _ in range(max_iter):
            rounds.append([])
            for call in calls:
                start = time.perf_counter()
                call()
                rounds[-1].append(time.perf_counter() - start)
        type(self).seconds = rounds[1:]  # the first one compiles
        return OptimizeResult(x=x, fun=objective.loss_and_gradient(x)[0], success=True)


def product_table():
    print("\n| product of a vector with | digits, (100,) | 20000, 50, (64, 64) |\n|---|---|---|")
    columns = []
    for hidden, repeats, (X, y) in [((100,), 60, digits()), ((64, 64), 12, generated(20_000))]:
        sknn_opt.MLPClassifier(
            hidden, "tanh", optimizer=_Stopwatch(), max_iter=repeats, random_state=0
        ).fit(X, y)
        columns.append([ratio(_Stopwatch.seconds, i, 0) for i in (1, 2)])
    for name, ratios in zip(
        ("the Hessian", "its Gauss-Newton matrix"), zip(*columns, strict=True), strict=True
    ):
        print(f"| {name} | " + " | ".join(f"{r:.1f} gradients" for r in ratios) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if arguments.memory_of:
        print_memory_of_fit(*arguments.memory_of)
        return
    # First, as a process is born with the peak of the one that starts it.
    memory_table()
    time_table(arguments.repeats)
    newton_table()
    product_table()


if __name__ == "__main__":
    main()
