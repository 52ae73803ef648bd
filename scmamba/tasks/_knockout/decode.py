"""Expression that goes with a cell embedding, learned from cells that were not perturbed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.models.cell.ridge import fit_ridge

MOST_CELLS = 1_500
"""Cells that the decoder is fitted on, at most."""
_FEWEST = 0.01
"""Share of cells that express a gene which is decoded, at least."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decoder:
    """Ridge regression of log-normalized expression on the cell embedding.

    Attributes
    ----------
    genes
        (n_genes,) columns that are decoded: those that 1 % of the cells express.
    weight
        (D, n_genes) change of expression per unit of the embedding.
    scale
        (n_genes,) standard deviation of each gene's expression.
    r2
        Share of variance that it explains in held-out cells, at most 1.
    """

    genes: npt.NDArray[np.int64]
    weight: Floats
    scale: Floats
    r2: float


def fit_decoder(
    embedding: npt.NDArray[np.float32], expression: sparse.csr_matrix, seed: int
) -> Decoder:
    """Fit expression (n, n_genes) on embeddings (n, D) of the same cells."""
    n = expression.shape[0]
    rows = np.arange(n)
    if n > MOST_CELLS:
        rows = np.sort(np.random.default_rng(seed).choice(n, MOST_CELLS, replace=False))
    share = np.asarray((expression > 0).mean(0)).ravel()
    genes = np.flatnonzero(share >= _FEWEST)
    target = expression[rows][:, genes].toarray().astype(np.float64)
    fitted = fit_ridge(embedding[rows].astype(np.float64), target, n_folds=3, seed=seed)
    return Decoder(genes, fitted.weight, target.std(0), fitted.r2)
