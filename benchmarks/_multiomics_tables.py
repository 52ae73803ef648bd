"""Tables of several modalities, from their results: one a setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

SETTINGS = {
    "embedding": "Embedding: all is measured",
    "imputation": "Imputation: 30 % of the cells lack proteins",
    "mosaic": "Mosaic: half of the cells lack proteins, another quarter lacks RNA",
    "hidden peaks": "Hidden peaks",
}
SCORES = {
    "knn_accuracy": ("labels by 15-NN", 3),
    "bio_conservation": ("scib bio conservation", 3),
    "mean_pearson_per_gene": ("mean Pearson of proteins", 3),
    "mean_spearman_per_gene": ("mean Spearman of proteins", 3),
    "rmse": ("RMSE", 3),
    "knn_accuracy_incomplete": ("labels of incomplete cells by 15-NN", 3),
    "n_placed": ("cells placed", 0),
    "auroc": ("AUROC", 3),
    "cpu_seconds": ("processor seconds", 1),
}


def multiomics_rows(
    runs: list[dict[str, Any]],
) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, head and body of the table of each setting: means over seeds, best rows first.

    Where seeds differ, the lowest and the highest follow in brackets.
    """
    for setting, title in SETTINGS.items():
        here = [run for run in runs if run["setting"] == setting]
        known = [name for name in SCORES if any(run.get(name) is not None for run in here)]
        if not known:
            continue
        methods: dict[str, list[dict[str, Any]]] = {}
        for run in here:
            methods.setdefault(run["method"], []).append(run)
        order = sorted(methods, key=lambda name: _mean(methods[name], known[0]), reverse=True)
        body = [[name, *(_spread(methods[name], score) for score in known)] for name in order]
        yield title, ["", *(SCORES[name][0] for name in known)], body


def length_rows(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of time and memory against the number of tokens."""
    body = [
        [
            f"{row['length']:,}",
            *(
                text
                for way in ("mamba", "attention")
                for text in (f"{row[way]['cpu_seconds']:.3g}", f"{row[way]['bytes'] / 2**20:,.0f}")
            ),
        ]
        for row in rows
    ]
    head = ["tokens", "Mamba, processor seconds", "MiB", "attention, processor seconds", "MiB"]
    return head, body


def _mean(runs: list[dict[str, Any]], score: str) -> float:
    """Mean over seeds; methods without the score come last."""
    found = _values(runs, score)
    return sum(found) / len(found) if found else float("-inf")


def _values(runs: list[dict[str, Any]], score: str) -> list[float]:
    return [run[score] for run in runs if run.get(score) is not None]


def _spread(runs: list[dict[str, Any]], score: str) -> str:
    """Mean over seeds, and their range where they differ."""
    found, digits = _values(runs, score), SCORES[score][1]
    if not found:
        return ""
    parts = (_mean(runs, score), min(found), max(found))
    mean, low, high = (f"{x:,.{digits}f}" for x in parts)
    return mean if low == high or score == "cpu_seconds" else f"{mean} [{low}, {high}]"
