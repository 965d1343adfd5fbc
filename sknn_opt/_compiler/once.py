"""Things that are made once: under one lock, out of reach of Ctrl-C and whole in a fork."""

import os
import sys
import threading
from collections import OrderedDict
from contextlib import ExitStack

import numpy as np

from .._signals import beyond_signals

lock = threading.RLock()


class PerType:
    """What a kernel may name: something that is made once for each floating type."""

    #: Whether kernels that use it may be cached between processes.
    on_disk = True

    def __init__(self):
        self._made = {}

    def for_dtype(self, dtype):
        """Return what stands for this name in kernels over ``dtype``, made on first use."""
        dtype = np.dtype(dtype)
        if dtype not in self._made:
            # Ctrl-C would leave numba half imported.
            beyond_signals(self._make_once, dtype)
        return self._made[dtype]

    def _make_once(self, dtype):
        with lock:
            if dtype not in self._made:
                self._made[dtype] = self._make(dtype)

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} objects hold machine code: not picklable.")


class Store:
    """What was made of the same things before.

    Parameters
    ----------
    max_size : int, default=None
        So many are kept, those that were asked for last; None keeps all.
    """

    def __init__(self, max_size=None):
        self._max_size = max_size
        self._made = OrderedDict()

    def __len__(self):
        return len(self._made)

    def get(self, key, make):
        """Return what stands under ``key``; ``make()`` if it is not there."""
        with lock:
            if key not in self._made:
                self._made[key] = make()
            self._made.move_to_end(key)
            if self._max_size is not None and len(self._made) > self._max_size:
                self._made.popitem(last=False)
            return self._made[key]


_held_in_fork = ExitStack()


def _before_fork():
    """Wait until nothing is compiled, by us or by numba for others.

    The child has one thread only: what others hold at the fork, nobody there will release.
    """
    _held_in_fork.enter_context(lock)
    numba = sys.modules.get("numba.core.compiler_lock")
    if numba is not None:
        _held_in_fork.enter_context(numba.global_compiler_lock)
    llvmlite = sys.modules.get("llvmlite.binding.ffi")
    if llvmlite is not None:
        # Garbage collection calls LLVM too, and holds no other lock.
        _held_in_fork.enter_context(llvmlite.lib._lock)


def _after_fork():
    _held_in_fork.pop_all().close()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
