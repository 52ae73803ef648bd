"""Matrix products of small tiles, whose sums stay in registers while a loop runs over their terms.

Four rows are summed at once, over ``WIDE`` columns or, where that many are not left, over
``LANES``. Tiles lie anywhere in flat float32 arrays: a start and a step between rows (and columns)
say where. Nothing checks bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import LANES, STATES, intrinsic, mul, muladd, repeat, splat, store

Array = npt.NDArray[np.float32]

WIDE = STATES * LANES

ALL, UP_TO, FROM = 0, 1, -1
"""Which terms a row of a product has: all, those up to the row's own number, or from it on."""

_ZERO = np.float32(0)
_INT = ir.IntType(32)


@intrinsic
def load_like(typing: Any, like: Any, array: Any, i: Any) -> Any:
    """A vector as wide as ``like`` from ``array[i]`` on."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[1])(context, builder, given[1]).data
        kind = given[0].type.as_pointer()
        return builder.load(builder.bitcast(builder.gep(data, [given[2]]), kind), align=4)

    return like(like, array, types.intp), code


@intrinsic
def splat_like(typing: Any, like: Any, number: Any) -> Any:
    """A vector as wide as ``like`` that holds the float32 ``number`` everywhere."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _fill(builder, given[1], given[0].type.count)

    return like(like, types.float32), code


@intrinsic
def clamp(typing: Any, a: Any, low: Any, high: Any) -> Any:
    """``a`` brought between the float32 ``low`` and ``high``; NaN stays."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        a, low, high = given[0], *(_fill(builder, n, given[0].type.count) for n in given[1:])
        a = builder.select(builder.fcmp_ordered("<", a, low), low, a)
        return builder.select(builder.fcmp_ordered(">", a, high), high, a)

    return a(a, types.float32, types.float32), code


@intrinsic
def total(typing: Any, a: Any) -> Any:
    """Sum of the numbers in ``a``."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        sums = given[0]
        while (half := sums.type.count // 2) > 0:
            low, high = (
                builder.shuffle_vector(sums, sums, _places(range(first, first + half)))
                for first in (0, half)
            )
            sums = builder.fadd(low, high)
        return builder.extract_element(sums, _INT(0))

    return types.float32(a), code


@compiled
def product(
    out: Array,
    start: int,
    step: int,
    factor: float,
    a: Array,
    a_start: int,
    down: int,
    along: int,
    b: Array,
    b_start: int,
    b_step: int,
    sizes: tuple[int, int, int],
    terms: int,
) -> None:
    """``out = factor * out + a @ b``; a factor of 0 leaves out what ``out`` held.

    Parameters
    ----------
    out, start, step
        (rows, columns), contiguous along columns.
    factor
        float32.
    a, a_start, down, along
        (rows, depth), with a step between rows and one between columns.
    b, b_start, b_step
        (depth, columns), contiguous along columns.
    sizes
        rows, columns (a multiple of ``LANES``), depth. ``a`` is read in four rows at a time.
    terms
        ``ALL``, ``UP_TO`` or ``FROM``; what ``a`` holds in other places of the four rows must be 0.
    """
    rows, columns, depth = sizes
    edge = columns // WIDE * WIDE
    narrow = splat(_ZERO)
    for row in range(0, rows, 4):
        first, last = 0, depth
        if terms == UP_TO:
            last = min(row + 4, depth)
        elif terms == FROM:
            first = row
        here = a, a_start + row * down, down, along
        there = start + row * step
        for c in range(0, edge, WIDE):
            below = b, b_start + c, b_step, first, last
            _four_rows(repeat(narrow), out, there + c, step, rows - row, factor, here, below)
        for c in range(edge, columns, LANES):
            below = b, b_start + c, b_step, first, last
            _four_rows(narrow, out, there + c, step, rows - row, factor, here, below)


@compiled
def _four_rows(like, out, start, step, rows, factor, here, below):  # type: ignore[no-untyped-def]
    """Four rows (or as many as are left) of a product, over as many columns as ``like`` is wide."""
    a, i, down, along = here
    b, j, b_step, first, last = below
    s0 = s1 = s2 = s3 = like
    if factor != _ZERO:
        f = splat_like(like, factor)
        s0 = mul(f, load_like(like, out, start))
        if rows > 3:
            s1 = mul(f, load_like(like, out, start + step))
            s2 = mul(f, load_like(like, out, start + 2 * step))
            s3 = mul(f, load_like(like, out, start + 3 * step))
        elif rows > 1:
            s1 = mul(f, load_like(like, out, start + step))
            if rows > 2:
                s2 = mul(f, load_like(like, out, start + 2 * step))
    for k in range(first, last):
        v, at = load_like(like, b, j + k * b_step), i + k * along
        s0 = muladd(splat_like(like, a[at]), v, s0)
        s1 = muladd(splat_like(like, a[at + down]), v, s1)
        s2 = muladd(splat_like(like, a[at + 2 * down]), v, s2)
        s3 = muladd(splat_like(like, a[at + 3 * down]), v, s3)
    store(out, start, s0)
    if rows > 1:
        store(out, start + step, s1)
    if rows > 2:
        store(out, start + 2 * step, s2)
    if rows > 3:
        store(out, start + 3 * step, s3)


@compiled
def transpose(
    out: Array, start: int, step: int, a: Array, a_start: int, a_step: int, rows: int, columns: int
) -> None:
    """``out`` (columns, rows) from ``a`` (rows, columns)."""
    for j in range(columns):
        for i in range(rows):
            out[start + j * step + i] = a[a_start + i * a_step + j]


@compiled
def keep_triangle(a: Array, size: int, terms: int) -> None:
    """Zero what the square ``a`` (size, size) holds outside of ``terms``."""
    for i in range(size):
        first, last = (i + 1, size) if terms == UP_TO else (0, i)
        for j in range(first, last):
            a[i * size + j] = _ZERO


def _fill(builder: Any, number: Any, width: int) -> Any:
    empty = ir.Constant(ir.VectorType(number.type, width), ir.Undefined)
    one = builder.insert_element(empty, number, _INT(0))
    return builder.shuffle_vector(one, one, _places([0] * width))


def _places(numbers: Any) -> ir.Constant:
    found = [_INT(number) for number in numbers]
    return ir.Constant(ir.VectorType(_INT, len(found)), found)
