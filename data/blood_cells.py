"""Labeled blood cells of four studies, their labels brought to one list, copies counted once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from scmamba.pp import log_normalize

FOUR, KANG = "cells/pbmc_4batch.h5ad", "perturb/kang_ifnb_full.h5ad"
STUDIES = {
    "pbmc3k_10xv1": "pbmc3k",
    "pbmc4k_10xv2": "pbmc4k",
    "inhouse_cite": "citeseq",
    "kang_ctrl": "kang",
}
SOURCES = {
    "pbmc3k": ("10x Genomics, PBMC 3k (labels of Seurat's tutorial)", "CC BY 4.0; labels: MIT"),
    "pbmc4k": ("10x Genomics, PBMC 4k", "CC BY 4.0"),
    "citeseq": ("CITE-seq of PBMC of BREMSC, labels with surface proteins", "GPL-3 (package)"),
    "kang": ("Kang et al. 2018, GSE96583, control and IFN-beta", "GEO; labels: GPL-3, MIT"),
}
FINE = {
    "B cell": ["B", "B cells", "B Activated"],
    "CD4 T cell": ["CD4 T cells", "CD4+ T cells", "Memory CD4 T", "Naive CD4 T", "T_CD4"]
    + ["CD4 Naive T", "CD4 Memory T"],
    "CD8 T cell": ["CD8 T", "CD8 T cells", "CD8+ T cells", "T_CD8"],
    "NK cell": ["NK", "NK cells"],
    "CD14 monocyte": ["CD14+ Mono", "CD14+ Monocytes", "CD14+ monocytes", "CD14 Mono"],
    "CD16 monocyte": ["CD16+ monocytes", "FCGR3A+ Mono", "FCGR3A+ Monocytes", "CD16 Mono"],
    "dendritic cell": ["DC", "Dendritic cells", "pDC"],
    "platelet": ["Megakaryocytes", "Platelet", "Mk"],
}
"""Labels of the studies by fine type; cells with other labels count as unlabeled."""
ONE_OF = {
    "MNP": ["CD14 monocyte", "CD16 monocyte", "dendritic cell"],
    "T activated": ["CD4 T cell", "CD8 T cell"],
}
"""Labels that say less: which of the fine types these are is told by :func:`refined`."""
UNLABELED = "unknown"
_GIVEN = {name: fine for fine, names in FINE.items() for name in names}


def read_blood(data: Path) -> AnnData:
    """All cells over common genes: ``study``, ``given`` (label of the study), ``cell_type``.

    ``cell_type`` is a fine type, ``one of: LABEL``, or ``unknown``.
    """
    four, kang = ad.read_h5ad(data / FOUR), ad.read_h5ad(data / KANG)
    four.obs["study"] = four.obs["batch"].astype(str).map(STUDIES)
    four.obs["given"] = four.obs["cell_type_orig"].astype(str)
    four.obs["condition"] = "control"
    kang.obs["study"], kang.obs["given"] = "kang", kang.obs["cell_type"].astype(str)
    kang.obs["condition"] = np.where(kang.obs["condition"] == "stim", "IFN-beta", "control")
    kang.obs_names = "kang_full_" + kang.obs_names
    genes = four.var_names[four.var_names.isin(kang.var_names)]
    parts = []
    for part in (four, kang):
        part = part[:, genes].copy()
        part.obs = part.obs[["study", "given", "condition"]]
        parts.append(AnnData(sparse.csr_matrix(part.X), part.obs, pd.DataFrame(index=genes)))
    cells = without_copies(ad.concat(parts))
    given = cells.obs["given"]
    coarse = given.isin(ONE_OF)
    cells.obs["cell_type"] = given.map(_GIVEN).where(~coarse, "one of: " + given)
    cells.obs["cell_type"] = cells.obs["cell_type"].fillna(UNLABELED)
    return cells


def hashes(counts: sparse.csr_matrix) -> np.ndarray:
    """(n_cells,) a hash of each cell's counts; copies of a cell have the same."""
    counts = sparse.csr_matrix(counts)
    counts.sort_indices()
    rows = zip(counts.indptr[:-1], counts.indptr[1:], strict=True)
    return np.array(
        [
            hashlib.sha256(
                counts.indices[a:b].astype("<i4").tobytes()
                + counts.data[a:b].astype("<f4").tobytes()
            ).hexdigest()
            for a, b in rows
        ]
    )


def without_copies(cells: AnnData) -> AnnData:
    """The first of the cells that have the same counts of all genes."""
    return cells[~pd.Series(hashes(cells.X)).duplicated().to_numpy()].copy()


def refined(cells: AnnData) -> AnnData:
    """Copy in which each label ``one of: ...`` is the likeliest of the fine types it stands for.

    Logistic regression on the cells with a fine label decides, so that only the given cells count.
    """
    labels = cells.obs["cell_type"].astype(str).to_numpy(dtype=object)
    values = log_normalize(sparse.csr_matrix(cells.X))
    sure = np.array([label in FINE for label in labels])
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=200, tol=1e-3)
    wanted = [label for label in ONE_OF if f"one of: {label}" in labels]
    if wanted:
        model.fit(values[sure], labels[sure])
    for label in wanted:
        rows = np.flatnonzero(labels == f"one of: {label}")
        columns = np.flatnonzero(np.isin(model.classes_, ONE_OF[label]))
        best = model.predict_proba(values[rows])[:, columns].argmax(1)
        labels[rows] = model.classes_[columns[best]]
    made = cells.copy()
    made.obs["cell_type"] = labels
    return made
