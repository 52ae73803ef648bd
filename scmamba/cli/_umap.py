"""A UMAP of an embedding, for pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

_NEIGHBORS = 15


def add_umap(adata: AnnData, embedding: np.ndarray, key: str = "X_umap") -> None:
    """Write a UMAP of ``embedding``, (n_obs, d), to ``obsm[key]``, by scanpy's settings."""
    import anndata
    import numpy as np
    import scanpy as sc

    light = anndata.AnnData(obsm={"X": np.asarray(embedding, np.float32)})
    sc.pp.neighbors(light, use_rep="X", n_neighbors=min(_NEIGHBORS, adata.n_obs - 1))
    sc.tl.umap(light, random_state=0)
    adata.obsm[key] = light.obsm["X_umap"]
