"""Products of tiles against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import LANES
from scmamba.nn.scan.cpu.tiles import (
    ALL,
    LOWER,
    UPPER,
    WIDE,
    Tile,
    copy,
    keep_triangle,
    product,
    tile,
    transposed,
)

RNG = np.random.default_rng(0)


def matrix(rows: int, columns: int) -> np.ndarray:
    return RNG.standard_normal((rows, columns)).astype(np.float32)


def whole(a: np.ndarray) -> Tile:
    """All of ``a`` as a tile."""
    return Tile(a.reshape(-1), 0, a.shape[1], 1)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("factor", [0.0, 0.5])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 16])
@pytest.mark.parametrize("columns", [LANES, WIDE, WIDE + LANES])
def test_product(rows: int, columns: int, factor: float, turned: bool) -> None:
    a, b, out = matrix(-(-rows // 4) * 4, 11), matrix(11, columns), matrix(rows + 1, columns)
    expected = factor * out[:rows] + a[:rows] @ b
    beyond = out[rows].copy()
    left = Tile(a.T.ravel(), 0, 1, len(a)) if turned else whole(a)
    product(whole(out), np.float32(factor), left, whole(b), (rows, columns, 11), ALL)
    np.testing.assert_allclose(out[:rows], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out[rows], beyond)


@pytest.mark.parametrize(("triangle", "kept"), [(LOWER, np.tril), (UPPER, np.triu)])
def test_triangles(triangle: int, kept: np.ufunc) -> None:
    a, b, out = matrix(16, 16), matrix(16, LANES), np.full((16, LANES), np.nan, np.float32)
    expected = kept(a) @ b
    keep_triangle(a.reshape(-1), 16, triangle)
    np.testing.assert_array_equal(a, kept(a))
    product(whole(out), np.float32(0), whole(a), whole(b), (16, LANES, 16), triangle)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@compiled
def _copy_turned(out: np.ndarray, a: np.ndarray, rows: int, columns: int) -> None:
    copy(tile(out, 0, rows), transposed(tile(a, 0, columns)), columns, rows)


def test_copy_of_a_transpose() -> None:
    a, out = matrix(5, 7), np.zeros((7, 5), np.float32)
    _copy_turned(out.reshape(-1), a.ravel(), 5, 7)
    np.testing.assert_array_equal(out, a.T)
