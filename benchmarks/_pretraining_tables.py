"""Tables of pretrained models of cells, from their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

METHODS = {
    "bag": "pretrained bag",
    "bag-more": "pretrained bag, twice as long",
    "mamba": "the bag, then as long with two Mamba layers",
    "start": "where training starts: components of the corpus",
    "untrained": "random weights",
    "PCA": "PCA of the study itself",
    "HVG": "variable genes of the study itself",
    "gene means": "gene means",
}
SCORES = {
    "knn_accuracy": "15-NN accuracy",
    "knn_macro_f1": "15-NN macro-F1",
    "nmi": "NMI",
    "ari": "ARI",
    "silhouette": "silhouette",
    "loss": "loss of hidden values",
}
FEW = {f"macro_f1_{n}": f"macro-F1, {n} cells a type" for n in (5, 20, 100)}


def pretraining_rows(
    rows: Sequence[dict[str, Any]], study: str, scores: dict[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of one study: means over seeds."""
    body = []
    for method, title in METHODS.items():
        mine = [row for row in rows if row["study"] == study and row["method"] == method]
        found = [[row[s] for row in mine if row.get(s) is not None] for s in scores]
        if any(found):
            body.append([title, *(f"{sum(x) / len(x):.3f}" if x else "" for x in found)])
    return ["", *scores.values()], body
