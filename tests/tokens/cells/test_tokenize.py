"""Tokens depend on a cell's own values, and are what a slow dense reading gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from scmamba import ScmambaError
from scmamba.tokens import CellTokens, tokenize


def counts(n_cells: int = 12, n_genes: int = 90, seed: int = 0) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    dense = rng.poisson(rng.gamma(0.3, 2, n_genes), (n_cells, n_genes)).astype(np.float32)
    dense[3] = 0
    return sparse.csr_matrix(dense)


def oracle(
    X: np.ndarray, columns: np.ndarray, *, zeros: bool = False
) -> list[tuple[list[int], list[int]]]:
    """Ids and bins of each cell, one dense row at a time."""
    used = np.unique(columns[columns >= 0])
    cells = []
    for row in X.astype(np.float64):
        total = np.array([row[columns == gene].sum() for gene in used])
        bins = np.zeros(len(used), dtype=int)
        found = total != 0
        if found.any():
            edges = np.quantile(total[found], np.linspace(0, 1, 50))
            bins[found] = np.digitize(total[found], edges)
        keep = slice(None) if zeros else found
        cells.append((used[keep].tolist(), bins[keep].tolist()))
    return cells


def as_lists(tokens: CellTokens) -> list[tuple[list[int], list[int]]]:
    return [
        (tokens.gene_ids[start:stop].tolist(), tokens.values[start:stop].tolist())
        for start, stop in zip(tokens.indptr[:-1], tokens.indptr[1:], strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from(["any", "ascending", "shared"]))
def test_as_a_dense_reading(seed: int, zeros: bool, kind: str) -> None:
    X = counts(seed=seed)
    rng = np.random.default_rng(seed)
    if kind == "shared":
        columns = rng.integers(-1, 60, X.shape[1])
    else:
        columns = rng.choice(300, X.shape[1], replace=False)
        columns = np.sort(columns) if kind == "ascending" else columns
        columns[rng.random(len(columns)) < 0.2] = -1
    tokens = tokenize(X, columns, include_zero_genes=zeros)
    assert as_lists(tokens) == oracle(X.toarray(), columns, zeros=zeros)


def test_cell_without_counts_has_no_tokens() -> None:
    tokens = tokenize(counts(), np.arange(90))
    assert tokens.lengths[3] == 0 and len(tokens) == 12


def test_order_of_cells_and_genes_changes_nothing() -> None:
    X, columns = counts(), np.arange(90) * 3 % 89  # two columns share an id
    genes, cells = (
        np.random.default_rng(1).permutation(90),
        np.random.default_rng(2).permutation(12),
    )
    for limit in (None, 10):
        expected = as_lists(tokenize(X, columns, max_length=limit))
        shuffled = as_lists(tokenize(X[cells][:, genes], columns[genes], max_length=limit))
        assert shuffled == [expected[cell] for cell in cells]


def test_csr_with_stored_zeros_repeats_and_any_order() -> None:
    X = sparse.csr_matrix(
        (np.array([1, 0, 2, 3, 1], np.float32), np.array([4, 1, 0, 4, 2]), np.array([0, 5])),
        shape=(1, 5),
    )
    tokens = tokenize(X, np.arange(5))
    assert tokens.gene_ids.tolist() == [0, 2, 4]
    assert (
        tokens.values.tolist()
        == np.digitize([2, 1, 4], np.quantile([2, 1, 4], np.linspace(0, 1, 50))).tolist()
    )
    assert X.nnz == 5 and X.indices.tolist() == [4, 1, 0, 4, 2]  # left as it was


def test_genes_outside_the_vocabulary_leave_no_gap_and_no_trace() -> None:
    X = counts()
    columns = np.where(np.arange(90) % 3 == 0, -1, np.arange(90))
    inside = np.flatnonzero(columns >= 0)
    assert as_lists(tokenize(X, columns)) == as_lists(tokenize(X[:, inside], columns[inside]))


def test_unbinned_values() -> None:
    X = counts()
    tokens = tokenize(X, np.arange(90), n_bins=None)
    assert tokens.values.dtype == np.float32
    np.testing.assert_array_equal(tokens.values, X.data)
    zeros = tokenize(X, np.arange(90), n_bins=None, include_zero_genes=True)
    np.testing.assert_array_equal(zeros.values.reshape(12, 90), X.toarray())


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16, np.float64, bool])
def test_other_dtypes_give_the_same_tokens(dtype: type) -> None:
    X = counts()
    if dtype is bool:
        X = (X > 0).astype(np.float32)
    assert as_lists(tokenize(X.astype(dtype), np.arange(90))) == as_lists(
        tokenize(X, np.arange(90))
    )


def test_log_normalized_counts_bin_like_counts() -> None:
    X = counts(n_genes=500)
    log = X.copy()
    log.data = np.log1p(log.data * 7)
    columns = np.arange(500)
    assert as_lists(tokenize(log, columns)) == as_lists(tokenize(X, columns))


def test_long_cells_are_sampled_by_their_own_data() -> None:
    X, columns = counts(n_genes=400), np.arange(400)
    full, short = tokenize(X, columns), tokenize(X, columns, max_length=20)
    assert short.lengths.max() == 20 and short.lengths[3] == 0
    for (ids, values), (all_ids, all_values) in zip(as_lists(short), as_lists(full), strict=True):
        assert ids == sorted(ids)
        assert (
            dict(zip(ids, values, strict=True)).items()
            <= dict(zip(all_ids, all_values, strict=True)).items()
        )
    alone = tokenize(X[5], columns, max_length=20)
    assert as_lists(alone)[0] == as_lists(short)[5]
    other = tokenize(X, columns, max_length=20, seed=1)
    assert as_lists(other) != as_lists(short)
    twins = tokenize(sparse.vstack([X[5], X[5], X[6]], format="csr"), columns, max_length=20)
    assert as_lists(twins)[0] == as_lists(twins)[1] != as_lists(twins)[2]


def test_sampling_is_fair() -> None:
    X = sparse.csr_matrix(np.random.default_rng(0).integers(1, 50, (3000, 10)))
    tokens = tokenize(X, np.arange(10), max_length=3)
    share = np.bincount(tokens.gene_ids, minlength=10) / 3000
    np.testing.assert_allclose(share, 0.3, atol=0.04)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scmamba._compiled._MIN_WORK", 1)
    X = counts(n_cells=100, n_genes=600)
    results = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        tokens = tokenize(X, np.arange(600) % 550, max_length=150)
        results.append((tokens.indptr, tokens.gene_ids, tokens.values))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_many_callers_at_once() -> None:
    X = counts(n_cells=100, n_genes=600)
    expected = tokenize(X, np.arange(600))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: tokenize(X, np.arange(600)), range(8)))
    assert all((tokens.values == expected.values).all() for tokens in found)


def test_take() -> None:
    tokens = tokenize(counts(), np.arange(90))
    cells = as_lists(tokens)
    assert as_lists(tokens.take([5, 3, 5])) == [cells[5], cells[3], cells[5]]
    assert as_lists(tokens.take(np.arange(12) < 2)) == cells[:2]
    assert len(tokens.take([])) == 0


def test_no_gene_in_the_vocabulary() -> None:
    tokens = tokenize(counts(), np.full(90, -1), include_zero_genes=True)
    assert tokens.lengths.tolist() == [0] * 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": np.arange(5)}, r"columns has shape \(5,\)"),
        ({"columns": np.arange(90.0)}, "dtype float64"),
        ({"max_length": 0}, "max_length=0; allowed: at least 1"),
        ({"seed": -1}, "seed=-1"),
        ({"n_bins": 1}, "n_bins=1"),
        ({"X": np.ones((2, 90))}, "X is a ndarray; allowed: a scipy CSR"),
        ({"X": counts().tocsc()}, "X is a csc_matrix"),
        ({"X": -counts()}, "negative or non-finite"),
        ({"X": counts() * np.inf}, "negative or non-finite"),
        ({"X": counts() * np.nan}, "negative or non-finite"),
    ],
)
def test_wrong_input(change: dict, message: str) -> None:
    arguments = {"X": counts(), "columns": np.arange(90), **change}
    with pytest.raises(ScmambaError, match=message):
        tokenize(**arguments)


@pytest.mark.parametrize(
    ("part", "position", "value", "message"),
    [
        ("indices", 3, 10**6, "column index 1000000"),
        ("indices", 3, -1, "column index -1"),
        ("indptr", -1, 10**6, "indptr runs from 0 to 1000000"),
        ("indptr", 0, 1, "indptr runs from 1"),
        ("indptr", 2, 10**6, "indptr falls from 1000000"),
    ],
)
def test_a_damaged_matrix_is_refused(part: str, position: int, value: int, message: str) -> None:
    damaged = counts().copy()
    getattr(damaged, part)[position] = value
    with pytest.raises(ScmambaError, match=f"X is no valid sparse matrix.*{message}"):
        tokenize(damaged, np.arange(90))


def test_a_matrix_with_fewer_values_than_indices_is_refused() -> None:
    damaged = counts().copy()
    damaged.data = damaged.data[:-5]
    with pytest.raises(ScmambaError, match="X is no valid sparse matrix: data holds"):
        tokenize(damaged, np.arange(90))


def test_tokens_say_how_many_they_are() -> None:
    tokens = tokenize(sparse.csr_matrix([[1.0, 2.0], [0.0, 3.0]]), [0, 1], n_bins=None)
    assert repr(tokens).splitlines()[0] == "tokens of 2 cells"
    assert "3, 2 a cell (median)" in repr(tokens) and "not binned" in tokens._repr_html_()
    assert repr(tokens.take([])).startswith("tokens of 0 cells")
