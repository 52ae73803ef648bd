"""Scores of what a multi-omics method found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from scmamba.benchmark._multiomics.methods.base import Outcome
from scmamba.benchmark._multiomics.split import MultiomicsSplit
from scmamba.metrics import multiomics as metrics

FIRST = {
    "embedding": "knn_accuracy",
    "imputation": "mean_pearson_per_gene",
    "mosaic": "mean_pearson_per_gene",
    "hidden peaks": "auroc",
}
"""The score by which methods are sorted."""


def scores_of(split: MultiomicsSplit, found: Outcome, *, scib: bool) -> dict[str, Any]:
    """Scores by name; methods do not see what they are scored by.

    Embedding: ``knn_accuracy``, cell types by 15 neighbors in five folds, and with ``scib``
    ``bio_conservation``. Mosaic: ``knn_accuracy_incomplete``, the labels of cells without all
    modalities by their neighbors among those with all. Imputation: see
    :func:`scmamba.metrics.multiomics.imputation`. Hidden peaks: ``auroc``.
    """
    scores: dict[str, Any] = {}
    if found.opened is not None and found.closed is not None:
        scores["auroc"] = metrics.hidden_peaks(found.opened, found.closed)
    if found.imputed is not None:
        known = np.isfinite(found.imputed).all(1)
        scores |= asdict(metrics.imputation(split.truth[known], found.imputed[known]))
    if found.embedding is not None and split.labels is not None:
        placed = np.isfinite(found.embedding).all(1)
        cells, labels = found.embedding[placed], split.labels[placed]
        if split.setting == "mosaic":
            scores["knn_accuracy_incomplete"] = metrics.neighbor_accuracy(
                cells, labels, reference=split.complete[placed]
            )
            scores["n_placed"] = int(placed.sum())
        elif split.setting == "embedding":
            scores["knn_accuracy"] = metrics.neighbor_accuracy(cells, labels)
            if scib:
                table = metrics.bio_conservation({"x": cells}, labels)
                scores["bio_conservation"] = float(table["Bio conservation"]["x"])
    return scores
