"""Turns subnormal numbers off and on again, in compiled code; imported with numba.

Processors are many times slower with them, and an average that fades away stays there, once
0.9 of it is rounded up to itself. On a processor that is not listed nothing is done. LLVM's
intrinsics serve, and not assembly, since numba does not start the parser that needs.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD = ir.IntType(64)
_NOTHING = ir.VoidType()

#: Bits of the floating-point control word that make subnormal results, and operands, 0.
_FLUSH = {"x86_64": 0x8040, "aarch64": 1 << 24, "arm64": 1 << 24}


def _architecture(builder):
    return builder.module.triple.split("-")[0]


def _call(builder, intrinsic_name, returned, *arguments):
    function_type = ir.FunctionType(returned, [a.type for a in arguments])
    function = cgutils.get_or_insert_function(builder.module, function_type, intrinsic_name)
    return builder.call(function, arguments)


def _call_on_memory(builder, intrinsic_name, slot):
    _call(builder, intrinsic_name, _NOTHING, builder.bitcast(slot, ir.IntType(8).as_pointer()))


def read(builder):
    """Emit the reading of the control word."""
    if _architecture(builder) not in _FLUSH:
        return _WORD(0)
    if _architecture(builder) == "x86_64":
        slot = cgutils.alloca_once(builder, ir.IntType(32))
        _call_on_memory(builder, "llvm.x86.sse.stmxcsr", slot)
        return builder.zext(builder.load(slot), _WORD)
    return _call(builder, "llvm.aarch64.get.fpcr", _WORD)


def write(builder, word):
    """Emit the writing of the control word."""
    if _architecture(builder) not in _FLUSH:
        return
    if _architecture(builder) == "x86_64":
        slot = cgutils.alloca_once(builder, ir.IntType(32))
        builder.store(builder.trunc(word, ir.IntType(32)), slot)
        _call_on_memory(builder, "llvm.x86.sse.ldmxcsr", slot)
        return
    _call(builder, "llvm.aarch64.set.fpcr", _NOTHING, word)


def flush(builder):
    """Emit that from here on subnormal numbers are 0; return the word as it was."""
    before = read(builder)
    write(builder, builder.or_(before, _WORD(_FLUSH.get(_architecture(builder), 0))))
    return before


@intrinsic
def flush_subnormals(typing_context):
    def generate(context, builder, signature, operands):
        return flush(builder)

    return types.int64(), generate


@intrinsic
def restore_control(typing_context, word):
    def generate(context, builder, signature, operands):
        write(builder, operands[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate
