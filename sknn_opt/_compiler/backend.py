"""What is written against numba's extension interface; imported with numba, on first use."""

import ctypes
from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding
import numpy as np
from numba import from_dtype, njit, types
from numba.core import config
from numba.core.ccallback import CFunc
from numba.core.codegen import CodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from . import cache, intrinsics
from .announcement import announce
from .prototypes import FAST
from .routines import take_unlinked


@global_compiler_lock
def callback(function, prototype, dtype, bind, identity=None):
    """Load a kernel from the cache or compile it.

    Parameters
    ----------
    function : function
    prototype : str
    dtype : numpy.dtype
    bind : callable
        Completes the function's namespace, when it has to be compiled.
    identity : str, default=None
        Digest of what it computes; without, it is not cached.

    Returns
    -------
    machine : Machine
    """
    if config.DISABLE_JIT:
        raise RuntimeError(
            "NUMBA_DISABLE_JIT is set, and sknn_opt has nothing to run but compiled code. "
            "Unset this environment variable, and start Python again."
        )
    for symbol, address in take_unlinked():
        llvmlite.binding.add_symbol(symbol, address)
    returned, arguments = intrinsics.signature_of(prototype, dtype)
    codegen = cpu_target.target_context.codegen()
    entry = cache.entry(function, returned(*arguments), codegen, identity) if identity else None
    stored = entry.load() if entry else None
    if stored:
        # numba would first import everything that compiling needs: 0.3 s for nothing.
        name, serialized = stored
        library = codegen.unserialize_library(serialized)
    else:
        announce()
        bind()
        compiled = CFunc(function, (arguments, returned), {}, {"nopython": True, **_options(FAST)})
        compiled.compile()
        name, library = compiled.native_name, compiled._library
        if entry and not library.has_dynamic_globals:
            entry.store((name, library.serialize_using_object_code()))
    address = library.get_pointer_to_function(name)
    c_type = ctypes.CFUNCTYPE(_ctype(returned), *map(_ctype, arguments))
    return Machine(address, c_type(address), library, entry, is_loaded=bool(stored))


class Machine(NamedTuple):
    """Machine code.

    Attributes
    ----------
    address : int
    call : callable
        The Python function that calls it.
    library : CodeLibrary
        Keeps it alive.
    entry : Entry or None
        Its file in the cache on disk; None where there is none.
    is_loaded : bool
        Whether it came from there.
    """

    address: int
    call: Callable
    library: CodeLibrary
    entry: cache.Entry | None
    is_loaded: bool

    @property
    def cache_folder(self):
        """Where the cache on disk is; None where there is none."""
        return self.entry.folder if self.entry else None


def _ctype(numba_type):
    """Pointers are passed from Python as plain addresses."""
    if isinstance(numba_type, types.CPointer):
        return ctypes.c_void_p
    return {types.void: None, types.float64: ctypes.c_double, types.float32: ctypes.c_float,
            types.int64: ctypes.c_int64}[numba_type]  # fmt: skip


def inline(function, fastmath):
    """Return a function that is compiled into the ones that call it."""
    return njit(
        **_options(fastmath), forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )(function)


def user_function(function, n_arguments, dtype):
    """Compile a user's function of ``n_arguments`` reals to a real."""
    element = from_dtype(dtype)
    function = getattr(function, "py_func", function)  # what numba has compiled already
    try:
        return njit(element(*[element] * n_arguments), **_options(()))(function)
    except (NumbaError, TypeError) as error:
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(
            f"numba cannot compile the function {name!r} for {n_arguments} argument(s) of type "
            f"{dtype}. Its reason: {error}"
        ) from error


def _options(fastmath):
    return {"error_model": "numpy", "fastmath": set(fastmath)}


assert np.dtype(np.intp).itemsize == 8, "sknn_opt needs a 64-bit Python."
