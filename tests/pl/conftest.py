"""Small annotated cells to draw."""

from __future__ import annotations

from importlib import import_module

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba.datasets import synthetic

EVIL = "<script>alert(1)</script>"
LABELS = ["B cell", "CD4+/CD45RA+/CD25- Naive T", "NK"]


@pytest.fixture
def cells() -> ad.AnnData:
    rng = np.random.default_rng(0)
    truth = rng.choice(LABELS, 60)
    guess = np.where(rng.random(60) < 0.8, truth, "NK").astype(object)
    guess[:5] = "unknown"
    guess[5:8] = None
    adata = ad.AnnData(
        np.zeros((60, 1), dtype=np.float32),
        obs=pd.DataFrame(
            {
                "label": pd.Categorical(truth, categories=LABELS),
                "scmamba_best_guess": pd.Categorical(guess),
                "scmamba_confidence": rng.uniform(0.2, 1, 60),
            },
            index=[f"cell{i}" for i in range(60)],
        ),
    )
    adata.obsm["X_umap"] = rng.normal(size=(60, 2))
    adata.uns["label_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    return adata


@pytest.fixture
def plain_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two columns of an embedding in place of a UMAP, whose compilation takes long; no log."""
    monkeypatch.setattr("scmamba.settings.verbosity", "error")
    for name in ("umaps", "integration"):  # modules that functions of the same name hide
        module = import_module(f"scmamba.pl._report.sections.{name}")
        monkeypatch.setattr(module, "umap", lambda values, seed: np.asarray(values)[:, :2])
    monkeypatch.setattr("scmamba.pl._multiomics.umap", lambda values: np.asarray(values)[:, :2])


@pytest.fixture
def annotated() -> ad.AnnData:
    """80 annotated cells of two batches; names that could break a page."""
    adata = synthetic(80, 40, 3, n_batches=2)
    rng = np.random.default_rng(0)
    names = dict(zip(["type_0", "type_1", "type_2"], [EVIL, "B & 'T'", 'x"y'], strict=True))
    adata.var_names = [f"g\"{i}'<i>" for i in range(40)]
    truth = adata.obs["cell_type"].map(names).astype(str).to_numpy()
    adata.obs["truth"] = pd.Categorical(truth)
    adata.obs["scmamba_best_guess"] = pd.Categorical(truth)
    adata.obs["scmamba_cell_type"] = pd.Categorical(["unknown"] * 30 + truth[30:].tolist())
    why = ["low confidence"] * 30 + [None] * 50
    adata.obs["scmamba_reason"] = pd.Categorical(why)
    adata.obs["scmamba_confidence"] = rng.uniform(0.4, 1, 80)
    adata.obsm["X_scmamba"] = rng.normal(size=(80, 4)).astype(np.float32)
    adata.uns["scmamba"] = {
        "version": "0", "task": "annotate", "seed": 3, "genes_matched": 10, "n_genes": 40,
        "scores": {"n_cells": 30.0, "linear_accuracy": 0.9, "linear_macro_f1": 0.8},
        "thresholds": {EVIL: 0.5},
    }  # fmt: skip
    adata.uns["scmamba_validation"] = pd.DataFrame(
        {
            "cells": 20, "batches": 0, "held_out": [5, 30, 30], "recall": [0.9, 0.3, 0.9],
            "threshold": [0.5, 0.5, np.nan],
        },
        index=[EVIL, "B & 'T'", 'x"y'],
    )  # fmt: skip
    return adata
