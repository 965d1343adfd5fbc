"""What compressed networks cost and what they are worth: size, multiply-adds, time, accuracy.

Run ``python examples/benchmarks/compression.py``. Half of the rows are for training. Scores are
means over splits; times are ratios to those of the first row of a table, measured in turn.
"""

import argparse
import pickle
import warnings

import numpy as np
from conditions import measure_under
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.utils import _safe_indexing
from threadpoolctl import threadpool_limits

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPRegressor, TabularMLPRegressor
from sknn_opt.compression import distill, prune, quantize
from sknn_opt.preprocessing import TabularEncoder

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


def committees(X, y, seed):
    """Return a committee and students of it, by name."""
    network = MLPClassifier((256, 256), **SETTINGS)
    committee = MLPEnsembleClassifier(network, n_estimators=8, random_state=seed).fit(X, y)
    small = MLPClassifier((64, 64), random_state=seed, **SETTINGS)
    noise = np.random.default_rng(seed).normal(0, 0.1, size=(4, *X.shape))
    unlabelled = (X + noise).reshape(-1, X.shape[1])
    student = distill(small, committee, unlabelled)
    pruned = prune(student, 0.5, unlabelled)
    return {
        "committee of 8": committee,
        "the committee, quantized": quantize(committee),
        "64, 64 units, from scratch": clone(small).fit(X, y),
        "distilled, rows of training": distill(small, committee, X),
        "distilled, noisy rows": student,
        "the same, pruned to 32, 32": pruned,
        "the same, quantized": quantize(pruned),
    }


def raw_table(seed):
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X["sex"] = X["sex"].map({1: "a", 2: "b"}).astype("category")
    return train_test_split(X, y, test_size=0.5, random_state=seed)


def of_tables(X, y, seed):
    """Return a committee that reads a raw table, and one pipeline in its place."""
    committee = TabularMLPRegressor(random_state=seed).fit(X, y)
    settings = {"alpha": 1.0, "scale_targets": True, "learning_rate_init": 0.003, "max_iter": 60}
    network = MLPRegressor((32,), random_state=seed, **settings)
    small = make_pipeline(TabularEncoder(random_state=seed), network)
    student = distill(small, committee, X)
    return {
        "TabularMLPRegressor": committee,
        "the committee, quantized": quantize(committee),
        "one network, from scratch": clone(small).fit(X, y),
        "one network, distilled": student,
        "the same, quantized": quantize(student),
    }


def multiply_adds(model):
    """Return those of one row, over all networks."""
    if hasattr(model, "estimators_"):
        return sum(map(multiply_adds, model.estimators_))
    return sum(coefs.size for coefs in getattr(model, "steps", [(None, model)])[-1][1].coefs_)


def times(models, X, repeats):
    """Return times for one row and for a thousand, relative to the first model."""
    rows = {n: _safe_indexing(X, np.arange(n) % len(X)) for n in (1, 1000)}
    functions = {
        (name, n): lambda model=model, X=X: model.predict(X)
        for name, model in models.items()
        for n, X in rows.items()
    }
    seconds = measure_under(functions, repeats, {"one thread": lambda: threadpool_limits(1)})
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
    print(f"\n{title:34}      kB  multiply-adds  time, 1 row  1,000 rows     score")
    for name, model in models.items():
        size, work = len(pickle.dumps(model)) / 1000, multiply_adds(model)
        one, thousand = ratios[name]
        score = np.mean(scores[name])
        print(f"{name:34} {size:7.1f}  {work:13,}  {one:11.2f}  {thousand:10.2f}  {score:8.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=101)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    table("digits, accuracy", digits, networks, arguments.splits, arguments.repeats)
    table("digits, accuracy", digits, committees, arguments.splits, arguments.repeats)
    table("diabetes, R²", raw_table, of_tables, arguments.splits, arguments.repeats)


if __name__ == "__main__":
    main()
