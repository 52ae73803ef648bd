"""Predicted effects of perturbations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scmamba.pl._coordinates import log_values
from scmamba.pl._perturbation import perturbation_effects
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section

_GENES = 10


def perturbation(found: Findings) -> Section | None:
    """Show what predictions rest on, and which genes change."""
    if found.task != "perturb":
        return None
    parts: dict[str, Any] = {}
    support = support_of(found)
    if not support.empty:
        first, *rest = support.columns
        parts["What each prediction rests on"] = support.set_index(first)[rest]
    tiles = {}
    key = pert_key(found)
    if key is not None:
        n = found.obs[key].nunique()
        tiles["perturbation" if n == 1 else "perturbations"] = f"{n:,}"
        changes = _changes(found, key)
        if not changes.empty:
            parts["Genes that change most"] = _listed(changes)
            parts[
                "Predicted change of mean log-normalized expression. Red is up, blue is down."
            ] = perturbation_effects(changes)
    return Section(parts, tiles) if parts or tiles else None


def support_of(found: Findings) -> pd.DataFrame:
    """Return what predictions rest on, by perturbation and context; empty where not told."""
    table = found.record.get("support")
    return table if isinstance(table, pd.DataFrame) else pd.DataFrame()


def pert_key(found: Findings) -> str | None:
    """Find the ``obs`` column that holds the predicted perturbations."""
    support = support_of(found)
    if support.empty:
        return None
    wanted = set(support["perturbation"].astype(str))
    for name, column in found.obs.items():
        if set(column.astype(str).unique()) == wanted:
            return str(name)
    return None


def _changes(found: Findings, key: str) -> pd.DataFrame:
    """(n_perturbations, n_genes) change of the mean from the control cells."""
    if found.controls is None or found.values is None:
        return pd.DataFrame()
    after, before = found.values, log_values(found.controls, found.layer)
    genes = after.var_names.intersection(before.var_names)
    start = np.asarray(before[:, genes].X.mean(0)).ravel()
    labels = found.types_of_values(key)
    rows = {
        name: np.asarray(after[labels == name, genes].X.mean(0)).ravel() - start
        for name in np.unique(labels.astype(str))
    }
    return pd.DataFrame.from_dict(rows, "index", columns=genes)


def _listed(changes: pd.DataFrame) -> pd.DataFrame:
    """List the genes that go up and down most, one row per perturbation."""

    def names(row: pd.Series) -> str:
        return ", ".join(f"{gene} ({value:+.2f})" for gene, value in row.items() if value)

    rows = {
        str(name): {
            "up": names(row.nlargest(_GENES)[lambda one: one > 0]),
            "down": names(row.nsmallest(_GENES)[lambda one: one < 0]),
        }
        for name, row in changes.iterrows()
    }
    return pd.DataFrame.from_dict(rows, "index")
