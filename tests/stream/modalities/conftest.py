"""Small data with RNA, proteins and chromatin."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse


def table(n_cells: int, names: list[str], seed: int = 0, start: int = 0) -> ad.AnnData:
    """Counts of at least 1 in every cell."""
    counts = np.random.default_rng(seed).poisson(1.5, (n_cells, len(names)))
    counts[:, 0] += 1
    cells = [f"c{start + i}" for i in range(n_cells)]
    X = sparse.csr_matrix(counts.astype(np.float32))
    return ad.AnnData(X, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=names))


@pytest.fixture
def rna() -> ad.AnnData:
    """Twelve cells, five genes, one of which is named as a protein."""
    adata = table(12, ["CD4", "CD8A", "MS4A1", "GNLY", "LYZ"])
    adata.obs["batch"] = ["a"] * 6 + ["b"] * 6
    return adata


@pytest.fixture
def prot() -> ad.AnnData:
    """The same cells, three proteins and a control."""
    return table(12, ["CD4", "CD8a_TotalSeqB", "CD19-CTGGGCAATTACTCG", "IgG1-control"], 1)


@pytest.fixture
def atac() -> ad.AnnData:
    """The same cells, four peaks, out of order."""
    return table(12, ["chr2:10-20", "chr1-30-40", "1_10_20", "chrX:5-9"], 2)
