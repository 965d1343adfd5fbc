"""The one way from Python to machine code.

A kernel is a C callback over raw pointers, written as a Python function and compiled by
numba on first use, once per floating type. The rules:

- ``@kernel(prototype)`` takes a C prototype; ``real`` in it stands for the floating type.
- In the body, ``real(0.5)`` is a constant of that type. Type every constant that meets an
  array: an untyped ``0.5`` turns float32 arithmetic into float64.
- What a kernel calls is an ``@inline`` helper, another kernel through its address
  (``Call``), or one of the pointer helpers at the foot of this module. Nothing is captured.
- Hyperparameters arrive at run time through ``real *parameters``: an address is an
  integer, so changing a component or its parameters recompiles nothing.
- Nothing that needs numba's own runtime, which is not there when a kernel comes from the
  cache: no arrays, and no ``range`` whose step is known only at run time.
- Two pointers to the same buffer cost the vectorisation: an in-place kernel uses one.

Machine code is cached on disk. Its key holds a hash of the whole package, because numba
itself does not see a change in a helper that stands in another file. numba is imported on
the first compilation or load, never by ``import sknn_opt``; neither Ctrl-C nor a fork
interrupts an import or a compilation half way.
"""

import ctypes
import hashlib
import os
import re
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from importlib import resources
from types import FunctionType
from weakref import WeakSet

import numpy as np

real = float  # inside a kernel: numpy.float32 or numpy.float64

_PACKAGE = __name__.partition(".")[0]
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_lock = threading.RLock()

# No nnan, no ninf: they would fold the checks for finite numbers away.
_FAST = frozenset({"contract", "reassoc", "nsz", "arcp"})


class _PerType:
    """What a kernel may name: something that is made once for each floating type."""

    def __init__(self):
        self._made = {}

    def for_dtype(self, dtype):
        """Return what stands for this name in kernels over ``dtype``, made on first use."""
        dtype = np.dtype(dtype)
        if dtype not in self._made:
            _beyond_signals(self._make_once, dtype)
        return self._made[dtype]

    def _make_once(self, dtype):
        with _lock:
            if dtype not in self._made:
                self._made[dtype] = self._make(dtype)

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} objects hold machine code: not picklable.")


def _beyond_signals(function, *arguments):
    """Call where no signal handler can raise: Ctrl-C would leave numba half imported.

    Python runs handlers in the main thread only, which waits for the call to end. While the
    main thread imports a module, it calls itself: another thread would wait for that module.
    """
    if threading.current_thread() is not threading.main_thread() or _is_importing():
        function(*arguments)
        return
    with ThreadPoolExecutor(1) as thread:
        thread.submit(function, *arguments).result()


def _is_importing():
    frames = traceback.walk_stack(None)
    return any("importlib._bootstrap" in frame.f_code.co_filename for frame, _ in frames)


_held_in_fork = ExitStack()


def _before_fork():
    """Wait until nothing is compiled, by us or by numba for others.

    The child has one thread only: what others hold at the fork, nobody there will release.
    """
    _held_in_fork.enter_context(_lock)
    numba = sys.modules.get("numba.core.compiler_lock")
    if numba is not None:
        _held_in_fork.enter_context(numba.global_compiler_lock)


def _after_fork():
    _held_in_fork.pop_all().close()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )


class Kernel(_PerType):
    """A function that compiles to a C callback; see the module's docstring."""

    def __init__(self, function, prototype):
        super().__init__()
        self.function = function
        self.prototype = prototype
        self.__doc__ = function.__doc__
        _declared.add(self)

    def _make(self, dtype):
        return _compiler().callback(self.function, self.prototype, dtype)

    def address(self, dtype):
        """Address of the machine code for ``dtype``, as an integer."""
        return self.for_dtype(dtype).address

    def __call__(self, dtype, *arguments):
        """Run for ``dtype``; pointers are passed as addresses. Releases the GIL."""
        return self.for_dtype(dtype).call(*arguments)


_declared = WeakSet()


def declared_kernels(package):
    """Return the kernels of a package, as far as it has been imported."""
    names = {
        (str(kernel.function.__module__), kernel.function.__qualname__, i): kernel
        for i, kernel in enumerate(_declared)
        if type(kernel) is Kernel
    }
    return [names[name] for name in sorted(names) if name[0].startswith(f"{package}.")]


class _UserFunction(_PerType):
    def __init__(self, function, n_arguments):
        super().__init__()
        self.function = function
        self.n_arguments = n_arguments

    def _make(self, dtype):
        return _compiler().user_function(self.function, self.n_arguments, dtype)


class _UserKernel(Kernel):
    """A kernel that calls a user's functions: no file on disk may cache it."""

    def _make(self, dtype):
        return _compiler().callback(self.function, self.prototype, dtype, on_disk=False)


def with_functions(template, prototype, n_arguments, **functions):
    """Return the kernel of ``template`` with a user's functions for the globals of these names.

    The functions are plain Python ones of ``n_arguments`` scalars to a scalar, all of the
    floating type. For the same ones there is one kernel in a process.
    """
    key = template, *sorted(functions.items())
    if key not in _user_kernels:
        namespace = dict(template.__globals__)
        for name, function in functions.items():
            namespace[name] = _UserFunction(function, n_arguments)
        copy = FunctionType(template.__code__, namespace)
        _user_kernels.setdefault(key, _UserKernel(copy, prototype))
    return _user_kernels[key]


_user_kernels = {}


class _Inline(_PerType):
    def __init__(self, functions, flags):
        super().__init__()
        self.functions = functions
        self.flags = flags

    def _make(self, dtype):
        return _compiler().inline(self.functions[dtype], dtype, self.flags)


class Call(_PerType):
    """``Call(prototype)(address, ...)``, in a kernel, calls the machine code at an address."""

    def __init__(self, prototype):
        super().__init__()
        self.prototype = prototype

    def _make(self, dtype):
        return _compiler().indirect_call(self.prototype, dtype)


class Intrinsic(_PerType):
    """A name in kernels for what ``factory(dtype)`` returns, made when a kernel needs it."""

    def __init__(self, factory):
        super().__init__()
        self._make = factory


def kernel(prototype):
    """Declare a kernel with this C prototype, ``"double (real *raw, int64 rows)"``."""
    return lambda function: Kernel(function, prototype)


def inline(function):
    """Declare a helper that is compiled into the kernels that call it."""
    return _Inline(dict.fromkeys(_FLOATS, function), _FAST)


def inline_exactly(float64, float32):
    """Declare a helper, written for each floating type, whose rounding is part of it."""
    return _Inline(dict(zip(_FLOATS, (float64, float32), strict=True)), frozenset({"contract"}))


def struct(name, **fields):
    """Declare a C struct for prototypes; return its NumPy dtype.

    Addresses are int64 fields. Kernels read it by ``record(pointer, index).field``.
    """
    dtype = np.dtype(list(fields.items()), align=True)
    _structs[name] = dtype
    return dtype


_structs = {}


def specialise(function, dtype):
    """Copy ``function`` with a namespace of its own, named after the floating type."""
    name = f"{function.__name__}_{dtype.name}"
    copy = FunctionType(function.__code__, dict(function.__globals__), name)
    copy.__qualname__ = name
    copy.__module__ = function.__module__
    return copy


def bind(function, dtype):
    """Put the types and helpers for ``dtype`` into the namespace of a specialised copy."""
    namespace = function.__globals__
    for name in function.__code__.co_names:
        value = namespace.get(name)
        if value is real:
            namespace[name] = dtype.type
        elif isinstance(value, _PerType) and not isinstance(value, Kernel):
            # Kernels are called by address: one of this name is not meant, but a field.
            namespace[name] = value.for_dtype(dtype)


def compiled_together(function):
    """Return a kernel's function and those of all helpers that are compiled into it."""
    found, new = set(), {function}
    while new:
        found |= new
        names = ((f.__globals__, name) for f in new for name in f.__code__.co_names)
        values = (namespace.get(name) for namespace, name in names)
        helpers = (value.functions for value in values if isinstance(value, _Inline))
        new = {f for by_dtype in helpers for f in by_dtype.values()} - found
    return found


@cache
def sources_digest():
    """Hash of the package's Python files: what machine code may depend on."""
    digest = hashlib.sha256()
    for name, content in _sources(resources.files(_PACKAGE), _PACKAGE):
        digest.update(name.encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _sources(folder, name):
    """Yield names and contents of all Python files, those of sub-packages included."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, path)
        elif entry.name.endswith(".py"):
            yield path, entry.read_bytes()


def parse_prototype(prototype):
    """Split ``"double (real *raw, int64 rows)"`` into ``("double", ["real *", "int64"])``."""
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", prototype, re.DOTALL)
    arguments = [a.strip() for a in match[2].split(",")]
    return match[1], [re.fullmatch(r"(\w+\s*\*?)\s*\w+", a)[1].strip() for a in arguments]


@cache
def _compiler():
    """Import numba, and what is written against it, when machine code is first needed."""
    from . import _numba

    return _numba


def address(array):
    """Address of an array's first element; 0 stands for no array."""
    return 0 if array is None else array.ctypes.data


def open_capsule(capsule):
    """Return the address in a PyCapsule, as Cython exports functions, and its C signature."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    name = api.PyCapsule_GetName(capsule)
    return api.PyCapsule_GetPointer(capsule, name), name.decode()


def pointers_to(name):
    """Declare a helper for kernels: address -> pointer to the struct of this name."""
    return Intrinsic(lambda dtype: _compiler().pointer_to(_structs[name]))


# Pointer helpers, for use in kernels only.
reals = Intrinsic(lambda dtype: _compiler().pointer_to(dtype))  # address -> real *
doubles = Intrinsic(lambda dtype: _compiler().pointer_to(np.dtype(np.float64)))
int64s = Intrinsic(lambda dtype: _compiler().pointer_to(np.dtype(np.int64)))
int32s = Intrinsic(lambda dtype: _compiler().pointer_to(np.dtype(np.int32)))
shift = Intrinsic(lambda dtype: _compiler().shift)  # (pointer, n) -> pointer + n
record = Intrinsic(lambda dtype: _compiler().record)  # (struct *, i) -> the ith struct
bits_to_real = Intrinsic(lambda dtype: _compiler().bits_to_real(dtype))
real_to_bits = Intrinsic(lambda dtype: _compiler().real_to_bits(dtype))
# () -> the floating-point control word as it was, from here on without subnormal numbers
flush_subnormals = Intrinsic(lambda dtype: _compiler().flush_subnormals)
restore_control = Intrinsic(lambda dtype: _compiler().restore_control)
