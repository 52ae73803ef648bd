"""Cells drawn from the profiles that the shipped annotator of blood has of its types."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba.models.shipped import shipped
from scmamba.tasks._annotation.annotator import Annotator


def blood_cells(n: int = 80, *, depth: int = 3000, seed: int = 0) -> AnnData:
    """``n`` cells with counts of all genes of the annotator; ``obs["truth"]`` is their type."""
    annotator = Annotator.load(shipped("blood").folder)
    rng, axes, panel = np.random.default_rng(seed), annotator.gaussians, annotator.panel
    codes = rng.integers(0, len(annotator.classes), n)
    log = axes.mean + axes.scale * (axes.centers[codes] @ axes.components.T)
    rates = np.zeros((n, len(panel.genes)))
    rates[:, panel.chosen] = np.expm1(np.clip(log, 0, None))
    rest = np.setdiff1d(np.arange(len(panel.genes)), panel.chosen)
    missing = np.clip(10_000 - rates.sum(1, keepdims=True), 0, None)
    rates[:, rest] = missing / len(rest)
    counts = rng.poisson(rates / rates.sum(1, keepdims=True) * depth).astype(np.float32)
    obs = pd.DataFrame({"truth": np.array(annotator.classes)[codes]}, [f"c{i}" for i in range(n)])
    return AnnData(sparse.csr_matrix(counts), obs, pd.DataFrame(index=list(panel.genes)))
