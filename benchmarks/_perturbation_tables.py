"""Tables of predicted perturbations, from their results."""

from __future__ import annotations

from typing import Any

SCORES = {
    "pearson_delta": ("Pearson, all genes", 3),
    "pearson_delta_top": ("Pearson, 100 genes that change most", 3),
    "mse": ("MSE x 1,000", 2),
    "energy_distance": ("energy distance", 3),
    "cpu_seconds": ("processor seconds", 1),
}


def perturbation_rows(rows: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of one data set, methods with equal scores in one row."""
    known = [name for name in SCORES if any(name in row for row in rows.values())]
    merged: dict[tuple[str, ...], list[str]] = {}
    for method, row in rows.items():
        numbers = [
            "" if (value := row.get(name)) is None else f"{value:.{SCORES[name][1]}f}"
            for name in known
        ]
        merged.setdefault(tuple(numbers), []).append(method)
    return (
        ["", *(SCORES[name][0] for name in known)],
        [["; ".join(methods), *numbers] for numbers, methods in merged.items()],
    )


NETWORK_SCORES = {
    "auprc": ("AUPRC", 4),
    "auprc_ratio": ("times chance", 2),
    "early_precision": ("early precision", 4),
    "early_ratio": ("times chance", 2),
    "cpu_seconds": ("processor seconds", 0),
}


def network_rows(rows: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of gene networks."""
    body = [
        [method, *(f"{row[name]:.{digits}f}" for name, (_, digits) in NETWORK_SCORES.items())]
        for method, row in rows.items()
    ]
    return ["", *(title for title, _ in NETWORK_SCORES.values())], body
