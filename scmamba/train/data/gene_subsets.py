"""Batches of gene subsets of cells for a training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import joblib
from scipy import sparse

from scmamba.stream.batches import WHOLE, Ints, Shard
from scmamba.stream.buckets import n_batches
from scmamba.stream.data import CellData
from scmamba.stream.gene_subsets import GeneSubsetBatches, GeneSubsets
from scmamba.train.config import TrainConfig
from scmamba.train.data.epochs import RowEpochs


class GeneSubsetEpochs(RowEpochs):
    """Gene subsets of cells to train on; nothing is validated, all epochs are run.

    Parameters
    ----------
    data
        All cells.
    rows
        Which of them to learn from.
    subsets
        How subsets are drawn.
    config
        Epochs, cells per step, seed.
    counts
        (n_cells, n_counts) counts to be decoded, or None.
    mask_value
        Value that stands in place of hidden ones.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.stream import CellData, GeneSubsets
    >>> from scmamba.tokens import Vocab, tokenize
    >>> from scmamba.train import FitConfig, GeneSubsetEpochs
    >>> counts = sparse.csr_matrix(np.random.default_rng(0).poisson(2.0, (12, 5)))
    >>> tokens = tokenize(counts, np.arange(5), n_bins=None)
    >>> data = CellData(tokens, Vocab(list("abcde")), cls_value=0.0, pad_value=-2.0)
    >>> config = FitConfig(epochs=3, batch_size=6)
    >>> GeneSubsetEpochs(data, np.arange(12), GeneSubsets(n_subsets=2), config).total_steps()
    6
    """

    data: CellData

    def __init__(
        self,
        data: CellData,
        rows: Ints,
        subsets: GeneSubsets,
        config: TrainConfig,
        *,
        counts: sparse.csr_matrix | None = None,
        mask_value: float = -1.0,
    ) -> None:
        super().__init__(data, rows, None, config)
        self.subsets, self.counts, self.mask_value = subsets, counts, mask_value

    def epoch(self, number: int, shard: Shard = WHOLE) -> GeneSubsetBatches:
        """Batches of an epoch, counted from 0."""
        return GeneSubsetBatches(
            self.data,
            self.train_rows,
            self.subsets,
            batch_size=self.config.batch_size,
            counts=self.counts,
            mask_ratio=self.config.mask_ratio,
            mask_value=self.mask_value,
            seed=self.config.seed,
            epoch=number,
            shard=shard,
        )

    def validation(self, shard: Shard = WHOLE) -> Iterable[Any]:
        """No batches."""
        return []

    def n_batches(self, number: int, world_size: int = 1) -> int:
        """Batches of an epoch, the same in each."""
        return n_batches(len(self.train_rows), self.config.batch_size, world_size)

    def fingerprint(self) -> dict[str, str]:
        """Hashes of the cells, their counts and how subsets are drawn."""
        return {
            **super().fingerprint(),
            "counts": joblib.hash(self.counts),
            "gene subsets": repr(self.subsets),
        }

    def _lengths(self, number: int) -> Ints:
        return self.data.lengths[self.train_rows]
