"""What training on a Dask cluster costs, and how it scales, on workers of this machine.

Run ``python examples/benchmarks/dask_scaling.py`` on two idle cores, some three minutes. It needs
``pip install "sknn_opt[dask]"``. With ``--write`` the tables become ``docs/dask_scaling.inc``,
which the guide shows: what was measured, and a plan for a cluster that follows from it.
"""

import argparse
import os
import warnings
from contextlib import contextmanager
from pathlib import Path

# A worker has one thread, and so has the fit in memory beside it.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import dask.array as da
import numpy as np
import psutil
from distributed import Client, LocalCluster
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPClassifier
from sknn_opt.dask import DaskMLPClassifier

PAGE = Path(__file__).parents[2] / "docs" / "dask_scaling.inc"
LBFGS = {"activation": "tanh", "optimizer": "lbfgs", "tol": 1e-12, "random_state": 0}
PLAN = {"rows": 10**8, "features": 100, "workers": 16, "evaluations": 200, "epochs": 30}


@contextmanager
def cluster(n_workers):
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as workers,
        Client(workers),
    ):
        yield


def data(n_rows, n_features, n_partitions, dtype="float64"):
    """Return X and y of two classes, which the workers hold."""
    size = -(-n_rows // n_partitions)
    X = da.random.default_rng(0).normal(size=(n_rows, n_features), chunks=(size, n_features))
    X = X.astype(dtype).persist()
    half = n_features // 2
    y = (X[:, :half] ** 2).sum(axis=1) > (X[:, half : 2 * half] ** 2).sum(axis=1)
    return X, y.persist()


def seconds_of_iteration(model):
    """Return the median time of an iteration, or of an epoch, without the first, which compiles."""
    return float(np.median(np.diff(model.history_["time"])[1:]))


def n_parameters(n_hidden, n_features=10):
    return n_hidden * (n_features + 2) + 1


def cost_of_rounds():
    """Yield workers, partitions, parameters and the time of a round with hardly any work."""
    for n_workers in (1, 2):
        with cluster(n_workers):
            for n_partitions in (2, 8, 32):
                X, y = data(20 * n_partitions, 10, n_partitions)
                for n_hidden in (8, 833, 8333):
                    model = DaskMLPClassifier((n_hidden,), **LBFGS, max_iter=12).fit(X, y)
                    seconds = seconds_of_iteration(model)
                    yield n_workers, n_partitions, n_parameters(n_hidden), seconds


def speed_of_two_workers(n_rows=400_000):
    """Return the time of an iteration on one worker, and on two."""
    seconds = []
    for n_workers in (1, 2):
        with cluster(n_workers):
            X, y = data(n_rows, 50, 8)
            model = DaskMLPClassifier((64, 64), **LBFGS, max_iter=8).fit(X, y)
            seconds.append(seconds_of_iteration(model))
    return seconds


def memory_of_the_client():
    """Yield the number of rows and the memory of this process after a fit, in MB."""
    with cluster(2):
        for n_rows in (50_000, 200_000, 800_000):
            DaskMLPClassifier((20,), **LBFGS, max_iter=3).fit(*data(n_rows, 20, 8))
            yield n_rows, psutil.Process().memory_info().rss / 1e6


def mini_batches(n_partitions=4, epochs=20):
    """Return the accuracies of plain training, and on partitions in three times its epochs."""
    random = np.random.default_rng(0)
    X = random.normal(size=(60_000, 20))
    noise = 3 * random.normal(size=len(X))
    y = ((X[:, :10] ** 2).sum(axis=1) + noise > (X[:, 10:] ** 2).sum(axis=1)).astype(int)
    y += 2 * (X[:, 0] * X[:, 1] > 0)
    X_test, y_test, X, y = X[40_000:], y[40_000:], X[:40_000], y[:40_000]
    network = {"hidden_layer_sizes": (64, 32), "n_iter_no_change": np.inf, "random_state": 0}
    plain = MLPClassifier(**network, max_iter=epochs).fit(X, y)
    with cluster(2):
        lazily = [da.from_array(a, chunks=(len(a) // n_partitions, *a.shape[1:])) for a in (X, y)]
        model = DaskMLPClassifier(**network, max_iter=3 * epochs).fit(*lazily)
    return plain.score(X_test, y_test), model.to_local().score(X_test, y_test)


def distance_from_memory():
    """Return the largest difference of a coefficient from the same fit in memory."""
    network = {"hidden_layer_sizes": (20,), **LBFGS, "alpha": 1.0, "max_iter": 60}
    with cluster(2):
        X, y = data(20_000, 10, 8)
        model = DaskMLPClassifier(**network).fit(X, y)
        local = MLPClassifier(**network).fit(*map(np.asarray, (X, y)))
    pairs = zip(model.coefs_, local.coefs_, strict=True)
    return max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)


def work_of_a_row(n_rows=40_000):
    """Return the seconds that a row of the plan takes: in an evaluation, and in an epoch."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n_rows, PLAN["features"])).astype(np.float32)
    y = X[:, 0] > X[:, 1]
    full = MLPClassifier((64, 64), **LBFGS, max_iter=8).fit(X, y)
    epochs = MLPClassifier((64, 64), max_iter=5, n_iter_no_change=np.inf, random_state=0).fit(X, y)
    return [seconds_of_iteration(model) / n_rows for model in (full, epochs)]


def plan(seconds_of_a_round, of_evaluation, of_epoch):
    """Yield the lines of the plan; the network is (64, 64), of two classes, in float32."""
    rows = PLAN["rows"] / PLAN["workers"]
    gigabytes = 4e-9 * rows * (PLAN["features"] + 1)
    parameters = (PLAN["features"] + 1) * 64 + 65 * 64 + 65
    full = rows * of_evaluation + seconds_of_a_round
    epoch = rows * of_epoch + seconds_of_a_round
    yield "rows that a worker holds, twice while it reads them", f"{gigabytes:.1f} GB"
    yield "sent to and from a worker", f"{(4 + 8) * parameters / 1e3:.0f} kB an evaluation"
    yield "an evaluation", f"{full:.1f} s, of which {seconds_of_a_round:.2f} s the round"
    yield f"{PLAN['evaluations']} evaluations, L-BFGS", f"{full * PLAN['evaluations'] / 60:.0f} min"
    yield "an epoch of mini-batches, Adam", f"{epoch:.1f} s"
    yield f"{PLAN['epochs']} epochs", f"{epoch * PLAN['epochs'] / 60:.0f} min"


def table(title, header, rows):
    cells = [", ".join(f'"{cell}"' for cell in row) for row in rows]
    lines = [f":header: {', '.join(header)}", "", *cells]
    return [f".. csv-table:: {title}", *(f"   {line}".rstrip() for line in lines), ""]


def report():
    """Return the tables, in reStructuredText."""
    rounds = [(*case, f"{1e3 * seconds:.0f}") for *case, seconds in cost_of_rounds()]
    (of_a_round,) = (float(ms) / 1e3 for *case, ms in rounds if case == [2, 32, n_parameters(833)])
    one, two = speed_of_two_workers()
    plain, distributed = mini_batches()
    distance = distance_from_memory()
    single = [
        ("L-BFGS, 400,000 rows, (64, 64): two workers are faster than one", f"{one / two:.2f} ×"),
        ("largest difference of a coefficient from a fit in memory", f"{distance:.1g}"),
        ("accuracy of plain training, 20 epochs of Adam", f"{plain:.4f}"),
        ("accuracy on 4 partitions, 60 epochs", f"{distributed:.4f}"),
        *(
            (f"memory of the client after a fit to {n:,} rows", f"{megabytes:.0f} MB")
            for n, megabytes in memory_of_the_client()
        ),
    ]
    return [
        *table("A round beside the work", ("workers", "partitions", "parameters", "ms"), rounds),
        *table("Two workers on two cores", ("measured", "result"), single),
        *table(
            "A plan for 10⁸ rows of 100 features on 16 workers",
            ("part", "estimate"),
            plan(of_a_round, *work_of_a_row()),
        ),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the page of the guide")
    write = parser.parse_args().write
    warnings.simplefilter("ignore", ConvergenceWarning)
    text = "\n".join(report())
    print(text)
    if write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
