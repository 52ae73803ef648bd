"""Products of tiles against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba.nn.scan.cpu.lanes import LANES
from scmamba.nn.scan.cpu.tiles import ALL, FROM, UP_TO, WIDE, keep_triangle, product, transpose

RNG = np.random.default_rng(0)


def tile(rows: int, columns: int) -> np.ndarray:
    return RNG.standard_normal((rows, columns)).astype(np.float32)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("factor", [0.0, 0.5])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 16])
@pytest.mark.parametrize("columns", [LANES, WIDE, WIDE + LANES])
def test_product(rows: int, columns: int, factor: float, turned: bool) -> None:
    a, b, out = tile(-(-rows // 4) * 4, 11), tile(11, columns), tile(rows + 1, columns)
    expected = factor * out[:rows] + a[:rows] @ b
    beyond = out[rows].copy()
    flat = a.T.ravel() if turned else a.ravel()
    down, along = (1, len(a)) if turned else (11, 1)
    sizes = rows, columns, 11
    given = flat, 0, down, along, b.ravel(), 0, columns, sizes, ALL
    product(out.reshape(-1), 0, columns, np.float32(factor), *given)
    np.testing.assert_allclose(out[:rows], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out[rows], beyond)


@pytest.mark.parametrize(("terms", "kept"), [(UP_TO, np.tril), (FROM, np.triu)])
def test_triangles(terms: int, kept: np.ufunc) -> None:
    a, b, out = tile(16, 16), tile(16, LANES), np.full((16, LANES), np.nan, np.float32)
    expected = kept(a) @ b
    keep_triangle(a.reshape(-1), 16, terms)
    np.testing.assert_array_equal(a, kept(a))
    given = a.ravel(), 0, 16, 1, b.ravel(), 0, LANES, (16, LANES, 16), terms
    product(out.reshape(-1), 0, LANES, np.float32(0), *given)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_transpose() -> None:
    a, out = tile(5, 7), np.zeros((7, 5), np.float32)
    transpose(out.reshape(-1), 0, 5, a.ravel(), 0, 7, 5, 7)
    np.testing.assert_array_equal(out, a.T)
