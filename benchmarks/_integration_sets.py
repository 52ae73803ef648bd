"""Data sets and made-up designs on which batch correction is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

_BLOOD = "cells/pbmc_4batch.h5ad"


@dataclass(frozen=True)
class IntegrationSet:
    """Cells, the column of their batch and the column of their type.

    Attributes
    ----------
    title
        Name in tables.
    file
        Below the folder of data.
    change
        Makes a design of the cells; None: they are taken as they are.
    """

    title: str
    file: str
    batch: str
    label: str
    change: Callable[[ad.AnnData], ad.AnnData] | None = None

    def read(self, data: Path) -> ad.AnnData:
        """Read the cells."""
        adata = ad.read_h5ad(data / self.file)
        return adata if self.change is None else self.change(adata)


def _halves(adata: ad.AnnData, n: int = 1600, n_batches: int = 2) -> ad.AnnData:
    """Cells of the largest study with known types, dealt out at random to batches."""
    known = adata.obs["cell_type"].astype(str).str.lower() != "unknown"
    study = adata.obs["batch"][known].value_counts().index[0]
    rows = np.flatnonzero(known & (adata.obs["batch"] == study))
    rng = np.random.default_rng(0)
    cells = adata[np.sort(rng.permutation(rows)[:n])].copy()
    names = rng.integers(0, n_batches, cells.n_obs).astype(str)
    cells.obs["batch"] = pd.Categorical(names)
    cells.X = sparse.csr_matrix(cells.X)
    return cells


def _one_type(adata: ad.AnnData) -> ad.AnnData:
    """Two studies; of the second, the most frequent type alone."""
    sizes = adata.obs["batch"].value_counts()
    first, second = sizes.index[:2]
    labels = adata.obs["cell_type"].astype(str)
    here = adata.obs["batch"] == second
    kept = labels[here & (labels.str.lower() != "unknown")].value_counts().index[0]
    rows = np.flatnonzero((adata.obs["batch"] == first) | (here & (labels == kept)))
    return adata[rows].copy()


def _shallow(adata: ad.AnnData) -> ad.AnnData:
    """One study; half of its cells keep a tenth of their counts."""
    cells = _halves(adata)
    counts, rng = cells.X.tocsr(), np.random.default_rng(1)
    thin = np.repeat(cells.obs["batch"] == "1", np.diff(counts.indptr))
    drawn = rng.binomial(counts.data.astype(np.int64), 0.1)
    counts.data = np.where(thin, drawn, counts.data).astype(np.float32)
    counts.eliminate_zeros()
    cells.X = counts
    return cells[np.asarray(counts.sum(1)).ravel() > 0].copy()


def _full_length(adata: ad.AnnData) -> ad.AnnData:
    """One study; in half of its cells counts grow with the length of a gene, made up."""
    cells = _halves(adata)
    factors = np.random.default_rng(2).lognormal(1.0, 1.0, cells.n_vars)
    return _scaled(cells, np.stack([np.ones(cells.n_vars), factors]))


def _twelve(adata: ad.AnnData) -> ad.AnnData:
    """One study in 12 small batches, each with a factor of its own for every gene."""
    cells = _halves(adata, 1200, 12)
    return _scaled(cells, np.random.default_rng(3).lognormal(0, 0.4, (12, cells.n_vars)))


def _scaled(cells: ad.AnnData, factors: np.ndarray) -> ad.AnnData:
    """Poisson draws of counts times the factors of each cell's batch and gene."""
    counts, rng = cells.X.tocsr(), np.random.default_rng(4)
    batch = np.repeat(cells.obs["batch"].astype(int).to_numpy(), np.diff(counts.indptr))
    mean = counts.data * factors[batch, counts.indices]
    counts.data = np.where(batch == 0, counts.data, rng.poisson(mean)).astype(np.float32)
    counts.eliminate_zeros()
    cells.X = counts
    return cells


SETS = {
    "lung": IntegrationSet("mouse lung, by batch", "cells/mouse_lung.h5ad", "batch", "cell_type"),
    "baron": IntegrationSet(
        "pancreas (Baron), by donor", "cells/pancreas_baron.h5ad", "donor", "cell_type"
    ),
    "ifnb": IntegrationSet(
        "Kang, by condition", "perturb/kang_ifnb_full.h5ad", "condition", "cell_type"
    ),
    "pbmc": IntegrationSet("four blood studies", _BLOOD, "batch", "cell_type"),
    "kang": IntegrationSet("Kang, by donor", "cells/kang_ctrl_8donors.h5ad", "donor", "cell_type"),
    "one_type": IntegrationSet("one batch of one type", _BLOOD, "batch", "cell_type", _one_type),
    "shallow": IntegrationSet(
        "one batch at a tenth of the depth", _BLOOD, "batch", "cell_type", _shallow
    ),
    "length": IntegrationSet(
        "full-length and 3' counts", _BLOOD, "batch", "cell_type", _full_length
    ),
    "twelve": IntegrationSet("12 small batches", _BLOOD, "batch", "cell_type", _twelve),
}
