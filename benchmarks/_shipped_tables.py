"""Tables of annotators as they ship, from the results of shipped_annotators.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Table = tuple[list[str], list[list[str]]]
OURS = "scmamba"


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f}" if values else ""


def study_rows(runs: Sequence[dict[str, Any]]) -> Table:
    """Each method by study held out: accuracy / macro-F1, means over seeds."""
    studies = list(dict.fromkeys(run["study"] for run in runs))
    methods = list(dict.fromkeys(name for run in runs for name in run["methods"]))
    body = []
    for method in methods:
        row, every = [method], list[list[float]]()
        for study in studies:
            mine = [r["methods"].get(method) for r in runs if r["study"] == study]
            if None in mine:  # a method that was not installed
                row.append("")
                continue
            pair = [sum(one[s] for one in mine) / len(mine) for s in ("accuracy", "macro_f1")]
            row.append(" / ".join(f"{score:.3f}" for score in pair))
            every.append(pair)
        means = [_mean([pair[i] for pair in every]) for i in (0, 1)]
        body.append([*row, " / ".join(means) if len(every) == len(studies) else ""])
    return ["accuracy / macro-F1", *studies, "mean"], body


def named_rows(runs: Sequence[dict[str, Any]]) -> Table:
    """Cells that get a label, and how many of these are wrong, at both levels."""
    names = {
        "named": "cells named",
        "error_of_named": "of these wrong",
        "coarse_named": "named at the coarse level",
        "coarse_error_of_named": "of these wrong",
        "train_seconds": "processor seconds to train",
    }
    body = []
    for study in dict.fromkeys(run["study"] for run in runs):
        mine = [run for run in runs if run["study"] == study]
        body.append([study, *(_mean([run[name] for run in mine]) for name in names)])
    return ["study", *names.values()], body


def unseen_rows(runs: Sequence[dict[str, Any]]) -> Table:
    """How well cells of types that training never saw are told from the others."""
    names = {
        "auroc": "AUROC of the OOD score",
        "auroc_by_confidence": "of the confidence",
        "auroc_logistic_regression": "of logistic regression's",
        "auroc_control": "OOD score, unstimulated cells alone",
        "auroc_logistic_regression_control": "logistic regression, the same",
        "unseen_called_unknown": "of them called unknown",
        "others_called_unknown": "of the others",
    }
    body = []
    for run in runs:
        scores = [f"{run[name]:.3f}" if name in run else "" for name in names]
        body.append([run["unseen"], run["study"], str(run["cells"]), *scores])
    means = [_mean([run[name] for run in runs if name in run]) for name in names]
    return ["type left out", "study", "cells", *names.values()], [*body, ["mean", "", "", *means]]


def shipped_tables(content: dict[str, Any], markdown: Callable[..., str]) -> str:
    """All three tables."""
    parts = [markdown(*study_rows(content["studies"])), markdown(*named_rows(content["studies"]))]
    if content["unseen"]:
        parts.append(markdown(*unseen_rows(content["unseen"])))
    seeds = sorted({run["seed"] for run in content["studies"]})
    parts.append(f"Seeds {', '.join(map(str, seeds))}; of types left out, the first one.")
    return "\n\n".join(parts)
