"""A UMAP of an embedding, for pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_NEIGHBORS = 15


def umap(embedding: np.ndarray) -> np.ndarray:
    """(n, 2) places of an embedding (n, d), by scanpy's settings."""
    import anndata
    import numpy as np
    import scanpy as sc

    cells = anndata.AnnData(obsm={"X": np.asarray(embedding, np.float32)})
    sc.pp.neighbors(cells, use_rep="X", n_neighbors=min(_NEIGHBORS, len(embedding) - 1))
    sc.tl.umap(cells, random_state=0)
    return cells.obsm["X_umap"]
