"""Scores and pictures of integrated cells, for the command that makes them."""

from __future__ import annotations

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
from scmamba.pp import expression, log_normalized
from scmamba.stream.source import sample

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    from scmamba.tasks import Integrator

_MOST_DRAWN = 20_000
_N_GENES = 2000
_BEFORE = "X_before"


def before(adata: AnnData, **where: Any) -> np.ndarray:
    """(n_obs, at most 50) principal components of log-normalized values, batches as they are.

    Parameters
    ----------
    where
        ``layer``, ``use_raw`` and ``gene_key`` of :func:`scmamba.pp.expression`.
    """
    import scanpy as sc

    found = expression(adata, **where)
    cells = anndata.AnnData(log_normalized(found.X, found.unit))
    if cells.n_vars > _N_GENES:
        sc.pp.highly_variable_genes(cells, n_top_genes=_N_GENES)
        cells = cells[:, cells.var["highly_variable"]]
    return principal_components(cells.X, settings.seed)


def scores(
    adata: AnnData, keys: Keys, batch_key: str, truth_key: str, uncorrected: np.ndarray
) -> metrics.IntegrationScores:
    """Of the embedding, beside the uncorrected one."""
    cells = anndata.AnnData(obs=adata.obs[[batch_key, truth_key]])
    cells.obsm[_BEFORE] = uncorrected
    cells.obsm[keys.embedding] = adata.obsm[keys.embedding]
    names = [_BEFORE, keys.embedding]
    return metrics.integration(cells, batch_key, truth_key, names, pre_integrated=_BEFORE)


def write_report(
    path: Path,
    title: str,
    adata: AnnData,
    keys: Keys,
    batch_key: str,
    labels_key: str | None,
    uncorrected: np.ndarray,
    fitted: Integrator,
    found: metrics.IntegrationScores | None,
) -> None:
    """Write the report of ``scmamba integrate``."""
    rows = sample(adata.n_obs, _MOST_DRAWN, settings.seed)
    shown = anndata.AnnData(obs=adata.obs.iloc[rows])
    shown.uns = {name: value for name, value in adata.uns.items() if name.endswith("_colors")}
    logger.info("drawing %s cells", f"{len(rows):,}")
    shown.obsm["X_umap_before"] = umap(uncorrected[rows])
    shown.obsm["X_umap"] = umap(adata.obsm[keys.embedding][rows])
    caption = "Batches should mix from left to right, cell types should not."
    if len(rows) < adata.n_obs:
        caption += f" Drawn are {len(rows):,} of the cells."
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
