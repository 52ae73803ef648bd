"""Real blood cells that need no download: they come inside scanpy's wheel."""

from __future__ import annotations

import warnings

from anndata import AnnData


def pbmc68k_reduced() -> AnnData:
    """Return 700 human blood cells of 10x Genomics' PBMC 68k set, with labels.

    Returns
    -------
    AnnData, 700 x 765: scaled values in X, log-normalised ones in ``raw.X`` (which scmamba takes),
    ten cell types in ``obs["bulk_labels"]``, a UMAP in ``obsm["X_umap"]``. Copyright 10x Genomics,
    distributed by scanpy.
    """
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)  # of the file's age
        return sc.datasets.pbmc68k_reduced()
