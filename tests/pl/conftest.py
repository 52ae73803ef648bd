"""Small annotated cells to draw."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

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
