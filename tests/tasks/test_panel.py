"""Genes of an annotator found in other data, held against a dense loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.pp.expression import expression
from scmamba.tasks._panel import Panel, aligned, choose_panel
from scmamba.tokens.cells.genes import resolve

UNITS = {
    "counts": lambda x: x,
    "nearly whole": lambda x: x * 0.9999,
    "ambient removed": lambda x: x * 0.97,
    "per ten thousand": lambda x: x / x.sum(1, keepdims=True) * 1e4,
    "per million": lambda x: x / x.sum(1, keepdims=True) * 1e6,
    "log1p": lambda x: np.log1p(x / x.sum(1, keepdims=True) * 1e4),
    "log1p of the median": lambda x: np.log1p(x / x.sum(1, keepdims=True) * np.median(x.sum(1))),
    "log2": lambda x: np.log2(1 + x / x.sum(1, keepdims=True) * 1e6),
    "log10": lambda x: np.log10(1 + x / x.sum(1, keepdims=True) * 1e4),
    "log1p twice": lambda x: np.log1p(np.log1p(x / x.sum(1, keepdims=True) * 1e4)),
    "log1p of counts": np.log1p,
    "log2 of counts": lambda x: np.log2(1 + x),
}


def slow(X, index, n_genes):
    out = np.zeros((X.shape[0], n_genes))
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            if index[j] >= 0:
                out[i, index[j]] += X[i, j]
        if out[i].sum():
            out[i] = np.log1p(out[i] / out[i].sum() * 1e4)
    return out


@pytest.mark.parametrize("unit", UNITS)
def test_alignment(cells, unit) -> None:
    counts = cells.X.toarray()
    cells.X = sparse.csr_matrix(UNITS[unit](counts), dtype=np.float32)
    cells.var_names = [*cells.var_names[:58], cells.var_names[3], "no_such_gene"]
    rng = np.random.default_rng(0)
    targets = rng.permutation(cells.var_names[:40]).tolist() + ["other_a", "other_b"]
    found = expression(cells)
    match = resolve(found.var_names.tolist(), targets)
    assert (match.index == -1).any() and len(set(match.index[match.index >= 0])) == 40
    got = aligned(found, match, len(targets))
    assert got.has_sorted_indices and got.dtype == np.float32
    expected = slow(counts, match.index, len(targets))
    np.testing.assert_allclose(got.toarray(), expected, rtol=1e-4, atol=1e-4)
    panel = Panel(tuple(targets), np.array([5, 0, 41]))
    np.testing.assert_allclose(
        panel.values(found, match).toarray(), expected[:, [5, 0, 41]], rtol=1e-4, atol=1e-4
    )
    assert panel.names == [targets[5], targets[0], "other_b"]


def test_logarithms_of_some_genes_keep_their_scale(cells) -> None:
    """What was normalized over genes that were taken out since is not normalized again."""
    values = cells.X.toarray() / cells.X.toarray().sum(1, keepdims=True) * 1e4
    cells.X = np.log2(1 + values)
    some = cells[:, ::2].copy()
    found = expression(some)
    assert str(found.unit) == "log2(1 + x) values"
    match = resolve(found.var_names.tolist(), some.var_names.tolist())
    got = aligned(found, match, some.n_vars).toarray()
    np.testing.assert_allclose(got, np.log1p(values[:, ::2]), rtol=1e-5, atol=1e-5)


def test_too_few_genes_are_refused(cells) -> None:
    panel = Panel(tuple(f"gene_{i}" for i in range(60)), np.arange(60))
    with pytest.raises(ScmambaError, match="0 of 60 genes match"):
        panel.match(expression(cells))


NAMES = [f"g{i}" for i in range(300)]


def log_values(seed: int = 0) -> sparse.csr_matrix:
    """The first five genes in a quarter of the cells alone, the last four in none."""
    rng = np.random.default_rng(seed)
    X = rng.poisson(np.linspace(0.5, 4, 300), (80, 300))
    X[:, :5] = rng.poisson(8.0, (80, 5)) * (np.arange(80) % 4 == 0)[:, None]
    X[:, -4:] = 0
    return sparse.csr_matrix(np.log1p(X), dtype=np.float32)


def test_variable_genes_are_chosen() -> None:
    panel = choose_panel([log_values()], NAMES, 30)
    assert 30 <= len(panel.chosen) < 60
    assert set(range(5)) <= set(panel.chosen.tolist())
    assert panel.genes == tuple(NAMES)  # library sizes are sums over all of them


def test_all_expressed_genes_without_a_number() -> None:
    for wanted in (None, 296, 400):
        panel = choose_panel([log_values()], NAMES, wanted)
        assert panel.chosen.tolist() == list(range(296))


def test_differences_between_data_sets_do_not_count() -> None:
    """A gene far higher in one data set than in the other is not variable within either."""
    first, second = log_values().toarray(), log_values(1).toarray()
    second[:, 20] += 1.5
    apart = [sparse.csr_matrix(first), sparse.csr_matrix(second)]
    found = choose_panel(apart, NAMES, 12).chosen.tolist()
    assert set(range(5)) <= set(found)
    assert 20 not in found
    together = choose_panel([sparse.vstack(apart).tocsr()], NAMES, 12).chosen.tolist()
    assert 20 in together


def test_nothing_expressed_is_told() -> None:
    with pytest.raises(ScmambaError, match="no gene"):
        choose_panel([sparse.csr_matrix((5, 3), dtype=np.float32)], list("abc"), None)
