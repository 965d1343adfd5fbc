"""What is written against numba's extension interface; imported with numba, on first use."""

import contextlib
import ctypes
import hashlib
import inspect
import pickle
from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import from_dtype, njit, types
from numba.core import caching, cgutils
from numba.core.ccallback import CFunc
from numba.core.errors import NumbaError
from numba.core.serialize import dumps
from numba.extending import intrinsic

from . import blas as _blas
from .declarations import _FAST, _structs, bind, parse_prototype, sources_digest, specialise
from .subnormals import flush_subnormals, restore_control  # noqa: F401

for _name, _address in _blas.symbols().items():
    llvmlite.binding.add_symbol(_name, _address)


class _Sealed(caching.CompileResultCacheImpl):
    """Machine code with a checksum over it and all our sources.

    numba writes the index before the data, so that after a crash or on a full disk a new
    index may name an old file; and damaged machine code would be run.
    """

    def reduce(self, compiled):
        code = dumps(super().reduce(compiled))
        return _checksum(code), code

    def rebuild(self, target_context, data):
        checksum, code = data
        if checksum != _checksum(code):
            return None
        return super().rebuild(target_context, pickle.loads(code))


def _checksum(code):
    return hashlib.sha256(sources_digest().encode() + code).digest()


class _Cache(caching.FunctionCache):
    """numba's cache on disk, keyed on all our sources, with unreadable files as misses."""

    _impl_class = _Sealed

    def _index_key(self, sig, codegen):
        return *super()._index_key(sig, codegen), sources_digest()

    def load_overload(self, sig, target_context):
        # numba would first import everything that compiling needs: 0.3 s for nothing.
        try:
            return self._load_overload(sig, target_context)
        except Exception:  # there is none that unpickling a damaged file could not raise
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig, data):
        with contextlib.suppress(Exception):  # a full or damaged disk costs time, not the fit
            super().save_overload(sig, data)


class _Callback(CFunc):
    """A C callback whose helpers are made only if it is not in the cache."""

    def __init__(self, function, signature, dtype, on_disk):
        super().__init__(function, signature, {}, {"nopython": True, **_options(_FAST)})
        self._dtype = dtype
        if on_disk:
            with contextlib.suppress(RuntimeError):  # numba found no folder that it may write to
                self._cache = _Cache(function)

    def _compile_uncached(self):
        bind(self._pyfunc, self._dtype)
        return super()._compile_uncached()


def callback(function, prototype, dtype, on_disk=True):
    """Compile ``function``; return its address and a Python function that calls it."""
    returned, arguments = _signature(prototype, dtype)
    compiled = _Callback(specialise(function, dtype), (arguments, returned), dtype, on_disk)
    compiled.compile()
    c_type = ctypes.CFUNCTYPE(_ctype(returned), *map(_ctype, arguments))
    return Machine(compiled.address, c_type(compiled.address), compiled)


class Machine(NamedTuple):
    address: int
    call: Callable
    owner: CFunc  # keeps the machine code alive

    @property
    def is_loaded(self):
        """Whether it came from the cache on disk."""
        return bool(self.owner.cache_hits)

    @property
    def cache_folder(self):
        """Where the cache on disk is; None where there is none."""
        return self.owner._cache.cache_path


def _ctype(numba_type):
    """Pointers are passed from Python as plain addresses."""
    if isinstance(numba_type, types.CPointer):
        return ctypes.c_void_p
    return {types.void: None, types.float64: ctypes.c_double, types.float32: ctypes.c_float,
            types.int64: ctypes.c_int64}[numba_type]  # fmt: skip


def inline(function, dtype, fastmath):
    copy = specialise(function, dtype)
    bind(copy, dtype)
    return njit(
        **_options(fastmath), forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )(copy)


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


def _signature(prototype, dtype):
    returned, arguments = parse_prototype(prototype)
    return _type(returned, dtype), tuple(_type(a, dtype) for a in arguments)


def _type(name, dtype):
    if name.endswith("*"):
        return types.CPointer(_type(name[:-1].strip(), dtype))
    if name == "real":
        return from_dtype(dtype)
    if name in _structs:
        return from_dtype(_structs[name])
    return {"void": types.void, "double": types.float64}.get(name) or getattr(types, name)


def indirect_call(prototype, dtype):
    returned, arguments = _signature(prototype, dtype)

    def call(typing_context, address, *values):
        def generate(context, builder, signature, operands):
            values = [
                context.cast(builder, value, given, wanted)
                for value, given, wanted in zip(
                    operands[1:], signature.args[1:], arguments, strict=True
                )
            ]
            function_type = ir.FunctionType(
                context.get_value_type(returned), [context.get_value_type(a) for a in arguments]
            )
            pointer = builder.inttoptr(operands[0], function_type.as_pointer())
            result = builder.call(pointer, values)
            return context.get_dummy_value() if returned == types.void else result

        return returned(types.int64, *arguments), generate

    # numba does not take *values: it is shown as many parameters as the prototype has.
    names = ["typing_context", "address", *(f"value_{i}" for i in range(len(arguments)))]
    call.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return intrinsic(call)


def pointer_to(dtype):
    pointer = types.CPointer(from_dtype(dtype))

    @intrinsic
    def to_pointer(typing_context, address):
        def generate(context, builder, signature, operands):
            return builder.inttoptr(operands[0], context.get_value_type(pointer))

        return pointer(types.int64), generate

    return to_pointer


@intrinsic
def offset(typing_context, pointer, n):
    def generate(context, builder, signature, operands):
        return builder.gep(operands[0], [operands[1]])

    return pointer(pointer, types.int64), generate


@intrinsic
def at(typing_context, pointer, index):
    def generate(context, builder, signature, operands):
        return builder.gep(operands[0], [operands[1]])  # a struct is passed by its address

    return pointer.dtype(pointer, types.int64), generate


def named_doubles(cls):
    """(double *) -> the named tuple ``cls`` of the numbers there."""
    count = len(cls._fields)
    # The uniform type cannot be empty.
    result = types.NamedUniTuple(types.float64, count, cls) if count else types.NamedTuple((), cls)

    @intrinsic
    def read(typing_context, pointer):
        def generate(context, builder, signature, operands):
            return context.make_tuple(builder, result, _load(builder, operands[0], result, 1))

        return result(pointer), generate

    return read


def load_slots(count, dtype):
    """(pointer, stride) -> the ``count`` reals at 0, stride, 2 stride ... as a tuple."""
    result = types.UniTuple(from_dtype(dtype), count)

    @intrinsic
    def load(typing_context, pointer, stride):
        def generate(context, builder, signature, operands):
            values = _load(builder, operands[0], result, operands[1])
            return context.make_tuple(builder, result, values)

        return result(pointer, types.int64), generate

    return load


def store_slots(count):
    """(pointer, stride, values): the inverse of `load_slots`."""

    @intrinsic
    def store(typing_context, pointer, stride, values):
        def generate(context, builder, signature, operands):
            slot, stride, values = operands
            for value in cgutils.unpack_tuple(builder, values, count):
                builder.store(value, slot)
                slot = builder.gep(slot, [stride])
            return context.get_dummy_value()

        return types.void(pointer, types.int64, values), generate

    return store


def _load(builder, pointer, tuple_type, stride):
    stride = ir.IntType(64)(stride) if isinstance(stride, int) else stride
    values = []
    for _ in range(len(tuple_type)):
        values.append(builder.load(pointer))
        pointer = builder.gep(pointer, [stride])
    return values


def bits_to_real(dtype):
    return _bitcast(_bits[dtype], from_dtype(dtype))


def real_to_bits(dtype):
    return _bitcast(from_dtype(dtype), _bits[dtype])


_bits = {np.dtype(np.float64): types.int64, np.dtype(np.float32): types.int32}


def _bitcast(source, target):
    @intrinsic
    def cast(typing_context, value):
        def generate(context, builder, signature, operands):
            return builder.bitcast(operands[0], context.get_value_type(target))

        return target(source), generate

    return cast


def gemm(dtype):
    """Row-major C = alpha op(A) op(B) + beta C through the Fortran routine."""
    element = types.CPointer(from_dtype(dtype))
    scalar = from_dtype(dtype)
    n = types.int64
    argument_types = (n, n, n, n, n, scalar, element, n, element, n, scalar, element, n)

    @intrinsic
    def call(typing_context, ta, tb, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc):
        def generate(context, builder, signature, operands):
            ta, tb, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc = operands
            int32, byte = ir.IntType(32), ir.IntType(8)

            def by_reference(value):
                return cgutils.alloca_once_value(builder, value)

            def integer(value):
                return by_reference(builder.trunc(value, int32))

            def transpose(flag):
                is_set = builder.icmp_signed("!=", flag, flag.type(0))
                return by_reference(builder.select(is_set, byte(ord("T")), byte(ord("N"))))

            # Row-major C is column-major Cᵀ = op(B)ᵀ op(A)ᵀ: the operands change places.
            arguments = [
                transpose(tb), transpose(ta),
                integer(columns), integer(rows), integer(inner),
                by_reference(alpha), b, integer(ldb), a, integer(lda),
                by_reference(beta), c, integer(ldc),
            ]  # fmt: skip
            function_type = ir.FunctionType(ir.VoidType(), [x.type for x in arguments])
            function = cgutils.get_or_insert_function(
                builder.module, function_type, _blas.symbol("gemm", dtype)
            )
            builder.call(function, arguments)
            return context.get_dummy_value()

        return types.void(*argument_types), generate

    return call


assert np.dtype(np.intp).itemsize == 8, "sknn_opt needs a 64-bit Python."
