"""Cells as tensors: random views of them in training, all of them for predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from scmamba.tasks._multiomics.blocks import Blocks
from scmamba.tasks._multiomics.coding import Coding
from scmamba.tasks._multiomics.encoder import Values
from scmamba.tasks._multiomics.likelihoods import Target

Ints = npt.NDArray[np.int64]
MOST_COLUMNS = 4096
"""Features of a step: a random part of many more stands for all."""


@dataclass(frozen=True)
class Batch:
    """Some cells, each once or in several views.

    Attributes
    ----------
    rows
        (B,) positions of the cells.
    values
        Of each modality.
    there
        (B, n_modalities) what the encoder may see.
    targets
        What is decoded of each modality; empty where nothing is.
    measured
        (B, n_modalities) whether the targets were measured.
    batch_ids
        (B,).
    anchors
        (B, n_latent) joint principal components of the cells, or None.
    """

    rows: Tensor
    values: list[Values]
    there: Tensor
    targets: list[Target]
    measured: Tensor
    batch_ids: Tensor
    anchors: Tensor | None = None


@dataclass(frozen=True)
class Cells:
    """Cells to draw from.

    Attributes
    ----------
    blocks
        Counts.
    values
        Coded values of each modality.
    anchors
        (n_cells, n_latent) joint principal components, or None.
    """

    blocks: Blocks
    values: tuple[sparse.csr_matrix, ...]
    anchors: npt.NDArray[np.float32] | None = None

    @classmethod
    def of(cls, blocks: Blocks, codings: Sequence[Coding]) -> Cells:
        """Code the values of all cells."""
        pairs = zip(blocks.blocks, codings, strict=True)
        return cls(blocks, tuple(coding.values(b, blocks.batch_ids) for b, coding in pairs))

    def views(
        self,
        rows: Ints,
        rng: np.random.Generator,
        keep: Sequence[float],
        keep_modality: float,
        most: int | None = None,
    ) -> Batch:
        """Two random views of each cell: of its features, and of its modalities.

        Parameters
        ----------
        rows
            Positions of the cells.
        rng
            Source of randomness.
        keep
            Fraction of the values of each modality that a view holds; they are scaled up.
        keep_modality
            Fraction of the modalities that it holds, one at least.
        most
            Most values of a modality in a view, on average; None: no limit.
        """
        twice = np.tile(rows, 2)
        measured = self.blocks.measured[twice]
        there = measured & (rng.random(measured.shape) < keep_modality)
        there = np.where(there.any(1, keepdims=True), there, measured)
        values = []
        for m, X in enumerate(self.values):
            part = X[twice]
            share = keep[m]
            if most is not None and part.nnz > most * len(twice):
                share = min(share, most * len(twice) / part.nnz)
            kept = rng.random(part.nnz, dtype=np.float32) < share
            kept &= np.repeat(there[:, m], np.diff(part.indptr))
            data = part.data[kept] / np.float32(share)
            counted = np.concatenate([[0], np.cumsum(kept)])
            values.append(_values(data, part.indices[kept], counted[part.indptr], there[:, m]))
        targets = [self._target(m, rows, 2, rng) for m in range(len(self.values))]
        return self._batch(twice, values, there, measured, targets)

    def whole(self, rows: Ints, there: npt.NDArray[np.bool_] | None = None) -> Batch:
        """Each cell once, with all of its values and without counts."""
        measured = self.blocks.measured[rows]
        seen = measured if there is None else measured & there
        values = []
        for m, X in enumerate(self.values):
            part = X[rows]
            kept = np.repeat(seen[:, m], np.diff(part.indptr))
            counted = np.concatenate([[0], np.cumsum(kept)])
            values.append(
                _values(part.data[kept], part.indices[kept], counted[part.indptr], seen[:, m])
            )
        return self._batch(rows, values, seen, measured, [])

    def _batch(
        self,
        rows: Ints,
        values: list[Values],
        there: npt.NDArray[np.bool_],
        measured: npt.NDArray[np.bool_],
        targets: list[Target],
    ) -> Batch:
        return Batch(
            torch.from_numpy(rows),
            values,
            torch.from_numpy(there),
            targets,
            torch.from_numpy(measured),
            torch.from_numpy(self.blocks.batch_ids[rows]),
            None if self.anchors is None else torch.from_numpy(self.anchors[rows]),
        )

    def _target(self, m: int, rows: Ints, times: int, rng: np.random.Generator) -> Target:
        """Return counts of ``rows``, repeated; of many features a random part."""
        block, columns = self.blocks.blocks[m], None
        X, covered = block.X[rows], block.covered
        size = torch.from_numpy(np.asarray(X.sum(1), dtype=np.float32).ravel())
        if X.shape[1] > MOST_COLUMNS:
            some = np.sort(rng.choice(X.shape[1], MOST_COLUMNS, replace=False))
            X, covered, columns = X[:, some], covered[:, some], torch.from_numpy(some)
        counts = torch.from_numpy(X.toarray().astype(np.float32))
        seen = torch.from_numpy(covered[block.panel[rows]])
        return Target(counts.repeat(times, 1), size.repeat(times), seen.repeat(times, 1), columns)


def _values(
    data: npt.NDArray[np.float32],
    indices: npt.NDArray[np.int32],
    indptr: npt.NDArray[np.int64],
    there: npt.NDArray[np.bool_],
) -> Values:
    return Values(
        torch.from_numpy(indices.astype(np.int64)),
        torch.from_numpy(np.ascontiguousarray(data, dtype=np.float32)),
        torch.from_numpy(indptr[:-1].astype(np.int64)),
        torch.from_numpy(there),
    )
