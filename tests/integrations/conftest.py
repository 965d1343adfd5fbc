"""A cluster as small as one can be: two processes of one thread. No test needs a network."""

import os

import dask
import pytest
from distributed import Client, LocalCluster

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before it is imported


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with Client(cluster) as client:
        yield client


@pytest.fixture
def fresh_client():
    """The client of a cluster of the test's own, whose workers it may end."""
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": None}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client
