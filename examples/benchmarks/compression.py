"""What compressed networks cost and what they are worth: size, multiply-adds, time, accuracy.

Run ``python examples/benchmarks/compression.py``. Half of the digits are for training. Accuracies
are means over splits; times are ratios to those of the first row of a table, measured in turn.
"""

import argparse
import pickle
import warnings

import numpy as np
from conditions import measure
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from sknn_opt import MLPClassifier
from sknn_opt.compression import prune, quantize

SETTINGS = {"learning_rate_init": 0.003, "max_iter": 60}
FINE_TUNING = {"max_iter": 20, "learning_rate_init": 0.001}


def digits(seed):
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=0.5, stratify=y, random_state=seed)


def networks(X, y, seed):
    """Return a large network and what becomes of it, by name."""
    large = MLPClassifier((256, 256), random_state=seed, **SETTINGS).fit(X, y)
    half = MLPClassifier((256, 256), random_state=seed, dtype="float32", **SETTINGS).fit(X, y)
    small = MLPClassifier((64, 64), random_state=seed, **SETTINGS).fit(X, y)
    pruned = prune(large, 0.75, X, y, fine_tuning=FINE_TUNING)
    return {
        "256, 256 units": large,
        "in float32": half,
        "quantized, 8 bits": quantize(large),
        "quantized, 4 bits": quantize(large, 4),
        "64, 64 units, from scratch": small,
        "pruned to 64, 64 by weights": prune(large, 0.75),
        "pruned to 64, 64 by outputs": prune(large, 0.75, X),
        "pruned to 64, 64, fine-tuned": pruned,
        "the same, quantized, 8 bits": quantize(pruned),
    }


def multiply_adds(model):
    """Return those of one row, over all networks."""
    if hasattr(model, "estimators_"):
        return sum(map(multiply_adds, model.estimators_))
    return sum(coefs.size for coefs in getattr(model, "steps", [(None, model)])[-1][1].coefs_)


def times(models, X, repeats):
    """Return times for one row and for a thousand, relative to the first model."""
    rows = {1: X[:1], 1000: X[np.arange(1000) % len(X)]}
    functions = {
        (name, n): lambda model=model, X=X: model.predict(X)
        for name, model in models.items()
        for n, X in rows.items()
    }
    seconds = measure(functions, repeats, {"one thread": lambda: threadpool_limits(1)})
    first = next(iter(models))
    return {
        name: [seconds[(name, n), "one thread"] / seconds[(first, n), "one thread"] for n in rows]
        for name in models
    }


def table(title, load, make, splits, repeats):
    """Print a row for each model."""
    scores = {}
    for seed in range(splits):
        X, X_test, y, y_test = load(seed)
        models = make(X, y, seed)
        for name, model in models.items():
            scores.setdefault(name, []).append(model.score(X_test, y_test))
    ratios = times(models, X_test, repeats)
    print(f"\n{title:34}      kB  multiply-adds  time, 1 row  1,000 rows  accuracy")
    for name, model in models.items():
        size, work = len(pickle.dumps(model)) / 1000, multiply_adds(model)
        one, thousand = ratios[name]
        accuracy = np.mean(scores[name])
        print(f"{name:34} {size:7.1f}  {work:13,}  {one:11.2f}  {thousand:10.2f}  {accuracy:8.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=101)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    table("digits", digits, networks, arguments.splits, arguments.repeats)


if __name__ == "__main__":
    main()
