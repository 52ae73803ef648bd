"""What ran, with what, and on which genes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section

TASKS = {
    "annotate": "cell types predicted",
    "integrate": "batches integrated",
    "embed": "cells embedded",
    "multiomics": "modalities embedded together",
    "perturb": "perturbed cells predicted",
    "knockout": "genes perturbed in the model",
    "gene_network": "gene network inferred",
}
_APART = {"scores", "thresholds", "support", "genes_matched", "genes_given", "held_out_shift"}
"""Entries of a record that other sections show."""
_LONGEST = 120  # characters


def size(found: Findings) -> Section:
    """How many cells, batches and genes."""
    tiles = {"cells": f"{len(found.obs):,}"}
    if found.batch_key is not None:
        tiles["batches"] = f"{found.labels(found.batch_key).nunique():,}"
    if (genes := genes_matched(found)) is not None:
        tiles["genes matched"] = f"{genes[0] / max(genes[1], 1):.0%}"
    return Section(tiles=tiles)


def overview(found: Findings) -> Section | None:
    """List what the task wrote down of its run."""
    if not found.record:
        return None
    rows = {"task": TASKS.get(found.task, found.task)} if found.task else {}
    rows |= {
        name.replace("_", " "): text
        for name, text in _flat(found.record).items()
        if name.split(".")[0] not in _APART and name != "task" and text
    }
    if (genes := genes_matched(found)) is not None:
        rows["genes matched"] = f"{genes[0]:,} of {genes[1]:,}"
    return Section({"What ran": pd.DataFrame({"": pd.Series(rows, dtype=object)})})


def genes_matched(found: Findings) -> tuple[int, int] | None:
    """How many genes were found, and of how many; None where that is not known."""
    record = found.record
    if "genes_matched" not in record:
        return None
    matched = int(record["genes_matched"])
    wanted = record.get("n_genes", record.get("genes_given"))
    return None if wanted is None else (matched, max(int(wanted), matched))


def _flat(record: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Entries by dotted name, as short text."""
    found: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, pd.DataFrame):
            continue
        else:
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            cut = len(text) > _LONGEST
            found[f"{prefix}{name}"] = f"{text[: _LONGEST - 3]}..." if cut else text
    return found


def component_scores(found: Findings) -> Section | None:
    """Scores of each component on held-out cells."""
    scores = found.record.get("scores")
    if not isinstance(scores, Mapping) or not scores:
        return None
    rows: dict[str, dict[str, float]] = {}
    for name, value in scores.items():
        for metric in ("accuracy", "macro_f1"):
            if name.endswith(f"_{metric}"):
                component = name.removesuffix(f"_{metric}").replace("_", " ")
                rows.setdefault(component, {})[metric.replace("_f1", "-F1")] = float(value)
    if not rows:
        return None
    n = int(float(scores.get("n_cells", 0)))
    return Section({f"Components on {n:,} held-out cells": pd.DataFrame.from_dict(rows, "index")})
