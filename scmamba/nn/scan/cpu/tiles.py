"""Products of small matrices, whose sums stay in registers while a loop runs over their terms.

A tile is a matrix anywhere in a flat float32 array. Four rows of a product are summed at once, over
``WIDE`` columns or, where that many are not left, over ``LANES``. Nothing checks bounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lane_math import mul, muladd
from scmamba.nn.scan.cpu.lanes import LANES, STATES, load_like, repeat, splat, splat_like, store

Array = npt.NDArray[np.float32]

WIDE = STATES * LANES

ALL, LOWER, UPPER = 0, 1, -1
"""Which entries of a left factor count: all, or those of its lower or upper triangle."""

ZERO, ONE = np.float32(0), np.float32(1)


class Tile(NamedTuple):
    """A matrix in a flat array: entry (i, j) lies at ``start + i * row + j * column``."""

    array: Array
    start: int
    row: int
    column: int


@compiled
def tile(array: Array, start: int, width: int) -> Tile:
    """Matrix whose rows of ``width`` numbers follow one another from ``array[start]`` on."""
    return Tile(array, start, width, 1)


@compiled
def transposed(a: Tile) -> Tile:
    """Exchange rows and columns of the same numbers."""
    return Tile(a.array, a.start, a.column, a.row)


@compiled
def product(
    out: Tile, factor: float, a: Tile, b: Tile, sizes: tuple[int, int, int], triangle: int
) -> None:
    """``out = factor * out + a @ b``; with a factor of 0, what ``out`` held is not read.

    Parameters
    ----------
    out
        (rows, columns), contiguous along columns.
    factor
        float32.
    a
        (rows, depth), read in four rows at a time.
    b
        (depth, columns), contiguous along columns.
    sizes
        rows, columns (a multiple of ``LANES``), depth.
    triangle
        ``ALL``, ``LOWER`` or ``UPPER``: entries of ``a`` that count. The others must be 0 where
        four rows that are read together reach beyond the diagonal.
    """
    rows, columns, depth = sizes
    edge = columns // WIDE * WIDE
    narrow = splat(ZERO)
    for i in range(0, rows, 4):
        first, last = 0, depth
        if triangle == LOWER:
            last = min(i + 4, depth)
        elif triangle == UPPER:
            first = i
        start, left = out.start + i * out.row, a.start + i * a.row
        for j in range(0, edge, WIDE):
            here, right = start + j, b.start + j
            _four_rows(repeat(narrow), out, here, rows - i, factor, a, left, b, right, first, last)
        for j in range(edge, columns, LANES):
            here, right = start + j, b.start + j
            _four_rows(narrow, out, here, rows - i, factor, a, left, b, right, first, last)


@compiled
def _four_rows(zero, out, here, rows, factor, a, left, b, right, first, last):  # type: ignore[no-untyped-def]
    """Four rows (or as many as are left) of a product, over as many columns as ``zero`` is wide."""
    s0 = s1 = s2 = s3 = zero
    if factor != ZERO:
        f = splat_like(zero, factor)
        s0 = mul(f, load_like(zero, out.array, here))
        if rows > 3:
            s1 = mul(f, load_like(zero, out.array, here + out.row))
            s2 = mul(f, load_like(zero, out.array, here + 2 * out.row))
            s3 = mul(f, load_like(zero, out.array, here + 3 * out.row))
        elif rows > 1:
            s1 = mul(f, load_like(zero, out.array, here + out.row))
            if rows > 2:
                s2 = mul(f, load_like(zero, out.array, here + 2 * out.row))
    for k in range(first, last):
        v, at = load_like(zero, b.array, right + k * b.row), left + k * a.column
        s0 = muladd(splat_like(zero, a.array[at]), v, s0)
        s1 = muladd(splat_like(zero, a.array[at + a.row]), v, s1)
        s2 = muladd(splat_like(zero, a.array[at + 2 * a.row]), v, s2)
        s3 = muladd(splat_like(zero, a.array[at + 3 * a.row]), v, s3)
    store(out.array, here, s0)
    if rows > 1:
        store(out.array, here + out.row, s1)
    if rows > 2:
        store(out.array, here + 2 * out.row, s2)
    if rows > 3:
        store(out.array, here + 3 * out.row, s3)


@compiled
def copy(out: Tile, a: Tile, rows: int, columns: int) -> None:
    """Copy ``a`` (rows, columns), however it lies, to ``out``, contiguous along rows."""
    for i in range(rows):
        for j in range(columns):
            out.array[out.start + i * out.row + j] = a.array[a.start + i * a.row + j * a.column]


@compiled
def keep_triangle(a: Array, size: int, triangle: int) -> None:
    """Set what the square ``a`` (size, size) holds outside of a triangle to zero."""
    for i in range(size):
        first, last = (i + 1, size) if triangle == LOWER else (0, i)
        for j in range(first, last):
            a[i * size + j] = ZERO
