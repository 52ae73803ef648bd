"""Batches of a training as Lightning asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning as L

from scmamba.stream.batches import Shard
from scmamba.train.data.epochs import EpochBatches, Pass


class EpochsDataModule(L.LightningDataModule):
    """Hands over the batches of each epoch, and of a resumed run those that are left.

    Parameters
    ----------
    batches
        Batches of the whole training.
    """

    def __init__(self, batches: EpochBatches) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> Any:
        """Return the rest of the current epoch: all of it, except in a run that was resumed."""
        assert self.trainer is not None
        loop = self.trainer.fit_loop
        epoch: Any = loop.epoch_progress.current
        batches = self.batches.epoch(epoch.processed, self._shard())
        done = loop.epoch_loop.batch_progress
        # Lightning knows how many batches were read, and expects them not to come again
        resumed = loop.restarting and not done.is_last_batch and done.current.ready > 0
        return _Rest(batches, done.current.ready) if resumed else batches

    def val_dataloader(self) -> Any:
        """Batches to validate on."""
        return self.batches.validation(self._shard())

    def _shard(self) -> Shard:
        assert self.trainer is not None
        return Shard(self.trainer.global_rank, self.trainer.world_size)


class _Rest:
    """A pass whose first batches were read before; its length is that of the whole."""

    def __init__(self, whole: Pass, first: int) -> None:
        self.whole, self.first = whole, first

    def __len__(self) -> int:
        return len(self.whole)

    def __iter__(self) -> Iterator[Any]:
        return self.whole.starting_at(self.first)
