"""Lets NumPy allocate each buffer at the edge of an inaccessible page; see ``allocator.c``."""

import ctypes
import subprocess
import threading
from pathlib import Path

import numpy as np

try:
    from numpy._core import _multiarray_umath, multiarray
except ImportError:  # NumPy 1
    from numpy.core import _multiarray_umath, multiarray

_SOURCE = Path(__file__).with_name("allocator.c")
_NAME = b"mem_handler"  # of the capsule; NumPy asks for this one
_SET_HANDLER = 304  # place of PyDataMem_SetHandler in NumPy's table of C functions

MODES = ("end", "start")


def build(folder, compiler="cc"):
    """Compile the allocator into a folder; return the path of the library."""
    library = Path(folder, "allocator.so")
    command = [compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", library, _SOURCE]
    subprocess.run(command, check=True)
    return str(library)


class Guard:
    """The allocator in this process.

    Parameters
    ----------
    library : str
        What `build` returned.
    mode : {"end", "start"}
        The side of each buffer that touches an inaccessible page.
    """

    def __init__(self, library, mode):
        self._library = ctypes.CDLL(library)
        self._library.guard_handler.restype = ctypes.c_void_p
        self._library.guard_buffers.restype = self._library.guard_damaged.restype = ctypes.c_long
        self._handler = self._library.guard_handler(MODES.index(mode) == 0)

    def install(self):
        """Allocate all arrays of this thread, and of those that start later, in this way."""
        self.enter_thread()
        run = threading.Thread.run

        def guarded_run(thread):
            self.enter_thread()
            run(thread)

        threading.Thread.run = guarded_run

    def enter_thread(self):
        """Let this thread allocate in this way: NumPy's handler belongs to the context."""
        api = ctypes.pythonapi
        api.PyCapsule_GetPointer.restype = ctypes.c_void_p
        api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        api.PyCapsule_New.restype = ctypes.py_object
        api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        table = api.PyCapsule_GetPointer(_multiarray_umath._ARRAY_API, None)
        functions = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
        set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(functions[_SET_HANDLER])
        set_handler(api.PyCapsule_New(self._handler, _NAME, None))
        name = multiarray.get_handler_name(np.empty(1))
        if name != "sknn_opt_guard":
            raise RuntimeError(f"NumPy allocates by {name!r} still.")

    @property
    def n_buffers(self):
        """How many buffers have been allocated."""
        return self._library.guard_buffers()

    @property
    def n_damaged(self):
        """How many buffers were written beyond, on the side that touches no guarded page."""
        return self._library.guard_damaged()
