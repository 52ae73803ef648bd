"""Scores and pictures of integrated cells, for the command that makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import pandas as pd

from scmamba import metrics, pl
from scmamba._keys import Keys
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.benchmark._integration.methods.pca import principal_components
from scmamba.benchmark.umap import umap
from scmamba.cli._cells import MOST_SHOWN
from scmamba.pp import log_normalized
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import open_cells, sample
from scmamba.tasks._gather import gather
from scmamba.tasks._integrating import together

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    from scmamba.tasks import Integrator

_N_GENES = 2000
_BEFORE = "X_before"


def before(paths: Sequence[Path], n_cells: int, **where: Any) -> np.ndarray:
    """Principal components of log-normalized values of some cells, batches as they are.

    Parameters
    ----------
    paths
        Files with the ``n_cells`` cells.
    n_cells
        Number of cells; those of :func:`scmamba.cli._cells.read_some` are taken.
    where
        ``layer`` and ``gene_key`` of :func:`scmamba.pp.expression`.

    Returns
    -------
    (n, at most 50) principal components.
    """
    import scanpy as sc

    rows, start, parts = sample(n_cells, MOST_SHOWN, settings.seed), 0, []
    for path in paths:
        with open_cells(path) as source:
            own = rows[(rows >= start) & (rows < start + source.n_obs)] - start
            parts.append(
                gather(Expressions.of(source, **where), own, "to show them as they were")[0]
            )
            start += source.n_obs
    stacked = together(parts)
    cells = anndata.AnnData(log_normalized(stacked.X, stacked.unit))
    if cells.n_vars > _N_GENES:
        sc.pp.highly_variable_genes(cells, n_top_genes=_N_GENES)
        cells = cells[:, cells.var["highly_variable"]]
    return principal_components(cells.X, settings.seed)


def scores(
    some: AnnData, keys: Keys, batch_key: str, truth_key: str, uncorrected: np.ndarray
) -> metrics.IntegrationScores:
    """Scores of the embedding, beside those of the uncorrected one."""
    cells = anndata.AnnData(obs=some.obs[[batch_key, truth_key]])
    cells.obsm[_BEFORE] = uncorrected
    cells.obsm[keys.embedding] = some.obsm[keys.embedding]
    names = [_BEFORE, keys.embedding]
    return metrics.integration(cells, batch_key, truth_key, names, pre_integrated=_BEFORE)


def write_report(
    path: Path,
    title: str,
    adata: AnnData,
    some: AnnData,
    keys: Keys,
    batch_key: str,
    labels_key: str | None,
    uncorrected: np.ndarray,
    fitted: Integrator,
    found: metrics.IntegrationScores | None,
) -> None:
    """Write the report of ``scmamba integrate``; ``some`` of the cells are drawn."""
    shown = anndata.AnnData(obs=some.obs)
    shown.uns = {name: value for name, value in adata.uns.items() if name.endswith("_colors")}
    logger.info("drawing %s cells", f"{some.n_obs:,}")
    shown.obsm["X_umap_before"] = umap(uncorrected)
    shown.obsm["X_umap"] = umap(some.obsm[keys.embedding])
    caption = "Batches should mix from left to right, cell types should not."
    if some.n_obs < adata.n_obs:
        caption += f" {some.n_obs:,} of the cells are drawn."
    parts: dict[str, Any] = {caption: pl.integration_umap(shown, batch_key, labels_key)}
    tiles = {"cells": f"{adata.n_obs:,}", "batches": f"{adata.obs[batch_key].nunique()}"}
    if found is not None:
        parts["Scores of scib-metrics: mixing of batches, and cell types kept."] = (
            pl.integration_scores(found)
        )
        tiles["total score"] = f"{found.table.at[keys.embedding, 'Total']:.3f}"
        tiles["before correction"] = f"{found.table.at[_BEFORE, 'Total']:.3f}"
    if keys.distance in adata.obs:
        parts["How far from the reference (1 is usual)"] = _distances(adata, keys, batch_key)
    if len(fitted.history):
        parts["What was learned, stage after stage."] = pl.training_curve(fitted.history)
    pl.report(path, title, parts, tiles=tiles)


def _distances(adata: AnnData, keys: Keys, batch_key: str) -> pd.DataFrame:
    """Cells of each mapped batch with their median distance."""
    groups = adata.obs.groupby(batch_key, observed=True)[keys.distance]
    table = groups.agg(["size", "median"])
    table.columns = ["cells", "median distance"]
    return table.rename_axis(None)
