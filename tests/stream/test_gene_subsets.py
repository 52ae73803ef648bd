"""Gene subsets of cells: seeded, with honest questions about hidden genes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from scmamba.stream import CellData, GeneSubsetBatches, GeneSubsets


def expressed(data: CellData, row: int) -> dict[int, float]:
    start, stop = data.tokens.indptr[row : row + 2]
    ids, values = data.tokens.gene_ids[start:stop], data.tokens.values[start:stop]
    return dict(zip(ids.tolist(), values.tolist(), strict=True))


def passes(data: CellData, subsets: GeneSubsets, **options: object) -> list[torch.Tensor]:
    found = []
    for batch in GeneSubsetBatches(data, np.arange(len(data)), subsets, batch_size=16, **options):
        found += [batch.rows, batch.gene_ids, batch.values, batch.masked, batch.target]
    return found


def test_views_are_subsets_in_order_with_the_cells_own_labels(data: CellData) -> None:
    seen = []
    for batch in GeneSubsetBatches(
        data, np.arange(50), GeneSubsets(2, keep_prob=0.5), batch_size=16, seed=1
    ):
        n = len(batch) // 2
        assert torch.equal(batch.rows[:n], batch.rows[n:])
        seen += batch.rows[:n].tolist()
        for i, row in enumerate(batch.rows.tolist()):
            own, real = expressed(data, row), ~batch.padding_mask[i]
            ids, values = batch.gene_ids[i][real].tolist(), batch.values[i][real].tolist()
            assert (ids[0], values[0]) == (data.vocab.cls_id, 7.0)
            assert ids[1:] == sorted(ids[1:])
            assert [own[gene] for gene in ids[1:]] == values[1:]
            assert (batch.gene_ids[i][~real] == data.vocab.pad_id).all()
            assert (batch.values[i][~real] == -2).all()
            assert batch.labels[i] == row
            assert batch.batch_ids[i] == row % 4
        assert torch.equal(batch.target, batch.values)
        assert not batch.masked.any()
    assert sorted(seen) == list(range(50))


def test_the_share_is_kept_and_long_cells_are_cut(data: CellData) -> None:
    half, few = (
        sum(
            int((~b.padding_mask[:, 1:]).sum())
            for b in GeneSubsetBatches(data, rows, v, batch_size=16)
        )
        for rows, v in (
            (np.arange(len(data)), GeneSubsets(4, keep_prob=0.5, max_tokens=None)),
            (np.arange(len(data)), GeneSubsets(4, keep_prob=0.5, max_tokens=3)),
        )
    )
    assert half == pytest.approx(2 * data.tokens.lengths.sum(), rel=0.05)
    limits = np.minimum(data.tokens.lengths * 0.5, 3).sum() * 4
    assert few == pytest.approx(limits, rel=0.1)


def test_two_views_differ_and_a_share_of_one_shows_all(data: CellData) -> None:
    batch = next(iter(GeneSubsetBatches(data, np.arange(16), GeneSubsets(2), batch_size=16)))
    same = [torch.equal(batch.gene_ids[i], batch.gene_ids[i + 16]) for i in range(16)]
    assert not all(same)
    whole = next(
        iter(GeneSubsetBatches(data, np.arange(16), GeneSubsets(1, keep_prob=1.0), batch_size=16))
    )
    assert (~whole.padding_mask).sum(1).tolist() == data.lengths[whole.rows.numpy()].tolist()


def test_seed_and_epoch_alone_decide(data: CellData) -> None:
    first = passes(data, GeneSubsets(), seed=3, epoch=2, mask_ratio=0.3)
    again = passes(data, GeneSubsets(), seed=3, epoch=2, mask_ratio=0.3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for other in ({"seed": 4, "epoch": 2}, {"seed": 3, "epoch": 1}):
        assert not torch.equal(first[0], passes(data, GeneSubsets(), mask_ratio=0.3, **other)[0])


def test_hidden_genes_come_with_as_many_that_are_not_expressed(data: CellData) -> None:
    n_zero = n_hidden = n_shown = 0
    for batch in GeneSubsetBatches(
        data, np.arange(50), GeneSubsets(2), batch_size=16, mask_ratio=0.3
    ):
        assert (batch.values[batch.masked] == -1).all()
        assert torch.equal(batch.values[~batch.masked], batch.target[~batch.masked])
        assert not batch.masked[:, 0].any()
        assert not (batch.masked & batch.padding_mask).any()
        for i, row in enumerate(batch.rows.tolist()):
            own, real = expressed(data, row), ~batch.padding_mask[i, :]
            ids = batch.gene_ids[i][real].tolist()[1:]
            assert len(set(ids)) == len(ids)
            assert ids == sorted(ids)
            targets = batch.target[i][real].tolist()[1:]
            assert targets == [own.get(gene, 0.0) for gene in ids]
        zeros = batch.masked & (batch.target == 0)
        n_zero += int(zeros.sum())
        n_hidden += int((batch.masked & ~zeros).sum())
        n_shown += int((~batch.masked & ~batch.padding_mask).sum()) - len(batch)
    assert n_hidden / (n_hidden + n_shown) == pytest.approx(0.3, abs=0.05)
    assert 0.2 < n_zero / n_hidden <= 1  # where the panel is small, many draws are expressed


def test_counts_are_those_of_the_whole_cell(data: CellData) -> None:
    counts = sparse.random(len(data), 5, 0.4, format="csr", random_state=0)
    for batch in GeneSubsetBatches(
        data, np.arange(50), GeneSubsets(), batch_size=16, counts=counts
    ):
        np.testing.assert_allclose(
            batch.counts.numpy(), counts[batch.rows.numpy()].toarray(), rtol=1e-6
        )
    assert batch.to(torch.device("cpu")).counts is not None


def test_padding_is_counted_as_it_is_given(data: CellData) -> None:
    views = GeneSubsetBatches(data, np.arange(50), GeneSubsets(1, keep_prob=1.0), batch_size=50)
    assert views.padding_share == 0
    (batch,) = views
    assert views.padding_share == pytest.approx(batch.padding_mask.float().mean().item())


def test_a_cell_without_genes_is_cls_alone(data: CellData) -> None:
    tokens = replace(data.tokens, indptr=np.zeros(2, np.int64))
    none = replace(data, tokens=tokens, labels=None, batch_ids=None)
    batch = next(
        iter(GeneSubsetBatches(none, np.array([0]), GeneSubsets(), batch_size=4, mask_ratio=0.5))
    )
    assert batch.gene_ids.tolist() == [[data.vocab.cls_id]] * 2
    assert batch.labels is batch.batch_ids is batch.counts is None
