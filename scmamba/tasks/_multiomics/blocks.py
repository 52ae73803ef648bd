"""What a multi-omics model is fitted on: one matrix per modality, and what of it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.tasks._multiomics.places import Places

Kind = Literal["rna", "prot", "atac"]
"""Gene expression, surface proteins, or accessibility of chromatin."""
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Values of one modality, in the rows and columns of the whole data set.

    Attributes
    ----------
    name, kind
        Its name, and what it holds.
    X
        (n_cells, n_features) canonical CSR: counts, or 1 for an open peak. Rows of cells that were
        not measured are empty, and mean nothing.
    measured
        (n_cells,) whether the modality was measured in a cell.
    features
        (n_features,) names.
    covered
        (n_panels, n_features) which features were measured together.
    panel
        (n_cells,) panel of each cell; of cells that were not measured it means nothing.
    places
        Places of the features in the genome, or None.
    """

    name: str
    kind: Kind
    X: sparse.csr_matrix
    measured: Bools
    features: tuple[str, ...]
    covered: Bools
    panel: Ints
    places: Places | None = None

    @property
    def rows(self) -> Ints:
        """Positions of the cells that were measured."""
        return np.flatnonzero(self.measured)

    def take(self, rows: Ints) -> Block:
        """Return the cells ``rows`` alone, in that order."""
        return replace(self, X=self.X[rows], measured=self.measured[rows], panel=self.panel[rows])

    def choose(self, columns: Ints) -> Block:
        """Return the features ``columns`` alone, in that order."""
        names = tuple(self.features[i] for i in columns)
        X = self.X[:, columns].tocsr()
        X.sort_indices()
        places = None if self.places is None else self.places.take(columns)
        return replace(self, X=X, features=names, covered=self.covered[:, columns], places=places)

    def covered_in(self, batch_ids: Ints, n_batches: int) -> Bools:
        """(n_batches, n_features) whether a feature was measured in any cell of a batch."""
        found = np.zeros((n_batches, len(self.features)), bool)
        for batch in range(n_batches):
            panels = np.unique(self.panel[self.measured & (batch_ids == batch)])
            found[batch] = self.covered[panels].any(0)
        return found

    def hide(self, rows: Bools) -> Block:
        """Return a copy in which cells ``rows`` (n_cells,) count as not measured."""
        kept = self.measured & ~rows
        return replace(self, X=rows_only(self.X, kept), measured=kept)


@dataclass(frozen=True)
class Blocks:
    """The modalities of a data set, over one list of cells.

    Attributes
    ----------
    blocks
        One per modality.
    batch_ids
        (n_cells,) batch of each cell.
    """

    blocks: tuple[Block, ...]
    batch_ids: Ints

    def __len__(self) -> int:
        """Return how many cells there are."""
        return len(self.batch_ids)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(block.name for block in self.blocks)

    def __getitem__(self, name: str) -> Block:
        """Return the modality ``name``."""
        return self.blocks[self.names.index(name)]

    def take(self, rows: Ints) -> Blocks:
        """Return the cells ``rows`` alone, in that order."""
        return Blocks(tuple(b.take(rows) for b in self.blocks), self.batch_ids[rows])

    def only(self, names: Sequence[str]) -> Blocks:
        """Return a copy in which all other modalities count as not measured."""
        everywhere = np.ones(len(self), dtype=bool)
        kept = tuple(b if b.name in names else b.hide(everywhere) for b in self.blocks)
        return Blocks(kept, self.batch_ids)

    @property
    def measured(self) -> Bools:
        """(n_cells, n_modalities) what was measured in which cell."""
        return np.stack([block.measured for block in self.blocks], 1)


def rows_only(X: sparse.csr_matrix, kept: Bools) -> sparse.csr_matrix:
    """Empty all rows of ``X`` but those where ``kept`` is True."""
    if kept.all():
        return X
    lengths = np.where(kept, np.diff(X.indptr), 0)
    values = np.repeat(kept, np.diff(X.indptr))
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(X.indptr.dtype)
    return sparse.csr_matrix((X.data[values], X.indices[values], indptr), shape=X.shape)
