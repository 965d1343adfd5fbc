"""Train one network on partitions that no process holds whole, and again after a worker dies.

Needs ``pip install "sknn_opt[dask]"``. Prints how far the network is from the one that the same
fit in memory leads to.
"""

import os
import signal
import warnings

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPClassifier
from sknn_opt.dask import DaskMLPClassifier


def kill_a_worker(client):
    process = next(iter(client.run(os.getpid).values()))
    os.kill(process, signal.SIGKILL)


def main():
    # Workers on this machine stand for those of a cluster, whose scheduler Client would name.
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        random = da.random.default_rng(0)
        X = random.normal(size=(20_000, 10), chunks=(2_500, 10))
        y = (X[:, :5] ** 2).sum(axis=1) > (X[:, 5:] ** 2).sum(axis=1)

        network = {
            "hidden_layer_sizes": (20,),
            "activation": "tanh",
            "optimizer": "lbfgs",
            "max_iter": 30,
            "random_state": 0,
        }
        model = DaskMLPClassifier(**network).fit(X, y)
        print(f"accuracy: {(model.predict(X) == y).mean().compute():.3f}")

        kill_a_worker(client)
        again = DaskMLPClassifier(**network).fit(X, y)
        same = all(map(np.array_equal, model.coefs_, again.coefs_))
        print(f"after a worker was killed, the same network: {same}")

        local = MLPClassifier(**network).fit(*map(np.asarray, (X, y)))
        pairs = zip(model.coefs_, local.coefs_, strict=True)
        difference = max(np.abs(ours - theirs).max() for ours, theirs in pairs)
        print(f"largest difference of a coefficient from a fit in memory: {difference:.1g}")
        return same, difference


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    main()
