"""Rounds over all blocks: one task a block, whose results are added in a fixed order.

Any worker may die in between. What a task needs travels in the task graph, from which the
scheduler recomputes what is lost; no task is bound to a worker.
"""

import asyncio
import concurrent.futures
import time

import dask
import numpy as np
from dask.utils import parse_timedelta
from distributed import CancelledError
from distributed.client import ClosedClientError

#: So many results are added by one task. The client receives one.
_FAN_IN = 8

#: Seconds between two looks at whether to go on waiting.
_POLL = 0.5

#: Seconds without a worker until waiting is given up, unless Dask is configured otherwise.
_LONGEST_WITHOUT_WORKERS = 60.0

_WITHOUT_WORKERS = (
    "The cluster has had no worker for {:g} seconds. Start workers and fit again, or give lost "
    "ones more time to return by "
    "dask.config.set({{'distributed.scheduler.no-workers-timeout': '10m'}})."
)
_CLOSED = "The connection to the cluster was closed while the network trained."


class NoWorkersError(RuntimeError):
    """All workers of the cluster are gone."""


def submit(client, task, *arguments):
    """Return a future of ``task(*arguments)``, which no other call shares."""
    try:
        return client.submit(task, *arguments, pure=False)
    except ClosedClientError as error:
        raise NoWorkersError(_CLOSED) from error


def same(value):
    return value


def hold(client, value):
    """Return a future of a value that is part of the task graph.

    Unlike data that `Client.scatter` sends, it outlives the workers that have it.
    """
    return submit(client, same, value)


def add(*parts):
    """Add lists, number by number and array by array."""
    return [sum(values[1:], start=values[0]) for values in zip(*parts, strict=True)]


class Rounds:
    """Runs tasks on blocks and adds up what they return.

    Parameters
    ----------
    client : distributed.Client
    blocks : list of Future
    template : object
        What each task is given beside its block.
    """

    def __init__(self, client, blocks, template):
        self.client = client
        self.blocks = blocks
        self._template = hold(client, template)

    def sum(self, task, *arguments, between=None):
        """Return the sum of ``task(block, template, *arguments)``, lists of floats and arrays.

        The order of the additions depends on the number of blocks alone.
        """
        sent = [hold(self.client, a) if isinstance(a, np.ndarray) else a for a in arguments]
        parts = [self._submit(task, block, self._template, *sent) for block in self.blocks]
        while len(parts) > 1:
            groups = (parts[i : i + _FAN_IN] for i in range(0, len(parts), _FAN_IN))
            parts = [self._submit(add, *group) for group in groups]
        return result(self.client, parts[0], between)

    def each(self, task):
        """Return what ``task(block, template)`` returns for each block."""
        futures = [self._submit(task, block, self._template) for block in self.blocks]
        return [result(self.client, future) for future in futures]

    def _submit(self, task, *arguments):
        return submit(self.client, task, *arguments)


def result(client, future, between=None):
    """Wait for the result of a future, and no longer than there is hope for one.

    Parameters
    ----------
    client : distributed.Client
    future : Future
    between : callable, default=None
        Called from time to time; may raise to give up.

    Raises
    ------
    NoWorkersError
        If there has been no worker for as long as
        ``distributed.scheduler.no-workers-timeout`` says, or for a minute.
    """
    limit = dask.config.get("distributed.scheduler.no-workers-timeout", None)
    limit = _LONGEST_WITHOUT_WORKERS if limit is None else parse_timedelta(limit)
    # A future's own timeout would cancel a transfer that takes longer, again and again.
    gathering = client.gather(future, asynchronous=True)
    waiting = asyncio.run_coroutine_threadsafe(gathering, client.loop.asyncio_loop)
    last_seen = time.monotonic()
    try:
        while True:
            if between is not None:
                between()
            if concurrent.futures.wait([waiting], _POLL).done:
                return waiting.result()
            if _has_workers(client):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > limit:
                raise NoWorkersError(_WITHOUT_WORKERS.format(limit))
    except (CancelledError, concurrent.futures.CancelledError) as error:
        raise NoWorkersError(_CLOSED) from error
    finally:
        waiting.cancel()


def _has_workers(client):
    try:
        return client.status == "running" and bool(client.nthreads())
    except OSError:
        return False
