"""What a training run goes through: an epoch's batches anew each time, and those of validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt

from scmamba.stream.batches import CellBatches
from scmamba.stream.buckets import TOKEN_BUDGET
from scmamba.stream.data import CellData
from scmamba.train.config import FitConfig


class EpochBatches(L.LightningDataModule, ABC):
    """Batches for Lightning, which must ask for them every epoch: their number may change.

    Parameters
    ----------
    epochs
        How many epochs there will be.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    @abstractmethod
    def epoch(self, number: int) -> Any:
        """Batches of an epoch, counted from 0; they know their ``padding_share``."""

    @abstractmethod
    def validation(self) -> Any:
        """Batches to validate on, or None."""

    @property
    def validates(self) -> bool:
        """Whether there is anything to validate on."""
        return self.validation() is not None

    @property
    def total_steps(self) -> int:
        """Steps of all epochs."""
        return sum(len(self.epoch(number)) for number in range(self.epochs))

    def train_dataloader(self) -> Any:
        """Batches of the epoch that comes next, in a run that goes on from a checkpoint too."""
        assert self.trainer is not None
        return self.epoch(self.trainer.fit_loop.epoch_progress.current.processed)

    def val_dataloader(self) -> Any:
        """Batches to validate on; nothing where there are none."""
        return self.validation() or []


class FitBatches(EpochBatches):
    """Batches of cells.

    Parameters
    ----------
    data
        All cells.
    train_rows, val_rows
        Positions of the cells to learn from, and of those that are validated on, if any.
    config
        How they are batched; the last epoch sees longer cells.
    mask_value
        What stands in place of hidden values.
    """

    def __init__(
        self,
        data: CellData,
        train_rows: npt.NDArray[np.int64],
        val_rows: npt.NDArray[np.int64] | None,
        config: FitConfig,
        mask_value: float,
    ) -> None:
        super().__init__(config.epochs)
        self.data, self.train_rows, self.val_rows = data, train_rows, val_rows
        self.config, self.mask_value = config, mask_value

    def epoch(self, number: int) -> CellBatches:
        """Batches of an epoch, counted from 0."""
        config = self.config
        last = number == config.epochs - 1
        return CellBatches(
            self.data,
            self.train_rows,
            batch_size=None if config.token_budget else config.batch_size,
            token_budget=config.token_budget,
            shuffle=True,
            max_tokens=config.last_max_tokens if last else config.max_tokens,
            mask_ratio=config.mask_ratio,
            mask_value=self.mask_value,
            seed=config.seed,
            epoch=number,
        )

    def validation(self) -> CellBatches | None:
        """All genes of the cells to validate on, if there are any."""
        if self.val_rows is None:
            return None
        return CellBatches(
            self.data,
            self.val_rows,
            token_budget=TOKEN_BUDGET,
            mask_ratio=self.config.mask_ratio,
            mask_value=self.mask_value,
            seed=self.config.seed,
        )
