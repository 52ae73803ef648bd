"""Blood cells shipped with scanpy, which need no download."""

from __future__ import annotations

import warnings

import numpy as np
from anndata import AnnData
from scipy import sparse

_TARGET_SUM = 1e4  # to which scanpy's file was normalized before the logarithm


def pbmc68k_reduced(*, counts: bool = False) -> AnnData:
    """Load 700 human blood cells of 10x Genomics' PBMC 68k data set, with cell types.

    Parameters
    ----------
    counts
        Whether to return the counts, as they come from a sequencer: they are computed back from
        ``raw.X`` and ``obs["n_counts"]``, and scaled values, embeddings and ``raw`` are left out.

    Returns
    -------
    AnnData of 700 cells and 765 genes: scaled values in X, log-normalized values in ``raw.X``
    (which scmamba reads), ten cell types in ``obs["bulk_labels"]``, a UMAP in ``obsm["X_umap"]``;
    with ``counts``, float32 counts in X as CSR, and ``obs`` as it is. Copyright 10x Genomics,
    distributed by scanpy.

    Examples
    --------
    >>> from scmamba.datasets import pbmc68k_reduced
    >>> adata = pbmc68k_reduced()
    >>> adata.shape, adata.obs["bulk_labels"].nunique()
    ((700, 765), 10)
    >>> float(pbmc68k_reduced(counts=True).X.max())
    259.0
    """
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)  # about the age of the file
        adata = sc.datasets.pbmc68k_reduced()
    if not counts:
        return adata
    depth = sparse.diags(adata.obs["n_counts"].to_numpy(np.float64) / _TARGET_SUM)
    X = sparse.csr_matrix(depth @ adata.raw.X.astype(np.float64).expm1())
    X.data = np.rint(X.data).astype(np.float32)
    return AnnData(X.astype(np.float32), obs=adata.obs.copy(), var=adata.raw.var[[]].copy())
