"""Synthetic cells with genes, surface proteins and open chromatin."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.datasets.synthetic import synthetic

_SIGNAL, _BACKGROUND = 200.0, 10.0
_OPEN = 0.05
_FOLD = 5.0
_GAP, _LENGTH = 20_000, 500  # base pairs from peak to peak, and of a peak


def synthetic_multiome(
    n_cells: int = 300,
    n_genes: int = 60,
    n_proteins: int = 6,
    n_peaks: int = 90,
    n_types: int = 3,
    n_batches: int = 1,
    seed: int = 0,
) -> dict[str, AnnData]:
    """Simulate cells of several types, measured in three modalities.

    Genes are those of :func:`scmamba.datasets.synthetic`. Each protein is a marker of one type,
    with twenty times the background there; each peak is open more often in one type, and
    neighbors on the chromosome belong to the same type.

    Parameters
    ----------
    n_cells, n_genes, n_proteins, n_peaks
        Numbers of cells and features; 0 proteins or peaks leave that modality out.
    n_types, n_batches
        Numbers of cell types and batches.
    seed
        Seed of the random number generator.

    Returns
    -------
    AnnData by modality, ``"rna"``, ``"prot"`` and ``"atac"``, with the same cells: counts, and 1
    for open peaks.

    Raises
    ------
    ScmambaError
        If a number is out of range.

    Examples
    --------
    >>> from scmamba.datasets import synthetic_multiome
    >>> cells = synthetic_multiome(n_cells=30)
    >>> {name: adata.shape for name, adata in cells.items()}
    {'rna': (30, 60), 'prot': (30, 6), 'atac': (30, 90)}
    """
    for name, size in (("n_proteins", n_proteins), ("n_peaks", n_peaks)):
        if size < 0:
            raise ScmambaError(f"{name}={size}; allowed: at least 0")
    rna = synthetic(n_cells, n_genes, n_types, n_batches, seed)
    rng = np.random.default_rng(seed + 1)
    types = rna.obs["cell_type"].cat.codes.to_numpy()
    cells = {"rna": rna}
    if n_proteins:
        own = np.arange(n_proteins) % n_types == types[:, None]
        means = np.where(own, _SIGNAL, _BACKGROUND) * rng.lognormal(0, 0.2, (n_cells, 1))
        counts = rng.poisson(means * rng.gamma(4.0, 0.25, means.shape))
        cells["prot"] = _anndata(counts, [f"protein_{i}" for i in range(n_proteins)], rna)
    if n_peaks:
        own = (np.arange(n_peaks) * n_types // n_peaks) == types[:, None]
        opened = rng.random((n_cells, n_peaks)) < np.where(own, _OPEN * _FOLD, _OPEN)
        starts = np.arange(n_peaks) * _GAP
        names = [f"chr1:{start}-{start + _LENGTH}" for start in starts]
        cells["atac"] = _anndata(opened, names, rna)
    return cells


def _anndata(values: np.ndarray, names: list[str], rna: AnnData) -> AnnData:
    X = sparse.csr_matrix(values.astype(np.float32))
    return AnnData(X, obs=rna.obs.copy(), var=pd.DataFrame(index=names))
