"""The table of batch correction over data sets and made-up designs, from its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

METHODS = {
    "scmamba": "scmamba",
    "harmony": "Harmony",
    "scvi": "scVI",
    "pca": "PCA",
    "scmamba_labels": "scmamba with labels",
    "scanvi": "scANVI",
}
"""In the order of the columns."""
_PAIRS = {"scmamba": ("harmony", "scvi"), "scmamba_labels": ("scanvi",)}
"""Ours, and the peers that see as much of the labels."""


def integration_sets_rows(sets: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and body: scib total / bio conservation of each method, and our lead over the peers."""
    known = [name for name in METHODS if any(one["methods"].get(name) for one in sets.values())]
    ours = [name for name in _PAIRS if name in known]
    leads = [f"{METHODS[name]} minus the best peer" for name in ours]
    head = ["", "cells", *(METHODS[name] for name in known), *leads, "processor seconds"]
    body = []
    for one in sets.values():
        runs = one["methods"]
        body.append(
            [
                one["title"],
                f"{one['cells']:,}",
                *(_scores(runs.get(name, ())) for name in known),
                *(_lead(runs, name) for name in ours),
                " / ".join(
                    f"{_mean(runs[name], 'cpu_seconds'):.0f}" for name in ours if runs.get(name)
                ),
            ]
        )
    return head, body


def _scores(runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs:
        return ""
    scores = [run["scores"] for run in runs]
    return " / ".join(f"{_mean(scores, name):.3f}" for name in ("Total", "Bio conservation"))


def _lead(methods: Mapping[str, Sequence[Mapping[str, Any]]], ours: str) -> str:
    """Our total minus that of the best peer, with the lowest and the highest seed."""
    totals = {
        name: {run["seed"]: run["scores"]["Total"] for run in methods.get(name, ())}
        for name in (ours, *_PAIRS[ours])
    }
    peers = {name: found for name in _PAIRS[ours] if (found := totals[name])}
    if not totals[ours] or not peers:
        return ""
    best = max(peers.values(), key=lambda found: sum(found.values()) / len(found))
    level = sum(best.values()) / len(best)  # a peer that was run with fewer seeds
    minus = [value - best.get(seed, level) for seed, value in totals[ours].items()]
    text = f"{sum(minus) / len(minus):+.3f}"
    return text if len(minus) == 1 else f"{text} [{min(minus):+.3f}, {max(minus):+.3f}]"


def _mean(runs: Sequence[Mapping[str, Any]], key: str) -> float:
    return sum(run[key] for run in runs) / len(runs)
