"""Blood cells shipped with scanpy, which need no download."""

from __future__ import annotations

import warnings

from anndata import AnnData


def pbmc68k_reduced() -> AnnData:
    """Load 700 human blood cells of 10x Genomics' PBMC 68k data set, with cell types.

    Returns
    -------
    AnnData of 700 cells and 765 genes: scaled values in X, log-normalized values in ``raw.X``
    (which scmamba reads), ten cell types in ``obs["bulk_labels"]``, a UMAP in ``obsm["X_umap"]``.
    Copyright 10x Genomics, distributed by scanpy.

    Examples
    --------
    >>> from scmamba.datasets import pbmc68k_reduced
    >>> adata = pbmc68k_reduced()
    >>> adata.shape, adata.obs["bulk_labels"].nunique()
    ((700, 765), 10)
    """
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)  # about the age of the file
        return sc.datasets.pbmc68k_reduced()
