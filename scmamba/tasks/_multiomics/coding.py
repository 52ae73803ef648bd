"""Values that the encoder reads, a coding for each kind of modality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.tasks._multiomics.background import Mixtures, fit_mixtures
from scmamba.tasks._multiomics.blocks import Block, Kind

_TOTAL = 1e4
_SPREAD = 0.01
"""Added to the standard deviation of a value, so that rare features are not blown up."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Coding:
    """How counts become values.

    RNA: log1p of counts per 10,000. Proteins: log1p of counts minus the mean of the protein's
    background. Peaks: log1p of 10,000 times tf-idf of what is open.

    Attributes
    ----------
    kind
        Kind of modality.
    weight
        (n_features,) inverse document frequencies of peaks, 1 elsewhere.
    offset
        (n_batches, n_features) background of proteins, 0 elsewhere.
    center, scale
        (n_features,) mean and standard deviation of the values.
    """

    kind: Kind
    weight: Floats
    offset: Floats
    center: Floats
    scale: Floats

    @classmethod
    def of(cls, block: Block, batch_ids: npt.NDArray[np.int64], n_batches: int) -> Coding:
        """Fit a coding to the measured cells of a block."""
        n = block.X.shape[1]
        offset = np.zeros((n_batches, n), np.float32)
        weight, blank = np.ones(n, np.float32), np.zeros(n, np.float32)
        if block.kind == "atac":
            opened = np.bincount(block.X.indices, minlength=n)
            weight = np.log1p(len(block.rows) / np.maximum(opened, 1)).astype(np.float32)
        if block.kind == "prot":
            offset = backgrounds(block, batch_ids, n_batches).background.astype(np.float32)
        start = cls(block.kind, weight, offset, blank, blank + 1)
        values = start.values(block, batch_ids)[block.rows]
        center = np.asarray(values.mean(0), dtype=np.float64).ravel()
        square = np.asarray(values.multiply(values).mean(0), dtype=np.float64).ravel()
        spread = np.sqrt(np.maximum(square - center**2, 0)) + _SPREAD
        return cls(block.kind, weight, offset, center.astype(np.float32), spread.astype(np.float32))

    def values(self, block: Block, batch_ids: npt.NDArray[np.int64]) -> sparse.csr_matrix:
        """(n_cells, n_features) values; a cell that was not measured has none."""
        X = block.X
        lengths = np.diff(X.indptr)
        if self.kind == "prot":
            rows = block.rows
            dense = np.log1p(X[rows].toarray()) - self._offset(batch_ids[rows])
            dense = np.where(block.covered[block.panel[rows]], dense, 0)
            return _dense_rows(dense.astype(np.float32), rows, X.shape)
        total = np.asarray(X.sum(1), dtype=np.float64).ravel()
        per_cell = np.divide(_TOTAL, total, out=np.zeros_like(total), where=total > 0)
        data = np.log1p(X.data * np.repeat(per_cell, lengths) * self.weight[X.indices])
        return sparse.csr_matrix((data.astype(np.float32), X.indices, X.indptr), shape=X.shape)

    def _offset(self, batch_ids: npt.NDArray[np.int64]) -> Floats:
        """Background as of each cell's batch; of a batch that was not fitted, the average one."""
        table = np.concatenate([self.offset, self.offset.mean(0, keepdims=True)])
        known = (batch_ids >= 0) & (batch_ids < len(self.offset))
        return table[np.where(known, batch_ids, len(self.offset))]


def backgrounds(block: Block, batch_ids: npt.NDArray[np.int64], n_batches: int) -> Mixtures:
    """Background and signal of each protein in each batch, from log1p counts."""
    parts = []
    for batch in range(n_batches):
        rows = np.flatnonzero(block.measured & (batch_ids == batch))
        parts.append(fit_mixtures(np.log1p(block.X[rows].toarray().astype(np.float64))))
    return Mixtures.stacked(parts, block.covered_in(batch_ids, n_batches))


def _dense_rows(
    dense: Floats, rows: npt.NDArray[np.int64], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Return a matrix whose ``rows`` hold all values, with zeros; the others are empty."""
    lengths = np.zeros(shape[0], np.int64)
    lengths[rows] = shape[1]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.tile(np.arange(shape[1]), len(rows))
    return sparse.csr_matrix((dense.ravel(), indices, indptr), shape=shape)
