"""Principal components, batches as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scmamba.benchmark._integration.methods.base import IntegrationMethod

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

N_COMPS = 50


def principal_components(X: Any, seed: int) -> np.ndarray:
    """(n_obs, at most 50) principal components of log-normalized values (n_obs, n_vars)."""
    import scanpy as sc

    return sc.pp.pca(X, n_comps=min(N_COMPS, min(X.shape) - 1), random_state=seed)


def pca(cells: AnnData, seed: int) -> np.ndarray:
    """Principal components of the cells."""
    return principal_components(cells.X, seed)


PCA = IntegrationMethod(pca, "scanpy", "PCA")
