"""SIMD vectors as values of numba's compiled loops: float32 numbers that stay in registers.

Left to itself, LLVM finds vectors only in innermost loops, and every value goes through memory.
Here are two types that are vectors from the start: ``Lanes``, one number for each of ``LANES``
channels, and ``States``, ``STATES`` such vectors, one for each of as many states. Arrays are flat
and contiguous; nothing checks their bounds. :mod:`scmamba.nn.scan.cpu.lane_math` computes with
them.

numba calls an intrinsic with types; the function inside each emits LLVM code.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.datamodel import models
from numba.extending import intrinsic as _intrinsic
from numba.extending import register_model


def _has_avx512() -> bool:
    """Whether numba compiles for AVX-512: ``NUMBA_CPU_FEATURES`` if set, else this processor."""
    chosen = getattr(config, "CPU_FEATURES", None)
    if chosen is not None:
        return "+avx512f" in chosen.split(",")
    return bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))


LANES = 16 if _has_avx512() else 8
"""float32 numbers in a SIMD register."""

STATES = 4
"""Registers that are used side by side."""

FLOAT, INT = ir.FloatType(), ir.IntType(32)

intrinsic: Any = _intrinsic  # numba's own types leave the first argument to the caller


class Vector(types.Type):
    """``width`` float32 numbers, as numba knows them."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(f"Vector({width})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(FLOAT, kind.width))


_lanes, _states = Vector(LANES), Vector(STATES * LANES)


@intrinsic
def load(typing: Any, array: Any, i: Any) -> Any:
    """Load ``Lanes`` from ``array[i]`` on."""
    return _lanes(array, types.intp), _load


@intrinsic
def load_states(typing: Any, array: Any, i: Any) -> Any:
    """Load ``States`` from ``array[i]`` on."""
    return _states(array, types.intp), _load


@intrinsic
def load_like(typing: Any, like: Any, array: Any, i: Any) -> Any:
    """Load a vector as wide as ``like`` from ``array[i]`` on."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        like, array, i = given
        pointer = address(context, builder, signature.args[1], array, i, like.type)
        return builder.load(pointer, align=4)

    return like(like, array, types.intp), code


@intrinsic
def store(typing: Any, array: Any, i: Any, a: Any) -> Any:
    """Write ``a`` to ``array[i]`` and on."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        array, i, a = given
        pointer = address(context, builder, signature.args[0], array, i, a.type)
        builder.store(a, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, a), code


@intrinsic
def prefetch(typing: Any, array: Any, i: Any) -> Any:
    """Have the memory around ``array[i]``, which need not exist, brought into the cache."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        (array, i), byte = given, ir.IntType(8)
        pointer = address(context, builder, signature.args[0], array, i, byte)
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), INT, INT, INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, INT(0), INT(3), INT(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """Make ``Lanes`` that all hold the float32 ``number``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return fill(builder, given[0], LANES)

    return _lanes(types.float32), code


@intrinsic
def splat_like(typing: Any, like: Any, number: Any) -> Any:
    """Make a vector as wide as ``like`` that holds the float32 ``number`` everywhere."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return fill(builder, given[1], given[0].type.count)

    return like(like, types.float32), code


@intrinsic
def spread(typing: Any, array: Any, i: Any) -> Any:
    """Make ``States`` whose state j holds ``array[i + j]`` in every lane."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        array, i = given
        pointer = address(context, builder, signature.args[0], array, i, FLOAT)
        numbers = [builder.load(builder.gep(pointer, [INT(j)]), align=4) for j in range(STATES)]
        return _join(builder, [fill(builder, number, LANES) for number in numbers])

    return _states(array, types.intp), code


@intrinsic
def repeat(typing: Any, a: Any) -> Any:
    """Make ``States`` that all hold the lanes ``a``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return pick(builder, given[0], [*range(LANES)] * STATES)

    return _states(a), code


def address(context: Any, builder: Any, kind: Any, array: Any, i: Any, what: ir.Type) -> Any:
    """Address of ``array[i]``, of numba's type ``kind``, as that of a ``what``."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [i]), what.as_pointer())


def fill(builder: Any, number: Any, width: int) -> Any:
    """Vector of ``width`` times the same number."""
    empty = ir.Constant(ir.VectorType(number.type, width), ir.Undefined)
    return pick(builder, builder.insert_element(empty, number, INT(0)), [0] * width)


def pick(builder: Any, a: Any, lanes: list[int]) -> Any:
    """Vector of the given lanes of ``a``."""
    mask = ir.Constant(ir.VectorType(INT, len(lanes)), [INT(lane) for lane in lanes])
    return builder.shuffle_vector(a, a, mask)


def _load(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    what = context.get_value_type(signature.return_type)
    array, i = given
    pointer = address(context, builder, signature.args[0], array, i, what)
    return builder.load(pointer, align=4)


def _join(builder: Any, parts: list[Any]) -> Any:
    """One vector of all ``parts``, whose number is a power of two."""
    while len(parts) > 1:
        width = 2 * parts[0].type.count
        mask = ir.Constant(ir.VectorType(INT, width), [INT(lane) for lane in range(width)])
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [builder.shuffle_vector(a, b, mask) for a, b in pairs]
    return parts[0]
