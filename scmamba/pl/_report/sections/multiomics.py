"""Several modalities of the same cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scmamba.pl._modality_weights import modality_weights
from scmamba.pl._multiomics import multiomics_umap
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section

_NAMES = {"rna": "RNA", "prot": "proteins", "atac": "chromatin"}
_MOST = 40  # features that are listed


def multiomics(found: Findings) -> Section | None:
    """Joint and single embeddings, weights of modalities, reliability of what was imputed."""
    if found.task != "multiomics" or found.embedding is None:
        return None
    prefix, color = found.keys.prefix, found.groups_key
    caption = "All modalities together, and each alone."
    if len(found.some.obs) < len(found.obs):
        caption += f" {len(found.some.obs):,} of the cells are drawn."
    parts: dict[str, Any] = {caption: multiomics_umap(found.some, color, key_added=prefix)}
    weights = [name for name in _NAMES if found.keys.weight_of(name) in found.obs]
    if weights:
        parts["How much each modality says about the cells."] = modality_weights(
            found.cells, color, key_added=prefix
        )
        parts["Cells with each modality"] = _measured(found, weights)
    for name, table in _reliabilities(found).items():
        parts[f"How well {_NAMES.get(name, name)} are imputed in held-out cells"] = table
    return Section(parts)


def _measured(found: Findings, names: list[str]) -> pd.DataFrame:
    rows = {}
    for name in names:
        values = found.obs[found.keys.weight_of(name)].to_numpy(float)
        has = values > 0
        mean = float(values[has].mean()) if has.any() else np.nan
        rows[_NAMES[name]] = {"cells": int(has.sum()), "mean weight": mean}
    return pd.DataFrame.from_dict(rows, "index").astype({"cells": int})


def _reliabilities(found: Findings) -> dict[str, pd.DataFrame]:
    """Features with the reliability of their imputation, the best first."""
    key, tables = found.keys.reliability, {}
    for name in _NAMES:
        stored = found.cells.uns.get(f"{key}_{name}")
        part = found.cells.mod.get(name) if hasattr(found.cells, "mod") else None
        if isinstance(stored, Mapping):
            values = pd.Series({str(k): float(v) for k, v in stored.items()})
        elif part is not None and key in part.var:
            values = part.var[key].dropna()
        else:
            continue
        values = values.sort_values(ascending=False)
        tables[name] = values.head(_MOST).to_frame("reliability")
    return tables
