"""Batches before and after integration."""

from __future__ import annotations

import importlib.util
from typing import Any

import anndata
import numpy as np
import pandas as pd

from scmamba import metrics
from scmamba._errors import ScmambaError
from scmamba.pl._coordinates import umap, uncorrected
from scmamba.pl._integration_scores import integration_scores
from scmamba.pl._integration_umap import integration_umap
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section

BEFORE = "X_before"


def integration(found: Findings) -> Section | None:
    """UMAPs before and after, scores where labels are known, and distances of mapped cells."""
    if found.task != "integrate" or found.embedding is None or found.batch_key is None:
        return None
    shown = anndata.AnnData(obs=found.some.obs)
    shown.uns = {name: value for name, value in found.cells.uns.items() if name.endswith("_colors")}
    bases = {"After": "X_umap"}
    shown.obsm["X_umap"] = umap(found.embedding, found.seed)
    before = None if found.values is None else uncorrected(found.values, found.seed)
    if before is not None:
        shown.obsm["X_umap_before"] = umap(before, found.seed)
        bases = {"Before": "X_umap_before", **bases}
    caption = "Batches should mix from left to right, cell types should not."
    if len(found.some.obs) < len(found.obs):
        caption += f" {len(found.some.obs):,} of the cells are drawn."
    key = found.groups_key
    parts: dict[str, Any] = {caption: integration_umap(shown, found.batch_key, key, bases)}
    tiles: dict[str, str] = {}
    scored = None
    if (
        before is not None
        and found.labels_key is not None
        and importlib.util.find_spec("scib_metrics")
    ):
        scored = scores(found.some, found.keys.embedding, found.batch_key, found.labels_key, before)
        parts["Scores of scib-metrics: mixing of batches, and cell types kept."] = (
            integration_scores(scored)
        )
        tiles["total score"] = f"{scored.table.at[found.keys.embedding, 'Total']:.3f}"
        tiles["before correction"] = f"{scored.table.at[BEFORE, 'Total']:.3f}"
    if found.keys.distance in found.obs:
        parts["How far from the reference (1 is usual)"] = _distances(found)
    return Section(parts, tiles, scored)


def scores(
    some: Any, embedding: str, batch_key: str, truth_key: str, before: np.ndarray
) -> metrics.IntegrationScores:
    """Scores of the embedding, beside those of the uncorrected one."""
    cells = anndata.AnnData(obs=some.obs[[batch_key, truth_key]])
    cells.obsm[BEFORE] = before
    cells.obsm[embedding] = some.obsm[embedding]
    names = [BEFORE, embedding]
    return metrics.integration(cells, batch_key, truth_key, names, pre_integrated=BEFORE)


def _distances(found: Findings) -> pd.DataFrame:
    """Cells of each mapped batch with their median distance."""
    if found.batch_key is None:
        raise ScmambaError("there is no column of batches")
    groups = found.obs.groupby(found.batch_key, observed=True)[found.keys.distance]
    table = groups.agg(["size", "median"])
    table.columns = ["cells", "median distance"]
    return table.rename_axis(None)
