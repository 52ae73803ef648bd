"""Synthetic counts with known cell types, marker genes and batches."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.tokens.cells.genes import human_symbols

_BLOCK = 1024  # cells drawn at once
_DISPERSION = 2.0  # negative binomial: variance = mean + mean^2 / 2
_MARKER_SHARE = 0.5  # fraction of genes that are markers
_MARKER_FOLD = 6.0
_BATCH_SPREAD = 0.25  # standard deviation of the log fold change of a gene in a batch
_DEPTH = 0.8  # mean counts per gene and cell


def synthetic(
    n_cells: int = 300,
    n_genes: int = 200,
    n_types: int = 3,
    n_batches: int = 1,
    seed: int = 0,
    *,
    human: bool = False,
) -> AnnData:
    """Simulate counts of cells with marker genes for each type and small batch effects.

    Counts are negative binomial, and more than half of them are zero. Half of the genes are
    markers, divided evenly among the types, with six-fold expression in their type. Types and
    batches are balanced and independent.

    Parameters
    ----------
    n_cells, n_genes
        Numbers of cells and genes, at least 1 each.
    n_types, n_batches
        Numbers of cell types and batches, at least 1 and at most ``n_cells`` each.
    seed
        Seed of the random number generator.
    human
        Whether to name the genes with random human gene symbols instead of ``gene_0``, ...

    Returns
    -------
    AnnData with float32 counts as CSR, categorical ``obs["cell_type"]`` and ``obs["batch"]``, and
    ``var["marker_of"]``, the type of which a gene is a marker (missing for other genes).

    Raises
    ------
    ScmambaError
        If a number is out of range, or exceeds the number of human genes.

    Examples
    --------
    >>> from scmamba.datasets import synthetic
    >>> adata = synthetic(n_cells=60, n_genes=40, n_types=3, n_batches=2)
    >>> adata.shape, adata.obs["cell_type"].cat.categories.tolist()
    ((60, 40), ['type_0', 'type_1', 'type_2'])
    """
    sizes = {"n_cells": n_cells, "n_genes": n_genes, "n_types": n_types, "n_batches": n_batches}
    if wrong := next((name for name, size in sizes.items() if size < 1), None):
        raise ScmambaError(f"{wrong}={sizes[wrong]}; allowed: at least 1")
    if max(n_types, n_batches) > n_cells:
        raise ScmambaError(
            f"n_types={n_types}, n_batches={n_batches}; allowed: at most n_cells={n_cells} each"
        )
    rng = np.random.default_rng(seed)
    names = _gene_names(rng, n_genes) if human else [f"gene_{i}" for i in range(n_genes)]
    marker_of = _markers(n_genes, n_types)
    types = rng.permutation(np.arange(n_cells) % n_types)
    batches = rng.permutation(np.arange(n_cells) % n_batches)
    rates = rng.lognormal(0, 1, n_genes)
    rates *= _DEPTH / rates.mean()
    type_rates = rates * np.where(np.arange(n_types)[:, None] == marker_of, _MARKER_FOLD, 1)
    batch_folds = np.exp(rng.normal(0, _BATCH_SPREAD, (n_batches, n_genes)))
    depths = rng.lognormal(0, 0.3, n_cells)
    blocks = []
    for start in range(0, n_cells, _BLOCK):
        part = slice(start, start + _BLOCK)
        means = type_rates[types[part]] * batch_folds[batches[part]] * depths[part, None]
        counts = rng.poisson(means * rng.gamma(_DISPERSION, 1 / _DISPERSION, means.shape))
        blocks.append(sparse.csr_matrix(counts, dtype=np.float32))
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical([f"type_{t}" for t in types]),
            "batch": pd.Categorical([f"batch_{b}" for b in batches]),
        },
        index=[f"cell_{i}" for i in range(n_cells)],
    )
    marks = [f"type_{t}" if t >= 0 else None for t in marker_of]
    var = pd.DataFrame({"marker_of": pd.Categorical(marks)}, index=names)
    return AnnData(sparse.vstack(blocks, format="csr"), obs=obs, var=var)


def _markers(n_genes: int, n_types: int) -> npt.NDArray[np.int64]:
    """Type of which each gene is a marker, -1 for none, shape (n_genes,)."""
    marker_of = np.full(n_genes, -1)
    n_markers = int(n_genes * _MARKER_SHARE)
    marker_of[:n_markers] = np.arange(n_markers) % n_types
    return marker_of


def _gene_names(rng: np.random.Generator, n_genes: int) -> list[str]:
    symbols = human_symbols()
    if n_genes > len(symbols):
        raise ScmambaError(f"n_genes={n_genes}; allowed with human=True: at most {len(symbols)}")
    return sorted(rng.choice(symbols, n_genes, replace=False).tolist())
