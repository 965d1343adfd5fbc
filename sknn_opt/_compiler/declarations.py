"""The one way from Python to machine code.

A kernel is a C callback over raw pointers, written as a Python function and compiled by
numba on first use, once per floating type. `sknn_opt.kernels` teaches the language; what
stands behind it:

- What a kernel calls is an ``@inline`` helper, another kernel through its address
  (``Call``), or an `Intrinsic`. Nothing is captured: hyperparameters arrive at run time
  through a pointer, and an address is an integer, so changing a component or its parameters
  recompiles nothing.
- Nothing may need numba's own runtime, which is not there when a kernel comes from the cache.
- Machine code is cached on disk. Its key holds a hash of the whole package and one of the
  kernel's own code with all that it names, because numba itself does not see a change in a
  helper that stands in another file.
- numba is imported on the first compilation or load, never by ``import sknn_opt``.
"""

from ctypes import addressof, c_char
from functools import cache, cached_property
from types import FunctionType
from weakref import WeakSet

import numpy as np

from .once import PerType, Store
from .prototypes import EXACT, FAST, FLOATS, find_struct, struct  # noqa: F401
from .sources import NoDigestError, digest, global_names

real = float  # inside a kernel: numpy.float32 or numpy.float64


@cache
def backend():
    """Import numba, and what is written against it, when machine code is first needed."""
    from . import backend as module

    return module


class Kernel(PerType):
    """A function that compiles to a C callback; see the module's docstring."""

    def __init__(self, function, prototype, on_disk=True):
        super().__init__()
        if function is not None:
            self.function = function
        self.prototype = prototype
        self.on_disk = on_disk
        _declared.add(self)

    @cached_property
    def identity(self):
        """Digest of what it computes, for the cache on disk; None keeps it from there."""
        try:
            return digest(self.function) if self.on_disk else None
        except NoDigestError:
            return None

    def _make(self, dtype):
        copy = specialise(self.function, dtype, self.identity)
        return backend().callback(
            copy, self.prototype, dtype, lambda: bind(copy, dtype), self.identity
        )

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


class Inline(PerType):
    """A function, or one for each floating type, that is compiled into what calls it."""

    def __init__(self, functions, flags, on_disk=True):
        super().__init__()
        self.functions = functions
        self.flags = flags
        self.on_disk = on_disk

    def _make(self, dtype):
        copy = specialise(self.functions[dtype], dtype)
        bind(copy, dtype)
        return backend().inline(copy, self.flags)

    def digest_parts(self):
        return *self.functions.values(), self.flags


class Call(PerType):
    """``Call(prototype)(address, ...)``, in a kernel, calls the machine code at an address."""

    def __init__(self, prototype):
        super().__init__()
        self.prototype = prototype

    def _make(self, dtype):
        return backend().intrinsics.indirect_call(self.prototype, dtype)

    def digest_parts(self):
        return (self.prototype,)


class Intrinsic(PerType):
    """A name in kernels for what ``factory(dtype)`` returns, made when a kernel needs it.

    ``name`` tells what it does, and so tells it from all others.
    """

    def __init__(self, name, factory):
        super().__init__()
        self.name = name
        self._make = factory

    def digest_parts(self):
        return (self.name,)


class UserFunction(PerType):
    """A user's function, which no file on disk may cache."""

    on_disk = False

    def __init__(self, function, n_arguments):
        super().__init__()
        self.function = function
        self.n_arguments = n_arguments

    def _make(self, dtype):
        return backend().user_function(self.function, self.n_arguments, dtype)


def kernel(prototype):
    """Declare a kernel with this C prototype, ``"double (real *raw, int64 rows)"``."""
    return lambda function: Kernel(function, prototype)


def inline(function):
    """Declare a helper that is compiled into the kernels that call it."""
    return Inline(dict.fromkeys(FLOATS, function), FAST)


def inline_exactly(float64, float32):
    """Declare a helper, written for each floating type, whose rounding is part of it."""
    return Inline(dict(zip(FLOATS, (float64, float32), strict=True)), EXACT)


def specialise(function, dtype, identity=None):
    """Copy ``function`` with a namespace of its own, named after its type and identity.

    Machine code goes by its name: two functions of one name must not be the same to a linker.
    """
    suffix = dtype.name if identity is None else f"{identity[:16]}_{dtype.name}"
    return _copy(function, {}, f"{function.__name__}_{suffix}")


def _copy(function, helpers, name):
    copy = FunctionType(
        function.__code__,
        {**function.__globals__, **helpers},
        name,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = name
    copy.__module__ = function.__module__
    return copy


def bind(function, dtype):
    """Put the types and helpers for ``dtype`` into the namespace of a specialised copy."""
    namespace = function.__globals__
    for name in global_names(function.__code__):
        value = namespace.get(name)
        if value is real:
            namespace[name] = dtype.type
        elif isinstance(value, PerType):
            namespace[name] = value.for_dtype(dtype)


# What is made of the package's or a user's files is made once; what is made of functions that
# a program may make without end, such as lambdas in a loop, is kept for a while.
_of_files = Store()
_of_user_functions = Store(max_size=64)


def _once(make, *arguments, on_disk):
    store = _of_files if on_disk else _of_user_functions
    return store.get((make, arguments), lambda: make(*arguments))


def user_function(function, n_arguments):
    """Declare a plain Python function of scalars to a scalar, all of the floating type.

    Functions that compute the same are one.
    """
    try:
        key = digest(function)
    except NoDigestError:
        return UserFunction(function, n_arguments)
    return _of_user_functions.get(
        (UserFunction, key, n_arguments), lambda: UserFunction(function, n_arguments)
    )


class _InlineTemplate(Inline):
    def __init__(self, template, helpers):
        copy = _copy(template, dict(helpers), template.__name__)
        super().__init__(dict.fromkeys(FLOATS, copy), FAST, _are_on_disk(helpers))


def inline_template(template, **helpers):
    """Return the inline function of ``template`` with ``helpers`` for its globals."""
    helpers = tuple(helpers.items())
    return _once(_InlineTemplate, template, helpers, on_disk=_are_on_disk(helpers))


class _Instance(Kernel):
    """A kernel from a template, with helpers for some of the template's globals."""

    def __init__(self, template, prototype, helpers):
        self._template = template
        self._helpers = dict(helpers)
        super().__init__(None, prototype, _are_on_disk(helpers))

    @cached_property
    def function(self):
        # Not earlier: the template's module may not have been executed to its end.
        return _copy(self._template, self._helpers, self._template.__name__)


def instantiate(template, prototype, **helpers):
    """Return the kernel of ``template`` with ``helpers`` for the globals of these names.

    For the same ones there is one kernel in a process.
    """
    helpers = tuple(helpers.items())
    return _once(_Instance, template, prototype, helpers, on_disk=_are_on_disk(helpers))


def _are_on_disk(helpers):
    return all(getattr(helper, "on_disk", True) for _, helper in helpers)


@cache
def named_doubles(*names):
    """Declare a helper for kernels: double * -> a named tuple of the numbers there."""
    return Intrinsic(
        f"named doubles {' '.join(names)}",
        lambda dtype: backend().intrinsics.named_doubles(names),
    )


@cache
def load_slots(count):
    """Declare a helper for kernels: (real *, stride) -> ``count`` reals that far apart."""
    return Intrinsic(
        f"load {count} slots", lambda dtype: backend().intrinsics.load_slots(count, dtype)
    )


@cache
def store_slots(count):
    """Declare the inverse of `load_slots`: (real *, stride, values)."""
    return Intrinsic(f"store {count} slots", lambda dtype: backend().intrinsics.store_slots(count))


def pointers_to(name):
    """Declare a helper for kernels: address -> pointer to the struct of this name."""
    return _pointers(find_struct(name))


def _pointers(element):
    return Intrinsic(
        f"pointers to {element!r}", lambda dtype: backend().intrinsics.pointer_to(element)
    )


def address(array):
    """Address of an array's first element; 0 stands for no array."""
    if array is None:
        return 0
    try:
        return addressof(c_char.from_buffer(array))
    except (TypeError, ValueError):  # read-only, empty or with gaps between its elements
        return array.ctypes.data  # takes twice as long


# Pointer helpers, for use in kernels only.
#: address -> real *
reals = Intrinsic("pointers to reals", lambda dtype: backend().intrinsics.pointer_to(dtype))
#: address -> double *
doubles = _pointers(np.dtype(np.float64))
#: address -> int64 *
int64s = _pointers(np.dtype(np.int64))
#: address -> int32 *
int32s = _pointers(np.dtype(np.int32))
#: (pointer, n) -> pointer + n
offset = Intrinsic("offset", lambda dtype: backend().intrinsics.offset)
#: (struct *, i) -> the ith struct
at = Intrinsic("at", lambda dtype: backend().intrinsics.at)
bits_to_real = Intrinsic("bits to real", lambda dtype: backend().intrinsics.bits_to_real(dtype))
real_to_bits = Intrinsic("real to bits", lambda dtype: backend().intrinsics.real_to_bits(dtype))
#: () -> the floating-point control word as it was, from here on without subnormal numbers
flush_subnormals = Intrinsic(
    "flush subnormals", lambda dtype: backend().intrinsics.flush_subnormals
)
#: (word): restores the floating-point control word
restore_control = Intrinsic("restore control", lambda dtype: backend().intrinsics.restore_control)
