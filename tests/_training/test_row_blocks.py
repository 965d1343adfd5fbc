import contextlib
import os
import signal
import threading
import time

import numpy as np
import pytest
from interrupts import interrupted_at_each_line
from threadpoolctl import threadpool_info, threadpool_limits

from sknn_opt import _signals
from sknn_opt._training import row_blocks as _row_blocks
from sknn_opt._training.row_blocks import RowBlocks, one_blas_thread

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

    def make(*arguments):
        made.append(RowBlocks(*arguments))
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
    assert blocks.max_rows <= max_rows
    workers = [Worker(_values(n_rows)) for _ in range(blocks.n_workers)]
    blocks.sum(workers, 1.0)
    calls = sorted(call for worker in workers for call in worker.calls)
    assert [row for start, rows in calls for row in range(start, start + rows)] == [*range(n_rows)]
    sizes = [rows for _, rows in calls]
    assert max(sizes) == blocks.max_rows
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


# -- one BLAS thread ---------------------------------------------------------------------


def _blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


@pytest.fixture
def three_threads():
    """Another number than BLAS has on any machine of two cores or of one."""
    with threadpool_limits(3, user_api="blas"):
        before = _blas_threads()
        assert len(before) > 0
        assert set(before) == {3}
        yield
        assert _blas_threads() == before


@pytest.mark.usefixtures("three_threads")
class TestOneBlasThread:
    def test_inside_and_afterwards(self):
        for _ in range(2):
            with one_blas_thread():
                assert set(_blas_threads()) == {1}
            assert set(_blas_threads()) == {3}

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_the_last_of_overlapping_holds_restores(self, order):
        holds = [one_blas_thread(), one_blas_thread()]
        for hold in holds:
            hold.__enter__()
            assert set(_blas_threads()) == {1}
        holds[order[0]].__exit__(None, None, None)
        assert set(_blas_threads()) == {1}
        holds[order[1]].__exit__(None, None, None)
        assert set(_blas_threads()) == {3}

    def test_exceptions_restore(self):
        with pytest.raises(Failure), one_blas_thread(), one_blas_thread():
            raise Failure
        assert set(_blas_threads()) == {3}

    def test_a_hold_that_fails_leaves_nothing_behind(self, monkeypatch):
        def fail(*args, **kwargs):
            raise Failure

        with monkeypatch.context() as patched:
            patched.setattr(_row_blocks, "threadpool_limits", fail)
            with pytest.raises(Failure), one_blas_thread():
                pass
        with one_blas_thread():
            assert set(_blas_threads()) == {1}

    @pytest.mark.parametrize("n_outer_holds", [0, 1])
    def test_an_interrupt_at_any_line_restores(self, n_outer_holds):
        def hold():
            with one_blas_thread():
                assert set(_blas_threads()) == {1}

        with contextlib.ExitStack() as stack:
            for _ in range(n_outer_holds):
                stack.enter_context(one_blas_thread())
            outside = {1} if n_outer_holds else {3}
            files = {module.__file__ for module in (_row_blocks, _signals, contextlib)}
            n_interrupts = 0
            for raised in interrupted_at_each_line(files, hold):
                assert len(one_blas_thread._holds) == n_outer_holds
                assert set(_blas_threads()) == outside
                n_interrupts += raised
            assert n_interrupts > 10
        assert set(_blas_threads()) == {3}

    @pytest.mark.parametrize("last", ["this thread", "another"])
    def test_holds_of_two_threads_that_overlap(self, last):
        """threadpoolctl lets one thread only, the first, set the limit of OpenBLAS."""
        entered, leave = threading.Event(), threading.Event()

        def hold():
            with one_blas_thread():
                entered.set()
                leave.wait(10)

        other = threading.Thread(target=hold)
        here = one_blas_thread()
        here.__enter__()
        other.start()
        assert entered.wait(10)
        for holder in ("another", "this thread") if last == "this thread" else ("", "another"):
            assert set(_blas_threads()) == {1}
            if holder == "another":
                leave.set()
                other.join()
            else:
                here.__exit__(None, None, None)
        assert set(_blas_threads()) == {3}

    def test_holds_of_many_threads(self):
        seen, barrier = [], threading.Barrier(4)

        def hold():
            barrier.wait()
            for _ in range(10):
                with one_blas_thread():
                    seen.append(set(_blas_threads()))

        threads = [threading.Thread(target=hold) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [{1}] * 40
        assert set(_blas_threads()) == {3}


def test_another_thread_may_set_the_limit_afterwards():
    seen = []

    def limit():
        with threadpool_limits(3, user_api="blas"):
            seen.append(set(_blas_threads()))

    with one_blas_thread():
        pass
    other = threading.Thread(target=limit)
    other.start()
    other.join()
    assert seen == [{3}]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_a_thread_sets_the_limit():
    setting = threading.Event()

    def set_slowly():
        with one_blas_thread._lock:
            setting.set()
            time.sleep(0.1)

    other = threading.Thread(target=set_slowly)
    other.start()
    assert setting.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # ends a child that would wait for ever
        with one_blas_thread():
            os._exit(0)
    other.join()
    assert os.waitpid(child, 0)[1] == 0
