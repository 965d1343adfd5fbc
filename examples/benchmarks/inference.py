"""How long predictions take, beside scikit-learn's.

Run ``python examples/benchmarks/inference.py``. Both predict in turn, round by round, with the
same weights, and the ratio of the medians is printed.
"""

import argparse
import warnings

import numpy as np
from conditions import measure
from sklearn.exceptions import ConvergenceWarning

import sknn_opt

# features, hidden, classes
NETWORKS = [(10, (50,), 2), (64, (100,), 10), (50, (256, 128), 10)]
N_ROWS = [1, 10, 100, 1000, 100_000]


def predictions(estimator, X, calls):
    """Return a function that predicts so many times."""

    def run():
        for _ in range(calls):
            estimator.predict_proba(X)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    print("| features, hidden, classes | rows | µs a row | × faster |")
    print("|---|---|---|---|")
    for n_features, hidden, n_classes in NETWORKS:
        X = rng.standard_normal((N_ROWS[-1], n_features))
        y = rng.integers(0, n_classes, 1000)
        ours = sknn_opt.MLPClassifier(hidden, max_iter=2, random_state=0).fit(X[:1000], y)
        theirs = ours.to_sklearn()
        for n_rows in N_ROWS:
            rows, calls = X[:n_rows], max(1, 1000 // n_rows)

            seconds = measure(
                [predictions(e, rows, calls) for e in (ours, theirs)], arguments.repeats
            )
            per_row = 1e6 * seconds[0] / calls / n_rows
            name = f"{n_features}, {hidden}, {n_classes}"
            print(f"| {name} | {n_rows} | {per_row:.2f} | {seconds[1] / seconds[0]:.2f} |")


if __name__ == "__main__":
    main()
