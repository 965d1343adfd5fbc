"""A grid search on handwritten digits, beside scikit-learn's own network.

Run ``python examples/quickstart.py``. A pipeline of a scaler and a classifier is tuned
over optimizer, activation, regularization and batch size; the best model is tested,
pickled and reloaded; then the part of the grid that scikit-learn can do is searched with
both libraries.
"""

import pickle
import time

import numpy as np
from joblib import parallel_config
from sklearn import neural_network
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknn_opt

SETTINGS = {
    "hidden_layer_sizes": (64,),
    "max_iter": 500,
    "tol": 1e-3,
    "n_iter_no_change": 5,
    "random_state": 0,
}

# One grid for each optimizer, since they differ in what matters to them.
GRID = [
    {
        "optimizer": ["sgd"],
        "activation": ["relu", "tanh"],
        "alpha": [1e-4, 0.1],
        "l1_ratio": [0.0, 0.5],
        "batch_size": [32],
        "learning_rate_init": [0.05],
    },
    {
        "optimizer": ["adam"],
        "activation": ["relu", "tanh"],
        "alpha": [1e-4, 0.1],
        "l1_ratio": [0.0, 0.5],
        "batch_size": [32, 200],
        "learning_rate_init": [0.01],
    },
    {
        "optimizer": ["lbfgs"],
        "activation": ["relu", "tanh"],
        "alpha": [1e-4, 1.0],
        "l1_ratio": [0.0, 0.5],
    },
]


def search(classifier, grid, X, y, n_jobs):
    """Return the fitted grid search over a scaler and ``classifier``, and its seconds.

    joblib shows its progress on the standard error.
    """
    step = type(classifier).__name__.lower()
    grid = [{f"{step}__{name}": values for name, values in part.items()} for part in grid]
    pipeline = make_pipeline(StandardScaler(), classifier)
    start = time.perf_counter()
    with parallel_config(verbose=8):
        found = GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs).fit(X, y)
    return found, time.perf_counter() - start


def without(name, grid):
    return [{key: part[key] for key in part if key != name} for part in grid]


def with_solver(grid):
    """The same grid in scikit-learn's words."""
    return [{"solver" if key == "optimizer" else key: part[key] for key in part} for part in grid]


def print_best(found, n_rows=6):
    columns = ["optimizer", "activation", "alpha", "l1_ratio", "batch_size"]
    print("rank " + " ".join(f"{name:>10}" for name in columns) + "   accuracy      fit time")
    results = found.cv_results_
    for rank, i in enumerate(np.argsort(results["rank_test_score"], kind="stable")[:n_rows], 1):
        chosen = {name.split("__")[1]: value for name, value in results["params"][i].items()}
        values = " ".join(f"{chosen.get(name, '-'):>10}" for name in columns)
        mean, std = results["mean_test_score"][i], results["std_test_score"][i]
        fit_time = results["mean_fit_time"][i]
        print(f"{rank:4} {values}   {mean:.3f} ± {std:.3f} {fit_time:8.3f} s")


def main(grid=GRID, n_jobs=-1):
    """Run everything and return the best estimator and its test score."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    print(f"Digits: {len(X_train)} images to learn from, {len(X_test)} to test on.")

    print("The first fit on a machine compiles kernels for some seconds ...", flush=True)
    start = time.perf_counter()
    sknn_opt.MLPClassifier(**SETTINGS).fit(X_train, y_train)
    print(f"First fit: {time.perf_counter() - start:.2f} s", flush=True)

    found, seconds = search(sknn_opt.MLPClassifier(**SETTINGS), grid, X_train, y_train, n_jobs)
    n_candidates = len(found.cv_results_["params"])
    print(f"\nGrid search: {n_candidates} candidates × 3 folds in {seconds:.1f} s. The best:\n")
    print_best(found)

    best = found.best_estimator_
    accuracy = best.score(X_test, y_test)
    weights = np.concatenate([w.ravel() for w in best[-1].coefs_])
    print(f"\nTest accuracy of the best model, refitted on all of them: {accuracy:.3f}")
    print(f"Its weights that are exactly zero: {np.mean(weights == 0):.0%} of {weights.size}")

    pickled = pickle.dumps(best)
    reloaded = pickle.loads(pickled)
    if not np.array_equal(best.predict_proba(X_test), reloaded.predict_proba(X_test)):
        raise AssertionError("The reloaded model predicts otherwise.")
    print(f"Pickled to {len(pickled) / 1000:.0f} kB and reloaded: equal predictions.\n")

    print("Now the candidates without l1_ratio, in both libraries:", flush=True)
    shared = without("l1_ratio", grid)
    ours, our_seconds = search(sknn_opt.MLPClassifier(**SETTINGS), shared, X_train, y_train, n_jobs)
    theirs, their_seconds = search(
        neural_network.MLPClassifier(**SETTINGS), with_solver(shared), X_train, y_train, n_jobs
    )
    our_scores, their_scores = (s.cv_results_["mean_test_score"] for s in (ours, theirs))
    print()
    print(f"  sknn_opt      {our_seconds:6.1f} s   best accuracy {our_scores.max():.3f}")
    print(f"  scikit-learn  {their_seconds:6.1f} s   best accuracy {their_scores.max():.3f}")
    print(f"  ratio         {their_seconds / our_seconds:6.1f}")
    difference = np.abs(our_scores - their_scores).max()
    print(f"\nLargest difference between the scores of a candidate: {difference:.1g}")
    return best, accuracy


if __name__ == "__main__":
    main()
