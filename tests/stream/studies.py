"""Small studies on disk for tests of corpora and pretraining."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

GENES = ["CD3E", "CD3D", "MS4A1", "NKG7", "LYZ", "CD8A", "CD4", "GNLY", "CD79A", "CST3"] + [
    f"RPL{i}" for i in range(3, 33)
]


def study(n: int, seed: int, genes: list[str] = GENES) -> ad.AnnData:
    """Cells of two types; the type decides which half of the genes is high."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % 2
    high = (np.arange(len(genes)) % 2)[None] == kind[:, None]
    counts = rng.poisson(np.where(high, 4.0, 1.0) * rng.uniform(0.5, 2, (n, 1)))
    found = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    found.var_names, found.obs_names = genes, [f"cell{i}" for i in range(n)]
    found.obs["cell_type"] = np.where(kind == 0, "T", "B")
    return found


def write_studies(folder: Path, sizes: tuple[int, ...] = (50, 41, 30)) -> Path:
    """Files study0, study1, ... of the same genes."""
    folder.mkdir(exist_ok=True)
    for i, n in enumerate(sizes):
        study(n, i).write_h5ad(folder / f"study{i}.h5ad")
    return folder
