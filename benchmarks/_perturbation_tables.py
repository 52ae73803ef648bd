"""Tables of predicted perturbations, from their results."""

from __future__ import annotations

from typing import Any

SCORES = {
    "pearson_delta": ("Pearson, all genes", 3),
    "pearson_delta_top": ("Pearson, 100 genes that change most", 3),
    "mse": ("MSE x 1,000", 2),
    "energy_distance": ("energy distance", 3),
    "reverse_rank": ("rank in reverse search", 1),
    "cpu_seconds": ("processor seconds", 1),
}


def perturbation_rows(
    rows: dict[str, dict[str, Any]], headline: str
) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of one data set, methods with equal scores in one row."""
    known = [name for name in SCORES if any(name in row for row in rows.values())]
    merged: dict[tuple[str, ...], list[str]] = {}
    for method, row in rows.items():
        numbers = [
            "" if (value := row.get(name)) is None else f"{value:.{SCORES[name][1]}f}"
            for name in known
        ]
        merged.setdefault((*numbers, _gain(row)), []).append(method)
    return (
        ["", *(SCORES[name][0] for name in known), f"scmamba minus it: {SCORES[headline][0]}"],
        [["; ".join(methods), *numbers] for numbers, methods in merged.items()],
    )


def _gain(row: dict[str, Any]) -> str:
    """Difference with its interval."""
    if row.get("gain") is None:
        return ""
    return f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]"


def ceiling_line(ceiling: dict[str, float] | None, headline: str) -> str:
    """What one half of the measured cells predicts of the other, as a sentence."""
    if ceiling is None:
        return ""
    shown = [
        f"{SCORES[name][0]} {ceiling[name] * (1000 if name == 'mse' else 1):.{SCORES[name][1]}f}"
        for name in (headline, "mse")
    ]
    return f"Split-half ceiling of the measured cells: {', '.join(shown)}. "


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
