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

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.stream import CellData
    >>> from scmamba.tokens import Vocab, tokenize
    >>> from scmamba.train import CellEpochs, FitConfig
    >>> counts = sparse.csr_matrix(np.random.default_rng(0).poisson(2.0, (12, 5)))
    >>> tokens = tokenize(counts, np.arange(5), n_bins=None)
    >>> data = CellData(tokens, Vocab(list("abcde")), cls_value=0.0, pad_value=-2.0)
    >>> config = FitConfig(epochs=2, batch_size=5)
    >>> batches = CellEpochs(data, np.arange(10), np.arange(10, 12), config, mask_value=-1.0)
    >>> batches.n_batches(0), batches.total_steps(), batches.validates
    (2, 4, True)
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
