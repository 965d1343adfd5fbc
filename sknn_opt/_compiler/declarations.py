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
from collections import namedtuple
from contextlib import ExitStack
from functools import cache, cached_property
from importlib import resources
from types import FunctionType
from weakref import WeakSet

import numpy as np

from .signals import beyond_signals

real = float  # inside a kernel: numpy.float32 or numpy.float64

_PACKAGE = __name__.partition(".")[0]
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_lock = threading.RLock()

# No nnan, no ninf: they would fold the checks for finite numbers away.
_FAST = frozenset({"contract", "reassoc", "nsz", "arcp"})


class _PerType:
    """What a kernel may name: something that is made once for each floating type."""

    #: Whether kernels that use it may be cached between processes.
    on_disk = True

    def __init__(self):
        self._made = {}

    def for_dtype(self, dtype):
        """Return what stands for this name in kernels over ``dtype``, made on first use."""
        dtype = np.dtype(dtype)
        if dtype not in self._made:
            beyond_signals(self._make_once, dtype)
        return self._made[dtype]

    def _make_once(self, dtype):
        with _lock:
            if dtype not in self._made:
                self._made[dtype] = self._make(dtype)

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} objects hold machine code: not picklable.")


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

    def __init__(self, function, prototype, on_disk=True):
        super().__init__()
        if function is not None:
            self.function = function
        self.prototype = prototype
        self.on_disk = on_disk
        _declared.add(self)

    def _make(self, dtype):
        return _compiler().callback(self.function, self.prototype, dtype, self.on_disk)

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
        if kernel.on_disk
    }
    return [names[name] for name in sorted(names) if name[0].startswith(f"{package}.")]


class _Inline(_PerType):
    def __init__(self, functions, flags, on_disk=True):
        super().__init__()
        self.functions = functions
        self.flags = flags
        self.on_disk = on_disk

    def _make(self, dtype):
        return _compiler().inline(self.functions[dtype], dtype, self.flags)

    def __str__(self):
        return self.functions[_FLOATS[0]].__name__


class Call(_PerType):
    """``Call(prototype)(address, ...)``, in a kernel, calls the machine code at an address."""

    def __init__(self, prototype):
        super().__init__()
        self.prototype = prototype

    def _make(self, dtype):
        return _compiler().indirect_call(self.prototype, dtype)


class Intrinsic(_PerType):
    """A name in kernels for what ``factory(dtype)`` returns, made when a kernel needs it."""

    def __init__(self, factory, name=""):
        super().__init__()
        self._make = factory
        self.name = name

    def __str__(self):
        return self.name


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

    Addresses are int64 fields. Kernels read it by ``at(pointer, index).field``.
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
    from . import backend as _numba

    return _numba


class _UserFunction(_PerType):
    """A user's function, which no file on disk may cache."""

    on_disk = False

    def __init__(self, function, n_arguments):
        super().__init__()
        self.function = function
        self.n_arguments = n_arguments

    def _make(self, dtype):
        return _compiler().user_function(self.function, self.n_arguments, dtype)


def user_function(function, n_arguments):
    """Declare a plain Python function of scalars to a scalar, all of the floating type."""
    return _once(_UserFunction, function, n_arguments)


class _InlineTemplate(_Inline):
    def __init__(self, template, helpers):
        copy = FunctionType(template.__code__, {**template.__globals__, **dict(helpers)})
        copy.__module__ = template.__module__
        on_disk = all(helper.on_disk for _, helper in helpers)
        super().__init__(dict.fromkeys(_FLOATS, copy), _FAST, on_disk)


def inline_template(template, **helpers):
    """Return the inline function of ``template`` with ``helpers`` for its globals."""
    return _once(_InlineTemplate, template, tuple(helpers.items()))


_made_once = {}


def _once(make, *arguments):
    """Return what ``make`` returned for these arguments the first time, in any thread."""
    key = make, arguments
    if key not in _made_once:
        _made_once.setdefault(key, make(*arguments))
    return _made_once[key]


class _Instance(Kernel):
    """A kernel from a template, with helpers for some of the template's globals."""

    def __init__(self, template, prototype, helpers):
        self._template = template
        self._helpers = dict(helpers)
        on_disk = all(getattr(helper, "on_disk", True) for _, helper in helpers)
        super().__init__(None, prototype, on_disk)

    @cached_property
    def function(self):
        copy = FunctionType(
            self._template.__code__, {**self._template.__globals__, **self._helpers}
        )
        copy.__module__ = self._template.__module__
        # The cache on disk tells the instances of a template apart by their names.
        copy.__name__ = copy.__qualname__ = f"{self._template.__name__}_{_digest(self._helpers)}"
        return copy


def instantiate(template, prototype, **helpers):
    """Return the kernel of ``template`` with ``helpers`` for the globals of these names.

    For the same ones there is one kernel in a process.
    """
    return _once(_Instance, template, prototype, tuple(helpers.items()))


def _digest(helpers):
    """Hash of what helpers compute, those that they call included."""
    digest = hashlib.sha256()
    for name, helper in helpers.items():
        digest.update(f"{name} {type(helper).__name__} {helper} ".encode())
        if isinstance(helper, _Inline):
            for function in helper.functions.values():
                code, namespace = function.__code__, function.__globals__
                digest.update(code.co_code + repr((code.co_consts, code.co_names)).encode())
                named = ((n, namespace[n]) for n in code.co_names if n in namespace)
                digest.update(_digest({n: v for n, v in named if _is_stable(v)}).encode())
    return digest.hexdigest()[:16]


def _is_stable(value):
    """Whether a global that a helper names has a text that is the same in each process."""
    return isinstance(value, _Inline | Intrinsic | int | float)


@cache
def named_doubles(*names):
    """Declare a helper for kernels: double * -> a named tuple of the numbers there."""
    cls = namedtuple("Parameters", names)
    return Intrinsic(lambda dtype: _compiler().named_doubles(cls), " ".join(names))


@cache
def load_slots(count):
    """Declare a helper for kernels: (real *, stride) -> ``count`` reals that far apart."""
    return Intrinsic(lambda dtype: _compiler().load_slots(count, dtype), f"load {count}")


@cache
def store_slots(count):
    """Declare the inverse of `load_slots`: (real *, stride, values)."""
    return Intrinsic(lambda dtype: _compiler().store_slots(count), f"store {count}")


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
offset = Intrinsic(lambda dtype: _compiler().offset)  # (pointer, n) -> pointer + n
at = Intrinsic(lambda dtype: _compiler().at)  # (struct *, i) -> the ith struct
bits_to_real = Intrinsic(lambda dtype: _compiler().bits_to_real(dtype))
real_to_bits = Intrinsic(lambda dtype: _compiler().real_to_bits(dtype))
# () -> the floating-point control word as it was, from here on without subnormal numbers
flush_subnormals = Intrinsic(lambda dtype: _compiler().flush_subnormals)
restore_control = Intrinsic(lambda dtype: _compiler().restore_control)
