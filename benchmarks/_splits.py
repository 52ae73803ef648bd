"""Which cells are learned from and which are asked about; the query's labels are taken off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scmamba.cli import demo
from scmamba.pp import expression, log_normalized

FILES = {
    "kang": "cells/kang_ctrl_8donors.h5ad",
    "pbmc4": "cells/pbmc_4batch.h5ad",
    "ood": "cells/kang_ctrl_8donors.h5ad",
}
KANG_QUERY = ("p101", "p1039", "p1244")
STRANGER = "Dendritic cells"
UNLABELLED = "Unknown"


@dataclass(frozen=True)
class Split:
    """Cells to learn from with their labels, and a query without.

    Attributes
    ----------
    truth
        (n_query,) labels of the query; UNLABELLED where nobody knows.
    n_top_genes
        Highly variable genes of the labelled cells that the peers see; None: all.
    """

    name: str
    train: AnnData
    query: AnnData
    truth: np.ndarray
    labels_key: str
    batch_key: str | None = None
    n_top_genes: int | None = None

    @property
    def labels(self) -> np.ndarray:
        """(n_train,) labels; UNLABELLED where a cell has none."""
        return self.train.obs[self.labels_key].to_numpy(dtype=str)

    def values(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix, np.ndarray]:
        """Log-normalised values of both parts over the genes that peers see, and which these are.

        Rows of the first are the labelled cells alone.
        """
        found = [expression(cells) for cells in (self.train, self.query)]
        train, query = (log_normalized(e.X, e.unit) for e in found)
        train = train[np.flatnonzero(self.labels != UNLABELLED)]
        genes = np.arange(train.shape[1])
        if self.n_top_genes is not None:
            part = sc.pp.highly_variable_genes(
                AnnData(train), n_top_genes=self.n_top_genes, inplace=False
            )
            genes = np.flatnonzero(part["highly_variable"])
        return train[:, genes], query[:, genes], genes


def splits(name: str, data: Path, seeds: Sequence[int], cells: int | None) -> Iterator[Split]:
    """The splits of a benchmark; the demo's are numbered by its seeds."""
    if name == "demo":
        for seed in seeds:
            train, query = demo._split(seed)
            yield _split(f"split {seed}", train, query, demo._LABELS, None, None)
        return
    every = _read(data / FILES[name], cells)
    if name == "pbmc4":
        for batch in every.obs["batch"].unique():
            held = (every.obs["batch"] == batch).to_numpy()
            yield _split(batch, every[~held], every[held], "cell_type", "batch", 2000)
        return
    held = every.obs["donor"].isin(KANG_QUERY).to_numpy()
    learn = ~held
    if name == "ood":
        learn &= (every.obs["cell_type"] != STRANGER).to_numpy()
    yield _split(", ".join(KANG_QUERY), every[learn], every[held], "cell_type", "donor", None)


def _split(
    name: str, train: AnnData, query: AnnData, key: str, batch_key: str | None, top: int | None
) -> Split:
    query = query.copy()
    truth = query.obs.pop(key).to_numpy(dtype=str)
    return Split(name, train.copy(), query, truth, key, batch_key, top)


def _read(path: Path, cells: int | None) -> AnnData:
    """All cells of a file, or about ``cells`` of them with a few of every type."""
    adata = ad.read_h5ad(path)
    if cells is None or cells >= adata.n_obs:
        return adata
    order = np.random.default_rng(0).permutation(adata.n_obs)
    rank = adata.obs.iloc[order].groupby("cell_type", observed=True).cumcount().to_numpy()
    return adata[np.union1d(order[:cells], order[rank < 20])].copy()
