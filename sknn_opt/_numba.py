"""What is written against numba's extension interface; imported with numba, on first use."""

import ctypes
import inspect
from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import from_dtype, njit, types
from numba.core import cgutils, config
from numba.core.ccallback import CFunc
from numba.core.codegen import CodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from . import _blas, _cache
from ._kernel import _FAST, _structs, bind, parse_prototype, specialise
from ._subnormals import flush_subnormals, restore_control  # noqa: F401

for _name, _address in _blas.symbols().items():
    llvmlite.binding.add_symbol(_name, _address)


@global_compiler_lock
def callback(function, prototype, dtype, on_disk=True):
    """Load ``function`` from the cache or compile it."""
    if config.DISABLE_JIT:
        raise RuntimeError(
            "NUMBA_DISABLE_JIT is set, and sknn_opt has nothing to run but compiled code. "
            "Unset this environment variable, and start Python again."
        )
    returned, arguments = _signature(prototype, dtype)
    copy = specialise(function, dtype)
    codegen = cpu_target.target_context.codegen()
    entry = _cache.entry(copy, returned(*arguments), codegen) if on_disk else None
    stored = entry.load() if entry else None
    if stored:
        # numba would first import everything that compiling needs: 0.3 s for nothing.
        name, serialized = stored
        library = codegen.unserialize_library(serialized)
    else:
        bind(copy, dtype)
        compiled = CFunc(copy, (arguments, returned), {}, {"nopython": True, **_options(_FAST)})
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
    entry: _cache.Entry | None
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
def shift(typing_context, pointer, offset):
    def generate(context, builder, signature, operands):
        return builder.gep(operands[0], [operands[1]])

    return pointer(pointer, types.int64), generate


@intrinsic
def record(typing_context, pointer, index):
    def generate(context, builder, signature, operands):
        return builder.gep(operands[0], [operands[1]])  # a struct is passed by its address

    return pointer.dtype(pointer, types.int64), generate


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
