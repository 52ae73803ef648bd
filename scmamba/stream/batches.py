"""One pass over some cells, batch by batch, for training and for prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scmamba.models.cell.model import CellModel
from scmamba.models.cell.output import CellOutput
from scmamba.stream.buckets import length_buckets, padding_share
from scmamba.stream.data import CellData
from scmamba.tokens.masking import mask_values


@dataclass(frozen=True)
class TrainBatch:
    """B cells of L tokens, with what the objectives compare with.

    Attributes
    ----------
    rows
        (B,) int64 positions of the cells in their :class:`CellData`.
    gene_ids, values, padding_mask
        (B, L) what the model sees; masked values are replaced.
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
        return len(self.rows)

    def run(self, model: CellModel, heads: set[str]) -> CellOutput:
        """What ``model`` says of these cells, through the named heads."""
        return model(self.gene_ids, self.values, self.padding_mask, self.batch_ids, heads=heads)

    def to(self, device: torch.device) -> Self:
        """The batch on ``device``."""
        moved = {
            name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }
        return type(self)(**moved)


class CellBatches:
    """Length-bucketed batches of some cells; order and draws come from seed and epoch alone.

    Parameters
    ----------
    data
        All cells.
    rows
        Which of them to go through.
    batch_size
        Cells a batch.
    token_budget
        Padded tokens a batch, at most; in place of ``batch_size``, see
        :func:`~scmamba.stream.buckets.length_buckets`.
    shuffle
        For training; without it cells come sorted by length.
    max_tokens
        At most that many random genes a cell; None: all.
    mask_ratio, mask_value
        Share of values to hide, and what stands in their place.
    seed, epoch
        Of order, draws and masks, together.

    Attributes
    ----------
    buckets
        Positions, in ``rows``, of the cells of each batch.
    padding_share
        Share of padding among the tokens of all batches, in [0, 1).
    """

    def __init__(
        self,
        data: CellData,
        rows: npt.NDArray[np.int64],
        *,
        batch_size: int | None = None,
        token_budget: int | None = None,
        shuffle: bool = False,
        max_tokens: int | None = None,
        mask_ratio: float = 0.0,
        mask_value: float = -1.0,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        self.data, self.rows = data, np.asarray(rows, dtype=np.int64)
        self.max_tokens, self.mask_ratio, self.mask_value = max_tokens, mask_ratio, mask_value
        self.seed, self.epoch = seed, epoch
        lengths = data.lengths[self.rows]
        if max_tokens is not None:
            lengths = np.minimum(lengths, max_tokens + 1)
        self.buckets = length_buckets(
            lengths,
            batch_size=batch_size,
            token_budget=token_budget,
            rng=np.random.default_rng([seed, epoch]) if shuffle else None,
        )
        self.padding_share = padding_share(lengths, self.buckets)

    def __len__(self) -> int:
        return len(self.buckets)

    def __iter__(self) -> Iterator[TrainBatch]:
        rng = np.random.default_rng([self.seed, self.epoch, 1])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for bucket in self.buckets:
            yield self._batch(self.rows[bucket], rng, generator)

    def _batch(
        self, rows: npt.NDArray[np.int64], rng: np.random.Generator, generator: torch.Generator
    ) -> TrainBatch:
        cells = self.data.batch(rows, max_tokens=self.max_tokens, rng=rng)
        # zeros by NumPy, which waits for no threads of PyTorch's while those of tokens are awake
        values, masked = cells.values, torch.from_numpy(np.zeros(cells.values.shape, np.bool_))
        if self.mask_ratio:
            values, masked = mask_values(
                cells, self.mask_ratio, mask_value=self.mask_value, generator=generator
            )

        def of(column: npt.NDArray[np.int64] | None) -> Tensor | None:
            return None if column is None else torch.from_numpy(column[rows])

        return TrainBatch(
            rows=torch.from_numpy(rows),
            gene_ids=cells.gene_ids,
            values=values,
            padding_mask=cells.padding_mask,
            target=cells.values,
            masked=masked,
            labels=of(self.data.labels),
            batch_ids=of(self.data.batch_ids),
            weight=len(rows) * len(self) / len(self.rows),
        )
