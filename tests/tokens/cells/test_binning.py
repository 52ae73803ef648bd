"""Bins equal numpy's digitize(quantile) on every row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scmamba import ScmambaError
from scmamba.tokens import bin_values


def oracle(row: np.ndarray, n_bins: int) -> np.ndarray:
    """Bins of one row as published, with zeros left at 0."""
    bins = np.zeros(len(row), dtype=np.int64)
    values = row[row != 0]
    if len(values):
        bins[row != 0] = np.digitize(values, np.quantile(values, np.linspace(0, 1, n_bins - 1)))
    return bins


def assert_as_published(rows: list[np.ndarray], n_bins: int = 51) -> None:
    data = np.concatenate(rows)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    expected = np.concatenate([oracle(row, n_bins) for row in rows])
    np.testing.assert_array_equal(bin_values(data, indptr, n_bins), expected)


COUNTS = hnp.arrays(np.float32, st.integers(1, 300), elements=st.integers(0, 40).map(float))
LARGE = hnp.arrays(np.float32, st.integers(1, 80), elements=st.integers(0, 1 << 24).map(float))
FLOATS = hnp.arrays(
    np.float32, st.integers(1, 300), elements=st.floats(0, 10, width=32, allow_subnormal=False)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(COUNTS, LARGE, FLOATS), min_size=1, max_size=4), st.integers(2, 60))
def test_any_float32_rows(rows: list[np.ndarray], n_bins: int) -> None:
    assert_as_published(rows, n_bins)


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.int64, st.integers(1, 200), elements=st.integers(0, 50_000)))
def test_integers(row: np.ndarray) -> None:
    assert_as_published([row])


@settings(max_examples=50, deadline=None)
@given(COUNTS, st.floats(0.5, 20))
def test_log_normalized_counts(counts: np.ndarray, scale: float) -> None:
    assert_as_published([np.log1p(counts * np.float32(scale))])
    assert_as_published([np.log1p(counts.astype(np.float64) * scale)])


@pytest.mark.parametrize(
    "row",
    [
        [3.0],
        [0.0, 0.0],
        [2.0] * 60,
        [1e30, 1.0, 2.0],
        [-0.0, 1.0, 0.0, 2.0],
        [0.5, 1.0, 2.0],
        [np.float32(1e-30), np.float32(2e-30), 0.0],
    ],
    ids=["one", "zeros", "equal", "huge", "minus zero", "mixed", "tiny"],
)
def test_rows_at_the_edges(row: list[float]) -> None:
    assert_as_published([np.array(row, dtype=np.float32), np.array([1, 2, 2, 5], np.float32)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [255, 256, 257, 3000])
def test_many_distinct_values(n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    distinct = np.unique(rng.gamma(0.5, 2, 2 * n).astype(dtype))[:n]
    assert len(distinct) == n  # counted up to 256, sorted beyond
    row = np.concatenate([distinct, distinct[::3], [0.0, -0.0, 1e30, 1e-30]]).astype(dtype)
    assert_as_published([rng.permutation(row), row[::-1].copy(), distinct[:9]])


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_negative_and_non_finite_values_are_refused(value: float) -> None:
    with pytest.raises(ScmambaError, match="negative or non-finite"):
        bin_values(np.array([1.0, value]), [0, 2])


def test_empty_rows_among_others() -> None:
    values = np.array([1, 5, 2], dtype=np.float32)
    assert bin_values(values, [0, 0, 3, 3]).tolist() == oracle(values, 51).tolist()
    assert len(bin_values(values[:0], [0, 0])) == 0


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scmamba._compiled._MIN_WORK", 1)
    rng = np.random.default_rng(0)
    indptr = np.concatenate([[0], np.cumsum(rng.integers(0, 600, 100))])
    data = rng.gamma(0.5, 2, indptr[-1]).astype(np.float32)
    data[::2] = np.ceil(data[::2])
    results = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        results.append(bin_values(data, indptr))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("n_bins", [1, 40_000])
def test_number_of_bins_is_checked(n_bins: int) -> None:
    with pytest.raises(ScmambaError, match=f"n_bins={n_bins}.*2 to 32767"):
        bin_values(np.ones(3), [0, 3], n_bins)
