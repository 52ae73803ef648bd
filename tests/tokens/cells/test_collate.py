"""Padded batches, held against a loop over cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmamba import ScmambaError
from scmamba.tokens import CellTokens, collate

IDS = {"pad_id": 90, "cls_id": 91, "cls_value": 0.0, "pad_value": -2.0}


def tokens() -> CellTokens:
    rng = np.random.default_rng(0)
    lengths = np.array([4, 0, 9, 1, 30])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.concatenate([np.sort(rng.choice(80, n, replace=False)) for n in lengths])
    values = rng.integers(1, 51, len(ids)).astype(np.int16)
    return CellTokens(indptr, ids.astype(np.int32), values)


def test_as_a_loop_gives() -> None:
    cells, rows = tokens(), [2, 0, 1, 2]
    batch = collate(cells, rows, **IDS)
    assert batch.gene_ids.dtype == torch.int64 and batch.values.dtype == torch.float32
    assert batch.gene_ids.shape == (4, 10) and len(batch) == 4
    for b, row in enumerate(rows):
        start, stop = cells.indptr[row : row + 2]
        n, padding = stop - start, 9 - (stop - start)
        assert batch.gene_ids[b].tolist() == [91, *cells.gene_ids[start:stop], *[90] * padding]
        assert batch.values[b].tolist() == [0.0, *cells.values[start:stop], *[-2.0] * padding]
        assert batch.padding_mask[b].tolist() == [False] * (n + 1) + [True] * padding


def test_all_rows_and_cells_without_genes() -> None:
    assert collate(tokens(), **IDS).gene_ids.shape == (5, 31)
    alone = collate(tokens(), [1, 1], **IDS)
    assert alone.gene_ids.tolist() == [[91], [91]] and not alone.padding_mask.any()
    assert collate(tokens(), [], **IDS).gene_ids.shape == (0, 1)


def test_random_subset_keeps_order_and_values() -> None:
    cells = tokens()
    batch = collate(cells, max_tokens=6, rng=np.random.default_rng(0), **IDS)
    assert batch.gene_ids.shape == (5, 7)
    assert (~batch.padding_mask).sum(1).tolist() == [5, 1, 7, 2, 7]
    start, stop = cells.indptr[4:6]
    whole = dict(zip(cells.gene_ids[start:stop], cells.values[start:stop], strict=True))
    drawn = batch.gene_ids[4, 1:].tolist()
    assert drawn == sorted(drawn)
    assert [whole[gene] for gene in drawn] == batch.values[4, 1:].tolist()


def test_random_subset_is_seeded_and_fair() -> None:
    cells = CellTokens(
        np.array([0, 10]), np.arange(10, dtype=np.int32), np.ones(10, dtype=np.int16)
    )
    rows = np.zeros(3000, dtype=int)
    drawn = collate(cells, rows, max_tokens=3, rng=np.random.default_rng(0), **IDS).gene_ids
    again = collate(cells, rows, max_tokens=3, rng=np.random.default_rng(0), **IDS).gene_ids
    assert torch.equal(drawn, again)
    share = np.bincount(drawn[:, 1:].ravel(), minlength=10) / 3000
    np.testing.assert_allclose(share, 0.3, atol=0.04)


def test_wrong_input() -> None:
    with pytest.raises(ScmambaError, match="max_tokens=5, rng=None"):
        collate(tokens(), max_tokens=5, **IDS)
    with pytest.raises(ScmambaError, match="max_tokens=0"):
        collate(tokens(), max_tokens=0, rng=np.random.default_rng(0), **IDS)
    with pytest.raises(ScmambaError, match="rows go from 0 to 5; allowed: 0 to 4"):
        collate(tokens(), [0, 5], **IDS)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scmamba._compiled._MIN_WORK", 1)
    drawn = []
    for threads in (1, 4):
        torch.set_num_threads(threads)
        rng = np.random.default_rng(0)
        drawn.append(collate(tokens(), max_tokens=6, rng=rng, **IDS))
    assert torch.equal(drawn[0].gene_ids, drawn[1].gene_ids)
    assert torch.equal(drawn[0].padding_mask, drawn[1].padding_mask)
