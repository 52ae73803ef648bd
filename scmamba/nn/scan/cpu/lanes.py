"""Vectors as values of numba's compiled loops: float32 numbers that stay together in registers.

Left to itself, LLVM finds vectors in innermost loops only, and every value goes through memory.
Here are two types that are vectors from the start: ``Lanes``, a number for each of ``LANES``
channels, and ``States``, ``STATES`` such vectors, one for each of so many states. Arrays are flat
and contiguous; nothing checks their bounds.

numba calls the intrinsics with types; the function inside each writes LLVM's code.
"""

from __future__ import annotations

import math
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic as _intrinsic
from numba.extending import register_model

LANES = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 8
STATES = 4

intrinsic: Any = _intrinsic  # numba's own types leave the first argument to the caller

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)

# 2^f on [-1/2, 1/2], exact at 0: minimax polynomial of relative error 9.1e-8
_POWERS = (
    1.0,
    0.6931469775988717,
    0.2402224208496597,
    0.05550733743520391,
    0.00967151266550899,
    0.0013264727186812844,
)
_LOWEST = -125.0  # below, 2^-125: denormal numbers are slow
_ROUND = 1.5 * 2**23  # added to a number, leaves the nearest integer in the lowest bits


class Vector(types.Type):
    """So many float32, as numba knows them."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(f"Vector({width})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(_FLOAT, kind.width))


_lanes, _states = Vector(LANES), Vector(STATES * LANES)


@intrinsic
def load(typing: Any, array: Any, i: Any) -> Any:
    """``Lanes`` from ``array[i]`` on."""
    return _lanes(array, types.intp), _load


@intrinsic
def load_states(typing: Any, array: Any, i: Any) -> Any:
    """``States`` from ``array[i]`` on."""
    return _states(array, types.intp), _load


@intrinsic
def prefetch(typing: Any, array: Any, i: Any) -> Any:
    """Have the memory around ``array[i]``, which need not exist, brought into the cache."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        byte = ir.IntType(8)
        pointer = _pointer(context, builder, signature, given, byte)
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), _INT, _INT, _INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


@intrinsic
def store(typing: Any, array: Any, i: Any, a: Any) -> Any:
    """Write ``a`` to ``array[i]`` and on."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = _pointer(context, builder, signature, given, given[2].type)
        builder.store(given[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, a), code


@intrinsic
def spread(typing: Any, array: Any, i: Any) -> Any:
    """``States`` whose state j holds ``array[i + j]`` in every lane."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = _pointer(context, builder, signature, given, _FLOAT)
        numbers = [builder.load(builder.gep(pointer, [_INT(j)]), align=4) for j in range(STATES)]
        return _join(builder, [_splat(builder, number) for number in numbers])

    return _states(array, types.intp), code


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """``Lanes`` that all hold the float32 ``number``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _splat(builder, given[0])

    return _lanes(types.float32), code


@intrinsic
def repeat(typing: Any, a: Any) -> Any:
    """``States`` that all hold the lanes ``a``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _pick(builder, given[0], [*range(LANES)] * STATES)

    return _states(a), code


@intrinsic
def mul(typing: Any, a: Any, b: Any) -> Any:
    """``a * b``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fmul(*given)

    return a(a, b), code


@intrinsic
def muladd(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _muladd(builder, *given)

    return a(a, b, c), code


@intrinsic
def dot(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``c`` plus the sum over states of ``a * b``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        a, b, total = given
        for j in range(STATES):
            lanes = [*range(j * LANES, (j + 1) * LANES)]
            total = _muladd(builder, _pick(builder, a, lanes), _pick(builder, b, lanes), total)
        return total

    return c(a, b, c), code


@intrinsic
def exp2(typing: Any, a: Any) -> Any:
    """``2 ** a`` for ``a`` below 127; 2^-125 for all below -125."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _exp2(builder, given[0])

    return a(a), code


@intrinsic
def sigmoid(typing: Any, a: Any) -> Any:
    """``1 / (1 + exp(-a))``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind, highest = given[0].type, _number(given[0].type, 126)  # 2^127 is next to infinity
        power = builder.fmul(given[0], _number(kind, -1 / math.log(2)))
        power = builder.select(builder.fcmp_ordered(">", power, highest), highest, power)
        one = _number(kind, 1)
        return builder.fdiv(one, builder.fadd(one, _exp2(builder, power)))

    return a(a), code


@intrinsic
def add_totals(typing: Any, array: Any, i: Any, a: Any) -> Any:
    """Add the sum over the lanes of state j of ``a`` to ``array[i + j]``, for every j."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        sums = given[2]
        while sums.type.count > STATES:
            even, odd = (list(range(first, sums.type.count, 2)) for first in (0, 1))
            sums = builder.fadd(_pick(builder, sums, even), _pick(builder, sums, odd))
        pointer = _pointer(context, builder, signature, given, sums.type)
        builder.store(builder.fadd(builder.load(pointer, align=4), sums), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, a), code


def _load(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    what = context.get_value_type(signature.return_type)
    return builder.load(_pointer(context, builder, signature, given, what), align=4)


def _pointer(context: Any, builder: Any, signature: Any, given: Any, what: ir.Type) -> Any:
    """Address of ``array[i]`` as that of a ``what``; array and i are the first two given."""
    data = context.make_array(signature.args[0])(context, builder, given[0]).data
    return builder.bitcast(builder.gep(data, [given[1]]), what.as_pointer())


def _exp2(builder: Any, a: Any) -> Any:
    kind, integers = a.type, ir.VectorType(_INT, a.type.count)
    lowest, round_ = _number(kind, _LOWEST), _number(kind, _ROUND)
    power = builder.select(builder.fcmp_ordered("<", a, lowest), lowest, a)
    shifted = builder.fadd(power, round_)
    fraction = builder.fsub(power, builder.fsub(shifted, round_))
    result = _number(kind, _POWERS[-1])
    for coefficient in _POWERS[-2::-1]:
        result = _muladd(builder, result, fraction, _number(kind, coefficient))
    exponent = builder.shl(builder.bitcast(shifted, integers), _constant(integers, _INT(23)))
    return builder.bitcast(builder.add(builder.bitcast(result, integers), exponent), kind)


def _number(kind: ir.VectorType, value: float) -> ir.Constant:
    return _constant(kind, _FLOAT(float(np.float32(value))))


def _constant(kind: ir.VectorType, number: ir.Constant) -> ir.Constant:
    return ir.Constant(kind, [number] * kind.count)


def _splat(builder: Any, number: Any) -> Any:
    empty = ir.Constant(ir.VectorType(_FLOAT, LANES), ir.Undefined)
    return _pick(builder, builder.insert_element(empty, number, _INT(0)), [0] * LANES)


def _pick(builder: Any, a: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INT, len(lanes)), [_INT(lane) for lane in lanes])
    return builder.shuffle_vector(a, a, mask)


def _join(builder: Any, parts: list[Any]) -> Any:
    """One vector of all ``parts``, whose number is a power of two."""
    while len(parts) > 1:
        width = 2 * parts[0].type.count
        mask = ir.Constant(ir.VectorType(_INT, width), [_INT(lane) for lane in range(width)])
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [builder.shuffle_vector(a, b, mask) for a, b in pairs]
    return parts[0]


def _muladd(builder: Any, *operands: Any) -> Any:
    """One instruction where the machine has it."""
    kind = operands[0].type
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{kind.count}f32"
    )
    return builder.call(function, operands)
