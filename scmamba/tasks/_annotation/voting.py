"""One label for each cluster: that of most of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN

Objects = npt.NDArray[np.object_]

_RESOLUTIONS = ((5_000, 5), (20_000, 10), (40_000, 15), (100_000, 20), (200_000, 25))
"""Cells up to which a resolution of Leiden is used, as in CellTypist; 30 for more."""
_N_NEIGHBORS = 15


def check_clustering() -> None:
    """Raise ScmambaError where the package that clusters is not installed."""
    if find_spec("igraph") is None:
        raise ScmambaError(
            "majority_voting=True clusters cells by Leiden, which needs igraph (pip install "
            "igraph); or name an obs column with clusters, such as majority_voting='leiden'"
        )


def over_cluster(coordinates: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.int64]:
    """(n,) cluster of each cell: many small ones, by Leiden on a graph of nearest neighbors.

    Parameters
    ----------
    coordinates
        (n, k) principal components.
    seed
        Random seed.
    """
    import anndata as ad
    import scanpy as sc

    n = len(coordinates)
    if n < 3:
        return np.arange(n)
    cells = ad.AnnData(obsm={"X_pca": coordinates.astype(np.float32)}, shape=(n, 0))
    sc.pp.neighbors(cells, min(_N_NEIGHBORS, n - 1), use_rep="X_pca", random_state=seed)
    resolution = next((r for most, r in _RESOLUTIONS if n <= most), 30)
    sc.tl.leiden(
        cells, resolution, flavor="igraph", n_iterations=2, directed=False, random_state=seed
    )
    return cells.obs["leiden"].to_numpy().astype(np.int64)


def majority(labels: Sequence[str] | Objects, clusters: npt.NDArray[np.generic]) -> Objects:
    """(n,) label that more than half of the cells of each cell's cluster have, else ``unknown``.

    Cells without a cluster (NaN) keep their label.

    Parameters
    ----------
    labels
        (n,) label of each cell, ``unknown`` among them.
    clusters
        (n,) cluster of each cell.

    Examples
    --------
    >>> majority(["B", "B", "unknown", "NK", "B"], [0, 0, 0, 1, 1]).tolist()
    ['B', 'B', 'B', 'unknown', 'unknown']
    """
    own = np.asarray(labels, dtype=object)
    codes, names = pd.factorize(np.asarray(clusters, dtype=object))
    found = own.copy()
    votes = pd.crosstab(codes[codes >= 0], own[codes >= 0])
    share = votes.to_numpy() / votes.to_numpy().sum(1, keepdims=True)
    winner = votes.columns.to_numpy(dtype=object)[share.argmax(1)]
    winner[share.max(1) <= 0.5] = UNKNOWN
    found[codes >= 0] = winner[codes[codes >= 0]]
    return found
