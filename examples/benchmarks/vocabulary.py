"""What each part of the vocabulary costs, beside the plain network of the second speed case.

Run ``python examples/benchmarks/vocabulary.py``. All rows are (1797, 64, (100,), 10) in
batches of 32, float64, adam; measured in turn, round by round, and the medians' ratios to
the plain network are printed. The last table is what a component compiles, once a machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from conditions import measure
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPClassifier
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.optimizers import OPTIMIZERS, FirstOrder

BASE = {
    "batch_size": 32,
    "max_iter": 10,
    "n_iter_no_change": 10**6,
    "tol": 0.0,
    "random_state": 0,
}

FEATURES = {
    "plain": {},
    "dropout=0.5": {"dropout": 0.5},
    "normalization='layer'": {"normalization": "layer"},
    "normalization='batch'": {"normalization": "batch"},
    "max_norm=3": {"max_norm": 3.0},
    "clip_norm=1": {"clip_norm": 1.0},
    "warmup=2, cosine": {"warmup": 2, "learning_rate": "cosine"},
}

_FIRST_FIT = """
import time, warnings
warnings.simplefilter("ignore")
import numpy as np
from sknn_opt import MLPClassifier
rng = np.random.default_rng(0)
X, y = rng.standard_normal((300, 10)), rng.integers(0, 3, 300)
seconds = []
for parameters in ({}, {parameters}):
    for _ in range(2):
        start = time.perf_counter()
        MLPClassifier(max_iter=2, **parameters).fit(X, y)
        seconds.append(time.perf_counter() - start)
print(seconds[0] - seconds[1], seconds[2] - seconds[3])
"""


def first_fits(parameters):
    """Seconds that a first plain fit takes over a later one, without any cache, and that
    the first one with ``parameters`` takes after it."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-c", _FIRST_FIT.replace("{parameters}", repr(parameters))],
            env={**os.environ, "NUMBA_CACHE_DIR": folder},
            capture_output=True,
            text=True,
            check=True,
        )
    return [float(x) for x in run.stdout.split()]


def table(title, rows, repeats):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((1797, 64)), rng.integers(0, 10, 1797)
    estimators = [MLPClassifier(**{**BASE, **parameters}) for parameters in rows.values()]
    seconds = measure([lambda e=e: e.fit(X, y) for e in estimators], repeats)
    print(f"\n| {title} | × the first row's time |\n|---|---|")
    for name, s in zip(rows, seconds, strict=True):
        print(f"| {name} | {s / seconds[0]:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore", ConvergenceWarning)
    table("feature", FEATURES, repeats)
    minibatch = [
        name
        for name, cls in OPTIMIZERS.items()
        if issubclass(cls, FirstOrder) and not cls.needs_all_samples and name != "adam"
    ]
    table("optimizer", {name: {"optimizer": name} for name in ["adam", *minibatch]}, repeats)
    others = [name for name in ACTIVATIONS if name != "relu"]
    table("activation", {name: {"activation": name} for name in ["relu", *others]}, repeats)
    print("\n| first fit without a cache | seconds over a later one |\n|---|---|")
    first = {
        "optimizer='nadam'": {"optimizer": "nadam"},
        "optimizer='muon'": {"optimizer": "muon"},
        "activation='gelu'": {"activation": "gelu"},
        "loss='hinge'": {"loss": "hinge"},
        "normalization='batch'": {"normalization": "batch"},
        "dropout=0.5": {"dropout": 0.5},
    }
    for name, parameters in first.items():
        plain, more = first_fits(parameters)
        print(f"| plain, then {name} | {plain:.2f}, then {more:.2f} |", flush=True)


if __name__ == "__main__":
    main()
