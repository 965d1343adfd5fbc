"""Sums over blocks of rows, by one thread or several."""

import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from threadpoolctl import OpenBLASController, threadpool_limits

from .._signals import beyond_signals


class RowBlocks:
    """Blocks of rows of about equal size, whose shares of a sum are added in a fixed order.

    The order is that of the blocks, so the sum does not depend on the number of threads.

    Parameters
    ----------
    n_rows : int
    max_rows : int
        Bound on the size of a block.
    n_threads : int, default=1
    """

    def __init__(self, n_rows, max_rows, n_threads=1):
        n_blocks = -(-n_rows // max_rows)
        self.max_rows = -(-n_rows // n_blocks)
        starts = range(0, n_rows, self.max_rows)
        self._blocks = [(start, min(self.max_rows, n_rows - start)) for start in starts]
        n_threads = min(n_threads, len(self._blocks))
        self._threads = ThreadPoolExecutor(n_threads) if n_threads > 1 else None
        # One more than threads, for a share that is done and waits for those before it.
        self.n_workers = 1 if n_threads == 1 else n_threads + 1

    def sum(self, workers, *arguments, between=None):
        """Add up ``worker(start, rows, *arguments)``, tuples of floats and arrays.

        Parameters
        ----------
        workers : list of callable
            ``n_workers`` of them, interchangeable; no two threads call the same one at a
            time.
        between : callable, default=None
            Called, without arguments, at the start and after each block; may raise to give
            up.

        Returns
        -------
        totals : list of ndarray of float64
        """
        if between is not None:
            between()
        totals = None
        for share in self._shares(workers, arguments):
            if totals is None:
                totals = [np.array(part, np.float64) for part in share]
            else:
                for total, part in zip(totals, share, strict=True):
                    total += part
            if between is not None:
                between()
        return totals

    def _shares(self, workers, arguments):
        """Yield what the workers return, in the order of the blocks."""
        if self._threads is None:
            for block in self._blocks:
                yield workers[0](*block, *arguments)
            return
        running = deque()
        for i, block in enumerate(self._blocks):
            # The worker whose turn it is holds the oldest share until that is added up.
            if len(running) == len(workers):
                yield running.popleft().result()
            worker = workers[i % len(workers)]
            running.append(self._threads.submit(worker, *block, *arguments))
        while running:
            yield running.popleft().result()

    def close(self):
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)


@contextmanager
def _control_of_openblas():
    """Let this thread set the number of OpenBLAS's threads, which are the process's.

    Since threadpoolctl 3.8, the first thread that sets this number keeps all others from setting
    it, even from restoring the previous one.
    """
    release = getattr(OpenBLASController, "clear_controlling_thread", lambda force: None)
    release(force=True)
    try:
        yield
    finally:
        release(force=True)


class _OneBlasThread:
    """Holds BLAS to one thread while any fit asks for it.

    The limit belongs to the process. So fits that overlap share it: the first one sets it, and
    the last one to end restores the previous one.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._holds = set()
        self._limits = None

    @contextmanager
    def __call__(self):
        hold = object()
        try:
            try:
                beyond_signals(self._take, hold)
                yield
            finally:
                beyond_signals(self._release, hold)
        finally:
            # An interrupt may have kept the first release from starting.
            if hold in self._holds:
                beyond_signals(self._release, hold)

    def _take(self, hold):
        with self._lock:
            if not self._holds:
                with _control_of_openblas():
                    self._limits = threadpool_limits(1, user_api="blas")
            self._holds.add(hold)

    def _release(self, hold):
        with self._lock:
            if self._holds == {hold}:
                with _control_of_openblas():
                    self._limits.restore_original_limits()
            self._holds.discard(hold)


one_blas_thread = _OneBlasThread()

if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=one_blas_thread._lock.acquire,
        after_in_parent=one_blas_thread._lock.release,
        after_in_child=one_blas_thread._lock.release,
    )
