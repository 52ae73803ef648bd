"""Embeddings of cells in which one gene is deleted or overexpressed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from scmamba.nn.pool import BagPool
from scmamba.stream.data import CellData
from scmamba.tasks._cell_models import ReadCells
from scmamba.tasks._forward import forward
from scmamba.tokens.cells.tokenize import CellTokens

Kind = Literal["delete", "overexpress"]
Floats = npt.NDArray[np.float32]
_FLAGGED = 64
"""Cells at once of a model with flags, whose sequences hold all genes."""


class Perturber:
    """Perturbs one gene at a time.

    Parameters
    ----------
    cells
        A model and cells.
    kind
        ``"delete"``: the gene has no token. ``"overexpress"``: its value is the largest of the
        cell. A model with perturbation flags reads all genes, and is told of the gene by its flag.

    Attributes
    ----------
    before
        (n, D) embeddings of the cells as they are.
    """

    def __init__(self, cells: ReadCells, kind: Kind) -> None:
        self.cells, self.kind, self.model = cells, kind, cells.model
        self.values = cells.values
        self._columns = self.values.tocsc()
        self._top = np.asarray(self.values.max(1).todense(), np.float32).ravel()
        self.flags = self.model.config.encoder.perturbation_flags
        self.is_bag = isinstance(self.model.pool, BagPool) and not self.flags
        if self.flags:
            self._known = np.array(sorted(cells.genes), np.int64)
            self.before = self._flagged(None)
        elif self.is_bag:
            table = self.model.gene_embedding.embedding.weight.detach().cpu().numpy()
            self._table = table[: self.values.shape[1]]
            self._sums = np.asarray(self.values @ self._table, np.float32)
            self._sizes = np.diff(self.values.indptr) + 1  # and <cls>
            self.before = self._finished(self._sums, self._sizes, slice(None))
        else:
            self.before = forward(self.model, cells.data).embedding

    def column(self, gene: int) -> Floats:
        """(n,) value of a gene in each cell."""
        return self._columns[:, [gene]].toarray()[:, 0]

    def after(self, gene: int) -> tuple[npt.NDArray[np.int64], Floats]:
        """Cells that change, and their (n_changed, D) embeddings.

        Cells that do not express a gene do not change when it is deleted.
        """
        if self.flags:
            return np.arange(self.values.shape[0]), self._flagged(gene)
        old = self.column(gene)
        new = np.zeros_like(old) if self.kind == "delete" else np.maximum(self._top, old)
        rows = np.flatnonzero(new != old)
        if self.is_bag:
            sums = self._sums[rows] + (new - old)[rows, None] * self._table[gene]
            sizes = self._sizes[rows] + (new > 0)[rows].astype(int) - (old > 0)[rows].astype(int)
            return rows, self._finished(sums, sizes, rows)
        data = changed(self.cells.data, self.values, rows, gene, new[rows])
        return rows, forward(self.model, data, text="Perturbing cells").embedding

    def shift(self, gene: int) -> Floats:
        """(n, D) difference that the perturbation makes to each embedding."""
        shift = np.zeros_like(self.before)
        rows, after = self.after(gene)
        shift[rows] = after - self.before[rows]
        return shift

    @torch.inference_mode()
    def _finished(
        self, sums: Floats, sizes: npt.NDArray[np.int64], rows: slice | npt.NDArray[np.int64]
    ) -> Floats:
        assert isinstance(self.model.pool, BagPool)
        if not len(sums):
            return np.zeros((0, self.model.config.d_cell), np.float32)
        pooled = sums / sizes[:, None] if self.model.pool.method == "mean" else sums
        ids, device = self.cells.data.batch_ids, next(self.model.parameters()).device
        batches = None if ids is None else torch.from_numpy(ids[rows]).to(device)
        cells = torch.from_numpy(pooled.astype(np.float32)).to(device)
        return self.model.finish(cells, batches)[0].float().cpu().numpy()

    @torch.inference_mode()
    def _flagged(self, gene: int | None) -> Floats:
        """All known genes as tokens in one order, without ``<cls>``, and one of them flagged."""
        device, parts = next(self.model.parameters()).device, []
        order = self._known
        flags = torch.zeros(1, len(order), dtype=torch.long)
        if gene is not None:
            flags[0, int(np.searchsorted(order, gene))] = 1
        for start in range(0, self.values.shape[0], _FLAGGED):
            block = self.values[start : start + _FLAGGED][:, order].toarray()
            ids = torch.from_numpy(np.broadcast_to(order, block.shape).copy())
            out = self.model(
                ids.to(device),
                torch.from_numpy(block).to(device),
                perturbation_flags=flags.expand(len(block), -1).to(device),
                heads=(),
            )
            parts.append(out.cell_embedding.float().cpu().numpy())
        return np.concatenate(parts)


def changed(
    data: CellData,
    values: sparse.csr_matrix,
    rows: npt.NDArray[np.int64],
    gene: int,
    new: Floats,
) -> CellData:
    """Tokens of the cells ``rows`` with another value of a gene, 0 for no token."""
    block = values[rows].tolil()
    block[:, gene] = new[:, None]
    block = block.tocsr()
    block.eliminate_zeros()
    block.sort_indices()
    tokens = CellTokens(
        block.indptr.astype(np.int64),
        block.indices.astype(np.int32),
        block.data.astype(data.tokens.values.dtype),
    )
    ids = None if data.batch_ids is None else data.batch_ids[rows]
    return replace(data, tokens=tokens, labels=None, batch_ids=ids)
