"""One pass over some cells, batch by batch, for training and for prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

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
        (B,) int64, or None.
    """

    rows: Tensor
    gene_ids: Tensor
    values: Tensor
    padding_mask: Tensor
    target: Tensor
    masked: Tensor
    labels: Tensor | None
    batch_ids: Tensor | None

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> TrainBatch:
        """The batch on ``device``."""
        moved = {
            name: value if value is None else value.to(device, non_blocking=True)
            for name, value in vars(self).items()
        }
        return TrainBatch(**moved)


class CellBatches:
    """Length-bucketed batches of some cells; a new order and new draws each epoch, by seed alone.

    Parameters
    ----------
    data
        All cells.
    rows
        Which of them to go through.
    batch_size
        Cells a batch.
    shuffle
        For training; without it cells come sorted by length.
    max_tokens
        At most that many random genes a cell, drawn anew each epoch; None: all.
    mask_ratio, mask_value
        Share of values to hide, and what stands in their place.
    seed
        Of order, draws and masks, together with the epoch.
    """

    def __init__(
        self,
        data: CellData,
        rows: npt.NDArray[np.int64],
        *,
        batch_size: int,
        shuffle: bool = False,
        max_tokens: int | None = None,
        mask_ratio: float = 0.0,
        mask_value: float = -1.0,
        seed: int = 0,
    ) -> None:
        self.data, self.rows = data, np.asarray(rows, dtype=np.int64)
        self.batch_size, self.shuffle = batch_size, shuffle
        self.max_tokens, self.mask_ratio, self.mask_value = max_tokens, mask_ratio, mask_value
        self.seed, self.epoch = seed, 0

    def __len__(self) -> int:
        if self.shuffle:
            return max(len(self.rows) // self.batch_size, 1)
        return -(-len(self.rows) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch's order and draws the next pass gives."""
        self.epoch = epoch

    @property
    def padding_share(self) -> float:
        """Share of padding among the tokens of this epoch's batches, in [0, 1)."""
        lengths = self._lengths()
        return padding_share(lengths, self._buckets(lengths, self._rng()))

    def __iter__(self) -> Iterator[TrainBatch]:
        rng = self._rng()
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for bucket in self._buckets(self._lengths(), self._rng()):
            yield self._batch(self.rows[bucket], rng, generator)

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch])

    def _lengths(self) -> npt.NDArray[np.int64]:
        lengths = self.data.lengths[self.rows]
        return lengths if self.max_tokens is None else np.minimum(lengths, self.max_tokens + 1)

    def _buckets(
        self, lengths: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> list[npt.NDArray[np.int64]]:
        return length_buckets(lengths, self.batch_size, rng=rng if self.shuffle else None)

    def _batch(
        self, rows: npt.NDArray[np.int64], rng: np.random.Generator, generator: torch.Generator
    ) -> TrainBatch:
        cells = self.data.batch(rows, max_tokens=self.max_tokens, rng=rng)
        values, masked = cells.values, torch.zeros_like(cells.padding_mask)
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
        )
