"""How the time of training grows with the data and with the network.

Run ``python examples/benchmarks/growth.py``. One size is varied at a time, around 20,000 samples of
50 features, a hidden layer of 100 units, 10 classes and batches of 200. ``--plot FILE`` draws it.
"""

import argparse
import statistics
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPClassifier

USUAL = {"samples": 20_000, "features": 50, "width": 100, "depth": 1, "batch": 200, "classes": 10}
VARIED = {
    "samples": [1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000],
    "features": [10, 30, 100, 300, 1000],
    "width": [10, 30, 100, 300, 1000],
    "depth": [1, 2, 4, 8, 16],
    "batch": [1, 10, 100, 1000, 10_000],
    "classes": [2, 10, 100, 1000],
}


def microseconds(repeats, samples, features, width, depth, batch, classes):
    """Time of a sample and epoch: what a long fit takes more than a short one."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((samples, features)), rng.integers(0, classes, samples)
    # Some 0.2 s of training, at the least an epoch.
    work = samples * (features + (depth - 1) * width + classes) * width
    epochs = int(np.clip(2e8 / work, 1, 20))
    networks = [
        MLPClassifier(
            (width,) * depth, batch_size=batch, max_iter=n, n_iter_no_change=10**6, random_state=0
        )
        for n in (1, 1 + epochs)
    ]
    differences = []
    for _ in range(repeats + 1):
        seconds = []
        for network in networks:
            start = time.perf_counter()
            network.fit(X, y)
            seconds.append(time.perf_counter() - start)
        differences.append(seconds[1] - seconds[0])
    return 1e6 * statistics.median(differences[1:]) / (epochs * samples)


def plot(results, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(10, 6), sharey=True, layout="constrained")
    for ax, (what, times) in zip(axes.flat, results.items(), strict=True):
        ax.plot(list(times), list(times.values()), marker="o")
        ax.set(xscale="log", yscale="log", xlabel=what)
        ax.grid(alpha=0.3)
    for ax in axes[:, 0]:
        ax.set_ylabel("µs a sample and epoch")
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--plot", help="file to draw to")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    microseconds(1, **USUAL)
    results = {}
    print("| varied | size | µs a sample and epoch |")
    print("|---|---|---|")
    for what, sizes in VARIED.items():
        results[what] = {}
        for size in sizes:
            results[what][size] = microseconds(arguments.repeats, **USUAL | {what: size})
            print(f"| {what} | {size} | {results[what][size]:.3f} |", flush=True)
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
