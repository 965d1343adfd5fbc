import threading
import time

import numpy as np
import pytest

from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._training.row_blocks import RowBlocks

THREADS = [1, 2, 3, 5]


class Worker:
    """Returns shares of random values in a buffer of its own, some of them late."""

    def __init__(self, values, delays=None):
        self.values = values
        self.delays = {} if delays is None else delays
        self.buffer = np.full(values.shape[1], np.nan, np.float32)
        self.calls = []
        self._busy = threading.Lock()

    def __call__(self, start, rows, scale):
        assert self._busy.acquire(blocking=False), "two threads call the same worker"
        self.calls.append((start, rows))
        time.sleep(self.delays.get(start, 0.0))
        self.buffer[:] = scale * self.values[start : start + rows].sum(axis=0)
        share = float(self.buffer.sum()), self.buffer
        self._busy.release()
        return share


@pytest.fixture
def row_blocks():
    """A function that makes row blocks, which are closed at the end."""
    made = []

    def make(n_rows, max_rows, n_threads=1):
        made.append(RowBlocks(n_rows, Plan(max_rows), n_threads))
        return made[-1]

    before = set(threading.enumerate())
    yield make
    for blocks in made:
        blocks.close()
    assert set(threading.enumerate()) == before


def _values(n_rows=100):
    return np.random.default_rng(0).normal(size=(n_rows, 3)).astype(np.float32)


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize(
    ("n_rows", "max_rows"), [(1, 1), (1, 8), (7, 8), (8, 8), (9, 8), (100, 7), (100, 1), (17, 16)]
)
def test_blocks_cover_the_rows_once(row_blocks, n_rows, max_rows, n_threads):
    blocks = row_blocks(n_rows, max_rows, n_threads)
    assert blocks.plan.max_rows <= max_rows
    workers = [Worker(_values(n_rows)) for _ in range(blocks.n_workers)]
    blocks.sum(workers, 1.0)
    calls = sorted(call for worker in workers for call in worker.calls)
    assert [row for start, rows in calls for row in range(start, start + rows)] == [*range(n_rows)]
    sizes = [rows for _, rows in calls]
    assert max(sizes) == blocks.plan.max_rows
    assert len(sizes) == -(-n_rows // max_rows)


DELAYS = {
    "none": {},
    "first": {0: 0.02},
    "second": {10: 0.02},
    "every other": dict.fromkeys(range(0, 100, 20), 0.002),
    "last": {90: 0.02},
    "falling": {start: (100 - start) / 1e4 for start in range(0, 100, 10)},
}


@pytest.mark.parametrize("delays", DELAYS.values(), ids=DELAYS)
@pytest.mark.parametrize("n_threads", THREADS)
def test_sums_do_not_depend_on_threads_or_on_what_ends_first(row_blocks, n_threads, delays):
    values = _values()
    blocks = row_blocks(100, 10, n_threads)
    workers = [Worker(values, delays) for _ in range(blocks.n_workers)]
    shares = [(0.5 * values[i : i + 10].sum(axis=0)) for i in range(0, 100, 10)]
    expected = np.zeros(3), 0.0
    for share in shares:
        expected = expected[0] + share, expected[1] + float(share.sum())
    for _ in range(2):
        by_float, by_array = blocks.sum(workers, 0.5)
        assert by_array.dtype == by_float.dtype == "float64"
        np.testing.assert_array_equal(by_array, expected[0])
        assert by_float == expected[1]
    # In float64 of buffers that are float32, and that workers fill again.
    assert not np.array_equal(values.sum(axis=0) / 2, expected[0])
    assert by_array.base is None


@pytest.mark.parametrize("n_threads", THREADS)
def test_no_more_threads_run_than_were_asked_for(row_blocks, n_threads):
    blocks = row_blocks(100, 5, n_threads)
    running, most, lock = set(), [0], threading.Lock()

    def worker(start, rows):
        with lock:
            running.add(threading.get_ident())
            most[0] = max(most[0], len(running))
        time.sleep(0.002)
        with lock:
            running.remove(threading.get_ident())
        return (1.0,)

    assert blocks.sum([worker] * blocks.n_workers) == [20]
    assert most[0] <= n_threads
    assert (most[0] > 1) == (n_threads > 1)


def test_there_are_no_more_threads_than_blocks(row_blocks):
    assert row_blocks(10, 10, 8).n_workers == 1
    assert row_blocks(20, 10, 8).n_workers == 3


class Failure(BaseException):
    pass


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("failing", [0, 10, 50, 95])
def test_an_exception_in_a_worker_passes_out(row_blocks, n_threads, failing):
    blocks = row_blocks(100, 5, n_threads)

    def worker(start, rows):
        if start == failing:
            raise Failure(start)
        return (1.0,)

    with pytest.raises(Failure, match=str(failing)):
        blocks.sum([worker] * blocks.n_workers)


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("last", [1, 3, 20])
def test_what_happens_between_blocks_may_end_the_sum(row_blocks, n_threads, last):
    blocks = row_blocks(100, 5, n_threads)
    counted, started = [], []

    def worker(start, rows):
        started.append(start)
        return (1.0,)

    def between():
        if not counted:  # late, so that all workers hold shares: none may wait for ever
            time.sleep(0.02)
        counted.append(0)
        if len(counted) == last:
            raise Failure

    with pytest.raises(Failure):
        blocks.sum([worker] * blocks.n_workers, between=between)
    blocks.close()
    assert len(counted) == last
    assert len(started) <= last + blocks.n_workers
    calls = []
    if n_threads == 1:
        blocks.sum([worker] * blocks.n_workers, between=lambda: calls.append(0))
        assert len(calls) == 1 + 20


def test_a_late_block_does_not_stop_those_after_it(row_blocks):
    blocks = row_blocks(100, 5, 2)
    delayed = threading.Event()

    def worker(start, rows):
        if start == 0:
            delayed.wait(0.2)
        elif start == 10:
            delayed.set()
        return (1.0,)

    assert blocks.sum([worker] * blocks.n_workers) == [20]
    assert delayed.is_set()
