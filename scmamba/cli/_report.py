"""Scores and pictures of annotated cells, for the commands that make them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scmamba import metrics, pl
from scmamba._keys import UNKNOWN, Keys
from scmamba._text import label_texts
from scmamba.benchmark.umap import umap

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.figure import Figure

    from scmamba.tasks import Annotator


def counts(adata: AnnData, keys: Keys) -> pd.DataFrame:
    """Cells of each predicted label with their median confidence; rows by size, unknown last."""
    groups = adata.obs.groupby(keys.cell_type, observed=True)[keys.confidence]
    table = groups.agg(["size", "median"]).sort_values("size", ascending=False)
    table.columns = ["cells", "median confidence"]
    return table.rename_axis(None).sort_index(key=lambda names: names == UNKNOWN, kind="stable")


def reasons(adata: AnnData, keys: Keys) -> str:
    """How many cells are ``unknown``, and why, in one line; empty where none is."""
    found = adata.obs[keys.reason].value_counts()
    return "; ".join(f"{reason}: {n:,}" for reason, n in found.items() if n)


def score(adata: AnnData, keys: Keys, truth_key: str) -> metrics.AnnotationScores:
    """Scores of the best guesses on those cells whose true label is known."""
    obs = _known(adata, keys, truth_key)
    return metrics.annotation(
        obs[truth_key],
        obs[keys.best_guess],
        proba=obs[keys.confidence],
        abstained=(obs[keys.cell_type] == UNKNOWN).to_numpy(dtype=bool),
    )


def _known(adata: AnnData, keys: Keys, truth_key: str) -> pd.DataFrame:
    """Rows of ``obs`` with a true label and a best guess."""
    missing = [label_texts(adata.obs[key])[1] for key in (truth_key, keys.best_guess)]
    return adata.obs[~(missing[0] | missing[1])]


def draw(
    adata: AnnData,
    some: AnnData,
    keys: Keys,
    truth_key: str | None,
    history: pd.DataFrame | None,
) -> dict[str, Figure]:
    """Pictures by name: umap, and where they can be drawn confusion, reliability and training.

    The first shows ``some`` of the cells, with their embedding or a UMAP; the others all of them.
    """
    figures = {
        "umap": pl.umap_triptych(
            _with_umap(some, keys), truth_key, keys.best_guess, keys.confidence
        )
    }
    if truth_key is not None:
        obs = _known(adata, keys, truth_key)
        right = label_texts(obs[truth_key])[0] == label_texts(obs[keys.best_guess])[0]
        figures["confusion"] = pl.confusion(score(adata, keys, truth_key).confusion)
        figures["reliability"] = pl.reliability(obs[keys.confidence], right)
    if history is not None and len(history):
        figures["training"] = pl.training_curve(history)
    return figures


CAPTIONS = {
    "umap": "The annotated cells. One color is one label in every panel; doubtful cells are warm "
    "and lie on top.",
    "confusion": "Rows are true labels, columns best guesses; color is the share of the row.",
    "reliability": "On the dashed line, confidence equals accuracy; whiskers are 95 % intervals.",
    "training": "What was learned, and the epoch that the validation cells chose.",
}


def write_report(
    path: Path,
    title: str,
    adata: AnnData,
    some: AnnData,
    keys: Keys,
    truth_key: str | None,
    annotator: Annotator,
) -> None:
    """Write the report of ``scmamba annotate``; its UMAP shows ``some`` of the cells."""
    figures = draw(adata, some, keys, truth_key, annotator.history)
    captions = dict(CAPTIONS)
    if some.n_obs < adata.n_obs:
        captions["umap"] += f" Drawn are {some.n_obs:,} of the cells."
    tables = {
        "Predicted labels": counts(adata, keys),
        "Validation of each type on held-out cells": annotator.validation,
    }
    if why := reasons(adata, keys):
        captions["umap"] += f" Unknown cells, by reason: {why}."
    tiles = {"cells": f"{adata.n_obs:,}"}
    if truth_key is None:
        labeled = adata.obs[keys.cell_type].astype(str) != UNKNOWN
        tiles["cells given a label"] = f"{labeled.mean():.1%}"
        tiles["median confidence"] = f"{adata.obs[keys.confidence].median():.2f}"
    else:
        scores = score(adata, keys, truth_key)
        tables["By true label"] = scores.per_class
        tiles |= tile(scores)
    parts = {captions[name]: figure for name, figure in figures.items()}
    pl.report(path, title, parts | tables, tiles=tiles)


def tile(scores: metrics.AnnotationScores) -> dict[str, str]:
    """Return the few numbers that are shown large."""
    return {
        "accuracy of the best guess": f"{scores.accuracy:.3f}",
        "macro-F1": f"{scores.macro_f1:.3f}",
        "calibration error": f"{scores.ece:.3f}",
        "cells given a label": f"{scores.coverage:.1%}",
        "accuracy among those": f"{scores.selective_accuracy:.3f}",
    }


def _with_umap(adata: AnnData, keys: Keys) -> AnnData:
    """``adata`` if it has a UMAP, else a light copy of its annotations with one."""
    if "X_umap" in adata.obsm:
        return adata
    import anndata

    light = anndata.AnnData(obs=adata.obs)
    light.uns = {name: value for name, value in adata.uns.items() if name.endswith("_colors")}
    light.obsm["X_umap"] = umap(adata.obsm[keys.embedding])
    return light
