"""The table of stated errors: queries one by one, draws of the same cells in one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OURS, LR, CELLTYPIST = "scmamba", "logistic regression, balanced", "CellTypist"
HEAD = [
    "query",
    "accuracy / macro-F1 / ECE of scmamba",
    "of balanced logistic regression (LR)",
    "of CellTypist",
    "error at coverage of scmamba",
    "of LR, one threshold",
    "of LR, by type",
    "LR's best coverage at our error",
    "processor seconds",
]
_BEST = ("accuracy", "macro_f1", "ece")


RARE_HEAD = [
    "query, type",
    "cells in the reference",
    "of its cells in the query, found",
    "median confidence of those that were missed, at most",
]


def stated_error_rows(queries: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and body; of several draws the means, with the lowest and the highest error.

    Parameters
    ----------
    queries
        ``set``, ``query`` and ``methods`` of each.
    """
    return HEAD, [_row(name, found) for name, found in _groups(queries).items()]


def rare_types_rows(queries: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and body: types of fewer than 100 cells in the reference; of draws, means and ranges."""
    body = []
    for name, found in _groups(queries).items():
        rare = [methods[OURS].get("rare", {}) for methods in found]
        for kind in sorted({kind for one in rare for kind in one}):
            rows = [one[kind] for one in rare if kind in one]
            most = max(row["median_confidence_of_wrong"] for row in rows)
            body.append([f"{name}, {kind}", *_spread(rows), f"{most:.2f}"])
    return RARE_HEAD, body


def _spread(rows: Sequence[Mapping[str, float]]) -> tuple[str, str]:
    """Cells in the reference and recall."""
    cells, recall = ([row[key] for row in rows] for key in ("reference", "recall"))
    if len(rows) == 1:
        return f"{cells[0]:.0f}", f"{recall[0]:.2f}"
    low, high = min(recall), max(recall)
    mean = f"{_mean(rows, 'recall', 2)} [{low:.2f}, {high:.2f}]"
    return f"{min(cells):.0f} to {max(cells):.0f}", mean


def _groups(queries: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Methods of each query, draws of the same cells together."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for one in queries:
        title, _, draw = str(one["query"]).rpartition(" ")
        name = title if draw.isdigit() else str(one["query"])
        groups.setdefault(f"{one['set']}: {name}", []).append(one["methods"])
    return groups


def _row(name: str, found: Sequence[Mapping[str, Any]]) -> list[str]:
    ours, lr = ([methods[method] for methods in found] for method in (OURS, LR))
    celltypist = [methods[CELLTYPIST] for methods in found if methods[CELLTYPIST]]
    return [
        name if len(found) == 1 else f"{name}, {len(found)} times",
        *(" / ".join(_mean(rows, key) for key in _BEST) for rows in (ours, lr, celltypist)),
        *(_error(rows) for rows in (ours, lr, [row["by_type"] for row in lr])),
        _mean(lr, "coverage_at_our_error", 2),
        _mean(ours, "cpu_seconds", 0),
    ]


def _error(rows: Sequence[Mapping[str, float]]) -> str:
    errors = [row["error"] for row in rows]
    spread = f" [{min(errors):.3f}, {max(errors):.3f}]" if len(errors) > 1 else ""
    return f"{_mean(rows, 'error')}{spread} at {_mean(rows, 'coverage', 2)}"


def _mean(rows: Sequence[Mapping[str, float]], key: str, digits: int = 3) -> str:
    return f"{sum(row[key] for row in rows) / len(rows):.{digits}f}" if rows else ""
