"""Tables of pretrained models of cells, from their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

METHODS = {
    "bag": "pretrained bag",
    "mini": "mean of the bag and of where its training started",
    "mini-more": "that, one epoch more",
    "mini-layer": "that, one epoch with a Mamba layer",
    "mini-layer-frozen": "the same, gene vectors frozen",
    "mini-layer-ordered": "the same, genes ordered by co-expression",
    "mini-labels": "that, one epoch of labels across studies alone",
    "mini-layer-labels": "the same with a Mamba layer, gene vectors frozen",
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
    "token_loss": "the same, from the tokens",
}
OVER = {"knn_over_mini": "15-NN accuracy over that mean"}
FEW = {f"macro_f1_{n}": f"macro-F1, {n} cells a type" for n in (5, 20, 100)}


def pretraining_rows(
    rows: Sequence[dict[str, Any]], study: str, scores: dict[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of one study: means over seeds."""
    body: list[list[str]] = []
    differences = OVER if scores is SCORES else {}
    for method, title in METHODS.items():
        mine = [row for row in rows if row["study"] == study and row["method"] == method]
        found = [[row[s] for row in mine if row.get(s) is not None] for s in scores]
        if any(found):
            means = [f"{sum(x) / len(x):.3f}" if x else "" for x in found]
            body.append([title, *means, *(_over(mine, name) for name in differences)])
    return ["", *scores.values(), *differences.values()], body


def _over(rows: Sequence[dict[str, Any]], name: str) -> str:
    """Difference from the mean of bag and start, with its interval over cells; the first seed's."""
    if not rows or rows[0].get(name) is None or rows[0]["method"] == "mini":
        return ""
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*rows[0][name])


def integration_rows(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Batch correction by set and by what a fit starts from: means over seeds."""
    scores = {"Bio conservation": 3, "Batch correction": 3, "Total": 3, "cpu_seconds": 1}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((f"{row['set']} ({row['cells']:,} cells)", row["start"]), []).append(row)
    body = []
    for key, mine in groups.items():
        means = {name: sum(row[name] for row in mine) / len(mine) for name in scores}
        body.append([*key, *(f"{means[name]:.{digits}f}" for name, digits in scores.items())])
    head = ["", "start", "bio conservation", "batch correction", "total", "processor seconds"]
    return head, body


def memory_rows(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Memory that was told before the start beside what training took."""
    body = [
        [
            str(row["n_layer"]),
            str(row["batch_size"]),
            *(f"{row[name] / 1e9:.2f}" for name in ("told", "taken")),
            f"{row['told'] / row['taken']:.2f}",
        ]
        for row in rows
    ]
    return ["Mamba layers", "cells in a batch", "GB told", "GB taken", "told over taken"], body
