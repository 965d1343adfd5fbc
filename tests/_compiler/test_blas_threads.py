import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sknn_opt._compiler import blas_threads
from sknn_opt._compiler.blas_threads import (
    BLOCK_ROWS,
    HeldThreads,
    Plan,
    plan_rows,
    scipy_threads,
    thread_number,
)

pytestmark = pytest.mark.usefixtures("limits")


class Failure(Exception):
    pass


def fail():
    raise Failure


@pytest.fixture
def limits(monkeypatch):
    """OpenBLAS's limits for processors with AVX-512, and four CPUs, wherever this runs."""
    monkeypatch.setattr(blas_threads, "_limits", lambda: blas_threads._OPENBLAS_AVX512)
    monkeypatch.setattr(blas_threads, "_cpus", lambda: 4)


# -- the plan ----------------------------------------------------------------------------


def test_small_networks_need_no_hold():
    assert plan_rows([(30, 20), (20, 3)], 200) == Plan(200)
    assert plan_rows([(30, 20), (20, 3)], 1) == Plan(1)


def test_rows_are_cut_into_equal_blocks_that_wake_no_thread():
    assert plan_rows([(64, 100), (100, 10)], 200) == Plan(100)
    plan = plan_rows([(64, 100), (100, 10)], 1797)
    assert plan.n_threads is None
    assert plan.max_rows * 6400 <= 1e6
    assert -(-1797 // plan.max_rows) * plan.max_rows - 1797 < 12


def test_blocks_are_not_cut_too_small_for_speed():
    # 2**18 multiply-adds are 26 rows of the product with a transposed matrix.
    assert plan_rows([(100, 100), (100, 100)], 200) == Plan(200, 1)


def test_batches_whose_statistics_count_pass_at_once():
    assert plan_rows([(64, 100), (100, 10)], 200, at_once=True) == Plan(200, 1)
    assert plan_rows([(8, 10), (10, 10)], 2000, at_once=True) == Plan(2000)


def test_large_products_use_threads_as_n_jobs_allows():
    shapes = [(512, 512), (512, 10)]
    for width, n_jobs, dtype, number in (
        (150, None, np.float64, 1),
        (150, 4, np.float64, 4),
        (120, 4, np.float64, 4),
        (120, 4, np.float32, 1),
        (300, None, np.float64, 4),
        (300, None, np.float32, 1),
    ):
        plan = plan_rows([(width, width)], 256, n_jobs, dtype=np.dtype(dtype))
        assert (plan.n_threads or 1) == number
    for n_jobs, number in ((None, 4), (1, 1), (2, 2), (9, 4), (-1, 4), (-2, 3), (-9, 1)):
        assert plan_rows(shapes, 1000, n_jobs) == Plan(BLOCK_ROWS - 6, number)
    assert plan_rows(shapes, 1) == Plan(1)
    assert plan_rows(shapes, 4) == Plan(4, 1)


def test_the_product_of_a_sparse_input_is_not_blas():
    assert plan_rows([(10**5, 100), (100, 3)], 100, is_sparse=True) == Plan(100)
    assert plan_rows([(10**5, 3)], 100, is_sparse=True) == Plan(100)


def test_products_beside_those_of_rows():
    assert plan_rows([(10, 10)], 50, other=1e6) == Plan(50, 1)
    assert plan_rows([(10, 10)], 50, other=1e8) == Plan(50, 4)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_no_plan_lets_small_products_wake_threads(at_once, is_sparse):
    random = np.random.default_rng(0)
    for _ in range(2000):
        widths = (10 ** random.uniform(0, 3.2, random.integers(2, 5))).astype(int)
        shapes = list(itertools.pairwise(widths))
        n_rows = int(10 ** random.uniform(0, 4))
        plan = plan_rows(shapes, n_rows, at_once=at_once, is_sparse=is_sparse)
        inner = [int(m * n) for m, n in shapes]
        products = [plan.max_rows * size for size in inner[is_sparse:]]
        transposed = [plan.max_rows * size for size in inner[1:]]
        assert 1 <= plan.max_rows <= n_rows
        assert (plan.max_rows == n_rows) if at_once else (plan.max_rows <= BLOCK_ROWS)
        if plan.n_threads is None:
            assert max(products, default=0) <= 1e6
            assert max(transposed, default=0) <= 2**18
        elif plan.n_threads == 1:
            assert max(products + transposed) > 2**18
        else:
            assert plan.max_rows * max(inner[is_sparse:]) > blas_threads._UNASKED


def test_thread_number_depends_on_nothing_but_sizes():
    assert [thread_number(None, size) for size in (1e7, 1e8)] == [1, 4]
    with hold(1):
        assert thread_number(None, 1e8) == 4


# -- holds -------------------------------------------------------------------------------


def _numbers():
    return [library.n_threads() for library in blas_threads._libraries()[0]]


def _all_numbers():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


@pytest.fixture
def three_threads():
    """Another number than BLAS has on any machine of two cores or of one."""
    with threadpool_limits(3, user_api="blas"):
        assert _all_numbers() == {3}
        yield
        assert _all_numbers() == {3}


@contextlib.contextmanager
def hold(number, holders=scipy_threads):
    holder = object()
    holders.take(holder, number)
    try:
        yield
    finally:
        holders.release(holder)


def one():
    return hold(1)


@pytest.mark.usefixtures("three_threads")
class TestHold:
    def test_inside_and_afterwards(self):
        for number, inside in ((1, 1), (2, 2), (3, 3), (9, 3)):
            assert set(scipy_threads.run(number, _numbers)) == {inside}
            assert set(_numbers()) == {3}

    def test_only_scipys_blas_is_held(self):
        with one():
            others = [library.n_threads() for library in blas_threads._libraries()[1]]
        assert set(others) <= {3}

    def test_a_minimizer_holds_all_and_pauses(self):
        with HeldThreads(1) as held:
            assert _all_numbers() == {1}
            with held.paused():
                assert _all_numbers() == {3}
            assert _all_numbers() == {1}
            with pytest.raises(Failure), held.paused():
                raise Failure
            assert _all_numbers() == {1}
        held.release()

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_the_last_of_overlapping_holds_restores(self, order):
        holds = [one(), one()]
        for hold in holds:
            hold.__enter__()
            assert set(_numbers()) == {1}
        holds[order[0]].__exit__(None, None, None)
        assert set(_numbers()) == {1}
        holds[order[1]].__exit__(None, None, None)
        assert set(_numbers()) == {3}

    def test_exceptions_restore(self):
        with pytest.raises(Failure), one():
            scipy_threads.run(1, fail)
        assert set(_numbers()) == {3}

    @pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no timers")
    @pytest.mark.parametrize("n_outer_holds", [0, 1])
    def test_an_interrupt_at_any_time_restores(self, n_outer_holds):
        random = np.random.default_rng(0)
        n_interrupts = 0
        with contextlib.ExitStack() as stack, _interrupting_alarm():
            for _ in range(n_outer_holds):
                stack.enter_context(one())
            outside = {1} if n_outer_holds else {3}
            for _ in range(3000):
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1e-4))
                    while True:
                        scipy_threads.run(1, int)
                except KeyboardInterrupt:
                    n_interrupts += 1
                assert len(scipy_threads._holders) == n_outer_holds
                assert set(_numbers()) == outside
                _run(lambda: scipy_threads.release(None))  # no lock is left taken
        assert n_interrupts == 3000

    def test_threads_that_want_the_same_number_share_it(self):
        seen, barrier = [], threading.Barrier(4)

        def share():
            with one():
                barrier.wait(10)  # all four are inside
                seen.append(set(_numbers()))

        _run(*[share] * 4)
        assert seen == [{1}] * 4

    def test_threads_that_want_other_numbers_take_turns(self):
        seen = []

        def take_turns(number):
            for _ in range(20):
                with hold(number):
                    before = set(_numbers())
                    time.sleep(1e-4)
                    seen.append((number, before, set(_numbers())))

        _run(*(lambda number=number: take_turns(number) for number in (1, 2, 3, 1)))
        assert len(seen) == 80
        assert all(before == after == {number} for number, before, after in seen)


@contextlib.contextmanager
def _interrupting_alarm():
    def interrupt(*arguments):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def _run(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.usefixtures("three_threads")
def test_a_forked_child_starts_unheld():
    entered, leave = threading.Event(), threading.Event()

    def hold_long():
        with one():
            entered.set()
            leave.wait(20)

    other = threading.Thread(target=hold_long)
    other.start()
    assert entered.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # ends a child that would wait for ever
        unheld = set(_numbers()) == {3}
        with hold(2):
            os._exit(0 if unheld and set(_numbers()) == {2} else 1)
    leave.set()
    other.join()
    assert os.waitpid(child, 0)[1] == 0


# -- what the products of a whole fit do --------------------------------------------------

_SPY = """
import ctypes
import numpy as np
from threadpoolctl import threadpool_limits
from sknn_opt import MLPRegressor
from sknn_opt._compiler import blas_threads, routines

limits, calls, kept = blas_threads._limits(), [], []
pointer = ctypes.c_void_p
prototype = ctypes.CFUNCTYPE(None, *[pointer] * 13)

def spy_on(symbol):
    real = prototype(routines._not_linked[symbol])

    def gemm(*pointers):
        ta, tb = (ctypes.cast(p, ctypes.POINTER(ctypes.c_char))[0] for p in pointers[:2])
        m, n, k = (ctypes.cast(p, ctypes.POINTER(ctypes.c_int))[0] for p in pointers[2:5])
        limit = limits.transposed if (ta, tb) == (b"T", b"N") else limits.plain
        number = blas_threads._libraries()[0][0].n_threads()
        calls.append((m * n * k > limit, number > 1, m * n * k > blas_threads._UNASKED))
        real(*pointers)

    kept.append(prototype(gemm))
    routines._not_linked[symbol] = ctypes.cast(kept[-1], pointer).value

for letter in "sd":
    spy_on(f"sknn_opt_{letter}gemm")

random = np.random.default_rng(0)
X, y = random.normal(size=(700, 64)), random.normal(size=700)
small = dict(max_iter=2, tol=0, random_state=0)
estimators = [
    *(MLPRegressor(units, dtype=dtype, **small)
      for units in ((100,), (100, 100), (20, 90)) for dtype in ("float32", "float64")),
    MLPRegressor((100, 100), batch_size=32, **small),
    MLPRegressor((100,), normalization="batch", averaging="ema", **small),
    MLPRegressor((100,), early_stopping=True, batch_size="full", **small),
    MLPRegressor((60, 60), optimizer="muon", **small),
    MLPRegressor((60, 60), optimizer="soap", **small),
    MLPRegressor((60, 60), optimizer="kfac", **small),
    MLPRegressor((100,), optimizer="lbfgs", **small),
    MLPRegressor((100,), "tanh", optimizer="newton-cg", **small),
    MLPRegressor((10,), "tanh", optimizer="lm", **small),
]
large = MLPRegressor((512, 512), **small)
with threadpool_limits(2, user_api="blas"):
    for estimator in estimators:
        estimator.fit(X, y).predict(X)
        assert calls and not any(wakes and many for wakes, many, _ in calls), estimator
        calls.clear()
    for n_jobs in (1, None):
        large.set_params(n_jobs=n_jobs).fit(X, y).predict(X)
        uses_threads = [many for _, many, is_large in calls if is_large]
        assert len(uses_threads) > 4 and set(uses_threads) == {n_jobs is None}
        calls.clear()
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one CPU")
def test_small_products_make_no_call_that_would_wake_a_thread():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SPY], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
