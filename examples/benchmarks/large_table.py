"""Memory and time of a committee on a large table.

Run ``python examples/benchmarks/large_table.py``, with ``--rows 1e6`` for the figures of the guide.
Fits a committee to made-up numbers, and prints the CPU time and how much anonymous memory (RssAnon)
it takes at most, beside the size of the largest encoding of the whole table. The number of epochs
no longer depends on that of rows from 50,000 rows on, so that the time grows with the rows. Linux
only.
"""

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from memory_map import anonymous_megabytes, peak_during

from sknn_opt import TabularMLPClassifier

N_FEATURES = 50


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=100_000)
    parser.add_argument("--members", default="fast")
    parser.add_argument("--n-jobs", type=int, default=1)
    arguments = parser.parse_args()
    rng, n = np.random.default_rng(0), int(arguments.rows)
    X = rng.normal(size=(n, N_FEATURES)).astype(np.float32)
    signal = X[:, 0] + X[:, 1] * X[:, 2] + np.sin(2 * X[:, 3])
    y = signal + rng.normal(0, 0.5, n) > 0
    model = TabularMLPClassifier(arguments.members, n_jobs=arguments.n_jobs, random_state=0)
    before, start = anonymous_megabytes(), time.process_time()
    peak = peak_during(lambda: model.fit(X, y)) - before
    seconds = time.process_time() - start
    n_columns = max(len(encoder.get_feature_names_out()) for encoder in model.encoders_)
    largest = n * n_columns * 4 / 2**20
    print(
        f"{n} rows, {N_FEATURES} numbers, members={arguments.members!r}: {seconds:.0f} CPU seconds"
    )
    print(
        f"peak memory {peak:.0f} MB, {peak / largest:.2f} x the largest encoding ({largest:.0f} MB)"
    )
    before, start = anonymous_megabytes(), time.process_time()
    peak = peak_during(lambda: model.predict(X)) - before
    print(f"predict: {time.process_time() - start:.0f} CPU seconds, peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
