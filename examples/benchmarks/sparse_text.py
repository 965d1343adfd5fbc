"""Training on sparse text features, beside scikit-learn on the same matrix.

Run ``python examples/benchmarks/sparse_text.py``. 8,000 documents, 16,384 hashed features of which
0.3 % are not zero, as a CSR matrix; a hidden layer of 100 units, batches of 200.
"""

import argparse
import warnings

import numpy as np
from conditions import measure
from scipy import sparse
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

import sknn_opt


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    print("| classes, dtype | ms an epoch | × faster than scikit-learn |")
    print("|---|---|---|")
    for n_classes, dtype in ((2, np.float64), (20, np.float64), (20, np.float32)):
        X = sparse.random(8000, 16384, 0.003, "csr", dtype=dtype, random_state=0)
        y = rng.integers(0, n_classes, 8000)
        parameters = {"max_iter": arguments.epochs, "batch_size": 200, "random_state": 0}
        estimators = [m.MLPClassifier(**parameters) for m in (sknn_opt, neural_network)]
        ours, theirs = measure(
            [lambda e=e, X=X, y=y: e.fit(X, y) for e in estimators], arguments.repeats
        )
        milliseconds = 1e3 * ours / arguments.epochs
        print(f"| {n_classes}, {X.dtype} | {milliseconds:.0f} | {theirs / ours:.1f} |")


if __name__ == "__main__":
    main()
