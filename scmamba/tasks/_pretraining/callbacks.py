"""What a pretraining leaves behind when its loss is no longer a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save_file
from torch import Tensor

from scmamba._files import atomic, write_json
from scmamba._log import logger
from scmamba.stream.cells import CellTrainBatch
from scmamba.stream.corpus import Corpus
from scmamba.train.module import NotFinite

BATCH, CELLS = "bad_batch.safetensors", "bad_batch.json"


class KeepBadBatch(Callback):
    """Saves the batch whose loss is not finite, and says which cells it holds.

    Parameters
    ----------
    folder
        Where ``bad_batch.safetensors`` and ``bad_batch.json`` are written.
    corpus
        Knows the file of each cell.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self.folder, self.corpus = folder, corpus
        self._batch: CellTrainBatch | None = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the batch."""
        self._batch = batch

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Save it if its loss is not finite."""
        if not isinstance(exception, NotFinite) or self._batch is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        batch = self._batch.to("cpu")  # type: ignore[arg-type]
        tensors = {k: v.contiguous() for k, v in vars(batch).items() if isinstance(v, Tensor)}
        with atomic(self.folder / BATCH) as temporary:
            save_file(tensors, temporary)
        cells = cells_of(self.corpus, batch)
        write_json(self.folder / CELLS, {"step": trainer.global_step, "cells": cells})
        logger.error("the batch was saved to %s, its cells to %s", self.folder / BATCH, CELLS)


def cells_of(corpus: Corpus, batch: CellTrainBatch) -> list[dict[str, Any]]:
    """File and row of each cell of a batch, without repetition."""
    found, start = [], 0
    ids = set(batch.rows.tolist())
    for one in corpus.files:
        stop = start + one.content.n_cells
        own = sorted(i - start for i in ids if start <= i < stop)
        found += [{"file": str(one.content.path), "row": row} for row in own]
        start = stop
    return found
