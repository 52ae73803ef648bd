"""The first screen of README.md: our figure and the best peer's, their difference, and costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from _overview_lines import (
    OURS,
    Line,
    multiomics_lines,
    peers,
    perturbation_lines,
    regression_lines,
    set_lines,
)

ANNOTATION = {
    "annotation_kang": "cell types, three new donors (Kang)",
    "annotation_pbmc4": "cell types, a new study (four PBMC studies)",
    "annotation_baron": "cell types, a new donor (pancreas, Baron)",
    "annotation_demo": "cell types, the demo's 700 PBMC",
}
REGRESSION = {
    "sequence_mrfp": "expression of mRFP variants",
    "sequence_plant_promoters": "activity of plant promoters",
    "sequence_cds_decay": "decay of human mRNAs",
}
SETS = ("citeseq", "malt", "a549")
SCREENS = ("kang", "kang_full", "papalexi", "replogle", "op3")
HEAD = (
    "task",
    "figure",
    OURS,
    "best peer",
    "its figure",
    "difference",
    f"seconds (processor), {OURS}",
    "seconds (processor), peer",
)


def overview(folder: Path) -> list[list[str]]:
    """Rows of the first screen, of those results that are in ``folder``."""
    readers: dict[str, Callable[[dict[str, Any], str], list[Line]]] = {
        **dict.fromkeys(ANNOTATION, annotation_lines),
        "integration": integration_lines,
        "integration_sets": set_lines,
        **{f"multiomics_{one}": multiomics_lines for one in SETS},
        **{f"perturbation_{one}": perturbation_lines for one in SCREENS},
        "sequence_classify": classify_lines,
        **dict.fromkeys(REGRESSION, lambda found, name: regression_lines(found, REGRESSION[name])),
    }
    rows = []
    for name, read in readers.items():
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        if "results" in content or "tables" in content:
            rows += [_row(line) for line in read(content.get("results", content), name)]
    return rows


def annotation_lines(results: dict[str, Any], name: str) -> list[Line]:
    """Macro-F1 against the peer that has the highest."""
    means = results["mean"]
    peer = max(peers(means), key=lambda one: means[one]["macro_f1"])
    minus = results["differences"][f"{OURS} minus"][peer]["macro_f1"]
    figures = means[OURS]["macro_f1"], peer, means[peer]["macro_f1"]
    spread = minus["mean"], minus["low"], minus["high"]
    costs = means[OURS], means[peer]
    return [Line(ANNOTATION[name], "macro-F1", *figures, spread, costs)]


def integration_lines(results: dict[str, Any], name: str) -> list[Line]:
    """Total score with labels; the interval is the lowest and the highest seed."""
    methods, ours = results["methods"], f"{OURS}_labels"
    others = [key for key, row in methods.items() if row["labels"] and not key.startswith(OURS)]
    if ours not in methods or not others:
        return []
    peer = max(others, key=lambda key: _mean(methods[key]["scores"]["Total"]))
    totals = [
        dict(zip(methods[key]["seeds"], methods[key]["scores"]["Total"], strict=True))
        for key in (ours, peer)
    ]
    minus = [value - totals[1][seed] for seed, value in totals[0].items() if seed in totals[1]]
    means = [_mean(list(one.values())) for one in totals]
    figures = means[0], methods[peer]["title"], means[1]
    spread = (_mean(minus), min(minus), max(minus))
    title = "batch correction, four PBMC studies, with labels"
    return [Line(title, "scib total", *figures, spread, (methods[ours], methods[peer]))]


def classify_lines(results: dict[str, Any], name: str) -> list[Line]:
    """Mean Matthews correlation over tasks; rows chosen on test data are no peers."""
    rows = results["published"]["summary"]
    honest = [one for one in peers(rows) if "test-selected" not in one]
    network = [one for one in honest if not one.startswith("bag")]
    peer = max(network, key=lambda one: rows[one]["mcc"])
    turned = [rows[peer][key] for key in ("mcc_minus", "mcc_minus_high", "mcc_minus_low")]
    mean, low, high = (None if value is None else -value for value in turned)
    figures = rows[OURS]["mcc"], peer, rows[peer]["mcc"]
    costs = rows[OURS], rows[peer]
    task = f"DNA classifiers, {len(results['tasks'])} tasks"
    return [Line(task, "MCC", *figures, (mean or 0.0, low, high), costs)]


def _row(line: Line) -> list[str]:
    mean, low, high = line.difference
    spread = "" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]"
    return [
        line.task,
        line.figure,
        f"{line.ours:.3f}",
        line.peer,
        f"{line.theirs:.3f}",
        f"{mean:+.3f}{spread}",
        *map(_cost, line.costs),
    ]


def _cost(row: Mapping[str, Any]) -> str:
    """Seconds, and processor seconds where they were measured."""
    seconds, cpu = row.get("seconds"), row.get("cpu_seconds")
    text = "" if seconds is None else _seconds(seconds)
    return text if cpu is None else f"{text} ({_seconds(cpu)})"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
