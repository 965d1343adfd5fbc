"""A grid search on digits, beside scikit-learn's at its best number of jobs.

Run ``python examples/benchmarks/search.py``. 24 candidates, three folds. scikit-learn's search
runs with each number of jobs in loky processes, ours in threads too, since training holds no
lock. The searches take turns; medians are printed.
"""

import argparse
import warnings

import joblib
import numpy as np
from conditions import measure
from sklearn import neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

import sknn_opt

GRID = {
    "hidden_layer_sizes": [(50,), (100,)],
    "alpha": [1e-4, 1e-2, 1.0],
    "learning_rate_init": [1e-3, 1e-2],
    "batch_size": [32, 200],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    # In the processes of loky as well.
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = load_digits(return_X_y=True)
    X /= 16

    def search(module, backend, n_jobs):
        def run():
            network = module.MLPClassifier(max_iter=arguments.epochs, random_state=0)
            # Each fit on one thread, as loky arranges it for its processes by itself.
            one_thread = threadpool_limits(1 if backend == "threading" else None)
            with one_thread, warnings.catch_warnings(), joblib.parallel_backend(backend):
                warnings.simplefilter("ignore")
                search = GridSearchCV(network, GRID, cv=3, n_jobs=n_jobs).fit(X, y)
            return search.best_score_

        return run

    n_cores = joblib.cpu_count()
    runs = {
        (name, backend, n_jobs): search(module, backend, n_jobs)
        for name, module, backends in (
            ("scikit-learn", neural_network, ["loky"]),
            ("sknn_opt", sknn_opt, ["loky", "threading"]),
        )
        for backend in backends
        for n_jobs in dict.fromkeys([1, 2, n_cores])
    }
    seconds = dict(zip(runs, measure(list(runs.values()), arguments.repeats), strict=True))
    theirs = min(s for (name, *_), s in seconds.items() if name == "scikit-learn")
    print(f"{int(np.prod([len(v) for v in GRID.values()]))} candidates, 3 folds")
    print("| search | n_jobs | s | × faster than scikit-learn's best |")
    print("|---|---|---|---|")
    for (name, backend, n_jobs), s in seconds.items():
        print(f"| {name}, {backend} | {n_jobs} | {s:.2f} | {theirs / s:.1f} |")


if __name__ == "__main__":
    main()
