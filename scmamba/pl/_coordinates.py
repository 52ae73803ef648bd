"""Places of cells on a plane, and principal components of their expression."""

from __future__ import annotations

import anndata
import numpy as np
import numpy.typing as npt
from anndata import AnnData

from scmamba.pp import expression, log_normalized

_NEIGHBORS, _GENES, _COMPONENTS = 15, 2000, 50

Floats = npt.NDArray[np.float64]


def umap(embedding: npt.NDArray[np.generic], seed: int = 0) -> Floats:
    """(n, 2) UMAP of an embedding (n, d), by scanpy's settings.

    Of fewer than four cells, the first two columns.
    """
    import scanpy as sc

    values = np.asarray(embedding, np.float32)
    if len(values) < 4:
        return np.hstack([values, np.zeros((len(values), 2), np.float32)])[:, :2].astype(float)
    cells = anndata.AnnData(obsm={"X": values})
    sc.pp.neighbors(
        cells, use_rep="X", n_neighbors=min(_NEIGHBORS, len(values) - 1), random_state=seed
    )
    sc.tl.umap(cells, random_state=seed)
    return np.asarray(cells.obsm["X_umap"], dtype=np.float64)


def log_values(adata: AnnData, layer: str | None = None) -> AnnData:
    """Log-normalized values of the cells, on genes with distinct names.

    Raises
    ------
    ScmambaError
        Expression cannot be used.
    """
    found = expression(adata, layer=layer if layer in adata.layers else None)
    cells = anndata.AnnData(log_normalized(found.X, found.unit))
    cells.obs_names, cells.var_names = found.obs_names, found.var_names.astype(str)
    cells.var_names_make_unique()
    return cells


def uncorrected(cells: AnnData, seed: int = 0) -> Floats:
    """(n, at most 50) principal components of log-normalized values, batches as they are."""
    import scanpy as sc

    cells = cells.copy()
    if cells.n_vars > _GENES:
        sc.pp.highly_variable_genes(cells, n_top_genes=_GENES)
        cells = cells[:, cells.var["highly_variable"]].copy()
    n = min(_COMPONENTS, min(cells.shape) - 1)
    if n < 1:
        return np.zeros((cells.n_obs, 2))
    sc.pp.pca(cells, n_comps=n, random_state=seed)
    return np.asarray(cells.obsm["X_pca"], dtype=np.float64)
