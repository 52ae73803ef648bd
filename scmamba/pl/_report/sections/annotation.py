"""Predicted cell types: where, how many, how sure, and how right."""

from __future__ import annotations

import anndata
import pandas as pd

from scmamba import metrics
from scmamba._keys import UNKNOWN, Keys
from scmamba._text import label_texts
from scmamba.pl._composition import composition as draw_composition
from scmamba.pl._confidence import confidence as draw_confidence
from scmamba.pl._confusion import confusion
from scmamba.pl._reliability import reliability
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section


def counts(obs: pd.DataFrame, keys: Keys) -> pd.DataFrame:
    """Cells of each predicted label with their median confidence; rows by size, unknown last."""
    groups = obs.groupby(keys.cell_type, observed=True)[keys.confidence]
    table = groups.agg(["size", "median"]).sort_values("size", ascending=False)
    table.columns = ["cells", "median confidence"]
    return table.rename_axis(None).sort_index(key=lambda names: names == UNKNOWN, kind="stable")


def reasons(obs: pd.DataFrame, keys: Keys) -> str:
    """How many cells are ``unknown``, and why, in one line; empty where none is."""
    if keys.reason not in obs:
        return ""
    found = obs[keys.reason].value_counts()
    return "; ".join(f"{reason}: {n:,}" for reason, n in found.items() if n)


def score(obs: pd.DataFrame, keys: Keys, truth_key: str) -> metrics.AnnotationScores:
    """Scores of the best guesses on those cells whose true label is known."""
    missing = [label_texts(obs[key])[1] for key in (truth_key, keys.best_guess)]
    known = obs[~(missing[0] | missing[1])]
    return metrics.annotation(
        known[truth_key],
        known[keys.best_guess],
        proba=known[keys.confidence],
        abstained=(known[keys.cell_type] == UNKNOWN).to_numpy(dtype=bool),
    )


def predictions(found: Findings) -> Section | None:
    """Predicted labels, how sure they are, and why cells are unknown."""
    keys, obs = found.keys, found.obs
    if found.predicted_key is None or keys.confidence not in obs:
        return None
    caption = "How sure the predictions are. Cells called unknown are stacked by their reason."
    if why := reasons(obs, keys):
        caption += f" Unknown cells, by reason: {why}."
    tiles = {
        "cells given a label": f"{1 - found.unknown.mean():.1%}",
        "median confidence": f"{obs[keys.confidence].median():.2f}",
    }
    light = anndata.AnnData(obs=obs)
    parts = {
        "Predicted labels": counts(obs, keys),
        caption: draw_confidence(light, key_added=keys.prefix),
    }
    return Section(parts, tiles)


def composition(found: Findings) -> Section | None:
    """Show what each batch consists of."""
    if found.batch_key is None or found.groups_key in (None, found.batch_key):
        return None
    key = str(found.groups_key)
    if not (found.labels(found.batch_key).notna() & found.labels(key).notna()).any():
        return None
    light = anndata.AnnData(obs=found.obs)
    light.uns = {name: value for name, value in found.cells.uns.items() if name.endswith("_colors")}
    caption = "What each batch consists of; the number of cells stands at the right."
    return Section({caption: draw_composition(light, found.batch_key, key)})


def truth(found: Findings) -> Section | None:
    """Predictions against the known labels."""
    keys = found.keys
    if found.labels_key is None or found.predicted_key is None or not found.known.any():
        return None
    obs = found.obs[found.known.to_numpy()].copy()
    for key in (found.labels_key, keys.best_guess, found.predicted_key):
        obs[key] = found.labels(key)[found.known.to_numpy()]
    scores = score(obs, keys, found.labels_key)
    right = (obs[found.labels_key] == obs[keys.best_guess]).to_numpy()
    parts = {
        "Rows are known labels, columns best guesses; color is the share of the row.": confusion(
            scores.confusion
        ),
        "On the dashed line, confidence equals accuracy; whiskers are 95 % intervals.": reliability(
            obs[keys.confidence], right
        ),
        "By known label": scores.per_class,
    }
    return Section(parts, tile(scores))


def tile(scores: metrics.AnnotationScores) -> dict[str, str]:
    """Return the few numbers that are shown large."""
    found = {
        "accuracy of the best guess": f"{scores.accuracy:.3f}",
        "macro-F1": f"{scores.macro_f1:.3f}",
    }
    if scores.ece is not None:
        found["calibration error"] = f"{scores.ece:.3f}"
    if scores.selective_accuracy is not None:
        found["accuracy of cells given a label"] = f"{scores.selective_accuracy:.3f}"
    return found


def validation(found: Findings) -> Section | None:
    """How predictions were validated before."""
    table = found.validation
    if table.empty:
        return None
    by_type = "held_out" in table
    title = "Validation of each type on held-out cells" if by_type else "Validation"
    return Section({title: table if by_type else table.set_index(table.columns[0])})
