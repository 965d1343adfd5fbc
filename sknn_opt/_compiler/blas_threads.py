"""How many threads BLAS may use, which OpenBLAS and its like know for the whole process only.

`plan_rows` decides from the sizes alone how many rows pass through a network at once, and on how
many threads of BLAS. Threads pay for large products. For small ones they cost a multiple of the
time as soon as another process uses a core, since they spin while they wait for each other.
`Plan.run` then sets the number while a kernel runs.
"""

import contextlib
import math
import os
import threading
from functools import cache
from typing import NamedTuple

import joblib
from threadpoolctl import ThreadpoolController

from .prototypes import FLOATS

#: Rows of a block wherever many rows pass through a network at once: as many as fit in the
#: processor's cache with the outputs of the layers.
BLOCK_ROWS = 256

#: Cutting rows into blocks smaller than this costs more than it spares.
_LEAST_ROWS = 64

#: Multiply-adds in float64 from which on two threads are faster than one on an idle machine; in
#: float32 twice as many, which take the same time.
_WORTHWHILE = 2.5e6

#: As many, from which on they are used unasked: below, a busy machine loses more by them than an
#: idle one gains.
_UNASKED = 2e7


class Limits(NamedTuple):
    """Multiply-adds of the largest products that BLAS computes without its threads.

    Attributes
    ----------
    plain : float
        Where neither matrix is transposed, or the first one.
    transposed : float
        Where the second matrix is transposed, in row-major order.
    """

    plain: float
    transposed: float


#: OpenBLAS's interface/gemm.c. Processors with AVX-512 also have kernels for small products.
_OPENBLAS = Limits(2.0**18, 2.0**18)
_OPENBLAS_AVX512 = Limits(1e6, 2.0**18)
_AVX512 = {"skylakex", "cooperlake", "sapphirerapids"}


class Library:
    """A BLAS library that is loaded.

    Parameters
    ----------
    controller : threadpoolctl.LibController

    Attributes
    ----------
    limits : Limits
        Of products that it computes on one thread in any case; 0 where that is not known.
    counts_by_thread : bool
        Whether the number may be one of the calling thread, rather than the process's.
    """

    def __init__(self, controller):
        self._controller = controller
        self.limits = Limits(0.0, 0.0)
        self.counts_by_thread = True
        self.n_threads, self.set_threads = controller.get_num_threads, controller.set_num_threads
        if controller.internal_api == "openblas":
            is_modern = str(controller.architecture).lower() in _AVX512
            self.limits = _OPENBLAS_AVX512 if is_modern else _OPENBLAS
            if controller.threading_layer != "openmp":
                # threadpoolctl lets one thread only set the number, and searches for the function.
                self.counts_by_thread = False
                self.n_threads = _function(controller.dynlib, "get_num_threads")
                self.set_threads = _function(controller.dynlib, "set_num_threads")

    def is_scipys(self):
        """Whether it is in SciPy's own folder, and not shared with NumPy."""
        return "scipy" in os.path.basename(os.path.dirname(self._controller.filepath)).lower()


def _function(library, name):
    """Return OpenBLAS's function, whose name depends on how the library was built."""
    for prefix in ("", "scipy_"):
        for suffix in ("", "64_", "_64"):
            with contextlib.suppress(AttributeError):
                return getattr(library, f"{prefix}openblas_{name}{suffix}")
    raise AttributeError(name)


@cache
def _libraries():
    """Return the libraries that SciPy's and NumPy's products run on, each for itself."""
    import scipy.linalg.cython_blas  # noqa: F401 - loads the library

    controllers = ThreadpoolController().select(user_api="blas").lib_controllers
    libraries = [Library(controller) for controller in controllers]
    scipys = [library for library in libraries if library.is_scipys()] or libraries
    return scipys, [library for library in libraries if library not in scipys]


class ThreadCount:
    """The number of threads of some libraries, which is the process's.

    Holders that want the same number share it, others wait for their turn. So the number that a
    kernel runs with never depends on what else runs.

    Parameters
    ----------
    libraries : callable
        Returns the list of them.
    """

    def __init__(self, libraries):
        self._libraries = libraries
        self._lock = threading.RLock()
        self._is_free = threading.Condition(self._lock)
        self._n_waiting = 0
        self._holders = set()
        self._number = None
        self._lowered = []  # libraries that had more threads, with their numbers before
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(
                before=self._lock.acquire,
                after_in_parent=self._lock.release,
                after_in_child=self._end_in_child,
            )

    def run(self, number, function, *arguments):
        """Call a function while there are at most so many threads."""
        holder = object()
        try:
            try:
                self.take(holder, number)
                return function(*arguments)
            finally:
                self.release(holder)
        finally:
            # An interrupt may have kept the first release from starting.
            if holder in self._holders:
                self.release(holder)

    def take(self, holder, number):
        """Let ``holder`` have so many threads until it releases them."""
        with self._lock:
            if self._holders and self._number != number:
                self._wait_for(number)
            is_first = not self._holders
            if is_first:
                self._number, self._lowered = number, []
                for library in self._libraries():
                    before = library.n_threads()
                    if before > number:
                        self._lowered.append((library, before))
            self._holders.add(holder)
            if self._lowered:
                self._set(is_first, number)

    def release(self, holder):
        """Let go; a second time it does nothing."""
        with self._lock:
            if holder in self._holders:
                if self._lowered:
                    self._set(len(self._holders) == 1)
                self._holders.discard(holder)
                if self._n_waiting:
                    self._is_free.notify_all()

    def _wait_for(self, number):
        self._n_waiting += 1
        try:
            # Woken in vain now and then, in case an interrupt has swallowed a notification.
            while self._holders and self._number != number:
                self._is_free.wait(0.05)
        finally:
            self._n_waiting -= 1

    def _set(self, for_all, number=None):
        """Set the number, or what it was before, for all threads of Python or for this one."""
        for library, before in self._lowered:
            if for_all or library.counts_by_thread:
                library.set_threads(number or before)

    def _end_in_child(self):
        """Free what threads hold that a forked child does not have."""
        if self._holders:
            self._set(True)
            self._holders = set()
        self._n_waiting = 0
        self._lock.release()


scipy_threads = ThreadCount(lambda: _libraries()[0])
numpy_threads = ThreadCount(lambda: _libraries()[1])


class HeldThreads:
    """Holds the threads of SciPy's and of NumPy's BLAS, for code that calls both.

    Parameters
    ----------
    number : int
    """

    def __init__(self, number):
        self._number = number

    def __enter__(self):
        for count in (scipy_threads, numpy_threads):
            count.take(self, self._number)
        return self

    def __exit__(self, *error):
        self.release()

    def release(self):
        """Let go; a second time it does nothing."""
        for count in (scipy_threads, numpy_threads):
            count.release(self)

    @contextlib.contextmanager
    def paused(self):
        """Let go for a while, so that others need not wait."""
        self.release()
        try:
            yield
        finally:
            self.__enter__()


class Plan(NamedTuple):
    """How rows pass through a network.

    Attributes
    ----------
    max_rows : int
        Largest number at once.
    n_threads : int or None
        Threads of BLAS for the products; None where none of them could use a second one.
    """

    max_rows: int
    n_threads: int | None = None

    def run(self, kernel, *arguments):
        """Call a kernel with that number of threads."""
        if self.n_threads is None:
            return kernel(*arguments)
        return scipy_threads.run(self.n_threads, kernel, *arguments)


@cache
def _cpus():
    # An environment variable of joblib, and a container's share, may change later.
    return joblib.cpu_count()


def thread_number(n_jobs, size, dtype=FLOATS[0]):
    """Return how many threads BLAS may use where the largest product has ``size`` multiply-adds."""
    least = _UNASKED if n_jobs is None else _WORTHWHILE
    if size * dtype.itemsize <= least * FLOATS[0].itemsize:
        return 1
    if n_jobs is None:
        return _cpus()
    return min(_cpus(), n_jobs if n_jobs > 0 else max(1, _cpus() + 1 + n_jobs))


def plan_rows(
    shapes, n_rows, n_jobs=None, *, dtype=FLOATS[0], at_once=False, is_sparse=False, other=0.0
):
    """Plan the passes of ``n_rows`` rows through layers with weights of these shapes.

    Parameters
    ----------
    shapes : list of tuple of int
        The fan-in and fan-out of each layer.
    n_rows : int
    n_jobs : int, default=None
        At most so many threads; None means as many as there are CPUs, for the largest products.
    dtype : numpy.dtype, default=float64
    at_once : bool, default=False
        Whether all rows have to pass at once.
    is_sparse : bool, default=False
        Whether the input is, whose product does not use BLAS.
    other : float, default=0.0
        Multiply-adds of the largest product besides, whose size does not depend on rows.

    Returns
    -------
    plan : Plan
    """
    limits = _limits()
    inner = [fan_in * fan_out for fan_in, fan_out in shapes]
    if n_rows <= BLOCK_ROWS and max(n_rows * max(inner), other) <= limits.transposed:
        return Plan(n_rows)
    largest, deltas = max(inner[is_sparse:], default=0), max(inner[1:], default=0)
    max_rows = n_rows if at_once else balanced(n_rows, BLOCK_ROWS)
    number = thread_number(n_jobs, max(max_rows * largest, other), dtype)
    if number == 1:
        if not at_once and largest > 0:
            fitting = min(limits.plain // largest, limits.transposed // max(deltas, 1))
            if _LEAST_ROWS <= fitting < max_rows:
                max_rows = balanced(n_rows, int(fitting))
        sizes = (max_rows * largest, limits.plain), (max_rows * deltas, limits.transposed)
        if all(size <= limit for size, limit in (*sizes, (other, limits.transposed))):
            number = None
    return Plan(max_rows, number)


def balanced(n_rows, max_rows):
    """Return the least size of as many blocks as blocks of ``max_rows`` are."""
    n_blocks = -(-n_rows // max_rows)
    return -(-n_rows // n_blocks)


@cache
def _limits():
    """Return the limits below which no library of SciPy's uses threads."""
    limits = [Limits(math.inf, math.inf), *(library.limits for library in _libraries()[0])]
    return Limits(*map(min, zip(*limits, strict=True)))
