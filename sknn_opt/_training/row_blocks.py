"""Sums over blocks of rows, by one thread or several."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .._compiler.blas_threads import balanced


class RowBlocks:
    """Blocks of rows of about equal size, whose shares of a sum are added in a fixed order.

    The order is that of the blocks, so the sum does not depend on the number of threads.

    Parameters
    ----------
    n_rows : int
    plan : Plan
        Its ``max_rows`` bounds the size of a block.
    n_threads : int, default=1
    """

    def __init__(self, n_rows, plan, n_threads=1):
        max_rows = balanced(n_rows, plan.max_rows)
        self.plan = plan._replace(max_rows=max_rows)
        starts = range(0, n_rows, max_rows)
        self._blocks = [(start, min(max_rows, n_rows - start)) for start in starts]
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
