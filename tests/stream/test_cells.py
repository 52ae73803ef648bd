"""Batches carry the rows that they name, and depend on seed and epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmamba.stream import CellBatches, CellData, padding_share


def test_rows_labels_and_tokens_belong_together(data: CellData) -> None:
    rows = np.array([50, 3, 0, 17, 29, 8])
    seen = []
    for batch in CellBatches(data, rows, batch_size=4, shuffle=True, seed=3):
        seen += batch.rows.tolist()
        assert batch.labels is not None and batch.batch_ids is not None
        assert batch.labels.tolist() == batch.rows.tolist()
        assert batch.batch_ids.tolist() == (batch.rows % 4).tolist()
        for i, row in enumerate(batch.rows.tolist()):
            start, stop = data.tokens.indptr[row : row + 2]
            real = ~batch.padding_mask[i]
            expected = [data.vocab.cls_id, *data.tokens.gene_ids[start:stop]]
            assert batch.gene_ids[i][real].tolist() == expected
            assert batch.values[i][real].tolist() == [7.0, *data.tokens.values[start:stop]]
            assert (batch.gene_ids[i][~real] == data.vocab.pad_id).all()
            assert (batch.values[i][~real] == -2).all()
    assert sorted(seen) == sorted(rows.tolist())


def test_taken_cells_keep_their_labels(data: CellData) -> None:
    part = data.take(np.array([9, 2, 40]))
    assert len(part) == 3
    assert part.labels is not None and part.labels.tolist() == [9, 2, 40]
    assert part.batch_ids is not None and part.batch_ids.tolist() == [1, 2, 0]
    assert part.lengths.tolist() == data.lengths[[9, 2, 40]].tolist()
    assert data.take(np.array([], dtype=np.int64)).lengths.tolist() == []


def passes(data: CellData, epoch: int, seed: int = 0) -> list[torch.Tensor]:
    batches = CellBatches(
        data,
        np.arange(53),
        batch_size=8,
        shuffle=True,
        max_tokens=9,
        mask_ratio=0.4,
        seed=seed,
        epoch=epoch,
    )
    found = []
    for batch in batches:
        found += [batch.rows, batch.gene_ids, batch.values, batch.masked, batch.target]
    return found


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(x.shape == y.shape and bool((x == y).all()) for x, y in zip(a, b, strict=True))


def test_seed_and_epoch_decide_everything(data: CellData) -> None:
    first = passes(data, 4)
    torch.manual_seed(99)
    np.random.seed(99)
    assert same(first, passes(data, 4))
    assert not same(first, passes(data, 5))
    assert not same(first, passes(data, 4, seed=1))


def test_max_tokens_is_honoured(data: CellData) -> None:
    batches = CellBatches(data, np.arange(53), batch_size=8, shuffle=True, max_tokens=9, seed=0)
    for batch in batches:
        lengths = (~batch.padding_mask).sum(1)
        assert batch.gene_ids.shape[1] <= 10
        wanted = np.minimum(data.lengths[batch.rows.numpy()], 10)  # <cls> beside 9 genes
        assert lengths.tolist() == wanted.tolist()
        assert (batch.gene_ids[:, 0] == data.vocab.cls_id).all()


def test_masks_hide_genes_alone(data: CellData) -> None:
    batches = CellBatches(
        data, np.arange(53), batch_size=8, shuffle=True, mask_ratio=0.5, mask_value=-1.0
    )
    n_masked = 0
    for batch in batches:
        assert not batch.masked[:, 0].any()
        assert not (batch.masked & batch.padding_mask).any()
        assert (batch.values[batch.masked] == -1).all()
        assert torch.equal(batch.values[~batch.masked], batch.target[~batch.masked])
        assert (batch.target[batch.masked] > 0).all()
        n_masked += int(batch.masked.sum())
    assert abs(n_masked / int(data.tokens.lengths.sum()) - 0.5) < 0.03


SIZES = [{"batch_size": n} for n in (1, 8, 53, 100)] + [{"token_budget": n} for n in (123, 999)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shuffle", [True, False])
def test_length_padding_and_weights_are_told_truly(
    data: CellData, size: dict[str, int], shuffle: bool
) -> None:
    limit = 12 if shuffle else None
    rows = np.arange(3, 53)
    batches = CellBatches(data, rows, **size, shuffle=shuffle, max_tokens=limit, epoch=2)
    seen = list(batches)
    assert len(seen) == len(batches)
    masks = [batch.padding_mask for batch in seen]
    share = sum(int(m.sum()) for m in masks) / sum(m.numel() for m in masks)
    assert abs(batches.padding_share - share) < 1e-12
    mean = len(rows) / len(seen)
    assert [batch.weight * mean for batch in seen] == pytest.approx([len(b) for b in seen])
    assert sum(batch.weight for batch in seen) == pytest.approx(len(seen))


def test_the_budget_counts_what_is_drawn_and_cls(data: CellData) -> None:
    batches = CellBatches(data, np.arange(53), token_budget=100, shuffle=True, max_tokens=9)
    assert max(batch.gene_ids.numel() for batch in batches) <= 100
    assert max(len(batch) for batch in batches) >= 10


def test_a_pass_without_shuffling_needs_no_draws(data: CellData) -> None:
    batches = CellBatches(data, np.arange(53), batch_size=16)
    lengths = [int((~batch.padding_mask[i]).sum()) for batch in batches for i in range(len(batch))]
    assert lengths == sorted(data.lengths.tolist())
    assert padding_share(data.lengths, [np.arange(53)]) > batches.padding_share
