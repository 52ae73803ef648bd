"""Arithmetic on the SIMD vectors of :mod:`scmamba.nn.scan.cpu.lanes`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from scmamba.nn.scan.cpu.lanes import FLOAT, INT, LANES, STATES, address, fill, intrinsic, pick

# 2^f on [-1/2, 1/2]: minimax polynomial of relative error 3.1e-9, where float32 rounds by 6e-8.
# Value and slope at 0 are exact, so that slow decays, many equal errors in a row, keep their digits
_POWERS = (
    1.0,
    0.6931471805599453,
    0.24022647549739265,
    0.05550362252356439,
    0.009618526306053442,
    0.0013390161625060305,
    0.00015321154639764446,
)
_LOWEST = -125.0  # below, 2^-125: denormal numbers are slow
_ROUND = 1.5 * 2**23  # added to a number, leaves the nearest integer in the lowest bits


@intrinsic
def add(typing: Any, a: Any, b: Any) -> Any:
    """Compute ``a + b``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fadd(*given)

    return a(a, b), code


@intrinsic
def sub(typing: Any, a: Any, b: Any) -> Any:
    """Compute ``a - b``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fsub(*given)

    return a(a, b), code


@intrinsic
def mul(typing: Any, a: Any, b: Any) -> Any:
    """Compute ``a * b``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fmul(*given)

    return a(a, b), code


@intrinsic
def muladd(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Compute ``a * b + c``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _muladd(builder, *given)

    return a(a, b, c), code


@intrinsic
def dot(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Add the sum over states of ``a * b`` to ``c``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        a, b, sums = given
        for j in range(STATES):
            lanes = [*range(j * LANES, (j + 1) * LANES)]
            sums = _muladd(builder, pick(builder, a, lanes), pick(builder, b, lanes), sums)
        return sums

    return c(a, b, c), code


@intrinsic
def clamp(typing: Any, a: Any, low: Any, high: Any) -> Any:
    """Clamp ``a`` to the float32 ``low`` and ``high``; NaN stays."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        a, low, high = given[0], *(fill(builder, n, given[0].type.count) for n in given[1:])
        a = builder.select(builder.fcmp_ordered("<", a, low), low, a)
        return builder.select(builder.fcmp_ordered(">", a, high), high, a)

    return a(a, types.float32, types.float32), code


@intrinsic
def exp2(typing: Any, a: Any) -> Any:
    """Compute ``2 ** a`` for ``a`` below 127; 2^-125 for all below -125."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _exp2(builder, given[0])

    return a(a), code


@intrinsic
def sigmoid(typing: Any, a: Any) -> Any:
    """Compute ``1 / (1 + exp(-a))``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind, highest = given[0].type, _number(given[0].type, 126)  # 2^127 is next to infinity
        power = builder.fmul(given[0], _number(kind, -1 / math.log(2)))
        power = builder.select(builder.fcmp_ordered(">", power, highest), highest, power)
        one = _number(kind, 1)
        return builder.fdiv(one, builder.fadd(one, _exp2(builder, power)))

    return a(a), code


@intrinsic
def total(typing: Any, a: Any) -> Any:
    """Sum the numbers in ``a``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        sums = given[0]
        while (half := sums.type.count // 2) > 0:
            low, high = (pick(builder, sums, [*range(i, i + half)]) for i in (0, half))
            sums = builder.fadd(low, high)
        return builder.extract_element(sums, INT(0))

    return types.float32(a), code


@intrinsic
def add_totals(typing: Any, array: Any, i: Any, a: Any) -> Any:
    """Add the sum over the lanes of state j of ``a`` to ``array[i + j]``, for every j."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        array, i, sums = given
        while sums.type.count > STATES:
            even, odd = ([*range(first, sums.type.count, 2)] for first in (0, 1))
            sums = builder.fadd(pick(builder, sums, even), pick(builder, sums, odd))
        pointer = address(context, builder, signature.args[0], array, i, sums.type)
        builder.store(builder.fadd(builder.load(pointer, align=4), sums), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, a), code


@intrinsic
def add_to_doubles(typing: Any, array: Any, i: Any, a: Any) -> Any:
    """Add ``a`` to the float64 numbers ``array[i]`` and on."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        array, i, a = given
        kind = ir.VectorType(ir.DoubleType(), a.type.count)
        pointer = address(context, builder, signature.args[0], array, i, kind)
        sums = builder.fadd(builder.load(pointer, align=8), builder.fpext(a, kind))
        builder.store(sums, pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, a), code


def _exp2(builder: Any, a: Any) -> Any:
    kind, integers = a.type, ir.VectorType(INT, a.type.count)
    lowest, round_ = _number(kind, _LOWEST), _number(kind, _ROUND)
    power = builder.select(builder.fcmp_ordered("<", a, lowest), lowest, a)
    shifted = builder.fadd(power, round_)
    fraction = builder.fsub(power, builder.fsub(shifted, round_))
    result = _number(kind, _POWERS[-1])
    for coefficient in _POWERS[-2::-1]:
        result = _muladd(builder, result, fraction, _number(kind, coefficient))
    exponent = builder.shl(builder.bitcast(shifted, integers), _constant(integers, INT(23)))
    return builder.bitcast(builder.add(builder.bitcast(result, integers), exponent), kind)


def _muladd(builder: Any, *operands: Any) -> Any:
    """One instruction where the machine has it."""
    kind = operands[0].type
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{kind.count}f32"
    )
    return builder.call(function, operands)


def _number(kind: ir.VectorType, value: float) -> ir.Constant:
    return _constant(kind, FLOAT(float(np.float32(value))))


def _constant(kind: ir.VectorType, number: ir.Constant) -> ir.Constant:
    return ir.Constant(kind, [number] * kind.count)
