"""Views of cells, epoch by epoch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.stream.data import CellData
from scmamba.stream.views import CellViews, Views
from scmamba.train.batches import EpochBatches
from scmamba.train.config import TrainConfig


class ViewBatches(EpochBatches):
    """Views of cells to train on; nothing is validated, all epochs are run.

    Parameters
    ----------
    data
        All cells.
    rows
        Which of them to learn from.
    views
        How views are drawn.
    config
        Epochs, cells a step, seed.
    counts
        (n_cells, n_counts) what the views' cells count, or None.
    mask_value
        What stands in place of hidden values.
    """

    def __init__(
        self,
        data: CellData,
        rows: npt.NDArray[np.int64],
        views: Views,
        config: TrainConfig,
        *,
        counts: sparse.csr_matrix | None = None,
        mask_value: float = -1.0,
    ) -> None:
        super().__init__(config.epochs)
        self.data, self.rows, self.views, self.config = data, rows, views, config
        self.counts, self.mask_value = counts, mask_value

    def epoch(self, number: int) -> CellViews:
        """Views of an epoch, counted from 0."""
        return CellViews(
            self.data,
            self.rows,
            self.views,
            batch_size=self.config.batch_size,
            counts=self.counts,
            mask_ratio=self.config.mask_ratio,
            mask_value=self.mask_value,
            seed=self.config.seed,
            epoch=number,
        )

    def validation(self) -> None:
        """Nothing."""
