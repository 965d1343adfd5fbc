"""Memory of training on a memory-mapped file that is larger than what training may take.

Run ``python examples/benchmarks/memory_map.py``. Writes a float32 array of 2 GB to a file, trains
on it for an epoch with a validation split, and prints how much anonymous memory (RssAnon, which
the pages of the file are no part of) the process takes at most. Linux only.
"""

import argparse
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPClassifier

N_FEATURES = 256


def anonymous_megabytes():
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def peak_during(function):
    """Largest anonymous memory while a function runs, looked at every 10 ms."""
    peak, done = anonymous_megabytes(), threading.Event()

    def watch():
        nonlocal peak
        while not done.is_set():
            peak = max(peak, anonymous_megabytes())
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        function()
    finally:
        done.set()
        thread.join()
    return peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", help="where to write the file; the default is temporary")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    n_rows = int(arguments.gigabytes * 2**30 / 4 / N_FEATURES)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "X.npy"
        X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, N_FEATURES))
        rng, y = np.random.default_rng(0), np.empty(n_rows, np.int64)
        for start in range(0, n_rows, 100_000):
            block = X[start : start + 100_000]
            block[:] = rng.standard_normal(block.shape, dtype=np.float32)
            y[start : start + 100_000] = block[:, :5].sum(axis=1) > 0
        X.flush()
        X = np.load(path, mmap_mode="r")
        print("| what | MB of anonymous memory |")
        print("|---|---|")
        print(f"| before | {anonymous_megabytes():.0f} |")
        for early_stopping in (False, True):
            network = MLPClassifier(
                (64,), max_iter=1, batch_size=1000, early_stopping=early_stopping, random_state=0
            )
            peak = peak_during(lambda network=network: network.fit(X, y))
            name = f"fit, early_stopping={early_stopping}"
            print(f"| {name}, at most | {peak:.0f} |", flush=True)
        print(f"| predict, at most | {peak_during(lambda: network.predict(X)):.0f} |")
    # Equal to the fit in memory, on the first rows.
    few = 20_000
    X = np.random.default_rng(0).standard_normal((few, N_FEATURES), dtype=np.float32)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        np.save(Path(folder) / "X.npy", X)
        mapped = np.load(Path(folder) / "X.npy", mmap_mode="r")
        fits = [
            MLPClassifier((64,), max_iter=2, early_stopping=True, random_state=0).fit(data, y[:few])
            for data in (X, mapped)
        ]
    same = all(np.array_equal(a, b) for a, b in zip(fits[0].coefs_, fits[1].coefs_, strict=True))
    print(f"\nThe same weights as in memory, on {few} rows: {same}")


if __name__ == "__main__":
    main()
