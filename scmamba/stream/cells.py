"""Batches of cells, for training and for prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from scmamba.models import CellModel, CellOutput
from scmamba.stream.batches import WHOLE, BucketedBatches, EpochGenerators, Ints, Shard
from scmamba.stream.data import CellData
from scmamba.tokens.cells.masking import mask_values


@dataclass(frozen=True)
class CellTrainBatch:
    """Batch of B cells of L tokens, with the targets of training objectives.

    Attributes
    ----------
    rows
        (B,) int64 positions of the cells in their :class:`CellData`.
    gene_ids, values, padding_mask
        (B, L) input of the model; masked values are replaced.
    target
        (B, L) values before masking.
    masked
        (B, L) bool, True where a value is masked.
    labels, batch_ids
        (B,) int64 classes (negative where unknown) and batches of the cells, or None.
    weight
        Weight of the loss, which is a mean over cells: B over the mean B of the pass, so that all
        cells have equal weight whatever the size of their batch.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.stream import CellBatches, CellData
    >>> from scmamba.tokens import Vocab, tokenize
    >>> tokens = tokenize(sparse.csr_matrix(np.eye(6, 4)), np.arange(4), n_bins=None)
    >>> data = CellData(tokens, Vocab(list("abcd")), cls_value=0.0, pad_value=-2.0)
    >>> batch = next(iter(CellBatches(data, np.arange(6), batch_size=6)))
    >>> len(batch), batch.values.shape, bool(batch.masked.any())
    (6, torch.Size([6, 2]), False)
    """

    rows: Tensor
    gene_ids: Tensor
    values: Tensor
    padding_mask: Tensor
    target: Tensor
    masked: Tensor
    labels: Tensor | None
    batch_ids: Tensor | None
    weight: float

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.rows)

    def run(self, model: CellModel, heads: set[str]) -> CellOutput:
        """Run ``model`` on these cells; expression is decoded where it is masked."""
        return model(
            self.gene_ids,
            self.values,
            self.padding_mask,
            self.batch_ids,
            decoded=self.masked,
            heads=heads,
        )

    def to(self, device: torch.device) -> Self:
        """Copy the batch to ``device``."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }
        return type(self)(**moved)


class CellBatches(BucketedBatches[CellTrainBatch]):
    """Batches of cells of similar length; random draws depend only on seed, epoch and process.

    Parameters
    ----------
    data
        All cells.
    rows
        Positions of the cells of this pass.
    batch_size
        Cells per batch.
    token_budget
        Largest number of tokens per batch, padding included; alternative to ``batch_size``. See
        :func:`~scmamba.stream.length_buckets`.
    shuffle
        Whether the order is random, for training; otherwise cells are sorted by length.
    max_tokens
        Largest number of genes per cell, chosen at random; None for all.
    mask_ratio, mask_value
        Fraction of values to mask, and the value at masked positions.
    seed, epoch
        Seeds of the order, the random draws and the masks.
    shard
        Part of each batch that this process reads.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.stream import CellBatches, CellData
    >>> from scmamba.tokens import Vocab, tokenize
    >>> counts = sparse.csr_matrix(np.eye(6, 4))
    >>> tokens = tokenize(counts, np.arange(4), n_bins=None)
    >>> data = CellData(tokens, Vocab(list("abcd")), cls_value=0.0, pad_value=-2.0)
    >>> [batch.gene_ids.shape for batch in CellBatches(data, np.arange(6), batch_size=4)]
    [torch.Size([4, 2]), torch.Size([2, 2])]
    """

    def __init__(
        self,
        data: CellData,
        rows: Ints,
        *,
        batch_size: int | None = None,
        token_budget: int | None = None,
        shuffle: bool = False,
        max_tokens: int | None = None,
        mask_ratio: float = 0.0,
        mask_value: float = -1.0,
        seed: int = 0,
        epoch: int = 0,
        shard: Shard = WHOLE,
    ) -> None:
        self.data = data
        self.max_tokens, self.mask_ratio, self.mask_value = max_tokens, mask_ratio, mask_value
        super().__init__(
            rows,
            drawn_lengths(data, rows, max_tokens),
            batch_size=batch_size,
            token_budget=token_budget,
            shuffle=shuffle,
            seed=seed,
            epoch=epoch,
            shard=shard,
        )

    def _batch(self, rows: Ints, draws: EpochGenerators) -> CellTrainBatch:
        masks = draws.masks  # before any other draw, so that both depend only on the seed
        cells = self.data.batch(rows, max_tokens=self.max_tokens, rng=draws.rng)
        # zeros made by NumPy, which does not compete with the threads of tokenization for cores
        values, masked = cells.values, torch.from_numpy(np.zeros(cells.values.shape, np.bool_))
        if self.mask_ratio:
            values, masked = mask_values(
                cells, self.mask_ratio, mask_value=self.mask_value, generator=masks
            )
        return CellTrainBatch(
            rows=torch.from_numpy(rows),
            gene_ids=cells.gene_ids,
            values=values,
            padding_mask=cells.padding_mask,
            target=cells.values,
            masked=masked,
            labels=taken(self.data.labels, rows),
            batch_ids=taken(self.data.batch_ids, rows),
            weight=len(rows) / self.mean_size,
        )


def drawn_lengths(data: CellData, rows: Ints, max_tokens: int | None) -> Ints:
    """(n,) tokens of each row, ``<cls>`` included, if at most ``max_tokens`` genes are drawn."""
    lengths = data.lengths[np.asarray(rows, dtype=np.int64)]
    return lengths if max_tokens is None else np.minimum(lengths, max_tokens + 1)


def taken(column: Ints | None, rows: Ints) -> Tensor | None:
    """Entries ``rows`` of a column as a tensor; None where there is no column."""
    return None if column is None else torch.from_numpy(column[rows])
