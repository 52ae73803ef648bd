"""Genes that were perturbed in a model's input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scmamba.pl._canvas import Canvas
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section
from scmamba.pl._side_column import side_column
from scmamba.pl._style import BLUE, INK, quiet, text_width, title

_ROW, _MOST = 0.27, 30


def knockout(found: Findings) -> Section | None:
    """How far cells move, by gene and by type."""
    key = found.keys.knockout
    if found.task != "knockout" or key not in found.cells.obsm:
        return None
    shift = np.asarray(found.cells.obsm[key], dtype=float)
    params = found.record.get("params", {})
    genes = str(params.get("genes", "")).split(", ")
    if len(genes) != shift.shape[1]:
        genes = [f"gene {i + 1}" for i in range(shift.shape[1])]
    moved = np.where(shift > 0, shift, np.nan)
    size = np.array([np.nanmean(one) if np.isfinite(one).any() else 0.0 for one in moved.T])
    n_cells = np.isfinite(moved).sum(0)
    table = pd.DataFrame({"cells that change": n_cells, "mean shift": size}, index=genes)
    table = table.sort_values("mean shift", ascending=False)
    if isinstance(effects := found.record.get("effects"), pd.DataFrame):
        chance = effects.reindex(table.index)
        table["p-value"], table["FDR"] = chance["p_value"], chance["fdr"]
    kind = {"delete": "deleted", "overexpress": "overexpressed"}.get(str(params.get("kind")), "")
    caption = (
        f"How far cells move when a gene is {kind or 'perturbed'}, in the cell embedding. A long "
        "shift proves nothing by itself: p-values against genes of like expression are in the "
        "table that the call returns."
    )
    parts: dict[str, Any] = {caption: _bars(table), "Genes by effect": table}
    if found.groups_key is not None:
        types = found.labels(found.groups_key).to_numpy()
        means = pd.DataFrame(moved, columns=genes).groupby(types, observed=True).mean()
        parts[f"Mean shift by {found.groups_key}"] = means[table.index.tolist()].rename_axis(None)
    return Section(parts, {"genes perturbed": f"{len(genes):,}"})


def _bars(table: pd.DataFrame) -> Figure:
    shown = table.head(_MOST)
    names, high = list(map(str, shown.index)), max(_ROW * len(shown), _ROW)
    left, wide = text_width(names) + 0.3, 3.6
    canvas = Canvas(left + wide + 0.9, 0.55 + high + 0.65)
    axes = canvas.place(left, 0.55, wide, high)
    axes.barh(range(len(shown)), shown["mean shift"], 0.7, color=BLUE)
    axes.set_yticks(range(len(shown)), names)
    axes.set(ylim=(len(shown) - 0.5, -0.5), xlabel="mean length of the shift")
    side_column(axes, "cells", (f"{n:,}" for n in shown["cells that change"]))
    quiet(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    title(axes, "Perturbed genes", "the largest effect first")
    return canvas.finish()
