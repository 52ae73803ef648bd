"""Batches of cells, for training and for prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from scmamba.models import CellModel, CellOutput
from scmamba.stream.batches import WHOLE, BucketedBatches, Draws, Ints, Shard
from scmamba.stream.data import CellData
from scmamba.tokens.cells.masking import mask_values


@dataclass(frozen=True)
class CellTrainBatch:
    """B cells of L tokens, with what the objectives compare with.

    Attributes
    ----------
    rows
        (B,) int64 positions of the cells in their :class:`CellData`.
    gene_ids, values, padding_mask
        (B, L) what the model sees; hidden values are replaced.
    target
        (B, L) the values before masking.
    masked
        (B, L) True where a value was hidden.
    labels, batch_ids
        (B,) int64, labels below 0 where unknown; or None.
    weight
        Factor of the loss, which is a mean over cells: B over the mean B of the pass, so that
        every cell counts alike however many share its batch.
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
        """Return how many there are."""
        return len(self.rows)

    def run(self, model: CellModel, heads: set[str]) -> CellOutput:
        """Output of ``model`` for these cells, from the named heads."""
        return model(self.gene_ids, self.values, self.padding_mask, self.batch_ids, heads=heads)

    def to(self, device: torch.device) -> Self:
        """Return the batch on ``device``."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }
        return type(self)(**moved)


class CellBatches(BucketedBatches[CellTrainBatch]):
    """Batches of cells of similar length; order and draws come from seed and epoch alone.

    Parameters
    ----------
    data
        All cells.
    rows
        Which of them to go through.
    batch_size
        Cells per batch.
    token_budget
        Most padded tokens per batch; in place of ``batch_size``, see
        :func:`~scmamba.stream.buckets.length_buckets`.
    shuffle
        Whether the order is random, for training; otherwise cells come sorted by length.
    max_tokens
        Most genes per cell, chosen at random; None: all.
    mask_ratio, mask_value
        Fraction of values to hide, and what stands in their place.
    seed, epoch
        Seeds of order, draws and masks, together.
    shard
        The part of each batch that this process reads.

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

    def _batch(self, rows: Ints, draws: Draws) -> CellTrainBatch:
        masks = draws.masks  # before any other draw, so that both depend on the seed alone
        cells = self.data.batch(rows, max_tokens=self.max_tokens, rng=draws.rng)
        # zeros by NumPy, which waits for no threads of PyTorch's while those of tokens are awake
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
    """(n,) tokens of each of ``rows``, ``<cls>`` counted, when at most ``max_tokens`` are drawn."""
    lengths = data.lengths[np.asarray(rows, dtype=np.int64)]
    return lengths if max_tokens is None else np.minimum(lengths, max_tokens + 1)


def taken(column: Ints | None, rows: Ints) -> Tensor | None:
    """Entries ``rows`` of a column as a tensor, or None."""
    return None if column is None else torch.from_numpy(column[rows])
