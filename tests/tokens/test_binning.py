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
def test_log_normalised_counts(counts: np.ndarray, scale: float) -> None:
    assert_as_published([np.log1p(counts * np.float32(scale))])
    assert_as_published([np.log1p(counts.astype(np.float64) * scale)])


@pytest.mark.parametrize(
    "row",
    [
        [3.0],
        [0.0, 0.0],
        [2.0] * 60,
        [1.0, 1.0, 16_383.0],
        [1.0, 1.0, 16_384.0, 2.0],
        [1e30, 1.0, 2.0],
        [0.5, 1.0, 2.0],
        [np.float32(1e-30), np.float32(2e-30), 0.0],
    ],
    ids=["one", "zeros", "equal", "last counted", "first sorted", "huge", "mixed", "tiny"],
)
def test_rows_at_the_edges(row: list[float]) -> None:
    assert_as_published([np.array(row, dtype=np.float32), np.array([1, 2, 2, 5], np.float32)])


def test_empty_rows_among_others() -> None:
    values = np.array([1, 5, 2], dtype=np.float32)
    assert bin_values(values, [0, 0, 3, 3]).tolist() == oracle(values, 51).tolist()
    assert len(bin_values(values[:0], [0, 0])) == 0


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(0)
    indptr = np.concatenate([[0], np.cumsum(rng.integers(0, 600, 700))])
    data = rng.gamma(0.5, 2, indptr[-1]).astype(np.float32)
    data[::2] = np.ceil(data[::2])
    assert len(data) > 1 << 17  # enough for threads to be used
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
