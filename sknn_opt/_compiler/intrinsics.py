"""What kernels may call beyond numba's own functions, made for them; imported with numba."""

import inspect
from collections import namedtuple

import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from .prototypes import find_struct, parse_prototype
from .subnormals import flush_subnormals, restore_control  # noqa: F401


def signature_of(prototype, dtype):
    """Return numba's types of what a kernel returns and takes."""
    returned, arguments = parse_prototype(prototype)
    return _type(returned, dtype), tuple(_type(a, dtype) for a in arguments)


def _type(name, dtype):
    if name.endswith("*"):
        return types.CPointer(_type(name[:-1].strip(), dtype))
    if name == "real":
        return from_dtype(dtype)
    if (record := find_struct(name)) is not None:
        return from_dtype(record)
    return {"void": types.void, "double": types.float64}.get(name) or getattr(types, name)


def indirect_call(prototype, dtype):
    returned, arguments = signature_of(prototype, dtype)

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

    return _with_parameters(call, "typing_context", "address", len(arguments))


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


def named_doubles(names):
    """(double *) -> a named tuple of the numbers there."""
    cls, count = namedtuple("Parameters", names), len(names)
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


def routine(found):
    """Call a routine of BLAS or LAPACK: pointers go as they are, numbers by reference."""
    wanted = [from_dtype(element) for element in found.parameters]
    returned = types.void if found.returned is None else from_dtype(found.returned)

    def call(typing_context, *given):
        given = [types.unliteral(one) for one in given]
        for i, (one, element) in enumerate(zip(given, wanted, strict=True)):
            if one != types.CPointer(element) and not isinstance(one, types.Number):
                raise TypingError(
                    f"Parameter {i + 1} of {found.symbol} is a number or a pointer to "
                    f"{element}, not {one}."
                )

        def generate(context, builder, signature, operands):
            references = [
                value
                if isinstance(one, types.CPointer)
                else cgutils.alloca_once_value(builder, context.cast(builder, value, one, element))
                for value, one, element in zip(operands, signature.args, wanted, strict=True)
            ]
            function_type = ir.FunctionType(
                context.get_value_type(returned), [reference.type for reference in references]
            )
            function = cgutils.get_or_insert_function(builder.module, function_type, found.symbol)
            result = builder.call(function, references)
            return context.get_dummy_value() if returned == types.void else result

        return returned(*given), generate

    return _with_parameters(call, "typing_context", len(wanted))


def _with_parameters(call, *names_and_count):
    """Make an intrinsic of a function of ``*values``, which numba itself does not take."""
    *names, count = names_and_count
    names += [f"value_{i}" for i in range(count)]
    call.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return intrinsic(call)
