"""Batches of cells for a training."""

from __future__ import annotations

from collections.abc import Iterable

from scmamba.stream.batches import WHOLE, Ints, Shard
from scmamba.stream.buckets import TOKEN_BUDGET
from scmamba.stream.cells import CellBatches, CellTrainBatch, drawn_lengths
from scmamba.stream.data import CellData
from scmamba.train.config import FitConfig
from scmamba.train.data.epochs import RowEpochs


class CellEpochs(RowEpochs):
    """Batches of cells; the last epoch sees more genes per cell.

    Parameters
    ----------
    data
        All cells.
    train_rows, val_rows
        Positions of the cells to learn from, and of those that are validated on, if any.
    config
        How they are batched.
    mask_value
        Value that stands in place of hidden ones.
    """

    data: CellData
    config: FitConfig

    def __init__(
        self,
        data: CellData,
        train_rows: Ints,
        val_rows: Ints | None,
        config: FitConfig,
        mask_value: float,
    ) -> None:
        super().__init__(data, train_rows, val_rows, config)
        self.mask_value = mask_value

    def epoch(self, number: int, shard: Shard = WHOLE) -> CellBatches:
        """Batches of an epoch, counted from 0."""
        return CellBatches(
            self.data,
            self.train_rows,
            **self._size(),
            shuffle=True,
            max_tokens=self._max_tokens(number),
            mask_ratio=self.config.mask_ratio,
            mask_value=self.mask_value,
            seed=self.config.seed,
            epoch=number,
            shard=shard,
        )

    def validation(self, shard: Shard = WHOLE) -> Iterable[CellTrainBatch]:
        """Batches of the cells to validate on, with all their genes."""
        if self.val_rows is None:
            return []
        return CellBatches(
            self.data,
            self.val_rows[shard.rank :: shard.world_size],
            token_budget=TOKEN_BUDGET,
            mask_ratio=self.config.mask_ratio,
            mask_value=self.mask_value,
            seed=self.config.seed,
        )

    def _lengths(self, number: int) -> Ints:
        return drawn_lengths(self.data, self.train_rows, self._max_tokens(number))

    def _max_tokens(self, number: int) -> int | None:
        last = number == self.config.epochs - 1
        return self.config.last_max_tokens if last else self.config.max_tokens
