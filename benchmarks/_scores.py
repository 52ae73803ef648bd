"""The common way of scoring: each row on the same cells, differences paired, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from scmamba.benchmark import Predictions
from scmamba.metrics import annotation

DRAWS = 2000
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Run:
    """All rows on one split with one seed."""

    split: str
    seed: int
    truth: Array
    rows: dict[str, Predictions]
    about: dict[str, Any]


Metric = Callable[[Array, Array, Array], float]  # truth, guess, weight of each cell


def accuracy(truth: Array, guess: Array, weight: Array) -> float:
    """Weighted share of right guesses."""
    return float(weight[truth == guess].sum() / weight.sum())


def macro_f1(truth: Array, guess: Array, weight: Array) -> float:
    """Mean F1 over the labels that cells of weight above 0 carry."""
    names, codes = np.unique(np.concatenate([truth, guess]).astype(str), return_inverse=True)
    true, said = codes[: len(truth)], codes[len(truth) :]
    support, claimed, right = (
        np.bincount(which, weights=w, minlength=len(names))
        for which, w in ((true, weight), (said, weight), (true, weight * (true == said)))
    )
    there = support > 0
    return float((2 * right[there] / (support + claimed)[there]).mean())


def auroc(truth: Array, score: Array, weight: Array) -> float:
    """Area under the ROC curve of ``score`` for cells whose truth is 1; NaN without such cells."""
    if not 0 < weight[truth == 1].sum() < weight.sum():
        return float("nan")
    return float(roc_auc_score(truth, score, sample_weight=weight))


LABELS: dict[str, Metric] = {"accuracy": accuracy, "macro_f1": macro_f1}
UNSEEN: dict[str, Metric] = {"auroc": auroc}


def score_labels(truth: Array, row: Predictions) -> dict[str, float | None]:
    """Scores of one row with :mod:`scmamba.metrics`."""
    found = annotation(truth, row.guess, proba=row.confidence, abstained=row.unknown)
    names = ("accuracy", "macro_f1", "ece", "coverage", "selective_accuracy")
    return {name: getattr(found, name) for name in names} | _cost(row)


def _cost(row: Predictions) -> dict[str, float | None]:
    return {"seconds": row.seconds, "cpu_seconds": row.cpu_seconds}


def score_unseen(truth: Array, row: Predictions) -> dict[str, float | None]:
    """AUROC, and which fractions of the unseen type and of the others were called unknown."""
    found: dict[str, float | None] = {"auroc": auroc(truth, row.guess, np.ones(len(truth)))}
    if row.unknown is not None:
        found["unseen_unknown"] = float(row.unknown[truth == 1].mean())
        found["seen_unknown"] = float(row.unknown[truth == 0].mean())
    return found | _cost(row)


def summarize(
    runs: Sequence[Run], metrics: dict[str, Metric], *, ours: str, reference: str, interval: str
) -> dict[str, Any]:
    """Scores of each run, their means, and paired differences with 95 % intervals.

    Parameters
    ----------
    runs
        With the same rows. Seeds are averaged within a split, then splits.
    metrics
        Which differences to take.
    ours, reference
        ``ours`` is compared with every row, every row with ``reference``.
    interval
        ``"cells"``: percentiles over 2,000 resamplings of the query's cells within each split,
        the same cells for both methods and all seeds. ``"splits"``: t over splits.
    """
    score = score_labels if metrics is LABELS else score_unseen
    scores = [{name: score(run.truth, row) for name, row in run.rows.items()} for run in runs]
    names = list(runs[0].rows)
    means = {name: _mean([s[name] for s in scores]) for name in names}
    differences: dict[str, Any] = {f"minus {reference}": {}, f"{ours} minus": {}}
    for metric, function in metrics.items():
        samples, point = _samples(runs, function, interval)
        for name in names:
            pairs = ((f"minus {reference}", name, reference), (f"{ours} minus", ours, name))
            for kind, a, b in pairs:
                if a != b:
                    found = _interval(point[a] - point[b], samples[a] - samples[b], interval)
                    differences[kind].setdefault(name, {})[metric] = found
    return {
        "interval": interval,
        "mean": means,
        "differences": differences,
        "runs": [
            {"split": run.split, "seed": run.seed, "n_cells": len(run.truth), "rows": s} | run.about
            for run, s in zip(runs, scores, strict=True)
        ],
    }


def _samples(
    runs: Sequence[Run], metric: Metric, interval: str
) -> tuple[dict[str, Array], dict[str, float]]:
    """Of each row: the metric of every resampling or split, and its mean over splits."""
    rng = np.random.default_rng(0)
    drawn: dict[str, list[Array]] = {name: [] for name in runs[0].rows}
    exact: dict[str, list[float]] = {name: [] for name in runs[0].rows}
    for split in dict.fromkeys(run.split for run in runs):
        here = [run for run in runs if run.split == split]
        n = len(here[0].truth)
        draws = DRAWS if interval == "cells" else 0
        weights = [np.ones(n), *rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(float)]
        for name in drawn:
            found = [[metric(r.truth, r.rows[name].guess, w) for w in weights] for r in here]
            mean = np.mean(found, axis=0)
            exact[name].append(mean[0])
            drawn[name].append(mean[1:])
    point = {name: float(np.mean(values)) for name, values in exact.items()}
    over = exact if interval == "splits" else {k: np.mean(v, axis=0) for k, v in drawn.items()}
    return {name: np.asarray(values) for name, values in over.items()}, point


def _interval(point: float, samples: Array, interval: str) -> dict[str, float | None]:
    """The difference and its 95 % interval; none where there is but one split."""
    if interval == "cells":
        low, high = np.nanquantile(samples, [0.025, 0.975])
    elif len(samples) < 2:
        return {"mean": point, "low": None, "high": None}
    else:
        half = stats.t.ppf(0.975, len(samples) - 1) * stats.sem(samples)
        low, high = point - half, point + half
    return {"mean": point, "low": float(low), "high": float(high)}


def _mean(scores: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """Mean over runs of each score; None where no run has it."""
    found: dict[str, float | None] = {}
    for name in scores[0]:
        values = [s[name] for s in scores if s[name] is not None]
        found[name] = float(np.mean(values)) if values else None
    return found
